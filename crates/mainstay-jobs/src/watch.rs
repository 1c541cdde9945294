//! A run of a prune, a repair, a sync or the making of parity, as the engine sees it.
//!
//! Owns telling the engine's steps as phases. Never decides anything about the run.

use mainstay_repo::{PruneObserver, PrunePhase};

use crate::{Cancel, Phase, Progress};

/// What is told of a run, and who may ask it to stop.
pub struct Watch<'r> {
    progress: &'r dyn Progress,
    cancel: &'r Cancel,
    /// What the user is told while the engine looks at what is there, and while it moves blocks.
    looking: Phase,
    moving: Phase,
}

impl<'r> Watch<'r> {
    /// Of a prune: looking is planning.
    pub fn of_prune(progress: &'r dyn Progress, cancel: &'r Cancel) -> Self {
        Self { progress, cancel, looking: Phase::Plan, moving: Phase::Prune }
    }

    /// Of a repair, or the making of parity: looking is reading packs back.
    pub fn of_repair(progress: &'r dyn Progress, cancel: &'r Cancel) -> Self {
        Self { progress, cancel, looking: Phase::Verify, moving: Phase::Prune }
    }

    /// Of a sync: looking is planning, and what is moved comes from another copy of the repository.
    pub fn of_sync(progress: &'r dyn Progress, cancel: &'r Cancel) -> Self {
        Self { progress, cancel, looking: Phase::Plan, moving: Phase::Sync }
    }
}

impl PruneObserver for Watch<'_> {
    fn phase(&self, phase: PrunePhase) {
        self.progress.phase(match phase {
            PrunePhase::Plan => self.looking,
            PrunePhase::Rewrite => self.moving,
            PrunePhase::Finish => Phase::Finish,
        });
    }

    fn expect(&self, packs: u64, bytes: u64) {
        self.progress.expect(packs, bytes);
    }

    fn advance(&self, packs: u64, bytes: u64) {
        self.progress.advance(packs, bytes);
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_requested()
    }
}
