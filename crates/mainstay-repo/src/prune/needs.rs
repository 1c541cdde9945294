//! What is needed: which blocks, which parts of them, and which copy of each counts.
//!
//! Owns the answer for one block. Knows nothing of what a pack comes to, and changes nothing.

use std::collections::HashMap;
use std::sync::Arc;

use super::living::Living;
use super::observer::PruneObserver;
use super::snapshots::Snapshots;
use super::thin::{Thinning, plan_thinning};
use crate::error::{Kind, Result};
use crate::format::block::ChunkTable;
use crate::format::pack::PackRow;
use crate::format::refs::BlockSet;
use crate::id::{BlockId, PackId};
use crate::index::Index;
use crate::repository::{Repository, SnapshotEntry};
use crate::tree_reader::TreeReader;

/// What kept snapshots and open sessions need.
pub struct Needs {
    pub index: Arc<Index>,
    /// Blocks that are needed, as a whole or in part.
    pub live: BlockSet,
    /// Blocks of which a repair has found no copy, and whose loss was accepted.
    pub lost: BlockSet,
    /// Which parts of them; unknown where a tree cannot be read.
    living: Option<Living>,
    /// How often blocks were thinned, as rows of chunks tell, those of prunes that were killed too: at most 57 bytes for
    /// each block that ever was.
    thinned: HashMap<BlockId, u8>,
}

impl Needs {
    /// Adds what snapshots need to the blocks that are intended.
    pub fn find(
        repository: &Repository,
        index: Arc<Index>,
        snapshots: &Snapshots,
        intended: BlockSet,
        observer: &dyn PruneObserver,
    ) -> Result<Self> {
        let mut live = intended;
        for entry in &snapshots.kept {
            live.union(&repository.references(entry)?);
        }
        // Whether every page of the tables of chunks can be read shows here, before anything else is done.
        let thinned = index.thinned_blocks()?;
        let living = walk_trees(repository, &index, &snapshots.kept, observer)?;
        if let Some(living) = &living {
            living.add_blocks(&mut live);
        }
        let lost = repository.known_losses()?.accepted;
        Ok(Self { index, live, lost, living, thinned })
    }

    /// Whether this pack is the one whose copy of a needed block counts.
    pub fn is_needed(&self, block: BlockId, pack: PackId) -> Result<bool> {
        Ok(self.live.contains(block) && self.index.find_block(block)?.is_some_and(|place| place.pack == pack))
    }

    /// What would stay of a block if it were thinned; `None` if that is not worth it, or not known.
    pub fn thinning(&self, row: &PackRow, table: &ChunkTable) -> Option<Thinning> {
        let living = self.living.as_ref()?.of(row.block)?;
        // A row of a copy that is gone must not come to count for the new one: it may lack that chunk.
        let before = self.thinned.get(&row.block).copied().unwrap_or_default().max(row.thinned);
        plan_thinning(before.checked_add(1)?, table, living)
    }
}

/// A tree that cannot be read is no reason to keep what is known to be dead: then blocks are kept as a whole.
fn walk_trees(
    repository: &Repository,
    index: &Arc<Index>,
    kept: &[SnapshotEntry],
    observer: &dyn PruneObserver,
) -> Result<Option<Living>> {
    let trees = TreeReader::new(repository.block_reader(index));
    match Living::walk(&trees, kept.iter().map(|entry| &entry.snapshot.root), observer) {
        Err(error) if error.kind() == Kind::Corrupt => Ok(None),
        other => other.map(Some),
    }
}
