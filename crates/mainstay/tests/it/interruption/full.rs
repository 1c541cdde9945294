//! A disk that takes no more: a clear error, no snapshot, and a repository that is as good as before.

use std::process::Command;

use crate::world::{BINARY, Ran, World, noise, run};

/// More than one pack, of which the disk takes none.
const CONTENT_LEN: usize = 20 << 20;

fn world() -> World {
    let world = World::backed_up();
    world.write("docs/new", &noise(CONTENT_LEN));
    world
}

/// A backup in a shell that does something before it.
fn back_up_after(world: &World, script: &str) -> Ran {
    let script = format!("{script}\nexec {BINARY} backup docs");
    run(&mut shell(world, &script))
}

fn shell(world: &World, script: &str) -> Command {
    world.command_of(std::path::Path::new("/bin/sh"), &["-c", script])
}

fn assert_as_before(world: &World) {
    assert_eq!(world.snapshots().len(), 1);
    world.ok(&["check"]);
    world.ok(&["verify"]);
    world.ok(&["restore", "latest", "--target", "restored", "--verify"]);
    world.ok(&["backup", "docs"]);
    world.ok(&["prune"]);
    world.ok(&["verify"]);
    world.ok(&["restore", "latest", "--target", "after", "--verify"]);
    assert_eq!(std::fs::read(world.restored("after", "docs/new")).expect("a file").len(), CONTENT_LEN);
}

#[test]
fn a_store_that_refuses_long_files_is_a_clear_error_and_stays_as_it_was() {
    let world = world();
    // The unit is 512 or 1024 bytes, as the shell likes it: 4 or 8 MiB.
    let ran = back_up_after(&world, "trap '' XFSZ; ulimit -f 8192");
    ran.failed(13, "MS-1105");
    assert!(ran.stderr.contains("File too large"), "{ran:#?}");
    assert_as_before(&world);
}

#[test]
fn a_backup_that_the_system_ends_for_its_long_files_leaves_the_repository_as_it_was() {
    let world = world();
    let ran = back_up_after(&world, "ulimit -f 8192");
    assert_ne!(ran.code, 0, "{ran:#?}");
    assert_as_before(&world);
}

/// Mounts a small disk where the repository is, without the rest of the machine seeing it, fills it, and says how each
/// command ended. Where nobody may mount, the limit on files stands in for the disk.
const SMALL_DISK: &str = r#"
mkdir -p "$HOME/disk"
if mount -t tmpfs -o size=12m none "$HOME/disk" 2>/dev/null
then full=14
else full=13; trap '' XFSZ; ulimit -f 8192
fi
mainstay() { "$BINARY" "$@"; echo "code $?"; }
export MAINSTAY_REPO="$HOME/disk/repository"
mainstay init
mainstay backup docs/notes.md
mainstay backup docs
[ "$(mainstay snapshots --json | grep -c '"id"')" = 1 ] && echo "one snapshot"
mainstay check
mainstay restore "latest:$NOTES" --target restored --verify
rm docs/new
mainstay prune
mainstay backup docs
mainstay verify
echo "full $full"
"#;

/// Restores into a small disk. Where nobody may mount, there is nothing to see.
const SMALL_TARGET: &str = r#"
mkdir -p "$HOME/disk"
mount -t tmpfs -o size=12m none "$HOME/disk" 2>/dev/null || exit 99
exec "$BINARY" restore latest --target "$HOME/disk/target"
"#;

#[test]
fn a_target_that_is_full_is_told_apart_from_a_store_that_is_full() {
    let world = world();
    world.ok(&["backup", "docs"]);
    let mut command = world.command_of(
        std::path::Path::new("/bin/sh"),
        &["-c", r#"unshare --user --map-root-user --mount sh -c "$0""#, SMALL_TARGET],
    );
    let ran = run(command.env("BINARY", BINARY));
    if ran.stderr.contains("MS-") {
        ran.failed(14, "MS-1604");
        // Whichever file comes when the disk is full.
        assert!(ran.stderr.contains("docs/") && ran.stderr.contains("where the target is"), "{ran:#?}");
    }
}

#[test]
fn a_full_disk_is_exit_code_14_and_space_that_is_freed_is_used() {
    let world = world();
    let mut command = world.command_of(
        std::path::Path::new("/bin/sh"),
        &["-c", r#"unshare --user --map-root-user --mount sh -c "$0" || sh -c "$0""#, SMALL_DISK],
    );
    let ran = run(command.env("BINARY", BINARY).env("NOTES", world.absolute("docs/notes.md")));
    let codes: Vec<&str> = ran.stdout.lines().filter_map(|line| line.strip_prefix("code ")).collect();
    let full = ran.stdout.lines().find_map(|line| line.strip_prefix("full ")).unwrap_or_else(|| panic!("{ran:#?}"));
    assert_eq!(codes, ["0", "0", full, "0", "0", "0", "0", "0"], "{ran:#?}");
    assert!(ran.stdout.contains("one snapshot"), "{ran:#?}");
    if full == "14" {
        assert!(ran.stderr.contains("error[MS-1107]"), "{ran:#?}");
    }
}
