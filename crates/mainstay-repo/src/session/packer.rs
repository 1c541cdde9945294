//! The packing thread of a session: sealed blocks in, packs and index tables out.
//!
//! Owns the open packs and what is to be indexed. Content and trees go into packs of their own, because they are read
//! and pruned at different times. Invariant: index rows are published only for packs that are durable.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::known::KnownChunks;
use super::under_way::UnderWay;
use crate::error::{Error, Kind, Result};
use crate::format::block::BlockKind;
use crate::format::coord::{Intent, encode_intent};
use crate::format::refs::BlockSet;
use crate::format::{limits, names};
use crate::id::{BlockId, SessionId};
use crate::index::{Index, NewRows, write_tables};
use crate::keys::{Keys, Right};
use crate::lease::{Leases, Liveness, OwnLease};
use crate::pack_writer::{FinishedPack, PackWriter, SealedBlock, SpareBuffers};
use crate::repository::{Repository, put};
use crate::signer::Judge;
use crate::store::{Object, Store};

/// Sealed blocks that may wait: about 4 MiB.
const QUEUE: usize = 4;
/// Chunks in memory after which their rows are published and dropped: about 35 MiB.
const CHUNKS_IN_MEMORY: usize = 512 << 10;

/// Bytes of packs that are in no table yet, at most, of a session that could read them again, as long as it has not stored eight
/// times as much.
const UNINDEXED_LEN: u64 = 4 << 30;

/// The handle that a session keeps.
pub struct Packer {
    sender: Option<Sender<SealedBlock>>,
    thread: Option<JoinHandle<Result<Packed>>>,
    /// Why the thread has stopped, once it has.
    failure: Arc<OnceLock<(Kind, String)>>,
}

/// What a finished packer has published.
#[derive(Default)]
pub struct Packed {
    pub packs: u64,
    pub stored_bytes: u64,
}

impl Packer {
    pub fn start(
        repository: &Repository,
        lease: OwnLease,
        known: Arc<KnownChunks>,
        index: &Index,
        spare: Arc<SpareBuffers>,
    ) -> Self {
        let (sender, receiver) = bounded(QUEUE);
        let failure = Arc::new(OnceLock::new());
        let existing: u64 = index.packs().values().map(|pack| pack.len).sum();
        let mut packing = Packing {
            store: repository.store.clone(),
            keys: repository.keys.clone(),
            session: lease.session,
            lease,
            judge: repository.judge.clone(),
            liveness: repository.liveness.clone(),
            known,
            spare,
            existing,
            open: HashMap::new(),
            under_way: UnderWay::new(repository.store.publishes_at_once()),
            rows: NewRows::default(),
            unindexed: 0,
            packed: HashSet::new(),
            tables: Vec::new(),
            checkpoint: BlockSet::default(),
            intents: 0,
            result: Packed::default(),
        };
        let reason = failure.clone();
        let thread = std::thread::Builder::new().name("packer".to_owned()).spawn(move || {
            let result = packing.run(&receiver);
            if let Err(error) = &result {
                // The thread is the only one that sets it.
                let _ = reason.set((error.kind(), error.to_string()));
            }
            // Nobody waits to hand over a block while what is under way ends.
            drop(receiver);
            packing.under_way.abandon();
            result.map(|()| packing.result)
        });
        // A thread that cannot be started is a session that has failed: the error appears when it is finished.
        let (thread, sender) = match thread {
            Ok(thread) => (Some(thread), Some(sender)),
            Err(_) => (None, None),
        };
        Self { sender, thread, failure }
    }

    /// Hands a block over; waits while the store is behind.
    pub fn send(&self, block: SealedBlock) -> Result<()> {
        let gone = || match self.failure.get() {
            Some((kind, cause)) => Error::SessionFailed { kind: *kind, cause: cause.clone() },
            None => Error::Bug("the packing thread is gone".to_owned()),
        };
        if self.failure.get().is_some() {
            return Err(gone());
        }
        self.sender.as_ref().ok_or_else(gone)?.send(block).map_err(|_| gone())
    }

    /// Finishes the open packs and the index; answers the error that stopped the thread, if one did.
    pub fn finish(&mut self) -> Result<Packed> {
        self.sender = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(Error::Bug("the packing thread panicked".to_owned())),
            None => Err(Error::Bug("the packing thread could not be started".to_owned())),
        }
    }
}

/// The state of the packing thread.
struct Packing {
    store: Arc<dyn Store>,
    keys: Arc<Keys>,
    session: SessionId,
    /// Renewed between packs, so that a long session is not taken for gone.
    lease: OwnLease,
    judge: Arc<Judge>,
    liveness: Liveness,
    known: Arc<KnownChunks>,
    spare: Arc<SpareBuffers>,
    /// Bytes of packs that were there before.
    existing: u64,
    open: HashMap<BlockKind, PackWriter>,
    /// Packs on their way to the store.
    under_way: UnderWay,
    /// Blocks and packs that no table names yet.
    rows: NewRows,
    /// Bytes of those packs.
    unindexed: u64,
    /// Serials of blocks that are in durable packs and whose chunks are still in memory.
    packed: HashSet<u32>,
    /// The index tables that the session has published.
    tables: Vec<Object>,
    /// The blocks of all intents so far.
    checkpoint: BlockSet,
    intents: u32,
    result: Packed,
}

impl Packing {
    fn run(&mut self, blocks: &Receiver<SealedBlock>) -> Result<()> {
        for block in blocks {
            self.append(block)?;
        }
        let open: BTreeMap<u8, PackWriter> =
            self.open.drain().map(|(kind, pack)| (kind.object_kind() as u8, pack)).collect();
        for pack in open.into_values() {
            self.finish_pack(pack)?;
        }
        self.settle_all()?;
        self.publish_index()
    }

    fn append(&mut self, block: SealedBlock) -> Result<()> {
        let mut pack = match self.open.remove(&block.kind) {
            Some(pack) => pack,
            None => {
                let begin = match block.kind {
                    BlockKind::Tree => PackWriter::begin_kept,
                    BlockKind::Content => PackWriter::begin,
                };
                begin(&*self.store, self.keys.config().repository, self.session)?
            }
        };
        pack.append(&block)?;
        self.spare.give_back(block.bytes);
        let is_crowded = self.known.len() >= CHUNKS_IN_MEMORY;
        if pack.len() < pack_target(self.existing + self.result.stored_bytes) && !is_crowded {
            self.open.insert(block.kind, pack);
            return Ok(());
        }
        // Chunks can leave memory only when their pack is in the store, so a crowd ends the pack early.
        self.finish_pack(pack)?;
        if is_crowded || self.unindexed >= self.most_unindexed() {
            self.settle_all()?;
            self.overflow()?;
        }
        Ok(())
    }

    /// Bytes of packs after which they are indexed. What is not, of a session that is killed, the next one reads again before
    /// it relies on it; one that cannot read stores it again, so it gets no more than a share of what it has stored.
    fn most_unindexed(&self) -> u64 {
        let reads = self.keys.rights().has(Right::Restore);
        let share = self.result.stored_bytes / 8;
        if reads { share.max(UNINDEXED_LEN) } else { share }
    }

    /// Sends a pack on its way, and settles those that have arrived or that it has to wait for.
    fn finish_pack(&mut self, pack: PackWriter) -> Result<()> {
        let arrived = self.under_way.send(pack.close()?)?;
        arrived.into_iter().try_for_each(|finished| self.settle(finished))
    }

    fn settle_all(&mut self) -> Result<()> {
        while let Some(finished) = self.under_way.next()? {
            self.settle(finished)?;
        }
        Ok(())
    }

    /// Counts a pack that is in the store: its rows may be published from now on.
    fn settle(&mut self, finished: FinishedPack) -> Result<()> {
        Leases { store: &*self.store, keys: &self.keys, judge: &self.judge, liveness: &self.liveness }
            .renew_in_time(&mut self.lease)?;
        self.result.packs += 1;
        self.result.stored_bytes += finished.len;
        self.packed.extend(finished.rows.iter().map(|row| row.block.serial));
        finished.enter(&mut self.rows, &self.keys);
        self.unindexed += finished.len;
        Ok(())
    }

    /// Publishes rows in the middle of a session, so that memory stays bounded and a killed session is found again.
    fn overflow(&mut self) -> Result<()> {
        self.publish_index()?;
        self.publish_intent()?;
        let packed = std::mem::take(&mut self.packed);
        let own = Index::of_tables(self.store.clone(), self.keys.clone(), &self.tables)?;
        self.known.publish(Arc::new(own), |serial| packed.contains(&serial));
        Ok(())
    }

    /// Says which blocks the session's snapshot may need, as far as they are durable.
    fn publish_intent(&mut self) -> Result<()> {
        self.checkpoint.extend(self.packed.iter().map(|serial| BlockId { session: self.session, serial: *serial }));
        let intent = Intent { session: self.session, number: self.intents, blocks: self.checkpoint.clone() };
        self.intents += 1;
        let name = names::intent(self.session, intent.number);
        put(&*self.store, &name, &encode_intent(self.keys.config().repository, &intent))
    }

    fn publish_index(&mut self) -> Result<()> {
        let mut rows = std::mem::take(&mut self.rows);
        self.unindexed = 0;
        rows.chunks = self.known.rows(|serial| self.packed.contains(&serial));
        if rows.is_empty() {
            return Ok(());
        }
        self.tables.extend(write_tables(&*self.store, &self.keys, rows, &[])?);
        Ok(())
    }
}

/// The length at which a pack is closed: 1/64 of the repository between 16 and 128 MiB, so that the number of objects
/// grows slowly and a small repository is not one pack.
fn pack_target(repository_len: u64) -> u64 {
    (repository_len / 64).next_power_of_two().clamp(limits::PACK_TARGET_MIN, limits::PACK_TARGET_MAX)
}

#[cfg(test)]
mod tests;
