//! Leases that say nothing: what a check tells of them.

use mainstay_repo::names;

use super::*;

#[test]
fn a_lease_that_cannot_be_read_is_named() {
    let fixture = Fixture::new();
    fixture.back_up_at(START, &tree());
    let session = Session::begin(&fixture.repository, Sharing::Shared).unwrap();
    assert_eq!(checked(&fixture).findings, [], "an open session is no finding");
    let lease = names::lease(session.id(), 0);
    fixture.store.damage(&lease, |bytes| bytes.truncate(30));
    let report = checked(&fixture);
    assert_eq!(only_damage(&report).object, lease);
    assert!(only_damage(&report).problem.contains("prune"), "{:?}", report.findings);
}
