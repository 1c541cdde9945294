//! Manifests and holds: what comes back, and what is refused.

use super::*;

const REPOSITORY: RepositoryId = RepositoryId([1; 16]);

fn object(name: &str) -> SealedObject {
    SealedObject { name: name.to_owned(), len: 5, checksum: [3; 32] }
}

fn manifest(names: &[&str]) -> Manifest {
    Manifest {
        snapshot: SnapshotId([2; 32]),
        created: -5,
        held_until: Some(7),
        objects: names.iter().map(|name| object(name)).collect(),
        program: "mainstay 1".to_owned(),
    }
}

#[test]
fn a_manifest_is_what_it_was() {
    let whole = manifest(&["index/b-00", "mainstay.json", "packs/aa/bb-cc"]);
    assert_eq!(decode_manifest(&encode_manifest(&whole)), Ok(whole.clone()));
    let free = Manifest { held_until: None, ..whole };
    assert_eq!(decode_manifest(&encode_manifest(&free)), Ok(free));
}

#[test]
fn names_that_lead_elsewhere_or_are_out_of_order_are_refused() {
    for names in [
        &["../mainstay.json"][..],
        &["packs/../../etc"],
        &["/packs/aa"],
        &["packs//aa"],
        &["packs/"],
        &["other/aa"],
        &["coord/leases/aa"],
        &["packs/b", "packs/a"],
        &["packs/a", "packs/a"],
    ] {
        assert!(decode_manifest(&encode_manifest(&manifest(names))).is_err(), "{names:?}");
    }
}

#[test]
fn a_hold_is_that_of_its_name_and_of_its_archive() {
    let hold = Hold { id: TableId([4; 16]), until: 9 };
    let bytes = encode_hold(REPOSITORY, &hold);
    assert_eq!(decode_hold(REPOSITORY, hold.id, &bytes), Ok(hold));
    assert!(decode_hold(REPOSITORY, TableId([5; 16]), &bytes).is_err());
    assert!(decode_hold(RepositoryId([9; 16]), hold.id, &bytes).is_err());
    for length in 0..bytes.len() {
        assert!(decode_hold(REPOSITORY, hold.id, &bytes[..length]).is_err());
    }
}
