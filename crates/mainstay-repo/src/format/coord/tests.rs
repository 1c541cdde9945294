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
    Condemned {
        id: TableId([0x1d; 16]),
        packs: vec![CondemnedPack { id: PackId([1; 32]), session: session_id(0x5e) }],
        snapshots: vec![CondemnedSnapshot { source: SourceId([3; 16]), sequence: 7, id: SnapshotId([4; 32]) }],
        considered: vec![SnapshotId([5; 32])],
        keys: vec![CondemnedKey { session: session_id(6), carrier: None }],
    }
}

fn fence() -> Fence {
    Fence { session: session_id(0x5e), collector: session_id(0xcc) }
}

fn settlement() -> Settlement {
    Settlement { session: session_id(0x5e), collector: session_id(0xcc), survivors: vec![SnapshotId([0x5a; 32])] }
}

fn acquittal() -> Acquittal {
    Acquittal { session: session_id(0x5e), by: session_id(0xcc), snapshot: SnapshotId([0x5a; 32]) }
}

fn trash() -> Trash {
    Trash { snapshot: SnapshotId([0x5a; 32]), forgotten: -7, void: None, session: None }
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
    let packs = format!("81a2015820{}0250{}", "01".repeat(32), "5e".repeat(16));
    let snapshots = format!("81a30150{}0207035820{}", "03".repeat(16), "04".repeat(32));
    let rest = format!("04815820{}0581a10150{}", "05".repeat(32), "06".repeat(16));
    let body = format!("a50150{}02{packs}03{snapshots}{rest}", "1d".repeat(16));
    let said = encode_condemned(&condemned());
    assert_eq!(hex(&said), body);
    assert_eq!(decode_condemned(TableId([0x1d; 16]), &said), Ok(condemned()));
}

#[test]
fn a_fence_has_these_bytes_for_ever() {
    let said = encode_fence(&fence());
    assert_eq!(hex(&said), format!("a20150{}0250{}", "5e".repeat(16), "cc".repeat(16)));
    assert_eq!(decode_fence((session_id(0x5e), session_id(0xcc)), &said), Ok(fence()));
    assert!(decode_fence((session_id(0x5f), session_id(0xcc)), &said).is_err());
}

#[test]
fn a_settlement_has_these_bytes_for_ever() {
    let said = encode_settlement(&settlement());
    assert_eq!(hex(&said), format!("a30150{}0250{}03815820{}", "5e".repeat(16), "cc".repeat(16), "5a".repeat(32)));
    let decode = |session, collector| decode_settlement((session, collector), &said);
    assert_eq!(decode(session_id(0x5e), session_id(0xcc)), Ok(settlement()));
    assert!(decode(session_id(0x5f), session_id(0xcc)).is_err() && decode(session_id(0x5e), session_id(0xcd)).is_err());
}

#[test]
fn an_acquittal_has_these_bytes_for_ever() {
    let said = encode_acquittal(&acquittal());
    assert_eq!(hex(&said), format!("a30150{}0250{}035820{}", "5e".repeat(16), "cc".repeat(16), "5a".repeat(32)));
    let decode = |session, by| decode_acquittal((session, by), &said);
    assert_eq!(decode(session_id(0x5e), session_id(0xcc)), Ok(acquittal()));
    assert!(decode(session_id(0x5f), session_id(0xcc)).is_err() && decode(session_id(0x5e), session_id(0xcd)).is_err());
}

#[test]
fn a_trash_mark_has_these_bytes_for_ever() {
    let said = encode_trash(&trash());
    assert_eq!(hex(&said), format!("a2015820{}0226", "5a".repeat(32)));
    assert_eq!(decode_trash(SnapshotId([0x5a; 32]), &said), Ok(trash()));
    assert!(decode_trash(SnapshotId([0x5b; 32]), &said).is_err());
    let of_void = Trash { void: Some(true), ..trash() };
    assert_eq!(hex(&encode_trash(&of_void)), format!("a3015820{}022603f5", "5a".repeat(32)));
    assert!(of_void.is_of_void() && !trash().is_of_void());
    let arriving = Trash { session: Some(session_id(0x5e)), ..of_void };
    let said = format!("a4015820{}022603f50450{}", "5a".repeat(32), "5e".repeat(16));
    assert_eq!(hex(&encode_trash(&arriving)), said);
    assert_eq!(decode_trash(SnapshotId([0x5a; 32]), &encode_trash(&arriving)), Ok(arriving));
}

#[test]
fn a_change_of_keys_has_these_bytes_for_ever() {
    let begins = KeyChange { session: session_id(0x5e), removes: None };
    let said = encode_key_change(&begins);
    assert_eq!(hex(&said), format!("a10150{}", "5e".repeat(16)));
    let decode = |part, said: &[u8]| decode_key_change((session_id(0x5e), part), said);
    assert_eq!(decode(KeyChangeName::Begins, &said), Ok(begins));
    assert!(decode(KeyChangeName::Removes, &said).is_err());
    let removes = vec![DoomedSlot { id: SlotId([7; 8]), generation: 2 }];
    let removal = KeyChange { session: session_id(0x5e), removes: Some(removes) };
    let said = encode_key_change(&removal);
    assert_eq!(hex(&said), format!("a20150{}0281a20148{}0202", "5e".repeat(16), "07".repeat(8)));
    assert_eq!(decode(KeyChangeName::Removes, &said), Ok(removal));
    assert!(decode(KeyChangeName::Begins, &said).is_err());
    assert!(decode_key_change((session_id(0x5f), KeyChangeName::Removes), &said).is_err());
}

#[test]
fn every_damage_to_an_object_of_coordination_is_noticed() {
    let bytes = encode_intent(REPOSITORY, &intent());
    assert_every_damage_is_noticed(&bytes, |bytes| decode_intent(REPOSITORY, bytes));
}

#[test]
fn an_object_of_coordination_passes_for_no_other() {
    assert!(decode_condemned(TableId([0x1e; 16]), &encode_condemned(&condemned())).is_err());
    let list = encode_clear(ObjectKind::Condemned, REPOSITORY, &encode_condemned(&condemned()));
    assert!(decode_intent(REPOSITORY, &list).is_err());
    assert!(decode_intent(ELSEWHERE, &encode_intent(REPOSITORY, &intent())).is_err());
}
