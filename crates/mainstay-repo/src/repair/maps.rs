//! Reference maps: what snapshots need, and making a damaged map anew.
//!
//! Owns that a map is written only if it is, byte for byte, the one that its snapshot names.

use std::collections::HashSet;

use super::assess::Needed;
use super::{Means, RepairMode, Repaired};
use crate::error::{Kind, Result, unless_damaged};
use crate::format::names;
use crate::format::refs::{self, BlockSet};
use crate::index::Care;
use crate::prune::{Living, Snapshots, Unobserved};
use crate::repository::{ProvedSnapshot, Repository, put, store_error};
use crate::tree_reader::TreeReader;

/// What snapshots need, and the maps that were made anew or could be.
pub fn read_maps(repository: &Repository, snapshots: &Snapshots, mode: RepairMode) -> Result<(Needed, Vec<Repaired>)> {
    let (blocks, by_void, is_known) = (BlockSet::default(), BlockSet::default(), snapshots.unreadable.is_empty());
    let mut needed = Needed { blocks, by_void, is_known };
    let mut repaired = Vec::new();
    for entry in &snapshots.kept {
        match repository.reference_map(entry.id(), &entry.signed.references) {
            Ok(blocks) => needed.blocks.union(&blocks),
            Err(error) if error.kind() == Kind::Corrupt => match rebuild(repository, entry, mode)? {
                Some(blocks) => {
                    needed.blocks.union(&blocks);
                    repaired.push(Repaired { object: names::refs(entry.id()), means: Means::Derived });
                }
                None => needed.is_known = false,
            },
            Err(error) => return Err(error),
        }
    }
    for entry in &snapshots.void {
        if let Some(blocks) = unless_damaged(repository.reference_map(entry.id(), &entry.signed.references))? {
            needed.by_void.union(&blocks);
        }
    }
    Ok((needed, repaired))
}

/// Makes a map anew from the trees; `None` if they do not come to the map that the snapshot names.
fn rebuild(repository: &Repository, entry: &ProvedSnapshot, mode: RepairMode) -> Result<Option<BlockSet>> {
    let snapshot = match repository.read_signed_snapshot(entry.signed.place) {
        Err(error) if error.kind() == Kind::Corrupt => return Ok(None),
        read => read?.1,
    };
    let index = repository.index_without(HashSet::new(), Care::Tails)?;
    let trees = TreeReader::new(repository.block_reader(&index));
    let living = match Living::walk(&trees, std::iter::once(&snapshot.root), &Unobserved) {
        Err(error) if error.kind() == Kind::Corrupt => return Ok(None),
        walked => walked?,
    };
    let mut blocks = BlockSet::default();
    living.add_blocks(&mut blocks);
    let map = refs::encode(repository.id(), &blocks);
    if blake3::hash(&map).as_bytes() != &entry.signed.references {
        return Ok(None);
    }
    if mode == RepairMode::Apply {
        // An object has its name for ever, so the damaged one goes first; until the new one is there, trees still tell.
        let name = names::refs(entry.id());
        repository.store.delete(&name).map_err(|source| store_error("delete", &name, source))?;
        put(&*repository.store, &name, &map)?;
    }
    Ok(Some(blocks))
}
