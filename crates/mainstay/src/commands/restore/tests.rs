//! Tests of a restore's options.

use super::*;

#[test]
fn nothing_that_grants_rights_is_restored_unless_named() {
    assert_eq!(preserve(&[]), Preserve::as_permitted());
    assert_eq!(preserve(&[Keep::None]), Preserve::as_own());
    assert_eq!(preserve(&[Keep::All]), Preserve::as_recorded());
    let some = preserve(&[Keep::Owner, Keep::SetId]);
    assert_eq!(some.owner, Ownership::Required);
    assert!(some.set_id && !some.devices && !some.privileged_attributes);
}

#[test]
fn a_stopped_restore_says_how_to_go_on_in_the_same_target() {
    let stopped = || Failure::from(mainstay_jobs::Error::Cancelled);
    let hint = stopped().if_stopped(&how_to_go_on(Path::new("./my files"))).hint().to_owned();
    assert!(hint.contains("--target './my files' --overwrite if-changed"), "{hint}");
    assert!(!stopped().hint().contains("stored"), "the general advice holds for whoever stores nothing, too");
}
