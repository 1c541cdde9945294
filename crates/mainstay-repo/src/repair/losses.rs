//! Writing down what is lost.
//!
//! Owns the one list that a repair leaves: the next backup takes these blocks for absent and stores again what the source
//! still has. A new list is there before the old one goes.

use crate::error::Result;
use crate::format::losses::{Losses, encode_losses};
use crate::format::names;
use crate::format::refs::BlockSet;
use crate::id::TableId;
use crate::repository::{KnownLosses, Repository, put, store_error};
use crate::seal::random;

/// Puts a list of these losses in the place of those that are there; does nothing where they say the same.
pub fn write_down(repository: &Repository, known: &KnownLosses, blocks: BlockSet, accepted: BlockSet) -> Result<()> {
    let is_same = known.lists.len() == 1 && known.blocks == blocks && known.accepted == accepted;
    if is_same || known.lists.is_empty() && blocks.is_empty() {
        return Ok(());
    }
    let store = &*repository.store;
    if !blocks.is_empty() {
        let losses = Losses { id: TableId(random()?), blocks, accepted };
        put(store, &names::losses(losses.id), &encode_losses(repository.id(), &losses))?;
    }
    let delete = |name: &String| store.delete(name).map_err(|source| store_error("delete", name, source));
    known.lists.iter().try_for_each(delete)
}
