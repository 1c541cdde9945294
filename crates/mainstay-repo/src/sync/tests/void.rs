//! Snapshots whose sessions are known here as well: in a mirror that was made by copying files while one was at work a collector may
//! fence it before its snapshot comes. By the sync that brings it, it counts nevertheless.

use super::*;
use crate::fixtures::{FailingStore, Failure, copy_files};

/// A repository, a mirror of its files that was made while its last session was at work, and what its snapshots hold.
fn mirrored_at_work() -> (MemoryStore, MemoryStore, SnapshotId, BTreeMap<u64, Files>) {
    let there = MemoryStore::default();
    let repository = create(there.clone());
    let (first, second) = (small([1]), files_of(&[("a", 2, 300_000), ("b", 3, 4000)]));
    back_up_next(&there, 1, &first);
    let at_work = open(there.clone(), alive());
    let session = Session::begin(&at_work, Sharing::Shared).unwrap();
    let mirror = copy_of(&there);
    let (root, blocks) = store_files(&session, &second).unwrap();
    let mut late = draft("data", 2, root, blocks);
    late.snapshot.previous = Some(repository.snapshots().unwrap()[0].id);
    let late = session.commit(late).unwrap().entry.id;
    (there, mirror, late, [(1, first), (2, second)].into())
}

/// Another machine of the same name was restarted, so that the session is certainly gone.
fn mirror(store: &MemoryStore) -> Repository {
    open(store.clone(), restarted())
}

#[test]
fn a_snapshot_that_is_fenced_at_any_moment_of_a_sync_comes_and_counts() {
    let (there, original, late, kept) = mirrored_at_work();
    for call in 0.. {
        let here = copy_of(&original);
        let failing = FailingStore::new(here.clone(), Failure::Never);
        let beside = here.clone();
        failing.before(call, move || drop(mirror(&beside).prune()));
        let syncing = open(failing.clone(), restarted());
        let report = syncing.sync_from(&open(there.clone(), restarted()), &Unobserved).unwrap();
        assert!(ids(&report).contains(&late), "before call {call}: {report:?}");
        for _ in 0..2 {
            mirror(&here).prune().unwrap();
            assert_snapshots(&mirror(&here), &kept);
        }
        if failing.calls() <= call {
            return;
        }
    }
}

#[test]
fn a_snapshot_whose_session_was_fenced_before_is_brought_once() {
    for is_repair in [false, true] {
        let (there, here, late, kept) = mirrored_at_work();
        match is_repair {
            true => {
                drop(mirror(&here).repair(RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Keep }).unwrap())
            }
            false => drop(mirror(&here).prune().unwrap()),
        }
        let sync = || mirror(&here).sync_from(&open(there.clone(), restarted()), &Unobserved).unwrap();
        let report = sync();
        assert_eq!((ids(&report), report.left_out.len()), (vec![late], 0), "{report:?}");
        assert_snapshots(&mirror(&here), &kept);
        mirror(&here).prune().unwrap();
        assert_snapshots(&mirror(&here), &kept);
        let again = sync();
        assert_eq!((again.brought.len(), again.present), (0, 2), "{again:?}");
    }
}

#[test]
fn one_that_lies_there_void_counts_after_a_sync() {
    let (there, here, late, kept) = mirrored_at_work();
    mirror(&here).prune().unwrap();
    copy_files(&here, &there);
    let listing = mirror(&here).list_snapshots().unwrap();
    assert_eq!(listing.void.iter().map(|entry| entry.id).collect::<Vec<_>>(), [late]);
    // Held and marked by a prune, it comes all the same.
    mirror(&here).prune_observed(7 * 24 * 3600 * 1_000_000_000, &Unobserved).unwrap();
    let report = mirror(&here).sync_from(&open(there.clone(), restarted()), &Unobserved).unwrap();
    assert_eq!(ids(&report), [late], "{report:?}");
    for _ in 0..2 {
        assert_snapshots(&mirror(&here), &kept);
        mirror(&here).prune().unwrap();
    }
    assert_snapshots(&mirror(&here), &kept);
}

#[test]
fn one_that_lies_there_void_counts_after_an_undeletion_though_the_first_repository_is_gone() {
    let (there, here, late, kept) = mirrored_at_work();
    mirror(&here).prune().unwrap();
    copy_files(&here, &there);
    drop(there);
    // A prune holds it, with what no table names any more.
    mirror(&here).prune_observed(7 * 24 * 3600 * 1_000_000_000, &Unobserved).unwrap();
    mirror(&here).undelete(late).unwrap();
    for _ in 0..2 {
        assert_snapshots(&mirror(&here), &kept);
        mirror(&here).prune().unwrap();
    }
    assert_snapshots(&mirror(&here), &kept);
    back_up_next(&here, 3, &kept[&2]);
    mirror(&here).prune().unwrap();
    assert_snapshots(&mirror(&here), &[(1, kept[&1].clone()), (2, kept[&2].clone()), (3, kept[&2].clone())].into());
}

#[test]
fn a_sync_that_acquits_may_die_anywhere_and_fail_anywhere() {
    let (there, original, late, kept) = mirrored_at_work();
    mirror(&original).prune().unwrap();
    let sync_over = |here: &FailingStore| {
        let here = Repository::open(Arc::new(here.clone()), &secret(), restarted())?;
        here.sync_from(&open(there.clone(), restarted()), &Unobserved)
    };
    let healthy = FailingStore::new(copy_of(&original), Failure::Never);
    sync_over(&healthy).unwrap();
    for failure in [Failure::From, Failure::Once, Failure::Lost] {
        for call in 0..healthy.calls() {
            for is_prune_first in [true, false] {
                let at = format!("{:?} of {}, {is_prune_first}", failure(call), healthy.calls());
                let here = copy_of(&original);
                let crashed = sync_over(&FailingStore::new(here.clone(), failure(call)));
                if crashed.as_ref().is_ok_and(|report| ids(report).contains(&late)) {
                    assert_snapshots(&mirror(&here), &kept);
                }
                if is_prune_first {
                    mirror(&here).prune().unwrap_or_else(|error| panic!("{at}: prune: {error}"));
                }
                let report = mirror(&here).sync_from(&open(there.clone(), restarted()), &Unobserved).unwrap();
                assert_eq!((report.removed.len(), report.left_out.len()), (0, 0), "{at}: {report:?}");
                for _ in 0..2 {
                    assert_snapshots(&mirror(&here), &kept);
                    mirror(&here).prune().unwrap_or_else(|error| panic!("{at}: prune: {error}"));
                }
                assert_snapshots(&mirror(&here), &kept);
            }
        }
    }
}

#[test]
fn a_prune_that_stands_still_anywhere_takes_nothing_of_what_a_sync_acquits() {
    let (there, original, late, kept) = mirrored_at_work();
    mirror(&original).prune().unwrap();
    copy_files(&original, &there);
    let mut fates = [0, 0];
    for call in 0.. {
        let here = copy_of(&original);
        let failing = FailingStore::new(here.clone(), Failure::Never);
        let (beside, from) = (here.clone(), there.clone());
        let said = Arc::new(std::sync::Mutex::new(false));
        let tell = said.clone();
        failing.before(call, move || {
            let report = mirror(&beside).sync_from(&open(from, restarted()), &Unobserved);
            *tell.lock().unwrap() = report.is_ok_and(|report| ids(&report).contains(&late));
        });
        let pruned = Repository::open(Arc::new(failing.clone()), &secret(), restarted()).and_then(|here| here.prune());
        let said = *said.lock().unwrap();
        for _ in 0..2 {
            let snapshots = mirror(&here).snapshots().unwrap();
            assert!(!said || snapshots.iter().any(|entry| entry.id == late), "before call {call}: {pruned:?}");
            if said {
                assert_snapshots(&mirror(&here), &kept);
            }
            mirror(&here).prune().unwrap();
        }
        fates[usize::from(said)] += 1;
        if failing.calls() <= call {
            break;
        }
    }
    assert!(fates[0] > 0 && fates[1] > 0, "{fates:?}");
}
