//! Making second copies beside whoever deletes, and dying while they are made or dropped.

use std::sync::Arc;

use super::copies::{another_secret, assert_copies_are_right, originals, with_copies};
use super::*;
use crate::fixtures::{FailingStore, Failure};

fn later() -> crate::lease::Liveness {
    crate::lease::Liveness { boot: b"a third boot".to_vec(), ..alive() }
}

fn opened(store: &FailingStore) -> Result<Repository> {
    Repository::open(Arc::new(store.clone()), &secret(), restarted())
}

fn add(store: &FailingStore) -> Result<AddedParity> {
    opened(store)?.add_parity(None, 3, &Unobserved)
}

/// A repository without copies, with a second key.
fn with_two_keys() -> (MemoryStore, crate::id::SlotId) {
    let (store, _) = with_copies();
    let repository = open(store.clone(), restarted());
    repository.drop_parity(None, &Unobserved).unwrap();
    let slot = repository.add_key(&another_secret(), "second", 1).unwrap().id;
    (store, slot)
}

#[test]
fn a_key_that_is_removed_at_any_moment_while_copies_are_made_leaves_none() {
    let (original, slot) = with_two_keys();
    for call in 0.. {
        let store = copy_of(&original);
        let failing = FailingStore::new(store.clone(), Failure::Never);
        let beside = store.clone();
        failing.before(call, move || open(beside, alive()).remove_key(slot).unwrap());
        add(&failing).unwrap();
        assert_copies_are_right(&store, &format!("removed before call {call}"));
        if failing.calls() <= call {
            break;
        }
    }
}

#[test]
fn copies_that_are_made_at_any_moment_while_a_key_is_removed_do_not_stay() {
    let (original, slot) = with_two_keys();
    for call in 0.. {
        let store = copy_of(&original);
        let failing = FailingStore::new(store.clone(), Failure::Never);
        let beside = store.clone();
        failing.before(call, move || drop(open(beside, alive()).add_parity(None, 3, &Unobserved).unwrap()));
        opened(&failing).unwrap().remove_key(slot).unwrap();
        assert_copies_are_right(&store, &format!("copied before call {call}"));
        if failing.calls() <= call {
            break;
        }
    }
}

#[test]
fn copies_that_are_made_at_any_moment_of_a_prune_do_not_outlive_what_it_removes() {
    let (original, _) = with_copies();
    let repository = open(original.clone(), restarted());
    repository.drop_parity(None, &Unobserved).unwrap();
    let kept = files_of(&[("c", 9, 4000)]);
    back_up(&repository, 3, &kept).unwrap();
    let second = repository.snapshots().unwrap().remove(0).id;
    repository.forget(second, 0).unwrap();
    for call in 0.. {
        let (store, at) = (copy_of(&original), format!("copied before call {call}"));
        let failing = FailingStore::new(store.clone(), Failure::Never);
        let beside = store.clone();
        failing.before(call, move || drop(open(beside, later()).add_parity(None, 3, &Unobserved).unwrap()));
        Repository::open(Arc::new(failing.clone()), &secret(), later()).unwrap().prune().unwrap();
        assert_copies_are_right(&store, &at);
        assert_snapshots(&open(store.clone(), later()), &snapshots(3, &kept));
        assert_eq!(open(store, later()).repair(APPLY).unwrap().lost, [], "{at}");
        if failing.calls() <= call {
            break;
        }
    }
}

#[test]
fn a_removal_of_a_key_that_is_killed_at_any_call_leaves_no_copy_of_it() {
    let (original, slot) = with_two_keys();
    open(original.clone(), restarted()).add_parity(None, 3, &Unobserved).unwrap();
    let failures: [fn(u64) -> Failure; 3] = [Failure::From, Failure::Once, Failure::Lost];
    for failure in failures {
        for call in 0.. {
            let (store, at) = (copy_of(&original), format!("{:?}", failure(call)));
            let failing = FailingStore::new(store.clone(), failure(call));
            let removed = opened(&failing).and_then(|repository| repository.remove_key(slot));
            assert_copies_are_right(&store, &at);
            let repository = open(store.clone(), later());
            let is_left = repository.key_slots().unwrap().slots.iter().any(|known| known.id == slot);
            assert!(!is_left || repository.remove_key(slot).is_ok(), "{at}");
            assert_eq!(named(&store, "copies/keys/slots/").len(), 1, "{at}");
            if removed.is_ok() && failing.calls() <= call {
                break;
            }
        }
    }
}

#[test]
fn making_and_dropping_copies_that_is_killed_at_any_call_breaks_nothing() {
    let (full, files) = with_copies();
    let bare = copy_of(&full);
    open(bare.clone(), restarted()).drop_parity(None, &Unobserved).unwrap();
    let drop_all = |store: &FailingStore| opened(store)?.drop_parity(None, &Unobserved).map(drop);
    let add_all = |store: &FailingStore| add(store).map(drop);
    type Work<'w> = &'w dyn Fn(&FailingStore) -> Result<()>;
    let work: [(&MemoryStore, Work<'_>); 2] = [(&bare, &add_all), (&full, &drop_all)];
    let failures: [fn(u64) -> Failure; 3] = [Failure::From, Failure::Once, Failure::Lost];
    for (original, work) in work {
        for failure in failures {
            for call in 0.. {
                let (store, at) = (copy_of(original), format!("{:?}", failure(call)));
                let failing = FailingStore::new(store.clone(), failure(call));
                let done = work(&failing);
                if let Err(error) = &done {
                    assert_eq!(error.kind(), Kind::Unavailable, "{at}: {error}");
                }
                assert_copies_are_right(&store, &at);
                let repository = open(store.clone(), later());
                assert_snapshots(&repository, &snapshots(2, &files));
                let report = repository.repair(APPLY).unwrap();
                assert!(report.lost.is_empty() && report.repaired.len() <= 1, "{at}: {report:?}");
                repository.add_parity(None, 3, &Unobserved).unwrap();
                assert_eq!(named(&store, names::COPIES).len(), originals(&store).len(), "{at}");
                if done.is_ok() && failing.calls() <= call {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_repair_by_copies_that_is_killed_at_any_call_is_finished_by_the_next() {
    let (original, files) = with_copies();
    for name in originals(&original) {
        damage(&original, &name, 60, 1);
    }
    for call in 0.. {
        let store = copy_of(&original);
        let failing = FailingStore::new(store.clone(), Failure::From(call));
        let done = opened(&failing).and_then(|repository| repository.repair(APPLY));
        let report = open(store.clone(), later()).repair(APPLY).unwrap_or_else(|error| panic!("{call}: {error}"));
        assert_eq!(report.lost, [], "{call}");
        assert_snapshots(&open(store.clone(), later()), &snapshots(2, &files));
        assert_copies_are_right(&store, &call.to_string());
        if done.is_ok() && failing.calls() <= call {
            break;
        }
    }
}

#[test]
fn a_damaged_slot_that_is_removed_at_any_moment_of_a_repair_does_not_come_back() {
    let (original, slot) = with_two_keys();
    open(original.clone(), restarted()).add_parity(None, 3, &Unobserved).unwrap();
    let name = names::key_slot(slot, 0);
    original.damage(&name, |bytes| bytes[40] ^= 1);
    for call in 0.. {
        let (store, at) = (copy_of(&original), format!("removed before call {call}"));
        let failing = FailingStore::new(store.clone(), Failure::Never);
        let beside = store.clone();
        failing.before(call, move || open(beside, alive()).remove_key(slot).unwrap());
        let _ = opened(&failing).unwrap().repair(APPLY);
        if failing.calls() <= call {
            break;
        }
        assert!(!store.names().contains(&name), "{at}");
        assert!(!store.names().contains(&names::second_copy(&name)), "{at}");
    }
}

#[test]
fn copies_that_are_dropped_at_any_moment_of_a_repair_lose_nothing_that_it_heals() {
    let (original, files) = with_copies();
    for folder in ["mainstay.json", names::KEY_SLOTS, names::DATA_KEYS, names::SNAPSHOTS] {
        let name = named(&original, folder).pop().unwrap();
        for call in 0.. {
            let (store, at) = (copy_of(&original), format!("{name}, dropped before call {call}"));
            store.damage(&name, |bytes| bytes[30] ^= 1);
            let failing = FailingStore::new(store.clone(), Failure::Never);
            let repository = Repository::open(Arc::new(failing.clone()), &secret(), later()).unwrap();
            let (begun, beside) = (failing.calls(), store.clone());
            failing.before(begun + call, move || {
                let _ = Repository::open(Arc::new(beside), &secret(), restarted())
                    .and_then(|beside| beside.drop_parity(None, &Unobserved));
            });
            let _ = repository.repair(APPLY);
            let is_over = failing.calls() <= begun + call;
            let again = Repository::open(Arc::new(store.clone()), &secret(), later());
            let again = again.unwrap_or_else(|error| panic!("{at}: {error}"));
            again.repair(APPLY).unwrap();
            assert_snapshots(&again, &snapshots(2, &files));
            if is_over {
                break;
            }
        }
    }
}
