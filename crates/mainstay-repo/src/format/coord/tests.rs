//! Tests of intents, condemned lists and trash marks.

use super::*;
use crate::fixtures::damage::assert_every_damage_is_noticed;
use crate::fixtures::{block_id, hex, session_id};

const REPOSITORY: RepositoryId = RepositoryId([0xa1; 16]);
const ELSEWHERE: RepositoryId = RepositoryId([0xa2; 16]);

fn intent() -> Intent {
    let mut blocks = BlockSet::default();
    for serial in [0, 1, 2, 70] {
        blocks.insert(block_id(0x5e, serial));
    }
    Intent { session: session_id(0x5e), number: 3, blocks }
}

fn condemned() -> Condemned {
    Condemned { id: TableId([0x1d; 16]), packs: vec![PackId([1; 32]), PackId([2; 32])] }
}

fn trash() -> Trash {
    Trash { snapshot: SnapshotId([0x5a; 32]), forgotten: -7 }
}

/// Header of a clear object of this kind in the repository of the tests.
fn clear_header(kind: &str) -> String {
    format!("4d534331{kind}000000{}", "a1".repeat(16))
}

#[test]
fn an_intent_has_these_bytes_for_ever() {
    let set = format!("a10181a20150{}02840003184301", "5e".repeat(16));
    let body = format!("a30150{}020303581d{set}", "5e".repeat(16));
    let bytes = encode_intent(REPOSITORY, &intent());
    assert_eq!(hex(&bytes[..bytes.len() - 32]), clear_header("0c") + &body);
    assert_eq!(decode_intent(REPOSITORY, &bytes), Ok(intent()));
}

#[test]
fn a_condemned_list_has_these_bytes_for_ever() {
    let body = format!("a20150{}02825820{}5820{}", "1d".repeat(16), "01".repeat(32), "02".repeat(32));
    let bytes = encode_condemned(REPOSITORY, &condemned());
    assert_eq!(hex(&bytes[..bytes.len() - 32]), clear_header("0d") + &body);
    assert_eq!(decode_condemned(REPOSITORY, &bytes), Ok(condemned()));
}

#[test]
fn a_trash_mark_has_these_bytes_for_ever() {
    let body = format!("a2015820{}0226", "5a".repeat(32));
    let bytes = encode_trash(REPOSITORY, &trash());
    assert_eq!(hex(&bytes[..bytes.len() - 32]), clear_header("0f") + &body);
    assert_eq!(decode_trash(REPOSITORY, SnapshotId([0x5a; 32]), &bytes), Ok(trash()));
}

#[test]
fn every_damage_to_an_object_of_coordination_is_noticed() {
    let bytes = encode_intent(REPOSITORY, &intent());
    assert_every_damage_is_noticed(&bytes, |bytes| decode_intent(REPOSITORY, bytes));
    let bytes = encode_condemned(REPOSITORY, &condemned());
    assert_every_damage_is_noticed(&bytes, |bytes| decode_condemned(REPOSITORY, bytes));
    let bytes = encode_trash(REPOSITORY, &trash());
    assert_every_damage_is_noticed(&bytes, |bytes| decode_trash(REPOSITORY, SnapshotId([0x5a; 32]), bytes));
}

#[test]
fn an_object_of_coordination_passes_for_no_other() {
    let bytes = encode_trash(REPOSITORY, &trash());
    assert!(decode_condemned(REPOSITORY, &bytes).is_err());
    assert!(decode_trash(ELSEWHERE, SnapshotId([0x5a; 32]), &bytes).is_err());
    assert!(decode_trash(REPOSITORY, SnapshotId([0x5b; 32]), &bytes).is_err());
}
