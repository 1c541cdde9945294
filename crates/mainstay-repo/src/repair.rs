//! Parity on request, and repair: what is damaged becomes whole again, or is named as lost.
//!
//! Owns the order of a repair: the index, reference maps, packs, sidecars, and the list of what is lost. Of a damaged pack
//! what can be had goes into a *new* pack, as in a prune; the damaged one is condemned when the new one is durable and
//! indexed. A block does not say in which pack it is, so no snapshot notices.
//!
//! Safety: a repair that writes is a collector beside whoever is at work (docs/concurrency.md): it takes its place by C1 and
//! C2, and its condemned list is finished by F1 to F5, now or by a later prune. Nothing is condemned that is not whole
//! somewhere else, but for what a caller gives up by [`OnLoss::Accept`], and then the loss is written down before. A crash at
//! any point leaves what was readable readable, and the next repair finishes the work. What is whole is not touched.

mod acquittals;
mod assess;
mod copies;
mod coverage;
mod inspect;
mod maps;
mod returned;
mod run;
mod sidecars;
mod sister;
mod small;
mod stored_again;
mod treat;

use crate::error::Result;
use crate::format::names;
use crate::id::{BlockId, SessionId, SnapshotId};
use crate::prune::{PruneObserver, Surroundings, Unobserved};
use crate::repository::Repository;
use crate::seal::random;

pub use coverage::{AddedParity, DroppedParity, ParityCoverage, SidecarDepth};
use run::Run;
use small::PutAway;

/// Whether a repair repairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepairMode {
    /// Only says what it would do.
    Show,
    Apply,
}

/// What becomes of a damaged pack that has something of which there is no other copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLoss {
    /// It stays as it is.
    Keep,
    /// It goes, once what is whole of it is in another pack and what is lost is written down.
    Accept,
}

/// By what an object became whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Means {
    /// Its parity.
    Parity,
    /// Other packs had what was damaged in it.
    Copies,
    /// Nothing was damaged that a snapshot needs and that is not stored elsewhere.
    #[default]
    Rest,
    /// What was damaged in it, or all of it where it is gone, was stored again since, and was put together from that.
    Chunks,
    /// It was made anew from what it is derived from.
    Derived,
    /// Its second copy.
    SecondCopy,
    /// Another copy of the repository had it.
    Sister,
    /// It was given up, since that was asked for.
    GivenUp,
}

/// An object that was made whole, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    pub object: String,
    pub means: Means,
}

/// Something that cannot be made whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The object, or a name for blocks that no object holds.
    pub object: String,
    /// Blocks of it that snapshots need and of which there is no good copy.
    pub blocks: Vec<BlockId>,
    /// Whether the object was given up, or would be.
    pub is_accepted: bool,
}

/// A damaged acquittal that stays, since snapshots may count by it alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resting {
    /// The object.
    pub acquittal: String,
    /// Something of each of them is damaged or gone, so it cannot be said anew that it counts.
    pub snapshots: Vec<SnapshotId>,
}

/// What a repair did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Packs that were read, and their bytes.
    pub packs: u64,
    pub bytes: u64,
    pub repaired: Vec<Repaired>,
    pub lost: Vec<Loss>,
    pub resting: Vec<Resting>,
    /// Damaged packs of sessions that are at work: nothing is done about them before these have ended.
    pub left: Vec<String>,
    /// Packs under the name of another session: somebody has put them, and nobody can open them.
    pub strangers: Vec<String>,
    /// Damaged packs that are replaced and condemned, and stay until sessions at work have ended.
    pub waiting_packs: u64,
    /// Bytes of new packs and sidecars.
    pub written_bytes: u64,
}

/// How to repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepairOptions {
    pub mode: RepairMode,
    pub on_loss: OnLoss,
}

impl Repository {
    /// Makes whole what can be made whole.
    pub fn repair(&self, options: RepairOptions) -> Result<RepairReport> {
        self.repair_observed(options, &Unobserved)
    }

    /// The same, before somebody who watches and may ask to stop.
    ///
    /// # Errors
    /// [`Error::Cancelled`](crate::Error::Cancelled) once a stop is asked for; what was written by then does no harm.
    pub fn repair_observed(&self, options: RepairOptions, observer: &dyn PruneObserver) -> Result<RepairReport> {
        self.repair_from(None, options, observer)
    }

    /// The same, with what another copy of the repository lends; see [`Repository::open_sister`].
    pub fn repair_from(
        &self,
        sister: Option<&Self>,
        options: RepairOptions,
        observer: &dyn PruneObserver,
    ) -> Result<RepairReport> {
        self.require_all("repair")?;
        let session = SessionId(random()?);
        let repair = |around| {
            let mended = self.mend_small(sister, options, session)?;
            let run = Run::new((self, sister), options, (session, observer), around)?;
            let report = run.after(mended).run()?;
            if options.mode == RepairMode::Apply {
                returned::confirm(self, session)?;
            }
            Ok(report)
        };
        if options.mode == RepairMode::Show {
            let _lease = self.begin_reading()?;
            // What is doomed counts for nobody, here as in a repair that writes.
            let mut around = Surroundings::look(self)?;
            around.condemned = self.condemned()?;
            return repair(around);
        }
        let repaired = self.look_around(session).and_then(repair);
        self.leases().end(session)?;
        self.erase_lease(session);
        repaired
    }

    /// Makes small objects whole, and their second copies.
    fn mend_small(&self, sister: Option<&Self>, options: RepairOptions, session: SessionId) -> Result<PutAway> {
        let mut mended: Vec<Repaired> = Vec::new();
        let mut note = |more: Vec<Repaired>| {
            for one in more {
                if mended.iter().all(|known| known.object != one.object) {
                    mended.push(one);
                }
            }
        };
        let has_copies = !self.listed_copies()?.is_empty();
        if has_copies {
            // Before anything is taken from them: a snapshot wants the copy of its key.
            note(copies::mend(self, options.mode)?);
            let copies = (&self.lending_copies()?, Means::SecondCopy);
            note(sister::take_small(self, copies, (session, options.mode))?);
        }
        if let Some(sister) = sister {
            note(sister::take_small(self, (sister, Means::Sister), (session, options.mode))?);
        }
        let PutAway { repaired, resting } = small::put_away(self, options, session)?;
        note(repaired);
        if has_copies {
            note(copies::mend(self, options.mode)?);
        }
        Ok(PutAway { repaired: mended, resting })
    }

    /// Takes away what is left of a lease that has ended, so that a repair of what is whole leaves no trace. Its end goes last:
    /// half a lease must not look open. What cannot be deleted now, the next prune deletes.
    fn erase_lease(&self, session: SessionId) {
        let mut objects = self.store.list(&format!("{}{session}/", names::LEASES)).unwrap_or_default();
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        let _ = objects.iter().try_for_each(|object| self.store.delete(&object.name));
    }
}

#[cfg(test)]
mod tests;
