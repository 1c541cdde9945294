//! What there is and what is needed of it: everything that a plan is made from.
//!
//! Owns reading snapshots, marks, reference maps, trees and the packs' own accounts. Changes nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::living::Living;
use super::plan::{PackUse, PrunePlan, plan_prune};
use super::thin::{Thinning, plan_thinning};
use crate::error::{Error, Kind, Result};
use crate::format::block::ChunkTable;
use crate::format::coord::{decode_intent, decode_trash};
use crate::format::lease::Role;
use crate::format::names;
use crate::format::pack::PackRow;
use crate::format::refs::BlockSet;
use crate::id::{BlockId, PackId, SessionId, SnapshotId};
use crate::index::{BlockPlace, Care, Index};
use crate::pack_reader::{PackListing, read_object};
use crate::repository::{Repository, SnapshotEntry, list};
use crate::store::Object;
use crate::tree_reader::TreeReader;

/// Everything that planning reads, so that carrying out does not read it again.
pub struct Inventory {
    pub forgotten: Vec<SnapshotEntry>,
    pub living_sessions: HashSet<SessionId>,
    /// Sessions whose blocks share no pack with those of others.
    pub independent: HashSet<SessionId>,
    pub kept: HashSet<SnapshotId>,
    pub index: Arc<Index>,
    /// Blocks that are needed, as a whole or in part.
    pub live: BlockSet,
    /// Which parts of them; unknown where a tree cannot be read.
    living: Option<Living>,
    /// How often blocks were thinned, as rows of chunks tell, those of prunes that were killed too.
    thinned: HashMap<BlockId, u8>,
    packs: Vec<Object>,
}

impl Inventory {
    pub fn take(repository: &Repository) -> Result<Self> {
        // Intents before snapshots: a session that commits meanwhile is seen in one of the two.
        let mut live = intended_blocks(repository)?;
        let (forgotten, kept): (Vec<_>, Vec<_>) =
            repository.every_snapshot()?.into_iter().partition(|entry| entry.forgotten);
        for entry in &forgotten {
            confirm_forgotten(repository, entry.id)?;
        }
        let (mut living_sessions, mut independent) = (HashSet::new(), HashSet::new());
        for entry in &kept {
            live.union(&repository.references(entry)?);
            living_sessions.insert(entry.snapshot.session);
            if entry.snapshot.independent {
                independent.insert(entry.snapshot.session);
            }
        }
        let packs = repository.list_packs()?;
        let index = index_of_present(repository, &packs)?;
        let living = walk_trees(repository, &index, &kept)?;
        if let Some(living) = &living {
            live.union(&living.blocks());
        }
        let thinned = index.thinned_blocks()?;
        let kept = kept.iter().map(|entry| entry.id).collect();
        Ok(Self { forgotten, living_sessions, independent, kept, index, live, living, thinned, packs })
    }

    /// Whether this pack is the one whose copy of a needed block counts.
    pub fn is_needed(&self, block: BlockId, pack: PackId) -> Result<bool> {
        Ok(self.live.contains(block) && self.index.find_block(block)?.is_some_and(|place| place.pack == pack))
    }

    /// What would stay of a block if it were thinned; `None` if that is not worth it, or not known.
    pub fn thinning(&self, row: &PackRow, table: &ChunkTable) -> Option<Thinning> {
        let living = self.living.as_ref()?.of(row.block)?;
        // A row of a copy that is gone must not come to count for the new one: it may lack that chunk.
        let before = self.thinned.get(&row.block).copied().unwrap_or_default().max(row.thinned);
        plan_thinning(before.checked_add(1)?, table, living)
    }

    pub fn plan(&self, repository: &Repository) -> Result<PrunePlan> {
        let mut uses = self.count_blocks()?;
        let mut packs = Vec::with_capacity(self.packs.len());
        for object in &self.packs {
            let (id, session) = names::parse_pack(&object.name)
                .map_err(|problem| Error::damaged("list packs", &object.name, problem))?;
            let live_bytes = match uses.remove(&id) {
                Some(pack) if pack.is_needed => {
                    let dead = pack.dead_bytes + self.dead_parts(repository, id, object)?;
                    // A table may name a dead block twice; a pack with a living block is never taken for dead.
                    object.len.saturating_sub(dead).max(1)
                }
                Some(_) => 0,
                None => {
                    self.require_nothing_of(repository, object)?;
                    0
                }
            };
            packs.push(PackUse { id, session, len: object.len, live_bytes });
        }
        Ok(plan_prune(packs, self.forgotten.iter().map(|entry| entry.id).collect()))
    }

    /// Whether a pack that no table names may go: it must hold no copy of a needed block that is less thinned than the one
    /// that the index knows. If it does, a table is gone without a trace.
    fn require_nothing_of(&self, repository: &Repository, pack: &Object) -> Result<()> {
        let listing = match repository.read_pack_listing(pack) {
            Err(error) if error.kind() == Kind::Corrupt => return Ok(()),
            read => read?,
        };
        if self.index.is_condemned(listing.id) {
            return Ok(());
        }
        for row in listing.rows.iter().filter(|row| self.live.contains(row.block)) {
            if self.index.find_block(row.block)?.is_none_or(|place| row.thinned < place.thinned) {
                return Err(Error::BlockMissing { block: row.block.to_string() });
            }
        }
        Ok(())
    }

    /// Counts what is needed of the packs, block by block.
    fn count_blocks(&self) -> Result<HashMap<PackId, Use>> {
        let (mut found, mut several) = (BlockSet::default(), BlockSet::default());
        self.index.for_each_block(|block, _| {
            if self.live.contains(block) && !found.insert(block) {
                several.insert(block);
            }
        })?;
        // A block that is needed and not indexed means that the index or the listing is not the whole truth.
        if let Some(block) = self.live.iter().find(|block| !found.contains(*block)) {
            return Err(Error::BlockMissing { block: block.to_string() });
        }
        let mut chosen = HashMap::<BlockId, Option<BlockPlace>>::new();
        for block in several.iter() {
            chosen.insert(block, self.index.find_block(block)?);
        }
        let mut uses = HashMap::<PackId, Use>::new();
        self.index.for_each_block(|block, place| {
            let pack = uses.entry(place.pack).or_default();
            let is_chosen = chosen.get(&block).is_none_or(|chosen| *chosen == Some(place));
            if is_chosen && self.live.contains(block) {
                pack.is_needed = true;
            } else {
                pack.dead_bytes += u64::from(place.stored_len);
            }
        })?;
        Ok(uses)
    }

    /// Bytes that thinning the blocks of a pack would save.
    fn dead_parts(&self, repository: &Repository, id: PackId, pack: &Object) -> Result<u64> {
        if self.living.is_none() {
            return Ok(0);
        }
        let mut saved = 0;
        let surveyed = repository.read_pack_listing(pack).and_then(|listing| {
            listing.for_each_table(&*repository.store, |row, sealed| {
                if self.is_needed(row.block, id)? {
                    let table = PackListing::open_table(&repository.keys, row.block, sealed)?;
                    saved += self.thinning(row, &table).map_or(0, |thinning| thinning.saved(row.stored_len));
                }
                Ok(())
            })
        });
        match surveyed {
            // Of a pack whose account of itself is damaged, nothing more than its blocks is known.
            Err(error) if error.kind() == Kind::Corrupt => Ok(0),
            other => other.map(|()| saved),
        }
    }
}

/// Opens the index without the packs that are gone: a table of long ago that names them comes back to life when the one
/// that superseded it is gone, and must hide no copy that is there.
fn index_of_present(repository: &Repository, packs: &[Object]) -> Result<Arc<Index>> {
    let index = repository.index_without(HashSet::new(), Care::AllPages)?;
    if let Some(lost) = index.lost().first() {
        return Err(lost.error());
    }
    let gone = index.packs_beside(packs);
    if gone.is_empty() { Ok(index) } else { repository.index_without(gone, Care::Tails) }
}

/// What is needed of one pack.
#[derive(Default)]
struct Use {
    is_needed: bool,
    dead_bytes: u64,
}

/// A tree that cannot be read is no reason to keep what is known to be dead: then blocks are kept as a whole.
fn walk_trees(repository: &Repository, index: &Arc<Index>, kept: &[SnapshotEntry]) -> Result<Option<Living>> {
    let trees = TreeReader::new(repository.block_reader(index));
    match Living::walk(&trees, kept.iter().map(|entry| &entry.snapshot.root)) {
        Err(error) if error.kind() == Kind::Corrupt => Ok(None),
        other => other.map(Some),
    }
}

/// The blocks that sessions at work say they need.
fn intended_blocks(repository: &Repository) -> Result<BlockSet> {
    let mut blocks = BlockSet::default();
    let open = repository.leases().open_leases(SessionId([0; 16]))?;
    for lease in open.known.iter().filter(|lease| !lease.gone && lease.role == Role::Writer) {
        for object in list(&*repository.store, &format!("{}{}/", names::INTENTS, lease.session))? {
            let bytes = read_object(&*repository.store, &object.name, "read intent")?;
            let intent = decode_intent(repository.id(), &bytes)
                .map_err(|problem| Error::damaged("read intent", &object.name, problem))?;
            blocks.union(&intent.blocks);
        }
    }
    Ok(blocks)
}

/// A snapshot goes for good only by a mark that is whole and names it.
fn confirm_forgotten(repository: &Repository, id: SnapshotId) -> Result<()> {
    let name = names::trash(id);
    let bytes = read_object(&*repository.store, &name, "read trash mark")?;
    decode_trash(repository.id(), id, &bytes)
        .map(|_| ())
        .map_err(|problem| Error::damaged("read trash mark", &name, problem))
}
