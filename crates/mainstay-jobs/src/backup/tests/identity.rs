//! The law of the house: what was backed up comes back as it was.

use proptest::prelude::*;

use crate::backup::Requested;
use crate::ground::{Edit, Ground, Holes, Plant, apply, as_recorded, difference, drawn, edits, plant, plants};
use crate::restore::{Extra, RestoreOptions};

/// Backs up what there is and asserts that it comes back, into a new directory.
fn assert_identity(ground: &Ground, requested: Requested, target: &str) -> Result<(), TestCaseError> {
    let report = ground.back_up(requested);
    let restored = ground.restore(&report.entry.unwrap(), target);
    prop_assert_eq!(difference(&restored, &ground.source(), Holes::Exact), None);
    Ok(())
}

fn assert_history(tree: &[Plant], first: &[Edit], second: &[Edit]) -> Result<(), TestCaseError> {
    let ground = Ground::new();
    plant(&ground.source(), tree);
    assert_identity(&ground, Requested::Full, "first")?;
    apply(&ground.source(), first);
    assert_identity(&ground, Requested::Incremental, "second")?;
    apply(&ground.source(), second);
    assert_identity(&ground, Requested::Differential, "third")?;
    assert_identity(&ground, Requested::Full, "fourth")?;
    assert_identity(&ground, Requested::Incremental, "fifth")
}

fn assert_taken_back(tree: &[Plant], edited: &[Edit]) -> Result<(), TestCaseError> {
    let (ground, _) = Ground::in_memory();
    plant(&ground.source(), tree);
    let old = ground.back_up(Requested::Full).entry.unwrap();
    let target = ground.restore(&old, "target");
    apply(&target, edited);
    let options = RestoreOptions { extra: Extra::Delete, ..as_recorded() };
    let report = ground.restore_with(&old, &target, &options);
    // A directory that took the name of a file is not given up for it.
    prop_assume!(!report.warnings.iter().any(|warning| warning.message.starts_with("a directory has its name")));
    prop_assert_eq!(report.warnings, vec![]);
    prop_assert_eq!(difference(&target, &ground.source(), Holes::AtLeast), None);
    Ok(())
}

proptest! {
    #![proptest_config(drawn(12))]

    #[test]
    fn whatever_is_backed_up_comes_back_as_it_was_by_every_type(
        tree in plants(30),
        first in edits(12),
        second in edits(12),
    ) {
        assert_history(&tree, &first, &second)?;
    }

    #[test]
    fn whatever_happened_to_a_tree_a_restore_in_place_takes_back(tree in plants(30), edited in edits(12)) {
        assert_taken_back(&tree, &edited)?;
    }
}
