//! Which copies of blocks are what the tables say that they are.
//!
//! Owns telling them from what anybody may have put: packs, and tables of blocks that name them, need no secret. Changes nothing.

use std::sync::Arc;

use crate::error::{Result, unless_damaged};
use crate::id::BlockId;
use crate::index::{BlockPlace, Index};
use crate::pack_reader::BlockReader;
use crate::repository::Repository;
use crate::session::Directories;

/// Judges copies that an index has found.
pub struct TrueCopies<'r> {
    repository: &'r Repository,
    index: Arc<Index>,
    blocks: BlockReader,
    directories: Directories,
}

impl<'r> TrueCopies<'r> {
    pub fn new(repository: &'r Repository, index: &Arc<Index>) -> Self {
        let (blocks, directories) = (repository.block_reader(index), Directories::default());
        Self { repository, index: index.clone(), blocks, directories }
    }

    /// Whether a copy is what a table says: its pack was never removed, and is one for which somebody of the domain vouches, and names it,
    /// or else it opens.
    pub fn is_true(&self, block: BlockId, copy: &BlockPlace) -> Result<bool> {
        // Of which domain a session was its data key says. And where files were copied, a name that was removed may come back.
        let is_open = unless_damaged(self.repository.data_keys.get(block.session))?.is_some();
        if self.index.was_removed(copy.pack) || !is_open {
            return Ok(false);
        }
        let is_vouched = self.index.is_sure(self.repository.keys.domain_of(block.session), copy.pack);
        if is_vouched && self.directories.confirm(self.repository, block, copy)? {
            return Ok(true);
        }
        self.blocks.has_good_copy((block, copy.kind), copy)
    }

    /// Those of these copies of a block that are.
    pub fn of(&self, block: BlockId, copies: Vec<BlockPlace>) -> Result<Vec<BlockPlace>> {
        let judge = |copy: BlockPlace| self.is_true(block, &copy).map(|is_true| is_true.then_some(copy));
        copies.into_iter().filter_map(|copy| judge(copy).transpose()).collect()
    }
}
