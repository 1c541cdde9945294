//! What a block becomes when the chunks that nothing needs are taken out of it.
//!
//! Owns the choice of what stays, as pure data, and sealing the block anew. A thinned block keeps its identifier and the
//! places of its bytes, so that no tree changes.

use std::borrow::Cow;
use std::ops::Range;

use crate::compress::Effort;
use crate::error::Result;
use crate::format::block::{ChunkTable, ThinMap};
use crate::format::limits;
use crate::format::pack::PackRow;
use crate::id::ChunkId;
use crate::pack_reader::OpenBlock;
use crate::pack_writer::{BlockSealer, PlainBlock, SealedBlock};

/// Less than this share of a block is not worth sealing it anew.
const WORTH: u64 = 16;
/// A range costs eight bytes in the map of the block; what is taken out must be worth more than that.
const RANGE_COST: u64 = 16;

/// What stays in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thinning {
    pub table: ChunkTable,
    pub map: ThinMap,
    /// Bytes of plaintext that were in the block before, and that are in it afterwards.
    pub before: u64,
    pub after: u64,
}

/// Says what would stay of a copy that has these chunks of a block that is needed in these ranges (ascending and apart); `None`
/// if that is not worth the work.
pub fn plan_thinning(table: &ChunkTable, living: &[Range<u32>]) -> Option<Thinning> {
    let raw_len = u32::try_from(table.raw_len()).ok()?;
    let map = ThinMap { raw_len, kept: Vec::new() };
    let mut thinning = Thinning { table: ChunkTable::default(), map, before: 0, after: 0 };
    let mut offset = 0;
    for (id, len) in table.chunks.iter().copied() {
        let range = offset..offset + len;
        offset = range.end;
        let is_there = id != ChunkId::TAKEN_OUT;
        thinning.before += if is_there { u64::from(len) } else { 0 };
        if is_there && overlaps(living, &range) {
            thinning.keep(id, range);
        } else {
            thinning.take_out(len);
        }
    }
    let taken = thinning.before - thinning.after;
    let is_worth_it = taken * WORTH > thinning.before && taken > thinning.map.kept.len() as u64 * RANGE_COST;
    is_worth_it.then_some(thinning)
}

/// Whether one of these ranges (ascending and apart) has bytes in common with another.
pub fn overlaps(living: &[Range<u32>], range: &Range<u32>) -> bool {
    let next = living.partition_point(|living| living.end <= range.start);
    living.get(next).is_some_and(|living| living.start < range.end)
}

impl Thinning {
    fn keep(&mut self, id: ChunkId, range: Range<u32>) {
        self.table.chunks.push((id, range.end - range.start));
        self.after += u64::from(range.end - range.start);
        match self.map.kept.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ if range.is_empty() => {}
            _ => self.map.kept.push(range),
        }
    }

    fn take_out(&mut self, len: u32) {
        match self.table.chunks.last_mut() {
            Some((ChunkId::TAKEN_OUT, gap)) if (*gap + len) as usize <= limits::CHUNK_LEN => *gap += len,
            _ => self.table.chunks.push((ChunkId::TAKEN_OUT, len)),
        }
    }

    /// Bytes that the stored block will be shorter by, as far as its share of dead bytes tells.
    pub fn saved(&self, stored_len: u32) -> u64 {
        u64::from(stored_len) * (self.before - self.after) / self.before.max(1)
    }

    /// Seals what stays of an opened block.
    pub fn seal(&self, row: &PackRow, plain: &OpenBlock, sealer: &BlockSealer<'_>) -> Result<SealedBlock> {
        let mut bytes = self.map.encode();
        for range in &self.map.kept {
            bytes.extend_from_slice(plain.range(row.block, range.start, range.end - range.start)?);
        }
        sealer.seal(&PlainBlock {
            id: row.block,
            kind: row.kind,
            effort: Effort::Fast,
            thinned: true,
            bytes: Cow::Owned(bytes),
            chunks: self.table.clone(),
        })
    }
}
