//! The repository engine: bytes in, bytes out.
//!
//! Owns chunking, deduplication, compression, sealing, packs, the index, snapshots and pruning over named bytes in a
//! [`Store`]. Knows no network, no async, no wall clock, no environment, and no files or databases of a user.
//! Invariant: a snapshot object is published only after everything it refers to is durable in the store.

mod archive;
mod chunker;
mod compress;
mod condemned;
mod error;
mod fence;
#[cfg(test)]
mod fixtures;
mod format;
#[doc(hidden)]
pub mod fuzzing;
mod heard;
mod id;
mod index;
mod keys;
mod lease;
mod pack_reader;
mod pack_writer;
mod parity;
mod prune;
mod repair;
mod repository;
mod seal;
mod session;
mod signer;
pub mod store;
mod sync;
mod tree_reader;

pub use archive::{Advance, Archive, ObjectDamage, Stray};
pub use chunker::{Chunker, Cutting, MAX_CHUNK_LEN};
pub use error::{Error, Kind, Result};
pub use fence::Fences;
pub use format::archive::{Manifest, SealedObject};
pub use format::block::{BlockKind, ChunkTable};
pub use format::history::RemovedSnapshot;
pub use format::limits;
pub use format::names;
pub use format::pack::PackRow;
pub use format::refs::BlockSet;
pub use format::snapshot::{BackupType, Origin, Snapshot, SnapshotStatistics};
pub use format::tree::{Content, Extent, ExtentList, Node, NodeKind, Owners, TreePage};
pub use id::{BlockId, ChunkId, DomainId, PackId, RepositoryId, SessionId, SlotId, SnapshotId, SourceId, TableId};
pub use index::Index;
pub use keys::{KeySlot, Recipient, RecipientCode, RecoveryCode, Right, Rights, Secret, SlotKind};
pub use lease::{Liveness, UnknownLease};
pub use pack_reader::{BlockPlace, BlockReader, Expected, OpenBlock, PackListing};
pub use parity::{DEFAULT_PERCENT, PERCENTS, Verdict};
pub use prune::{PackUse, PruneObserver, PrunePhase, PrunePlan, PruneReport, Waiting, plan_prune};
pub use repair::{
    AddedParity, DroppedParity, Loss, Means, OnLoss, ParityCoverage, RepairMode, RepairOptions, RepairReport, Repaired,
    Resting, SidecarDepth,
};
pub use repository::{
    AddedCopies, Beside, Break, Chain, CopyCoverage, DroppedCopies, KeySlots, KnownLosses, Link, Listing, Locked,
    LostSnapshot, Marks, OtherKeys, ReadLease, Removed, Repository, Rewind, RotationReport, Seen, SignedSnapshot,
    SmallDamage, SnapshotEntry, SnapshotPlace, Statistics, WriterMay,
};
pub use session::{Draft, Effort, Permits, Presence, Session, SessionReport, Sharing};
pub use signer::Holder;
pub use store::{LocalStore, MemoryStore, Store};
pub use sync::SyncReport;
pub use tree_reader::TreeReader;
