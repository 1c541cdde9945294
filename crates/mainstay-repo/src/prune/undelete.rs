//! Undeleting: taking back that a snapshot was forgotten, or that it came after the fence of its session.
//!
//! Owns the order: a writer's lease, then the blocks, then the acquittal and the mark. What a collector has condemned stays forgotten.

use super::inventory::require_every_part;
use crate::condemned::CondemnedLists;
use crate::error::{Error, Result};
use crate::fence::{is_fenced, put_acquittal};
use crate::format::coord::{Acquittal, Condemned, CondemnedPack};
use crate::format::names;
use crate::id::{SessionId, SnapshotId, TableId};
use crate::repository::{Removed, Repository, SignedSnapshot, store_error};
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
        if !entry.forgotten && !is_void {
            return Err(Error::Invalid(format!("undelete snapshot {}: it is not forgotten", id.short())));
        }
        if condemned.lists.iter().flat_map(|list| &list.snapshots).any(|snapshot| snapshot.id == id) {
            return Err(Error::Condemned { snapshot: id.short() });
        }
        // The list may be lost by which it was removed, and what it recorded stands.
        let removed = self.removed()?;
        if removed.was_here(id) {
            return Err(Error::Condemned { snapshot: id.short() });
        }
        if is_void {
            condemned.lists.extend(self.returned_packs(&removed)?);
        }
        if !condemned.is_empty() || is_void {
            let blocks = self.reference_map(id, &entry.signed.references)?.iter().collect();
            Wanted { blocks, believed: Some(id), found: None }.secure(self, session, &condemned)?;
        }
        if is_void {
            // Whoever thinned blocks may not have known it.
            require_every_part(self, &entry, condemned.packs())?;
        }
        Ok(Secured { signed: entry.signed, is_void })
    }

    /// Lets a snapshot count of which everything is secured.
    fn take_back(&self, session: SessionId, Secured { signed, is_void }: &Secured) -> Result<()> {
        if *is_void {
            acquit(self, signed, session)?;
        }
        let mark = names::trash(signed.place.id);
        self.store.delete(&mark).map_err(|source| store_error("delete", &mark, source))?;
        // Publish, then look: a collector that disregarded this session may have seen the mark.
        if is_fenced(&*self.store, &self.judge, session)? {
            return Err(Error::Fenced { verb: "undelete snapshot", session: session.short() });
        }
        Ok(())
    }

    /// Packs that were removed and have come back, where files were copied: a collector that sleeps may remove them again, so they count as doomed.
    pub(crate) fn returned_packs(&self, removed: &Removed) -> Result<Option<Condemned>> {
        let listed = self.list_packs()?;
        let packs = listed.iter().filter_map(|pack| names::parse_pack(&pack.name).ok());
        let packs: Vec<CondemnedPack> = packs
            .filter(|(id, _)| removed.packs.contains(*id))
            .map(|(id, session)| CondemnedPack { id, session })
            .collect();
        let list = Condemned {
            id: TableId([0; TableId::LEN]),
            packs,
            snapshots: Vec::new(),
            considered: Vec::new(),
            keys: Vec::new(),
        };
        Ok((!list.packs.is_empty()).then_some(list))
    }
}

/// A snapshot that is to come back, and has everything that it needs.
struct Secured {
    signed: SignedSnapshot,
    is_void: bool,
}

/// Makes a snapshot count that would be void, for a session that has secured what it needs.
///
/// # Errors
/// When it does not count then: somebody may have put something else in the place of what says so.
pub fn acquit(repository: &Repository, signed: &SignedSnapshot, by: SessionId) -> Result<()> {
    let (session, snapshot) = (signed.session, signed.place.id);
    let acquittal = Acquittal { session, by, snapshot };
    repository.with_reserve(|| put_acquittal(&*repository.store, &repository.keys, &acquittal))?;
    match repository.fences()?.counts(session, snapshot) {
        true => Ok(()),
        false => {
            let problem = "it was written, and does not say that the snapshot counts";
            Err(Error::damaged("acquit snapshot", names::acquittal(session, by), problem))
        }
    }
}

#[cfg(test)]
mod tests;
