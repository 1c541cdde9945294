//! Merging tables.

use super::*;

/// Publishes one table of so many chunks, numbered from `first`, all in blocks of this session.
fn add_table(store: &MemoryStore, keys: &Keys, session: u8, chunks: std::ops::Range<u64>) -> Model {
    let mut model = Model::with_blocks((0..5).map(|serial| block_id(session, serial)));
    for number in chunks {
        let block = block_id(session, (number % 5) as u32);
        model.chunks.insert(chunk_id(number), ChunkPlace { block, offset: number as u32, len: 7, copy: None });
    }
    write_tables(store, keys, model.rows(), &[]).unwrap();
    model
}

fn delete_superseded(store: &MemoryStore, index: &Index) {
    let alive: HashSet<TableId> = index.chunks.iter().chain(&index.blocks).map(Table::id).collect();
    for object in store.list(names::INDEX).unwrap() {
        if !alive.contains(&names::parse_table(&object.name).unwrap().1) {
            store.delete(&object.name).unwrap();
        }
    }
}

#[test]
fn a_merge_keeps_every_row() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    let mut chunks = BTreeMap::new();
    for session in 1..=10u8 {
        let first = u64::from(session) * 450;
        // Half of each table's chunks are in the next one too.
        chunks.extend(add_table(&store, &keys, session, first..first + 900).chunks);
    }
    let before = open(&store, &keys);
    assert_eq!(merge_when_many(&before).unwrap(), 20);
    let after = open(&store, &keys);
    assert_eq!((before.chunks.len(), after.chunks.len()), (10, 1));
    assert_eq!((before.blocks.len(), after.blocks.len()), (10, 1));
    for session in 1..=10 {
        let block = block_id(session, 3);
        assert_eq!(after.find_block(block).unwrap(), Some(place(block)));
    }
    assert_eq!(after.chunk_rows(), chunks.len() as u64);
    delete_superseded(&store, &after);
    let after = open(&store, &keys);
    for id in chunks.keys() {
        let place = after.find_chunk(id).unwrap().expect("a row was lost");
        assert_eq!(chunks[id].offset, place.offset);
    }
    assert_eq!(after.find_chunk(&chunk_id(999_999)).unwrap(), None);
    assert_eq!(merge_when_many(&after).unwrap(), 0, "there is nothing more to merge");
}

#[test]
fn a_merge_drops_the_rows_of_vanished_blocks() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    for session in 1..=10 {
        add_table(&store, &keys, session, u64::from(session) * 100..u64::from(session) * 100 + 100);
    }
    // All blocks but those of sessions 1 and 2 go.
    let survivors = Model::with_blocks(sessions_of_blocks(2, 5));
    let superseded = open(&store, &keys).block_tables();
    write_tables(&store, &keys, survivors.rows(), &superseded).unwrap();
    let index = open(&store, &keys);
    assert_eq!(index.chunk_rows(), 1000);
    assert_eq!(merge_when_many(&index).unwrap(), 10);
    let index = open(&store, &keys);
    assert_eq!(index.chunk_rows(), 200);
    assert!((100..300).all(|number| index.find_chunk(&chunk_id(number)).unwrap().is_some()));
    assert!((300..1100).all(|number| index.find_chunk(&chunk_id(number)).unwrap().is_none()));
}

#[test]
fn a_merge_that_keeps_nothing_leaves_an_index_that_works() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    for session in 1..=10 {
        add_table(&store, &keys, session, 0..50);
    }
    let superseded = open(&store, &keys).block_tables();
    write_tables(&store, &keys, NewRows::default(), &superseded).unwrap();
    merge_when_many(&open(&store, &keys)).unwrap();
    let index = open(&store, &keys);
    assert_eq!((index.chunks.len(), index.chunk_rows()), (1, 0));
    assert!((0..50).all(|number| index.find_chunk(&chunk_id(number)).unwrap().is_none()));
}

#[test]
fn fewer_than_ten_tables_of_a_size_stay_apart() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    for session in 1..=9 {
        add_table(&store, &keys, session, 0..20);
        add_table(&store, &keys, session + 100, 0..200);
    }
    // Tables of blocks have five rows each, whatever their sessions.
    assert_eq!(merge_when_many(&open(&store, &keys)).unwrap(), 18, "only those of blocks");
    assert_eq!((open(&store, &keys).chunks.len(), open(&store, &keys).blocks.len()), (18, 1));
    add_table(&store, &keys, 99, 500..520);
    assert_eq!(merge_when_many(&open(&store, &keys)).unwrap(), 10, "only the ten small ones");
    assert_eq!((open(&store, &keys).chunks.len(), open(&store, &keys).blocks.len()), (10, 2));
}

#[test]
fn two_merges_at_once_do_no_harm() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    for session in 1..=10 {
        add_table(&store, &keys, session, u64::from(session) * 10..u64::from(session) * 10 + 10);
    }
    let (one, two) = (open(&store, &keys), open(&store, &keys));
    merge_when_many(&one).unwrap();
    merge_when_many(&two).unwrap();
    let index = open(&store, &keys);
    delete_superseded(&store, &index);
    let index = open(&store, &keys);
    assert!((10..110).all(|number| index.find_chunk(&chunk_id(number)).unwrap().is_some()));
}

#[test]
fn a_merge_keeps_each_thinned_copy_and_the_chunks_in_it() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    let block = block_id(1, 2);
    let mut packs = Vec::new();
    for number in 0..10 {
        let (mut rows, places) = with_copies(number + 1, |_| true);
        let copy = places[number as usize];
        rows.blocks = vec![(block, copy)];
        rows.chunks =
            vec![(chunk_id(number.into()), ChunkPlace { block, offset: number, len: 9, copy: Some(copy.pack) })];
        rows.vouched = [(DomainId::MAIN, [vouched(&copy)].into())].into();
        write_tables(&store, &keys, rows, &[]).unwrap();
        packs.push(copy.pack);
    }
    assert_eq!(merge_when_many(&open(&store, &keys)).unwrap(), 20);
    let merged = open(&store, &keys);
    assert_eq!((merged.blocks.len(), merged.chunks.len()), (1, 1));
    assert_eq!(merged.copies(block).unwrap().len(), 10);
    for (number, pack) in (0..).zip(packs) {
        assert_eq!(merged.find_chunk(&chunk_id(number)).unwrap().map(|place| place.copy), Some(Some(pack)), "{number}");
    }
}
