//! Tests of the frames around whole objects.

use super::*;
use crate::fixtures::damage::assert_every_damage_is_noticed;
use crate::fixtures::hex;

const REPOSITORY: RepositoryId = RepositoryId([0xa1; 16]);

#[test]
fn a_clear_object_has_these_bytes_for_ever() {
    let checksum = "7a793eb25385ef28eb237da831e017864b3a7f895f09027fa8c13e63788d3bbc";
    let expected = format!("4d5343310a000000{}626f6479{checksum}", "a1".repeat(16));
    assert_eq!(hex(&encode_clear(ObjectKind::Lease, REPOSITORY, b"body")), expected);
}

#[test]
fn associated_data_has_these_bytes_for_ever() {
    let data = associated_data(REPOSITORY, ObjectKind::ChunkTable, &[b"one", b"two"]);
    assert_eq!(hex(&data), format!("6d61696e737461792d3103{}6f6e6574776f", "a1".repeat(16)));
}

#[test]
fn kinds_keep_their_numbers() {
    let kinds = [
        ObjectKind::ContentBlock,
        ObjectKind::TreeBlock,
        ObjectKind::ChunkTable,
        ObjectKind::IndexPage,
        ObjectKind::IndexTail,
        ObjectKind::Snapshot,
        ObjectKind::DataKey,
        ObjectKind::KeySlot,
        ObjectKind::References,
        ObjectKind::Lease,
        ObjectKind::LeaseEnd,
        ObjectKind::Intent,
        ObjectKind::Condemned,
        ObjectKind::Fence,
        ObjectKind::Trash,
        ObjectKind::BlockIndex,
        ObjectKind::ChunkIndex,
    ];
    assert!(kinds.iter().map(|kind| *kind as u8).eq(1..=17));
    assert_eq!([ObjectKind::Holder as u8, ObjectKind::Removal as u8], [24, 25]);
}

#[test]
fn every_damage_to_a_clear_object_is_noticed() {
    for body in [&b""[..], b"body"] {
        let bytes = encode_clear(ObjectKind::Lease, REPOSITORY, body);
        assert_eq!(decode_clear(ObjectKind::Lease, REPOSITORY, &bytes), Ok(body));
        assert_every_damage_is_noticed(&bytes, |bytes| {
            decode_clear(ObjectKind::Lease, REPOSITORY, bytes).map(<[u8]>::to_vec)
        });
    }
}

#[test]
fn a_clear_object_is_of_one_kind_and_one_repository() {
    let bytes = encode_clear(ObjectKind::Lease, REPOSITORY, b"body");
    assert!(decode_clear(ObjectKind::LeaseEnd, REPOSITORY, &bytes).is_err());
    assert!(decode_clear(ObjectKind::Lease, RepositoryId([0; 16]), &bytes).is_err());
}
