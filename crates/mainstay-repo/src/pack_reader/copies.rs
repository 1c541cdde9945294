//! The copies of blocks that packs tell of themselves, whatever the index says.
//!
//! Owns the list of them and that it is read at most once for each reader. Opens no block.
//!
//! Concurrency: whoever needs the list first reads it, under a lock. Whoever comes meanwhile needs that list as well and
//! waits for it. Once it is there nobody takes the lock, and nobody reads a block while holding it.

use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::{Error, Kind, Result};
use crate::format::names;
use crate::id::BlockId;
use crate::index::{BlockPlace, NewRows};
use crate::keys::Keys;
use crate::pack_reader::PackListing;
use crate::store::{Store, is_absent};

/// A block and where a copy of it is: 80 bytes, so that a TiB of blocks of a MiB takes 80 MiB, and only after damage.
type BlockCopy = (BlockId, BlockPlace);

/// What packs say themselves: for what the index has lost, or leads to in vain.
#[derive(Default)]
pub struct Copies {
    reading: Mutex<()>,
    /// By block, and of each the whole copies first.
    listed: OnceLock<Vec<BlockCopy>>,
}

impl Copies {
    /// The copies of a block, whole ones first.
    pub fn of(&self, block: BlockId, (store, keys): (&dyn Store, &Keys)) -> Result<Vec<BlockPlace>> {
        let listed = self.listed(store, keys)?;
        let first = listed.partition_point(|(id, _)| *id < block);
        let copies = listed.get(first..).unwrap_or_default().iter().take_while(|(id, _)| *id == block);
        Ok(copies.map(|(_, place)| *place).collect())
    }

    fn listed(&self, store: &dyn Store, keys: &Keys) -> Result<&[BlockCopy]> {
        if let Some(listed) = self.listed.get() {
            return Ok(listed);
        }
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listed) = self.listed.get() {
            return Ok(listed);
        }
        let listed = list_copies(store, keys)?;
        Ok(self.listed.get_or_init(|| listed))
    }
}

/// Reads the directories of all packs. One that is damaged, or gone since it was listed, is left out.
fn list_copies(store: &dyn Store, keys: &Keys) -> Result<Vec<BlockCopy>> {
    let mut rows = NewRows::default();
    let packs = store.list(names::PACKS);
    let packs = packs.map_err(|source| Error::Store { verb: "list", name: names::PACKS.to_owned(), source })?;
    for pack in packs {
        match PackListing::read(store, keys, &pack.name, pack.len) {
            Ok(pack) => rows.add_pack(pack.named(), &pack.rows),
            Err(Error::Store { source, .. }) if is_absent(&source) => {}
            Err(error) if error.kind() == Kind::Corrupt => {}
            Err(error) => return Err(error),
        }
    }
    let mut copies = rows.blocks;
    copies.sort_unstable_by_key(|(block, place)| (*block, place.thinned));
    Ok(copies)
}
