//! What is needed: which blocks, which parts of them, and which copy of each counts.
//!
//! Owns the answer for one block. Knows nothing of what a pack comes to, and changes nothing.

use std::ops::Range;
use std::sync::Arc;

use super::living::Living;
use super::observer::PruneObserver;
use super::snapshots::Snapshots;
use super::thin::{Thinning, plan_thinning};
use crate::error::{Kind, Result, unless_damaged};
use crate::format::block::ChunkTable;
use crate::format::pack::PackRow;
use crate::format::refs::BlockSet;
use crate::id::{BlockId, PackId};
use crate::index::{BlockPlace, Index};
use crate::pack_reader::{Expected, OpenBlock};
use crate::repository::{ProvedSnapshot, Repository};
use crate::session::Twins;
use crate::store::Object;
use crate::tree_reader::TreeReader;

/// What the key of a collector opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Every block, chunk table and tree.
    Full,
    /// None of them: blocks are kept as a whole, and no copy of one goes but for the sake of a twin.
    Blind,
}

impl Sight {
    pub fn of(repository: &Repository) -> Self {
        if repository.may_do_everything() { Self::Full } else { Self::Blind }
    }
}

/// What kept snapshots need.
pub struct Needs {
    pub sight: Sight,
    pub index: Arc<Index>,
    /// Blocks that are needed, as a whole or in part.
    pub live: BlockSet,
    /// Blocks of which a repair has found no copy, and whose loss was accepted.
    pub lost: BlockSet,
    /// Which parts of them; unknown where a tree cannot be read, or may not be.
    pub living: Option<Living>,
    /// Whether blocks may be thinned: two collectors at once would do it twice.
    pub may_thin: bool,
    /// Blocks that only void snapshots need, and of which no table names a copy outside doomed packs.
    pub lacked_by_void: BlockSet,
}

impl Needs {
    /// Finds what the kept snapshots need.
    pub fn find(
        repository: &Repository,
        index: Arc<Index>,
        snapshots: &Snapshots,
        observer: &dyn PruneObserver,
    ) -> Result<Self> {
        let mut live = BlockSet::default();
        for entry in &snapshots.kept {
            live.union(&repository.reference_map(entry.id(), &entry.signed.references)?);
        }
        let mut lacked = BlockSet::default();
        for entry in &snapshots.void {
            add_what_is_here((&mut live, &mut lacked), (repository, &index), entry)?;
        }
        let sight = Sight::of(repository);
        let mut living = None;
        if sight == Sight::Full {
            // Whether every page can be read shows here, before anything else is done.
            index.read_chunk_tables()?;
            living = walk_trees(repository, &index, snapshots, observer)?;
        }
        if let Some(living) = &living {
            let mut walked = BlockSet::default();
            living.add_blocks(&mut walked);
            live.extend(walked.iter().filter(|block| !lacked.contains(*block)));
        }
        let lost = repository.known_losses()?.accepted;
        Ok(Self { sight, index, live, lost, living, may_thin: true, lacked_by_void: lacked })
    }

    /// Counts blocks from now on that were rescued, those that only void snapshots need among them.
    pub fn count(&mut self, rescued: &BlockSet) {
        let (back, lacked): (Vec<BlockId>, Vec<BlockId>) =
            self.lacked_by_void.iter().partition(|block| rescued.contains(*block));
        self.live.extend(back.into_iter());
        self.lacked_by_void = BlockSet::default();
        self.lacked_by_void.extend(lacked.into_iter());
    }

    /// Whether this pack is the one whose copy of a needed block counts.
    pub fn is_needed(&self, block: BlockId, pack: PackId) -> Result<bool> {
        Ok(self.live.contains(block) && self.index.find_block(block)?.is_some_and(|place| place.pack == pack))
    }

    /// What would stay of a block if it were thinned; `None` if that is not worth it, or not known.
    pub fn thinning(&self, row: &PackRow, table: &ChunkTable) -> Option<Thinning> {
        let living = self.living.as_ref().filter(|_| self.may_thin)?.of(row.block)?;
        plan_thinning(table, living)
    }

    /// Whether a copy of a block opens and is as good as the one of this row, in a pack that is condemned: whole, or with
    /// everything in it that is needed, or with the same bytes.
    /// Whoever is blind cannot judge it, and takes any; before its original goes, they are compared.
    pub fn has_copy_as_good(&self, repository: &Repository, (pack, row): (&Object, &PackRow)) -> Result<bool> {
        let reader = repository.block_reader(&self.index);
        for place in self.index.copies(row.block)? {
            let is_as_good = self.sight == Sight::Blind
                || self.is_covered(repository, row.block, &place)?
                || Twins::new(repository).are_twins((pack, row), &place)?;
            if is_as_good && (self.sight == Sight::Blind || reader.has_good_copy((row.block, row.kind), &place)?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A block of which something is needed that no copy has: two thinned ones may complete each other.
    pub fn lacking(&self, repository: &Repository) -> Result<Option<BlockId>> {
        for block in self.live.iter() {
            let copies = self.index.copies(block)?;
            if copies.is_empty() || copies.iter().any(|place| !place.thinned) {
                continue;
            }
            let mut there = Living::default();
            for place in &copies {
                let kept = self.kept(repository, block, place)?;
                kept.into_iter().for_each(|range| there.add(block, range));
            }
            if !self.is_within(block, there.of(block).unwrap_or_default()) {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }

    /// Whether a copy of a block has everything that is needed of it, as the opened block says: the chunk table beside it is not
    /// bound to the copy, and may be that of another. Where that is not known it has not.
    pub fn is_covered(&self, repository: &Repository, block: BlockId, place: &BlockPlace) -> Result<bool> {
        Ok(!place.thinned || self.is_within(block, &self.kept(repository, block, place)?))
    }

    /// Whether what is needed of a block is known, and within these ranges.
    fn is_within(&self, block: BlockId, kept: &[Range<u32>]) -> bool {
        let is_there = |range: &Range<u32>| kept.iter().any(|kept| kept.start <= range.start && range.end <= kept.end);
        self.living.as_ref().and_then(|living| living.of(block)).is_some_and(|living| living.iter().all(is_there))
    }

    /// What is there of a block in a copy; nothing if that does not open.
    fn kept(&self, repository: &Repository, block: BlockId, place: &BlockPlace) -> Result<Vec<Range<u32>>> {
        let reader = repository.block_reader(&self.index);
        let (mut stored, mut plain) = (vec![0; place.stored_len as usize], OpenBlock::default());
        let expected = Expected { block, kind: place.kind, thinned: place.thinned };
        let read = reader.read_range(place, place.offset.into(), &mut stored);
        match read.and_then(|()| reader.open(expected, &mut stored, &mut plain)) {
            Err(error) if error.kind() == Kind::Corrupt => Ok(Vec::new()),
            opened => opened.map(|()| plain.kept()),
        }
    }
}

/// A void snapshot may lack anything: what is left of it stays, in doomed packs as well as far as it can be rescued, and what is gone stops
/// nobody.
fn add_what_is_here(
    (live, lacked): (&mut BlockSet, &mut BlockSet),
    (repository, index): (&Repository, &Index),
    entry: &ProvedSnapshot,
) -> Result<()> {
    let Some(map) = unless_damaged(repository.reference_map(entry.id(), &entry.signed.references))? else {
        return Ok(());
    };
    for block in map.iter() {
        match index.find_block(block)? {
            Some(_) => drop(live.insert(block)),
            None if live.contains(block) => {}
            None => drop(lacked.insert(block)),
        }
    }
    Ok(())
}

/// A tree that cannot be read is no reason to keep what is known to be dead: then blocks are kept as a whole.
fn walk_trees(
    repository: &Repository,
    index: &Arc<Index>,
    snapshots: &Snapshots,
    observer: &dyn PruneObserver,
) -> Result<Option<Living>> {
    let trees = TreeReader::new(repository.block_reader(index));
    let read = |entry: &ProvedSnapshot| Ok(repository.read_signed_snapshot(entry.signed.place)?.1.root);
    let walked = snapshots
        .kept
        .iter()
        .chain(&snapshots.void)
        .map(read)
        .collect::<Result<Vec<_>>>()
        .and_then(|roots| Living::walk(&trees, roots.iter(), observer));
    unless_damaged(walked)
}
