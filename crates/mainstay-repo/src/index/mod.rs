//! The index: chunk → block and block → pack, in immutable sorted tables.
//!
//! Owns looking up, and which tables are alive. It is derived data: every row can be read again from the packs. Memory:
//! a filter of 12 bits and a fence of 0.1 bytes per chunk, and a page cache of fixed size; rows stay in the store.

mod cache;
mod filter;
mod merge;
mod rows;
mod table;
mod writer;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::format::block::BlockKind;
use crate::format::history::RemovedPacks;
use crate::format::names::{self, TableKind};
use crate::format::refs::BlockSet;
use crate::format::table::TablePack;
use crate::id::{BlockId, ChunkId, DomainId, PackId, SessionId, TableId};
use crate::keys::Keys;
use crate::store::{Object, Store};

use cache::PageCache;
pub use merge::merge_when_many;
pub(crate) use table::Table;
#[cfg(test)]
pub(crate) use writer::begin_chunk_table;
pub use writer::{NewRows, write_tables};

/// Where a chunk's bytes are: a range of a block's plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkPlace {
    pub block: BlockId,
    pub offset: u32,
    pub len: u32,
    /// The pack with the thinned copy that has the chunk, of others nothing is known; `None` where every whole copy has it.
    pub copy: Option<PackId>,
}

impl ChunkPlace {
    /// Whether this copy of the block is one that has the chunk.
    pub fn is_in(&self, copy: &BlockPlace) -> bool {
        match self.copy {
            None => !copy.thinned,
            Some(pack) => copy.pack == pack,
        }
    }
}

/// Where a block is: a range of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPlace {
    pub pack: PackId,
    /// The session in the pack's name.
    pub pack_session: SessionId,
    pub offset: u32,
    /// Length of header and ciphertext.
    pub stored_len: u32,
    pub kind: BlockKind,
    /// Whether chunks were taken out of this copy of the block.
    pub thinned: bool,
}

/// How closely tables are looked at when they are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// Only what is held in memory: a damaged page is found when it is read.
    Tails,
    /// All pages of tables of blocks as well, for whoever writes and could mend them: 24 bytes a block.
    BlockPages,
    /// All pages of all tables, for a prune: 48 bytes a chunk more.
    AllPages,
}

/// A table that is listed and cannot be read, and that no other supersedes.
#[derive(Debug)]
pub struct LostTable {
    pub kind: TableKind,
    pub id: TableId,
    problem: String,
}

impl LostTable {
    pub fn error(&self) -> Error {
        Error::damaged("read index table", names::table(self.kind, self.id), &self.problem)
    }
}

/// The open index of a repository: a set of tables that never changes.
pub struct Index {
    pub(crate) blocks: Vec<Table>,
    pub(crate) chunks: Vec<Table>,
    /// Which tables of blocks know a session; a session is usually in one.
    by_session: HashMap<SessionId, Vec<u32>>,
    /// Tables that are listed still and whose successors are too.
    superseded: HashSet<TableId>,
    lost: Vec<LostTable>,
    /// Packs that a collector is about to delete.
    condemned: HashSet<PackId>,
    /// Packs for which tables of chunks vouch, by domain: nobody can write those without the domain's secrets, while anybody can
    /// put packs and tables of blocks.
    vouched: HashMap<DomainId, HashSet<PackId>>,
    /// Packs that were deleted: whatever is under such a name is not what somebody vouched for.
    removed: RemovedPacks,
    /// Blocks that are not found though tables name them.
    absent: BlockSet,
    /// Sessions of blocks whose chunks somebody may still ask for where no pack has them: a merge leaves tables that know one alone.
    left_alone: HashSet<SessionId>,
    cache: PageCache,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Arc<Keys>,
}

impl Index {
    /// Opens every live table that the store lists; those that are damaged are [`Index::lost`], and packs tell what was in
    /// them.
    pub fn open(store: Arc<dyn Store>, keys: Arc<Keys>, condemned: HashSet<PackId>, care: Care) -> Result<Self> {
        let listed = store.list(names::INDEX).map_err(|source| Error::Store {
            verb: "list",
            name: names::INDEX.to_owned(),
            source,
        })?;
        let mut index = Self::of_readable(store, keys, &listed, care)?;
        index.condemned = condemned;
        Ok(index)
    }

    /// The same index, by which nobody relies on anything under the names of packs that were removed.
    pub fn without_removed(self, removed: RemovedPacks) -> Self {
        Self { removed, ..self }
    }

    /// The same index, in which these blocks are not found.
    pub fn without_blocks(self, absent: BlockSet) -> Self {
        Self { absent, ..self }
    }

    /// The same index, of which no table of chunks is merged that knows one of these sessions.
    pub fn leaving_alone(self, left_alone: HashSet<SessionId>) -> Self {
        Self { left_alone, ..self }
    }

    /// Opens the live tables among those named.
    ///
    /// # Errors
    /// Also when one of them is damaged.
    pub fn of_tables(store: Arc<dyn Store>, keys: Arc<Keys>, listed: &[Object]) -> Result<Self> {
        let mut index = Self::of_readable(store, keys, listed, Care::Tails)?;
        match index.lost.pop() {
            Some(lost) => Err(lost.error()),
            None => Ok(index),
        }
    }

    fn of_readable(store: Arc<dyn Store>, keys: Arc<Keys>, listed: &[Object], care: Care) -> Result<Self> {
        let (tables, mut lost) = open_tables((&*store, &keys), listed, care)?;
        let mut superseded: HashSet<TableId> = tables.iter().flat_map(|table| table.supersedes().to_vec()).collect();
        // Chunks of one domain are superseded by nobody in another.
        let is_foreign = |by: &Table, of: &Table| by.kind() == TableKind::Chunks && by.domain() != of.domain();
        for table in tables.iter().filter(|table| table.kind() == TableKind::Chunks) {
            let is_named = |by: &&Table| by.supersedes().contains(&table.id());
            if tables.iter().filter(is_named).all(|by| is_foreign(by, table)) {
                superseded.remove(&table.id());
            }
        }
        let (mut blocks, mut chunks) = (Vec::new(), Vec::new());
        superseded
            .retain(|id| tables.iter().any(|table| table.id() == *id) || lost.iter().any(|table| table.id == *id));
        lost.retain(|table| !superseded.contains(&table.id));
        for table in tables.into_iter().filter(|table| !superseded.contains(&table.id())) {
            match table.kind() {
                TableKind::Blocks => blocks.push(table),
                TableKind::Chunks => chunks.push(table),
            }
        }
        let mut by_session = HashMap::<_, Vec<u32>>::new();
        for (number, table) in blocks.iter().enumerate() {
            for session in table.sessions() {
                by_session.entry(*session).or_default().push(number as u32);
            }
        }
        let mut vouched = HashMap::<_, HashSet<PackId>>::new();
        for table in &chunks {
            vouched.entry(table.domain()).or_default().extend(table.packs().iter().map(|pack| pack.id));
        }
        Ok(Self {
            blocks,
            chunks,
            by_session,
            vouched,
            removed: RemovedPacks::default(),
            superseded,
            lost,
            condemned: HashSet::new(),
            absent: BlockSet::default(),
            left_alone: HashSet::new(),
            cache: PageCache::new(),
            store,
            keys,
        })
    }

    /// Finds a chunk of the own domain that is in some pack: its block may be there without it. Nothing is believed of a pack
    /// for which nobody of the domain vouches, or that was removed.
    ///
    /// # Errors
    /// When a page is damaged on which it may stand, and no other table has it.
    pub fn find_chunk(&self, id: &ChunkId) -> Result<Option<ChunkPlace>> {
        let domain = self.keys.own_domain();
        self.find_chunk_in(id, |table| self.is_own(table), |copy| self.is_sure(domain, copy.pack))
    }

    /// The copy of a block in which this chunk was found.
    pub fn copy_with(&self, chunk: &ChunkPlace) -> Result<Option<BlockPlace>> {
        let domain = self.keys.own_domain();
        self.find_copy(chunk.block, |copy| chunk.is_in(copy) && self.is_sure(domain, copy.pack))
    }

    /// Whether what is under the name of a pack must be what a table of chunks of a domain vouches for.
    pub fn is_sure(&self, domain: DomainId, pack: PackId) -> bool {
        self.is_vouched(domain, pack) && !self.removed.contains(pack)
    }

    /// Whether a pack was deleted: whoever did it and sleeps may do it again, though its bytes have come back.
    pub fn was_removed(&self, pack: PackId) -> bool {
        self.removed.contains(pack)
    }

    /// Whether a table of chunks of a domain vouches for a pack.
    pub fn is_vouched(&self, domain: DomainId, pack: PackId) -> bool {
        self.vouched.get(&domain).is_some_and(|packs| packs.contains(&pack))
    }

    /// The same in the tables of every domain, for whoever mends them.
    pub fn find_chunk_of_any(&self, id: &ChunkId) -> Result<Option<ChunkPlace>> {
        self.find_chunk_in(id, |_| true, |_| true)
    }

    /// Every place of a chunk that tables of the domain of a block name, in other blocks than that one; what stands on a damaged
    /// page is left out.
    pub fn chunk_places_beside(&self, id: &ChunkId, block: BlockId) -> Result<Vec<ChunkPlace>> {
        let domain = self.keys.domain_of(block.session);
        let mut places = Vec::new();
        for table in self.chunks.iter().filter(|table| table.domain() == domain && table.may_hold(id)) {
            match table.find_chunk(id, self) {
                Err(error) if error.kind() == Kind::Corrupt => {}
                found => places.extend(found?.filter(|place| place.block != block)),
            }
        }
        Ok(places)
    }

    fn find_chunk_in(
        &self,
        id: &ChunkId,
        is_asked: impl Fn(&Table) -> bool,
        is_believed: impl Fn(&BlockPlace) -> bool,
    ) -> Result<Option<ChunkPlace>> {
        let mut absent = Ok(None);
        for table in self.chunks.iter().filter(|table| is_asked(table) && table.may_hold(id)) {
            match table.find_chunk(id, self) {
                Err(error) if error.kind() == Kind::Corrupt => absent = Err(error),
                found => {
                    if let Some(place) = found?
                        && self.find_copy(place.block, |copy| place.is_in(copy) && is_believed(copy))?.is_some()
                    {
                        return Ok(Some(place));
                    }
                }
            }
        }
        absent
    }

    /// Whether a table names chunks of the domain in which these keys write: what others say is there is not believed.
    pub(crate) fn is_own(&self, table: &Table) -> bool {
        table.domain() == self.keys.own_domain()
    }

    /// Finds the pack that holds a block, and of several one with a whole copy; a condemned one counts as absent.
    pub fn find_block(&self, block: BlockId) -> Result<Option<BlockPlace>> {
        self.find_copy(block, |_| true)
    }

    /// Finds a copy of a block among those that are asked for, a whole one if there is one.
    fn find_copy(&self, block: BlockId, accepts: impl Fn(&BlockPlace) -> bool) -> Result<Option<BlockPlace>> {
        if self.absent.contains(block) {
            return Ok(None);
        }
        let mut best = None::<BlockPlace>;
        for number in self.by_session.get(&block.session).into_iter().flatten() {
            let Some(table) = self.blocks.get(*number as usize) else { continue };
            table.for_each_copy(block, self, &mut |place| {
                let is_better = best.is_none_or(|best| best.thinned && !place.thinned);
                if is_better && accepts(&place) && !self.condemned.contains(&place.pack) {
                    best = Some(place);
                }
            })?;
        }
        Ok(best)
    }

    /// Every copy of a block that the tables name, whole ones first. Condemned ones are left out, and so is what stands on a
    /// damaged page.
    pub fn copies(&self, block: BlockId) -> Result<Vec<BlockPlace>> {
        let mut copies = Vec::new();
        if self.absent.contains(block) {
            return Ok(copies);
        }
        for number in self.by_session.get(&block.session).into_iter().flatten() {
            let Some(table) = self.blocks.get(*number as usize) else { continue };
            let found = table.for_each_copy(block, self, &mut |place| {
                if !self.condemned.contains(&place.pack) && !copies.contains(&place) {
                    copies.push(place);
                }
            });
            match found {
                Err(error) if error.kind() == Kind::Corrupt => {}
                found => found?,
            }
        }
        copies.sort_by_key(|place| place.thinned);
        Ok(copies)
    }

    /// Calls `each` for every block of every table, in order within a table; what is in condemned packs is left out.
    pub fn for_each_block(&self, mut each: impl FnMut(BlockId, BlockPlace)) -> Result<()> {
        for table in &self.blocks {
            table.for_each_block(self, &mut |block, place| {
                if !self.condemned.contains(&place.pack) {
                    each(block, place);
                }
            })?;
        }
        Ok(())
    }

    /// Reads every row of every chunk table and keeps none: a damaged page is an error here.
    pub fn read_chunk_tables(&self) -> Result<()> {
        let read = |table: &Table| (0..table.pages()).try_for_each(|page| table.chunk_rows(page, self).map(drop));
        self.chunks.iter().try_for_each(read)
    }

    /// Every pack that the tables name, condemned ones included.
    pub fn packs(&self) -> HashMap<PackId, TablePack> {
        self.blocks.iter().flat_map(|table| table.packs()).map(|pack| (pack.id, *pack)).collect()
    }

    /// The packs that the tables name and that are not among those listed.
    pub fn packs_beside(&self, listed: &[Object]) -> HashSet<PackId> {
        let listed: HashSet<&str> = listed.iter().map(|pack| pack.name.as_str()).collect();
        let is_gone = |pack: &TablePack| !listed.contains(&*names::pack(pack.id, pack.session));
        self.packs().into_values().filter(is_gone).map(|pack| pack.id).collect()
    }

    /// Tables that are there and cannot be read.
    pub fn lost(&self) -> &[LostTable] {
        &self.lost
    }

    /// Whether a pack counts as absent because it is about to be deleted.
    pub fn is_condemned(&self, pack: PackId) -> bool {
        self.condemned.contains(&pack)
    }

    /// Number of chunk rows, those of blocks that are gone included.
    pub fn chunk_rows(&self) -> u64 {
        self.chunks.iter().map(Table::rows).sum()
    }

    /// What a successor of all tables of blocks has to supersede: those, and those that they supersede as long as they
    /// are listed, since a table comes back to life when only its successor is deleted.
    pub fn block_tables(&self) -> Vec<TableId> {
        self.predecessors(self.blocks.iter())
    }

    fn predecessors<'t>(&self, tables: impl Iterator<Item = &'t Table>) -> Vec<TableId> {
        let mut ids = Vec::new();
        for table in tables {
            ids.push(table.id());
            ids.extend(table.supersedes().iter().filter(|id| self.superseded.contains(id)));
        }
        ids
    }
}

/// The tables that can be opened, and what is wrong with the others.
type Opened = (Vec<Table>, Vec<LostTable>);

fn open_tables((store, keys): (&dyn Store, &Keys), listed: &[Object], care: Care) -> Result<Opened> {
    let (mut tables, mut lost) = (Vec::with_capacity(listed.len()), Vec::new());
    for object in listed {
        let (kind, id) =
            names::parse_table(&object.name).map_err(|problem| Error::damaged("list index", &object.name, problem))?;
        let opened = Table::open(store, keys, kind, id, object.len).and_then(|table| {
            if care == Care::AllPages || care == Care::BlockPages && kind == TableKind::Blocks {
                table.check_pages(store)?;
            }
            Ok(table)
        });
        match opened {
            // A table that vanished since it was listed was superseded and collected; its successor is listed too.
            // What may not be read is no loss: it is for the writers of another domain.
            Err(Error::Missing { .. } | Error::NotAllowed { .. }) => {}
            Err(Error::Damaged { problem, .. }) => lost.push(LostTable { kind, id, problem }),
            other => tables.push(other?),
        }
    }
    Ok((tables, lost))
}

#[cfg(test)]
mod tests;
