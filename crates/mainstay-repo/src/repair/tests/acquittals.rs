//! Acquittals that are damaged: whatever is given up, no snapshot becomes void that is whole.

use std::sync::Arc;

use super::*;
use crate::fixtures::{FailingStore, Failure, make_void};

/// A repository whose snapshot counts only by an acquittal, which is damaged; its name, and that of the snapshot.
fn with_a_damaged_acquittal() -> (MemoryStore, Files, String, SnapshotId) {
    let (store, repository, files) = with_snapshot();
    let entry = repository.snapshots().unwrap().remove(0);
    make_void(&repository, &entry);
    repository.undelete(entry.id).unwrap();
    let acquittal = named(&store, names::FENCES).into_iter().find(|name| names::is_acquittal(name)).unwrap();
    damage(&store, &acquittal, 60, 1);
    (store, files, acquittal, entry.id)
}

#[test]
fn a_damaged_acquittal_goes_when_what_it_said_was_said_anew() {
    let (original, files, acquittal, _) = with_a_damaged_acquittal();
    let is_lease = |name: &str| name.starts_with(names::LEASES);
    let but_for_leases =
        || -> Vec<_> { everything(&original).into_iter().filter(|(name, _)| !is_lease(name)).collect() };
    let before = but_for_leases();
    let shown = open(original.clone(), restarted()).repair(SHOW).unwrap();
    assert_eq!(means(&shown), [(acquittal.as_str(), Means::Derived)]);
    assert!(but_for_leases() == before, "nothing was done");
    for options in [APPLY, ACCEPT] {
        let store = copy_of(&original);
        let report = open(store.clone(), restarted()).repair(options).unwrap();
        assert_eq!(means(&report), [(acquittal.as_str(), Means::Derived)]);
        let repository = open(store.clone(), restarted());
        assert!(repository.damaged_small_objects().unwrap().is_empty());
        repository.prune().unwrap();
        assert_snapshots(&repository, &snapshots(1, &files));
    }
}

#[test]
fn one_by_which_a_snapshot_counts_that_lacks_something_stays_until_that_is_forgotten_or_its_loss_accepted() {
    let (store, _, acquittal, id) = with_a_damaged_acquittal();
    store.delete(&content_pack(&store)).unwrap();
    let resting = [Resting { acquittal: acquittal.clone(), snapshots: vec![id] }];
    for options in [SHOW, APPLY] {
        assert_eq!(open(store.clone(), restarted()).repair(options).unwrap().resting, resting);
    }
    assert!(store.names().contains(&acquittal));
    let (forgotten, accepted) = (copy_of(&store), copy_of(&store));
    let repository = open(forgotten.clone(), restarted());
    repository.forget(id, 0).unwrap();
    let report = repository.repair(ACCEPT).unwrap();
    assert!(means(&report).contains(&(acquittal.as_str(), Means::GivenUp)), "{report:?}");
    assert!(repository.snapshots().unwrap().is_empty());
    let repository = open(accepted.clone(), restarted());
    assert_eq!(repository.repair(ACCEPT).unwrap().resting, resting, "the loss is accepted only then");
    let report = repository.repair(APPLY).unwrap();
    assert_eq!(means(&report), [(acquittal.as_str(), Means::Derived)]);
    assert_eq!(repository.snapshots().unwrap().len(), 1, "it stays like any that lost something");
}

#[test]
fn one_of_which_no_snapshot_is_here_is_given_up_only_when_asked() {
    let (store, _, acquittal, id) = with_a_damaged_acquittal();
    let repository = open(store.clone(), restarted());
    repository.forget(id, 0).unwrap();
    repository.prune().unwrap();
    assert!(repository.repair(APPLY).unwrap().repaired.is_empty());
    assert_eq!(means(&repository.repair(ACCEPT).unwrap()), [(acquittal.as_str(), Means::GivenUp)]);
    assert!(!store.names().contains(&acquittal));
}

#[test]
fn a_repair_that_acquits_anew_and_is_killed_at_any_call_makes_nothing_void() {
    let (original, files, ..) = with_a_damaged_acquittal();
    let failures: [fn(u64) -> Failure; 3] = [Failure::From, Failure::Once, Failure::Lost];
    for failure in failures {
        for call in 0.. {
            let (store, at) = (copy_of(&original), format!("{:?}", failure(call)));
            let failing = FailingStore::new(store.clone(), failure(call));
            let opened = Repository::open(Arc::new(failing.clone()), &secret(), restarted());
            let done = opened.and_then(|repository| repository.repair(ACCEPT));
            let later = || open(store.clone(), crate::lease::Liveness { boot: b"a third boot".to_vec(), ..alive() });
            assert_snapshots(&later(), &snapshots(1, &files));
            later().prune().unwrap_or_else(|error| panic!("{at}: {error}"));
            later().repair(APPLY).unwrap_or_else(|error| panic!("{at}: {error}"));
            assert!(later().damaged_small_objects().unwrap().is_empty(), "{at}");
            assert_snapshots(&later(), &snapshots(1, &files));
            if done.is_ok() && failing.calls() <= call {
                break;
            }
        }
    }
}
