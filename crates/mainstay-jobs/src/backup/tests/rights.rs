//! Backups by keys that may not read: what they read of the source, where they go on, and what others can do with them.

use std::sync::Arc;

use mainstay_repo::{BackupType, MemoryStore, RecoveryCode, Repository, Secret, Sharing, WriterMay};

use crate::backup::{BackupOptions, Mode, Requested};
use crate::fixture::{liveness, noise};
use crate::ground::{Ground, Holes, Watched, difference, options};

/// A source, and a repository that is open with the key of a writer; beside it the key that made it.
fn ground(may: WriterMay) -> (Ground, Repository) {
    let (mut ground, store) = Ground::in_memory();
    for (name, bytes) in [("a", noise(1, 1000)), ("deep/b", noise(2, 2000)), ("large", noise(3, 3 << 20))] {
        ground.write(name, &bytes);
    }
    let writer = open_writer(&ground.repository, &store, may);
    let full = std::mem::replace(&mut ground.repository, writer);
    (ground, full)
}

fn open_writer(full: &Repository, store: &MemoryStore, may: WriterMay) -> Repository {
    let code = RecoveryCode::generate().unwrap().to_text();
    full.add_writer(&Secret::from_text(&code), "agent", 0, may).unwrap();
    Repository::open(Arc::new(store.clone()), &Secret::from_text(&code), liveness()).unwrap()
}

#[test]
fn a_write_only_backup_reads_everything_says_so_and_goes_on_in_the_history() {
    let (mut ground, full) = ground(WriterMay::Nothing);
    let first = ground.back_up(Requested::Incremental).entry.unwrap();
    let report = ground.back_up(Requested::Incremental);
    let second = report.entry.unwrap();
    assert_eq!(second.snapshot.backup_type, BackupType::Full, "it believes nothing that it cannot read");
    assert_eq!((report.statistics.files_read, report.statistics.files_believed), (3, 0));
    assert_eq!((report.new_bytes, report.repository_problems), (0, 0));
    assert_eq!((first.snapshot.sequence, second.snapshot.sequence), (1, 2));
    assert_eq!((second.snapshot.parent, second.snapshot.previous), (None, Some(first.id)));
    ground.repository = full;
    let listed = ground.repository.snapshots().unwrap();
    assert_eq!(listed.iter().map(|entry| entry.id).collect::<Vec<_>>(), [first.id, second.id]);
    let restored = ground.restore(&listed[1], "target");
    assert_eq!(difference(&restored, &ground.source(), Holes::Exact), None);
}

#[test]
fn a_writer_that_may_list_reads_only_what_changed() {
    let (mut ground, full) = ground(WriterMay::List);
    let first = ground.back_up(Requested::Incremental).entry.unwrap();
    ground.write("new", b"new");
    let report = ground.back_up(Requested::Incremental);
    let second = report.entry.unwrap();
    assert_eq!(second.snapshot.backup_type, BackupType::Incremental);
    assert_eq!((report.statistics.files_read, report.statistics.files_believed), (1, 3));
    assert_eq!((second.snapshot.parent, second.snapshot.previous), (Some(first.id), Some(first.id)));
    ground.repository = full;
    let entry = ground.repository.snapshots().unwrap().pop().unwrap();
    let restored = ground.restore(&entry, "target");
    assert_eq!(difference(&restored, &ground.source(), Holes::Exact), None);
}

#[test]
fn nobody_builds_on_what_another_domain_says_under_the_same_name() {
    let (mut ground, full) = ground(WriterMay::List);
    let theirs = ground.back_up(Requested::Full).entry.unwrap();
    ground.repository = full;
    let own = ground.back_up(Requested::Incremental);
    let entry = own.entry.unwrap();
    assert_eq!((entry.snapshot.backup_type, entry.snapshot.sequence), (BackupType::Full, 1));
    assert_eq!((entry.snapshot.parent, entry.snapshot.previous), (None, None));
    assert_eq!(own.statistics.files_believed, 0);
    // Not even if it is asked to by the name under which the other is shown.
    let listed = ground.repository.snapshots().unwrap();
    let shown = listed.iter().find(|entry| entry.id == theirs.id).unwrap().snapshot.source.clone();
    let named = BackupOptions { source: shown, ..options(Requested::Incremental) };
    let report = ground.try_backup(&Watched::new(&ground.source()), &named).unwrap();
    assert_eq!((report.backup_type, report.parent), (BackupType::Full, None));
}

#[test]
fn a_dry_run_of_a_write_only_key_says_what_would_be_read() {
    let (ground, _full) = ground(WriterMay::Nothing);
    ground.back_up(Requested::Full);
    let dry = BackupOptions { mode: Mode::DryRun, ..options(Requested::Incremental) };
    let report = ground.try_backup(&Watched::new(&ground.source()), &dry).unwrap();
    assert_eq!((report.backup_type, report.statistics.files_read), (BackupType::Full, 3));
}

#[test]
fn an_independent_copy_by_a_write_only_key_shares_no_pack() {
    let (mut ground, full) = ground(WriterMay::Nothing);
    ground.back_up(Requested::Full);
    let apart = BackupOptions { sharing: Sharing::Independent, ..options(Requested::Full) };
    let report = ground.try_backup(&Watched::new(&ground.source()), &apart).unwrap();
    assert!(report.new_bytes > 3 << 20);
    ground.repository = full;
    let entry = ground.repository.snapshots().unwrap().pop().unwrap();
    let restored = ground.restore(&entry, "target");
    assert_eq!(difference(&restored, &ground.source(), Holes::Exact), None);
}

#[test]
fn check_and_verify_find_nothing_wrong_with_what_writers_stored() {
    let (mut ground, full) = ground(WriterMay::Nothing);
    ground.back_up(Requested::Full);
    let (progress, cancel) = (&crate::NoProgress, &crate::Cancel::default());
    let options = crate::verify::VerifyOptions { sample: None, seed: 0 };
    let refused = [
        crate::check::check(&ground.repository, progress, cancel).map(drop).unwrap_err(),
        crate::verify::verify(&ground.repository, &options, progress, cancel).map(drop).unwrap_err(),
    ];
    for error in refused {
        assert!(error.to_string().contains("this key may not"), "{error}");
    }
    ground.repository = full;
    ground.back_up(Requested::Full);
    let checked = crate::check::check(&ground.repository, progress, cancel).unwrap();
    assert_eq!(checked.findings, []);
    let verified = crate::verify::verify(&ground.repository, &options, progress, cancel).unwrap();
    assert_eq!(verified.findings, []);
    assert_eq!(verified.packs, verified.all_packs);
}
