//! The index at size: how much memory its rows take. A million rows by default; `MAINSTAY_INDEX_ROWS=100000000` gives the
//! figure for a hundred million (about 5 GB on disk, a minute or two in a release build).

use std::sync::Arc;
use std::time::Instant;

use super::super::table::Table;
use super::super::writer::TableWriter;
use super::*;
use crate::fixtures::{block_id, keys};
use crate::format::limits::TABLE_ROWS;
use crate::store::{LocalStore, Store};

/// The chunk with this number of so many: identifiers ascend and look random beyond their first eight bytes.
fn chunk(number: u64, rows: u64) -> ChunkId {
    let mut id = *blake3::hash(&number.to_le_bytes()).as_bytes();
    let first = (u128::from(number) << 64) / u128::from(rows);
    id[..8].copy_from_slice(&(first as u64).to_be_bytes());
    ChunkId(id)
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Writes tables of the longest kind until there are so many rows, each row in one of a thousand blocks.
fn write_rows(store: &dyn Store, keys: &Keys, rows: u64) {
    let session = block_id(1, 0).session;
    let mut written = 0;
    while written < rows {
        let end = rows.min(written + TABLE_ROWS);
        let mut writer = TableWriter::begin_chunks(store, keys, keys.own_domain(), end - written).unwrap();
        writer.name(vec![session], Vec::new(), std::iter::empty()).unwrap();
        for number in written..end {
            let block = block_id(1, (number % 1000) as u32);
            writer.push_chunk(&chunk(number, rows), &ChunkPlace { block, offset: 7, len: 9, copy: None }).unwrap();
        }
        writer.finish(&[]).unwrap();
        written = end;
    }
}

#[test]
fn an_index_takes_two_bytes_of_memory_a_row() {
    let rows: u64 = std::env::var("MAINSTAY_INDEX_ROWS").map_or(1_000_000, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(LocalStore::new(folder.path()));
    store.prepare().unwrap();
    let keys = Arc::new(keys());
    let begun = Instant::now();
    write_rows(&*store, &keys, rows);
    let blocks = Model::with_blocks((0..1000).map(|serial| block_id(1, serial)));
    write_tables(&*store, &keys, blocks.rows(), &[]).unwrap();
    let built = begun.elapsed();

    let index = Index::open(store, keys, HashSet::new(), Care::Tails).unwrap();
    assert_eq!(index.chunk_rows(), rows);
    let (step, begun) = ((rows / 10_000).max(1), Instant::now());
    for number in (0..rows).step_by(step as usize) {
        let place = index.find_chunk(&chunk(number, rows)).unwrap().unwrap();
        assert_eq!(u64::from(place.block.serial), number % 1000);
    }
    let hits = begun.elapsed() / 10_000;
    let begun = Instant::now();
    let absent = (0..10_000).filter(|number| index.find_chunk(&chunk(rows + number, rows + 10_001)).unwrap().is_none());
    assert!(absent.count() > 9_990);
    let misses = begun.elapsed() / 10_000;
    let held: usize = index.chunks.iter().map(Table::memory_len).sum();
    println!(
        "{rows} rows: built in {built:?}, hit {hits:?}, miss {misses:?}, {held} bytes held, peak {} KiB",
        resident_kib()
    );
    assert!(held as u64 <= rows * 2 + (1 << 16), "{held} bytes for {rows} rows");
}
