//! Undeleting: taking back that a snapshot was forgotten.
//!
//! Owns the order: a writer's lease, then the blocks, then the mark. What a collector has condemned stays forgotten.

use super::rescue::Wanted;
use super::take_lease;
use crate::error::{Error, Result};
use crate::fence::is_fenced;
use crate::format::names;
use crate::id::{SessionId, SnapshotId};
use crate::repository::{Repository, store_error};
use crate::seal::random;

impl Repository {
    /// Takes back that a snapshot was forgotten. It is whole then, whatever prunes are under way.
    ///
    /// # Errors
    /// [`Error::Condemned`] when a prune has begun to remove it; [`Error::Invalid`] when it is not forgotten;
    /// [`Error::Fenced`] when a collector took this session for gone: then the snapshot may be forgotten still.
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
        let entry = self.proved_snapshots()?.entries.into_iter().find(|entry| entry.id() == id);
        let entry = entry.ok_or_else(|| Error::Missing { verb: "undelete snapshot", name: id.to_string() })?;
        if !entry.forgotten {
            return Err(Error::Invalid(format!("undelete snapshot {}: it is not forgotten", id.short())));
        }
        if condemned.lists.iter().flat_map(|list| &list.snapshots).any(|snapshot| snapshot.id == id) {
            return Err(Error::Condemned { snapshot: id.short() });
        }
        // The list may be lost by which it was removed, and what it recorded stands.
        if self.removed()?.was_here(id) {
            return Err(Error::Condemned { snapshot: id.short() });
        }
        if !condemned.is_empty() {
            let blocks = self.reference_map(id, &entry.signed.references)?.iter().collect();
            Wanted { blocks, believed: Some(id), found: None }.secure(self, session, &condemned)?;
        }
        let mark = names::trash(id);
        self.store.delete(&mark).map_err(|source| store_error("delete", &mark, source))?;
        // Publish, then look: a collector that disregarded this session may have seen the mark.
        if is_fenced(&*self.store, &self.judge, session)? {
            return Err(Error::Fenced { verb: "undelete snapshot", session: session.short() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
