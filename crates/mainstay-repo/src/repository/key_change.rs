//! One change of keys at a time.
//!
//! Owns making sure that nobody else removes or rotates keys meanwhile. Each says so, signed, and then looks: of two that begin at once both
//! see each other, or the one that comes later sees the one before, and whoever sees another gives up. What says so counts for as long as the
//! lease of its session is open, so nobody who died stands in the way here (docs/concurrency.md).

use super::{ReadLease, Repository, delete, list};
use crate::error::{Error, Kind, Result};
use crate::fence::put_once;
use crate::format::coord::{KeyChange, decode_key_change, encode_key_change};
use crate::format::envelope::ObjectKind;
use crate::format::names;
use crate::id::SessionId;
use crate::pack_reader::read_object;
use crate::signer::sign_object;

/// Nobody else changes keys while this is there. Ended when dropped.
pub(super) struct ChangeOfKeys<'r> {
    pub lease: ReadLease<'r>,
    repository: &'r Repository,
    session: SessionId,
}

impl Repository {
    /// Says that this session changes keys from now on.
    ///
    /// # Errors
    /// When another one does, or may; when this key may not sign that.
    pub(super) fn begin_changing_keys(&self, verb: &'static str) -> Result<ChangeOfKeys<'_>> {
        let lease = self.begin_reading()?;
        let Some(session) = lease.published else {
            return Err(Error::Invalid(format!("{verb}: the store takes no object")));
        };
        // From here on it is taken back however this ends.
        let change = ChangeOfKeys { lease, repository: self, session };
        let said = encode_key_change(&KeyChange { session });
        let bytes = sign_object(self.keys.signer(), self.id(), (ObjectKind::KeyChange, &said))?;
        put_once(&*self.store, names::key_change(session), &bytes)?;
        match self.other_change_of_keys(session)? {
            Some(other) => Err(Error::Invalid(format!(
                "{verb}: session {} is changing keys at this moment; try again when it has ended",
                other.short()
            ))),
            None => Ok(change),
        }
    }

    /// Another session that is at work and has said that it changes keys. Changes are listed before leases: who ends in between is gone.
    fn other_change_of_keys(&self, own: SessionId) -> Result<Option<SessionId>> {
        let mut said = Vec::new();
        for object in list(&*self.store, names::KEY_CHANGES)? {
            let Ok(session) = names::parse_key_change(&object.name) else { continue };
            if session != own && self.says_that_it_changes_keys(session, &object.name)? {
                said.push(session);
            }
        }
        if said.is_empty() {
            return Ok(None);
        }
        let at_work = self.leases().open_leases(own)?.at_work();
        Ok(said.into_iter().find(|session| at_work.contains(session)))
    }

    /// Whether somebody has said so who may: whoever can put objects could stop everybody else otherwise.
    fn says_that_it_changes_keys(&self, session: SessionId, name: &str) -> Result<bool> {
        let bytes = match read_object(&*self.store, name, "read change of keys") {
            Err(Error::Missing { .. }) => return Ok(false),
            Err(error) if error.kind() == Kind::Corrupt => return Ok(false),
            bytes => bytes?,
        };
        let said = self.judge.open_object(ObjectKind::KeyChange, &bytes);
        Ok(said.is_ok_and(|said| decode_key_change(session, &said).is_ok()))
    }
}

impl Drop for ChangeOfKeys<'_> {
    fn drop(&mut self) {
        // What is left of it counts no longer than the lease, which ends next; a prune takes it away.
        let _ = delete(&*self.repository.store, &names::key_change(self.session));
    }
}

#[cfg(test)]
mod tests;
