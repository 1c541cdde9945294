//! Writing down what is lost.
//!
//! Owns the one list that a repair leaves: the next backup takes these blocks for absent and stores again what the source
//! still has. A new list is there before the old one goes.

use crate::error::Result;
use crate::format::envelope::ObjectKind;
use crate::format::losses::{Losses, encode_losses};
use crate::format::names;
use crate::format::refs::BlockSet;
use crate::id::TableId;
use crate::repository::{KnownLosses, Repository, put, store_error};
use crate::seal::random;
use crate::signer::sign_object;

/// Puts a list of these losses in the place of those that are there; does nothing where they say the same.
pub fn write_down(repository: &Repository, known: &KnownLosses, blocks: BlockSet, accepted: BlockSet) -> Result<()> {
    // A list that says nothing goes.
    let is_same = known.lists.len() == 1 && !blocks.is_empty() && known.blocks == blocks && known.accepted == accepted;
    if is_same || known.lists.is_empty() && blocks.is_empty() {
        return Ok(());
    }
    let store = &*repository.store;
    if !blocks.is_empty() {
        let losses = Losses { id: TableId(random()?), blocks, accepted };
        let said = encode_losses(&losses);
        let bytes = sign_object(repository.keys.signer(), repository.id(), (ObjectKind::Losses, &said))?;
        put(store, &names::losses(losses.id), &bytes)?;
    }
    let delete = |name: &String| store.delete(name).map_err(|source| store_error("delete", name, source));
    known.lists.iter().try_for_each(delete)
}
