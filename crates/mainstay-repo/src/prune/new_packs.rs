//! The packs that moved blocks go into.
//!
//! Owns the open ones and which block goes into which. Deletes no pack, not even its own: whoever took this prune for gone may
//! have come to rely on it.

use std::collections::{BTreeMap, HashSet};

use super::plan::PackUse;
use super::tables::NewTables;
use crate::error::Result;
use crate::format::block::ChunkTable;
use crate::format::limits;
use crate::id::SessionId;
use crate::pack_writer::{PackWriter, SealedBlock};
use crate::repository::Repository;

/// Packs that are open at once; each holds a file and a few megabytes, and there may be any number of independent copies.
const OPEN_PACKS: usize = 8;

/// By kind and, for an independent copy, by the session whose blocks stay among themselves.
type Shelf = (u8, Option<SessionId>);

/// New packs, and the tables that name them.
pub struct NewPacks<'r> {
    repository: &'r Repository,
    session: SessionId,
    /// Sessions whose blocks share no pack with those of others.
    independent: HashSet<SessionId>,
    open: BTreeMap<Shelf, PackWriter>,
    pub finished: Vec<PackUse>,
    pub tables: NewTables<'r>,
    /// Bytes of finished packs.
    pub bytes: u64,
}

impl<'r> NewPacks<'r> {
    pub fn new(repository: &'r Repository, session: SessionId, independent: HashSet<SessionId>) -> Self {
        let tables = NewTables::new(repository);
        Self { repository, session, independent, open: BTreeMap::new(), finished: Vec::new(), tables, bytes: 0 }
    }

    /// Appends a block, of a thinned copy with the chunks in it.
    pub fn append(&mut self, block: &SealedBlock, thinned: Option<ChunkTable>) -> Result<()> {
        let apart = self.independent.contains(&block.id.session).then_some(block.id.session);
        let shelf = (block.kind.object_kind() as u8, apart);
        let mut pack = match self.open.remove(&shelf) {
            Some(pack) => pack,
            None => self.begin()?,
        };
        pack.append(block)?;
        if let Some(chunks) = thinned {
            pack.note_thinned(block.id, chunks);
        }
        if pack.len() >= limits::PACK_TARGET_MAX {
            return self.finish_pack(pack);
        }
        self.open.insert(shelf, pack);
        Ok(())
    }

    fn begin(&mut self) -> Result<PackWriter> {
        if self.open.len() >= OPEN_PACKS
            && let Some(longest) = self.open.iter().max_by_key(|(_, pack)| pack.len()).map(|(shelf, _)| *shelf)
            && let Some(pack) = self.open.remove(&longest)
        {
            self.finish_pack(pack)?;
        }
        PackWriter::begin(&*self.repository.store, self.repository.id(), self.session)
    }

    fn finish_pack(&mut self, pack: PackWriter) -> Result<()> {
        let finished = pack.finish()?;
        self.bytes += finished.len;
        let (id, session, len) = (finished.id, self.session, finished.len);
        self.finished.push(PackUse { id, session, len, live_bytes: len });
        self.tables.add_pack(&finished)
    }

    /// Finishes every open pack.
    pub fn finish(&mut self) -> Result<()> {
        std::mem::take(&mut self.open).into_values().try_for_each(|pack| self.finish_pack(pack))
    }

    /// Deletes the tables that name the new packs, and answers these: where there is no space, they are to go.
    pub fn give_up(&mut self) -> Result<Vec<PackUse>> {
        self.open.clear();
        self.tables.give_up()?;
        self.bytes = 0;
        Ok(std::mem::take(&mut self.finished))
    }
}
