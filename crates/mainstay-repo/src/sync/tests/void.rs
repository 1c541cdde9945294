//! Snapshots whose sessions are known here as well: in a mirror that was made by copying files while one was at work a collector may
//! fence it before its snapshot comes. By the sync that brings it, it counts nevertheless.

use super::*;
use crate::fixtures::beside::{at_each_call, within};
use crate::fixtures::{CREATED, FailingStore, Failure, copy_files};
use crate::lease::Liveness;

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

const DAY: i64 = 24 * 3600 * 1_000_000_000;

/// Another machine of the same name was restarted, so that the session is certainly gone.
fn mirror(store: &MemoryStore) -> Repository {
    open(store.clone(), restarted())
}

/// A prune as a policy runs it, so many days later, by which every hold of today is over after the seventh.
fn prune_after(store: &MemoryStore, days: i64) {
    let later = Liveness { now: Arc::new(move || CREATED + days * DAY), ..restarted() };
    open(store.clone(), later).prune_observed(7 * DAY, &Unobserved).unwrap();
}

/// A mirror in which the late snapshot lies void, held by a prune and marked.
fn with_a_held_one() -> (MemoryStore, MemoryStore, SnapshotId, BTreeMap<u64, Files>) {
    let (there, here, late, kept) = mirrored_at_work();
    mirror(&here).prune().unwrap();
    copy_files(&here, &there);
    prune_after(&here, 0);
    assert_eq!(named(&here, "trash/").len(), 1);
    (there, here, late, kept)
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
fn a_settlement_that_comes_late_makes_nothing_void_that_a_sync_has_confirmed() {
    let (there, original, late, kept) = mirrored_at_work();
    let mut last = 0;
    for (is_copied_first, is_settled_by_another) in [(false, false), (true, true)] {
        for call in 0.. {
            let here = copy_of(&original);
            let failing = FailingStore::new(here.clone(), Failure::Never);
            let (beside, from) = (here.clone(), there.clone());
            failing.before(call, move || {
                if is_copied_first {
                    copy_files(&beside, &from);
                    // It was copied before its session had ended.
                    let ends = named(&beside, "coord/leases/").into_iter().filter(|name| name.ends_with("/end"));
                    ends.for_each(|end| beside.delete(&end).unwrap());
                }
                if is_settled_by_another {
                    prune_after(&beside, 0);
                }
                let report = mirror(&beside).sync_from(&open(from, restarted()), &Unobserved).unwrap();
                assert!(report.left_out.is_empty(), "{report:?}");
            });
            let sleeper = open(failing.clone(), restarted()).prune_observed(7 * DAY, &Unobserved);
            if failing.calls() <= call {
                break;
            }
            last = last.max(call);
            let at = format!("before call {call}, {is_copied_first}, {is_settled_by_another}: {sleeper:?}");
            for days in [0, 30] {
                let snapshots = mirror(&here).snapshots().unwrap();
                assert!(snapshots.iter().any(|entry| entry.id == late), "{at}, day {days}");
                assert_snapshots(&mirror(&here), &kept);
                prune_after(&here, days);
            }
        }
    }
    assert!(last > 20, "only {last} calls were interrupted");
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
    mirror(&here).prune_observed(7 * DAY, &Unobserved).unwrap();
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
    mirror(&here).prune_observed(7 * DAY, &Unobserved).unwrap();
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
    die_and_fail_anywhere(&there, &original, (late, &kept));
}

#[test]
fn so_may_one_that_finds_the_snapshot_held_and_marked() {
    let (there, original, late, kept) = with_a_held_one();
    die_and_fail_anywhere(&there, &original, (late, &kept));
}

fn die_and_fail_anywhere(
    there: &MemoryStore,
    original: &MemoryStore,
    (late, kept): (SnapshotId, &BTreeMap<u64, Files>),
) {
    let sync_over = |here: &FailingStore| {
        let here = Repository::open(Arc::new(here.clone()), &secret(), restarted())?;
        here.sync_from(&open(there.clone(), restarted()), &Unobserved)
    };
    let healthy = FailingStore::new(copy_of(original), Failure::Never);
    sync_over(&healthy).unwrap();
    for failure in [Failure::From, Failure::Once, Failure::Lost] {
        for call in 0..healthy.calls() {
            for is_prune_first in [true, false] {
                let at = format!("{:?} of {}, {is_prune_first}", failure(call), healthy.calls());
                let here = copy_of(original);
                let crashed = sync_over(&FailingStore::new(here.clone(), failure(call)));
                if crashed.as_ref().is_ok_and(|report| ids(report).contains(&late)) {
                    assert_snapshots(&mirror(&here), kept);
                }
                if is_prune_first {
                    prune_after(&here, 1);
                }
                let report = mirror(&here).sync_from(&open(there.clone(), restarted()), &Unobserved).unwrap();
                assert_eq!((report.removed.len(), report.left_out.len()), (0, 0), "{at}: {report:?}");
                for days in [1, 9, 30] {
                    assert_snapshots(&mirror(&here), kept);
                    prune_after(&here, days);
                }
                mirror(&here).prune().unwrap_or_else(|error| panic!("{at}: prune: {error}"));
                assert_snapshots(&mirror(&here), kept);
            }
        }
    }
}

#[test]
fn a_prune_that_stands_still_anywhere_takes_nothing_of_what_is_acquitted_now_or_later() {
    let (there, original, late, kept) = mirrored_at_work();
    mirror(&original).prune().unwrap();
    copy_files(&original, &there);
    let sync = move |beside: &MemoryStore| {
        let report = mirror(beside).sync_from(&open(there.clone(), restarted()), &Unobserved);
        report.is_ok_and(|report| ids(&report).contains(&late))
    };
    let fates = stand_still_anywhere(&original, 0, (late, &kept), sync.clone());
    assert!(fates[0] > 0 && fates[1] > 0, "{fates:?}");
    let undelete = move |beside: &MemoryStore| mirror(beside).undelete(late).is_ok();
    for fates in [
        stand_still_anywhere(&original, 7 * DAY, (late, &kept), sync),
        stand_still_anywhere(&original, 7 * DAY, (late, &kept), undelete),
    ] {
        assert!(fates[1] > 0, "{fates:?}");
    }
}

/// Lets a prune stand still at each call while somebody acquits; answers how often he could not and could.
fn stand_still_anywhere(
    original: &MemoryStore,
    hold: i64,
    (late, kept): (SnapshotId, &BTreeMap<u64, Files>),
    acquit: impl Fn(&MemoryStore) -> bool + Clone + Send + 'static,
) -> [u32; 2] {
    let mut fates = [0, 0];
    at_each_call(|call| {
        let here = copy_of(original);
        let (pruned, said) =
            within(&here, call, |prune| prune.prune_observed(hold, &Unobserved).map(drop), acquit.clone());
        for days in [1, 9, 30] {
            let snapshots = mirror(&here).snapshots().unwrap();
            let is_there = snapshots.iter().any(|entry| entry.id == late);
            assert!(said != Some(true) || is_there, "before call {call}: {pruned:?}");
            if said == Some(true) {
                assert_snapshots(&mirror(&here), kept);
            }
            prune_after(&here, days);
        }
        said.is_some_and(|said| {
            fates[usize::from(said)] += 1;
            true
        })
    });
    fates
}
