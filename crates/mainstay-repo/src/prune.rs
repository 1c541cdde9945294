//! Pruning: which packs go, which are rewritten, and doing it.
//!
//! An [`Inventory`] is taken of what there is and what is needed of it, a [`PrunePlan`] is a pure function of that, and
//! `Repository::prune` carries the plan out. What is needed is known from reference maps, and of the blocks that are needed
//! in part, from the trees: a collector whose key opens nothing keeps these as a whole, and walks no tree.
//!
//! Other sessions, other collectors among them, may be at work all the while. Safety: docs/concurrency.md. A crash at any
//! point leaves every kept snapshot whole, and the next prune finishes the work. What frees space comes before what needs
//! space.
//!
//! Memory: one bit a block, what `needs` says of blocks that are needed in part, and rows until they become a table; beside
//! that the index, and blocks on their way.

mod inventory;
mod leftovers;
mod living;
mod needs;
mod new_packs;
mod observer;
mod plan;
mod removal;
mod renewal;
mod repack;
mod snapshots;
mod surroundings;
mod survey;
mod tables;
mod thin;
mod undelete;

use std::collections::HashSet;

use crate::error::{Error, Kind, Result};
use crate::format::lease::Role;
use crate::format::names;
use crate::id::{PackId, SessionId};
use crate::index::{Care, NewRows, write_tables};
use crate::keys::Right;
use crate::repository::{ProvedSnapshot, Repository, store_error};
use crate::seal::random;
use crate::session::{complete_index, vouch_if_it_opens};
use crate::store::Object;

use inventory::Inventory;
pub(crate) use inventory::require_every_part;
use leftovers::Leftovers;
pub(crate) use living::Living;
use needs::Sight;
pub(crate) use observer::Unobserved;
pub use observer::{PruneObserver, PrunePhase};
pub use plan::{PackUse, PrunePlan, plan_prune};
pub(crate) use removal::Removal;
use repack::Repack;
pub(crate) use snapshots::Snapshots;
pub(crate) use surroundings::Surroundings;
pub(crate) use tables::NewTables;
pub(crate) use undelete::{acquit, refuse_past_saving};

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
    pub waiting: Waiting,
}

/// What counts as absent and is still there: a later prune deletes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    pub packs: u64,
    /// Bytes of the packs that this prune has condemned.
    pub bytes: u64,
    /// A session at work that it waits for, if it is one.
    pub session: Option<SessionId>,
}

impl PruneReport {
    /// Bytes that the store holds less; as far as the plan can tell.
    pub fn freed_bytes(&self) -> u64 {
        let left: u64 = self.left.iter().map(PackUse::wasted_bytes).sum();
        self.plan.freed_bytes().saturating_sub(left + self.waiting.bytes)
    }
}

impl Repository {
    /// Says what a prune without a hold would do now; changes nothing.
    pub fn plan_prune(&self) -> Result<PrunePlan> {
        self.plan_prune_observed(0, &Unobserved)
    }

    /// The same, before somebody who watches and may ask to stop; what was forgotten less than `hold` nanoseconds ago stays.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once a stop is asked for.
    pub fn plan_prune_observed(&self, hold: i64, observer: &dyn PruneObserver) -> Result<PrunePlan> {
        self.require(Right::Maintain, "prune")?;
        self.refuse_held_by_own_clock("prune")?;
        observer.phase(PrunePhase::Plan);
        Ok(Inventory::take(self, &Surroundings::look(self)?, None, (hold, observer))?.plan())
    }

    /// Removes forgotten snapshots and what only they needed. What sessions at work may rely on is condemned, and deleted by a
    /// later prune.
    pub fn prune(&self) -> Result<PruneReport> {
        self.prune_observed(0, &Unobserved)
    }

    /// The same, before somebody who watches and may ask to stop; what was forgotten less than `hold` nanoseconds ago stays.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once a stop is asked for: packs that were rewritten by then have freed their space, and the rest
    /// is for the next prune.
    pub fn prune_observed(&self, hold: i64, observer: &dyn PruneObserver) -> Result<PruneReport> {
        self.require(Right::Maintain, "prune")?;
        self.refuse_held("prune")?;
        let session = SessionId(random()?);
        let result = self.prune_under_lease(session, (hold, observer));
        self.with_reserve(|| self.leases().end(session))?;
        if result.is_ok() {
            // What cannot be set aside now is set aside by the next prune.
            let _ = self.store.keep_reserve();
        }
        result
    }

    fn prune_under_lease(&self, session: SessionId, watched: (i64, &dyn PruneObserver)) -> Result<PruneReport> {
        let (_, observer) = watched;
        observer.phase(PrunePhase::Plan);
        let around = self.look_around(session)?;
        let inventory = self.take_mended_inventory(&around, session, watched)?;
        let plan = inventory.plan();
        observer.check()?;
        let mut removal = Removal::new(self, session, &inventory.snapshots, (&around, inventory.relied_on(&plan)));
        removal.hold(&inventory.held);
        if inventory.needs.sight == Sight::Blind {
            removal.compare(&inventory.needs.live);
        }
        // Nobody was told of these: they go when they have been held as long as forgotten ones.
        let mut void = inventory.snapshots.void.iter().map(ProvedSnapshot::id);
        void.try_for_each(|id| self.forget_void(id, (self.liveness.now)()))?;
        removal.returned(&around.condemned.returned)?;
        around.condemned.lists.iter().try_for_each(|list| removal.finish(list))?;
        removal.dead(&inventory.snapshots.forgotten, &plan.delete)?;
        let moved = Repack { repository: self, inventory: &inventory, session, observer }.run(&plan.repack)?;
        observer.phase(PrunePhase::Finish);
        if moved.reasons.iter().any(|reason| reason.kind() == Kind::NoSpace) {
            // The tables that follow are what the reserve is for.
            self.store.release_reserve().map_err(|source| store_error("release", "the reserve", source))?;
        }
        let (left, rewritten): (Vec<PackUse>, Vec<PackUse>) =
            plan.repack.iter().cloned().partition(|pack| moved.left.contains(&pack.id));
        removal.rewritten(&moved.given_up, Vec::new())?;
        // The new places must be found before the old packs count as absent.
        moved.tables.succeed(&inventory.needs.index, &plan.keep, &left)?;
        removal.rewritten(&rewritten, moved.packs)?;
        removal.finished_lists()?;
        observer.check()?;
        Leftovers::list(self)?.remove(session, &inventory, &mut removal)?;
        removal.finished_lists()?;
        match self.vouch_for_kept(&inventory.unvouched, &plan, observer) {
            // That nobody vouches costs space when it is met again, and no more.
            Err(error) if error.kind() == Kind::NoSpace => {}
            vouched => vouched?,
        }
        self.with_reserve(|| self.withdraw_healed_losses())?;
        let (reasons, repacked_bytes) = (moved.reasons, moved.bytes);
        let Removal { deleted, waiting_packs, waiting_bytes, awaited, .. } = removal;
        let waiting = Waiting { packs: waiting_packs, bytes: waiting_bytes, session: awaited };
        Ok(PruneReport { plan, left, reasons, deleted_objects: deleted, repacked_bytes, waiting })
    }

    /// Vouches for kept packs that open, and for which nobody does.
    fn vouch_for_kept(&self, unvouched: &[Object], plan: &PrunePlan, observer: &dyn PruneObserver) -> Result<()> {
        let kept: HashSet<PackId> = plan.keep.iter().map(|pack| pack.id).collect();
        let mut rows = NewRows::default();
        let is_kept = |pack: &&Object| names::parse_pack(&pack.name).is_ok_and(|(id, _)| kept.contains(&id));
        for pack in unvouched.iter().filter(is_kept) {
            observer.check()?;
            match self.read_pack_listing(pack).and_then(|listing| vouch_if_it_opens(self, &listing, &mut rows)) {
                Ok(_) => {}
                // Another collector has deleted it.
                Err(_) if !self.store.len(&pack.name).is_ok_and(|len| len == pack.len) => {}
                Err(error) if error.kind() == Kind::Corrupt => {}
                Err(error) => return Err(error),
            }
        }
        if !rows.is_empty() {
            write_tables(&*self.store, &self.keys, rows, &[])?;
        }
        Ok(())
    }

    /// Publishes the lease, names in it what is condemned already, and fences those who are gone (C1 and C2).
    pub(crate) fn look_around(&self, session: SessionId) -> Result<Surroundings> {
        self.refuse_held("remove what is not needed")?;
        let leases = self.leases();
        let mut lease = self.with_reserve(|| leases.publish(session, Role::Collector))?;
        let condemned = self.condemned()?;
        if !condemned.is_empty() {
            self.with_reserve(|| leases.acknowledge(&mut lease, condemned.ids()))?;
        }
        let mut around = Surroundings::settle(self, condemned, session)?;
        around.condemned.add_returned(&self.removed()?.packs, &around.packs);
        if around.open.is_empty() {
            self.store.clear_staging().map_err(|source| store_error("clear", "unfinished objects", source))?;
        }
        Ok(around)
    }

    /// Takes the inventory; what the index has lost, packs tell of themselves.
    fn take_mended_inventory(
        &self,
        around: &Surroundings,
        session: SessionId,
        watched: (i64, &dyn PruneObserver),
    ) -> Result<Inventory> {
        let take = || Inventory::take(self, around, Some(session), watched);
        let complete = || {
            let index = self.index_without(HashSet::new(), Care::AllPages)?;
            complete_index(self, &index, &self.list_packs()?, &around.open)
        };
        match take() {
            // What was copied here once more lies in packs whose tables were superseded before.
            Ok(inventory) if !inventory.needs.lacked_by_void.is_empty() => {
                if complete()? {
                    take()
                } else {
                    Ok(inventory)
                }
            }
            // Another collector has removed a snapshot since it was listed, or two came and the listing has the second only.
            Err(Error::Missing { .. } | Error::HistoryGap { .. }) => take(),
            Err(Error::Damaged { .. } | Error::BlockMissing { .. }) if self.may_do_everything() => {
                complete()?;
                take()
            }
            taken => taken,
        }
    }
}

#[cfg(test)]
mod tests;
