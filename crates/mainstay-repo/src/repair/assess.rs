//! What can be had of each block of a damaged pack.
//!
//! Owns the choice: a copy in a pack that is whole, the bytes themselves, chunks that are stored elsewhere, nothing. A copy
//! in another damaged pack counts for nothing, since that pack may go as well. Changes nothing.

use std::collections::HashSet;
use std::sync::Arc;

use super::Means;
use super::inspect::{DamagedPack, Packs, Standing};
use super::stored_again::chunk_elsewhere;
use crate::error::{Error, Kind, Result, unless_damaged};
use crate::format::block::ChunkTable;
use crate::format::names;
use crate::format::pack::PackRow;
use crate::format::refs::BlockSet;
use crate::id::{BlockId, ChunkId};
use crate::index::{BlockPlace, Index};
use crate::pack_reader::{BlockReader, OpenBlock, PackListing};
use crate::parity::{Bytes, Sidecars};
use crate::repository::Repository;

/// How a block gets into the new pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// As it stands.
    AsItIs,
    /// As it stands, under a chunk table that is made from its plaintext.
    NewTable,
    /// Sealed anew from chunks of other blocks.
    Chunks,
}

/// Blocks of which a whole copy is in a new pack already.
pub type Rescued = HashSet<BlockId>;

/// What can be had of a damaged pack whose blocks are known.
#[derive(Default)]
pub struct Assessment {
    pub moves: Vec<(PackRow, Origin)>,
    /// Blocks that are needed and of which there is nothing.
    pub lost: Vec<BlockId>,
    pub means: Means,
}

/// What is needed; everything, where a reference map cannot be had.
pub struct Needed {
    pub blocks: BlockSet,
    /// What void snapshots need. What is gone of it stops nobody; what is here, damaged or not, does not go, since somebody may take them back.
    pub by_void: BlockSet,
    pub is_known: bool,
}

impl Needed {
    pub fn contains(&self, block: BlockId) -> bool {
        !self.is_known || self.blocks.contains(block) || self.by_void.contains(block)
    }
}

/// What a judgement needs.
pub struct Assess<'r> {
    pub repository: &'r Repository,
    pub index: Arc<Index>,
    pub blocks: BlockReader,
    pub packs: Packs,
    pub sidecars: Sidecars,
    pub needed: Needed,
    /// Blocks that a sister has lent, or would lend.
    pub lent: BlockSet,
    /// Blocks that were in no pack and are put together, or would be: what snapshots need of them.
    pub rebuilt: BlockSet,
}

/// The bytes of a damaged pack, or those that parity gave back.
pub struct Subject<'b> {
    pub pack: &'b DamagedPack,
    pub bytes: &'b dyn Bytes,
    pub is_healed: bool,
}

impl Assess<'_> {
    /// Says what can be had of a pack; `None` if nobody knows which blocks it has.
    pub fn assess(&self, subject: &Subject<'_>, rescued: &Rescued) -> Result<Option<Assessment>> {
        let Some(rows) = self.rows(subject)? else { return Ok(None) };
        let (mut moves, mut lost) = (Vec::new(), Vec::new());
        let (mut is_rebuilt, mut has_copies, mut is_lent) = (false, false, false);
        // Of a pack that is doomed already, only what is needed is worth keeping.
        let is_doomed = subject.pack.standing == Standing::Condemned;
        for row in rows.into_iter().filter(|row| !is_doomed || self.needed.contains(row.block)) {
            let origin = self.origin(subject, &row)?;
            if rescued.contains(&row.block) || self.has_copy_as_good(subject.bytes, &row, origin.is_some())? {
                let is_used = origin != Some(Origin::AsItIs) && self.needed.contains(row.block);
                has_copies |= is_used;
                is_lent |= is_used && self.lent.contains(row.block);
                is_rebuilt |= is_used && self.rebuilt.contains(row.block);
                continue;
            }
            is_rebuilt |= origin == Some(Origin::Chunks);
            match origin {
                Some(origin) => moves.push((row, origin)),
                None if self.needed.contains(row.block) => lost.push(row.block),
                None => {}
            }
        }
        let means = match (is_rebuilt, subject.is_healed && !moves.is_empty(), has_copies) {
            _ if is_lent => Means::Sister,
            (true, ..) => Means::Chunks,
            (_, true, _) => Means::Parity,
            (_, _, true) => Means::Copies,
            _ => Means::Rest,
        };
        Ok(Some(Assessment { moves, lost, means }))
    }

    /// The blocks of the pack by its own account, or, where that is damaged, by the index: then without chunk tables.
    fn rows(&self, Subject { pack, bytes, .. }: &Subject<'_>) -> Result<Option<Vec<PackRow>>> {
        let read = |offset: u64, buffer: &mut [u8]| match bytes.read_at(offset, buffer)? {
            true => Ok(()),
            false => Err(Error::damaged("read", &pack.name, "it cannot be read there")),
        };
        match PackListing::read_by(&self.repository.keys, &pack.name, bytes.len(), read) {
            Ok(listing) => return Ok(Some(listing.rows)),
            Err(error) if error.kind() == Kind::Corrupt => {}
            Err(error) => return Err(error),
        }
        if !self.index.packs().contains_key(&pack.id) {
            return Ok(None);
        }
        let mut rows = Vec::new();
        self.index.for_each_block(|block, place| {
            if place.pack == pack.id {
                let (offset, stored_len) = (place.offset, place.stored_len);
                let (kind, thinned) = (place.kind, place.thinned);
                rows.push(PackRow { block, kind, thinned, offset, stored_len, table_offset: 0, table_len: 0 });
            }
        })?;
        Ok(Some(rows))
    }

    /// Whether a pack that is whole has a copy of a block that holds as much, as far as the chunk table of this one tells. Where
    /// that is lost, and the block as well, what it held is not known, and any copy will do.
    pub fn has_copy_as_good(&self, bytes: &dyn Bytes, row: &PackRow, is_to_be_had: bool) -> Result<bool> {
        if self.has_whole_copy(row)? {
            return Ok(true);
        }
        if !row.thinned {
            return Ok(false);
        }
        let table = self.table(bytes, row)?;
        for place in self.copies(row)?.filter(|place| place.thinned) {
            let mut stored = vec![0; place.stored_len as usize];
            let read = self.blocks.read_range(&place, place.offset.into(), &mut stored);
            let plain = match read {
                Err(error) if error.kind() == Kind::Corrupt => continue,
                read => read.and_then(|()| self.open_bytes(stored, row))?,
            };
            let holds_as_much = |plain: OpenBlock| match &table {
                Some(table) => plain.has_all_of(table),
                None => !is_to_be_had,
            };
            if plain.is_some_and(holds_as_much) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a pack that is whole has a whole copy of a block.
    fn has_whole_copy(&self, row: &PackRow) -> Result<bool> {
        // What a sister lends is whole, or the same pack. What was rebuilt could not be had in any other way, and has all that is needed.
        if self.lent.contains(row.block) || self.rebuilt.contains(row.block) {
            return Ok(true);
        }
        for place in self.copies(row)?.filter(|place| !place.thinned) {
            match self.blocks.check_copy((row.block, row.kind), &place) {
                Err(error) if error.kind() == Kind::Corrupt => {}
                checked => return checked.map(|()| true),
            }
        }
        Ok(false)
    }

    /// The copies of a block in packs that are whole.
    fn copies(&self, row: &PackRow) -> Result<impl Iterator<Item = BlockPlace>> {
        let copies = self.index.copies(row.block)?.into_iter();
        Ok(copies.filter(|place| self.packs.whole.contains(&place.pack) && place.kind == row.kind))
    }

    /// How a block can be moved; `None` if it cannot.
    fn origin(&self, subject: &Subject<'_>, row: &PackRow) -> Result<Option<Origin>> {
        let table = self.table(subject.bytes, row)?;
        if self.opened(subject, row)?.is_some() {
            return Ok(Some(if table.is_some() { Origin::AsItIs } else { Origin::NewTable }));
        }
        if !self.has_key(row.block)? {
            // The hash of a healed pack vouches for what nobody can open any more; the key may come back.
            return Ok((subject.is_healed && table.is_some()).then_some(Origin::AsItIs));
        }
        let Some(table) = table else { return Ok(None) };
        Ok(self.put_together(row, &table)?.map(|_| Origin::Chunks))
    }

    pub fn has_key(&self, block: BlockId) -> Result<bool> {
        match self.repository.data_keys.get(block.session) {
            Err(error) if error.kind() == Kind::Corrupt => Ok(false),
            key => key.map(|_| true),
        }
    }

    /// A block as it stands, header and ciphertext, if it can be read.
    pub fn stored(&self, bytes: &dyn Bytes, row: &PackRow) -> Result<Option<Vec<u8>>> {
        let mut stored = vec![0; row.stored_len as usize];
        Ok(bytes.read_at(row.offset.into(), &mut stored)?.then_some(stored))
    }

    /// The sealed chunk table of a block, if there is one and it opens.
    pub fn sealed_table(&self, bytes: &dyn Bytes, row: &PackRow) -> Result<Option<(Vec<u8>, ChunkTable)>> {
        let mut sealed = vec![0; row.table_len as usize];
        if row.table_len == 0 || !bytes.read_at(row.table_offset.into(), &mut sealed)? {
            return Ok(None);
        }
        let table = unless_damaged(PackListing::open_table(&self.repository.data_keys, row.block, &sealed))?;
        Ok(table.map(|table| (sealed, table)))
    }

    fn table(&self, bytes: &dyn Bytes, row: &PackRow) -> Result<Option<ChunkTable>> {
        Ok(self.sealed_table(bytes, row)?.map(|(_, table)| table))
    }

    /// A block where it stands, opened; `None` if it does not open.
    pub fn opened(&self, subject: &Subject<'_>, row: &PackRow) -> Result<Option<OpenBlock>> {
        match self.stored(subject.bytes, row)? {
            Some(stored) => self.open_bytes(stored, row),
            None => Ok(None),
        }
    }

    /// A block as it was read, opened; `None` if it does not open.
    pub fn open_bytes(&self, mut stored: Vec<u8>, row: &PackRow) -> Result<Option<OpenBlock>> {
        let mut plain = OpenBlock::default();
        let opened = unless_damaged(self.blocks.open(row.into(), &mut stored, &mut plain))?;
        Ok(opened.map(|()| plain))
    }

    /// The bytes that a block holds, chunk by chunk, from other blocks; `None` if one is not to be had.
    pub fn put_together(&self, row: &PackRow, table: &ChunkTable) -> Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        for (id, len) in table.chunks.iter().filter(|(id, _)| *id != ChunkId::TAKEN_OUT) {
            let Some(chunk) = self.chunk(row, id)? else { return Ok(None) };
            if chunk.len() != *len as usize {
                return Ok(None);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Some(bytes))
    }

    /// A chunk from whichever place still has it.
    fn chunk(&self, row: &PackRow, id: &ChunkId) -> Result<Option<Vec<u8>>> {
        let Self { index, blocks, repository, .. } = self;
        chunk_elsewhere((index, blocks, &repository.keys), (row.block, row.kind), id)
    }

    /// The identifier of bytes in the domain that a block is of.
    pub fn id_of(&self, row: &PackRow, bytes: &[u8]) -> Result<ChunkId> {
        self.repository.chunk_id(row.block.session, row.kind, bytes)
    }

    /// Names of the packs in which copies are counted.
    pub fn relied_on(&self) -> HashSet<String> {
        let named = self.index.packs().into_values();
        let whole = named.filter(|pack| self.packs.whole.contains(&pack.id));
        whole.map(|pack| names::pack(pack.id, pack.session)).collect()
    }
}
