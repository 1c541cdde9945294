//! Tests of indexing what no table names: how much of it is held, and what beside a writer must stay indexed.

use super::*;
use crate::fixtures::{alive, assert_snapshots, back_up, create, files_of, named, open, restarted};
use crate::store::{MemoryStore, Store};

#[test]
fn rows_of_chunks_are_written_before_many_are_held() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let mut snapshots = std::collections::BTreeMap::new();
    for sequence in 1..=5 {
        let files = files_of(&[("a", sequence, 1000), ("b", sequence + 10, 2000), ("c", sequence + 20, 3000)]);
        back_up(&repository, sequence, &files).unwrap();
        snapshots.insert(sequence, files);
    }
    named(&store, "index/").iter().for_each(|name| store.delete(name).unwrap());
    let empty = repository.index().unwrap();
    let mut completion = Completion { repository: &repository, rows: NewRows::default(), chunks_at_once: 4 };
    for pack in repository.list_packs().unwrap() {
        let found = completion.read_pack(&pack, |_| Ok(true), Vouching::IfItOpens).unwrap();
        completion.add(found).unwrap();
        assert!(completion.rows.chunks.len() < 4, "{} rows are held", completion.rows.chunks.len());
    }
    completion.finish(&empty).unwrap();
    let index = repository.index().unwrap();
    assert!(index.chunks.len() > 2, "{} tables of chunks", index.chunks.len());
    assert_snapshots(&repository, &snapshots);
    assert_eq!(back_up(&repository, 6, &snapshots[&1]).unwrap().new_bytes, 0);
}

#[test]
fn what_a_writer_publishes_between_the_list_of_packs_and_the_index_stays_indexed() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    back_up(&repository, 1, &files_of(&[("a", 1, 600_000)])).unwrap();
    let table = named(&store, "index/b-").remove(0);
    let packs = repository.list_packs().unwrap();
    let beside = back_up(&open(store.clone(), alive()), 2, &files_of(&[("b", 2, 600_000)])).unwrap();
    store.damage(&table, |bytes| *bytes.last_mut().unwrap() ^= 1);
    let repository = open(store, restarted());
    let index = repository.index_without(HashSet::new(), Care::BlockPages).unwrap();
    assert!(complete_index(&repository, &index, &packs, &OpenLeases::default()).unwrap());
    let index = repository.index().unwrap();
    assert!(index.lost().is_empty());
    for entry in repository.snapshots().unwrap() {
        for block in repository.references(&entry).unwrap().iter() {
            assert!(index.find_block(block).unwrap().is_some(), "{block}, and {} is new", beside.entry.id);
        }
    }
}
