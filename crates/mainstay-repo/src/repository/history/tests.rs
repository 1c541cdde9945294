//! Tests of records of removal, and of what a prune concludes from a listing.

mod void;

use std::sync::Arc;

use super::super::tests::new_repository;
use super::*;
use crate::error::Kind;
use crate::fixtures::{alive, back_up, copy_of, draft, files_of, named, open, restarted, store_files};
use crate::keys::{RecoveryCode, Secret};
use crate::session::{Session, Sharing};
use crate::store::{MemoryStore, Store as _};

/// Backs up as the next snapshot of the source, after the last one that is there.
fn next(repository: &Repository) -> SnapshotEntry {
    let session = Session::begin(repository, Sharing::Shared).unwrap();
    let last = session.listing().entries.last().map(|entry| (entry.id, entry.snapshot.sequence));
    let sequence = last.map_or(1, |(_, sequence)| sequence + 1);
    let (root, blocks) = store_files(&session, &files_of(&[("a", sequence, 1000)])).unwrap();
    let mut draft = draft("data", sequence, root, blocks);
    draft.snapshot.previous = last.map(|(id, _)| id);
    session.commit(draft).unwrap().entry
}

/// A repository with a chain of so many snapshots.
fn chain_of(count: usize) -> (MemoryStore, Repository, Vec<SnapshotEntry>) {
    let (store, repository) = new_repository();
    let entries = (0..count).map(|_| next(&repository)).collect();
    (store, repository, entries)
}

fn place(repository: &Repository, entry: &SnapshotEntry) -> SnapshotPlace {
    let source = repository.source_id(&entry.snapshot.source);
    SnapshotPlace { source, sequence: entry.snapshot.sequence, id: entry.id }
}

fn name(repository: &Repository, entry: &SnapshotEntry) -> String {
    let place = place(repository, entry);
    names::snapshot(place.source, place.sequence, place.id)
}

fn forget_and_prune(repository: &Repository, entries: &[&SnapshotEntry]) {
    entries.iter().for_each(|entry| repository.forget(entry.id, 0).unwrap());
    repository.prune().unwrap();
}

#[test]
fn what_a_prune_removes_is_recorded_and_the_history_stays_whole() {
    let (store, repository, entries) = chain_of(5);
    forget_and_prune(&repository, &[&entries[1], &entries[4]]);
    forget_and_prune(&repository, &[&entries[2]]);
    assert_eq!(named(&store, names::HISTORY).len(), 1, "one record holds what the one before held");
    let removed = open(store.clone(), restarted()).removed().unwrap();
    let recorded = [1, 2, 4].map(|at| removed.contains(entries[at].id));
    assert_eq!((recorded, removed.contains(entries[0].id)), ([true; 3], false));
    let kept = repository.snapshots().unwrap();
    let chain = repository.chain(&kept, Beside::default(), &removed);
    assert!(chain.breaks().is_empty() && kept.iter().all(|entry| chain.is_in_line(entry.id)));
    assert_eq!(chain.links().len(), 5);
    repository.prune().unwrap();
}

#[test]
fn a_prune_refuses_a_listing_that_lacks_a_snapshot() {
    for absent in 0..2 {
        let (store, repository, entries) = chain_of(3);
        repository.forget(entries[0].id, 0).unwrap();
        store.delete(&name(&repository, &entries[absent])).unwrap();
        let before = store.names();
        let refused = repository.prune().map(drop).unwrap_err();
        assert!(matches!(&refused, Error::HistoryGap { missing, .. } if *missing == entries[absent].id.to_string()));
        assert!(repository.plan_prune().is_err());
        let lasting = |names: Vec<String>| names.into_iter().filter(|name| !name.starts_with(names::LEASES)).collect();
        let (before, after): (Vec<String>, Vec<String>) = (lasting(before), lasting(store.names()));
        assert_eq!(before, after, "nothing was deleted");
    }
}

#[test]
fn a_prune_refuses_a_listing_that_lacks_a_snapshot_whose_successors_were_removed() {
    let (store, repository, entries) = chain_of(3);
    forget_and_prune(&repository, &[&entries[1], &entries[2]]);
    store.delete(&name(&repository, &entries[0])).unwrap();
    assert!(matches!(repository.prune().map(drop), Err(Error::HistoryGap { .. })));
}

#[test]
fn a_loss_that_is_accepted_by_name_stops_no_prune_and_leaves_the_line_together() {
    let (store, repository, entries) = chain_of(4);
    assert!(repository.accept_loss(place(&repository, &entries[2])).is_err(), "it is there");
    store.delete(&name(&repository, &entries[2])).unwrap();
    assert!(repository.prune().is_err());
    repository.accept_loss(place(&repository, &entries[2])).unwrap();
    repository.accept_loss(place(&repository, &entries[2])).unwrap();
    repository.prune().unwrap();
    let kept = repository.snapshots().unwrap();
    let chain = repository.chain(&kept, Beside::default(), &repository.removed().unwrap());
    assert!(kept.iter().all(|entry| chain.is_in_line(entry.id)));
}

#[test]
fn a_record_is_there_before_the_snapshot_goes() {
    let (store, repository, entries) = chain_of(3);
    repository.forget(entries[1].id, 0).unwrap();
    for call in 0.. {
        let copy = copy_of(&store);
        let failing = crate::fixtures::FailingStore::new(copy.clone(), crate::fixtures::Failure::From(call));
        let opened = Repository::open(Arc::new(failing), &crate::fixtures::secret(), alive());
        let is_done = opened.and_then(|repository| repository.prune()).is_ok();
        let after = open(copy.clone(), restarted());
        after.confirm_history(&after.every_snapshot().unwrap()).unwrap_or_else(|error| panic!("call {call}: {error}"));
        open(copy, restarted()).prune().unwrap_or_else(|error| panic!("after call {call}: {error}"));
        if is_done {
            break;
        }
    }
}

#[test]
fn a_record_that_nobody_may_have_made_is_not_believed() {
    let (store, repository, entries) = chain_of(3);
    forget_and_prune(&repository, &[&entries[1]]);
    let record = named(&store, names::HISTORY).remove(0);
    store.damage(&record, |bytes| bytes[60] ^= 1);
    let refused = repository.prune().map(drop).unwrap_err();
    assert_eq!(refused.kind(), Kind::Corrupt);
    assert!(refused.to_string().contains(&record), "{refused}");
    let (stranger, _) = crate::signer::Signer::first("stranger", 1).unwrap();
    let id = TableId([9; 16]);
    let (source, sequence, previous) = (repository.source_id("data"), 2, Some(entries[0].id));
    let removal = Removal {
        id,
        snapshots: vec![RemovedSnapshot { source, sequence, id: entries[1].id, previous, elsewhere: None }],
        packs: RemovedPacks::default(),
    };
    let signature = stranger.sign(&history::signed(repository.id(), &removal));
    let forged = history::encode(repository.id(), &removal, stranger.certificates(), signature);
    store.put(&names::removal(id), &forged).unwrap();
    store.delete(&record).unwrap();
    assert!(!repository.removed().unwrap().contains(entries[1].id));
    assert!(repository.prune().is_err());
}

#[test]
fn a_damaged_record_that_nothing_depends_on_stops_no_prune() {
    let (store, repository, entries) = chain_of(2);
    store.put(&names::removal(TableId([9; 16])), b"rot").unwrap();
    store.put("history/notes", b"rot").unwrap();
    forget_and_prune(&repository, &[&entries[0]]);
    assert_eq!(repository.removed().unwrap().damaged.len(), 2);
    assert_eq!(named(&store, names::HISTORY).len(), 3, "what cannot be believed is not replaced");
}

#[test]
fn two_who_remove_at_once_forget_nothing_of_each_other() {
    let (store, repository, entries) = chain_of(4);
    let other = open(store.clone(), alive());
    let seen = other.removed().unwrap();
    let pack = |number: u8| crate::id::PackId([number; 32]);
    let packs = |numbers: &[u8]| numbers.iter().map(|number| pack(*number)).collect();
    repository.record_removal([place(&repository, &entries[0])], packs(&[1])).unwrap();
    drop(seen);
    other.record_removal([place(&other, &entries[1])], packs(&[2])).unwrap();
    repository.record_removal([0, 2].map(|at| place(&repository, &entries[at])), packs(&[1, 3])).unwrap();
    other.record_removal([], packs(&[4])).unwrap();
    let removed = repository.removed().unwrap();
    assert!(entries[..3].iter().all(|entry| removed.contains(entry.id)));
    assert!((1..5).all(|number| removed.packs.contains(pack(number))) && !removed.packs.contains(pack(5)));
}

#[test]
fn records_that_are_long_are_left_alone() {
    let (store, repository) = new_repository();
    let gone = |number: u64| {
        let (source, sequence, id) =
            (repository.source_id("data"), number, SnapshotId(*blake3::hash(&number.to_le_bytes()).as_bytes()));
        RemovedSnapshot { source, sequence, id, previous: None, elsewhere: None }
    };
    repository.record((1..3000).map(gone).collect()).unwrap();
    repository.record(vec![gone(3000)]).unwrap();
    repository.record(vec![gone(3001)]).unwrap();
    assert_eq!(named(&store, names::HISTORY).len(), 2);
    let removed = repository.removed().unwrap();
    assert!((1..=3001).all(|number| removed.contains(gone(number).id)));
}

#[test]
fn what_another_key_recorded_counts() {
    let (store, repository, entries) = chain_of(1);
    let code = RecoveryCode::generate().unwrap().to_text();
    repository.add_key(&Secret::from_text(&code), "laptop", 5).unwrap();
    let laptop = Repository::open(Arc::new(store), &Secret::from_text(&code), alive()).unwrap();
    laptop.record_removal([place(&laptop, &entries[0])], RemovedPacks::default()).unwrap();
    assert!(repository.removed().unwrap().contains(entries[0].id));
    back_up(&laptop, 2, &files_of(&[("a", 1, 1000)])).unwrap();
}
