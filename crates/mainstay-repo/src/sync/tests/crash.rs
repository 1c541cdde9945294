//! A sync that dies at any call of the store.

use super::*;
use crate::fixtures::{FailingStore, Failure};
use crate::lease::Liveness;

fn sync_over(here: &FailingStore, there: &MemoryStore) -> Result<SyncReport> {
    let here = Repository::open(Arc::new(here.clone()), &secret(), alive())?;
    here.sync_from(&open(there.clone(), alive()), &Unobserved)
}

/// Two that were pruned apart: blocks that both have thinned, and snapshots that each lacks.
fn apart() -> (MemoryStore, MemoryStore, BTreeMap<u64, Files>) {
    let (there, here) = (MemoryStore::default(), MemoryStore::default());
    let repository = create(there.clone());
    let first = back_up_next(&there, 1, &small(0..24));
    repository.create_copy(Arc::new(here.clone())).unwrap();
    sync(&here, &there).unwrap();
    let (even, odd) = (small((0..24).step_by(2)), small((1..24).step_by(2)));
    back_up_next(&there, 2, &even);
    let third = files_of(&[("large", 9, 200_000)]);
    back_up_next(&there, 3, &third);
    back_up_next(&here, 4, &odd);
    forget_and_prune(&there, first);
    forget_and_prune(&here, first);
    (there, here, [(2, even), (3, third), (4, odd)].into())
}

fn later() -> Liveness {
    Liveness { boot: b"a third boot".to_vec(), ..alive() }
}

fn fail_everywhere(failure: impl Fn(u64) -> Failure) {
    let (there, original, kept) = apart();
    let healthy = FailingStore::new(copy_of(&original), Failure::Never);
    assert_eq!(sync_over(&healthy, &there).unwrap().brought.len(), 2);
    for number in 0..healthy.calls() {
        let at = format!("{:?} of {}", failure(number), healthy.calls());
        let here = copy_of(&original);
        let crashed = sync_over(&FailingStore::new(here.clone(), failure(number)), &there);
        if let Ok(report) = &crashed {
            assert_eq!((report.brought.len(), report.left_out.len()), (2, 0), "{at}: {report:?}");
            assert_snapshots(&open(here.clone(), later()), &kept);
        }
        // Whichever comes next.
        for is_prune_first in [true, false] {
            let here = copy_of(&here);
            let repository = open(here.clone(), later());
            if is_prune_first {
                repository.prune().unwrap_or_else(|error| panic!("{at}: prune: {error}"));
            }
            let report = repository.sync_from(&open(there.clone(), later()), &Unobserved);
            let report = report.unwrap_or_else(|error| panic!("{at}: second sync: {error}"));
            assert!(report.left_out.is_empty(), "{at}: {report:?}");
            assert_snapshots(&repository, &kept);
            for _ in 0..2 {
                repository.prune().unwrap_or_else(|error| panic!("{at}: prune: {error}"));
                assert_snapshots(&repository, &kept);
            }
        }
    }
}

#[test]
fn a_sync_that_is_killed_at_any_call_breaks_nothing_and_the_next_one_ends_it() {
    fail_everywhere(Failure::From);
}

#[test]
fn a_call_that_fails_is_no_success_and_breaks_nothing() {
    fail_everywhere(Failure::Once);
}

#[test]
fn a_reply_that_is_lost_breaks_nothing() {
    fail_everywhere(Failure::Lost);
}

#[test]
fn a_copy_whose_creation_is_killed_at_any_call_is_created_by_the_next_try() {
    let (there, _, kept) = with_copy();
    let create_over =
        |store: &FailingStore| open(there.clone(), alive()).create_copy(Arc::new(store.clone())).map(drop);
    let healthy = FailingStore::new(MemoryStore::default(), Failure::Never);
    create_over(&healthy).unwrap();
    for number in 0..healthy.calls() {
        let store = MemoryStore::default();
        let _ = create_over(&FailingStore::new(store.clone(), Failure::From(number)));
        match open(there.clone(), alive()).create_copy(Arc::new(store.clone())).map(drop) {
            Ok(()) | Err(Error::Occupied { .. }) => {}
            Err(error) => panic!("call {number}: {error}"),
        }
        sync(&store, &there).unwrap_or_else(|error| panic!("call {number}: {error}"));
        assert_snapshots(&open(store, restarted()), &kept);
    }
}
