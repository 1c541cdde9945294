//! Tests of the encoding of records of removal.

use super::*;
use crate::fixtures::damage::assert_every_damage_is_noticed;
use crate::fixtures::hex;
use crate::format::signature::{SigningRights, Statement};
use crate::id::SlotId;

const REPOSITORY: RepositoryId = RepositoryId([0xa1; 16]);
const RECORD: TableId = TableId([0x1d; 16]);

fn removal() -> Removal {
    let one = |sequence, previous| RemovedSnapshot {
        source: SourceId([0x50; 16]),
        sequence,
        id: SnapshotId([sequence as u8; 32]),
        previous,
        elsewhere: (sequence == 3).then_some(true),
    };
    let snapshots = vec![one(1, None), one(2, Some(SnapshotId([1; 32]))), one(3, None)];
    let packs = [PackId([7; 32]), PackId([2; 32]), PackId([7; 32])].into_iter().collect();
    Removal { id: RECORD, snapshots, packs }
}

fn encoded() -> Vec<u8> {
    let statement = Statement {
        slot: SlotId([0x51; 8]),
        public_key: [0x9b; 32],
        label: "desk".to_owned(),
        created: 1,
        rights: SigningRights::ALL,
    };
    encode(REPOSITORY, &removal(), &[Certificate { statement, signature: [2; 64] }], [3; 64])
}

#[test]
fn a_removal_has_these_bytes_for_ever() {
    let (source, one, two, three) = ("50".repeat(16), "01".repeat(32), "02".repeat(32), "03".repeat(32));
    let first = format!("a30150{source}0201035820{one}");
    let second = format!("a40150{source}0202035820{two}045820{one}");
    let third = format!("a40150{source}0203035820{three}05f5");
    let packs = format!("0350{}{}", "02".repeat(8), "07".repeat(8));
    let expected = format!("a30150{}0283{first}{second}{third}{packs}", "1d".repeat(16));
    assert_eq!(hex(&to_cbor(&removal())), expected);
    let signed = format!("{}19{}{expected}", hex(b"mainstay-signed-1"), "a1".repeat(16));
    assert_eq!(hex(&super::signed(REPOSITORY, &removal())), signed);
}

#[test]
fn a_record_without_packs_is_as_short_as_it_was_before_there_were_any() {
    let removal = Removal { packs: RemovedPacks::default(), ..removal() };
    let stored = to_cbor(&removal);
    assert!(stored.starts_with(&[0xa2]), "{}", hex(&stored));
    assert_eq!(from_cbor::<Removal>("record", &stored).unwrap(), removal);
}

#[test]
fn packs_that_are_not_eight_bytes_each_ascending_and_at_least_one_are_refused() {
    let whole = hex(&to_cbor(&removal()));
    let (two, seven) = ("02".repeat(8), "07".repeat(8));
    for wrong in ["0340".to_owned(), format!("0348{two}00"), format!("0350{seven}{two}"), format!("0350{two}{two}")] {
        let damaged = whole.replace(&format!("0350{two}{seven}"), &wrong);
        let bytes: Vec<u8> =
            (0..damaged.len() / 2).map(|at| u8::from_str_radix(&damaged[2 * at..2 * at + 2], 16).unwrap()).collect();
        assert!(from_cbor::<Removal>("record", &bytes).is_err(), "{wrong}");
    }
}

#[test]
fn a_record_comes_back_as_it_was_and_every_damage_is_noticed() {
    let record = decode(REPOSITORY, RECORD, &encoded()).unwrap();
    assert_eq!((record.removal, record.signature), (removal(), [3; 64]));
    assert_eq!(record.signed, signed(REPOSITORY, &removal()));
    assert_every_damage_is_noticed(&encoded(), |bytes| decode(REPOSITORY, RECORD, bytes).map(|record| record.removal));
}

#[test]
fn a_record_under_another_name_or_in_another_repository_is_refused() {
    assert!(decode(REPOSITORY, TableId([0; 16]), &encoded()).is_err());
    assert!(decode(RepositoryId([0; 16]), RECORD, &encoded()).is_err());
}
