//! Merging chunk tables, so that a lookup asks few filters.
//!
//! Any writer that meets too many tables of a size merges them, ten to one; no maintenance run is needed. A merge is
//! safe at any time and by any number at once: it only adds a table that says which ones it replaces.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::Index;
use super::table::Table;
use super::writer::{TableWriter, number_of, sorted_sessions};
use crate::error::Result;
use crate::format::limits;
use crate::format::names::TableKind;
use crate::format::table::ChunkRow;
use crate::id::SessionId;

/// So many tables of like size become one.
const FAN_IN: usize = 10;

/// Merges each group of [`FAN_IN`] or more chunk tables of like size; answers how many tables were merged.
pub fn merge_when_many(index: &Index) -> Result<usize> {
    let mut tiers = BTreeMap::<u32, Vec<&Table>>::new();
    for table in &index.chunks {
        tiers.entry(table.rows().max(1).ilog10()).or_default().push(table);
    }
    let mut merged = 0;
    for tables in tiers.values().filter(|tables| tables.len() >= FAN_IN) {
        let rows: u64 = tables.iter().map(|table| table.rows()).sum();
        if rows <= limits::TABLE_ROWS {
            merge(index, tables)?;
            merged += tables.len();
        }
    }
    Ok(merged)
}

fn merge(index: &Index, tables: &[&Table]) -> Result<()> {
    let sessions = sorted_sessions(tables.iter().flat_map(|table| table.sessions().iter().copied()));
    let most = tables.iter().map(|table| table.rows()).sum();
    let mut writer = TableWriter::begin(&*index.store, &index.keys, TableKind::Chunks, most)?;
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
    writer.finish(sessions, Vec::new(), &supersedes)?;
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
