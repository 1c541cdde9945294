//! Tests of small objects that nothing has a use for: check and verify name them when they are damaged.

use mainstay_repo::Store;

use super::*;
use crate::verify::{VerifyOptions, VerifyReport, verify};

fn verified(fixture: &Fixture) -> VerifyReport {
    let options = VerifyOptions { sample: None, seed: 0 };
    verify(&fixture.repository, &options, &NoProgress, &Cancel::default()).unwrap()
}

#[test]
fn damage_to_a_small_object_that_nothing_reads_is_named() {
    let fixture = Fixture::new();
    let entry = fixture.back_up_at(START, &tree());
    fixture.back_up_at(START + 1, &tree());
    fixture.repository.forget(entry.id, 0).unwrap();
    for prefix in ["mainstay.json", "keys/slots/", "keys/data/", "coord/leases/", "trash/"] {
        for name in fixture.names(prefix) {
            let bytes = fixture.store.read(&name, 1 << 20).unwrap();
            for at in [bytes.len() / 2, bytes.len() - 1] {
                fixture.flip(&name, at);
                let report = checked(&fixture);
                assert!(damage(&report).iter().any(|found| found.object == name), "byte {at} of {name}");
                let verified = verified(&fixture);
                assert!(verified.findings.iter().any(|found| found.object == name), "verify: byte {at} of {name}");
                fixture.flip(&name, at);
            }
        }
    }
    assert_eq!(damage(&checked(&fixture)), [] as [&Finding; 0]);
}

#[test]
fn a_damaged_reference_map_of_no_snapshot_is_named() {
    let fixture = Fixture::new();
    let entry = fixture.back_up_at(START, &tree());
    let snapshots = fixture.names("snapshots/");
    fixture.store.delete(&snapshots[0]).unwrap();
    fixture.flip(&fixture.refs_name(&entry), 60);
    assert!(damage(&checked(&fixture)).iter().any(|found| found.object == fixture.refs_name(&entry)));
}
