//! Entries that cannot be read or written: the run is finished, says so, and ends with 3.

use std::os::unix::fs::PermissionsExt as _;

use crate::unprivileged::Unprivileged;

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

#[test]
fn a_directory_of_the_target_that_cannot_be_listed_is_left_alone_and_the_restore_goes_on() {
    let unprivileged = Unprivileged::new();
    unprivileged.run(&["backup", "docs"]);
    let restore = || unprivileged.run(&["restore", "latest", "--target", "out", "--overwrite", "always", "--verify"]);
    let restored = restore();
    assert_eq!(restored.code, 0, "{restored:#?}");
    let of = |name: &str| unprivileged.world.restored("out", name);
    let deep = of("docs/deep");
    std::fs::remove_file(of("docs/notes.md")).expect("a file");
    std::fs::set_permissions(&deep, std::fs::Permissions::from_mode(0o000)).expect("it is ours");
    let restored = restore();
    assert_eq!(restored.code, 3, "{restored:#?}");
    for part in ["docs/deep", "ermission denied", "1 entry could not be restored"] {
        assert!(restored.stderr.contains(part), "no {part:?} in {restored:#?}");
    }
    assert_eq!(std::fs::read(of("docs/notes.md")).expect("the others are restored"), b"first line\n");
    // The directory itself has its mode back, so that it can be gone into now.
    let restored = restore();
    assert_eq!(restored.code, 0, "{restored:#?}");
}
