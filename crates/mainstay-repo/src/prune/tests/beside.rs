//! A prune beside other sessions: each stands still before each of its calls to the store while another one runs.

use std::collections::BTreeMap;

use super::*;
use crate::fixtures::beside::{WEEKS, another, at_each_call, weeks_later, within};
use crate::fixtures::{after, read_back};
use crate::id::SnapshotId;

/// Two snapshots, the first of which is forgotten; some of what it needed is thinned out, some moved, some deleted.
fn half_forgotten() -> (MemoryStore, Files, Files) {
    let (store, repository) = new_repository();
    let small = |step| super::thinning::small((0..40).step_by(step));
    let forgotten: Files =
        files_of(&[("a", 1, 600_000), ("b", 2, 600_000), ("c", 3, 600_000)]).into_iter().chain(small(1)).collect();
    let kept: Files = files_of(&[("a", 1, 600_000), ("d", 4, 1000)]).into_iter().chain(small(4)).collect();
    back_up(&repository, 1, &forgotten).unwrap();
    back_up(&repository, 2, &kept).unwrap();
    forget(&repository, 1);
    (store, forgotten, kept)
}

/// What a backup meets again of the forgotten one.
fn again() -> Files {
    let small = super::thinning::small((0..40).step_by(3));
    files_of(&[("a", 1, 600_000), ("b", 2, 600_000), ("e", 5, 1000)]).into_iter().chain(small).collect()
}

/// Everything that is to be there is, now and after two more prunes; and then nothing else is.
fn assert_whole(store: &MemoryStore, expected: &BTreeMap<u64, Files>, at: &str) {
    let repository = open(store.clone(), restarted());
    for prune in 0..3 {
        for (sequence, files) in expected {
            let entries = repository.snapshots().unwrap();
            let entry = entries.iter().find(|entry| entry.snapshot.sequence == *sequence && !entry.forgotten);
            let entry = entry.unwrap_or_else(|| panic!("{at}, {prune} prunes later: {sequence} is not there"));
            let read = read_back(&repository, entry);
            let read = read.unwrap_or_else(|error| panic!("{at}, {prune} prunes later: read {sequence}: {error}"));
            assert!(read == *files, "{at}, {prune} prunes later: {sequence} has changed");
        }
        repository.prune().unwrap_or_else(|error| panic!("{at}: prune: {error}"));
    }
    assert_eq!(garbage(store), [""; 0], "{at}");
}

#[test]
fn a_prune_leaves_what_a_session_at_work_may_need_to_the_next_one() {
    let (store, _, kept) = half_forgotten();
    let repository = open(store.clone(), alive());
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let before = named(&store, "packs/");
    let report = another(&store).prune().unwrap();
    assert!(report.waiting.packs > 0 && report.waiting.session == Some(session.id()));
    assert_eq!(report.freed_bytes(), 0);
    assert!(before.iter().all(|pack| store.names().contains(pack)), "nothing that was there is gone");
    let (root, blocks) = crate::fixtures::store_files(&session, &again()).unwrap();
    session.commit(crate::fixtures::draft("data", 3, root, blocks)).unwrap();
    let report = another(&store).prune().unwrap();
    assert_eq!(report.waiting, Waiting::default());
    assert_whole(&store, &[(2, kept), (3, again())].into(), "at the end");
}

#[test]
fn a_session_that_begins_after_a_list_does_not_keep_it() {
    let (store, _, kept) = half_forgotten();
    let repository = open(store.clone(), alive());
    let reader = repository.begin_reading().unwrap();
    assert!(another(&store).prune().unwrap().waiting.packs > 0);
    let later = repository.begin_reading().unwrap();
    drop(reader);
    assert_eq!(another(&store).prune().unwrap().waiting, Waiting::default());
    drop(later);
    assert_whole(&store, &[(2, kept)].into(), "at the end");
}

#[test]
fn a_backup_that_stands_still_anywhere_while_prunes_run_is_whole() {
    at_each_call(|call| {
        let (store, _, kept) = half_forgotten();
        let prunes = |store: &MemoryStore| (0..2).for_each(|_| drop(another(store).prune().unwrap()));
        let (backed, inner) = within(&store, call, |repository| back_up(repository, 3, &again()), prunes);
        backed.unwrap_or_else(|error| panic!("call {call}: {error}"));
        assert_whole(&store, &[(2, kept), (3, again())].into(), &format!("call {call}"));
        inner.is_some()
    });
}

#[test]
fn a_backup_that_sleeps_for_weeks_anywhere_is_whole_or_void() {
    at_each_call(|call| {
        let (store, _, kept) = half_forgotten();
        let prunes = |store: &MemoryStore| (0..2).for_each(|_| drop(weeks_later(store).prune().unwrap()));
        let (backed, inner) = within(&store, call, |repository| back_up(repository, 3, &again()), prunes);
        let mut expected = BTreeMap::from([(2, kept)]);
        match backed {
            Ok(_) => drop(expected.insert(3, again())),
            Err(error) => assert!(!matches!(error, Error::Bug(_)), "call {call}: {error}"),
        }
        let at = format!("call {call}, {}", if expected.len() == 2 { "confirmed" } else { "void" });
        assert_whole(&store, &expected, &at);
        inner.is_some()
    });
}

#[test]
fn a_prune_that_stands_still_anywhere_while_a_backup_runs_takes_nothing_from_it() {
    at_each_call(|call| {
        let (store, _, kept) = half_forgotten();
        let backup = |store: &MemoryStore| back_up(&another(store), 3, &again()).map(drop).unwrap();
        let (pruned, inner) = within(&store, call, |repository| repository.prune(), backup);
        pruned.unwrap_or_else(|error| panic!("call {call}: {error}"));
        let mut expected = BTreeMap::from([(2, kept)]);
        inner.map(|()| expected.insert(3, again()));
        assert_whole(&store, &expected, &format!("call {call}"));
        inner.is_some()
    });
}

#[test]
fn a_prune_that_stands_still_anywhere_while_another_runs_loses_nothing() {
    at_each_call(|call| {
        let (store, _, kept) = half_forgotten();
        let prune = |store: &MemoryStore| drop(another(store).prune());
        let (_, inner) = within(&store, call, |repository| repository.prune().map(drop), prune);
        assert_whole(&store, &[(2, kept)].into(), &format!("call {call}"));
        inner.is_some()
    });
}

#[test]
fn a_prune_that_sleeps_for_weeks_anywhere_loses_nothing_when_it_wakes() {
    at_each_call(|call| {
        let (store, _, kept) = half_forgotten();
        let meanwhile = |store: &MemoryStore| {
            let repository = weeks_later(store);
            repository.prune().unwrap();
            back_up(&repository, 3, &again()).unwrap();
            back_up(&repository, 4, &files_of(&[("c", 3, 600_000)])).unwrap();
            forget(&repository, 4);
            repository.prune().unwrap();
        };
        let (_, inner) = within(&store, call, |repository| repository.prune().map(drop), meanwhile);
        let mut expected = BTreeMap::from([(2, kept)]);
        inner.map(|()| expected.insert(3, again()));
        assert_whole(&store, &expected, &format!("call {call}"));
        inner.is_some()
    });
}

fn first(store: &MemoryStore) -> SnapshotId {
    let entries = open(store.clone(), alive()).snapshots().unwrap();
    entries.iter().find(|entry| entry.snapshot.sequence == 1).map(|entry| entry.id).unwrap()
}

#[test]
fn a_snapshot_that_is_undeleted_while_a_prune_stands_still_is_whole_or_stays_forgotten() {
    at_each_call(|call| {
        let (store, forgotten, kept) = half_forgotten();
        let id = first(&store);
        let undelete = move |store: &MemoryStore| another(store).undelete(id);
        let (_, inner) = within(&store, call, |repository| repository.prune().map(drop), undelete);
        let mut expected = BTreeMap::from([(2, kept)]);
        if let Some(Ok(())) = inner {
            expected.insert(1, forgotten);
        }
        assert_whole(&store, &expected, &format!("call {call}, undeleted: {inner:?}"));
        inner.is_some()
    });
}

#[test]
fn a_snapshot_that_is_pruned_while_its_undeletion_stands_still_is_whole_or_not_confirmed() {
    for later in [another as fn(&MemoryStore) -> Repository, weeks_later] {
        let mut calls = 0;
        let mut is_interrupted = true;
        while is_interrupted {
            let (store, forgotten, kept) = half_forgotten();
            let id = first(&store);
            let prunes = move |store: &MemoryStore| (0..2).for_each(|_| drop(later(store).prune()));
            let (undeleted, inner) = within(&store, calls, |repository| repository.undelete(id), prunes);
            let mut expected = BTreeMap::from([(2, kept)]);
            if undeleted.is_ok() {
                expected.insert(1, forgotten);
            }
            assert_whole(&store, &expected, &format!("call {calls}, undeleted: {undeleted:?}"));
            (calls, is_interrupted) = (calls + 1, inner.is_some());
        }
        assert!(calls > 5, "only {calls} calls were interrupted");
    }
}

#[test]
fn a_prune_goes_on_beside_a_session_whose_process_is_gone() {
    let (store, repository, kept) = half_dead();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    session.store_small_file(b"never committed").unwrap();
    let later = open(store.clone(), restarted());
    assert_eq!(later.prune().unwrap().waiting, Waiting::default());
    assert_snapshots(&later, &[(2, kept)].into());
    drop(session);
}

#[test]
fn the_session_of_another_machine_is_awaited_until_it_is_silent_for_a_week() {
    let (store, repository, _) = half_dead();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let elsewhere =
        |liveness| open(store.clone(), crate::Liveness { machine: b"another machine".to_vec(), ..liveness });
    assert_eq!(elsewhere(restarted()).prune().unwrap().waiting.session, Some(session.id()));
    assert_eq!(elsewhere(after(WEEKS)).prune().unwrap().waiting, Waiting::default());
}
