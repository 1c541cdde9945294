//! Tests of the chunks that a session stored itself.

use super::*;
use crate::fixtures::{block_id, chunk_id, keys, session_id};
use crate::format::block::BlockKind;
use crate::id::PackId;
use crate::index::{BlockPlace, NewRows, write_tables};
use crate::store::{MemoryStore, Store};

fn place(serial: u32, offset: u32) -> Place {
    Place { block: block_id(1, serial), offset, len: 10 }
}

fn filled(chunks: u64) -> KnownChunks {
    let known = KnownChunks::new(session_id(1));
    for number in 0..chunks {
        let entered = known.insert_with(chunk_id(number), || Ok(place(number as u32 % 7, number as u32)));
        assert_eq!(entered.unwrap(), None);
    }
    known
}

#[test]
fn the_first_place_of_a_chunk_stays() {
    let known = filled(1000);
    assert_eq!(known.len(), 1000);
    let again = known.insert_with(chunk_id(8), || panic!("it was asked for a place")).unwrap();
    assert_eq!(again, Some(place(1, 8)));
    assert_eq!(known.find(&chunk_id(8)).unwrap(), Some(place(1, 8)));
    assert_eq!(known.find(&chunk_id(1000)).unwrap(), None);
}

#[test]
fn a_chunk_that_found_no_place_is_not_known() {
    let known = filled(0);
    let failed = known.insert_with(chunk_id(1), || Err(crate::Error::Bug("no place".to_owned())));
    assert!(failed.is_err());
    assert_eq!(known.find(&chunk_id(1)).unwrap(), None);
}

#[test]
fn only_chunks_of_packed_blocks_become_rows() {
    let rows = filled(700).rows(|serial| serial == 3);
    assert_eq!(rows.len(), 100);
    assert!(rows.iter().all(|(_, place)| place.block == block_id(1, 3)));
}

#[test]
fn published_chunks_leave_memory_and_are_still_found() {
    let (store, keys) = (MemoryStore::default(), Arc::new(keys()));
    let known = filled(700);
    let pack = BlockPlace {
        pack: PackId([9; 32]),
        pack_session: session_id(1),
        offset: 40,
        stored_len: 9,
        kind: BlockKind::Content,
        thinned: false,
    };
    let vouched = crate::format::table::TablePack { id: pack.pack, session: pack.pack_session, len: 1000 };
    let rows = NewRows {
        blocks: (0..4).map(|serial| (block_id(1, serial), pack)).collect(),
        chunks: known.rows(|serial| serial < 4),
        packs: [(pack.pack, 1000)].into(),
        vouched: [(crate::id::DomainId::MAIN, [(pack.pack, vouched)].into())].into(),
    };
    let tables = write_tables(&store, &keys, rows, &[]).unwrap();
    let index = Index::of_tables(Arc::new(store.clone()), keys, &tables).unwrap();
    known.publish(Arc::new(index), |serial| serial < 4);
    assert_eq!(known.len(), 300);
    for number in 0..700 {
        assert_eq!(known.find(&chunk_id(number)).unwrap(), Some(place(number as u32 % 7, number as u32)));
    }
    assert_eq!(known.find(&chunk_id(700)).unwrap(), None);
    assert_eq!(store.list("index/").unwrap().len(), 2);
}
