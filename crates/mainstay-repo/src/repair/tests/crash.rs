//! A repair that dies at any call of the store, for every call.

use std::sync::Arc;

use super::*;
use crate::fixtures::{FailingStore, Failure};

/// Damage of every kind that can be healed: a pack of content and one of trees, a table, a map, a sidecar.
fn before_the_repair() -> (MemoryStore, std::collections::BTreeMap<u64, Files>) {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let first = files_of(&[("a", 1, 600_000), ("b", 2, 20_000)]);
    let second = files_of(&[("a", 1, 600_000), ("c", 3, 400_000)]);
    back_up(&repository, 1, &first).unwrap();
    back_up(&repository, 2, &second).unwrap();
    repository.add_parity(None, 30, &Unobserved).unwrap();
    for pack in named(&store, "packs/").iter().take(3) {
        damage(&store, pack, 60, 30);
    }
    damage(&store, &named(&store, "index/")[0], 100, 1);
    damage(&store, &named(&store, "refs/")[0], 40, 1);
    let last = names::parse_pack(&named(&store, "packs/")[3]).unwrap().0;
    damage(&store, &sidecar_of(&store, last), 300, 1);
    (store, [(1, first), (2, second)].into())
}

fn repair_over(store: &FailingStore) -> Result<RepairReport> {
    Repository::open(Arc::new(store.clone()), &secret(), restarted())?.repair(APPLY)
}

/// The machine started once more.
fn later() -> crate::lease::Liveness {
    crate::lease::Liveness { boot: b"a third boot".to_vec(), ..alive() }
}

fn crash_everywhere(failure: impl Fn(u64) -> Failure) {
    crash_while(before_the_repair(), 6, &failure);
    crash_while(stored_again::gone_and_stored_again(), 1, &failure);
}

fn crash_while(
    (original, kept): (MemoryStore, std::collections::BTreeMap<u64, Files>),
    repaired: usize,
    failure: &impl Fn(u64) -> Failure,
) {
    let healthy = FailingStore::new(copy_of(&original), Failure::Never);
    let report = repair_over(&healthy).unwrap();
    assert_eq!((report.repaired.len(), report.lost.len()), (repaired, 0), "{report:?}");
    for number in 0..healthy.calls() {
        let at = format!("{:?} of {}", failure(number), healthy.calls());
        let store = copy_of(&original);
        let crashed = repair_over(&FailingStore::new(store.clone(), failure(number)));
        if let Err(error) = &crashed {
            assert_eq!(error.kind(), Kind::Unavailable, "{at}: {error}");
        }
        let before_prune = copy_of(&store);
        let repository = open(store.clone(), later());
        let report = repository.repair(APPLY).unwrap_or_else(|error| panic!("{at}, second repair: {error}"));
        assert_eq!(report.lost, [], "{at}");
        assert_snapshots(&repository, &kept);
        assert_whole(&store);
        repository.prune().unwrap_or_else(|error| panic!("{at}, prune: {error}"));
        assert_snapshots(&repository, &kept);
        assert_prune_and_backup_lose_nothing(before_prune, &kept, &at);
    }
}

/// Whatever comes first after the crash, a repair still has all that it needs.
fn assert_prune_and_backup_lose_nothing(store: MemoryStore, kept: &std::collections::BTreeMap<u64, Files>, at: &str) {
    let repository = open(store.clone(), later());
    // It may refuse, as long as a map is damaged.
    let _ = repository.prune();
    let files = files_of(&[("a", 1, 600_000), ("d", 4, 1000)]);
    let stored = back_up(&repository, 3, &files).unwrap_or_else(|error| panic!("{at}, backup: {error}"));
    let report = repository.repair(APPLY).unwrap_or_else(|error| panic!("{at}, repair after a backup: {error}"));
    assert_eq!(report.lost, [], "{at}");
    assert!(read_back(&repository, &stored.entry).unwrap() == files, "{at}");
    let mut all = kept.clone();
    all.insert(3, files);
    assert_snapshots(&repository, &all);
    assert_whole(&store);
}

#[test]
fn a_repair_that_is_killed_at_any_call_loses_nothing_and_can_be_repeated() {
    crash_everywhere(Failure::From);
}

#[test]
fn a_repair_that_fails_at_any_one_call_loses_nothing_and_can_be_repeated() {
    crash_everywhere(Failure::Once);
}

#[test]
fn a_repair_whose_last_reply_is_lost_loses_nothing_and_can_be_repeated() {
    crash_everywhere(Failure::Lost);
}

#[test]
fn giving_up_that_is_killed_at_any_call_loses_no_more_than_was_lost() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let files = files_of(&[("a", 1, 300_000), ("b", 2, 300_000)]);
    back_up(&repository, 1, &files).unwrap();
    back_up(&repository, 2, &files_of(&[("c", 3, 300_000)])).unwrap();
    let pack = repository.list_packs().unwrap();
    let content = pack.iter().max_by_key(|pack| pack.len).unwrap().name.clone();
    damage(&store, &content, 60, 1);
    let accept =
        |store: &FailingStore| Repository::open(Arc::new(store.clone()), &secret(), restarted())?.repair(ACCEPT);
    let healthy = FailingStore::new(copy_of(&store), Failure::Never);
    let lost: Vec<BlockId> = accept(&healthy).unwrap().lost.remove(0).blocks;
    for number in 0..healthy.calls() {
        let store = copy_of(&store);
        let _ = accept(&FailingStore::new(store.clone(), Failure::From(number)));
        let repository = open(store.clone(), later());
        let report = repository.repair(ACCEPT).unwrap();
        let again: Vec<BlockId> = report.lost.into_iter().flat_map(|loss| loss.blocks).collect();
        assert_eq!(again, lost, "killed at call {number}");
        assert_whole(&store);
        repository.prune().unwrap();
    }
}
