//! Moving what is needed of sparse packs into new ones.
//!
//! Owns the choice between moving a block as ciphertext and sealing what is needed of it anew. Invariant: nothing is
//! carried on that does not open where it stands. Deletes nothing.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZero;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

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
use crate::repository::{Repository, store_error};
use crate::store::Object;

/// Blocks that wait before each step.
const WAITING: usize = 8;

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

/// Moves what is needed of these packs. One that is damaged is left, and what was moved of it is in both places. On a store
/// that is full all are left, and nothing new.
///
/// Concurrency: one thread reads, as many as there are processors open and seal, and this one appends. Each ends when the
/// next has ended or the one before has nothing more.
pub fn repack(repository: &Repository, session: SessionId, packs: &[PackUse], inventory: &Inventory) -> Result<Moved> {
    let blocks = repository.block_reader(&inventory.index);
    let renewal = Renewal { repository, inventory, blocks, spare: SpareBuffers::default() };
    let mut moving = Moving { renewal: &renewal, session, open: BTreeMap::new(), moved: Moved::default() };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let moved = std::thread::scope(|scope| {
        let (standing, standing_blocks) = sync_channel(WAITING);
        let (renewed, renewed_blocks) = sync_channel(WAITING);
        let standing_blocks = Arc::new(Mutex::new(standing_blocks));
        for _ in 0..threads {
            let (blocks, renewed, renewal) = (standing_blocks.clone(), renewed.clone(), &renewal);
            scope.spawn(move || {
                while let Some(block) = next(&blocks) {
                    let pack = block.pack;
                    if renewed.send((pack, renewal.renew(block))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(standing_blocks);
        let reader = &renewal;
        scope.spawn(move || {
            for pack in packs {
                if let Err(error) = reader.read_pack(pack, &standing)
                    && renewed.send((pack.id, Err(error))).is_err()
                {
                    return;
                }
            }
        });
        renewed_blocks.into_iter().try_for_each(|(pack, block)| moving.take(pack, block))
    });
    match moved.and_then(|()| moving.finish()) {
        Err(error) if error.kind() == Kind::NoSpace => {
            moving.give_up()?;
            let left = packs.iter().map(|pack| pack.id).collect();
            Ok(Moved { left, reasons: vec![error], ..Moved::default() })
        }
        finished => finished.map(|()| moving.moved),
    }
}

fn next(blocks: &Mutex<Receiver<Standing>>) -> Option<Standing> {
    blocks.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// A block as it stands in its pack.
struct Standing {
    pack: PackId,
    row: PackRow,
    table: Vec<u8>,
    bytes: Vec<u8>,
}

/// The new packs.
struct Moving<'r> {
    renewal: &'r Renewal<'r>,
    session: SessionId,
    /// By kind and, for an independent copy, by the session whose blocks stay among themselves.
    open: BTreeMap<(u8, Option<SessionId>), PackWriter>,
    moved: Moved,
}

impl Moving<'_> {
    fn take(&mut self, pack: PackId, block: Result<Renewed>) -> Result<()> {
        let (block, thinned) = match block {
            Err(error) if error.kind() == Kind::Corrupt => {
                if self.moved.left.insert(pack) {
                    self.moved.reasons.push(error);
                }
                return Ok(());
            }
            other => other?,
        };
        if let Some(table) = thinned {
            self.moved.rows.add_chunks(block.id, block.thinned, &table);
        }
        self.append(&block)?;
        self.renewal.spare.give_back(block.bytes);
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

    fn finish(&mut self) -> Result<()> {
        std::mem::take(&mut self.open).into_values().try_for_each(|writer| self.finish_pack(writer))
    }

    /// Deletes the new packs, which nobody names: where there is no space, nothing is left behind.
    fn give_up(&mut self) -> Result<()> {
        self.open.clear();
        let store = &self.renewal.repository.store;
        self.moved.rows.packs.keys().try_for_each(|id| {
            let name = names::pack(*id, self.session);
            store.delete(&name).map_err(|source| store_error("delete", &name, source))
        })
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
    /// Reads what is needed of a pack, as long as somebody takes it.
    fn read_pack(&self, pack: &PackUse, blocks: &SyncSender<Standing>) -> Result<()> {
        let object = Object { name: names::pack(pack.id, pack.session), len: pack.len };
        self.repository.read_pack_listing(&object)?.for_each_table(&*self.repository.store, |row, table| {
            if self.inventory.is_needed(row.block, pack.id)? {
                let mut bytes = self.spare.take();
                bytes.resize(row.stored_len as usize, 0);
                self.repository.read_pack_at(&object, row.offset.into(), &mut bytes)?;
                let block = Standing { pack: pack.id, row: *row, table: table.to_vec(), bytes };
                // Whoever has ended has said why; this error is heard by nobody.
                return blocks.send(block).map_err(|_| Error::Bug("nobody takes blocks any more".to_owned()));
            }
            Ok(())
        })
    }

    fn renew(&self, block: Standing) -> Result<Renewed> {
        let Standing { row, table, mut bytes, .. } = block;
        // A block that is damaged where it stands must not be carried on as if it were whole.
        let chunks = PackListing::open_table(&self.repository.keys, row.block, &table)?;
        let Some(thinning) = self.inventory.thinning(&row, &chunks) else {
            let mut opened = self.spare.take();
            opened.extend_from_slice(&bytes);
            self.blocks.check_seal((&row).into(), &mut opened)?;
            self.spare.give_back(opened);
            return Ok((SealedBlock { id: row.block, kind: row.kind, thinned: row.thinned, bytes, table }, None));
        };
        let mut plain = OpenBlock::default();
        self.blocks.open((&row).into(), &mut bytes, &mut plain)?;
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
