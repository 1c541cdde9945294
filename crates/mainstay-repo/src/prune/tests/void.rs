//! Void snapshots that a prune holds: it keeps what is here of their blocks, and what is not stops nobody.

use super::*;
use crate::fixtures::make_void;

const DAY: i64 = 24 * 3600 * 1_000_000_000;

/// A repository in which a snapshot has come when its packs were on a list that waits for a reader, who is gone by now; what its snapshots hold.
fn with_a_void_one_in_doomed_packs() -> (MemoryStore, SnapshotId, [Files; 2]) {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let files = [files_of(&[("a", 1, 1000)]), files_of(&[("b", 2, 600_000), ("c", 3, 300_000)])];
    back_up(&repository, 1, &files[0]).unwrap();
    let late = back_up(&repository, 2, &files[1]).unwrap().entry;
    let whole = copy_of(&store);
    let own = [repository.place_of(&late).name(), names::refs(late.id)];
    own.iter().for_each(|name| store.delete(name).unwrap());
    make_void(&repository, &late);
    let reader = repository.begin_reading().unwrap();
    assert!(repository.prune().unwrap().waiting.packs > 0);
    drop(reader);
    let _ = store.delete(&names::refs(late.id));
    own.iter().for_each(|name| store.put(name, &whole.read(name, u64::MAX).unwrap()).unwrap());
    (store, late.id, files)
}

#[test]
fn a_void_snapshot_that_is_held_loses_nothing_to_an_older_list() {
    let (store, late, files) = with_a_void_one_in_doomed_packs();
    let repository = open(store.clone(), restarted());
    for _ in 0..2 {
        repository.prune_observed(7 * DAY, &Unobserved).unwrap();
    }
    assert!(named(&store, names::CONDEMNED).is_empty(), "the list was finished");
    repository.undelete(late).unwrap();
    repository.prune().unwrap();
    let [first, second] = files;
    assert_snapshots(&repository, &[(1, first), (2, second)].into());
}

#[test]
fn what_cannot_be_rescued_for_a_void_snapshot_holds_no_pack() {
    let (store, late, files) = with_a_void_one_in_doomed_packs();
    let content = named(&store, names::PACKS).into_iter().max_by_key(|name| store.len(name).unwrap()).unwrap();
    store.damage(&content, |bytes| bytes[40..4000].fill(0));
    let repository = open(store.clone(), restarted());
    for _ in 0..2 {
        repository.prune_observed(7 * DAY, &Unobserved).unwrap();
    }
    assert!(named(&store, names::CONDEMNED).is_empty() && !store.names().contains(&content));
    assert_eq!(repository.undelete(late).unwrap_err().kind(), Kind::Corrupt);
    let [first, _] = files;
    assert_snapshots(&repository, &[(1, first)].into());
}

#[test]
fn a_void_snapshot_whose_data_key_is_gone_stops_no_prune_and_goes_when_its_hold_is_over() {
    let (store, repository) = new_repository();
    let files = files_of(&[("a", 1, 1000)]);
    back_up(&repository, 1, &files).unwrap();
    let late = back_up(&repository, 2, &files_of(&[("b", 2, 600_000)])).unwrap().entry;
    make_void(&repository, &late);
    store.delete(&names::data_key(late.snapshot.session, 0)).unwrap();
    let repository = open(store.clone(), restarted());
    repository.prune_observed(7 * DAY, &Unobserved).unwrap();
    assert!(store.names().contains(&repository.place_of(&late).name()), "it is held");
    assert_eq!(repository.undelete(late.id).unwrap_err().kind(), Kind::Corrupt);
    repository.prune().unwrap();
    assert_eq!(named(&store, names::SNAPSHOTS).len(), 1);
    assert_snapshots(&repository, &[(1, files)].into());
}
