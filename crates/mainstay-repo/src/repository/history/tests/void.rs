//! Tests of chains and memories beside snapshots that a fence makes void.

use super::*;
use crate::fence::{put_fence, put_settlement};
use crate::format::coord::{Fence, Settlement};
use crate::id::SessionId;
use crate::repository::Seen;

const COLLECTOR: SessionId = SessionId([0xc0; 16]);

fn fence(repository: &Repository, entry: &SnapshotEntry) {
    let fence = Fence { session: entry.snapshot.session, collector: COLLECTOR };
    put_fence(&*repository.store, &repository.keys, &fence).unwrap();
}

/// Settles the session of a snapshot so that nothing of it counts.
fn settle(repository: &Repository, entry: &SnapshotEntry) {
    let settled = Settlement { session: entry.snapshot.session, collector: COLLECTOR, survivors: Vec::new() };
    put_settlement(&*repository.store, &repository.keys, &settled).unwrap();
}

/// The listed numbers, and whether all of them are in line without a break.
fn line(repository: &Repository) -> (Vec<u64>, bool) {
    let listing = repository.list_snapshots().unwrap();
    let chain = repository.chain(&listing.entries, listing.beside(), &repository.removed().unwrap());
    let is_whole = chain.breaks().is_empty() && listing.entries.iter().all(|entry| chain.is_in_line(entry.id));
    (listing.entries.iter().map(|entry| entry.snapshot.sequence).collect(), is_whole)
}

/// Looks with a memory; answers the numbers that are told as rewound, and the number that is remembered.
fn look(repository: &Repository, seen: &mut Seen) -> (Vec<u64>, Option<u64>) {
    let listing = repository.list_snapshots().unwrap();
    let rewound = repository.rewinds(seen, &listing).unwrap();
    repository.remember(seen, &listing, &rewound).unwrap();
    let told = rewound.iter().map(|rewind| rewind.seen.sequence).collect();
    (told, seen.heads().next().map(|place| place.sequence))
}

#[test]
fn a_snapshot_made_after_one_that_turned_out_void_is_no_gap_before_and_after_a_prune() {
    let (_store, repository, entries) = chain_of(3);
    fence(&repository, &entries[1]);
    settle(&repository, &entries[1]);
    assert_eq!(line(&repository), (vec![1, 3], true));
    repository.prune().unwrap();
    assert!(repository.removed().unwrap().contains(entries[1].id), "what is void is recorded before it goes");
    assert_eq!(line(&repository), (vec![1, 3], true));
    next(&repository);
    repository.prune().unwrap();
    assert_eq!(line(&repository), (vec![1, 3, 4], true));
}

#[test]
fn a_void_head_is_no_head_and_the_next_snapshot_is_made_after_the_one_before_it() {
    let (_store, repository, entries) = chain_of(2);
    fence(&repository, &entries[1]);
    settle(&repository, &entries[1]);
    assert_eq!(line(&repository), (vec![1], true));
    let after = next(&repository);
    assert_eq!(after.snapshot.previous, Some(entries[0].id));
    assert!(line(&repository).1);
    repository.prune().unwrap();
    assert!(line(&repository).1);
}

#[test]
fn a_forgotten_snapshot_is_no_gap_while_it_is_held_and_none_when_it_is_undeleted() {
    let (_store, repository, entries) = chain_of(3);
    repository.forget(entries[1].id, crate::fixtures::CREATED).unwrap();
    repository.prune_observed(3600, &crate::prune::Unobserved).unwrap();
    assert_eq!(line(&repository), (vec![1, 2, 3], true));
    repository.undelete(entries[1].id).unwrap();
    repository.prune().unwrap();
    assert_eq!(line(&repository), (vec![1, 2, 3], true));
}

#[test]
fn what_a_fence_may_still_void_is_not_remembered_so_that_no_true_fence_raises_an_alarm() {
    let (_store, repository, _) = chain_of(2);
    let mut seen = Seen::default();
    assert_eq!(look(&repository, &mut seen), (vec![], Some(2)));
    let doubtful = next(&repository);
    fence(&repository, &doubtful);
    assert_eq!(look(&repository, &mut seen), (vec![], Some(2)));
    assert_eq!(look(&repository, &mut Seen::default()), (vec![], Some(2)), "nor by whoever sees it first");
    settle(&repository, &doubtful);
    assert_eq!(look(&repository, &mut seen), (vec![], Some(2)));
    repository.prune().unwrap();
    assert_eq!(look(&repository, &mut seen), (vec![], Some(2)));
}

#[test]
fn a_snapshot_whose_session_may_still_take_it_back_is_not_remembered_yet() {
    let (store, repository, _) = chain_of(2);
    let under_way = next(&repository);
    let end = names::lease_end(under_way.snapshot.session);
    let bytes = store.read(&end, 1 << 20).unwrap();
    store.delete(&end).unwrap();
    let mut seen = Seen::default();
    assert_eq!(look(&repository, &mut seen), (vec![], Some(2)));
    store.put(&end, &bytes).unwrap();
    assert_eq!(look(&repository, &mut seen), (vec![], Some(3)));
}

#[test]
fn a_remembered_head_that_a_forged_fence_makes_void_is_told() {
    let (_store, repository, entries) = chain_of(2);
    let mut seen = Seen::default();
    look(&repository, &mut seen);
    fence(&repository, &entries[1]);
    assert_eq!(look(&repository, &mut seen), (vec![], Some(2)), "a fence alone takes nothing back");
    settle(&repository, &entries[1]);
    for _ in 0..2 {
        assert_eq!(look(&repository, &mut seen), (vec![2], Some(2)));
    }
    // Until somebody gives it up.
    repository.accept_loss(place(&repository, &entries[1])).unwrap();
    assert_eq!(look(&repository, &mut seen), (vec![], Some(1)));
    repository.prune().unwrap();
    assert_eq!(line(&repository), (vec![1], true));
}
