//! Entries that cannot be read: the backup is finished, says so, and ends with 3.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::world::{BINARY, Ran, World, run};

/// A user who is not root: `nobody` on every Linux.
const NOBODY: u32 = 65534;

/// Root can read everything, so as root the binary is run as somebody else, from a place that everybody can reach.
struct Unprivileged {
    world: World,
    binary: PathBuf,
}

impl Unprivileged {
    fn new() -> Self {
        let world = World::with_files();
        world.write("docs/secret", b"nobody may read this");
        world.write("docs/closed/inner", b"nor this");
        let binary = world.path("mainstay");
        std::fs::copy(BINARY, &binary).expect("a copy of the binary");
        let unprivileged = Self { world, binary };
        for path in crate::world::files(unprivileged.world.home()) {
            unprivileged.give(&path);
        }
        for name in ["", "docs", "docs/deep", "docs/deep/er", "docs/closed"] {
            unprivileged.give(&unprivileged.world.path(name));
        }
        for name in ["docs/secret", "docs/closed"] {
            let path = unprivileged.world.path(name);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0)).expect("it is ours");
        }
        unprivileged
    }

    fn give(&self, path: &std::path::Path) {
        if rustix::process::getuid().is_root() {
            chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give files away");
        }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        run(self.command(arguments))
    }

    fn command(&self, arguments: &[&str]) -> &mut Command {
        let command = Box::leak(Box::new(self.world.command_of(&self.binary, arguments)));
        if rustix::process::getuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

impl Drop for Unprivileged {
    fn drop(&mut self) {
        // Whoever removes the home must be able to list it.
        let closed = self.world.path("docs/closed");
        let _ = std::fs::set_permissions(closed, std::fs::Permissions::from_mode(0o700));
    }
}

#[test]
fn unreadable_entries_are_warnings_and_exit_code_3() {
    let unprivileged = Unprivileged::new();
    let ran = unprivileged.run(&["backup", "docs"]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    assert!(ran.stdout.starts_with("snapshot "), "{ran:#?}");
    for part in ["warning: ", "docs/secret", "docs/closed", "ermission denied", "warning[MS-1503] 2 entries"] {
        assert!(ran.stderr.contains(part), "no {part:?} in {ran:#?}");
    }
    let restored = unprivileged.run(&["restore", "latest", "--target", "out"]);
    assert_eq!(restored.code, 0, "{restored:#?}");
    let notes = unprivileged.world.restored("out", "docs/notes.md");
    assert_eq!(std::fs::read(notes).expect("the others are there"), b"first line\n");
    let status = unprivileged.run(&["status"]);
    assert_eq!(status.code, 0, "{status:#?}");
    assert!(status.stderr.contains("2 entries could not be read"), "{status:#?}");
}

#[test]
fn with_json_each_warning_is_a_line_and_the_summary_counts_them() {
    let unprivileged = Unprivileged::new();
    let ran = unprivileged.run(&["backup", "docs", "--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (3, ""), "{ran:#?}");
    let lines = ran.lines();
    let warnings = lines.iter().filter(|line| line["message_type"] == "warning");
    assert_eq!(warnings.count(), 2, "{lines:#?}");
    let summary = lines.last().expect("a summary");
    assert_eq!(summary["statistics"]["warnings"], 2);
}
