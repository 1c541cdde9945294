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
fn a_data_key_that_is_gone_is_named_though_only_content_needs_it() {
    let fixture = Fixture::new();
    let shared = files([("kept", &noise(7, 400_000))]);
    let first = fixture.back_up_at(START, &shared);
    let more = files([("kept", &noise(7, 400_000)), ("new", b"new")]);
    let second = fixture.back_up_at(START + 1, &more);
    fixture.repository.forget(first.id, 0).unwrap();
    fixture.repository.prune().unwrap();
    let needed = fixture.repository.references(&second).unwrap();
    let keys = fixture.names("keys/data/");
    assert_eq!((needed.sessions().count(), keys.len()), (2, 2), "content of the one, trees of the other");
    // The snapshot itself is sealed by the key of its own session.
    let is_of_content = |key: &String| {
        fixture.store.delete(key).unwrap();
        fixture.reopen().repository.snapshots().is_ok()
    };
    let key = keys.into_iter().find(|key| {
        let bytes = fixture.store.read(key, 1 << 20).unwrap();
        is_of_content(key) || fixture.store.put(key, &bytes).is_err()
    });
    let key = key.expect("one of both");
    let report = checked(&fixture.reopen());
    let found = damage(&report).into_iter().find(|found| found.object == key).expect("it is named");
    assert!(found.snapshots.contains(&second.id), "{found:?}");
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
