//! What a running verb tells, and how it is told to stop.
//!
//! Owns the traits only. Nothing here prints.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a run is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading the source and storing what is new.
    BackUp,
    /// Writing the last packs, the index and the snapshot.
    Commit,
    /// Reading trees to plan.
    Plan,
    /// Writing files back.
    Restore,
    /// Setting times and modes of directories.
    Finish,
    /// Reading back and comparing.
    Verify,
    /// Moving what is needed out of sparse packs.
    Prune,
    /// Bringing what another copy of the repository has.
    Sync,
    /// Storing a snapshot of another repository.
    Copy,
}

/// Whether what is expected is all that the run will come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// More is being found: so much at least.
    AtLeast,
    InAll,
}

/// What a backup does with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'a> {
    New,
    Changed,
    /// It is read although nothing about it says that it changed.
    Read,
    Unchanged,
    /// By this rule.
    Excluded(&'a str),
}

/// Receives what happens. Calls come from many threads and must be cheap; all counts are increments.
pub trait Progress: Send + Sync {
    fn phase(&self, phase: Phase);
    /// More that the run will come to (files, content bytes).
    fn expect(&self, files: u64, bytes: u64);
    /// Whether more will be expected; nothing more is, unless this says so.
    fn outlook(&self, outlook: Outlook);
    /// The entry that is being worked on.
    fn item(&self, path: &dyn Fn() -> String);
    /// What a backup does with an entry; called in the order of the walk.
    fn decided(&self, _decision: Decision<'_>, _path: &dyn Fn() -> String) {}
    /// Files done, and bytes of content done (read, believed, written or checked).
    fn advance(&self, files: u64, bytes: u64);
    /// Bytes of content that were in the repository already.
    fn deduplicated(&self, bytes: u64);
    /// Something the user should know; the run goes on.
    fn warn(&self, path: &str, message: &str);
}

/// A progress that tells nobody.
pub struct NoProgress;

impl Progress for NoProgress {
    fn phase(&self, _: Phase) {}
    fn expect(&self, _: u64, _: u64) {}
    fn outlook(&self, _: Outlook) {}
    fn item(&self, _: &dyn Fn() -> String) {}
    fn advance(&self, _: u64, _: u64) {}
    fn deduplicated(&self, _: u64) {}
    fn warn(&self, _: &str, _: &str) {}
}

/// A request to stop, shared between the signal handler and the run. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub fn request(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Answers an error once a stop is requested.
    pub fn check(&self) -> crate::Result<()> {
        if self.is_requested() { Err(crate::Error::Cancelled) } else { Ok(()) }
    }
}
