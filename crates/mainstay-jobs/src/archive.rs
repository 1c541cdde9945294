//! Archive: one snapshot in a bundle of its own, with its own keys, sealed and held.
//!
//! Owns the order: the snapshot is copied whole, then the bundle is sealed. One that was interrupted before is no archive, and says so
//! wherever it is met. Creates no keys: it is handed the empty bundle.

use mainstay_repo::store::{Lock, LockMode};
use mainstay_repo::{Archive, SnapshotEntry};

use crate::copy::{CopiedSnapshot, CopyPlan, CopyReport, CopyRun, copy};
use crate::{Error, Phase, Result};

/// A bundle that was made.
pub struct Sealed {
    pub copied: CopiedSnapshot,
    pub archive: Archive,
    /// Whether the store itself keeps it.
    pub lock: Lock,
}

/// Copies a snapshot into an empty bundle, and seals that.
///
/// # Errors
/// When anything of the snapshot cannot be read, or the bundle cannot be written: then it is not sealed.
pub fn create(run: &CopyRun<'_>, entry: &SnapshotEntry, hold: Option<(i64, LockMode)>) -> Result<Sealed> {
    let plan = CopyPlan { missing: vec![entry], present: Vec::new() };
    let CopyReport { mut copied, mut left_out, .. } = copy(run, &plan, &[])?;
    if let Some((_, error)) = left_out.pop() {
        return Err(error);
    }
    let copied = copied.pop().ok_or_else(|| Error::Invalid("internal error: nothing was copied".to_owned()))?;
    run.cancel.check()?;
    run.progress.phase(Phase::Finish);
    let (archive, lock) = run.to.seal_archive(copied.copy.id, hold, &run.program, run.clock.now())?;
    Ok(Sealed { copied, archive, lock })
}
