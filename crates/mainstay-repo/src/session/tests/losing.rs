//! Index tables that are damaged or gone: packs tell what was in them.

use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::fixtures::copy_of;
use crate::id::PackId;
use crate::index::{BlockPlace, Care, NewRows, write_tables};

/// Two snapshots that share a file, each in packs and tables of its own.
fn two_snapshots() -> (MemoryStore, BTreeMap<u64, Files>) {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let first = files_of(&[("a", 1, 600_000), ("b", 2, 3000)]);
    let second = files_of(&[("a", 1, 600_000), ("c", 3, 600_000), ("d", 4, 3000)]);
    back_up(&repository, 1, &first).unwrap();
    back_up(&repository, 2, &second).unwrap();
    (store, [(1, first), (2, second)].into())
}

/// Every way in which the tables of one kind or of both can be lost.
fn losses(store: &MemoryStore) -> Vec<(String, MemoryStore)> {
    let mut lost = Vec::new();
    for kinds in [&["b"][..], &["c"], &["b", "c"]] {
        let prefixes: Vec<String> = kinds.iter().map(|kind| format!("index/{kind}-")).collect();
        let tables = || prefixes.iter().flat_map(|prefix| named(store, prefix));
        let change = |what: &str, change: &dyn Fn(&MemoryStore, &str)| {
            let copy = copy_of(store);
            tables().for_each(|name| change(&copy, &name));
            (format!("{what} of {kinds:?}"), copy)
        };
        lost.push(change("all", &|copy, name| copy.delete(name).unwrap()));
        lost.push(change("tails", &|copy, name| copy.damage(name, |bytes| *bytes.last_mut().unwrap() ^= 1)));
        lost.push(change("pages", &|copy, name| copy.damage(name, |bytes| bytes[100] ^= 1)));
        lost.push(change("ends", &|copy, name| copy.damage(name, |bytes| bytes.truncate(bytes.len() / 2))));
    }
    lost
}

#[test]
fn a_snapshot_restores_without_its_index() {
    let (store, snapshots) = two_snapshots();
    for (what, store) in losses(&store) {
        let repository = open(store, restarted());
        for entry in repository.snapshots().unwrap() {
            let files = read_back(&repository, &entry).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(files == snapshots[&entry.snapshot.sequence], "{what}");
        }
    }
}

#[test]
fn the_next_backup_finds_what_is_there_and_mends_the_index() {
    let (store, mut snapshots) = two_snapshots();
    let third = snapshots[&2].clone();
    snapshots.insert(3, third.clone());
    for (what, store) in losses(&store) {
        let repository = open(store.clone(), restarted());
        let report = back_up(&repository, 3, &third).unwrap_or_else(|error| panic!("{what}: {error}"));
        let only_hidden = what.starts_with("pages") || what == "all of [\"c\"]";
        assert!(report.new_bytes == 0 || only_hidden, "{what}: {} bytes were stored again", report.new_bytes);
        let index = repository.index_without(HashSet::new(), Care::BlockPages).unwrap();
        assert!(index.lost().is_empty(), "{what}: {:?}", index.lost());
        assert_snapshots(&repository, &snapshots);
    }
}

#[test]
fn a_prune_mends_the_index_and_removes_what_is_damaged() {
    let (store, mut snapshots) = two_snapshots();
    snapshots.remove(&1);
    for (what, store) in losses(&store) {
        let repository = open(store.clone(), restarted());
        let entries = repository.snapshots().unwrap();
        repository.forget(entries[0].id, 0).unwrap();
        repository.prune().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_snapshots(&repository, &snapshots);
        let index = repository.index_without(HashSet::new(), Care::BlockPages).unwrap();
        assert!(index.lost().is_empty(), "{what}");
        let packs = named(&store, "packs/");
        assert_eq!(index.packs().len(), packs.len(), "{what}: every pack is named by a table");
    }
}

#[test]
fn what_a_lost_table_superseded_does_not_mislead() {
    let (store, snapshots) = two_snapshots();
    let repository = open(store.clone(), restarted());
    // A table of long ago names a pack that is gone; the one that superseded it is damaged.
    let index = repository.index().unwrap();
    let mut rows = NewRows::default();
    index
        .for_each_block(|block, place| {
            let gone = PackId([0xdd; 32]);
            rows.packs.insert(gone, 1 << 20);
            rows.blocks.push((block, BlockPlace { pack: gone, ..place }));
        })
        .unwrap();
    let old = write_tables(&*repository.store, &repository.keys, rows, &[]).unwrap();
    for name in named(&store, "index/b-").into_iter().filter(|name| *name != old[0].name) {
        store.damage(&name, |bytes| *bytes.last_mut().unwrap() ^= 1);
    }
    let mut expected = snapshots.clone();
    let report = back_up(&repository, 3, &snapshots[&2]).unwrap();
    assert_eq!(report.new_bytes, 0);
    expected.insert(3, snapshots[&2].clone());
    assert_snapshots(&repository, &expected);
    repository.prune().unwrap();
    assert_snapshots(&repository, &expected);
}

#[test]
fn tables_of_blocks_stay_few_however_many_backups_there_are() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    for sequence in 1..=60 {
        back_up(&repository, sequence, &files_of(&[("a", sequence, 1000)])).unwrap();
    }
    let index = repository.index().unwrap();
    assert!(index.blocks.len() < 20, "{} tables of blocks", index.blocks.len());
    assert!(index.chunks.len() < 20, "{} tables of chunks", index.chunks.len());
    for entry in repository.snapshots().unwrap() {
        read_back(&repository, &entry).unwrap();
    }
}

#[test]
fn a_damaged_page_and_another_lost_table_stop_neither_a_backup_nor_a_prune() {
    let (store, mut snapshots) = two_snapshots();
    let tables = named(&store, "index/c-");
    store.damage(&tables[0], |bytes| bytes[100] ^= 1);
    store.damage(&tables[1], |bytes| bytes.truncate(100));
    let again = copy_of(&store);
    open(again.clone(), restarted()).prune().unwrap();
    assert_snapshots(&open(again.clone(), restarted()), &snapshots);
    open(again, restarted()).index().unwrap().read_chunk_tables().expect("the prune has mended the tables");
    let third = snapshots[&2].clone();
    let repository = open(store, restarted());
    back_up(&repository, 3, &third).unwrap();
    snapshots.insert(3, third.clone());
    assert_eq!(back_up(&repository, 4, &third).unwrap().new_bytes, 0, "what a page hides is stored again only once");
    snapshots.insert(4, third);
    assert_snapshots(&repository, &snapshots);
}
