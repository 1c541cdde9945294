//! A snapshot of another repository as what is backed up.
//!
//! Owns what its record keeps of the one that it is a copy of. Reads nothing.

use std::sync::Arc;

use mainstay_repo::{Origin, Snapshot, SnapshotId};

use super::OwnerNames;

/// What a copy is made of.
pub struct Copied {
    pub original: Snapshot,
    pub origin: Origin,
    /// The copy, in the repository that is written, of a snapshot with which the source compares its entries.
    pub before: Option<SnapshotId>,
    /// The names that the snapshot has for users and groups, known when their entries were listed.
    pub names: Arc<dyn OwnerNames + Send>,
}

impl Copied {
    /// Times, type and what the backup met are the original's: they tell of the backup, and retention goes by them.
    pub(super) fn record(&self, snapshot: Snapshot) -> Snapshot {
        let original = &self.original;
        let mut statistics = snapshot.statistics;
        statistics.warnings = original.statistics.warnings;
        statistics.excluded = original.statistics.excluded;
        Snapshot {
            started: original.started,
            ended: original.ended,
            backup_type: original.backup_type,
            origin: Some(self.origin),
            statistics,
            ..snapshot
        }
    }
}
