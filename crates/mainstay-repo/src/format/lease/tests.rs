//! Tests of the encoding of leases.

use super::*;
use crate::fixtures::damage::assert_every_damage_is_noticed;
use crate::fixtures::{hex, session_id};

const REPOSITORY: RepositoryId = RepositoryId([0xa1; 16]);

fn lease() -> Lease {
    Lease {
        session: session_id(0x5e),
        number: 2,
        role: Role::Collector,
        claim: Claim { machine: [0x3a; 16], boot: [0xb0; 16], process: 4242, process_start: 1 << 40 },
        seen: vec![TableId([0x1d; 16])],
        renewed: 23,
    }
}

#[test]
fn a_lease_has_these_bytes_for_ever() {
    let claim = format!("a40150{}0250{}03191092041b0000010000000000", "3a".repeat(16), "b0".repeat(16));
    let body = format!("a60150{}0202030304{claim}058150{}0617", "5e".repeat(16), "1d".repeat(16));
    let bytes = encode(REPOSITORY, &lease());
    assert_eq!(hex(&bytes[..bytes.len() - 32]), format!("4d5343310a000000{}{body}", "a1".repeat(16)));
    assert_eq!(decode(REPOSITORY, session_id(0x5e), &bytes), Ok(lease()));
}

#[test]
fn the_end_of_a_lease_has_these_bytes_for_ever() {
    let bytes = encode_end(REPOSITORY, session_id(0x5e));
    let expected = format!("4d5343310b000000{}50{}", "a1".repeat(16), "5e".repeat(16));
    assert_eq!(hex(&bytes[..bytes.len() - 32]), expected);
}

#[test]
fn every_role_survives() {
    for role in [Role::Writer, Role::Reader, Role::Collector] {
        let bytes = encode(REPOSITORY, &Lease { role, ..lease() });
        assert_eq!(decode(REPOSITORY, session_id(0x5e), &bytes).map(|lease| lease.role), Ok(role));
    }
}

#[test]
fn every_damage_to_a_lease_is_noticed() {
    let bytes = encode(REPOSITORY, &lease());
    assert_every_damage_is_noticed(&bytes, |bytes| decode(REPOSITORY, session_id(0x5e), bytes));
    assert!(decode(REPOSITORY, session_id(0x5f), &bytes).is_err(), "it is another session's");
}
