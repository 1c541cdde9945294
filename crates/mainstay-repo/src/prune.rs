//! Pruning: which packs go, which are rewritten, and doing it.
//!
//! `plan_prune` is a pure function of what each pack holds and what is needed of it; `Repository::prune` carries a plan
//! out. What is needed is known from reference maps, and of the blocks that are needed in part, from the trees.
//!
//! Safety: the collector's lease is open and no other session's is (see `lease`). A pack is deleted only after a condemned
//! list that names it is in the store; rewritten blocks are durable and indexed before that list names their old packs.
//! The lists go last, when no table of blocks names their packs any more. A crash at any point leaves every kept snapshot
//! whole, and the next prune finishes the work. What frees space comes before what needs space.

mod inventory;
mod living;
mod plan;
mod removal;
mod repack;
mod thin;

use std::collections::HashSet;

use crate::error::{Error, Kind, Result};
use crate::format::lease::Role;
use crate::id::SessionId;
use crate::index::Care;
use crate::lease::refuse_conflict;
use crate::repository::{Repository, store_error};
use crate::seal::random;
use crate::session::complete_index;

use inventory::Inventory;
pub use plan::{PackUse, PrunePlan, plan_prune};
use removal::Removal;
use repack::repack;

/// What a prune did.
#[derive(Debug, Default)]
pub struct PruneReport {
    pub plan: PrunePlan,
    /// Objects deleted of every kind.
    pub deleted_objects: u64,
    /// Bytes that were written to new packs.
    pub repacked_bytes: u64,
    /// Why packs were kept that should have been rewritten: something that is needed is damaged, or the store is full.
    pub left: Vec<Error>,
}

impl Repository {
    /// Says what a prune would do now; changes nothing.
    pub fn plan_prune(&self) -> Result<PrunePlan> {
        Ok(self.take_inventory()?.1)
    }

    /// Removes forgotten snapshots and what only they needed.
    ///
    /// # Errors
    /// [`Error::Busy`] while another session is open.
    pub fn prune(&self) -> Result<PruneReport> {
        let session = SessionId(random()?);
        let leases = self.leases();
        // Of a lease that is not whole nothing may be left: half of it stands in everybody's way.
        let published = self.with_reserve(|| leases.publish(session, Role::Collector));
        published.inspect_err(|_| drop(leases.end(session)))?;
        let result = self.prune_under_lease(session);
        self.with_reserve(|| leases.end(session))?;
        if result.is_ok() {
            // What cannot be set aside now is set aside by the next prune.
            let _ = self.store.keep_reserve();
        }
        result
    }

    fn take_inventory(&self) -> Result<(Inventory, PrunePlan)> {
        let inventory = Inventory::take(self)?;
        let plan = inventory.plan(self)?;
        Ok((inventory, plan))
    }

    fn prune_under_lease(&self, session: SessionId) -> Result<PruneReport> {
        let open = self.leases().open_leases(session)?;
        refuse_conflict(&open, Role::Collector, "prune")?;
        self.store.clear_staging().map_err(|source| store_error("clear", "unfinished objects", source))?;
        let (inventory, mut plan) = match self.take_inventory() {
            // What the index has lost, packs tell of themselves.
            Err(Error::Damaged { .. } | Error::BlockMissing { .. }) => {
                let index = self.index_without(HashSet::new(), Care::AllPages)?;
                complete_index(self, &index, &self.list_packs()?, &open)?;
                self.take_inventory()?
            }
            taken => taken?,
        };
        let mut removal = Removal { repository: self, inventory: &inventory, deleted: 0 };
        removal.snapshots()?;
        removal.packs(&plan.delete)?;
        let moved = repack(self, session, &plan.repack, &inventory)?;
        let repacked_bytes = moved.bytes;
        let (kept, gone): (Vec<_>, _) = plan.repack.into_iter().partition(|pack| moved.left.contains(&pack.id));
        plan.keep.extend(kept);
        plan.repack = gone;
        if moved.reasons.iter().any(|reason| reason.kind() == Kind::NoSpace) {
            // The tables that follow are what the reserve is for.
            self.store.release_reserve().map_err(|source| store_error("release", "the reserve", source))?;
        }
        // The new places must be found before the old packs count as absent.
        removal.successor(&plan, moved.rows)?;
        removal.packs(&plan.repack)?;
        removal.leftovers(&open.known)?;
        Ok(PruneReport { deleted_objects: removal.deleted, repacked_bytes, plan, left: moved.reasons })
    }
}

#[cfg(test)]
mod tests;
