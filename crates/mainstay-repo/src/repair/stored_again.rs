//! A block that is in no pack, put together from what was stored again: rows of the index tell which chunks lay where in it.
//!
//! Owns what the rows say of a block, and that each chunk is what its identifier says. What is put together is a thinned copy,
//! however much of it is there: rows never prove that they tell all of a block. Whether it is enough, others judge. Writes nothing.
//! Memory: at most [`ROWS_AT_ONCE`] rows of 40 bytes, and those of one block.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::treat::{pieces, thin_map};
use crate::error::{Result, unless_damaged};
use crate::format::block::{BlockKind, ChunkTable, ThinMap};
use crate::format::limits;
use crate::id::{BlockId, ChunkId};
use crate::index::Index;
use crate::keys::Keys;
use crate::pack_reader::{BlockReader, LastResort, OpenBlock};

/// Rows that are held at once; few in tests, so that all of them come to it.
const ROWS_AT_ONCE: usize = if cfg!(test) { 12 } else { 1 << 20 };
/// Rows of a block in all tables together, beyond which it is left alone: whoever could write them could write any number.
const ROWS_OF_A_BLOCK: usize = 4 * limits::BLOCK_CHUNKS;
/// Longest plaintext with its map: what a seal adds, where nothing compresses, must leave it shorter than a block may be.
const CODED_LEN: usize = limits::BLOCK_LEN + (1 << 15);

/// A chunk in a block: from where, how long, which one.
type Row = (u32, u32, ChunkId);

/// What rows of the index tell of certain blocks.
pub struct Layouts(HashMap<BlockId, Vec<Row>>);

impl Layouts {
    pub fn read(index: &Index, blocks: &[BlockId]) -> Result<Self> {
        let mut rows: HashMap<BlockId, Vec<Row>> = blocks.iter().map(|block| (*block, Vec::new())).collect();
        let wanted: HashSet<BlockId> = blocks.iter().copied().collect();
        index.for_each_chunk_of(&wanted, |chunk, place| {
            if let Some(rows) = rows.get_mut(&place.block).filter(|rows| rows.len() < ROWS_OF_A_BLOCK) {
                rows.push((place.offset, place.len, chunk));
            }
        })?;
        Ok(Self(rows))
    }

    /// The chunk table of a block, as far as rows tell it; `None` if they tell nothing, or nothing that can be.
    pub fn table(&self, block: BlockId) -> Option<ChunkTable> {
        let mut rows: Vec<Row> = self.0.get(&block)?.clone();
        rows.retain(|(_, len, id)| *len > 0 && *id != ChunkId::TAKEN_OUT);
        rows.sort_unstable_by_key(|(offset, len, id)| (*offset, *len, id.0));
        rows.dedup();
        let (mut table, mut at) = (ChunkTable::default(), 0_u32);
        for (offset, len, id) in rows {
            let end = offset.checked_add(len).filter(|end| *end as usize <= limits::BLOCK_LEN)?;
            if offset < at {
                // Two chunks cannot lie in one place, and which one did nobody knows.
                return None;
            }
            table.chunks.extend(pieces(at..offset).map(|gap| (ChunkId::TAKEN_OUT, gap.len() as u32)));
            table.chunks.push((id, len));
            at = end;
        }
        (1..=limits::BLOCK_CHUNKS).contains(&table.chunks.len()).then_some(table)
    }
}

/// Parts these blocks, in their order, so that no more rows are held at once than may be; leaves out those of which no row tells
/// anything, or too many do.
pub fn in_parts(index: &Index, blocks: impl Iterator<Item = BlockId>) -> Result<Vec<Vec<BlockId>>> {
    let blocks: Vec<BlockId> = blocks.collect();
    let mut counts: HashMap<BlockId, usize> = blocks.iter().map(|block| (*block, 0)).collect();
    let wanted: HashSet<BlockId> = blocks.iter().copied().collect();
    index.for_each_chunk_of(&wanted, |_, place| {
        counts.entry(place.block).and_modify(|count| *count += 1);
    })?;
    let (mut parts, mut held) = (Vec::<Vec<BlockId>>::new(), 0);
    for block in blocks {
        let count = counts.get(&block).copied().unwrap_or_default();
        if count == 0 || count > ROWS_OF_A_BLOCK {
            continue;
        }
        held += count;
        match parts.last_mut() {
            Some(part) if held <= ROWS_AT_ONCE => part.push(block),
            _ => {
                held = count;
                parts.push(Vec::from([block]));
            }
        }
    }
    Ok(parts)
}

/// What could be had of a block.
pub struct Gathered {
    /// Its chunks, with gaps for those that are not to be had.
    pub table: ChunkTable,
    map: ThinMap,
    /// Map and bytes, as a thinned block is coded.
    pub coded: Vec<u8>,
}

impl Gathered {
    /// Whether all of these ranges (ascending and apart) are there.
    pub fn has(&self, ranges: &[Range<u32>]) -> bool {
        ranges.iter().all(|range| {
            let next = self.map.kept.partition_point(|kept| kept.end < range.end);
            range.is_empty() || self.map.kept.get(next).is_some_and(|kept| kept.start <= range.start)
        })
    }
}

/// Finds the chunks of blocks that are in no pack.
pub struct Gatherer {
    pub index: Arc<Index>,
    pub blocks: BlockReader,
    pub keys: Arc<Keys>,
}

impl Gatherer {
    /// Puts together what can be had of a block with these chunks; `None` if it is nothing.
    pub fn gather(&self, (block, kind): (BlockId, BlockKind), table: &ChunkTable) -> Result<Option<Gathered>> {
        let (mut found, mut bytes) = (ChunkTable::default(), Vec::new());
        for (id, len) in table.chunks.iter().copied() {
            let chunk = match id {
                ChunkId::TAKEN_OUT => None,
                id => chunk_elsewhere((&self.index, &self.blocks, &self.keys), (block, kind), &id)?,
            };
            let chunk = chunk.filter(|chunk| chunk.len() == len as usize);
            found.chunks.push((if chunk.is_some() { id } else { ChunkId::TAKEN_OUT }, len));
            bytes.extend_from_slice(&chunk.unwrap_or_default());
        }
        let map = thin_map(&found)?;
        let mut coded = map.encode();
        coded.extend_from_slice(&bytes);
        let is_something = !bytes.is_empty() && coded.len() <= CODED_LEN;
        Ok(is_something.then_some(Gathered { table: found, map, coded }))
    }

    /// Gives what can be had of tree blocks, for as many of them as rows may be held at once.
    pub fn into_last_resort(self, blocks: &[BlockId]) -> Result<LastResort> {
        let first = in_parts(&self.index, blocks.iter().copied())?.into_iter().next().unwrap_or_default();
        let layouts = Layouts::read(&self.index, &first)?;
        Ok(Box::new(move |block, kind| {
            let Some(table) = layouts.table(block) else { return Ok(None) };
            let Some(gathered) = self.gather((block, kind), &table)? else { return Ok(None) };
            Ok(OpenBlock::of_thinned(&gathered.coded).ok())
        }))
    }
}

/// A chunk of a block, from whichever other block still has it.
pub fn chunk_elsewhere(
    (index, blocks, keys): (&Index, &BlockReader, &Keys),
    (block, kind): (BlockId, BlockKind),
    id: &ChunkId,
) -> Result<Option<Vec<u8>>> {
    for place in index.chunk_places_beside(id, block)? {
        let range = place.offset..place.offset.saturating_add(place.len);
        let read = blocks.read(place.block, kind, range);
        let read = read.and_then(|held| held.range(place.block, place.offset, place.len).map(<[u8]>::to_vec));
        let Some(bytes) = unless_damaged(read)? else { continue };
        let found = match kind {
            BlockKind::Content => keys.content_id_of(block.session, &bytes)?,
            BlockKind::Tree => keys.tree_id_of(block.session, &bytes)?,
        };
        if found == *id {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}
