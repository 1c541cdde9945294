//! A user whom the system refuses something, which it never does to root.
//!
//! Owns the way to one: as root the binary is run as somebody else, from a place that everybody can reach.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use crate::world::{BINARY, Ran, World, run};

/// A user who is not root: `nobody` on every Linux.
const NOBODY: u32 = 65534;

/// Root can read everything, so as root the binary is run as somebody else, from a place that everybody can reach.
pub struct Unprivileged {
    pub world: World,
    binary: PathBuf,
}

impl Unprivileged {
    /// A home of that user with files, one of which and one directory it may not read.
    pub fn new() -> Self {
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
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o000)).expect("it is ours");
        }
        unprivileged
    }

    fn give(&self, path: &Path) {
        if rustix::process::getuid().is_root() {
            chown(path, Some(NOBODY), Some(NOBODY)).expect("root may give files away");
        }
    }

    /// Gives the repository and its key away, so that what root has backed up is restored by somebody else.
    pub fn give_repository(&self) {
        let mut pending = vec![self.world.path(".local"), self.world.path(".config")];
        while let Some(path) = pending.pop() {
            self.give(&path);
            if path.is_dir() {
                pending.extend(path.read_dir().expect("a directory").map(|entry| entry.expect("an entry").path()));
            }
        }
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.world.command_of(&self.binary, arguments);
        if rustix::process::getuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        run(&mut command)
    }
}

impl Drop for Unprivileged {
    fn drop(&mut self) {
        // Whoever removes the home must be able to list it.
        let closed = self.world.path("docs/closed");
        let _ = std::fs::set_permissions(closed, std::fs::Permissions::from_mode(0o700));
    }
}
