//! A prune that dies at any call of the store, for every call.

use std::sync::Arc;

use super::thinning::{small, thinned_blocks};
use super::*;
use crate::fixtures::{FailingStore, Failure, read_back, secret};

/// Two kept snapshots, a pack to be rewritten, a block to be thinned, a pack to be deleted, and leases that have ended.
pub fn before_the_prune() -> (MemoryStore, std::collections::BTreeMap<u64, Files>) {
    let (store, repository, kept) = half_dead();
    let large = files_of(&[("c", 3, 600_000), ("e", 5, 600_000)]);
    let with_large = |small: Files| large.clone().into_iter().chain(small).collect::<Files>();
    back_up(&repository, 3, &with_large(small(0..40))).unwrap();
    let fourth = with_large(small((0..40).step_by(4)));
    back_up(&repository, 4, &fourth).unwrap();
    back_up(&repository, 5, &files_of(&[("f", 6, 600_000)])).unwrap();
    forget(&repository, 3);
    forget(&repository, 5);
    (store, [(2, kept), (4, fourth)].into())
}

fn prune_over(store: &FailingStore) -> Result<PruneReport> {
    Repository::open(Arc::new(store.clone()), &secret(), alive())?.prune()
}

fn crash_everywhere(failure: impl Fn(u64) -> Failure) {
    let (original, kept) = before_the_prune();
    let healthy = FailingStore::new(copy_of(&original), Failure::Never);
    let plan = prune_over(&healthy).unwrap().plan;
    let calls = healthy.calls();
    assert!(!plan.repack.is_empty() && !plan.delete.is_empty() && plan.snapshots.len() == 3);
    assert!(thinned_blocks(&Repository::open(Arc::new(healthy.clone()), &secret(), alive()).unwrap()) > 0);
    for number in 0..calls {
        let store = copy_of(&original);
        let crashed = prune_over(&FailingStore::new(store.clone(), failure(number)));
        if let Err(error) = &crashed {
            assert_eq!(error.kind(), Kind::Unavailable, "call {number}: {error}");
        }
        let at = format!("{:?} of {}", failure(number), healthy.calls());
        let repository = open(store.clone(), restarted());
        assert_snapshots(&repository, &kept);
        repository.prune().unwrap_or_else(|error| panic!("{at}, second prune: {error}"));
        assert_snapshots(&repository, &kept);
        assert_eq!(garbage(&store), [""; 0], "{at}");
    }
}

/// Backs up over the remains what the prune was removing, and forgets and prunes once more.
fn assert_still_usable(store: &MemoryStore, kept: &std::collections::BTreeMap<u64, Files>, at: &str) {
    let repository = open(store.clone(), restarted());
    let mut again = files_of(&[("b", 2, 600_000), ("c", 3, 600_000), ("f", 6, 600_000)]);
    again.extend(small(0..40));
    let report = back_up(&repository, 9, &again).unwrap_or_else(|error| panic!("{at}, next backup: {error}"));
    let read = read_back(&repository, &report.entry).unwrap_or_else(|error| panic!("{at}, next backup: {error}"));
    assert!(read == again, "{at}");
    repository.prune().unwrap_or_else(|error| panic!("{at}, prune after the next backup: {error}"));
    let mut expected = kept.clone();
    expected.insert(9, again);
    assert_snapshots(&repository, &expected);
    repository.prune().unwrap_or_else(|error| panic!("{at}, third prune: {error}"));
    assert_snapshots(&repository, &expected);
}

#[test]
fn a_prune_that_fails_at_any_one_call_loses_nothing_and_can_be_repeated() {
    crash_everywhere(Failure::Once);
}

#[test]
fn a_prune_that_is_killed_at_any_call_loses_nothing_and_can_be_repeated() {
    crash_everywhere(Failure::From);
}

#[test]
fn a_prune_whose_last_reply_is_lost_loses_nothing_and_can_be_repeated() {
    crash_everywhere(Failure::Lost);
}

/// Kills a prune at each of its calls in turn, and hands on the call's number, what the store holds then, and the snapshots
/// that are to be there.
fn after_each_kill(check: impl Fn(u64, MemoryStore, &std::collections::BTreeMap<u64, Files>)) {
    let (original, kept) = before_the_prune();
    let healthy = FailingStore::new(copy_of(&original), Failure::Never);
    prune_over(&healthy).unwrap();
    for number in 0..healthy.calls() {
        let store = copy_of(&original);
        let _ = prune_over(&FailingStore::new(store.clone(), Failure::From(number)));
        check(number, store, &kept);
    }
}

#[test]
fn a_backup_after_a_killed_prune_finds_nothing_that_is_gone() {
    after_each_kill(|number, store, kept| assert_still_usable(&store, kept, &format!("killed at call {number}")));
}

#[test]
fn a_table_that_was_superseded_never_comes_back() {
    after_each_kill(|number, store, _| {
        let repository = open(store.clone(), restarted());
        repository.prune().unwrap();
        let packs: HashSet<String> = named(&store, "packs/").into_iter().collect();
        let check = |block, place: crate::index::BlockPlace| {
            let name = names::pack(place.pack, place.pack_session);
            assert!(packs.contains(&name), "call {number}: block {block} is indexed in a pack that is gone");
        };
        repository.index().unwrap().for_each_block(check).unwrap();
    });
}

#[test]
fn an_ended_lease_that_is_half_removed_is_not_open_again() {
    after_each_kill(|number, store, kept| {
        // The collector itself died; the writers of before live on in another process and ended their leases.
        let repository = open(store, process(2, Some(1)));
        let open = repository.leases().open_leases(session_id(0)).unwrap().known;
        let writers = open.iter().filter(|lease| lease.role != Role::Collector).count();
        assert_eq!(writers, 0, "call {number}");
        assert_snapshots(&repository, kept);
    });
}
