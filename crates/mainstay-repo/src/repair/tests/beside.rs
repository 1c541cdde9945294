//! A repair beside other sessions: each stands still before each of its calls to the store while another one runs.

use std::collections::BTreeMap;

use super::*;
use crate::fixtures::beside::{another, at_each_call, weeks_later, within};

/// Two snapshots that share a large file, the first of them forgotten, with damage that parity undoes in a pack that both need and in one
/// that is sparse.
fn damaged() -> (MemoryStore, Files) {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    back_up(&repository, 1, &files_of(&[("a", 1, 300_000), ("b", 2, 200_000)])).unwrap();
    let kept = files_of(&[("a", 1, 300_000), ("c", 3, 100_000)]);
    back_up(&repository, 2, &kept).unwrap();
    repository.add_parity(None, 30, &Unobserved).unwrap();
    let first = repository.snapshots().unwrap().remove(0);
    repository.forget(first.id, 0).unwrap();
    for pack in named(&store, "packs/") {
        damage(&store, &pack, 60, 30);
    }
    (store, kept)
}

/// What a backup meets again.
fn again() -> Files {
    files_of(&[("b", 2, 200_000), ("a", 1, 300_000), ("d", 4, 1000)])
}

fn repair(store: &MemoryStore) -> Result<RepairReport> {
    another(store).repair(APPLY)
}

/// Everything that is to be there is, once whatever was broken off is done again; then after prunes as well.
fn assert_kept(store: &MemoryStore, expected: &BTreeMap<u64, Files>, at: &str) {
    let repository = open(store.clone(), restarted());
    for round in 0..3 {
        let report = repository.repair(APPLY).unwrap_or_else(|error| panic!("{at}, round {round}: repair: {error}"));
        assert_eq!(report.lost, [], "{at}, round {round}");
        for (sequence, files) in expected {
            let entries = repository.snapshots().unwrap();
            let entry = entries.iter().find(|entry| entry.snapshot.sequence == *sequence && !entry.forgotten);
            let entry = entry.unwrap_or_else(|| panic!("{at}, round {round}: {sequence} is not there"));
            let read = read_back(&repository, entry);
            let read = read.unwrap_or_else(|error| panic!("{at}, round {round}: read {sequence}: {error}"));
            assert!(read == *files, "{at}, round {round}: {sequence} has changed");
        }
        repository.prune().unwrap_or_else(|error| panic!("{at}, round {round}: prune: {error}"));
    }
    assert_whole(store);
}

#[test]
fn a_repair_that_stands_still_anywhere_while_a_backup_runs_takes_nothing_from_it() {
    at_each_call(|call| {
        let (store, kept) = damaged();
        let backup = |store: &MemoryStore| back_up(&another(store), 3, &again()).map(drop).is_ok();
        let (repaired, inner) = within(&store, call, |repository| repository.repair(APPLY), backup);
        repaired.unwrap_or_else(|error| panic!("call {call}: {error}"));
        let mut expected = BTreeMap::from([(2, kept)]);
        if inner == Some(true) {
            expected.insert(3, again());
        }
        assert_kept(&store, &expected, &format!("call {call}"));
        inner.is_some()
    });
}

#[test]
fn a_backup_that_stands_still_anywhere_while_a_repair_runs_is_whole() {
    at_each_call(|call| {
        let (store, kept) = damaged();
        let meanwhile = |store: &MemoryStore| {
            repair(store).unwrap();
            drop(another(store).prune().unwrap());
        };
        let (backed, inner) = within(&store, call, |repository| back_up(repository, 3, &again()), meanwhile);
        let mut expected = BTreeMap::from([(2, kept)]);
        backed.map(|_| expected.insert(3, again())).unwrap_or_else(|error| panic!("call {call}: {error}"));
        assert_kept(&store, &expected, &format!("call {call}"));
        inner.is_some()
    });
}

#[test]
fn a_backup_that_sleeps_for_weeks_anywhere_while_a_repair_runs_is_whole_or_void() {
    at_each_call(|call| {
        let (store, kept) = damaged();
        let meanwhile = |store: &MemoryStore| {
            weeks_later(store).repair(APPLY).unwrap();
            drop(weeks_later(store).prune().unwrap());
        };
        let (backed, inner) = within(&store, call, |repository| back_up(repository, 3, &again()), meanwhile);
        let mut expected = BTreeMap::from([(2, kept)]);
        if backed.is_ok() {
            expected.insert(3, again());
        }
        assert_kept(&store, &expected, &format!("call {call}, {backed:?}"));
        inner.is_some()
    });
}

#[test]
fn a_repair_that_stands_still_anywhere_while_another_or_a_prune_runs_loses_nothing() {
    for other in [(|store| drop(repair(store))) as fn(&MemoryStore), |store| drop(another(store).prune())] {
        at_each_call(|call| {
            let (store, kept) = damaged();
            let (_, inner) = within(&store, call, |repository| repository.repair(APPLY).map(drop), other);
            assert_kept(&store, &[(2, kept)].into(), &format!("call {call}"));
            inner.is_some()
        });
    }
}

#[test]
fn a_prune_that_stands_still_anywhere_while_a_repair_runs_loses_nothing() {
    at_each_call(|call| {
        let (store, kept) = damaged();
        let (_, inner) = within(&store, call, |repository| repository.prune().map(drop), |store| drop(repair(store)));
        assert_kept(&store, &[(2, kept)].into(), &format!("call {call}"));
        inner.is_some()
    });
}

#[test]
fn a_repair_that_sleeps_for_weeks_anywhere_loses_nothing_when_it_wakes() {
    at_each_call(|call| {
        let (store, kept) = damaged();
        let meanwhile = |store: &MemoryStore| {
            let repository = weeks_later(store);
            repository.repair(APPLY).unwrap();
            repository.prune().unwrap();
            back_up(&repository, 3, &again()).unwrap();
            repository.prune().unwrap();
        };
        let (_, inner) = within(&store, call, |repository| repository.repair(APPLY).map(drop), meanwhile);
        let mut expected = BTreeMap::from([(2, kept)]);
        inner.map(|()| expected.insert(3, again()));
        assert_kept(&store, &expected, &format!("call {call}"));
        inner.is_some()
    });
}

#[test]
fn a_snapshot_that_lost_something_and_was_forgotten_comes_back_with_its_loss() {
    let (store, repository, _) = with_snapshot();
    let content = content_pack(&store);
    damage(&store, &content, 5000, 10);
    repository.repair(ACCEPT).unwrap();
    back_up(&repository, 2, &files_of(&[("other", 9, 4000)])).unwrap();
    let first = repository.snapshots().unwrap().remove(0);
    let elsewhere = another(&store);
    let reader = elsewhere.begin_reading().unwrap();
    repository.forget(first.id, 0).unwrap();
    repository.undelete(first.id).unwrap();
    // Beside a list that it has to look out for.
    back_up(&repository, 3, &files_of(&[("third", 10, 4000)])).unwrap();
    let third = repository.snapshots().unwrap().pop().unwrap();
    repository.forget(third.id, 0).unwrap();
    assert!(another(&store).prune().unwrap().waiting.packs > 0);
    repository.forget(first.id, 0).unwrap();
    repository.undelete(first.id).unwrap();
    drop(reader);
    repository.prune().unwrap();
    assert!(repository.snapshots().unwrap().iter().any(|entry| entry.id == first.id && !entry.forgotten));
}
