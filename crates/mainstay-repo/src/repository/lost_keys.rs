//! Data keys that are lost, and the snapshots that went with them.
//!
//! Owns telling a key that nobody opens any more from one that another holder opens, or that cannot be read at this moment. Deletes nothing.

use super::{LostSnapshot, Repository, SignedSnapshot, SnapshotPlace, list};
use crate::error::{Error, Kind, Result, unless_damaged};
use crate::format::names::{self, DataKeyName};
use crate::id::SessionId;

impl Repository {
    /// Whether nothing opens what a session has sealed: every wrap of its data keys is gone or damaged, and every second copy of one. A wrap by
    /// newer secrets than this key holds is neither: others open it.
    pub(crate) fn is_key_lost(&self, session: SessionId) -> Result<bool> {
        Ok(!self.may_open(session)? && !self.second_copies().may_open(session)?)
    }

    /// Whether a wrap of these data keys opens, by this key or perhaps by another.
    fn may_open(&self, session: SessionId) -> Result<bool> {
        // A listing may be short: what has its name by itself is asked for, too.
        let own = (0..=self.keys.generation()).map(|generation| DataKeyName { session, generation, carrier: None });
        let listed = list(&*self.store, names::DATA_KEYS)?;
        let listed = listed.iter().filter_map(|object| names::parse_data_key(&object.name).ok());
        for wrap in own.chain(listed.filter(|wrap| wrap.session == session)) {
            match self.data_keys.read_wrap(&wrap) {
                Err(error) if Error::tells_of_newer_secrets(&error.to_string()) => return Ok(true),
                Err(error) if error.kind() == Kind::Corrupt => {}
                read => return read.map(|_| true),
            }
        }
        Ok(false)
    }

    /// Whether a snapshot proves itself, and its data key does not open.
    pub(super) fn lacks_its_key(&self, place: SnapshotPlace) -> Result<bool> {
        let Some(signed) = unless_damaged(self.read_proof(place))? else { return Ok(false) };
        Ok(unless_damaged(self.data_keys.get(signed.session))?.is_none())
    }

    /// Whether a snapshot that cannot be read proves where it stands, so that it can be forgotten.
    pub fn proves_itself(&self, lost: &LostSnapshot) -> Result<bool> {
        match lost.place {
            Some(place) => Ok(unless_damaged(self.read_proof(place))?.is_some()),
            None => Ok(false),
        }
    }

    /// What a snapshot proves that cannot be read and that is whole but for its data key, if that key is lost.
    pub(super) fn proof_without_key(
        &self,
        place: SnapshotPlace,
        lost: &[LostSnapshot],
    ) -> Result<Option<SignedSnapshot>> {
        if lost.iter().all(|lost| lost.place != Some(place)) {
            return Ok(None);
        }
        let signed = match self.read_proof(place) {
            Err(error) if error.kind() == Kind::Corrupt => return Ok(None),
            signed => signed?,
        };
        Ok(self.is_key_lost(signed.session)?.then_some(signed))
    }
}

#[cfg(test)]
mod tests;
