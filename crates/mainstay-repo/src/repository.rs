//! An open repository: its keys, its snapshots, and the doors to reading and writing.
//!
//! Owns creating and opening, key slots, snapshots and forgetting. Never writes blocks: a `Session` does.

mod listing;
mod losses;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::chunker::Chunker;
use crate::compress::Compressors;
use crate::error::{Error, Kind, Result};
use crate::format::block::ChunkTable;
use crate::format::config::{self, Config, ConfigProblem};
use crate::format::envelope::{ObjectKind, SEALED_HEADER_LEN, SealedHeader, associated_data};
use crate::format::lease::Role;
use crate::format::refs::BlockSet;
use crate::format::snapshot::Snapshot;
use crate::format::{FORMAT_VERSION, Problem, coord, keys as stored_keys, limits, names, refs};
use crate::id::{BlockId, PackId, RepositoryId, SessionId, SlotId, SnapshotId, SourceId};
use crate::index::{Care, Index};
use crate::keys::{KeySlot, Keys, Secret};
use crate::lease::{Leases, Liveness, UnknownLease, refuse_conflict};
use crate::pack_reader::{BlockReader, DataKeys, PackListing, read_object};
use crate::seal::{preferred_suite, random};
use crate::store::{Object, Store, Vacancy, is_absent};
pub use listing::{LostSnapshot, SnapshotPlace};
pub use losses::KnownLosses;

/// A snapshot and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotEntry {
    pub id: SnapshotId,
    pub snapshot: Snapshot,
    /// Forgotten, and still here until the next prune.
    pub forgotten: bool,
}

/// What a repository holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    pub snapshots: u64,
    pub forgotten_snapshots: u64,
    pub packs: u64,
    pub pack_bytes: u64,
    pub blocks: u64,
    /// Rows of the chunk index, those of blocks that are gone included until tables are merged.
    pub chunks: u64,
    /// Bytes of everything that is not a pack, the space that is set aside included.
    pub other_bytes: u64,
    pub objects: u64,
}

/// An open repository.
pub struct Repository {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) data_keys: Arc<DataKeys>,
    pub(crate) chunker: Arc<Chunker>,
    pub(crate) compressors: Arc<Compressors>,
    pub(crate) liveness: Liveness,
    slot: SlotId,
}

impl Repository {
    /// Creates a repository in an empty store and opens it; `created` is the time by the caller's clock.
    pub fn create(
        store: Arc<dyn Store>,
        secret: &Secret,
        label: &str,
        liveness: Liveness,
        created: i64,
    ) -> Result<Self> {
        let location = store.location();
        let occupied = |found| Error::Occupied { location: location.clone(), found };
        match store.prepare().map_err(|source| store_error("prepare", &location, source))? {
            Vacancy::Empty => {}
            Vacancy::Repository => return Err(occupied("a repository exists already")),
            Vacancy::Foreign => return Err(occupied("the place is not empty")),
        }
        let abandoned = list(&*store, names::KEY_SLOTS)?;
        let config = Config { repository: RepositoryId(random()?), suite: preferred_suite() };
        let keys = Keys::generate(config)?;
        let slot = keys.wrap_slot(secret, label, created)?;
        let slot_name = names::key_slot(slot.id);
        put(&*store, &slot_name, &stored_keys::encode_slot(config.repository, &slot))?;
        // Of several who create at once, the one whose configuration is published has the place.
        match put(&*store, names::CONFIG, &config::encode(&config)) {
            Err(Error::Store { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {
                delete(&*store, &slot_name)?;
                return Err(occupied("a repository exists already"));
            }
            other => other?,
        }
        // Slots that stood there before belong to creations that were interrupted or have lost. Until now one of them
        // could have won; and a new repository is whole, whether they go or not.
        abandoned.iter().for_each(|slot| drop(delete(&*store, &slot.name)));
        // A disk that is full already takes no reserve, and needs none more than it lacks everything else.
        let _ = store.keep_reserve();
        Ok(Self::assemble(store, keys, slot.id, liveness))
    }

    /// Opens a repository with one of its secrets.
    pub fn open(store: Arc<dyn Store>, secret: &Secret, liveness: Liveness) -> Result<Self> {
        let config = Self::read_config(&*store)?;
        let (slots, mut damaged) = readable_slots(&*store, config.repository)?;
        let (keys, slot) = match (Keys::unlock(config, &slots, secret), damaged.pop()) {
            // The slot that fits may be the one that is damaged; another that is damaged keeps nobody out.
            (Err(Error::WrongKey { .. }), Some(damage)) => return Err(damage),
            (unlocked, _) => unlocked?,
        };
        Ok(Self::assemble(store, keys, slot, liveness))
    }

    /// Reads which repository a store holds; needs no key.
    pub fn identify(store: &dyn Store) -> Result<RepositoryId> {
        Self::read_config(store).map(|config| config.repository)
    }

    fn read_config(store: &dyn Store) -> Result<Config> {
        let location = store.location();
        let bytes = store.read(names::CONFIG, limits::CONFIG_LEN).map_err(|source| {
            if is_absent(&source) {
                return Error::NoRepository { location: location.clone() };
            }
            store_error("read", names::CONFIG, source)
        })?;
        config::decode(&bytes).map_err(|problem| match problem {
            ConfigProblem::Damaged(problem) => Error::damaged("read", names::CONFIG, problem),
            ConfigProblem::TooNew(needs) => Error::TooNew { location, needs, reads: FORMAT_VERSION },
        })
    }

    fn assemble(store: Arc<dyn Store>, keys: Keys, slot: SlotId, liveness: Liveness) -> Self {
        let keys = Arc::new(keys);
        Self {
            data_keys: Arc::new(DataKeys::new(store.clone(), keys.clone())),
            chunker: Arc::new(Chunker::new(keys.chunker_key())),
            compressors: Arc::new(Compressors::default()),
            store,
            keys,
            liveness,
            slot,
        }
    }

    pub fn id(&self) -> RepositoryId {
        self.keys.config().repository
    }

    pub fn location(&self) -> String {
        self.store.location()
    }

    /// The store beneath, for those who look at single objects.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// The cutter of this repository.
    pub fn chunker(&self) -> &Chunker {
        &self.chunker
    }

    /// All key slots; the one that opened this repository is named by [`Repository::own_slot`].
    pub fn key_slots(&self) -> Result<Vec<KeySlot>> {
        let mut slots: Vec<KeySlot> = read_slots(&*self.store, self.id())?.iter().map(KeySlot::from).collect();
        slots.sort_by_key(|slot| (slot.created, slot.id));
        Ok(slots)
    }

    pub fn own_slot(&self) -> SlotId {
        self.slot
    }

    /// Adds a holder who can open the repository.
    pub fn add_key(&self, secret: &Secret, label: &str, created: i64) -> Result<KeySlot> {
        let slot = self.keys.wrap_slot(secret, label, created)?;
        put(&*self.store, &names::key_slot(slot.id), &stored_keys::encode_slot(self.id(), &slot))?;
        Ok(KeySlot::from(&slot))
    }

    /// Removes a key slot, unless it is the last one.
    pub fn remove_key(&self, id: SlotId) -> Result<()> {
        let slots = self.key_slots()?;
        if !slots.iter().any(|slot| slot.id == id) {
            return Err(Error::Missing { verb: "remove key", name: names::key_slot(id) });
        }
        if slots.len() == 1 {
            return Err(Error::Invalid(
                "remove key: it is the last one, and without it nothing could be read".to_owned(),
            ));
        }
        delete(&*self.store, &names::key_slot(id))
    }

    /// Opens the index as it is now. List snapshots before, if both are needed: a snapshot's blocks are indexed before it
    /// appears.
    pub fn index(&self) -> Result<Arc<Index>> {
        self.index_without(HashSet::new(), Care::Tails)
    }

    /// Opens the index; blocks in `absent` packs count as absent.
    pub(crate) fn index_without(&self, absent: HashSet<PackId>, care: Care) -> Result<Arc<Index>> {
        self.index_beside(absent, care).map(Arc::new)
    }

    /// The same, still open to change.
    pub(crate) fn index_beside(&self, mut condemned: HashSet<PackId>, care: Care) -> Result<Index> {
        for object in list(&*self.store, names::CONDEMNED)? {
            let bytes = match read_object(&*self.store, &object.name, "read condemned list") {
                // Deleted since it was listed: its packs are gone from the index.
                Err(Error::Missing { .. }) => continue,
                other => other?,
            };
            // A damaged list is left by a prune that was killed, since beside a living one nobody opens an index. It will
            // not go on; the next one decides anew, and until then every pack that is there may be used.
            if let Ok(list) = coord::decode_condemned(self.id(), &bytes) {
                condemned.extend(list.packs);
            }
        }
        Index::open(self.store.clone(), self.keys.clone(), condemned, care)
    }

    /// Opens an index of these tables alone, for a check that goes on when others are damaged.
    pub fn index_of(&self, tables: &[Object]) -> Result<Arc<Index>> {
        Index::of_tables(self.store.clone(), self.keys.clone(), tables).map(Arc::new)
    }

    /// Opens blocks through an index.
    pub fn block_reader(&self, index: &Arc<Index>) -> BlockReader {
        BlockReader::new(self.store.clone(), self.keys.clone(), self.data_keys.clone(), index.clone())
    }

    /// The identifier of a source, by which the names of its snapshots begin.
    pub fn source_id(&self, source: &str) -> SourceId {
        self.keys.source_id(source)
    }

    /// Reads one snapshot, as its name in the store says.
    pub fn read_snapshot(&self, source: SourceId, sequence: u64, id: SnapshotId) -> Result<Snapshot> {
        let name = names::snapshot(source, sequence, id);
        let damaged = |problem: Problem| Error::damaged("read snapshot", &name, problem);
        let mut bytes = read_object(&*self.store, &name, "read snapshot")?;
        if blake3::hash(&bytes).as_bytes() != &id.0 {
            return Err(damaged(Problem::new("its bytes do not match its name")));
        }
        let (header, _) = SealedHeader::decode(ObjectKind::Snapshot, &bytes).map_err(damaged)?;
        let data_key = self.data_keys.get(header.session)?;
        let data = associated_data(self.id(), ObjectKind::Snapshot, &[&header.encode()]);
        let sealed = bytes.get_mut(SEALED_HEADER_LEN..).unwrap_or_default();
        let plain = data_key
            .object_key(ObjectKind::Snapshot)
            .open(header.nonce, &data, sealed)
            .map_err(|_| damaged(Problem::new("its seal does not match")))?;
        let snapshot = Snapshot::decode(plain).map_err(damaged)?;
        if self.keys.source_id(&snapshot.source) != source || snapshot.sequence != sequence {
            return Err(damaged(Problem::new("it says that it belongs elsewhere in the history")));
        }
        Ok(snapshot)
    }

    /// The blocks that a snapshot needs, checked against what the snapshot says of its map.
    pub fn references(&self, entry: &SnapshotEntry) -> Result<BlockSet> {
        let name = names::refs(entry.id);
        let bytes = read_object(&*self.store, &name, "read reference map")?;
        if blake3::hash(&bytes).as_bytes() != &entry.snapshot.references {
            return Err(Error::damaged("read reference map", name, "it is not the map that its snapshot names"));
        }
        refs::decode(self.id(), &bytes).map_err(|problem| Error::damaged("read reference map", name, problem))
    }

    /// Marks a snapshot as forgotten; the next prune removes it.
    pub fn forget(&self, id: SnapshotId, now: i64) -> Result<()> {
        let mark = coord::Trash { snapshot: id, forgotten: now };
        let put_mark = || put(&*self.store, &names::trash(id), &coord::encode_trash(self.id(), &mark));
        match self.with_reserve(put_mark) {
            Err(Error::Store { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    /// Lists the packs with their lengths.
    pub fn list_packs(&self) -> Result<Vec<Object>> {
        list(&*self.store, names::PACKS)
    }

    /// Reads a pack's own directory.
    pub fn read_pack_listing(&self, pack: &Object) -> Result<PackListing> {
        PackListing::read(&*self.store, &self.keys, &pack.name, pack.len)
    }

    /// Opens the chunk table of a block of a pack that was read whole.
    pub fn open_chunk_table(&self, block: BlockId, sealed: &[u8]) -> Result<ChunkTable> {
        PackListing::open_table(&self.keys, block, sealed)
    }

    /// The keyed identifier of a chunk's plaintext.
    pub fn chunk_id(&self, kind: crate::format::block::BlockKind, data: &[u8]) -> crate::id::ChunkId {
        match kind {
            crate::format::block::BlockKind::Content => self.keys.content_id(data),
            crate::format::block::BlockKind::Tree => self.keys.tree_id(data),
        }
    }

    /// Reads bytes of a pack.
    pub fn read_pack_at(&self, pack: &Object, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.store.read_at(&pack.name, offset, buffer).map_err(|source| store_error("read", &pack.name, source))
    }

    /// Does what leads to more space, with the space that is set aside where the store is full.
    pub(crate) fn with_reserve<T>(&self, work: impl Fn() -> Result<T>) -> Result<T> {
        match work() {
            Err(error) if error.kind() == Kind::NoSpace => {
                let released = self.store.release_reserve();
                let released = released.map_err(|source| store_error("release", "the reserve", source))?;
                if released { work() } else { Err(error) }
            }
            done => done,
        }
    }

    /// Counts what the store holds.
    pub fn statistics(&self) -> Result<Statistics> {
        let snapshots = self.snapshots()?;
        let index = self.index()?;
        let mut statistics = Statistics {
            snapshots: snapshots.iter().filter(|entry| !entry.forgotten).count() as u64,
            forgotten_snapshots: snapshots.iter().filter(|entry| entry.forgotten).count() as u64,
            chunks: index.chunk_rows(),
            ..Statistics::default()
        };
        index.for_each_block(|_, _| statistics.blocks += 1)?;
        let packs = self.list_packs()?;
        statistics.packs = packs.len() as u64;
        statistics.pack_bytes = packs.iter().map(|pack| pack.len).sum();
        statistics.objects = packs.len() as u64 + 1;
        for prefix in
            ["keys/", names::INDEX, names::REFS, names::SNAPSHOTS, names::TRASH, names::PARITY, names::LOSSES, "coord/"]
        {
            for object in list(&*self.store, prefix)? {
                statistics.other_bytes += object.len;
                statistics.objects += 1;
            }
        }
        let config = self.store.len(names::CONFIG).map_err(|source| store_error("read", names::CONFIG, source))?;
        let reserve = self.store.reserve_len().map_err(|source| store_error("read", "the reserve", source))?;
        statistics.other_bytes += config + reserve;
        Ok(statistics)
    }

    /// Publishes a reader's lease. Where the store takes no object, the reader goes on without one: a lease only keeps
    /// prune away, and beside a prune a reader can at worst fail to find an object.
    ///
    /// # Errors
    /// [`Error::Busy`] while a collector is at work.
    pub fn begin_reading(&self) -> Result<ReadLease<'_>> {
        let session = SessionId(random()?);
        let leases = self.leases();
        let published = match leases.publish(session, Role::Reader) {
            Err(Error::Store { source, .. }) if takes_no_object(&source) => None,
            other => other.map(|()| Some(session))?,
        };
        let lease = ReadLease { repository: self, published };
        refuse_conflict(&leases.open_leases(session)?, Role::Reader, "read repository")?;
        Ok(lease)
    }

    /// Whether a session that writes is open, or may be: what it publishes is not complete yet.
    pub fn has_open_writer(&self) -> Result<bool> {
        Ok(self.leases().open_leases(SessionId([0; 16]))?.may_write())
    }

    /// The leases that cannot be read: until they are gone nothing is pruned.
    pub fn unknown_leases(&self) -> Result<Vec<UnknownLease>> {
        Ok(self.leases().open_leases(SessionId([0; 16]))?.unknown)
    }

    pub(crate) fn leases(&self) -> Leases<'_> {
        Leases { store: &*self.store, keys: &self.keys, liveness: &self.liveness }
    }
}

/// A reader's claim: while it lives, nothing is pruned, unless it could not be published. Ended when dropped.
pub struct ReadLease<'a> {
    repository: &'a Repository,
    published: Option<SessionId>,
}

impl ReadLease<'_> {
    /// Whether others see it.
    pub fn is_published(&self) -> bool {
        self.published.is_some()
    }
}

impl Drop for ReadLease<'_> {
    fn drop(&mut self) {
        if let Some(session) = self.published {
            // A lease that cannot be ended stands until this process is gone, which others can see.
            let _ = self.repository.leases().end(session);
        }
    }
}

/// Whether a store that can be read refuses to be written.
fn takes_no_object(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), ReadOnlyFilesystem | StorageFull | QuotaExceeded | PermissionDenied)
}

fn read_slots(store: &dyn Store, repository: RepositoryId) -> Result<Vec<stored_keys::StoredSlot>> {
    let (slots, mut damaged) = readable_slots(store, repository)?;
    match damaged.pop() {
        Some(error) => Err(error),
        None => Ok(slots),
    }
}

/// The key slots that can be read, and what is wrong with the others.
fn readable_slots(store: &dyn Store, repository: RepositoryId) -> Result<(Vec<stored_keys::StoredSlot>, Vec<Error>)> {
    let (mut slots, mut damaged) = (BTreeMap::new(), Vec::new());
    for object in list(store, names::KEY_SLOTS)? {
        let id = object.name.strip_prefix(names::KEY_SLOTS).and_then(|id| SlotId::from_hex(id).ok());
        let Some(id) = id else {
            damaged.push(Error::damaged("list key slots", &object.name, "it is not the name of a key slot"));
            continue;
        };
        let bytes = read_object(store, &object.name, "read key slot")?;
        match stored_keys::decode_slot(repository, id, &bytes) {
            Ok(slot) => drop(slots.insert(id, slot)),
            Err(problem) => damaged.push(Error::damaged("read key slot", &object.name, problem)),
        }
    }
    Ok((slots.into_values().collect(), damaged))
}

pub(crate) fn list(store: &dyn Store, prefix: &str) -> Result<Vec<Object>> {
    store.list(prefix).map_err(|source| store_error("list", prefix, source))
}

pub(crate) fn put(store: &dyn Store, name: &str, bytes: &[u8]) -> Result<()> {
    store.put(name, bytes).map_err(|source| store_error("write", name, source))
}

fn delete(store: &dyn Store, name: &str) -> Result<()> {
    store.delete(name).map_err(|source| store_error("delete", name, source))
}

pub(crate) fn store_error(verb: &'static str, name: &str, source: std::io::Error) -> Error {
    Error::Store { verb, name: name.to_owned(), source }
}

#[cfg(test)]
mod tests;
