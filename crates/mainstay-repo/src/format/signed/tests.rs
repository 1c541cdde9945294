//! Tests of the frame of signed objects.

use super::*;
use crate::fixtures::damage::assert_every_damage_is_noticed;
use crate::fixtures::hex;
use crate::format::signature::{SigningRights, Statement};
use crate::id::SlotId;

const REPOSITORY: RepositoryId = RepositoryId([0xa1; 16]);

fn certificate() -> Certificate {
    let statement = Statement {
        slot: SlotId([2; 8]),
        public_key: [3; 32],
        label: "a key".to_owned(),
        created: 4,
        rights: SigningRights::ALL,
    };
    Certificate { statement, signature: [5; SIGNATURE_LEN] }
}

fn object() -> Vec<u8> {
    encode(ObjectKind::Fence, REPOSITORY, b"said", (&[certificate()], [6; SIGNATURE_LEN]))
}

#[test]
fn an_object_comes_back_with_what_its_signature_is_made_over() {
    let decoded = decode(ObjectKind::Fence, REPOSITORY, &object()).unwrap();
    assert_eq!((decoded.said.as_slice(), decoded.certificates.len()), (&b"said"[..], 1));
    assert_eq!(hex(&decoded.signed), format!("{}0e{}{}", hex(b"mainstay-signed-1"), "a1".repeat(16), hex(b"said")));
    assert!(decode(ObjectKind::Trash, REPOSITORY, &object()).is_err(), "of another kind");
    assert!(decode(ObjectKind::Fence, RepositoryId([1; 16]), &object()).is_err(), "of another repository");
}

#[test]
fn every_damage_to_a_signed_object_is_noticed() {
    assert_every_damage_is_noticed(&object(), |bytes| decode(ObjectKind::Fence, REPOSITORY, bytes));
}
