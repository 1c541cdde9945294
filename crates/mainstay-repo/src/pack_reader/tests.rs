//! Tests of opening blocks and of packs that describe themselves.

mod copies;

use super::*;
use crate::error::Kind;
use crate::fixtures::{back_up, create, files_of, named};
use crate::id::ChunkId;
use crate::repository::Repository;
use crate::store::{MemoryStore, Object};

fn repository_with_packs() -> (MemoryStore, Repository) {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    back_up(&repository, 1, &files_of(&[("a", 1, 1000), ("b", 2, 600_000), ("c", 3, 700_000)])).unwrap();
    (store, repository)
}

fn listings(repository: &Repository) -> Vec<(Object, PackListing)> {
    let packs = repository.list_packs().unwrap();
    packs.into_iter().map(|pack| (pack.clone(), repository.read_pack_listing(&pack).unwrap())).collect()
}

fn read_all(repository: &Repository) -> Result<()> {
    let index = repository.index()?;
    let reader = repository.block_reader(&index);
    let mut blocks = Vec::new();
    index.for_each_block(|block, place| blocks.push((block, place.kind)))?;
    blocks.into_iter().try_for_each(|(block, kind)| reader.read(block, kind, 0..0).map(drop))
}

#[test]
fn a_pack_says_of_itself_what_the_index_says_of_it() {
    let (_store, repository) = repository_with_packs();
    let index = repository.index().unwrap();
    let mut found = 0;
    for (object, listing) in listings(&repository) {
        assert_eq!(listing.len, object.len);
        for row in &listing.rows {
            let place = index.find_block(row.block).unwrap().unwrap();
            assert_eq!((place.pack, place.pack_session), (listing.id, listing.session));
            assert_eq!((place.offset, place.stored_len, place.kind), (row.offset, row.stored_len, row.kind));
            found += 1;
        }
    }
    assert_eq!(found, 4, "three blocks of content and one of trees");
}

#[test]
fn a_chunk_table_names_every_chunk_of_its_block() {
    let (_store, repository) = repository_with_packs();
    let index = repository.index().unwrap();
    let reader = repository.block_reader(&index);
    let mut chunks = 0;
    for (object, listing) in listings(&repository) {
        for row in &listing.rows {
            let mut sealed = vec![0; row.table_len as usize];
            repository.read_pack_at(&object, row.table_offset.into(), &mut sealed).unwrap();
            let table = repository.open_chunk_table(row.block, &sealed).unwrap();
            let plain = reader.read(row.block, row.kind, 0..0).unwrap();
            assert_eq!(table.raw_len(), plain.raw_len());
            let mut offset = 0;
            for (id, len) in &table.chunks {
                let chunk = plain.range(row.block, offset, *len).unwrap();
                assert_eq!(repository.chunk_id(row.block.session, row.kind, chunk).unwrap(), *id);
                let place = index.find_chunk(id).unwrap().unwrap();
                assert_eq!((place.block, place.offset), (row.block, offset));
                offset += len;
                chunks += 1;
            }
        }
    }
    assert_eq!(chunks, 4);
}

#[test]
fn every_kind_of_damage_to_a_block_is_noticed() {
    let (store, repository) = repository_with_packs();
    read_all(&repository).unwrap();
    for (object, listing) in listings(&repository) {
        let row = listing.rows[0];
        let (start, end) = (row.offset as usize, (row.offset + row.stored_len) as usize);
        let samples = (start..start + BLOCK_HEADER_LEN + 40).chain((start..end).step_by(5003)).chain(end - 20..end);
        for at in samples {
            store.damage(&object.name, |bytes| bytes[at] ^= 1 << (at % 8));
            assert_eq!(read_all(&repository).map_err(|error| error.kind()), Err(Kind::Corrupt), "byte {at}");
            store.damage(&object.name, |bytes| bytes[at] ^= 1 << (at % 8));
        }
    }
    read_all(&repository).unwrap();
}

#[test]
fn a_block_does_not_pass_for_another() {
    let (store, repository) = repository_with_packs();
    let (object, listing) = listings(&repository).into_iter().find(|(_, listing)| listing.rows.len() == 3).unwrap();
    let mut bytes = store.read(&object.name, 1 << 30).unwrap();
    let block = |row: &PackRow| bytes[row.offset as usize..(row.offset + row.stored_len) as usize].to_vec();
    let [one, two, three] = &listing.rows[..] else { panic!("{} blocks", listing.rows.len()) };
    let longest = [one, two, three].into_iter().max_by_key(|row| row.stored_len).unwrap();
    let other = [one, two, three].into_iter().find(|row| row.stored_len < longest.stored_len).unwrap();
    let (moved, at) = (block(other), longest.offset as usize);
    bytes[at..at + moved.len()].copy_from_slice(&moved);
    store.damage(&object.name, |held| *held = bytes);
    let index = repository.index().unwrap();
    let error = repository.block_reader(&index).read(longest.block, longest.kind, 0..0).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(error.to_string().contains(&format!("block {}", other.block)), "{error}");
}

#[test]
fn a_chunk_table_does_not_pass_for_that_of_another_block() {
    let (_store, repository) = repository_with_packs();
    for (object, listing) in listings(&repository) {
        let row = listing.rows[0];
        let mut sealed = vec![0; row.table_len as usize];
        repository.read_pack_at(&object, row.table_offset.into(), &mut sealed).unwrap();
        let other = BlockId { serial: row.block.serial + 1, ..row.block };
        assert!(repository.open_chunk_table(other, &sealed).is_err());
        for len in [0, 11, 12, 27, sealed.len() - 1] {
            assert!(repository.open_chunk_table(row.block, &sealed[..len]).is_err(), "cut to {len} bytes");
        }
        assert!(repository.open_chunk_table(row.block, &sealed).is_ok());
    }
}

#[test]
fn damage_to_the_frame_of_a_pack_is_noticed() {
    let (store, repository) = repository_with_packs();
    let object = repository.list_packs().unwrap().remove(0);
    let rows = repository.read_pack_listing(&object).unwrap().rows.len();
    let len = object.len as usize;
    for at in (0..40).chain(len - PACK_FOOTER_LEN - rows * 40..len) {
        store.damage(&object.name, |bytes| bytes[at] ^= 1 << (at % 8));
        let found = repository.read_pack_listing(&object).map(drop).map_err(|error| error.kind());
        assert_eq!(found, Err(Kind::Corrupt), "byte {at} of {len}");
        store.damage(&object.name, |bytes| bytes[at] ^= 1 << (at % 8));
    }
    for len in [0, 39, 40, 95, 96, len as u64 - 1, limits::PACK_LEN + 1] {
        let cut = Object { len, ..object.clone() };
        let found = repository.read_pack_listing(&cut).map(drop).map_err(|error| error.kind());
        assert_eq!(found, Err(Kind::Corrupt), "{len} bytes");
    }
}

#[test]
fn a_missing_pack_is_named() {
    let (store, repository) = repository_with_packs();
    for name in named(&store, "packs/") {
        store.delete(&name).unwrap();
        let error = read_all(&repository).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
        assert!(error.to_string().contains("packs/"), "{error}");
    }
}

#[test]
fn a_block_is_read_from_the_store_once_while_it_is_held() {
    let (store, repository) = repository_with_packs();
    let index = repository.index().unwrap();
    let reader = repository.block_reader(&index);
    let (_, listing) = listings(&repository).remove(0);
    let first = reader.read(listing.rows[0].block, listing.rows[0].kind, 0..0).unwrap();
    store.take_calls();
    let second = reader.read(listing.rows[0].block, listing.rows[0].kind, 0..0).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert!(store.take_calls().is_empty());
}

#[test]
fn identifiers_of_chunks_depend_on_their_kind() {
    let (_store, repository) = repository_with_packs();
    let id = |kind| -> ChunkId { repository.chunk_id(crate::fixtures::session_id(1), kind, b"bytes").unwrap() };
    assert_ne!(id(BlockKind::Content), id(BlockKind::Tree));
}
