//! Tests of what a file system keeps.

use crate::files::{Keeping, Metadata, Preserve, TargetTree, compare};
use crate::{Kind, Owner, Timestamp};

#[test]
fn only_what_the_file_system_makes_of_a_time_and_a_mode_explains_a_difference() {
    let directory = tempfile::tempdir().unwrap();
    let tree = TargetTree::open_or_create(directory.path()).unwrap();
    let top = tree.top();
    top.create_file(b"file").unwrap();
    let preserve = Preserve::as_own();
    let mut wanted = Metadata {
        kind: Kind::File,
        mode: 0o640,
        owner: Owner::default(),
        // Beyond what ext4 and XFS keep: they take it and keep the last second that they can.
        modified: Timestamp { seconds: 100_000_000_000, nanoseconds: 5 },
        attributes: Vec::new(),
        link_target: None,
        size: 0,
    };
    assert_eq!(top.set_metadata(b"file", &wanted, &preserve).unwrap().unset, []);
    let found = top.examine(b"file").unwrap().unwrap();
    let keeping = Keeping::begin(&tree).unwrap();
    assert_eq!(tree.top().list().unwrap().entries.len(), 1, "what is tried has no name");
    for difference in compare(&wanted, &found, &preserve) {
        assert!(keeping.explains(&difference, &wanted, &found, &preserve), "{difference}");
    }
    wanted.modified = Timestamp { seconds: 1_000_000_000, nanoseconds: 5 };
    wanted.mode = 0o600;
    let differences = compare(&wanted, &found, &preserve);
    assert_eq!(differences.len(), 2);
    for difference in differences {
        assert!(!keeping.explains(&difference, &wanted, &found, &preserve), "{difference}");
    }
}
