//! Merging tables, so that a lookup asks few of them.
//!
//! Any writer that meets too many tables of a size merges them, ten to one; no maintenance run is needed. A merge is
//! safe at any time and by any number at once: it only adds a table that says which ones it replaces.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::table::Table;
use super::writer::{NewRows, TableWriter, sorted_sessions, write_tables};
use super::{ChunkPlace, Index};
use crate::error::Result;
use crate::format::limits;
use crate::format::table::ChunkRow;
use crate::id::{ChunkId, PackId};

/// So many tables of like size become one.
const FAN_IN: usize = 10;

/// Rows of blocks are sorted in memory, 80 bytes each.
const BLOCK_ROWS: u64 = 1 << 19;

/// Merges each group of [`FAN_IN`] or more tables of like size; answers how many tables were merged.
pub fn merge_when_many(index: &Index) -> Result<usize> {
    let mut merged = 0;
    // A merged table has one row of a chunk, and none of a block that is lost.
    let is_left_alone = |table: &Table| table.sessions().iter().any(|session| index.left_alone.contains(session));
    let own = index.chunks.iter().filter(|table| index.is_own(table) && !is_left_alone(table)).collect();
    for tables in groups(own, limits::TABLE_ROWS) {
        merge_chunks(index, &tables)?;
        merged += tables.len();
    }
    for tables in groups(index.blocks.iter().collect(), BLOCK_ROWS) {
        merge_blocks(index, &tables)?;
        merged += tables.len();
    }
    Ok(merged)
}

/// Groups of tables of like size that together have at most so many rows.
fn groups(tables: Vec<&Table>, most_rows: u64) -> Vec<Vec<&Table>> {
    let mut tiers = BTreeMap::<u32, Vec<&Table>>::new();
    for table in tables {
        tiers.entry(table.rows().max(1).ilog10()).or_default().push(table);
    }
    let rows = |tables: &[&Table]| tables.iter().map(|table| table.rows()).sum::<u64>();
    tiers.into_values().filter(|tables| tables.len() >= FAN_IN && rows(tables) <= most_rows).collect()
}

fn merge_blocks(index: &Index, tables: &[&Table]) -> Result<()> {
    let mut rows = NewRows::default();
    for table in tables {
        rows.packs.extend(table.packs().iter().map(|pack| (pack.id, pack.len)));
        table.for_each_block(index, &mut |block, place| {
            if !index.is_condemned(place.pack) {
                rows.blocks.push((block, place));
            }
        })?;
    }
    let supersedes = index.predecessors(tables.iter().copied());
    write_tables(&*index.store, &index.keys, rows, &supersedes)?;
    Ok(())
}

fn merge_chunks(index: &Index, tables: &[&Table]) -> Result<()> {
    let sessions = sorted_sessions(tables.iter().flat_map(|table| table.sessions().iter().copied()));
    let most = tables.iter().map(|table| table.rows()).sum();
    let mut writer = TableWriter::begin_chunks(&*index.store, &index.keys, index.keys.own_domain(), most)?;
    let named = index.packs();
    let vouched: BTreeMap<_, _> = tables.iter().flat_map(|table| table.packs()).map(|pack| (pack.id, *pack)).collect();
    let vouched = vouched.into_values().filter(|pack| named.contains_key(&pack.id)).collect();
    writer.name(sessions, vouched, tables.iter().flat_map(|table| table.thinned_copies()))?;
    let mut cursors: Vec<Cursor<'_>> = tables.iter().map(|table| Cursor::new(table, index)).collect();
    let mut heads = BinaryHeap::new();
    for (number, cursor) in cursors.iter_mut().enumerate() {
        if let Some((chunk, place)) = cursor.next()? {
            heads.push(Reverse(Head { chunk, number, place }));
        }
    }
    let mut last = None;
    while let Some(Reverse(Head { chunk, number, place })) = heads.pop() {
        if last.replace(chunk) != Some(chunk) {
            writer.push_chunk(&chunk, &place)?;
        }
        if let Some(cursor) = cursors.get_mut(number)
            && let Some((chunk, place)) = cursor.next()?
        {
            heads.push(Reverse(Head { chunk, number, place }));
        }
    }
    debug_assert!(writer.rows() <= most);
    writer.finish(&index.predecessors(tables.iter().copied()))?;
    Ok(())
}

/// The next row of a table; of a chunk that several name, one that any whole copy has comes first.
struct Head {
    chunk: ChunkId,
    number: usize,
    place: ChunkPlace,
}

impl Head {
    fn order(&self) -> (ChunkId, Option<PackId>, usize) {
        (self.chunk, self.place.copy, self.number)
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}
impl Eq for Head {}
impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

/// Reads one table's rows in order, a page at a time.
struct Cursor<'a> {
    table: &'a Table,
    index: &'a Index,
    rows: std::vec::IntoIter<ChunkRow>,
    next_page: u64,
}

impl<'a> Cursor<'a> {
    fn new(table: &'a Table, index: &'a Index) -> Self {
        Self { table, index, rows: Vec::new().into_iter(), next_page: 0 }
    }

    /// The next row whose chunk is still in a pack.
    fn next(&mut self) -> Result<Option<(ChunkId, ChunkPlace)>> {
        loop {
            let Some(row) = self.rows.next() else {
                if self.next_page == self.table.pages() {
                    return Ok(None);
                }
                self.rows = self.table.chunk_rows(self.next_page, self.index)?.into_iter();
                self.next_page += 1;
                continue;
            };
            let place = self.table.chunk_place(&row)?;
            if self.index.find_copy(place.block, |copy| place.is_in(copy))?.is_some() {
                return Ok(Some((row.chunk, place)));
            }
        }
    }
}
