//! Tests of the snapshot record.

use super::*;
use crate::fixtures::damage::assert_damage_is_harmless;
use crate::fixtures::{block_id, hex, session_id};
use crate::format::tree::Extent;

fn snapshot() -> Snapshot {
    Snapshot {
        source: "söurce".to_owned(),
        sequence: 42,
        host: "host".to_owned(),
        user: "user".to_owned(),
        paths: vec![b"/home".to_vec().into(), b"/\xff".to_vec().into()],
        started: 1_700_000_000_000_000_000,
        ended: -1,
        backup_type: BackupType::Differential,
        parent: None,
        base: Some(SnapshotId([0xba; 32])),
        previous: None,
        independent: true,
        root: Content {
            extents: vec![Extent::Data { block: block_id(0x5e, 7), offset: 1, len: 500 }],
            lists: Vec::new(),
        },
        references: [0x4e; 32],
        session: session_id(0x5e),
        tags: vec!["tag".to_owned()],
        statistics: SnapshotStatistics { files: 1, excluded: 1000, ..SnapshotStatistics::default() },
        program: "mainstay 1".to_owned(),
        origin: Some(Origin { repository: RepositoryId([7; 16]), snapshot: SnapshotId([8; 32]) }),
    }
}

#[test]
fn a_snapshot_has_these_bytes_for_ever() {
    let root = format!("a2018150{}0284010701{}", "5e".repeat(16), "1901f4");
    let fields = [
        "01".to_owned() + "6773c3b675726365",
        "02".to_owned() + "182a",
        "03".to_owned() + "64686f7374",
        "04".to_owned() + "6475736572",
        "05".to_owned() + "82452f686f6d65422fff",
        "06".to_owned() + "1b17979cfe362a0000",
        "07".to_owned() + "20",
        "08".to_owned() + "03",
        "0a5820".to_owned() + &"ba".repeat(32),
        "0c".to_owned() + "f5",
        format!("0d82581b{root}45a201800280").replace("581b", &format!("58{:02x}", root.len() / 2)),
        "0e5820".to_owned() + &"4e".repeat(32),
        "0f50".to_owned() + &"5e".repeat(16),
        "10".to_owned() + "8163746167",
        "11".to_owned() + "ac010102000300040005000600070008000900" + "0a000b000c1903e8",
        "12".to_owned() + "6a6d61696e737461792031",
    ];
    let made_here = Snapshot { origin: None, ..snapshot() };
    assert_eq!(hex(&made_here.encode()), format!("b0{}", fields.concat()));
    assert_eq!(Snapshot::decode(&made_here.encode()), Ok(made_here));
    let origin = format!("13a20150{}025820{}", "07".repeat(16), "08".repeat(32));
    assert_eq!(hex(&snapshot().encode()), format!("b1{}{origin}", fields.concat()), "a copy says of what");
    assert_eq!(Snapshot::decode(&snapshot().encode()), Ok(snapshot()));
}

#[test]
fn damage_to_a_snapshot_is_harmless() {
    assert_damage_is_harmless(&snapshot().encode(), Snapshot::decode, Snapshot::encode);
}

#[test]
fn every_backup_type_survives() {
    for backup_type in [BackupType::Full, BackupType::Incremental, BackupType::Differential] {
        let stored = Snapshot { backup_type, ..snapshot() };
        assert_eq!(Snapshot::decode(&stored.encode()), Ok(stored));
    }
}

#[test]
fn a_sequence_of_zero_is_refused() {
    assert!(Snapshot::decode(&Snapshot { sequence: 0, ..snapshot() }.encode()).is_err());
}

#[test]
fn bytes_after_a_snapshot_are_refused() {
    let mut bytes = snapshot().encode();
    bytes.push(0);
    assert!(Snapshot::decode(&bytes).is_err());
}
