//! Directories that are in the way of what is in them, and those above what was backed up.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use super::world;
use crate::tree::{is_root, look, set_time};
use crate::unprivileged::Unprivileged;

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is ours");
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().expect("it was restored").mode() & 0o7777
}

#[test]
fn fidelity_keeps_read_only_directories() {
    let unprivileged = Unprivileged::new();
    let world = &unprivileged.world;
    // Only root can read what even its owner may not enter; the user who restores may do as little in either.
    let mut modes = vec![("0500", 0o500), ("0555", 0o555)];
    modes.extend(is_root().then_some(("0000", 0)));
    for (name, mode) in &modes {
        world.write(&format!("shut/{name}/inner/file"), name.as_bytes());
        set_mode(&world.path(&format!("shut/{name}/inner")), *mode);
        set_mode(&world.path(&format!("shut/{name}")), *mode);
    }
    world.ok(&["backup", "shut"]);
    unprivileged.give_repository();
    let ran = unprivileged.run(&["restore", "latest", "--target", "out"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    for (name, wanted) in &modes {
        let restored = world.restored("out", "shut").join(name);
        assert_eq!(mode(&restored), *wanted);
        set_mode(&restored, 0o700);
        assert_eq!(mode(&restored.join("inner")), *wanted);
        set_mode(&restored.join("inner"), 0o700);
        assert_eq!(std::fs::read_to_string(restored.join("inner/file")).expect("it was restored"), *name);
        for directory in ["", "inner"] {
            // So that a user who is not root can remove it again.
            set_mode(&world.path("shut").join(name).join(directory), 0o700);
        }
    }
}

#[test]
fn fidelity_keeps_set_id_only_with_its_owner() {
    let unprivileged = Unprivileged::new();
    let world = &unprivileged.world;
    let program = world.write("programs/root", b"program");
    set_mode(&program, 0o4755);
    world.ok(&["backup", "programs"]);
    unprivileged.give_repository();
    let restore = ["restore", "latest", "--target", "out", "--preserve", "set-id"];
    unprivileged.run(&restore);
    // As root the file is another user's; else it is the user's own, who may set the bit.
    let wanted = if is_root() { 0o755 } else { 0o4755 };
    assert_eq!(mode(&world.restored("out", "programs/root")), wanted);
}

#[test]
fn fidelity_keeps_directories_above() {
    let world = world();
    world.write("above/between/docs/file", b"content");
    world.write("above/stray", b"not backed up");
    world.write("above/between/stray", b"nor this");
    let between = world.path("above/between");
    if is_root() {
        chown(&between, Some(12_345), Some(54_321)).expect("root may");
    }
    set_mode(&between, 0o1750);
    set_mode(&world.path("above"), 0o710);
    set_time(&between, 1_500_000_000, 123_456_789);
    set_time(&world.path("above"), -1, 5);
    world.ok(&["backup", "above/between/docs"]);
    world.ok(&["restore", &format!("latest:{}", world.absolute("above")), "--target", "restored"]);
    let (mut found, mut wanted) = (look(&world.path("restored")), look(&world.path("above")));
    wanted.retain(|path, _| !path.ends_with("stray"));
    assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    let between = Path::new("between");
    assert_eq!(found.remove(between), wanted.remove(between));
    // The whole snapshot has the directory above that one, too.
    world.ok(&["restore", "latest", "--target", "whole"]);
    let metadata = |path: &Path| path.metadata().expect("it is there");
    let (found, wanted) = (metadata(&world.restored("whole", "above")), metadata(&world.path("above")));
    let of = |metadata: &std::fs::Metadata| (metadata.mode(), metadata.uid(), metadata.mtime(), metadata.mtime_nsec());
    assert_eq!(of(&found), of(&wanted));
}
