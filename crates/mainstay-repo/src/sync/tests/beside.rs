//! A sync beside other sessions: each stands still before each of its calls to the store while another one runs.

use super::*;
use crate::SnapshotEntry;
use crate::fixtures::beside::{another, at_each_call, weeks_later, within};

/// Two that were pruned apart: a snapshot here is forgotten of which one that comes needs blocks.
fn apart() -> (MemoryStore, MemoryStore, BTreeMap<u64, Files>) {
    let (there, here) = (MemoryStore::default(), MemoryStore::default());
    let repository = create(there.clone());
    let first = back_up_next(&there, 1, &small(0..24));
    repository.create_copy(Arc::new(here.clone())).unwrap();
    sync(&here, &there).unwrap();
    let few = small((0..24).step_by(3));
    back_up_next(&there, 2, &few);
    back_up_next(&here, 3, &small([50]));
    open(here.clone(), alive()).forget(first, 0).unwrap();
    forget_and_prune(&there, first);
    (there, here, [(2, few), (3, small([50]))].into())
}

fn assert_kept(here: &MemoryStore, there: &MemoryStore, kept: &BTreeMap<u64, Files>, at: &str) {
    let repository = open(here.clone(), restarted());
    let apply = RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Keep };
    for round in 0..3 {
        let report = repository.sync_from(&open(there.clone(), restarted()), &Unobserved);
        let report = report.unwrap_or_else(|error| panic!("{at}, round {round}: {error}"));
        assert!(report.left_out.is_empty(), "{at}, round {round}: {report:?}");
        let repaired = repository.repair(apply).unwrap_or_else(|error| panic!("{at}, round {round}: {error}"));
        assert_eq!(repaired.lost, [], "{at}, round {round}");
        assert_snapshots(&repository, kept);
        repository.prune().unwrap_or_else(|error| panic!("{at}, round {round}: {error}"));
        assert_snapshots(&repository, kept);
    }
}

#[test]
fn a_sync_that_stands_still_anywhere_while_a_prune_runs_loses_nothing() {
    for is_fenced in [false, true] {
        at_each_call(|call| {
            let (there, here, kept) = apart();
            let prune = move |store: &MemoryStore| {
                let repository = if is_fenced { weeks_later(store) } else { another(store) };
                (0..2).all(|_| repository.prune().is_ok())
            };
            let from = open(there.clone(), alive());
            let (synced, pruned) = within(&here, call, |here| here.sync_from(&from, &Unobserved), prune);
            let at = format!("call {call}, {is_fenced}: {synced:?}, {pruned:?}");
            match &synced {
                Ok(report) => assert!(report.left_out.is_empty(), "{at}"),
                Err(Error::Fenced { .. }) if is_fenced => {}
                Err(error) => panic!("{at}: {error}"),
            }
            if synced.is_ok() {
                assert_snapshots(&open(here.clone(), restarted()), &kept);
            }
            assert_kept(&here, &there, &kept, &at);
            pruned.is_some()
        });
    }
}

/// Blocks are whole here for a snapshot that is forgotten: what is to come needs other parts of them than what stays.
fn in_parts() -> (MemoryStore, MemoryStore, BTreeMap<u64, Files>) {
    let (there, here) = (MemoryStore::default(), MemoryStore::default());
    let repository = create(there.clone());
    let first = back_up_next(&there, 1, &small(0..120));
    repository.create_copy(Arc::new(here.clone())).unwrap();
    sync(&here, &there).unwrap();
    let (come, stay) = (small((0..120).step_by(3)), small((1..120).step_by(4)));
    back_up_next(&there, 2, &come);
    back_up_next(&here, 3, &stay);
    open(here.clone(), alive()).forget(first, 0).unwrap();
    (there, here, [(2, come), (3, stay)].into())
}

#[test]
fn what_a_sync_brings_that_was_taken_for_gone_is_not_there_already_for_the_next_one() {
    let mut doubtful = 0;
    at_each_call(|call| {
        let (there, here, kept) = in_parts();
        let prune = move |store: &MemoryStore| (0..2).all(|_| weeks_later(store).prune().is_ok());
        let from = open(there.clone(), alive());
        // Where it was removed by then it does not come again.
        let first = from.snapshots().unwrap()[0].id;
        from.forget(first, 0).unwrap();
        let (synced, pruned) = within(&here, call, |here| here.sync_from(&from, &Unobserved), prune);
        let at = format!("call {call}: {synced:?}, {pruned:?}");
        let repository = open(here.clone(), restarted());
        if synced.is_err() {
            let (listed, _) = repository.readable_snapshots().unwrap();
            let is_sure = |entry: &&SnapshotEntry| entry.snapshot.sequence == 2 && !entry.unconfirmed;
            doubtful += u32::from(listed.iter().any(|entry| entry.unconfirmed));
            for entry in listed.iter().filter(is_sure) {
                assert_eq!(read_back(&repository, entry).unwrap(), kept[&2], "{at}");
            }
        }
        let report = sync(&here, &there).unwrap();
        assert!(report.left_out.is_empty(), "{at}: {report:?}");
        let listed = repository.snapshots().unwrap();
        assert!(listed.iter().all(|entry| !entry.unconfirmed), "{at}");
        assert_snapshots(&repository, &kept);
        repository.prune().unwrap_or_else(|error| panic!("{at}: {error}"));
        assert_snapshots(&repository, &kept);
        pruned.is_some()
    });
    assert!(doubtful > 0, "nobody was taken for gone between the snapshot and its confirmation");
}

#[test]
fn a_prune_that_stands_still_anywhere_while_a_sync_runs_takes_nothing_from_it() {
    for is_fenced in [false, true] {
        at_each_call(|call| {
            let (there, here, kept) = apart();
            let from = there.clone();
            let synced_within = move |store: &MemoryStore| {
                let repository = if is_fenced { weeks_later(store) } else { another(store) };
                let synced =
                    repository.sync_from(&open(from, alive()), &Unobserved).map(|report| report.left_out.len());
                // Somebody who takes the sleeper for gone ends what it has begun.
                let pruned = !is_fenced || repository.prune().is_ok();
                (synced, pruned)
            };
            let (pruned, synced) = within(&here, call, |here| here.prune().map(drop), synced_within);
            let at = format!("call {call}, {is_fenced}: {pruned:?}, {synced:?}");
            if let Some((Ok(left_out), _)) = &synced {
                assert_eq!(*left_out, 0, "{at}");
                assert_snapshots(&open(here.clone(), restarted()), &kept);
            }
            assert_kept(&here, &there, &kept, &at);
            synced.is_some()
        });
    }
}

#[test]
fn two_syncs_at_once_bring_everything() {
    at_each_call(|call| {
        let (there, here, kept) = apart();
        let from = there.clone();
        let second = move |store: &MemoryStore| another(store).sync_from(&open(from, alive()), &Unobserved).is_ok();
        let from = open(there.clone(), alive());
        let (first, second) = within(&here, call, |here| here.sync_from(&from, &Unobserved).map(drop), second);
        assert!(first.is_ok() && second != Some(false), "call {call}: {first:?}, {second:?}");
        assert_kept(&here, &there, &kept, &format!("call {call}"));
        second.is_some()
    });
}

#[test]
fn a_prune_there_takes_nothing_from_a_sync_that_reads() {
    at_each_call(|call| {
        let (there, here, kept) = apart();
        let forgotten = open(there.clone(), alive()).snapshots().unwrap()[0].id;
        let prune = move |store: &MemoryStore| {
            let repository = another(store);
            repository.forget(forgotten, 0).unwrap();
            repository.prune().is_ok()
        };
        let to = open(here.clone(), alive());
        let (synced, pruned) = within(&there, call, |there| to.sync_from(there, &Unobserved), prune);
        let report = synced.unwrap_or_else(|error| panic!("call {call}: {error}"));
        let repository = open(here.clone(), restarted());
        for entry in repository.snapshots().unwrap().iter().filter(|entry| !entry.forgotten) {
            assert_eq!(
                read_back(&repository, entry).unwrap(),
                kept[&entry.snapshot.sequence],
                "call {call}: {report:?}"
            );
        }
        repository.prune().unwrap_or_else(|error| panic!("call {call}: {error}"));
        pruned.is_some()
    });
}
