//! Undeleting: taking back that a snapshot was forgotten, or that it came after the fence of its session.
//!
//! Owns the order: a writer's lease, then the blocks, then the mark and the acquittal. What a collector has condemned stays forgotten.

use super::inventory::require_every_part;
use crate::condemned::CondemnedLists;
use crate::error::{Error, Result};
use crate::fence::{is_fenced, put_acquittal};
use crate::format::coord::Acquittal;
use crate::format::names;
use crate::id::{SessionId, SnapshotId};
use crate::repository::{Repository, SignedSnapshot};
use crate::seal::random;
use crate::session::{Wanted, take_lease};

impl Repository {
    /// Takes back that a snapshot was forgotten, or is void. It is whole then, whatever prunes are under way.
    ///
    /// # Errors
    /// [`Error::Condemned`] when a prune has begun to remove it; [`Error::Invalid`] when it is neither forgotten nor void;
    /// [`Error::BlockMissing`] when something that it needs is not here; [`Error::Fenced`] when a collector took this session for gone: then the snapshot may be forgotten still.
    pub fn undelete(&self, id: SnapshotId) -> Result<()> {
        // Who cannot open a block cannot tell which of two doomed copies is the true one.
        self.require_all("undelete")?;
        self.refuse_sealed("undelete")?;
        let session = SessionId(random()?);
        let result = self.undelete_as(session, id);
        // A lease that cannot be ended stands until this process is gone, which others can see.
        let _ = self.leases().end(session);
        result
    }

    fn undelete_as(&self, session: SessionId, id: SnapshotId) -> Result<()> {
        let (_lease, condemned) = take_lease(self, session)?;
        let secured = self.secure_forgotten((session, condemned), id)?;
        self.take_back(session, &secured)
    }

    /// Finds the snapshot, and makes sure of everything that it needs, for a session whose lease names these lists.
    fn secure_forgotten(
        &self,
        (session, mut condemned): (SessionId, CondemnedLists),
        id: SnapshotId,
    ) -> Result<Secured> {
        let every = self.proved_snapshots()?;
        let is_void = every.void.iter().any(|entry| entry.id() == id);
        let entry = every.entries.into_iter().chain(every.void).find(|entry| entry.id() == id);
        let entry = entry.ok_or_else(|| Error::Missing { verb: "undelete snapshot", name: id.to_string() })?;
        let needs_acquittal = self.fences()?.needs_acquittal(entry.signed.session, id);
        // Nobody has seen to what it needs, or whoever did was taken for gone.
        let is_doubtful = is_void || entry.unconfirmed;
        if !entry.forgotten && !is_doubtful && !needs_acquittal {
            return Err(Error::Invalid(format!("undelete snapshot {}: it is not forgotten", id.short())));
        }
        refuse_past_saving(self, &mut condemned, id)?;
        if !condemned.is_empty() || is_doubtful {
            let blocks = self.reference_map(id, &entry.signed.references)?.iter().collect();
            Wanted { blocks, believed: Some(id), found: None }.secure(self, session, &condemned)?;
        }
        if is_doubtful {
            // Whoever thinned blocks may not have known it.
            require_every_part(self, &entry, condemned.packs())?;
        }
        Ok(Secured { signed: entry.signed, needs_acquittal })
    }

    /// Lets a snapshot count of which everything is secured.
    fn take_back(&self, session: SessionId, secured: &Secured) -> Result<()> {
        let id = secured.signed.place.id;
        // From now on, or from the acquittal on, it counts, and nobody has confirmed it: should this session be gone by then, it may lack something.
        self.take_back_mark(id)?;
        if secured.needs_acquittal {
            acquit(self, &secured.signed, session)?;
        }
        // Publish, then look: a collector that disregarded this session may have seen the mark.
        if is_fenced(&*self.store, &self.judge, session)? {
            return Err(Error::Fenced { verb: "undelete snapshot", session: session.short() });
        }
        self.confirm_counting(id)
    }
}

/// Refuses a snapshot that a list names or that is recorded as removed, and adds to what is doomed the packs that came back.
///
/// # Errors
/// [`Error::Condemned`]; also when a record of removal is damaged: what was removed here is not known then.
pub fn refuse_past_saving(repository: &Repository, condemned: &mut CondemnedLists, id: SnapshotId) -> Result<()> {
    // The list may be lost by which it was removed, and what it recorded stands.
    let mut removed = repository.removed()?;
    if let Some(damage) = removed.damaged.pop() {
        return Err(damage);
    }
    if condemned.snapshots().contains(&id) || removed.was_here(id) {
        return Err(Error::Condemned { snapshot: id.short() });
    }
    let packs: Vec<String> = repository.list_packs()?.into_iter().map(|pack| pack.name).collect();
    condemned.add_returned(&removed.packs, &packs);
    Ok(())
}

/// A snapshot that is to come back, and has everything that it needs.
struct Secured {
    signed: SignedSnapshot,
    /// Its session is fenced.
    needs_acquittal: bool,
}

/// Makes a snapshot count that would be void, for a session that has secured what it needs.
///
/// # Errors
/// When it does not count then: somebody may have put something else in the place of what says so.
pub fn acquit(repository: &Repository, signed: &SignedSnapshot, by: SessionId) -> Result<()> {
    let (session, snapshot) = (signed.session, signed.place.id);
    let acquittal = Acquittal { session, by, snapshot };
    repository.with_reserve(|| put_acquittal(&*repository.store, &repository.keys, &acquittal))?;
    match repository.fences()?.needs_acquittal(session, snapshot) {
        false => Ok(()),
        true => {
            let problem = "it was written, and does not say that the snapshot counts";
            Err(Error::damaged("acquit snapshot", names::acquittal(session, by), problem))
        }
    }
}

#[cfg(test)]
mod tests;
