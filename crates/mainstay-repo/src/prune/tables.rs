//! Index tables of a prune: where moved blocks are now, and what takes the place of all tables of blocks.
//!
//! Owns the rows until they are written. They are written as they come: a table names only packs that are durable, and
//! chunks whose block no table names yet are only not found. Invariant: the blocks of a pack are never divided between two
//! tables, since a pack that some table names is not read again when another is lost. What is held is at most
//! [`CHUNKS_AT_ONCE`] rows of 64 bytes and twice [`BLOCKS_AT_ONCE`] of 80, and those of one block and one pack more. Deletes
//! only what it wrote itself.

use std::collections::{BTreeMap, HashSet};

use super::plan::PackUse;
use crate::error::Result;
use crate::format::block::ChunkTable;
use crate::format::refs::BlockSet;
use crate::id::{BlockId, PackId, TableId};
use crate::index::{BlockPlace, Index, NewRows, write_tables};
use crate::pack_writer::FinishedPack;
use crate::repository::{Repository, store_error};
use crate::store::Object;

/// Rows that are held before they become a table; few in tests, so that all of them come to it.
const CHUNKS_AT_ONCE: usize = if cfg!(test) { 8 } else { 1 << 19 };
const BLOCKS_AT_ONCE: usize = if cfg!(test) { 3 } else { 1 << 20 };

/// Tables under way.
pub struct NewTables<'r> {
    repository: &'r Repository,
    rows: NewRows,
    written: Vec<Object>,
    /// Blocks that are in new packs.
    moved: BlockSet,
}

impl<'r> NewTables<'r> {
    pub fn new(repository: &'r Repository) -> Self {
        Self { repository, rows: NewRows::default(), written: Vec::new(), moved: BlockSet::default() }
    }

    /// Adds the blocks of a pack that is in the store.
    pub fn add_pack(&mut self, pack: &FinishedPack) -> Result<()> {
        pack.enter(&mut self.rows, &self.repository.keys);
        self.moved.extend(pack.rows.iter().map(|row| row.block));
        self.write_when_many()
    }

    /// Adds the chunks of a whole block.
    pub fn add_chunks(&mut self, block: BlockId, table: &ChunkTable) -> Result<()> {
        self.rows.add_chunks(block, None, table);
        self.write_when_many()
    }

    fn write_when_many(&mut self) -> Result<()> {
        if self.rows.chunks.len() < CHUNKS_AT_ONCE && self.rows.blocks.len() < BLOCKS_AT_ONCE {
            return Ok(());
        }
        self.write(&[])
    }

    fn write(&mut self, superseded: &[TableId]) -> Result<()> {
        let mut rows = self.rows.take_chunks();
        rows.blocks = std::mem::take(&mut self.rows.blocks);
        rows.packs = self.rows.packs.clone();
        let repository = self.repository;
        self.written.extend(write_tables(&*repository.store, &repository.keys, rows, superseded)?);
        Ok(())
    }

    /// Puts tables of blocks in the place of all others: blocks where they stay, and where they moved to. The last of them
    /// supersedes those that the index was made of. Reads the index once for each table.
    ///
    /// Of a pack that was left, what is in a new pack counts there alone, so that the next prune does not move it again.
    pub fn succeed(mut self, index: &Index, kept: &[PackUse], left: &[PackUse]) -> Result<()> {
        let ids = |packs: &[PackUse]| packs.iter().map(|pack| pack.id).collect::<HashSet<PackId>>();
        let (kept, left, named) = (ids(kept), ids(left), index.packs());
        let is_new = !self.written.is_empty() || !self.rows.is_empty();
        if !is_new && named.keys().all(|id| kept.contains(id) || left.contains(id)) {
            return Ok(());
        }
        let stays = |moved: &BlockSet, block, place: &BlockPlace| {
            kept.contains(&place.pack) || left.contains(&place.pack) && !moved.contains(block)
        };
        let mut counts = BTreeMap::<PackId, usize>::new();
        index.for_each_block(|block, place| {
            if stays(&self.moved, block, &place) {
                *counts.entry(place.pack).or_default() += 1;
            }
        })?;
        self.rows.packs.extend(named.values().map(|pack| (pack.id, pack.len)));
        for packs in gather(counts) {
            let (rows, moved) = (&mut self.rows.blocks, &self.moved);
            index.for_each_block(|block, place| {
                if packs.contains(&place.pack) && stays(moved, block, &place) {
                    rows.push((block, place));
                }
            })?;
            self.write_when_many()?;
        }
        self.write(&index.block_tables())
    }

    /// Deletes the tables that were written, and forgets the rest: their packs are about to go.
    pub fn give_up(&mut self) -> Result<()> {
        self.rows = NewRows::default();
        self.moved = BlockSet::default();
        self.written.drain(..).try_for_each(|Object { name, .. }| {
            self.repository.store.delete(&name).map_err(|source| store_error("delete", &name, source))
        })
    }
}

/// Packs by the numbers of their blocks, gathered for one table each.
fn gather(counts: BTreeMap<PackId, usize>) -> Vec<HashSet<PackId>> {
    let (mut tables, mut packs, mut rows) = (Vec::new(), HashSet::new(), 0);
    for (pack, count) in counts {
        if rows + count > BLOCKS_AT_ONCE {
            tables.push(std::mem::take(&mut packs));
            rows = 0;
        }
        packs.insert(pack);
        rows += count;
    }
    tables.push(packs);
    tables
}
