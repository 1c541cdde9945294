//! What is known to be lost.
//!
//! Owns the one list that a repair leaves, by which the next backup takes these blocks for absent and stores again what its source still has: writing it,
//! reading it, and taking from it what has come back. A list that is damaged, or that nobody has signed who may, says
//! nothing: the next repair makes it anew.

use std::sync::Arc;

use super::{Repository, list, put, store_error};
use crate::error::{Error, Kind, Result};
use crate::format::envelope::ObjectKind;
use crate::format::losses::{Losses, decode_losses, encode_losses};
use crate::format::names;
use crate::format::refs::BlockSet;
use crate::id::TableId;
use crate::index::Index;
use crate::pack_reader::read_object;
use crate::seal::random;
use crate::signer::sign_object;
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

    /// The blocks of these lists of which a whole copy is in a pack that an index names: brought by a sync, or put back with their pack. Nothing for
    /// whoever cannot open them.
    pub fn healed_losses(&self, index: &Arc<Index>, known: &KnownLosses) -> Result<BlockSet> {
        let mut healed = BlockSet::default();
        if known.blocks.is_empty() || !self.may_do_everything() {
            return Ok(healed);
        }
        let reader = self.block_reader(index);
        for block in known.blocks.iter() {
            for place in index.copies(block)?.iter().filter(|place| !place.thinned) {
                if reader.has_good_copy((block, place.kind), place)? {
                    healed.insert(block);
                    break;
                }
            }
        }
        Ok(healed)
    }

    /// Takes from the lists what is there again: should the same be lost once more, nobody has accepted that.
    pub(crate) fn withdraw_healed_losses(&self) -> Result<()> {
        let known = self.known_losses()?;
        if known.blocks.is_empty() || !self.may_do_everything() {
            return Ok(());
        }
        let healed = self.healed_losses(&self.index()?, &known)?;
        if healed.is_empty() {
            return Ok(());
        }
        let left = |blocks: &BlockSet| {
            let mut left = BlockSet::default();
            left.extend(blocks.iter().filter(|block| !healed.contains(*block)));
            left
        };
        self.write_down_losses(&known, left(&known.blocks), left(&known.accepted))
    }

    /// Puts a list of these losses in the place of those that are there; does nothing where they say the same. A new list is there before the old
    /// ones go.
    pub(crate) fn write_down_losses(&self, known: &KnownLosses, blocks: BlockSet, accepted: BlockSet) -> Result<()> {
        // A list that says nothing goes.
        let is_same =
            known.lists.len() == 1 && !blocks.is_empty() && known.blocks == blocks && known.accepted == accepted;
        if is_same || known.lists.is_empty() && blocks.is_empty() {
            return Ok(());
        }
        if !blocks.is_empty() {
            let losses = Losses { id: TableId(random()?), blocks, accepted };
            let said = encode_losses(&losses);
            let bytes = sign_object(self.keys.signer(), self.id(), (ObjectKind::Losses, &said))?;
            put(&*self.store, &names::losses(losses.id), &bytes)?;
        }
        let delete = |name: &String| self.store.delete(name).map_err(|source| store_error("delete", name, source));
        known.lists.iter().try_for_each(delete)
    }
}

/// Whether it is this object that cannot be read, and not the store that does not answer.
fn is_unreadable(error: &Error) -> bool {
    match error {
        Error::Store { source, .. } => is_lost_on_disk(source),
        error => error.kind() == Kind::Corrupt,
    }
}
