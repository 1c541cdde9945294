//! What the packs say of themselves to which a session refers.
//!
//! Owns asking each of them once. A table of blocks is clear, and anybody can put one that leads into a pack for which somebody
//! vouches: the pack itself must say that it has the block. Memory: runs of serials, for each pack that is referred to.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError, RwLock};

use crate::error::{Kind, Result};
use crate::format::names;
use crate::format::refs::BlockSet;
use crate::id::{BlockId, PackId};
use crate::index::BlockPlace;
use crate::repository::{Repository, store_error};
use crate::store::{Object, is_absent};

/// The directories of packs, as far as they were asked for.
#[derive(Default)]
pub struct Directories {
    /// Blocks of which a whole copy is where the index says.
    confirmed: RwLock<BlockSet>,
    packs: Mutex<HashMap<PackId, Held>>,
}

/// Blocks of one pack.
#[derive(Default)]
struct Held {
    whole: BlockSet,
    thinned: BlockSet,
}

impl Held {
    fn of(&mut self, thinned: bool) -> &mut BlockSet {
        if thinned { &mut self.thinned } else { &mut self.whole }
    }
}

impl Directories {
    pub fn has_confirmed(&self, block: BlockId) -> bool {
        self.confirmed.read().unwrap_or_else(PoisonError::into_inner).contains(block)
    }

    /// Whether the pack itself says that it has this copy of a block.
    pub fn confirm(&self, repository: &Repository, block: BlockId, place: &BlockPlace) -> Result<bool> {
        let mut packs = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
        let held = match packs.entry(place.pack) {
            Entry::Occupied(held) => held.into_mut(),
            // One that cannot say it has nothing.
            Entry::Vacant(unknown) => unknown.insert(read(repository, place)?.unwrap_or_default()),
        };
        let is_there = held.of(place.thinned).contains(block);
        if is_there && !place.thinned {
            self.confirmed.write().unwrap_or_else(PoisonError::into_inner).insert(block);
        }
        Ok(is_there)
    }
}

fn read(repository: &Repository, place: &BlockPlace) -> Result<Option<Held>> {
    let name = names::pack(place.pack, place.pack_session);
    let len = match repository.store.len(&name) {
        Err(source) if is_absent(&source) => return Ok(None),
        len => len.map_err(|source| store_error("read", &name, source))?,
    };
    let listing = match repository.read_pack_listing(&Object { name, len }) {
        Err(error) if error.kind() == Kind::Corrupt => return Ok(None),
        listing => listing?,
    };
    let mut held = Held::default();
    for row in &listing.rows {
        held.of(row.thinned).insert(row.block);
    }
    Ok(Some(held))
}
