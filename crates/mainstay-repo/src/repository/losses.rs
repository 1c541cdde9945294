//! What is known to be lost.
//!
//! Owns reading the lists that a repair leaves. A list that is damaged, or that nobody has signed who may, says
//! nothing: the next repair makes it anew.

use super::{Repository, list};
use crate::error::{Error, Kind, Result};
use crate::format::envelope::ObjectKind;
use crate::format::losses::decode_losses;
use crate::format::names;
use crate::format::refs::BlockSet;
use crate::pack_reader::read_object;
use crate::store::is_lost_on_disk;

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
                Err(error) if is_unreadable(&error) => {
                    known.lists.push(object.name);
                    continue;
                }
                read => read?,
            };
            known.lists.push(object.name);
            let said = self.judge.open_object(ObjectKind::Losses, &bytes);
            if let Ok(losses) = said.and_then(|said| decode_losses(&said)) {
                known.blocks.union(&losses.blocks);
                known.accepted.union(&losses.accepted);
            }
        }
        Ok(known)
    }
}

/// Whether it is this object that cannot be read, and not the store that does not answer.
fn is_unreadable(error: &Error) -> bool {
    match error {
        Error::Store { source, .. } => is_lost_on_disk(source),
        error => error.kind() == Kind::Corrupt,
    }
}
