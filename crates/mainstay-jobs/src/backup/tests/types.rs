//! The types of a backup: what each one reads, what it believes, and what it says about its ancestry.

use std::collections::HashSet;

use mainstay_repo::{BackupType, PackId, SessionId, Sharing, SnapshotEntry};

use crate::backup::{BackupOptions, BackupReport, Mode, Requested};
use crate::fixture::noise;
use crate::ground::{Ground, Watched, look, options, set_time};

/// Two small files and a large one.
fn ground() -> Ground {
    let (ground, _) = Ground::in_memory();
    for (name, bytes) in [("a", noise(1, 1000)), ("deep/b", noise(2, 2000)), ("large", noise(3, 3 << 20))] {
        ground.write(name, &bytes);
    }
    ground
}

const ALL_BYTES: u64 = 1000 + 2000 + (3 << 20);

/// Writes a file anew, a second later than it was: two writes within one tick of the clock look the same.
fn change(ground: &Ground, name: &str, seed: u8, len: usize, second: i64) {
    ground.write(name, &noise(seed, len));
    set_time(&ground.source().join(name), (1_800_000_000 + second, 0));
}

/// Backs up and asserts that the report tells what was really read.
fn back_up(ground: &Ground, requested: Requested) -> (BackupReport, Vec<Vec<u8>>) {
    let source = Watched::new(&ground.source());
    let report = ground.back_up_from(&source, requested);
    assert_eq!(report.warnings, []);
    assert_eq!(report.statistics.read_bytes, source.read_bytes());
    assert_eq!(report.statistics.files_read, source.opened().len() as u64);
    let statistics = report.statistics;
    assert_eq!(statistics.files, statistics.files_read + statistics.files_believed);
    assert_eq!(statistics.content_bytes, statistics.read_bytes + statistics.believed_bytes);
    (report, source.opened())
}

fn entry(report: &BackupReport) -> &SnapshotEntry {
    report.entry.as_ref().unwrap()
}

#[test]
fn a_full_backup_reads_every_byte_and_believes_nothing() {
    let ground = ground();
    for _ in 0..2 {
        let (report, opened) = back_up(&ground, Requested::Full);
        assert_eq!(report.backup_type, BackupType::Full);
        assert_eq!(report.parent, None);
        assert_eq!(entry(&report).snapshot.base, None);
        assert_eq!(report.statistics.read_bytes, ALL_BYTES);
        assert_eq!(report.statistics.believed_bytes, 0);
        assert_eq!(opened, [b"a".as_slice(), b"b", b"large"]);
    }
}

#[test]
fn a_full_backup_of_what_is_there_already_stores_no_content_again() {
    let ground = ground();
    back_up(&ground, Requested::Full);
    let (report, _) = back_up(&ground, Requested::Full);
    assert_eq!(report.new_bytes, 0);
    assert_eq!(report.packs, 0);
}

#[test]
fn an_incremental_backup_reads_only_what_changed() {
    let ground = ground();
    let (first, _) = back_up(&ground, Requested::Incremental);
    assert_eq!(first.backup_type, BackupType::Full);
    change(&ground, "deep/b", 4, 500, 1);
    let (second, opened) = back_up(&ground, Requested::Incremental);
    assert_eq!(second.backup_type, BackupType::Incremental);
    assert_eq!(second.parent, Some(entry(&first).id));
    assert_eq!(entry(&second).snapshot.base, Some(entry(&first).id));
    assert_eq!(opened, [b"b"]);
    assert_eq!(second.statistics.read_bytes, 500);
    assert_eq!(second.statistics.believed_bytes, ALL_BYTES - 2000);
    let (third, opened) = back_up(&ground, Requested::Incremental);
    assert_eq!(third.parent, Some(entry(&second).id));
    assert_eq!(opened, Vec::<Vec<u8>>::new());
}

#[test]
fn a_differential_backup_reads_what_changed_since_the_last_full_one() {
    let ground = ground();
    let (first, _) = back_up(&ground, Requested::Differential);
    assert_eq!(first.backup_type, BackupType::Full);
    change(&ground, "a", 4, 700, 1);
    back_up(&ground, Requested::Incremental);
    change(&ground, "deep/b", 5, 300, 2);
    let (report, opened) = back_up(&ground, Requested::Differential);
    assert_eq!(report.backup_type, BackupType::Differential);
    assert_eq!(report.parent, Some(entry(&first).id));
    assert_eq!(entry(&report).snapshot.base, Some(entry(&first).id));
    assert_eq!(opened, [b"a", b"b"]);
    assert_eq!(report.statistics.read_bytes, 1000);
    // An incremental one goes on from the newest, whatever its type.
    let (next, opened) = back_up(&ground, Requested::Incremental);
    assert_eq!(next.parent, Some(entry(&report).id));
    assert_eq!(opened, Vec::<Vec<u8>>::new());
}

#[test]
fn a_forgotten_snapshot_is_no_parent() {
    let ground = ground();
    let (first, _) = back_up(&ground, Requested::Full);
    ground.repository.forget(entry(&first).id, 0).unwrap();
    let (second, opened) = back_up(&ground, Requested::Incremental);
    assert_eq!(second.backup_type, BackupType::Full);
    assert_eq!(entry(&second).snapshot.previous, Some(entry(&first).id));
    assert_eq!(entry(&second).snapshot.sequence, 2);
    assert_eq!(opened.len(), 3);
}

#[test]
fn another_source_is_no_parent() {
    let ground = ground();
    back_up(&ground, Requested::Full);
    let source = Watched::new(&ground.source());
    let other = BackupOptions { source: "other".to_owned(), ..options(Requested::Incremental) };
    let report = ground.try_backup(&source, &other).unwrap();
    assert_eq!(report.backup_type, BackupType::Full);
    assert_eq!(source.read_bytes(), ALL_BYTES);
    assert_eq!(report.new_bytes, 0);
}

#[test]
fn content_that_changed_under_its_old_size_and_time_is_read_again() {
    let ground = ground();
    set_time(&ground.source().join("a"), (1_700_000_000, 7));
    let before = std::fs::metadata(ground.source().join("a")).unwrap();
    back_up(&ground, Requested::Full);
    // The clock of files ticks every few milliseconds: changes until it moves on cannot be told apart by anyone.
    while changed(&ground.source().join("a")) == changed_of(&before) {
        ground.write("a", &noise(9, 1000));
        set_time(&ground.source().join("a"), (1_700_000_000, 7));
    }
    let (report, opened) = back_up(&ground, Requested::Incremental);
    assert_eq!(opened, [b"a"]);
    assert_eq!(look(&ground.restore(entry(&report), "target")), look(&ground.source()));
}

fn changed(path: &std::path::Path) -> (i64, i64) {
    changed_of(&std::fs::metadata(path).unwrap())
}

fn changed_of(metadata: &std::fs::Metadata) -> (i64, i64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.ctime(), metadata.ctime_nsec())
}

/// The sessions whose blocks a snapshot needs, and the packs in which they are.
fn needs(ground: &Ground, entry: &SnapshotEntry) -> (HashSet<SessionId>, HashSet<PackId>) {
    let index = ground.repository.index().unwrap();
    let blocks = ground.repository.references(entry).unwrap();
    assert!(!blocks.is_empty());
    let packs = blocks.iter().map(|block| index.find_block(block).unwrap().unwrap().pack).collect();
    (blocks.sessions().collect(), packs)
}

#[test]
fn an_independent_backup_shares_no_block_and_no_pack_with_earlier_ones() {
    let ground = ground();
    let (first, _) = back_up(&ground, Requested::Full);
    let source = Watched::new(&ground.source());
    let independent = BackupOptions { sharing: Sharing::Independent, ..options(Requested::Incremental) };
    let report = ground.try_backup(&source, &independent).unwrap();
    assert_eq!(report.backup_type, BackupType::Full);
    assert!(entry(&report).snapshot.independent);
    assert_eq!(source.read_bytes(), ALL_BYTES);
    let (sessions, packs) = needs(&ground, entry(&first));
    let (own_sessions, own_packs) = needs(&ground, entry(&report));
    assert!(sessions.is_disjoint(&own_sessions));
    assert!(packs.is_disjoint(&own_packs));
    assert_eq!(look(&ground.restore(entry(&report), "target")), look(&ground.source()));
    // Those that follow may share again.
    change(&ground, "a", 4, 10, 1);
    let (next, _) = back_up(&ground, Requested::Incremental);
    assert_eq!(next.new_bytes - tree_bytes(&ground, &next), 10);
}

/// New bytes of a backup that are no content.
fn tree_bytes(ground: &Ground, report: &BackupReport) -> u64 {
    let session = entry(report).snapshot.session;
    let packs = ground.repository.list_packs().unwrap();
    let own = packs.iter().filter(|pack| pack.name.ends_with(&session.to_string()));
    let mut total = 0;
    for pack in own {
        let listing = ground.repository.read_pack_listing(pack).unwrap();
        for row in listing.rows.iter().filter(|row| row.kind == mainstay_repo::BlockKind::Tree) {
            let mut sealed = vec![0; row.table_len as usize];
            ground.repository.read_pack_at(pack, row.table_offset.into(), &mut sealed).unwrap();
            let table = ground.repository.open_chunk_table(row.block, &sealed).unwrap();
            total += table.chunks.iter().map(|(_, len)| u64::from(*len)).sum::<u64>();
        }
    }
    total
}

#[test]
fn a_dry_run_decides_the_same_and_reads_no_file() {
    let ground = ground();
    back_up(&ground, Requested::Full);
    change(&ground, "a", 4, 700, 1);
    let source = Watched::new(&ground.source());
    let dry = BackupOptions { mode: Mode::DryRun, ..options(Requested::Incremental) };
    let report = ground.try_backup(&source, &dry).unwrap();
    assert!(report.entry.is_none());
    assert_eq!(source.opened(), Vec::<Vec<u8>>::new());
    let (real, _) = back_up(&ground, Requested::Incremental);
    assert_eq!(report.backup_type, real.backup_type);
    assert_eq!(report.parent, real.parent);
    assert_eq!(report.statistics.files_read, real.statistics.files_read);
    assert_eq!(report.statistics.read_bytes, real.statistics.read_bytes);
    assert_eq!(report.statistics.files_believed, real.statistics.files_believed);
}
