//! Damaged, cut and exchanged tables.

use super::*;
use crate::error::Kind;

fn table(store: &MemoryStore, kind: &str) -> String {
    let prefix = format!("{}{kind}-", names::INDEX);
    store.names().into_iter().find(|name| name.starts_with(&prefix)).expect("there is such a table")
}

/// Two tables of one block and one chunk.
fn small_index(keys: &Keys) -> MemoryStore {
    let store = MemoryStore::default();
    let mut model = Model::with_blocks([block_id(1, 1)]);
    model.chunks.insert(chunk_id(1), ChunkPlace { block: block_id(1, 1), offset: 0, len: 1, copy: None });
    write_tables(&store, keys, model.rows(), &[]).unwrap();
    store
}

/// Opens the index and asks it everything.
fn ask(store: &MemoryStore, keys: &Arc<Keys>) -> Result<Option<ChunkPlace>> {
    let listed = store.list(names::INDEX).unwrap();
    let index = Index::of_tables(Arc::new(store.clone()), keys.clone(), &listed)?;
    index.for_each_block(|_, _| {})?;
    index.find_chunk(&chunk_id(1))
}

#[test]
fn every_flipped_bit_in_a_table_is_noticed() {
    let keys = Arc::new(keys());
    let store = small_index(&keys);
    for kind in ["b", "c"] {
        let name = table(&store, kind);
        let len = store.len(&name).unwrap();
        // The middle of the one page is padding like any other byte of it.
        for at in (0..200).chain((200..len - 400).step_by(61)).chain(len - 400..len) {
            store.damage(&name, |bytes| bytes[at as usize] ^= 1 << (at % 8));
            let found = ask(&store, &keys).map_err(|error| error.kind());
            assert_eq!(found, Err(Kind::Corrupt), "{kind}, byte {at} of {len}");
            store.damage(&name, |bytes| bytes[at as usize] ^= 1 << (at % 8));
        }
    }
    assert!(ask(&store, &keys).unwrap().is_some());
}

#[test]
fn a_table_that_is_cut_short_is_noticed() {
    let keys = Arc::new(keys());
    for kind in ["b", "c"] {
        let store = small_index(&keys);
        let name = table(&store, kind);
        let mut len = store.len(&name).unwrap() as usize;
        while len > 0 {
            len = len.saturating_sub(if len % 512 < 64 { 1 } else { 61 });
            store.damage(&name, |bytes| bytes.truncate(len));
            let found = ask(&store, &keys).map_err(|error| error.kind());
            assert_eq!(found, Err(Kind::Corrupt), "{kind}, cut to {len} bytes");
        }
    }
}

#[test]
fn a_table_under_the_name_of_another_is_noticed() {
    let keys = Arc::new(keys());
    for kind in ["b", "c"] {
        let store = small_index(&keys);
        let other = small_index(&keys);
        let bytes = other.read(&table(&other, kind), 1 << 20).unwrap();
        store.damage(&table(&store, kind), |held| *held = bytes);
        assert_eq!(ask(&store, &keys).map_err(|error| error.kind()), Err(Kind::Corrupt), "{kind}");
    }
}

#[test]
fn the_tables_of_another_repository_do_not_open() {
    let store = small_index(&keys());
    assert_eq!(ask(&store, &Arc::new(keys())).map_err(|error| error.kind()), Err(Kind::Corrupt));
}

#[test]
fn a_name_in_the_index_that_is_none_is_noticed() {
    let keys = Arc::new(keys());
    let store = small_index(&keys);
    store.put("index/b-0", b"").unwrap();
    assert_eq!(ask(&store, &keys).map_err(|error| error.kind()), Err(Kind::Corrupt));
}

#[test]
fn pages_of_a_table_cannot_be_exchanged() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    let mut model = Model::with_blocks(sessions_of_blocks(1, 400));
    many_chunks(&mut model);
    write_tables(&store, &keys, model.rows(), &[]).unwrap();
    for kind in ["b", "c"] {
        let name = table(&store, kind);
        let swap = |bytes: &mut Vec<u8>| {
            let (first, second) = bytes[64..].split_at_mut(4112);
            first.swap_with_slice(&mut second[..4112]);
        };
        store.damage(&name, swap);
        let index = open(&store, &keys);
        let found: Result<Vec<_>> = match kind {
            "b" => sessions_of_blocks(1, 10).map(|block| index.find_block(block).map(drop)).collect(),
            _ => model.chunks.keys().take(10).map(|id| index.find_chunk(id).map(drop)).collect(),
        };
        assert_eq!(found.map_err(|error| error.kind()), Err(Kind::Corrupt), "{kind}");
        store.damage(&name, swap);
    }
}
