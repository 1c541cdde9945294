//! Tests of fences: who counts, and what of theirs.

use super::*;
use crate::fixtures::session_id;
use crate::store::MemoryStore;

const REPOSITORY: RepositoryId = RepositoryId([0xa1; 16]);

fn snapshot(number: u8) -> SnapshotId {
    SnapshotId([number; 32])
}

fn settle(store: &MemoryStore, collector: u8, survivors: &[u8]) {
    let survivors = survivors.iter().map(|number| snapshot(*number)).collect();
    let settled = Settlement { session: session_id(1), collector: session_id(collector), survivors };
    put_settlement(store, REPOSITORY, &settled).unwrap();
}

#[test]
fn nothing_of_a_session_without_a_settlement_is_void() {
    let store = MemoryStore::default();
    let fence = Fence { session: session_id(1), collector: session_id(2) };
    put_fence(&store, REPOSITORY, &fence).unwrap();
    put_fence(&store, REPOSITORY, &fence).unwrap();
    assert!(is_fenced(&store, session_id(1)).unwrap() && !is_fenced(&store, session_id(3)).unwrap());
    let fences = Fences::read(&store, REPOSITORY).unwrap();
    assert!(!fences.is_settled(session_id(1)) && !fences.is_void(session_id(1), snapshot(9)));
}

#[test]
fn only_what_all_settlements_name_counts() {
    let store = MemoryStore::default();
    settle(&store, 2, &[7, 8]);
    settle(&store, 3, &[8, 9]);
    let fences = Fences::read(&store, REPOSITORY).unwrap();
    assert!(fences.is_settled(session_id(1)));
    let is_void = |number| fences.is_void(session_id(1), snapshot(number));
    assert_eq!([7, 8, 9, 10].map(is_void), [true, false, true, true]);
    assert!(!fences.is_void(session_id(4), snapshot(7)), "another session is not concerned");
}

#[test]
fn a_damaged_settlement_counts_as_not_made() {
    let store = MemoryStore::default();
    settle(&store, 2, &[]);
    store.damage(&names::settlement(session_id(1), session_id(2)), |bytes| bytes[30] ^= 1);
    assert!(!Fences::read(&store, REPOSITORY).unwrap().is_settled(session_id(1)));
}
