//! The plan of a prune as pure data: which packs go, which are rewritten, which stay.
//!
//! Owns the choice and its figures. Reads nothing and changes nothing.

use crate::format::names;
use crate::id::{PackId, SessionId, SnapshotId};

/// Part of the repository that may be dead weight inside packs before they are rewritten.
const TOLERATED_WASTE: f64 = 0.05;

/// One pack, as the plan sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackUse {
    pub id: PackId,
    pub session: SessionId,
    pub len: u64,
    /// Its length less what no snapshot needs; 0 if no snapshot needs any of it.
    pub live_bytes: u64,
}

impl PackUse {
    /// The pack's name in the store.
    pub fn name(&self) -> String {
        names::pack(self.id, self.session)
    }

    /// Bytes of it that no snapshot needs.
    pub fn wasted_bytes(&self) -> u64 {
        self.len.saturating_sub(self.live_bytes)
    }
}

/// What a prune would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrunePlan {
    /// Forgotten snapshots to be removed for good.
    pub snapshots: Vec<SnapshotId>,
    /// Forgotten snapshots that stay for now.
    pub held_snapshots: u64,
    /// Packs without a living block.
    pub delete: Vec<PackUse>,
    /// Packs whose living blocks move to new packs.
    pub repack: Vec<PackUse>,
    /// Packs that stay.
    pub keep: Vec<PackUse>,
    /// Bytes in kept packs that no snapshot needs.
    pub tolerated_bytes: u64,
}

impl PrunePlan {
    /// Bytes that the store will hold less; for blocks that are thinned, as many as their share of dead chunks tells.
    pub fn freed_bytes(&self) -> u64 {
        let deleted: u64 = self.delete.iter().map(|pack| pack.len).sum();
        let rewritten: u64 = self.repack.iter().map(PackUse::wasted_bytes).sum();
        deleted + rewritten
    }

    pub fn is_empty(&self) -> bool {
        self.snapshots.is_empty() && self.delete.is_empty() && self.repack.is_empty()
    }
}

/// Decides what becomes of each pack: dead ones go; of the others, those with the greatest share of dead bytes are
/// rewritten until what is dead in the rest is tolerable.
pub fn plan_prune(packs: Vec<PackUse>, snapshots: Vec<SnapshotId>) -> PrunePlan {
    let mut plan = PrunePlan { snapshots, ..PrunePlan::default() };
    let (dead, mut living): (Vec<_>, Vec<_>) = packs.into_iter().partition(|pack| pack.live_bytes == 0);
    plan.delete = dead;
    let live: u64 = living.iter().map(|pack| pack.live_bytes).sum();
    let tolerated = (live as f64 * TOLERATED_WASTE) as u64;
    let mut wasted: u64 = living.iter().map(PackUse::wasted_bytes).sum();
    living.sort_by_key(|pack| (std::cmp::Reverse(pack.wasted_bytes() * 1000 / pack.len.max(1)), pack.id));
    for pack in living {
        if wasted > tolerated {
            wasted -= pack.wasted_bytes();
            plan.repack.push(pack);
        } else {
            plan.keep.push(pack);
        }
    }
    plan.tolerated_bytes = wasted;
    plan
}
