//! The chunks that a session stored itself: in memory until their packs are published, then in index tables of its own.
//!
//! Owns the map of new chunks, in shards so that threads hardly meet, and its overflow into tables. Invariant: a chunk is
//! always found in the map or in a table, never in neither.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::error::Result;
use crate::format::tree::Extent;
use crate::id::{BlockId, ChunkId, SessionId};
use crate::index::{ChunkPlace, Index};

/// Where a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub block: BlockId,
    pub offset: u32,
    pub len: u32,
}

impl Place {
    pub fn extent(&self) -> Extent {
        Extent::Data { block: self.block, offset: self.offset, len: self.len }
    }
}

impl From<ChunkPlace> for Place {
    fn from(place: ChunkPlace) -> Self {
        Self { block: place.block, offset: place.offset, len: place.len }
    }
}

/// A place within the session: the session itself need not be repeated a million times.
#[derive(Clone, Copy)]
struct OwnPlace {
    serial: u32,
    offset: u32,
    len: u32,
}

/// Identifiers are uniformly random already: eight of their bytes are the hash.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}
}

type Shard = HashMap<ChunkId, OwnPlace, BuildHasherDefault<IdHasher>>;
const SHARDS: usize = 64;

pub struct KnownChunks {
    session: SessionId,
    shards: Vec<Mutex<Shard>>,
    /// An index over the tables that the session has published so far.
    published: RwLock<Option<Arc<Index>>>,
}

impl KnownChunks {
    pub fn new(session: SessionId) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::default())).collect();
        Self { session, shards, published: RwLock::new(None) }
    }

    fn shard(&self, id: &ChunkId) -> &Mutex<Shard> {
        let [.., last] = id.0;
        &self.shards[usize::from(last) % SHARDS]
    }

    fn place(&self, own: OwnPlace) -> Place {
        Place { block: BlockId { session: self.session, serial: own.serial }, offset: own.offset, len: own.len }
    }

    pub fn find(&self, id: &ChunkId) -> Result<Option<Place>> {
        let held = self.shard(id).lock().unwrap_or_else(PoisonError::into_inner).get(id).copied();
        if let Some(own) = held {
            return Ok(Some(self.place(own)));
        }
        let published = self.published.read().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(index) = published else { return Ok(None) };
        Ok(index.find_chunk(id)?.map(Place::from))
    }

    /// Enters a chunk where `place` says, unless another thread was first: then answers that thread's place.
    pub fn insert_with(&self, id: ChunkId, place: impl FnOnce() -> Result<Place>) -> Result<Option<Place>> {
        let mut shard = self.shard(&id).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = shard.get(&id) {
            return Ok(Some(self.place(*own)));
        }
        let place = place()?;
        shard.insert(id, OwnPlace { serial: place.block.serial, offset: place.offset, len: place.len });
        Ok(None)
    }

    /// Number of chunks in memory.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// The chunks in memory whose blocks satisfy `packed`.
    pub fn rows(&self, packed: impl Fn(u32) -> bool) -> Vec<(ChunkId, ChunkPlace)> {
        let mut rows = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            rows.extend(shard.iter().filter(|(_, own)| packed(own.serial)).map(|(id, own)| {
                let place = self.place(*own);
                (*id, ChunkPlace { block: place.block, offset: place.offset, len: place.len, copy: None })
            }));
        }
        rows
    }

    /// Moves chunks from memory to the tables that now hold them; `index` covers all tables of the session so far.
    pub fn publish(&self, index: Arc<Index>, packed: impl Fn(u32) -> bool) {
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = Some(index);
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, own| !packed(own.serial));
            shard.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests;
