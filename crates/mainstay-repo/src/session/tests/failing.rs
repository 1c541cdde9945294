//! A store that fails at any one call of a backup, for every call.

use std::io;

use super::*;
use crate::fixtures::{FailingStore, Failure, copy_of, secret};

fn first_files() -> Files {
    files_of(&[("a", 1, 1000), ("b", 2, 600_000), ("gone", 3, 600_000)])
}

fn second_files() -> Files {
    files_of(&[("a", 1, 1000), ("b", 4, 600_000), ("c", 5, 700_000), ("d", 6, 10), ("e", 7, 20)])
}

/// Opens the repository through a store that fails, and makes the second backup.
fn back_up_over(store: &FailingStore) -> Result<()> {
    let repository = Repository::open(Arc::new(store.clone()), &secret(), alive())?;
    back_up(&repository, 2, &second_files()).map(drop)
}

/// Asserts that the store holds the first snapshot whole, and the second one whole or not at all.
fn assert_nothing_is_broken(store: &MemoryStore, reported: &Result<()>, failure: Failure) {
    let repository = open(store.clone(), restarted());
    let mut expected = std::collections::BTreeMap::from([(1, first_files())]);
    if repository.snapshots().unwrap().len() == 2 {
        expected.insert(2, second_files());
    } else {
        assert!(reported.is_err(), "{failure:?}: success was reported and there is no snapshot");
    }
    assert_snapshots(&repository, &expected);
}

fn fail_everywhere(failure: impl Fn(u64) -> Failure) {
    let (original, repository) = new_repository();
    back_up(&repository, 1, &first_files()).unwrap();
    let healthy = FailingStore::new(copy_of(&original), Failure::Never);
    back_up_over(&healthy).unwrap();
    for number in 0..healthy.calls() {
        let store = copy_of(&original);
        let failing = FailingStore::new(store.clone(), failure(number));
        let reported = back_up_over(&failing);
        if let Err(error) = &reported {
            assert_eq!(error.kind(), Kind::Unavailable, "call {number}: {error}");
        }
        failing.kill();
        assert_nothing_is_broken(&store, &reported, failure(number));
        let next = back_up(&open(store.clone(), restarted()), 3, &second_files()).unwrap();
        assert_eq!(read_back(&open(store, restarted()), &next.entry).unwrap(), second_files());
    }
}

#[test]
fn a_backup_that_fails_at_any_one_call_breaks_nothing() {
    fail_everywhere(Failure::Once);
}

#[test]
fn a_backup_that_is_killed_at_any_call_breaks_nothing() {
    fail_everywhere(Failure::From);
}

#[test]
fn a_backup_whose_last_reply_is_lost_breaks_nothing() {
    fail_everywhere(Failure::Lost);
}

#[test]
fn no_call_fails_silently() {
    let (original, repository) = new_repository();
    back_up(&repository, 1, &first_files()).unwrap();
    let healthy = FailingStore::new(copy_of(&original), Failure::Never);
    back_up_over(&healthy).unwrap();
    for number in 0..healthy.calls() {
        let store = copy_of(&original);
        // Success may be claimed only with the snapshot there: all that can fail after it is the end of the lease.
        if back_up_over(&FailingStore::new(store.clone(), Failure::From(number))).is_ok() {
            assert_eq!(named(&store, "snapshots/").len(), 2, "call {number} of {}", healthy.calls());
        }
    }
}

#[test]
fn a_full_store_is_reported_as_full_wherever_the_session_notices() {
    let (original, _) = new_repository();
    for number in [8, 10, 12, 14, 16] {
        let failing = FailingStore::with_kind(copy_of(&original), Failure::From(number), io::ErrorKind::StorageFull);
        let Ok(repository) = Repository::open(Arc::new(failing.clone()), &secret(), alive()) else { continue };
        let Ok(session) = Session::begin(&repository, Sharing::Shared) else { continue };
        let error = (0..).find_map(|seed| store_large(&session, &seeded(seed, limits::BLOCK_TARGET)).err()).unwrap();
        assert_eq!(error.kind(), Kind::NoSpace, "call {number}: {error}");
    }
}

#[test]
fn a_session_after_a_failure_commits_nothing() {
    let (original, _) = new_repository();
    let failing = FailingStore::new(original.clone(), Failure::Never);
    let repository = open(failing.clone(), alive());
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let (root, blocks) = store_files(&session, &second_files()).unwrap();
    failing.kill();
    assert!(session.commit(draft("data", 2, root, blocks)).is_err());
    assert!(named(&original, "snapshots/").is_empty());
}

#[test]
fn a_session_that_fails_to_begin_leaves_no_lease_of_a_living_process() {
    let (original, _) = new_repository();
    for number in 0..30 {
        let store = copy_of(&original);
        let failing = FailingStore::new(store.clone(), Failure::Once(number));
        let Ok(repository) = Repository::open(Arc::new(failing), &secret(), alive()) else { continue };
        if Session::begin(&repository, Sharing::Shared).is_ok() {
            continue;
        }
        let pruned = open(store, alive()).prune().map(drop);
        assert!(pruned.is_ok(), "after call {number} failed: {pruned:?}");
    }
}
