//! Tests of looking up, superseding and damage; merging has its own file.

mod damage;
mod merging;
mod size;

use std::collections::BTreeMap;

use super::*;
use crate::fixtures::{block_id, chunk_id, keys};
use crate::store::MemoryStore;

/// What the index should hold.
#[derive(Default)]
struct Model {
    blocks: BTreeMap<BlockId, BlockPlace>,
    chunks: BTreeMap<ChunkId, ChunkPlace>,
}

const PACK_LEN: u64 = 1 << 24;

fn place(block: BlockId) -> BlockPlace {
    let pack = block.serial / 100;
    BlockPlace {
        pack: PackId(*blake3::hash(&[&block.session.0[..], &pack.to_le_bytes()].concat()).as_bytes()),
        pack_session: block.session,
        offset: 40 + block.serial % 100 * 70_000,
        stored_len: 60_000 + block.serial,
        kind: if block.serial.is_multiple_of(7) { BlockKind::Tree } else { BlockKind::Content },
        thinned: false,
    }
}

fn vouched(place: &BlockPlace) -> (PackId, TablePack) {
    (place.pack, TablePack { id: place.pack, session: place.pack_session, len: PACK_LEN })
}

impl Model {
    fn with_blocks(blocks: impl IntoIterator<Item = BlockId>) -> Self {
        let blocks = blocks.into_iter().map(|block| (block, place(block))).collect();
        Self { blocks, chunks: BTreeMap::new() }
    }

    fn rows(&self) -> NewRows {
        NewRows {
            blocks: self.blocks.iter().map(|(id, place)| (*id, *place)).collect(),
            chunks: self.chunks.iter().map(|(id, place)| (*id, *place)).collect(),
            packs: self.blocks.values().map(|place| (place.pack, PACK_LEN)).collect(),
            vouched: [(DomainId::MAIN, self.blocks.values().map(vouched).collect())].into(),
        }
    }
}

fn open(store: &MemoryStore, keys: &Arc<Keys>) -> Index {
    Index::open(Arc::new(store.clone()), keys.clone(), HashSet::new(), Care::Tails).unwrap()
}

fn sessions_of_blocks(sessions: u8, serials: u32) -> impl Iterator<Item = BlockId> {
    (1..=sessions).flat_map(move |session| (0..serials).map(move |serial| block_id(session, serial)))
}

/// A hundred thousand chunks; some hundreds of them agree in their first eight bytes, over more than three pages.
fn many_chunks(model: &mut Model) {
    let blocks: Vec<BlockId> = model.blocks.keys().copied().collect();
    for number in 0..100_000u64 {
        let mut id = chunk_id(number);
        if number % 250 == 0 {
            id.0[..8].copy_from_slice(b"the same");
        }
        let place =
            ChunkPlace { block: blocks[number as usize % blocks.len()], offset: number as u32, len: 9, copy: None };
        model.chunks.insert(id, place);
    }
}

#[test]
fn an_index_of_many_rows_answers_like_a_map() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    let mut model = Model::with_blocks(sessions_of_blocks(3, 700));
    many_chunks(&mut model);
    write_tables(&store, &keys, model.rows(), &[]).unwrap();
    let index = open(&store, &keys);
    assert_eq!((index.chunk_rows(), index.packs().len()), (100_000, 21));
    for (id, place) in &model.chunks {
        assert_eq!(index.find_chunk(id).unwrap(), Some(*place));
    }
    for number in 0..20_000 {
        let mut absent = chunk_id(1_000_000 + number);
        if number % 10 == 0 {
            absent.0[..8].copy_from_slice(b"the same");
        }
        assert_eq!(index.find_chunk(&absent).unwrap(), None);
    }
}

#[test]
fn every_block_is_found_and_no_other() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    let model = Model::with_blocks(sessions_of_blocks(4, 400).filter(|block| block.serial % 3 != 1));
    write_tables(&store, &keys, model.rows(), &[]).unwrap();
    let index = open(&store, &keys);
    for block in sessions_of_blocks(6, 500) {
        assert_eq!(index.find_block(block).unwrap(), model.blocks.get(&block).copied(), "{block}");
    }
    let mut listed = BTreeMap::new();
    index.for_each_block(|block, place| assert_eq!(listed.insert(block, place), None)).unwrap();
    assert_eq!(listed, model.blocks);
    assert!(index.packs().values().all(|pack| pack.len == PACK_LEN));
}

#[test]
fn rows_of_several_tables_are_one_index() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    for session in 1..=5 {
        let mut model = Model::with_blocks((0..50).map(|serial| block_id(session, serial)));
        let place = ChunkPlace { block: block_id(session, 1), offset: 0, len: 1, copy: None };
        model.chunks.insert(chunk_id(session.into()), place);
        write_tables(&store, &keys, model.rows(), &[]).unwrap();
    }
    let index = open(&store, &keys);
    for session in 1..=5u8 {
        assert_eq!(index.find_chunk(&chunk_id(session.into())).unwrap().unwrap().block, block_id(session, 1));
    }
}

#[test]
fn a_chunk_whose_block_is_in_no_table_is_absent() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    let mut model = Model::with_blocks([block_id(1, 1)]);
    for (number, serial) in [(1, 1), (2, 2)] {
        model.chunks.insert(chunk_id(number), ChunkPlace { block: block_id(1, serial), offset: 0, len: 1, copy: None });
    }
    write_tables(&store, &keys, model.rows(), &[]).unwrap();
    let index = open(&store, &keys);
    assert!(index.find_chunk(&chunk_id(1)).unwrap().is_some());
    assert_eq!(index.find_chunk(&chunk_id(2)).unwrap(), None);
}

#[test]
fn a_chunk_is_found_in_its_second_block_when_the_first_is_gone() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    for (session, with_block) in [(1, false), (2, true), (3, false)] {
        let mut model = Model::with_blocks(with_block.then_some(block_id(session, 1)));
        model.chunks.insert(chunk_id(1), ChunkPlace { block: block_id(session, 1), offset: 0, len: 1, copy: None });
        write_tables(&store, &keys, model.rows(), &[]).unwrap();
    }
    let found = open(&store, &keys).find_chunk(&chunk_id(1)).unwrap();
    assert_eq!(found.map(|place| place.block), Some(block_id(2, 1)));
}

#[test]
fn a_condemned_pack_counts_as_absent() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    let mut model = Model::with_blocks([block_id(1, 1), block_id(1, 101)]);
    for (number, serial) in [(1, 1), (2, 101)] {
        model.chunks.insert(chunk_id(number), ChunkPlace { block: block_id(1, serial), offset: 0, len: 1, copy: None });
    }
    write_tables(&store, &keys, model.rows(), &[]).unwrap();
    let condemned = HashSet::from([place(block_id(1, 1)).pack]);
    let index = Index::open(Arc::new(store), keys, condemned, Care::Tails).unwrap();
    assert_eq!((index.find_block(block_id(1, 1)).unwrap(), index.find_chunk(&chunk_id(1)).unwrap()), (None, None));
    assert!(index.find_block(block_id(1, 101)).unwrap().is_some());
    assert!(index.find_chunk(&chunk_id(2)).unwrap().is_some());
}

#[test]
fn a_superseded_table_counts_as_absent() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    write_tables(&store, &keys, Model::with_blocks([block_id(1, 1), block_id(1, 2)]).rows(), &[]).unwrap();
    let superseded = open(&store, &keys).block_tables();
    write_tables(&store, &keys, Model::with_blocks([block_id(1, 2)]).rows(), &superseded).unwrap();
    let index = open(&store, &keys);
    assert_eq!(index.find_block(block_id(1, 1)).unwrap(), None);
    assert!(index.find_block(block_id(1, 2)).unwrap().is_some());
}

#[test]
fn an_empty_table_supersedes_as_well() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    write_tables(&store, &keys, Model::with_blocks([block_id(1, 1)]).rows(), &[]).unwrap();
    let superseded = open(&store, &keys).block_tables();
    write_tables(&store, &keys, NewRows::default(), &superseded).unwrap();
    let index = open(&store, &keys);
    assert_eq!((index.find_block(block_id(1, 1)).unwrap(), index.packs().len()), (None, 0));
    index.for_each_block(|block, _| panic!("{block}")).unwrap();
}

#[test]
fn no_rows_make_no_table() {
    let (store, keys) = (MemoryStore::default(), keys());
    assert!(write_tables(&store, &keys, NewRows::default(), &[]).unwrap().is_empty());
    assert_eq!(store.names().len(), 0);
}

#[test]
fn threads_look_up_at_once() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    let mut model = Model::with_blocks(sessions_of_blocks(2, 200));
    many_chunks(&mut model);
    write_tables(&store, &keys, model.rows(), &[]).unwrap();
    let (index, model) = (open(&store, &keys), &model);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let index = &index;
            scope.spawn(move || {
                for (id, place) in model.chunks.iter().skip(thread).step_by(97) {
                    assert_eq!(index.find_chunk(id).unwrap(), Some(*place));
                }
            });
        }
    });
}

/// So many copies of one block, each in a pack of its own, among the rows of its neighbours.
fn with_copies(copies: u32, thinned: impl Fn(u32) -> bool) -> (NewRows, Vec<BlockPlace>) {
    let mut rows = Model::with_blocks([block_id(1, 1), block_id(1, 3)]).rows();
    let place_of = |number: u32| {
        let pack = PackId(*blake3::hash(&number.to_le_bytes()).as_bytes());
        BlockPlace { pack, offset: 40, thinned: thinned(number), ..place(block_id(1, 2)) }
    };
    let places: Vec<BlockPlace> = (0..copies).map(place_of).collect();
    rows.blocks.extend(places.iter().map(|place| (block_id(1, 2), *place)));
    rows.packs.extend(places.iter().map(|place| (place.pack, PACK_LEN)));
    rows.vouched.entry(DomainId::MAIN).or_default().extend(places.iter().map(vouched));
    (rows, places)
}

#[test]
fn a_block_has_a_row_for_each_of_its_copies_over_any_number_of_pages() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    let (rows, mut places) = with_copies(255, |number| number != 200);
    write_tables(&store, &keys, rows, &[]).unwrap();
    let index = open(&store, &keys);
    let mut found = index.copies(block_id(1, 2)).unwrap();
    assert_eq!(found.first(), Some(&places[200]), "the whole copy comes first");
    assert_eq!(index.find_block(block_id(1, 2)).unwrap(), Some(places[200]));
    found.sort_by_key(|place| place.pack);
    places.sort_by_key(|place| place.pack);
    assert_eq!(found, places);
    for serial in [1, 3] {
        assert_eq!(index.copies(block_id(1, serial)).unwrap(), [place(block_id(1, serial))]);
    }
}

#[test]
fn a_chunk_of_a_thinned_copy_is_found_in_its_own_pack_alone() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    let (mut rows, places) = with_copies(3, |_| true);
    for (number, copy) in (0..).zip(&places[..2]) {
        let place = ChunkPlace { block: block_id(1, 2), offset: 7, len: 9, copy: Some(copy.pack) };
        rows.chunks.push((chunk_id(number), place));
    }
    rows.chunks.push((chunk_id(2), ChunkPlace { block: block_id(1, 2), offset: 7, len: 9, copy: None }));
    write_tables(&store, &keys, rows, &[]).unwrap();
    let found = |condemned: &[PackId]| {
        let condemned = condemned.iter().copied().collect();
        let index = Index::open(Arc::new(store.clone()), keys.clone(), condemned, Care::Tails).unwrap();
        [0, 1, 2].map(|number| index.find_chunk(&chunk_id(number)).unwrap().and_then(|place| place.copy))
    };
    assert_eq!(found(&[]), [Some(places[0].pack), Some(places[1].pack), None], "no whole copy is there");
    assert_eq!(found(&[places[0].pack]), [None, Some(places[1].pack), None]);
    assert_eq!(found(&[places[1].pack]), [Some(places[0].pack), None, None]);
}

#[test]
fn rows_of_a_thinned_copy_for_which_nobody_vouches_are_not_written() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    let (mut rows, places) = with_copies(1, |_| true);
    rows.chunks
        .push((chunk_id(1), ChunkPlace { block: block_id(1, 2), offset: 7, len: 9, copy: Some(places[0].pack) }));
    rows.vouched.clear();
    write_tables(&store, &keys, rows, &[]).unwrap();
    assert_eq!(open(&store, &keys).chunk_rows(), 0);
}
