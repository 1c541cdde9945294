//! A writing session: chunks go in from any number of threads, a snapshot comes out at the end.
//!
//! Owns deduplication, the gathering of chunks into blocks, and the order of publishing: packs, index, reference map,
//! snapshot. Invariants: a chunk's place is known, and its block's identifier final, the moment it is stored; nothing
//! that another snapshot needs is ever changed; after any store failure no snapshot is written.
//!
//! Concurrency: a chunk is looked up and entered under the lock of its shard, and placed into a block under the lock of
//! its builder; locks are always taken in that order. Blocks are compressed and sealed outside of all locks, and reach
//! the one packing thread through a bounded channel.

mod adopt;
mod class;
mod commit;
mod directories;
mod known;
mod packer;
mod permits;
mod rescue;
mod true_copies;
mod twins;
mod under_way;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use crate::compress::Effort;
use crate::condemned::CondemnedLists;
use crate::error::{Error, Kind, Result};
use crate::format::block::{BlockKind, ChunkTable};
use crate::format::lease::Role;
use crate::format::tree::Extent;
use crate::format::{keys as stored_keys, limits, names};
use crate::id::{BlockId, ChunkId, SessionId};
use crate::index::{ChunkPlace, Index};
use crate::keys::{DataKey, Right};
use crate::lease::OwnLease;
use crate::pack_reader::BlockReader;
use crate::pack_writer::{BlockSealer, PlainBlock, SpareBuffers};
use crate::repository::{Listing, Repository, put};
use crate::seal::random;
use crate::store::both;

pub(crate) use adopt::{complete_index, present_index, vouch_if_it_opens};
use class::{Class, LANES, lane};
pub use commit::{Draft, Presence, SessionReport};
pub(crate) use directories::Directories;
use known::{KnownChunks, Place};
use packer::Packer;
pub use permits::Permits;
pub(crate) use rescue::{Copies, Wanted, listed_packs, rescue};
pub(crate) use true_copies::TrueCopies;
pub(crate) use twins::Twins;

/// What a session may use of what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Chunks of every earlier session count as present.
    Shared,
    /// Only the session's own chunks count: a second physical copy.
    Independent,
}

/// Blocks that are compressed and sealed at once: more would take memory and no less time.
const SEALING_AT_ONCE: usize = 3;

/// An open writing session.
pub struct Session<'r> {
    repository: &'r Repository,
    id: SessionId,
    data_key: Arc<DataKey>,
    /// The condemned lists that the lease names.
    condemned: CondemnedLists,
    /// The snapshots when it began.
    listing: Listing,
    lost_packs: Vec<String>,
    index: Arc<Index>,
    sharing: Sharing,
    /// Reads trees that were there before, from the copies that a prune would keep.
    trees: BlockReader,
    /// Blocks that were found to be damaged or without their key; what they should hold is stored again.
    damaged: Mutex<HashSet<BlockId>>,
    known: Arc<KnownChunks>,
    /// Open blocks by class and lane.
    builders: [[Mutex<Option<PlainBlock<'static>>>; LANES]; 4],
    sealing: Permits,
    spare: Arc<SpareBuffers>,
    next_serial: AtomicU32,
    packer: Packer,
    new_bytes: AtomicU64,
    duplicate_bytes: AtomicU64,
    directories: Directories,
}

impl<'r> Session<'r> {
    /// Publishes a lease, takes over what sessions of dead processes left, and opens the index.
    pub fn begin(repository: &'r Repository, sharing: Sharing) -> Result<Self> {
        // What nobody would believe is not begun.
        repository.confirm_writer()?;
        repository.refuse_sealed("write")?;
        let id = SessionId(random()?);
        Self::begin_as(id, repository, sharing).inspect_err(|_| {
            // A lease that cannot be ended stands until this process is gone, which others can see.
            let _ = repository.leases().end(id);
        })
    }

    fn begin_as(id: SessionId, repository: &'r Repository, sharing: Sharing) -> Result<Self> {
        let (lease, mut condemned) = take_lease(repository, id)?;
        // Packs before the index: a pack that is listed was there when the tables are read. Snapshots before it, too: what they
        // refer to is indexed before they appear.
        let store = &*repository.store;
        let (packs, (open, listing)) = both(
            store,
            || repository.list_packs(),
            || both(store, || repository.leases().open_leases(id), || repository.list_snapshots()),
        );
        let (open, mut listing) = (open?, listing?);
        let (index, lost_packs, removed) = present_index(repository, &packs?, &open, &mut condemned)?;
        removed.doubt_what_came_back(&mut listing.entries);
        repository.keep_secrets()?;
        let (data_key, stored) = repository.keys.new_data_key(id)?;
        let name = names::data_key(id, stored.generation());
        put(&*repository.store, &name, &stored_keys::encode_data_key(repository.id(), &stored))?;
        let data_key = Arc::new(data_key);
        repository.data_keys.insert(id, data_key.clone());
        let known = Arc::new(KnownChunks::new(id));
        let spare = Arc::new(SpareBuffers::default());
        let packer = Packer::start(repository, lease, known.clone(), &index, spare.clone());
        Ok(Self {
            repository,
            id,
            data_key,
            condemned,
            listing,
            lost_packs,
            trees: repository.block_reader(&index).without_other_copies(),
            index,
            sharing,
            damaged: Mutex::default(),
            known,
            builders: [const { [const { Mutex::new(None) }; LANES] }; 4],
            sealing: Permits::new(SEALING_AT_ONCE),
            spare,
            next_serial: AtomicU32::new(0),
            packer,
            new_bytes: AtomicU64::new(0),
            duplicate_bytes: AtomicU64::new(0),
            directories: Directories::default(),
        })
    }

    pub fn id(&self) -> SessionId {
        self.id
    }

    /// The snapshots as they were when the session began; its index knows the blocks of those that can be read.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// The packs that the index names and that the store has lost; what they held is stored again.
    pub fn lost_packs(&self) -> &[String] {
        &self.lost_packs
    }

    /// The index as it was when the session began.
    pub fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Stores a small file: one chunk, gathered with its neighbours.
    pub fn store_small_file(&self, data: &[u8]) -> Result<Extent> {
        self.store_chunk(Class::SmallFiles, self.repository.keys.content_id(data), data)
    }

    /// Stores a tree page or an extent list. One that is there already is read first: a directory that cannot be read hides
    /// all that is beneath it, and a page is small beside the files that it names.
    pub fn store_tree_page(&self, page: &[u8]) -> Result<Extent> {
        let id = self.repository.keys.tree_id(page);
        if let Some(place) = self.find(Class::Tree, &id)?
            && place.block.session != self.id
            && !self.reads_back(place, page)?
        {
            lock(&self.damaged).insert(place.block);
        }
        self.store_chunk(Class::Tree, id, page)
    }

    fn reads_back(&self, place: Place, page: &[u8]) -> Result<bool> {
        match self.trees.read(place.block, BlockKind::Tree, place.offset..place.offset.saturating_add(place.len)) {
            Ok(block) => Ok(block.range(place.block, place.offset, place.len).is_ok_and(|held| held == page)),
            Err(error) if error.kind() == Kind::Corrupt => Ok(false),
            // A key that may not read believes the index.
            Err(Error::NotAllowed { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Stores consecutive chunks of a large file, given as one buffer and the lengths of the chunks in it. Chunks that
    /// are new go into one block of their own if they fill it well.
    pub fn store_run(&self, data: &[u8], lens: &[usize], effort: Effort) -> Result<Vec<Extent>> {
        within("length of a run", data.len(), limits::BLOCK_LEN)?;
        lens.iter().try_for_each(|len| within("length of a chunk", *len, limits::CHUNK_LEN))?;
        let class = Class::of(effort);
        let chunks = split(data, lens).map(|chunk| (self.repository.keys.content_id(chunk), chunk));
        let mut places = Vec::with_capacity(lens.len());
        let mut fresh = 0;
        for (id, chunk) in chunks {
            let known = self.find(class, &id)?;
            fresh += if known.is_none() { chunk.len() } else { 0 };
            places.push((id, chunk, known));
        }
        if fresh < limits::BLOCK_TARGET / 2 {
            return places
                .into_iter()
                .map(|(id, chunk, known)| match known {
                    Some(place) => Ok(self.count_duplicate(place)),
                    None => self.store_chunk(class, id, chunk),
                })
                .collect();
        }
        self.store_own_block(class, data, &places)
    }

    /// Stores the new chunks of a run as a block of their own, without the detour through a shared builder; a run that is
    /// new as a whole is not even copied.
    fn store_own_block(
        &self,
        class: Class,
        data: &[u8],
        places: &[(ChunkId, &[u8], Option<Place>)],
    ) -> Result<Vec<Extent>> {
        let mut block = self.new_block(class)?;
        let (mut extents, mut fresh, mut len) = (Vec::with_capacity(places.len()), Vec::new(), 0);
        for (id, chunk, known) in places {
            let place = Place { block: block.id, offset: len as u32, len: chunk.len() as u32 };
            let present = match known {
                Some(place) => Some(*place),
                None => self.known.insert_with(*id, || Ok(place))?,
            };
            if let Some(present) = present {
                extents.push(self.count_duplicate(present));
                continue;
            }
            self.new_bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            block.chunks.chunks.push((*id, chunk.len() as u32));
            extents.push(place.extent());
            fresh.push(*chunk);
            len += chunk.len();
        }
        block.bytes = if len == data.len() { Cow::Borrowed(data) } else { Cow::Owned(fresh.concat()) };
        if len > 0 {
            self.seal_and_send(block)?;
        }
        Ok(extents)
    }

    fn store_chunk(&self, class: Class, id: ChunkId, data: &[u8]) -> Result<Extent> {
        within("length of a chunk", data.len(), limits::CHUNK_LEN)?;
        if let Some(place) = self.find(class, &id)? {
            return Ok(self.count_duplicate(place));
        }
        let mut full = None;
        let mut extent = None;
        let present = self.known.insert_with(id, || {
            let (place, finished) = self.append_to_builder(class, id, data)?;
            full = finished;
            extent = Some(place.extent());
            Ok(place)
        })?;
        if let Some(block) = full {
            self.seal_and_send(block)?;
        }
        match (present, extent) {
            (Some(place), _) => Ok(self.count_duplicate(place)),
            (None, Some(extent)) => {
                self.new_bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
                Ok(extent)
            }
            (None, None) => Err(Error::Bug("a chunk was neither found nor stored".to_owned())),
        }
    }

    fn find(&self, class: Class, id: &ChunkId) -> Result<Option<Place>> {
        if let Some(place) = self.known.find(id)? {
            return Ok(Some(place));
        }
        if self.sharing == Sharing::Independent {
            return Ok(None);
        }
        match self.index.find_chunk(id) {
            // What a damaged table hides is stored again.
            Err(error) if error.kind() == Kind::Corrupt => Ok(None),
            found => match found? {
                Some(chunk) if self.can_be_opened(chunk.block)? && self.is_in_its_pack(class, &chunk)? => {
                    Ok(Some(chunk.into()))
                }
                _ => Ok(None),
            },
        }
    }

    /// Whether the pack to which the index leads says itself that it has the block.
    fn is_in_its_pack(&self, class: Class, chunk: &ChunkPlace) -> Result<bool> {
        // Whoever can reads a page back before he refers to it, which says more.
        let is_read_back = class == Class::Tree && self.repository.rights().has(Right::List);
        if is_read_back || chunk.copy.is_none() && self.directories.has_confirmed(chunk.block) {
            return Ok(true);
        }
        let copy = self.index.copy_with(chunk)?;
        copy.map_or(Ok(false), |copy| self.directories.confirm(self.repository, chunk.block, &copy))
    }

    /// Whether a block is not known to be damaged, and the key under which it is sealed is there to stay.
    fn can_be_opened(&self, block: BlockId) -> Result<bool> {
        if lock(&self.damaged).contains(&block) || self.condemned.has_key(block.session) {
            return Ok(false);
        }
        match self.repository.data_keys.get(block.session) {
            Err(error) if error.kind() == Kind::Corrupt => {
                lock(&self.damaged).insert(block);
                Ok(false)
            }
            // That a session was of this domain is known once its key was read.
            key => key.map(|_| self.repository.keys.domain_of(block.session) == self.repository.keys.own_domain()),
        }
    }

    fn count_duplicate(&self, place: Place) -> Extent {
        self.duplicate_bytes.fetch_add(place.len.into(), Ordering::Relaxed);
        place.extent()
    }

    /// Puts a chunk into the open block of its class; a block that is full by it is handed back.
    fn append_to_builder(
        &self,
        class: Class,
        id: ChunkId,
        data: &[u8],
    ) -> Result<(Place, Option<PlainBlock<'static>>)> {
        let mut builder = lock(&self.builders[class as usize][lane()]);
        let mut block = match builder.take() {
            Some(block) => block,
            None => PlainBlock { bytes: Cow::Owned(self.spare.take()), ..self.new_block(class)? },
        };
        let place = append(&mut block, id, data);
        let is_full = block.bytes.len() >= class.target() || block.chunks.chunks.len() >= limits::BLOCK_CHUNKS;
        if is_full {
            return Ok((place, Some(block)));
        }
        *builder = Some(block);
        Ok((place, None))
    }

    fn new_block(&self, class: Class) -> Result<PlainBlock<'static>> {
        let serial = self.next_serial.fetch_add(1, Ordering::Relaxed);
        if serial >= crate::format::refs::MAX_SERIAL {
            return Err(Error::Limit {
                what: "blocks of one session".to_owned(),
                got: serial.into(),
                limit: crate::format::refs::MAX_SERIAL.into(),
            });
        }
        Ok(PlainBlock {
            id: BlockId { session: self.id, serial },
            kind: class.kind(),
            effort: class.effort(),
            thinned: false,
            bytes: Cow::Owned(Vec::new()),
            chunks: ChunkTable::default(),
        })
    }

    fn seal_and_send(&self, block: PlainBlock<'_>) -> Result<()> {
        let sealer = BlockSealer {
            keys: &self.repository.keys,
            data_key: &self.data_key,
            compressors: &self.repository.compressors,
            spare: &self.spare,
        };
        // Held until the block is handed over, so that no more sealed blocks wait than can be sealed at once.
        let _permit = self.sealing.take();
        let sealed = sealer.seal(&block)?;
        if let Cow::Owned(bytes) = block.bytes {
            self.spare.give_back(bytes);
        }
        self.packer.send(sealed)
    }

    /// Seals the blocks that are still open.
    fn flush(&self) -> Result<()> {
        for builder in self.builders.iter().flatten() {
            let block = lock(builder).take();
            if let Some(block) = block {
                self.seal_and_send(block)?;
            }
        }
        Ok(())
    }

    /// Bytes of chunks that were new, and of chunks that were present.
    pub fn progress(&self) -> (u64, u64) {
        (self.new_bytes.load(Ordering::Relaxed), self.duplicate_bytes.load(Ordering::Relaxed))
    }
}

/// Publishes a writer's lease, and once more with the condemned lists that are there then (W1 and W2 of
/// docs/concurrency.md).
///
/// # Errors
/// When a list is damaged while a collector may act on it.
pub(crate) fn take_lease(repository: &Repository, id: SessionId) -> Result<(OwnLease, CondemnedLists)> {
    repository.refuse_sealed("write")?;
    let leases = repository.leases();
    let mut lease = leases.publish(id, Role::Writer)?;
    let mut condemned = repository.condemned()?;
    if let Some(error) = condemned.unreadable.pop()
        && leases.open_leases(id)?.has_collector()
    {
        return Err(error);
    }
    if !condemned.is_empty() {
        leases.acknowledge(&mut lease, condemned.ids())?;
    }
    Ok((lease, condemned))
}

/// What no reader would accept is not stored.
fn within(what: &str, got: usize, limit: usize) -> Result<()> {
    if got > limit {
        return Err(Error::Limit { what: what.to_owned(), got: got as u64, limit: limit as u64 });
    }
    Ok(())
}

fn append(block: &mut PlainBlock<'_>, id: ChunkId, data: &[u8]) -> Place {
    let place = Place { block: block.id, offset: block.bytes.len() as u32, len: data.len() as u32 };
    block.bytes.to_mut().extend_from_slice(data);
    block.chunks.chunks.push((id, data.len() as u32));
    place
}

fn split<'a>(data: &'a [u8], lens: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = data;
    lens.iter().map(move |len| {
        let (chunk, tail) = rest.split_at((*len).min(rest.len()));
        rest = tail;
        chunk
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests;
