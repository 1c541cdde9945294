//! What is known to be lost.
//!
//! Owns reading the lists that a repair leaves. A list that cannot be read says nothing: the next repair makes it anew.

use super::{Repository, list};
use crate::error::{Error, Result};
use crate::format::losses::decode_losses;
use crate::format::names;
use crate::format::refs::BlockSet;
use crate::pack_reader::read_object;

/// Blocks that snapshots need and of which there is no good copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownLosses {
    pub blocks: BlockSet,
    /// Those of them of which somebody has said that the loss is accepted.
    pub accepted: BlockSet,
    /// Names of the lists.
    pub(crate) lists: Vec<String>,
}

impl Repository {
    /// What the last repair found lost.
    pub fn known_losses(&self) -> Result<KnownLosses> {
        let mut known = KnownLosses::default();
        for object in list(&*self.store, names::LOSSES)? {
            let bytes = match read_object(&*self.store, &object.name, "read list of lost blocks") {
                Err(Error::Missing { .. }) => continue,
                read => read?,
            };
            known.lists.push(object.name);
            if let Ok(losses) = decode_losses(self.id(), &bytes) {
                known.blocks.union(&losses.blocks);
                known.accepted.union(&losses.accepted);
            }
        }
        Ok(known)
    }
}
