//! Reading chosen blocks out of the packs of the other copy.
//!
//! Owns by which reads they come, and how many packs are read at once: one after the other, or several where a request takes its time.
//! Every block is opened before it is handed on. What cannot be had in this way is passed over, for whoever looks for each block by
//! itself. Memory: three stretches for each pack that is read at once.

use std::collections::HashSet;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};

use super::blocks::{unless_gone, unless_lost};
use crate::error::{Error, Result, unless_damaged};
use crate::format::pack::PackRow;
use crate::id::BlockId;
use crate::pack_reader::BlockReader;
use crate::repository::Repository;
use crate::store::Object;

/// What is read and handed on at once, but for a block that is longer. Short in tests, so that several come to it.
const STRETCH: u64 = if cfg!(test) { 64 << 10 } else { 8 << 20 };
/// So much between two ranges is read along: a request more takes longer.
const GAP: u64 = 128 << 10;
/// Packs that are read at once from a store that takes several requests.
const PACKS_AT_ONCE: usize = 4;

/// What is chosen of one pack: blocks and where they begin.
pub struct Chosen {
    pub pack: String,
    pub blocks: HashSet<(u32, BlockId)>,
}

/// A block that opens.
pub struct Fetched {
    pub row: PackRow,
    pub table: Vec<u8>,
    pub bytes: Vec<u8>,
}

/// Reads chosen blocks; `each` gets those of a stretch at once.
pub fn fetch(
    (there, opener): (&Repository, &BlockReader),
    chosen: &[Chosen],
    mut each: impl FnMut(Vec<Fetched>) -> Result<()>,
) -> Result<()> {
    if there.store.publishes_at_once() < 2 || chosen.len() < 2 {
        return chosen.iter().try_for_each(|chosen| fetch_pack((there, opener), chosen, &mut each));
    }
    let waiting = Mutex::new(chosen.iter());
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(1);
        for _ in 0..PACKS_AT_ONCE.min(chosen.len()) {
            let (waiting, sender) = (&waiting, sender.clone());
            scope.spawn(move || fetch_packs((there, opener), waiting, &sender));
        }
        drop(sender);
        // Whoever finds nobody who listens any more ends.
        receiver.into_iter().try_for_each(|fetched| each(fetched?))
    })
}

/// Fetches packs until none is waiting, or nobody wants them.
fn fetch_packs<'c>(
    from: (&Repository, &BlockReader),
    waiting: &Mutex<impl Iterator<Item = &'c Chosen>>,
    sender: &SyncSender<Result<Vec<Fetched>>>,
) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some(chosen) = next else { return };
        let mut hand_on = |fetched| sender.send(Ok(fetched)).map_err(|_| Error::Cancelled);
        if let Err(error) = fetch_pack(from, chosen, &mut hand_on) {
            let _ = sender.send(Err(error));
            return;
        }
    }
}

/// Fetches whole copies out of one pack; nothing if it cannot say what it has, or is gone.
fn fetch_pack(
    (there, opener): (&Repository, &BlockReader),
    chosen: &Chosen,
    each: &mut impl FnMut(Vec<Fetched>) -> Result<()>,
) -> Result<()> {
    let Some(len) = unless_gone(there.store.len(&chosen.pack), &chosen.pack)? else { return Ok(()) };
    let pack = Object { name: chosen.pack.clone(), len };
    let Some(listing) = unless_lost(there.read_pack_listing(&pack))? else { return Ok(()) };
    let is_chosen = |row: &&PackRow| !row.thinned && chosen.blocks.contains(&(row.offset, row.block));
    let mut rows: Vec<PackRow> = listing.rows.iter().filter(is_chosen).copied().collect();
    rows.sort_by_key(|row| row.offset);
    for rows in stretches(&rows) {
        // Where a part cannot be read, each of them is looked for by itself.
        let ranges = |of: fn(&PackRow) -> (u32, u32)| rows.iter().map(of).collect::<Vec<_>>();
        let blocks = unless_lost(read_ranges(there, &pack, &ranges(|row| (row.offset, row.stored_len))))?;
        let tables = unless_lost(read_ranges(there, &pack, &ranges(|row| (row.table_offset, row.table_len))))?;
        let (Some(blocks), Some(tables)) = (blocks, tables) else { continue };
        let mut fetched = Vec::with_capacity(rows.len());
        for ((row, bytes), table) in rows.iter().zip(blocks).zip(tables) {
            if opens((there, opener), row, (&bytes, &table))? {
                fetched.push(Fetched { row: *row, table, bytes });
            }
        }
        each(fetched)?;
    }
    Ok(())
}

/// Whether a block and its chunk table open: what is damaged there must not come.
pub fn opens(
    (there, opener): (&Repository, &BlockReader),
    row: &PackRow,
    (bytes, table): (&[u8], &[u8]),
) -> Result<bool> {
    Ok(unless_damaged(opener.check_seal(row.into(), &mut bytes.to_vec()))?.is_some()
        && unless_damaged(there.open_chunk_table(row.block, table))?.is_some())
}

/// Rows in runs of about [`STRETCH`] bytes.
fn stretches(rows: &[PackRow]) -> Vec<&[PackRow]> {
    let mut len = 0;
    let chunks = rows.chunk_by(|row, next| {
        len += u64::from(row.stored_len);
        let is_room = len + u64::from(next.stored_len) <= STRETCH;
        if !is_room {
            len = 0;
        }
        is_room
    });
    chunks.collect()
}

/// Reads ranges of a pack that ascend, neighbours by one read.
fn read_ranges(there: &Repository, pack: &Object, ranges: &[(u32, u32)]) -> Result<Vec<Vec<u8>>> {
    let mut read = Vec::with_capacity(ranges.len());
    let end = |(offset, len): (u32, u32)| u64::from(offset) + u64::from(len);
    let mut start = ranges.first().map_or(0, |first| first.0);
    let are_near = |one: &(u32, u32), next: &(u32, u32)| {
        let gap = u64::from(next.0).checked_sub(end(*one));
        let is_near = gap.is_some_and(|gap| gap <= GAP) && end(*next) - u64::from(start) <= 2 * STRETCH;
        if !is_near {
            start = next.0;
        }
        is_near
    };
    for near in ranges.chunk_by(are_near) {
        let (Some(first), Some(last)) = (near.first(), near.last()) else { continue };
        let start = u64::from(first.0);
        let mut bytes = vec![0; (end(*last) - start) as usize];
        there.read_pack_at(pack, start, &mut bytes)?;
        for (offset, len) in near {
            let at = (u64::from(*offset) - start) as usize;
            read.push(bytes.get(at..at + *len as usize).unwrap_or_default().to_vec());
        }
    }
    Ok(read)
}
