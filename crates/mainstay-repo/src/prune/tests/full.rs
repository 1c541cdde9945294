//! A store without space: what frees space works there, and what needs space fails without loss.

use super::thinning::{small, thinned_blocks};
use super::*;
use crate::store::Call;

/// Asserts that a store that is full to the last byte is emptied by forgetting and pruning.
fn empties(backed_up: &[Files], kept: Files) -> (MemoryStore, PruneReport) {
    let (store, repository) = new_repository();
    for (files, sequence) in backed_up.iter().zip(1..) {
        back_up(&repository, sequence, files).unwrap();
    }
    let last = backed_up.len() as u64 + 1;
    back_up(&repository, last, &kept).unwrap();
    store.leave_space(crate::store::RESERVE_LEN);
    let refused = back_up(&repository, 9, &files_of(&[("z", 9, 5000)])).map(drop);
    assert_eq!(refused.map_err(|error| error.kind()), Err(Kind::NoSpace));
    (1..last).for_each(|sequence| forget(&repository, sequence));
    let report = repository.prune().unwrap();
    assert_snapshots(&repository, &[(last, kept)].into());
    (store, report)
}

#[test]
fn a_full_store_can_be_emptied() {
    let files = Files::from([("a".to_owned(), seeded(1, 900_000)), ("b".to_owned(), seeded(2, 900_000))]);
    let kept = Files::from([("a".to_owned(), seeded(1, 900_000))]);
    let (store, report) = empties(&[files], kept);
    assert!(report.left.is_empty(), "{:?}", report.reasons);
    let repository = open(store, restarted());
    back_up(&repository, 10, &Files::from([("c".to_owned(), seeded(3, 200_000))])).expect("there is space again");
}

#[test]
fn packs_that_cannot_be_rewritten_for_want_of_space_are_left_and_said() {
    // Three megabytes of which nothing is dead as a whole, and a reserve of one.
    let (store, report) = empties(&[small(0..800)], small((0..800).step_by(2)));
    assert_eq!(report.reasons.iter().map(Error::kind).collect::<Vec<_>>(), [Kind::NoSpace]);
    let repository = open(store.clone(), restarted());
    assert_eq!(thinned_blocks(&repository), 0);
    store.leave_space(4 << 20);
    assert!(repository.prune().unwrap().left.is_empty());
    assert!(thinned_blocks(&repository) > 0);
    assert_snapshots(&repository, &[(2, small((0..800).step_by(2)))].into());
    assert_eq!(garbage(&store), [""; 0]);
}

#[test]
fn the_reserve_is_set_aside_again_after_a_prune() {
    let files = Files::from([("a".to_owned(), seeded(1, 900_000)), ("c".to_owned(), seeded(3, 900_000))]);
    let (store, _) = empties(&[files], files_of(&[("b", 2, 1000)]));
    assert!(store.release_reserve().unwrap());
}

#[test]
fn without_a_reserve_a_full_store_refuses_and_loses_nothing() {
    let (store, repository, kept) = half_dead();
    let first = repository.snapshots().unwrap()[1].clone();
    store.release_reserve().unwrap();
    store.leave_space(0);
    assert_eq!(repository.prune().map(drop).map_err(|error| error.kind()), Err(Kind::NoSpace));
    assert_eq!(repository.forget(first.id, 0).map_err(|error| error.kind()), Err(Kind::NoSpace));
    assert_snapshots(&repository, &[(2, kept)].into());
}

#[test]
fn a_prune_that_ran_out_of_space_leaves_nothing_new_behind() {
    let (store, repository) = new_repository();
    let shared = small((0..160).step_by(2));
    back_up(&repository, 1, &small(0..160)).unwrap();
    back_up(&repository, 2, &shared).unwrap();
    // An independent copy, whose rewritten blocks go into packs of their own, has more than there is space for.
    let apart = small((1000..1800).step_by(2));
    let session = Session::begin(&repository, Sharing::Independent).unwrap();
    crate::fixtures::store_files(&session, &small(1000..1800)).unwrap();
    let (root, blocks) = crate::fixtures::store_files(&session, &apart).unwrap();
    let mut draft = crate::fixtures::draft("data", 3, root, blocks);
    draft.snapshot.independent = true;
    session.commit(draft).unwrap();
    forget(&repository, 1);
    store.leave_space(crate::store::RESERVE_LEN);
    store.take_calls();
    let report = repository.prune().unwrap();
    assert_eq!(report.reasons.iter().map(Error::kind).collect::<Vec<_>>(), [Kind::NoSpace]);
    let is_new = |call: &Call| matches!(call, Call::Put(name) if name.starts_with("packs/"));
    assert!(store.take_calls().iter().any(is_new), "a small pack found space");
    assert_eq!(named(&store, "packs/").len(), repository.index().unwrap().packs().len(), "a new pack is left behind");
    assert_snapshots(&repository, &[(2, shared), (3, apart)].into());
}
