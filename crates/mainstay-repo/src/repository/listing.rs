//! What a listing of the snapshots finds: those that can be read, and what the names of the others still tell.
//!
//! Owns the two shapes. Reads nothing.

use super::SnapshotEntry;
use crate::error::Error;
use crate::id::{SnapshotId, SourceId};

/// A snapshot that is in the store and cannot be read.
#[derive(Debug)]
pub struct LostSnapshot {
    /// The object's name.
    pub name: String,
    pub error: Error,
    /// Where the name puts it; none if it is not the name of a snapshot.
    pub place: Option<SnapshotPlace>,
    pub forgotten: bool,
}

/// Where a snapshot stands, as the name of its object says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotPlace {
    pub source: SourceId,
    pub sequence: u64,
    pub id: SnapshotId,
}

/// Everything that a listing found.
pub(super) struct Listed {
    pub entries: Vec<SnapshotEntry>,
    pub lost: Vec<LostSnapshot>,
    /// A snapshot that was listed and then not there.
    pub vanished: Option<Error>,
}
