//! Tests of the frame around a snapshot.

use super::*;
use crate::fixtures::damage::assert_damage_is_harmless;
use crate::fixtures::{hex, session_id};
use crate::format::signature::{SigningRights, Statement};
use crate::id::SlotId;

fn header(previous: Option<SnapshotId>) -> SnapshotHeader {
    let statement = Statement {
        slot: SlotId([0x51; 8]),
        public_key: [0x9b; 32],
        label: "desk".to_owned(),
        created: 1,
        rights: SigningRights::ALL,
    };
    SnapshotHeader {
        repository: RepositoryId([0xa1; 16]),
        source: SourceId([0x50; 16]),
        sequence: 258,
        previous,
        references: [0x3f; 32],
        independent: previous.is_some(),
        session: session_id(0x5e),
        nonce: *b"twelve bytes",
        certificates: vec![Certificate { statement, signature: [0x2b; 64] }],
    }
}

fn object() -> Vec<u8> {
    [header(None).encode(), b"sealed".to_vec(), vec![0x2c; 64]].concat()
}

#[test]
fn a_snapshot_begins_with_these_bytes_for_ever() {
    let certificates = hex(&encode_certificates(&header(None).certificates));
    let expect = |flags: &str, previous: &str| {
        format!(
            "4d53533106{flags}0000{}{}0201000000000000{}{}{}7477656c76652062797465737e000000{certificates}",
            "a1".repeat(16),
            "50".repeat(16),
            previous.repeat(32),
            "3f".repeat(32),
            "5e".repeat(16),
        )
    };
    assert_eq!(certificates.len() / 2, 0x7e);
    assert_eq!(hex(&header(None).encode()), expect("00", "00"));
    assert_eq!(hex(&header(Some(SnapshotId([0x9e; 32]))).encode()), expect("01", "9e"));
}

#[test]
fn a_snapshot_is_taken_apart_into_what_it_was_made_of() {
    let object = object();
    let frame = SnapshotFrame::decode(&object).unwrap();
    assert_eq!((frame.header.clone(), frame.sealed, frame.signature), (header(None), &b"sealed"[..], [0x2c; 64]));
    let head = header(None).encode();
    assert_eq!(frame.signed(), signed(RepositoryId([0xa1; 16]), &head, b"sealed"));
    let expected = [&head[..], blake3::hash(b"sealed").as_bytes()].concat();
    let domain = format!("{}06{}", hex(b"mainstay-signed-1"), "a1".repeat(16));
    assert_eq!(hex(&frame.signed()), domain + &hex(&expected));
    assert!(frame.sealed_with().ends_with(&head));
}

#[test]
fn damage_to_a_frame_is_harmless() {
    let decode = |bytes: &[u8]| SnapshotFrame::decode(bytes).map(|frame| frame.header);
    for len in 0..object().len() - 6 {
        assert!(decode(&object()[..len]).is_err(), "cut to {len} bytes it still decodes");
    }
    let sample = [header(None).encode(), vec![0x2c; 64]].concat();
    assert_damage_is_harmless(&sample, decode, |header| [header.encode(), vec![0; 64]].concat());
}
