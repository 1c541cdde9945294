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
