//! Cutting a pack into the pieces in which it is read.
//!
//! Pure. Every byte of the pack is in exactly one window, in order, so that the pack can be hashed as it is read; a
//! block is never cut.

use std::ops::Range;

use mainstay_repo::{PackRow, limits};

/// What a stored block may have beyond its plaintext: header, tag, and the frame of bytes that do not compress.
const BLOCK_OVERHEAD: u64 = 1 << 16;
/// The longest chunk table: its rows of 36 bytes, nonce and tag.
const TABLE_LEN: u32 = limits::BLOCK_CHUNKS as u32 * 36 + 28;

/// A piece of a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    pub range: Range<u64>,
    /// Positions of the rows whose blocks lie in it.
    pub rows: Range<usize>,
}

/// Puts rows in order of their offsets and takes out those that cannot be read as they say.
pub fn take_impossible(rows: &mut Vec<PackRow>, pack_len: u64) -> Vec<PackRow> {
    rows.sort_by_key(|row| row.offset);
    let mut end = 0;
    rows.extract_if(.., |row| {
        let is_in_order = u64::from(row.offset) >= end && end_of(row) <= pack_len;
        let is_possible = is_in_order
            && u64::from(row.stored_len) <= limits::BLOCK_LEN as u64 + BLOCK_OVERHEAD
            && row.table_len <= TABLE_LEN;
        if is_possible {
            end = end_of(row);
        }
        !is_possible
    })
    .collect()
}

/// Covers a pack with windows of about `window_len` bytes: more only where one block is longer.
pub fn plan_windows(rows: &[PackRow], pack_len: u64, window_len: u64) -> Vec<Window> {
    let mut windows = Vec::new();
    let mut open = Window { range: 0..0, rows: 0..0 };
    for (position, row) in rows.iter().enumerate() {
        let is_full = end_of(row) - open.range.start > window_len;
        if is_full && open.range.start < u64::from(row.offset) {
            // What lies before this block goes into windows of its own, however long it is.
            let before = Window { range: open.range.start..row.offset.into(), rows: open.rows.clone() };
            split(before, open.range.end, window_len, &mut windows);
            open = Window { range: row.offset.into()..row.offset.into(), rows: position..position };
        }
        open.range.end = end_of(row);
        open.rows.end = position + 1;
    }
    let read = open.range.end;
    split(Window { range: open.range.start..pack_len, rows: open.rows }, read, window_len, &mut windows);
    windows
}

/// Adds a window whose blocks end at `blocks_end`; bytes behind them that do not fit become windows without blocks.
fn split(window: Window, blocks_end: u64, window_len: u64, windows: &mut Vec<Window>) {
    let first_end = window.range.end.min(blocks_end.max(window.range.start + window_len));
    let rows_end = window.rows.end;
    let mut next = Window { range: window.range.start..first_end, rows: window.rows };
    while !next.range.is_empty() {
        let start = next.range.end;
        windows.push(next);
        next = Window { range: start..window.range.end.min(start + window_len), rows: rows_end..rows_end };
    }
}

fn end_of(row: &PackRow) -> u64 {
    u64::from(row.offset) + u64::from(row.stored_len)
}
