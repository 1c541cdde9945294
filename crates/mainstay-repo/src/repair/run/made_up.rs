//! What is lost here and to be had elsewhere: of a sister, or of what was stored again.
//!
//! Owns when a block that is in no pack is put together, and that it is in a pack that tables name before anything goes.
//!
//! Safety: such a block becomes a thinned copy with all that the rows of the index tell of it and that is to be had. It is written only if that has
//! every range that the trees of all snapshots use whose maps name it; one of which a tree cannot be read keeps its blocks lost. Publish, then look: the
//! pack was gone before leases and then snapshots are listed. A writer that begins later finds nothing in that pack; beside one
//! that is at work nothing is put together, since it may need what no snapshot here needs.

use std::collections::{BTreeMap, HashMap};

use super::super::assess::Assess;
use super::super::stored_again::{Gathered, Gatherer, Layouts, in_parts};
use super::super::treat::Treatment;
use super::super::{Means, RepairMode, Repaired, sister};
use super::{Run, Treated, kept_snapshots};
use crate::compress::Effort;
use crate::error::{Result, unless_damaged};
use crate::format::block::BlockKind;
use crate::format::limits;
use crate::format::refs::BlockSet;
use crate::format::tree::Content;
use crate::id::BlockId;
use crate::index::{NewRows, write_tables};
use crate::pack_writer::{BlockSealer, PackWriter, PlainBlock, SpareBuffers};
use crate::prune::Living;
use crate::repository::Repository;
use crate::tree_reader::TreeReader;

/// What is lost, by object.
type Lost = BTreeMap<String, Vec<BlockId>>;

/// What is to be put together: by block its kind, and the object that is gone or damaged.
type Wanted = HashMap<BlockId, (BlockKind, usize)>;

/// What snapshots need of blocks, and of which it is not known.
struct Needs {
    living: Living,
    unknown: BlockSet,
}

impl Run<'_> {
    /// Takes from a sister what would be lost.
    pub(super) fn take_from(&mut self, sister: &Repository, assess: &mut Assess<'_>) -> Result<()> {
        let (lost, mut wanted) = (self.lost_so_far(assess)?, BlockSet::default());
        wanted.extend(lost.values().flatten().copied());
        if wanted.is_empty() {
            return Ok(());
        }
        let (session, mode) = (self.session, self.options.mode);
        assess.lent = sister::take_blocks(self.repository, (sister, &assess.index), session, (&wanted, mode))?;
        self.tell_what_is_made_up(assess, lost, (&assess.lent, Means::Sister));
        if self.applies() {
            self.count_on_what_was_written(assess)?;
        }
        Ok(())
    }

    /// Puts together what would be lost, and was stored again.
    pub(super) fn take_what_was_stored_again(&mut self, assess: &mut Assess<'_>) -> Result<()> {
        let is_any_gone = !assess.index.packs_beside(&self.repository.list_packs()?).is_empty();
        if !assess.needed.is_known || assess.packs.damaged.is_empty() && !is_any_gone {
            return Ok(());
        }
        let lost = self.lost_so_far(assess)?;
        let wanted = self.wanted(assess, &lost)?;
        if wanted.is_empty() || self.is_writer_at_work()? {
            return Ok(());
        }
        let Some(needs) = self.needs(assess, &wanted)? else { return Ok(()) };
        let mut rebuilt = BlockSet::default();
        // In the order of their objects, so that what was in one pack comes into one pack.
        let blocks = lost.values().flatten().filter(|block| wanted.contains_key(block)).copied();
        for part in in_parts(&assess.index, blocks)? {
            self.rebuild(assess, (&wanted, &needs), &part, &mut rebuilt)?;
        }
        self.tell_what_is_made_up(assess, lost, (&rebuilt, Means::Chunks));
        let is_any_rebuilt = !rebuilt.is_empty();
        assess.rebuilt = rebuilt;
        if is_any_rebuilt && self.applies() {
            self.count_on_what_was_written(assess)?;
        }
        Ok(())
    }

    /// What would be lost if nothing more were done.
    fn lost_so_far(&mut self, assess: &Assess<'_>) -> Result<Lost> {
        let (mode, report) = (self.options.mode, self.report.clone());
        self.options.mode = RepairMode::Show;
        let lost = self.lost_alone(assess);
        (self.options.mode, self.report) = (mode, report);
        lost
    }

    /// What nothing here brings back.
    fn lost_alone(&mut self, assess: &Assess<'_>) -> Result<Lost> {
        let mut treated = Treated::new(Treatment::new(self.repository, self.session));
        self.treat_all(assess, &mut treated)?;
        let Treated { moved, mut lost, .. } = treated;
        lost.values_mut().for_each(|blocks| blocks.retain(|block| !moved.contains(*block)));
        lost.extend(self.judge_doomed(assess)?);
        self.find_missing(assess, &moved, &mut lost)?;
        Ok(lost)
    }

    /// Damaged packs are told of when they are treated; what is gone is made up for here.
    fn tell_what_is_made_up(&mut self, assess: &Assess<'_>, lost: Lost, (had, means): (&BlockSet, Means)) {
        let is_damaged = |object: &str| assess.packs.damaged.iter().any(|pack| pack.name == object);
        let is_had = |blocks: &[BlockId]| blocks.iter().all(|block| had.contains(*block));
        let made_up_for = lost.into_iter().filter(|(object, blocks)| !is_damaged(object) && is_had(blocks));
        self.report.repaired.extend(made_up_for.map(|(object, _)| Repaired { object, means }));
    }

    /// The lost blocks that could be sealed again, as far as tables tell what they are.
    fn wanted(&self, assess: &Assess<'_>, lost: &Lost) -> Result<Wanted> {
        let mut objects = HashMap::new();
        for (number, blocks) in lost.values().enumerate() {
            for block in blocks {
                if assess.has_key(*block)? {
                    objects.insert(*block, number);
                }
            }
        }
        let mut wanted = Wanted::new();
        assess.index.for_each_block(|block, place| {
            if let Some(object) = objects.get(&block) {
                wanted.insert(block, (place.kind, *object));
            }
        })?;
        Ok(wanted)
    }

    /// Whether somebody writes. Who is shown what would be done sees nobody who would be fenced.
    fn is_writer_at_work(&self) -> Result<bool> {
        let mut open = self.repository.leases().open_leases(self.session)?;
        if !self.applies() {
            open.known.retain(|lease| !lease.silent);
            open.unknown.clear();
        }
        Ok(open.may_write())
    }

    /// What snapshots need of these blocks; `None` if one cannot be read, and may need anything.
    fn needs(&self, assess: &Assess<'_>, wanted: &Wanted) -> Result<Option<Needs>> {
        let snapshots = kept_snapshots(self.repository, &self.around)?;
        if !snapshots.unreadable.is_empty() {
            return Ok(None);
        }
        let (mut roots, mut unknown) = (Vec::<(Content, BlockSet)>::new(), BlockSet::default());
        for entry in &snapshots.kept {
            let map = unless_damaged(self.repository.reference_map(entry.id(), &entry.signed.references))?;
            let mut own = BlockSet::default();
            own.extend(wanted.keys().filter(|block| map.as_ref().is_none_or(|map| map.contains(**block))).copied());
            if own.is_empty() {
                continue;
            }
            match unless_damaged(self.repository.read_signed_snapshot(entry.signed.place))? {
                Some((_, snapshot)) => roots.push((snapshot.root, own)),
                None => unknown.union(&own),
            }
        }
        let trees = self.trees(assess, wanted)?;
        let walk = |roots: &[&Content]| unless_damaged(Living::walk(&trees, roots.iter().copied(), self.observer));
        let all: Vec<&Content> = roots.iter().map(|(root, _)| root).collect();
        if let Some(living) = walk(&all)? {
            return Ok(Some(Needs { living, unknown }));
        }
        let mut whole = Vec::new();
        for (root, own) in &roots {
            match walk(&[root])? {
                Some(_) => whole.push(root),
                None => unknown.union(own),
            }
        }
        Ok(walk(&whole)?.map(|living| Needs { living, unknown }))
    }

    /// Reads trees, of blocks that are in no pack what can be had.
    fn trees(&self, assess: &Assess<'_>, wanted: &Wanted) -> Result<TreeReader> {
        let trees = wanted.iter().filter(|(_, (kind, _))| *kind == BlockKind::Tree).map(|(block, _)| *block);
        let trees: Vec<BlockId> = trees.collect();
        let reader = self.repository.block_reader(&assess.index);
        if trees.is_empty() {
            return Ok(TreeReader::new(reader));
        }
        Ok(TreeReader::new(reader.with_last_resort(self.gatherer(assess).into_last_resort(&trees)?)))
    }

    fn gatherer(&self, assess: &Assess<'_>) -> Gatherer {
        let (index, blocks) = (assess.index.clone(), self.repository.block_reader(&assess.index));
        Gatherer { index, blocks, keys: self.repository.keys.clone() }
    }

    /// Puts these blocks together, as far as all that is needed of them is to be had, and writes them into new packs.
    fn rebuild(
        &mut self,
        assess: &Assess<'_>,
        (wanted, needs): (&Wanted, &Needs),
        blocks: &[BlockId],
        rebuilt: &mut BlockSet,
    ) -> Result<()> {
        let (layouts, gatherer) = (Layouts::read(&assess.index, blocks)?, self.gatherer(assess));
        let mut packs = NewPacks { run: self, open: None, rows: NewRows::default(), bytes: 0 };
        for block in blocks.iter().filter(|block| !needs.unknown.contains(**block)) {
            packs.run.observer.check()?;
            let Some((kind, object)) = wanted.get(block).copied() else { continue };
            let (Some(table), Some(living)) = (layouts.table(*block), needs.living.of(*block)) else { continue };
            let gathered = gatherer.gather((*block, kind), &table)?;
            let Some(gathered) = gathered.filter(|gathered| gathered.has(living)) else { continue };
            rebuilt.insert(*block);
            if packs.run.applies() {
                packs.append((*block, kind), object, gathered)?;
            }
        }
        let written = packs.finish()?;
        self.report.written_bytes += written;
        Ok(())
    }
}

/// The packs that rebuilt blocks go into: those of one object that is gone stay among themselves.
struct NewPacks<'a, 'r> {
    run: &'a Run<'r>,
    open: Option<(usize, PackWriter)>,
    rows: NewRows,
    bytes: u64,
}

impl NewPacks<'_, '_> {
    fn append(&mut self, (id, kind): (BlockId, BlockKind), object: usize, gathered: Gathered) -> Result<()> {
        let repository = self.run.repository;
        let is_full = |(open, pack): &mut (usize, PackWriter)| *open != object || pack.len() >= limits::PACK_TARGET_MAX;
        if let Some((_, pack)) = self.open.take_if(is_full) {
            self.enter(pack)?;
        }
        let data_key = repository.data_keys.get(id.session)?;
        let (keys, compressors) = (&*repository.keys, &*repository.compressors);
        let sealer = BlockSealer { keys, data_key: &data_key, compressors, spare: &SpareBuffers::default() };
        let Gathered { table: chunks, coded, .. } = gathered;
        let (effort, bytes) = (Effort::Fast, coded.into());
        let sealed = sealer.seal(&PlainBlock { id, kind, effort, thinned: true, bytes, chunks: chunks.clone() })?;
        let mut pack = match self.open.take() {
            Some((_, pack)) => pack,
            None => PackWriter::begin(&*repository.store, repository.id(), self.run.session)?,
        };
        pack.append(&sealed)?;
        pack.note_thinned(id, chunks);
        self.open = Some((object, pack));
        Ok(())
    }

    /// Finishes a pack; its rows wait for the others.
    fn enter(&mut self, pack: PackWriter) -> Result<()> {
        let finished = pack.finish()?;
        self.bytes += finished.len;
        finished.enter(&mut self.rows, &self.run.repository.keys);
        Ok(())
    }

    /// Finishes the last pack and indexes all; answers their bytes.
    fn finish(mut self) -> Result<u64> {
        if let Some((_, pack)) = self.open.take() {
            self.enter(pack)?;
        }
        if !self.rows.is_empty() {
            let repository = self.run.repository;
            write_tables(&*repository.store, &repository.keys, self.rows, &[])?;
        }
        Ok(self.bytes)
    }
}
