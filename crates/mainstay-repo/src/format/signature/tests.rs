//! Tests of certificates and of what signatures are made over.

use super::*;
use crate::fixtures::damage::assert_damage_is_harmless;
use crate::fixtures::hex;

const REPOSITORY: RepositoryId = RepositoryId([0xa1; 16]);

fn certificate() -> Certificate {
    let statement = Statement {
        slot: SlotId([0x51; 8]),
        public_key: [0x9b; 32],
        label: "désk".to_owned(),
        created: -1,
        rights: SigningRights::ALL,
    };
    Certificate { statement, signature: [0x51; 64] }
}

#[test]
fn a_certificate_has_these_bytes_for_ever() {
    let statement = format!("a50148{}025820{}0365{}0420{}", "51".repeat(8), "9b".repeat(32), "64c3a9736b", "0507");
    let expected = format!("81a201{statement}025840{}", "51".repeat(64));
    assert_eq!(hex(&encode_certificates(&[certificate()])), expected);
    let domain = hex(b"mainstay-signed-1");
    let signed = certificate().statement.signed(REPOSITORY);
    assert_eq!(hex(&signed), format!("{domain}18{}{statement}", "a1".repeat(16)));
}

#[test]
fn a_repository_is_named_after_its_first_key_like_this_for_ever() {
    let hash = blake3::hash(&[&b"mainstay repository"[..], &[0x9b; 32]].concat());
    assert_eq!(repository_of(&[0x9b; 32]).0, hash.as_bytes()[..16]);
}

#[test]
fn damage_to_certificates_is_harmless() {
    let two = [certificate(), certificate()];
    assert_damage_is_harmless(&encode_certificates(&two), decode_certificates, |held| encode_certificates(held));
}

#[test]
fn no_certificate_and_too_many_are_refused() {
    assert!(decode_certificates(&encode_certificates(&[])).is_err());
    let most = vec![certificate(); limits::CERTIFICATES];
    assert!(decode_certificates(&encode_certificates(&most)).is_ok());
    assert!(decode_certificates(&encode_certificates(&[most, vec![certificate()]].concat())).is_err());
    assert!(decode_certificates(&vec![0x80; limits::CERTIFICATES_LEN + 1]).is_err());
}

#[test]
fn rights_include_themselves_and_what_is_among_them() {
    assert!(
        SigningRights::ALL.include(SigningRights::HOLDERS)
            && SigningRights::SNAPSHOTS.include(SigningRights::SNAPSHOTS)
    );
    assert!(
        !SigningRights::SNAPSHOTS.include(SigningRights::REMOVALS)
            && !SigningRights::SNAPSHOTS.include(SigningRights::ALL)
    );
}
