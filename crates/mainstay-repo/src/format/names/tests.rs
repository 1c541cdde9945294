//! Tests of the names of objects.

use super::*;
use crate::fixtures::session_id;

const PACK: PackId = PackId([0x9c; 32]);
const SNAPSHOT: SnapshotId = SnapshotId([0x5a; 32]);
const SOURCE: SourceId = SourceId([0x50; 16]);
const TABLE: TableId = TableId([0x1d; 16]);

#[test]
fn names_are_spelled_like_this_for_ever() {
    let session = session_id(0x5e);
    let expected = [
        (key_slot(SlotId([0x51; 8]), 0), format!("keys/slots/{}", "51".repeat(8))),
        (key_slot(SlotId([0x51; 8]), 1), format!("keys/slots/{}.1", "51".repeat(8))),
        (data_key(session, 12), format!("keys/data/{}.12", "5e".repeat(16))),
        (
            DataKeyName { session, generation: 3, carrier: Some(SessionId([7; 16])) }.name(),
            format!("keys/data/{}.3-{}", "5e".repeat(16), "07".repeat(16)),
        ),
        (data_key(session, 0), format!("keys/data/{}", "5e".repeat(16))),
        (pack(PACK, session), format!("packs/9c/{}-{}", "9c".repeat(32), "5e".repeat(16))),
        (table(TableKind::Blocks, TABLE), format!("index/b-{}", "1d".repeat(16))),
        (table(TableKind::Chunks, TABLE), format!("index/c-{}", "1d".repeat(16))),
        (refs(SNAPSHOT), format!("refs/{}", "5a".repeat(32))),
        (trash(SNAPSHOT), format!("trash/{}", "5a".repeat(32))),
        (snapshot(SOURCE, 7, SNAPSHOT), format!("snapshots/{}/000000000007-{}", "50".repeat(16), "5a".repeat(32))),
        (lease(session, 3), format!("coord/leases/{}/000003", "5e".repeat(16))),
        (lease_end(session), format!("coord/leases/{}/end", "5e".repeat(16))),
        (intent(session, 12), format!("coord/intents/{}/000012", "5e".repeat(16))),
    ];
    for (name, expected) in expected {
        assert_eq!(name, expected);
    }
}

#[test]
fn a_name_is_read_back_as_what_it_was_made_of() {
    let session = session_id(0x5e);
    assert_eq!(parse_pack(&pack(PACK, session)), Ok((PACK, session)));
    for kind in [TableKind::Blocks, TableKind::Chunks] {
        assert_eq!(parse_table(&table(kind, TABLE)), Ok((kind, TABLE)));
    }
    for sequence in [1, 999_999_999_999, 1_000_000_000_000, u64::MAX] {
        let name = snapshot(SOURCE, sequence, SNAPSHOT);
        assert_eq!(parse_snapshot(&name), Ok((SOURCE, sequence, SNAPSHOT)));
    }
    assert_eq!(parse_lease(&lease(session, 1_000_000)), Ok((session, LeaseName::Claim(1_000_000))));
    assert_eq!(parse_lease(&lease_end(session)), Ok((session, LeaseName::End)));
}

#[test]
fn what_is_nearly_a_name_is_none() {
    let session = session_id(0x5e);
    let damage = |name: String| {
        let mut wrong: Vec<String> = (0..name.len()).map(|len| name[..len].to_owned()).collect();
        wrong.extend([name.to_uppercase(), format!("{name}0"), format!("/{name}"), name.replacen('/', "//", 1)]);
        wrong
    };
    for name in damage(pack(PACK, session)) {
        assert!(parse_pack(&name).is_err(), "{name}");
    }
    assert!(parse_pack(&pack(PACK, session).replacen("9c/", "9d/", 1)).is_err(), "another folder");
    for name in damage(table(TableKind::Blocks, TABLE)) {
        assert!(parse_table(&name).is_err(), "{name}");
    }
    for name in damage(snapshot(SOURCE, 7, SNAPSHOT)) {
        assert!(parse_snapshot(&name).is_err(), "{name}");
    }
    assert!(parse_snapshot(&snapshot(SOURCE, 7, SNAPSHOT).replacen("0000", "", 1)).is_err(), "not padded");
    assert!(parse_table(&table(TableKind::Blocks, TABLE).replacen("b-", "d-", 1)).is_err(), "unknown kind");
    let longer = snapshot(SOURCE, 7, SNAPSHOT).replacen("/0000", "/00000", 1);
    assert!(parse_snapshot(&longer).is_err(), "one zero more is another name for the same number");
    for file in ["", "END", "-1", "1x", "4294967296", "+00005", "00005", "0000005"] {
        assert!(parse_lease(&format!("{LEASES}{session}/{file}")).is_err(), "{file}");
        assert!(parse_intent(&format!("{INTENTS}{session}/{file}")).is_err(), "{file}");
    }
}

#[test]
fn names_sort_in_the_order_of_their_sequences() {
    let names: Vec<String> = [9, 10, 99_999, 100_000].map(|sequence| snapshot(SOURCE, sequence, SNAPSHOT)).into();
    assert!(names.is_sorted());
}

#[test]
fn names_of_keys_are_read_back_and_only_in_one_spelling() {
    let (session, slot) = (SessionId([0x5e; 16]), SlotId([0x51; 8]));
    for generation in [0, 1, 12, 1000] {
        assert_eq!(
            parse_data_key(&data_key(session, generation)),
            Ok(DataKeyName { session, generation, carrier: None })
        );
        assert_eq!(parse_key_slot(&key_slot(slot, generation)), Ok((slot, generation)));
    }
    for end in [".", ".0", ".01", ".+1", ".1.", ".1.2", ".x", ".4294967296", "x", "/1"] {
        assert!(parse_data_key(&format!("{}{end}", data_key(session, 0))).is_err(), "{end}");
        assert!(parse_key_slot(&format!("{}{end}", key_slot(slot, 0))).is_err(), "{end}");
    }
    assert!(parse_data_key(&key_slot(slot, 0)).is_err() && parse_key_slot(&data_key(session, 0)).is_err());
}
