//! Pruning: which packs go, which are rewritten, and doing it.
//!
//! An [`Inventory`] is taken of what there is and what is needed of it, a [`PrunePlan`] is a pure function of that, and
//! `Repository::prune` carries the plan out. What is needed is known from reference maps, and of the blocks that are needed
//! in part, from the trees.
//!
//! Safety: the collector's lease is open and no other session's is (see `lease`). A pack is deleted only after a condemned
//! list that names it is in the store; rewritten blocks are durable and indexed before that list names their old packs.
//! The lists go last, when no table of blocks names their packs any more. A crash at any point leaves every kept snapshot
//! whole, and the next prune finishes the work. What frees space comes before what needs space.
//!
//! Memory: one bit a block, what `needs` says of blocks that are needed in part, and rows until they become a table; beside
//! that the index, and blocks on their way.

mod inventory;
mod living;
mod needs;
mod new_packs;
mod observer;
mod plan;
mod removal;
mod renewal;
mod repack;
mod snapshots;
mod survey;
mod tables;
mod thin;

use std::collections::HashSet;

use crate::error::{Error, Kind, Result};
use crate::format::lease::Role;
use crate::id::SessionId;
use crate::index::Care;
use crate::lease::{OpenLeases, refuse_conflict};
use crate::repository::{Repository, store_error};
use crate::seal::random;
use crate::session::complete_index;

use inventory::Inventory;
pub(crate) use living::Living;
pub(crate) use observer::Unobserved;
pub use observer::{PruneObserver, PrunePhase};
pub use plan::{PackUse, PrunePlan, plan_prune};
use removal::Removal;
use repack::Repack;
pub(crate) use tables::NewTables;

/// What a prune did.
#[derive(Debug, Default)]
pub struct PruneReport {
    pub plan: PrunePlan,
    /// Packs that the plan would have rewritten, and that stay.
    pub left: Vec<PackUse>,
    /// Why: something that is needed is damaged, or the store is full.
    pub reasons: Vec<Error>,
    /// Objects deleted of every kind.
    pub deleted_objects: u64,
    /// Bytes that were written to new packs.
    pub repacked_bytes: u64,
}

impl PruneReport {
    /// Bytes that the store holds less; as far as the plan can tell.
    pub fn freed_bytes(&self) -> u64 {
        self.plan.freed_bytes() - self.left.iter().map(PackUse::wasted_bytes).sum::<u64>()
    }
}

impl Repository {
    /// Says what a prune would do now; changes nothing.
    pub fn plan_prune(&self) -> Result<PrunePlan> {
        self.plan_prune_observed(&Unobserved)
    }

    /// The same, before somebody who watches and may ask to stop.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once a stop is asked for.
    pub fn plan_prune_observed(&self, observer: &dyn PruneObserver) -> Result<PrunePlan> {
        observer.phase(PrunePhase::Plan);
        Ok(Inventory::take(self, observer)?.plan())
    }

    /// Removes forgotten snapshots and what only they needed.
    ///
    /// # Errors
    /// [`Error::Busy`] while another session is open.
    pub fn prune(&self) -> Result<PruneReport> {
        self.prune_observed(&Unobserved)
    }

    /// The same, before somebody who watches and may ask to stop.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once a stop is asked for: packs that were rewritten by then have freed their space, and the rest
    /// is for the next prune.
    pub fn prune_observed(&self, observer: &dyn PruneObserver) -> Result<PruneReport> {
        let session = SessionId(random()?);
        let leases = self.leases();
        // Of a lease that is not whole nothing may be left: half of it stands in everybody's way.
        let published = self.with_reserve(|| leases.publish(session, Role::Collector));
        published.inspect_err(|_| drop(leases.end(session)))?;
        let result = self.prune_under_lease(session, observer);
        self.with_reserve(|| leases.end(session))?;
        if result.is_ok() {
            // What cannot be set aside now is set aside by the next prune.
            let _ = self.store.keep_reserve();
        }
        result
    }

    fn prune_under_lease(&self, session: SessionId, observer: &dyn PruneObserver) -> Result<PruneReport> {
        observer.phase(PrunePhase::Plan);
        let open = self.leases().open_leases(session)?;
        refuse_conflict(&open, Role::Collector, "prune")?;
        self.store.clear_staging().map_err(|source| store_error("clear", "unfinished objects", source))?;
        let inventory = self.take_mended_inventory(&open, observer)?;
        let plan = inventory.plan();
        observer.check()?;
        let mut removal = Removal::new(self, &inventory);
        removal.snapshots()?;
        removal.packs(&plan.delete)?;
        let moved = Repack { repository: self, inventory: &inventory, session, observer }.run(&plan.repack)?;
        observer.phase(PrunePhase::Finish);
        if moved.reasons.iter().any(|reason| reason.kind() == Kind::NoSpace) {
            // The tables that follow are what the reserve is for.
            self.store.release_reserve().map_err(|source| store_error("release", "the reserve", source))?;
        }
        let (left, rewritten): (Vec<PackUse>, Vec<PackUse>) =
            plan.repack.iter().cloned().partition(|pack| moved.left.contains(&pack.id));
        // The new places must be found before the old packs count as absent.
        let superseded = moved.tables.succeed(&inventory.needs.index, &plan.keep, &left)?;
        removal.block_tables(superseded)?;
        removal.packs(&rewritten)?;
        observer.check()?;
        removal.leftovers(&open.known)?;
        let (reasons, repacked_bytes) = (moved.reasons, moved.bytes);
        Ok(PruneReport { plan, left, reasons, deleted_objects: removal.deleted, repacked_bytes })
    }

    /// Takes the inventory; what the index has lost, packs tell of themselves.
    fn take_mended_inventory(&self, open: &OpenLeases, observer: &dyn PruneObserver) -> Result<Inventory> {
        match Inventory::take(self, observer) {
            Err(Error::Damaged { .. } | Error::BlockMissing { .. }) => {
                let index = self.index_without(HashSet::new(), Care::AllPages)?;
                complete_index(self, &index, &self.list_packs()?, open)?;
                Inventory::take(self, observer)
            }
            taken => taken,
        }
    }
}

#[cfg(test)]
mod tests;
