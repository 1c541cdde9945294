//! Which ranges of packs are read, in which order: pure.
//!
//! Owns joining neighbours. Reads nothing.

use mainstay_repo::{BlockId, BlockPlace, PackId, Repository};

/// How neighbours are joined.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Longest range that is read at once.
    range_len: u64,
    /// A gap between two blocks that is cheaper to read than to skip.
    gap_len: u64,
}

impl Reading {
    /// On a disk: short ranges keep all threads at work.
    pub const NEAR: Self = Self { range_len: 4 << 20, gap_len: 64 << 10 };
    /// Where each request takes its time: a pack at once, and past a gap that takes less time than a request.
    pub const FAR: Self = Self { range_len: 32 << 20, gap_len: 1 << 20 };

    pub fn of(repository: &Repository) -> Self {
        if repository.store().publishes_at_once() > 1 { Self::FAR } else { Self::NEAR }
    }
}

/// A stretch of a file that comes from a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub file: u32,
    pub file_offset: u64,
    pub block_offset: u32,
    pub len: u32,
}

/// A block, where it is, and what needs it.
#[derive(Clone, Debug)]
pub struct NeededBlock {
    pub id: BlockId,
    pub place: BlockPlace,
    /// For files of the batch that is written.
    pub pieces: Vec<Piece>,
    /// For files of the batch after it, which are served as well now that the block is read.
    pub pieces_ahead: Vec<Piece>,
}

/// Blocks that are read with one request.
#[derive(Debug)]
pub struct Range {
    pub offset: u64,
    pub len: u64,
    pub blocks: Vec<NeededBlock>,
}

/// Orders blocks by pack and joins neighbours into ranges.
pub fn plan_ranges(mut blocks: Vec<NeededBlock>, reading: Reading) -> Vec<Range> {
    let key = |block: &NeededBlock| -> (PackId, u32) { (block.place.pack, block.place.offset) };
    blocks.sort_unstable_by_key(key);
    let mut ranges: Vec<Range> = Vec::new();
    let mut last_pack = None;
    for block in blocks {
        let (start, len) = (u64::from(block.place.offset), u64::from(block.place.stored_len));
        if let Some(range) = ranges.last_mut()
            && last_pack == Some(block.place.pack)
            && start >= range.offset + range.len
            && start <= range.offset + range.len + reading.gap_len
            && start + len - range.offset <= reading.range_len
        {
            range.len = start + len - range.offset;
            range.blocks.push(block);
            continue;
        }
        last_pack = Some(block.place.pack);
        ranges.push(Range { offset: start, len, blocks: vec![block] });
    }
    ranges
}
