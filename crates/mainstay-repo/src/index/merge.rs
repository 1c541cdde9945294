//! Merging tables, so that a lookup asks few of them.
//!
//! Any writer that meets too many tables of a size merges them, ten to one; no maintenance run is needed. A merge is
//! safe at any time and by any number at once: it only adds a table that says which ones it replaces.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::Index;
use super::table::Table;
use super::writer::{NewRows, TableWriter, number_of, sorted_sessions, write_tables};
use crate::error::Result;
use crate::format::limits;
use crate::format::table::ChunkRow;
use crate::id::SessionId;

/// So many tables of like size become one.
const FAN_IN: usize = 10;

/// Rows of blocks are sorted in memory, 80 bytes each.
const BLOCK_ROWS: u64 = 1 << 19;

/// Merges each group of [`FAN_IN`] or more tables of like size; answers how many tables were merged.
pub fn merge_when_many(index: &Index) -> Result<usize> {
    let mut merged = 0;
    let own: Vec<&Table> = index.chunks.iter().filter(|table| index.is_own(table)).collect();
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
    let mut cursors: Vec<Cursor<'_>> = tables.iter().map(|table| Cursor::new(table, index)).collect();
    let mut heads = BinaryHeap::new();
    for (number, cursor) in cursors.iter_mut().enumerate() {
        if let Some(row) = cursor.next(&sessions)? {
            heads.push(Reverse((row.chunk, number, Row(row))));
        }
    }
    let mut last = None;
    while let Some(Reverse((chunk, number, Row(row)))) = heads.pop() {
        if last.replace(chunk) != Some(chunk) {
            writer.push_chunk(&row)?;
        }
        if let Some(cursor) = cursors.get_mut(number)
            && let Some(row) = cursor.next(&sessions)?
        {
            heads.push(Reverse((row.chunk, number, Row(row))));
        }
    }
    debug_assert!(writer.rows() <= most);
    let supersedes = index.predecessors(tables.iter().copied());
    let named = index.packs();
    let vouched: BTreeMap<_, _> = tables.iter().flat_map(|table| table.packs()).map(|pack| (pack.id, *pack)).collect();
    let vouched = vouched.into_values().filter(|pack| named.contains_key(&pack.id)).collect();
    writer.finish(sessions, vouched, &supersedes)?;
    Ok(())
}

/// A row that takes no part in the order of the heap.
struct Row(ChunkRow);

impl PartialEq for Row {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Row {}
impl PartialOrd for Row {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Row {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
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

    /// The next row whose chunk is still in a pack, with its session renumbered.
    fn next(&mut self, sessions: &[SessionId]) -> Result<Option<ChunkRow>> {
        loop {
            let Some(mut row) = self.rows.next() else {
                if self.next_page == self.table.pages() {
                    return Ok(None);
                }
                self.rows = self.table.chunk_rows(self.next_page, self.index)?.into_iter();
                self.next_page += 1;
                continue;
            };
            let place = self.table.chunk_place(&row)?;
            if self.index.find_copy(place.block, |copy| copy.thinned == place.thinned)?.is_some() {
                row.session = number_of(sessions, place.block.session)?;
                return Ok(Some(row));
            }
        }
    }
}
