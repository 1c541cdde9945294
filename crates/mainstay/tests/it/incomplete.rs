//! Entries that cannot be read: the backup is finished, says so, and ends with 3.

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
