//! Tests of undeleting. What happens beside a prune is tested there.

use crate::error::{Error, Kind};
use crate::fixtures::{after, assert_snapshots, back_up, create, files_of, named, open};
use crate::format::history::RemovedSnapshot;
use crate::repository::SnapshotPlace;
use crate::store::MemoryStore;

#[test]
fn a_forgotten_snapshot_comes_back() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let files = files_of(&[("a", 1, 1000), ("b", 2, 600_000)]);
    let id = back_up(&repository, 1, &files).unwrap().entry.id;
    repository.forget(id, 0).unwrap();
    repository.undelete(id).unwrap();
    assert_snapshots(&repository, &[(1, files)].into());
    assert!(named(&store, "trash/").is_empty());
    let again = repository.undelete(id).map_err(|error| error.kind());
    assert_eq!(again, Err(Kind::Invalid), "it is not forgotten any more");
}

#[test]
fn what_is_not_there_cannot_come_back() {
    let repository = create(MemoryStore::default());
    let id = back_up(&repository, 1, &files_of(&[("a", 1, 1000)])).unwrap().entry.id;
    repository.forget(id, 0).unwrap();
    repository.prune().unwrap();
    assert!(matches!(repository.undelete(id), Err(Error::Missing { .. })));
}

#[test]
fn a_snapshot_that_a_prune_has_condemned_stays_forgotten() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let id = back_up(&repository, 1, &files_of(&[("a", 1, 1000)])).unwrap().entry.id;
    repository.forget(id, 0).unwrap();
    let reader = repository.begin_reading().unwrap();
    assert!(repository.prune().unwrap().waiting.packs > 0);
    assert!(matches!(repository.undelete(id), Err(Error::Condemned { .. })));
    drop(reader);
}

#[test]
fn a_snapshot_stays_until_its_hold_is_over() {
    const HOLD: i64 = 7 * 24 * 3600 * 1_000_000_000;
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let files = files_of(&[("a", 1, 1000)]);
    let id = back_up(&repository, 1, &files).unwrap().entry.id;
    repository.forget(id, crate::fixtures::CREATED).unwrap();
    let prune_at = |time| open(store.clone(), after(time)).prune_observed(HOLD, &crate::prune::Unobserved).unwrap();
    for time in [-HOLD, 0, HOLD - 1] {
        let plan = prune_at(time).plan;
        assert_eq!((plan.held_snapshots, plan.snapshots.len()), (1, 0), "{time} ns later");
    }
    repository.undelete(id).unwrap();
    assert_snapshots(&repository, &[(1, files)].into());
    repository.forget(id, crate::fixtures::CREATED).unwrap();
    assert_eq!(prune_at(HOLD).plan.snapshots, [id]);
}

#[test]
fn what_a_prune_has_recorded_as_removed_stays_forgotten() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let entry = back_up(&repository, 1, &files_of(&[("a", 1, 1000)])).unwrap().entry;
    let id = entry.id;
    repository.forget(id, 0).unwrap();
    // A prune that was killed then, and whose list was lost.
    let SnapshotPlace { source, sequence, id } = repository.place_of(&entry);
    repository.record(vec![RemovedSnapshot { source, sequence, id, previous: None, elsewhere: None }]).unwrap();
    assert!(matches!(repository.undelete(id), Err(Error::Condemned { .. })));
    repository.prune().unwrap();
    assert!(repository.snapshots().unwrap().is_empty());
}
