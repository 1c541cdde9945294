//! What tables of chunks say of certain blocks, whether any pack has them or not.
//!
//! Owns that a row counts only in a table of the domain of its block. Reads every page of the tables that know the sessions of
//! these blocks, and keeps none.

use std::collections::HashSet;

use super::{ChunkPlace, Index};
use crate::error::{Result, unless_damaged};
use crate::id::{BlockId, ChunkId, SessionId};

impl Index {
    /// Shows every row of a chunk in one of these blocks, of whichever copy it tells; what stands on a damaged page is left out.
    pub fn for_each_chunk_of(
        &self,
        blocks: &HashSet<BlockId>,
        mut each: impl FnMut(ChunkId, ChunkPlace),
    ) -> Result<()> {
        let sessions: HashSet<SessionId> = blocks.iter().map(|block| block.session).collect();
        let knows_one = |known: &[SessionId]| known.iter().any(|session| sessions.contains(session));
        for table in self.chunks.iter().filter(|table| knows_one(table.sessions())) {
            for page in 0..table.pages() {
                for row in unless_damaged(table.chunk_rows(page, self))?.unwrap_or_default() {
                    let Some(place) = unless_damaged(table.chunk_place(&row))? else { continue };
                    // Of chunks of one domain nobody in another tells.
                    if blocks.contains(&place.block) && self.keys.domain_of(place.block.session) == table.domain() {
                        each(row.chunk, place);
                    }
                }
            }
        }
        Ok(())
    }
}
