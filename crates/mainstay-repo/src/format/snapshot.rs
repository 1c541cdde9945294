//! The snapshot object: the record that makes a backup exist.
//!
//! Owns its fields and their encoding; [`frame`] owns what stands around them. The record is sealed under the writing session's
//! tree key.

pub mod frame;

use super::tree::Content;
use super::{Decoded, Problem, from_cbor, to_cbor};
use crate::id::{RepositoryId, SessionId, SnapshotId};

/// What was read to make a snapshot. Every type restores by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackupType {
    /// Every byte was read again; what the file system says about changes was not believed.
    Full,
    /// What the file system says is unchanged since the last snapshot of the source was not read.
    Incremental,
    /// The same, relative to the last full snapshot.
    Differential,
}

impl BackupType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
            Self::Differential => "differential",
        }
    }
}

impl<C> minicbor::Encode<C> for BackupType {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let number = match self {
            Self::Full => 1,
            Self::Incremental => 2,
            Self::Differential => 3,
        };
        encoder.u8(number)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for BackupType {
    fn decode(decoder: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        match decoder.u8()? {
            1 => Ok(Self::Full),
            2 => Ok(Self::Incremental),
            3 => Ok(Self::Differential),
            _ => Err(minicbor::decode::Error::message("unknown backup type")),
        }
    }
}

/// What a backup did, in entries and bytes of content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct SnapshotStatistics {
    #[n(1)]
    pub files: u64,
    #[n(2)]
    pub directories: u64,
    /// Symbolic links, devices, FIFOs and sockets.
    #[n(3)]
    pub others: u64,
    /// Content of all files.
    #[n(4)]
    pub content_bytes: u64,
    /// Files whose content was read in this run.
    #[n(5)]
    pub files_read: u64,
    #[n(6)]
    pub read_bytes: u64,
    /// Files taken from the parent because size, times and inode are as they were.
    #[n(7)]
    pub files_believed: u64,
    #[n(8)]
    pub believed_bytes: u64,
    /// Content and tree bytes that were not in the repository yet.
    #[n(9)]
    pub new_bytes: u64,
    /// Bytes of the packs that this run added.
    #[n(10)]
    pub stored_bytes: u64,
    #[n(11)]
    pub warnings: u64,
    #[n(12)]
    pub excluded: u64,
}

/// Where a copied snapshot was made: in which repository, and as which snapshot. Copies of copies name the first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Origin {
    #[n(1)]
    pub repository: RepositoryId,
    #[n(2)]
    pub snapshot: SnapshotId,
}

/// One backup's root record.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Snapshot {
    /// Name of the source; its keyed hash is the folder in the store.
    #[n(1)]
    pub source: String,
    /// Position in the source's history, from 1.
    #[n(2)]
    pub sequence: u64,
    #[n(3)]
    pub host: String,
    #[n(4)]
    pub user: String,
    /// The paths that were asked for, as the source spells them.
    #[n(5)]
    pub paths: Vec<minicbor::bytes::ByteVec>,
    /// Begin and end by the writer's clock, nanoseconds since the Unix epoch; a claim, never trusted for safety.
    #[n(6)]
    pub started: i64,
    #[n(7)]
    pub ended: i64,
    #[n(8)]
    pub backup_type: BackupType,
    /// The snapshot whose metadata was believed.
    #[n(9)]
    pub parent: Option<SnapshotId>,
    /// The full snapshot that a differential or incremental builds on.
    #[n(10)]
    pub base: Option<SnapshotId>,
    /// The last snapshot of the source that the writer saw: the chain that makes a rewind visible.
    #[n(11)]
    pub previous: Option<SnapshotId>,
    /// Shares no pack with earlier snapshots.
    #[n(12)]
    pub independent: bool,
    /// Pages of the root directory.
    #[n(13)]
    pub root: Content,
    /// BLAKE3 of the reference map object.
    #[n(14)]
    #[cbor(with = "minicbor::bytes")]
    pub references: [u8; 32],
    #[n(15)]
    pub session: SessionId,
    #[n(16)]
    pub tags: Vec<String>,
    #[n(17)]
    pub statistics: SnapshotStatistics,
    /// The program and its version.
    #[n(18)]
    pub program: String,
    /// The snapshot of another repository that this one is a copy of.
    #[n(19)]
    pub origin: Option<Origin>,
}

impl Snapshot {
    pub(crate) fn encode(&self) -> Vec<u8> {
        to_cbor(self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Decoded<Self> {
        let snapshot: Self = from_cbor("snapshot", bytes)?;
        if snapshot.sequence == 0 {
            return Err(Problem::new("a snapshot's sequence begins at 1"));
        }
        Ok(snapshot)
    }
}

#[cfg(test)]
mod tests;
