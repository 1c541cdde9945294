//! Who watches a prune, and may ask it to stop.
//!
//! Owns the trait only. A stop is heard between pages, packs and stages, never in the middle of one.

use crate::error::{Error, Result};

/// What a prune is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrunePhase {
    /// Reading what there is and what is needed of it.
    Plan,
    /// Moving what is needed into new packs.
    Rewrite,
    /// Writing tables, and removing what they no longer name.
    Finish,
}

/// Receives what happens. Calls come from several threads and must be cheap; all counts are increments.
pub trait PruneObserver: Sync {
    fn phase(&self, phase: PrunePhase);
    /// What the phase will come to (packs, their bytes).
    fn expect(&self, packs: u64, bytes: u64);
    /// Packs done, and their bytes.
    fn advance(&self, packs: u64, bytes: u64);
    /// Whether the prune is to end at the next boundary.
    fn is_cancelled(&self) -> bool;

    /// Answers an error once a stop is asked for.
    fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

/// Nobody.
pub struct Unobserved;

impl PruneObserver for Unobserved {
    fn phase(&self, _: PrunePhase) {}
    fn expect(&self, _: u64, _: u64) {}
    fn advance(&self, _: u64, _: u64) {}
    fn is_cancelled(&self) -> bool {
        false
    }
}
