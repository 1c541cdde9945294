//! Moving what is needed of sparse packs into new ones.
//!
//! Owns the choice between moving a block as ciphertext and sealing what is needed of it anew. Invariant: nothing is
//! carried on that does not open where it stands. Deletes nothing.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZero;

use super::inventory::Inventory;
use super::plan::PackUse;
use crate::error::{Error, Kind, Result};
use crate::format::block::ChunkTable;
use crate::format::pack::PackRow;
use crate::format::{limits, names};
use crate::id::{PackId, SessionId};
use crate::index::NewRows;
use crate::pack_reader::{BlockReader, OpenBlock, PackListing};
use crate::pack_writer::{BlockSealer, PackWriter, SealedBlock, SpareBuffers};
use crate::repository::Repository;
use crate::store::Object;

/// Blocks that are in memory at once: a few for each thread.
const BATCH: usize = 16;

/// What was moved.
#[derive(Default)]
pub struct Moved {
    /// Where the blocks are now, and the chunks of those that were thinned.
    pub rows: NewRows,
    /// Bytes of new packs.
    pub bytes: u64,
    /// Packs that stay where they are, and why.
    pub left: HashSet<PackId>,
    pub reasons: Vec<Error>,
}

/// Moves what is needed of these packs. One that is damaged is left, and what was moved of it before is in both places. On a
/// store that is full all are left, and new ones that nobody names go with the next prune.
pub fn repack(repository: &Repository, session: SessionId, packs: &[PackUse], inventory: &Inventory) -> Result<Moved> {
    let blocks = repository.block_reader(&inventory.index);
    let renewal = Renewal { repository, inventory, blocks, spare: SpareBuffers::default() };
    let mut moving = Moving { renewal, session, open: BTreeMap::new(), moved: Moved::default() };
    let moved = packs.iter().try_for_each(|pack| moving.move_pack_if_whole(pack)).and_then(|()| moving.finish());
    match moved {
        Err(error) if error.kind() == Kind::NoSpace => {
            let left = packs.iter().map(|pack| pack.id).collect();
            Ok(Moved { left, reasons: vec![error], ..Moved::default() })
        }
        moved => moved,
    }
}

struct Moving<'r> {
    renewal: Renewal<'r>,
    session: SessionId,
    /// By kind and, for an independent copy, by the session whose blocks stay among themselves.
    open: BTreeMap<(u8, Option<SessionId>), PackWriter>,
    moved: Moved,
}

/// A block as it stands in its pack.
struct Standing {
    row: PackRow,
    table: Vec<u8>,
    bytes: Vec<u8>,
}

impl Moving<'_> {
    fn move_pack_if_whole(&mut self, pack: &PackUse) -> Result<()> {
        match self.move_pack(pack) {
            Err(error) if error.kind() == Kind::Corrupt => {
                self.moved.left.insert(pack.id);
                self.moved.reasons.push(error);
                Ok(())
            }
            moved => moved,
        }
    }

    fn move_pack(&mut self, pack: &PackUse) -> Result<()> {
        let (repository, inventory) = (self.renewal.repository, self.renewal.inventory);
        let object = Object { name: names::pack(pack.id, pack.session), len: pack.len };
        let mut batch = Vec::with_capacity(BATCH);
        repository.read_pack_listing(&object)?.for_each_table(&*repository.store, |row, table| {
            if inventory.is_needed(row.block, pack.id)? {
                let mut bytes = self.renewal.spare.take();
                bytes.resize(row.stored_len as usize, 0);
                repository.read_pack_at(&object, row.offset.into(), &mut bytes)?;
                batch.push(Standing { row: *row, table: table.to_vec(), bytes });
            }
            if batch.len() == BATCH { self.move_batch(std::mem::take(&mut batch)) } else { Ok(()) }
        })?;
        self.move_batch(batch)
    }

    fn move_batch(&mut self, batch: Vec<Standing>) -> Result<()> {
        for (block, thinned) in self.renewal.renew_all(batch)? {
            if let Some(table) = thinned {
                self.moved.rows.add_chunks(block.id, block.thinned, &table);
            }
            self.append(&block)?;
            self.renewal.spare.give_back(block.bytes);
        }
        Ok(())
    }

    fn append(&mut self, block: &SealedBlock) -> Result<()> {
        let apart = self.renewal.inventory.independent.contains(&block.id.session).then_some(block.id.session);
        let key = (block.kind.object_kind() as u8, apart);
        let repository = self.renewal.repository;
        let mut writer = match self.open.remove(&key) {
            Some(writer) => writer,
            None => PackWriter::begin(&*repository.store, repository.id(), self.session)?,
        };
        writer.append(block)?;
        if writer.len() >= limits::PACK_TARGET_MAX {
            return self.finish_pack(writer);
        }
        self.open.insert(key, writer);
        Ok(())
    }

    fn finish_pack(&mut self, writer: PackWriter) -> Result<()> {
        let finished = writer.finish()?;
        self.moved.bytes += finished.len;
        self.moved.rows.add_pack((finished.id, self.session), finished.len, &finished.rows);
        Ok(())
    }

    fn finish(mut self) -> Result<Moved> {
        for writer in std::mem::take(&mut self.open).into_values() {
            self.finish_pack(writer)?;
        }
        Ok(self.moved)
    }
}

/// What the threads share that open blocks and seal them anew.
struct Renewal<'r> {
    repository: &'r Repository,
    inventory: &'r Inventory,
    blocks: BlockReader,
    spare: SpareBuffers,
}

/// A block to be appended, and the chunks in it if it was thinned.
type Renewed = (SealedBlock, Option<ChunkTable>);

impl Renewal<'_> {
    /// Makes a batch ready to be appended, in its order, on all processors.
    fn renew_all(&self, batch: Vec<Standing>) -> Result<Vec<Renewed>> {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(batch.len()).max(1);
        let mut parts: Vec<Vec<Standing>> = (0..threads).map(|_| Vec::new()).collect();
        let share = batch.len().div_ceil(threads).max(1);
        for (number, block) in batch.into_iter().enumerate() {
            parts[number / share].push(block);
        }
        let renew_part = |part: Vec<Standing>| part.into_iter().map(|block| self.renew(block)).collect::<Vec<_>>();
        let renewed = std::thread::scope(|scope| {
            let threads: Vec<_> = parts.into_iter().map(|part| scope.spawn(move || renew_part(part))).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, Vec<Result<Renewed>>>| match thread.join() {
                Ok(part) => part,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            threads.into_iter().flat_map(join).collect::<Vec<_>>()
        });
        renewed.into_iter().collect()
    }

    fn renew(&self, block: Standing) -> Result<Renewed> {
        let Standing { row, table, mut bytes } = block;
        // A block that is damaged where it stands must not be carried on as if it were whole.
        let chunks = PackListing::open_table(&self.repository.keys, row.block, &table)?;
        let Some(thinning) = self.inventory.thinning(&row, &chunks) else {
            let mut opened = self.spare.take();
            opened.extend_from_slice(&bytes);
            self.blocks.check_seal(row.block, row.kind, &mut opened)?;
            self.spare.give_back(opened);
            return Ok((SealedBlock { id: row.block, kind: row.kind, thinned: row.thinned, bytes, table }, None));
        };
        let mut plain = OpenBlock::default();
        self.blocks.open(row.block, row.kind, &mut bytes, &mut plain)?;
        let data_key = self.repository.data_keys.get(row.block.session)?;
        let sealer = BlockSealer {
            keys: &self.repository.keys,
            data_key: &data_key,
            compressors: &self.repository.compressors,
            spare: &self.spare,
        };
        let sealed = thinning.seal(&row, &plain, &sealer)?;
        self.spare.give_back(bytes);
        Ok((sealed, Some(thinning.table)))
    }
}
