//! An open repository: its keys, its snapshots, and the doors to reading and writing.
//!
//! Owns creating and opening, snapshots and forgetting. Never writes blocks: a `Session` does.

mod archived;
mod chain;
mod copies;
mod forgetting;
mod history;
mod key_change;
mod listing;
mod locked;
mod losses;
mod lost_keys;
mod reading;
mod rotation;
mod seen;
mod slots;
mod small_objects;
mod stand_in;

use std::collections::HashSet;
use std::sync::Arc;

use crate::chunker::Chunker;
use crate::compress::Compressors;
use crate::condemned::CondemnedLists;
use crate::error::{Error, Kind, Result};
use crate::fence::Fences;
use crate::format::block::{BlockKind, ChunkTable};
use crate::format::config::{self, Config, ConfigProblem};
use crate::format::lease::Role;
use crate::format::refs::BlockSet;
use crate::format::snapshot::Snapshot;
use crate::format::{FORMAT_VERSION, keys as stored_keys, limits, names, refs};
use crate::id::{BlockId, ChunkId, PackId, RepositoryId, SessionId, SlotId, SnapshotId, SourceId};
use crate::index::{Care, Index};
use crate::keys::{KeySlot, Keys, Right, Rights, Secret};
use crate::lease::{Leases, Liveness, UnknownLease};
use crate::pack_reader::{BlockReader, DataKeys, PackListing, pack_error, read_object};
use crate::seal::{preferred_suite, random};
use crate::signer::Judge;
use crate::store::{Object, Store, Vacancy, is_absent, is_lost_on_disk, is_present};
pub(crate) use archived::{read_holds, read_manifest};
pub use chain::{Break, Chain, Link};
pub use copies::{AddedCopies, CopyCoverage, DroppedCopies};
pub use forgetting::Marks;
pub use history::{Beside, Removed};
pub(crate) use listing::{AllSnapshots, ProvedSnapshot};
pub use listing::{Listing, LostSnapshot, SnapshotPlace};
pub use locked::Locked;
pub use losses::KnownLosses;
pub use reading::SignedSnapshot;
pub use rotation::{OtherKeys, RotationReport};
pub use seen::{Rewind, Seen};
use slots::readable_slots;
pub use slots::{KeySlots, WriterMay};
pub use small_objects::SmallDamage;

/// A snapshot and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotEntry {
    pub id: SnapshotId,
    pub snapshot: Snapshot,
    /// Forgotten, and still here until the next prune.
    pub forgotten: bool,
    /// A session has let it count, and has not confirmed that it is whole.
    pub unconfirmed: bool,
}

/// What is found where a repository was to be created.
const REPOSITORY_EXISTS: &str = "a repository exists already";

/// Everything but packs and the configuration.
const OTHER_FOLDERS: [&str; 11] = [
    names::ARCHIVE,
    "keys/",
    names::INDEX,
    names::REFS,
    names::SNAPSHOTS,
    names::HISTORY,
    names::TRASH,
    names::PARITY,
    names::LOSSES,
    names::COORD,
    names::COPIES,
];

/// Keys that an error names: more would be no help.
const NAMED_HOLDERS: usize = 3;

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
    pub(crate) judge: Arc<Judge>,
    slot: SlotId,
    /// What was damaged of it when it was opened, in words.
    opened_despite: Vec<String>,
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
        let keys = Keys::generate(preferred_suite(), label, created)?;
        let created = Self::publish_new(store, keys, secret, liveness)?;
        // A disk that is full already takes no reserve, and needs none more than it lacks everything else.
        let _ = created.store.keep_reserve();
        Ok(created)
    }

    /// Creates a repository for one snapshot, which is sealed when that is in it; else as [`Repository::create`].
    pub fn create_archive(
        store: Arc<dyn Store>,
        secret: &Secret,
        label: &str,
        liveness: Liveness,
        created: i64,
    ) -> Result<Self> {
        let keys = Keys::generate(preferred_suite(), label, created)?.for_archive();
        Self::publish_new(store, keys, secret, liveness)
    }

    /// Publishes the first key slot, then the configuration.
    fn publish_new(store: Arc<dyn Store>, keys: Keys, secret: &Secret, liveness: Liveness) -> Result<Self> {
        prepare_empty(&*store)?;
        let abandoned = list(&*store, names::KEY_SLOTS)?;
        let config = *keys.config();
        let slot = keys.wrap_own_slot(secret)?;
        let slot_name = names::key_slot(slot.id, 0);
        put(&*store, &slot_name, &stored_keys::encode_slot(config.repository, &slot))?;
        match publish_config(&*store, &config) {
            Err(lost @ Error::Occupied { .. }) => {
                delete(&*store, &slot_name)?;
                return Err(lost);
            }
            published => published?,
        }
        // Slots that stood there before belong to creations that were interrupted or have lost. Until now one of them
        // could have won; and a new repository is whole, whether they go or not.
        abandoned.iter().for_each(|slot| drop(delete(&*store, &slot.name)));
        Ok(Self::assemble(store, keys, slot.id, liveness))
    }

    /// Opens a repository with one of its secrets.
    pub fn open(store: Arc<dyn Store>, secret: &Secret, liveness: Liveness) -> Result<Self> {
        Locked::find(store)?.unlock(secret, liveness)
    }

    /// Reads which repository a store holds; needs no key.
    pub fn identify(store: &dyn Store) -> Result<RepositoryId> {
        stand_in::find_config(store).map(|(config, _)| config.repository)
    }

    /// What was damaged or gone when the repository was opened, by second copies of it.
    pub fn opened_despite(&self) -> &[String] {
        &self.opened_despite
    }

    fn read_config(store: &dyn Store) -> Result<Config> {
        let location = store.location();
        let bytes = store.read(names::CONFIG, limits::CONFIG_LEN).map_err(|source| {
            if is_absent(&source) {
                return Error::NoRepository { location: location.clone() };
            }
            if is_lost_on_disk(&source) {
                return Error::damaged("read", names::CONFIG, source);
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
            judge: Judge::new(keys.config().repository).into(),
            data_keys: Arc::new(DataKeys::new(store.clone(), keys.clone())),
            chunker: Arc::new(Chunker::new(keys.chunker_key())),
            compressors: Arc::new(Compressors::default()),
            store,
            keys,
            liveness,
            slot,
            opened_despite: Vec::new(),
        }
    }

    /// The same repository in another place.
    pub(crate) fn beside(&self, store: Arc<dyn Store>) -> Self {
        let keys = Arc::new(self.keys.apart());
        Self {
            data_keys: Arc::new(DataKeys::new(store.clone(), keys.clone())),
            store,
            keys,
            chunker: self.chunker.clone(),
            compressors: self.compressors.clone(),
            liveness: self.liveness.clone(),
            judge: self.judge.clone(),
            slot: self.slot,
            opened_despite: Vec::new(),
        }
    }

    pub fn id(&self) -> RepositoryId {
        self.keys.config().repository
    }

    pub fn location(&self) -> String {
        self.store.location()
    }

    /// A name for a place in which this repository lies, that tells nobody else which place it is.
    pub fn place_name(&self, place: &[u8]) -> String {
        let id = self.keys.claim_id(&[b"place ", place].concat());
        id.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The store beneath, for those who look at single objects.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// The cutter of this repository.
    pub fn chunker(&self) -> &Chunker {
        &self.chunker
    }

    pub fn own_slot(&self) -> SlotId {
        self.slot
    }

    /// What the key may do that opened this repository.
    pub fn rights(&self) -> Rights {
        self.keys.rights()
    }

    /// Makes sure that the key has a right.
    ///
    /// # Errors
    /// [`Error::NotAllowed`], which names keys that have it, as their slots say.
    pub fn require(&self, right: Right, verb: &'static str) -> Result<()> {
        if self.keys.rights().has(right) {
            return Ok(());
        }
        let (slots, _) = readable_slots(&*self.store, self.id())?;
        let slots = slots.iter().map(KeySlot::from).filter(|slot| slot.rights.has(right));
        let named: Vec<String> =
            slots.take(NAMED_HOLDERS).map(|slot| format!("{} ({})", slot.id.short(), slot.label)).collect();
        let holders = if named.is_empty() { String::new() } else { format!("; {} may", named.join(", ")) };
        Err(Error::NotAllowed { verb, right: right.name(), holders })
    }

    /// Makes sure that the key has every right: only then has it the secrets of all domains.
    ///
    /// # Errors
    /// As above.
    pub fn require_all(&self, verb: &'static str) -> Result<()> {
        self.require(Right::Maintain, verb)?;
        self.require(Right::Restore, verb)
    }

    /// Whether the key has every right.
    pub fn may_do_everything(&self) -> bool {
        self.keys.rights() == Rights::ALL
    }

    /// Opens the index as it is now. List snapshots before, if both are needed: a snapshot's blocks are indexed before it
    /// appears.
    pub fn index(&self) -> Result<Arc<Index>> {
        self.index_without(HashSet::new(), Care::Tails)
    }

    /// Opens the index; blocks in `absent` packs count as absent, and so do those in condemned packs. A list that is damaged
    /// dooms nothing here: whoever relies on copies looks at the lists first.
    pub(crate) fn index_without(&self, absent: HashSet<PackId>, care: Care) -> Result<Arc<Index>> {
        self.open_index_without(absent, care).map(Arc::new)
    }

    /// The same for whoever changes what it finds.
    pub(crate) fn open_index_without(&self, mut absent: HashSet<PackId>, care: Care) -> Result<Index> {
        absent.extend(self.condemned()?.packs());
        self.open_index(absent, care)
    }

    /// Opens the index; blocks in `absent` packs count as absent, and in no others.
    pub(crate) fn index_beside(&self, absent: HashSet<PackId>, care: Care) -> Result<Arc<Index>> {
        self.open_index(absent, care).map(Arc::new)
    }

    /// The same for whoever changes what it finds.
    pub(crate) fn open_index(&self, absent: HashSet<PackId>, care: Care) -> Result<Index> {
        Index::open(self.store.clone(), self.keys.clone(), absent, care)
    }

    /// The sessions that count for nothing any more.
    pub fn fences(&self) -> Result<Fences> {
        Fences::read(&*self.store, &self.judge)
    }

    /// What collectors have doomed.
    pub(crate) fn condemned(&self) -> Result<CondemnedLists> {
        CondemnedLists::read(&*self.store, &self.judge)
    }

    /// Snapshots that are forgotten and that a prune has begun to remove: what they need may be gone, and is no loss.
    pub fn doomed_snapshots(&self) -> Result<HashSet<SnapshotId>> {
        let marked = self.marked()?;
        Ok(self.condemned()?.snapshots().into_iter().filter(|id| marked.contains(id)).collect())
    }

    /// Opens an index of these tables alone, for a check that goes on when others are damaged.
    pub fn index_of(&self, tables: &[Object]) -> Result<Arc<Index>> {
        Index::of_tables(self.store.clone(), self.keys.clone(), tables).map(Arc::new)
    }

    /// Opens blocks through an index.
    pub fn block_reader(&self, index: &Arc<Index>) -> BlockReader {
        BlockReader::new(self.store.clone(), self.keys.clone(), self.data_keys.clone(), index.clone())
    }

    /// The identifier of a source as it is shown, by which the names of its snapshots begin.
    pub fn source_id(&self, shown: &str) -> SourceId {
        self.keys.shown_source_id(shown)
    }

    /// The identifier of a source to which this key backs up.
    pub fn own_source_id(&self, name: &str) -> SourceId {
        self.keys.source_id(name)
    }

    /// The identifier of the source of a snapshot.
    pub fn source_id_of(&self, snapshot: &Snapshot) -> SourceId {
        self.keys.source_id_of(snapshot.session, &snapshot.source)
    }

    /// Whether a snapshot was written in the domain of this key: nothing is believed of others.
    pub fn is_own(&self, snapshot: &Snapshot) -> bool {
        self.keys.domain_of(snapshot.session) == self.keys.own_domain()
    }

    /// The blocks that a snapshot needs, checked against what the snapshot says of its map.
    pub fn references(&self, entry: &SnapshotEntry) -> Result<BlockSet> {
        self.reference_map(entry.id, &entry.snapshot.references)
    }

    /// The same, given the hash of the map.
    pub(crate) fn reference_map(&self, id: SnapshotId, hash: &[u8; 32]) -> Result<BlockSet> {
        self.read_reference_map(id, hash).map(|(_, blocks)| blocks)
    }

    /// The same, with its bytes.
    pub(crate) fn read_reference_map(&self, id: SnapshotId, hash: &[u8; 32]) -> Result<(Vec<u8>, BlockSet)> {
        let name = names::refs(id);
        let bytes = read_object(&*self.store, &name, "read reference map")?;
        if blake3::hash(&bytes).as_bytes() != hash {
            return Err(Error::damaged("read reference map", name, "it is not the map that its snapshot names"));
        }
        match refs::decode(self.id(), &bytes) {
            Ok(blocks) => Ok((bytes, blocks)),
            Err(problem) => Err(Error::damaged("read reference map", name, problem)),
        }
    }

    /// Makes sure that an object that somebody else may have published lasts.
    pub(crate) fn make_durable(&self, name: &str) -> Result<()> {
        self.store.make_durable(name).map_err(|source| store_error("sync", name, source))
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
        PackListing::open_table(&self.data_keys, block, sealed)
    }

    /// The keyed identifier of a chunk's plaintext, in the domain of the session that stored it.
    pub fn chunk_id(&self, session: SessionId, kind: BlockKind, data: &[u8]) -> Result<ChunkId> {
        match kind {
            BlockKind::Content => self.keys.content_id_of(session, data),
            BlockKind::Tree => self.keys.tree_id_of(session, data),
        }
    }

    /// Reads bytes of a pack.
    pub fn read_pack_at(&self, pack: &Object, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.store.read_at(&pack.name, offset, buffer).map_err(|source| pack_error(&pack.name, source))
    }

    /// Does what leads to more space, with the space that is set aside where the store is full.
    pub(crate) fn with_reserve<T>(&self, mut work: impl FnMut() -> Result<T>) -> Result<T> {
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
        for prefix in OTHER_FOLDERS {
            for object in list(&*self.store, prefix)? {
                statistics.other_bytes += object.len;
                statistics.objects += 1;
            }
        }
        let config = match self.store.len(names::CONFIG) {
            Err(source) if is_absent(&source) => 0,
            len => len.map_err(|source| store_error("read", names::CONFIG, source))?,
        };
        let reserve = self.store.reserve_len().map_err(|source| store_error("read", "the reserve", source))?;
        statistics.other_bytes += config + reserve;
        Ok(statistics)
    }

    /// Publishes a reader's lease. Where the store takes no object, the reader goes on without one: a lease only keeps
    /// packs from being deleted, and beside a prune a reader can at worst fail to find an object.
    pub fn begin_reading(&self) -> Result<ReadLease<'_>> {
        let session = SessionId(random()?);
        let leases = self.leases();
        let mut own = match leases.publish(session, Role::Reader) {
            Err(Error::Store { source, .. }) if takes_no_object(&source) => {
                return Ok(ReadLease { repository: self, published: None });
            }
            other => other?,
        };
        let lease = ReadLease { repository: self, published: Some(session) };
        let condemned = self.condemned()?;
        if !condemned.is_empty() {
            leases.acknowledge(&mut own, condemned.ids())?;
        }
        Ok(lease)
    }

    /// Whether a session that writes is open, or may be: what it publishes is not complete yet.
    pub fn has_open_writer(&self) -> Result<bool> {
        Ok(self.leases().open_leases(SessionId([0; 16]))?.may_write())
    }

    /// The leases that cannot be read: the next prune fences their sessions.
    pub fn unknown_leases(&self) -> Result<Vec<UnknownLease>> {
        Ok(self.leases().open_leases(SessionId([0; 16]))?.unknown)
    }

    pub(crate) fn leases(&self) -> Leases<'_> {
        Leases { store: &*self.store, keys: &self.keys, judge: &self.judge, liveness: &self.liveness }
    }
}

/// A reader's claim: while it lives, no pack goes that was not condemned before, unless it could not be published. Ended
/// when dropped.
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

/// Makes a store ready in which nothing is yet.
///
/// # Errors
/// [`Error::Occupied`] when there is something.
pub(crate) fn prepare_empty(store: &dyn Store) -> Result<()> {
    let location = store.location();
    let found = match store.prepare().map_err(|source| store_error("prepare", &location, source))? {
        Vacancy::Empty => return Ok(()),
        Vacancy::Repository => REPOSITORY_EXISTS,
        Vacancy::Foreign => "the place is not empty",
    };
    Err(Error::Occupied { location, found })
}

/// Publishes a configuration: of several who create at once, the one whose configuration it is has the place.
///
/// # Errors
/// [`Error::Occupied`] when that is somebody else.
pub(crate) fn publish_config(store: &dyn Store, config: &Config) -> Result<()> {
    match put(store, names::CONFIG, &config::encode(config)) {
        Err(Error::Store { source, .. }) if is_present(&source) => {
            Err(Error::Occupied { location: store.location(), found: REPOSITORY_EXISTS })
        }
        published => published,
    }
}

pub(crate) fn list(store: &dyn Store, prefix: &str) -> Result<Vec<Object>> {
    store.list(prefix).map_err(|source| store_error("list", prefix, source))
}

pub(crate) fn put(store: &dyn Store, name: &str, bytes: &[u8]) -> Result<()> {
    store.put(name, bytes).map_err(|source| store_error("write", name, source))
}

/// Deletes an object for good, whatever has a second copy with that: before it, so that a copy without its object tells of a loss,
/// and after it, in case that somebody has put the copy meanwhile (docs/adr/0025-second-copies.md).
pub(crate) fn delete(store: &dyn Store, name: &str) -> Result<()> {
    let delete = |name: &str| store.delete(name).map_err(|source| store_error("delete", name, source));
    if !names::has_second_copy(name) {
        return delete(name);
    }
    let copy = names::second_copy(name);
    delete(&copy)?;
    delete(name)?;
    delete(&copy)
}

pub(crate) fn store_error(verb: &'static str, name: &str, source: std::io::Error) -> Error {
    Error::Store { verb, name: name.to_owned(), source }
}

#[cfg(test)]
mod tests;
