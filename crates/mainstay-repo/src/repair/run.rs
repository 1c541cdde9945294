//! A repair, step by step.
//!
//! Owns the order of the steps and what is known between them.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::assess::{Assess, Assessment, Needed, Rescued, Subject};
use super::inspect::{DamagedPack, inspect};
use super::treat::Treatment;
use super::{Loss, Means, OnLoss, RepairMode, RepairOptions, RepairReport, Repaired};
use super::{losses, maps, sidecars};
use crate::error::Result;
use crate::format::names;
use crate::format::refs::BlockSet;
use crate::format::table::TablePack;
use crate::id::{BlockId, PackId, SessionId};
use crate::index::{Care, Index};
use crate::lease::OpenLeases;
use crate::parity::{Bytes, HealedPack, Sidecar, StoredBytes};
use crate::prune::{PruneObserver, PrunePhase};
use crate::repository::{KnownLosses, Repository};
use crate::session::complete_index;

/// Packs of which something is lost are looked at once more when the others are done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    First,
    Last,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Decided,
    Deferred,
}

/// What became of damaged packs so far.
struct Treated<'r> {
    treatment: Treatment<'r>,
    rescued: Rescued,
    /// Blocks that can be had of damaged packs, whether those go or stay.
    moved: BlockSet,
    /// By object.
    lost: BTreeMap<String, Vec<BlockId>>,
}

impl<'r> Treated<'r> {
    fn new(treatment: Treatment<'r>) -> Self {
        Self { treatment, rescued: Rescued::new(), moved: BlockSet::default(), lost: BTreeMap::new() }
    }
}

/// A repair under way.
pub struct Run<'r> {
    repository: &'r Repository,
    options: RepairOptions,
    session: SessionId,
    observer: &'r dyn PruneObserver,
    open: OpenLeases,
    known: KnownLosses,
    report: RepairReport,
}

impl<'r> Run<'r> {
    pub fn new(
        repository: &'r Repository,
        options: RepairOptions,
        (session, observer): (SessionId, &'r dyn PruneObserver),
        open: OpenLeases,
    ) -> Result<Self> {
        let known = repository.known_losses()?;
        Ok(Self { repository, options, session, observer, open, known, report: RepairReport::default() })
    }

    pub fn run(mut self) -> Result<RepairReport> {
        self.observer.phase(PrunePhase::Plan);
        self.mend_index()?;
        let (needed, mapped) = maps::read_maps(self.repository, self.options.mode)?;
        let needs_maps = !needed.is_known;
        self.report.repaired.extend(mapped);
        let assess = self.begin_assessing(needed)?;
        self.observer.phase(PrunePhase::Rewrite);
        let mut treated = Treated::new(Treatment::new(self.repository, self.session));
        let mut deferred = Vec::new();
        for pack in &assess.packs.damaged {
            self.observer.check()?;
            if self.treat(&assess, pack, Turn::First, &mut treated)? == Fate::Deferred {
                deferred.push(pack);
            }
        }
        // What one damaged pack lacks another one may have had.
        for pack in deferred {
            self.observer.check()?;
            self.treat(&assess, pack, Turn::Last, &mut treated)?;
        }
        let Treated { mut treatment, moved, mut lost, .. } = treated;
        lost.values_mut().for_each(|blocks| blocks.retain(|block| !moved.contains(*block)));
        self.observer.phase(PrunePhase::Finish);
        let gone = self.find_missing(&assess, &moved, &mut lost)?;
        self.write_down(&lost)?;
        if self.options.mode == RepairMode::Apply {
            if self.options.on_loss == OnLoss::Accept {
                treatment.give_up(&gone);
            }
            self.report.written_bytes += treatment.written_bytes;
            treatment.finish(&assess)?;
        }
        let (mended, written) = sidecars::mend(self.repository, &assess.packs, self.options.mode, self.observer)?;
        self.report.repaired.extend(mended);
        self.report.written_bytes += written;
        if needs_maps && self.options.mode == RepairMode::Apply {
            // Trees that could not be read before may be readable now.
            self.report.repaired.extend(maps::read_maps(self.repository, self.options.mode)?.1);
        }
        self.report.lost = lost.into_iter().map(|(object, blocks)| self.loss(object, blocks)).collect();
        Ok(self.report)
    }

    /// Makes damaged tables anew from the packs.
    fn mend_index(&mut self) -> Result<()> {
        let index = self.index()?;
        for table in index.lost() {
            let object = names::table(table.kind, table.id);
            self.report.repaired.push(Repaired { object, means: Means::Derived });
        }
        if self.options.mode == RepairMode::Apply && !index.lost().is_empty() {
            complete_index(self.repository, &index, &self.repository.list_packs()?, &self.open)?;
        }
        Ok(())
    }

    fn index(&self) -> Result<Arc<Index>> {
        self.repository.index_without(HashSet::new(), Care::AllPages)
    }

    fn begin_assessing(&mut self, needed: Needed) -> Result<Assess<'r>> {
        let packs = inspect(self.repository, self.observer)?;
        (self.report.packs, self.report.bytes) = (packs.count, packs.bytes);
        let mut index = self.index()?;
        // What no table names could not stand in for what is damaged.
        if self.options.mode == RepairMode::Apply && !packs.damaged.is_empty() {
            let listed = self.repository.list_packs()?;
            if complete_index(self.repository, &index, &listed, &self.open)? {
                index = self.index()?;
            }
        }
        let blocks = self.repository.block_reader(&index);
        Ok(Assess { repository: self.repository, index, blocks, packs, needed })
    }

    /// Makes a damaged pack whole in a new place, or notes what is lost of it.
    fn treat(
        &mut self,
        assess: &Assess<'_>,
        pack: &DamagedPack,
        turn: Turn,
        treated: &mut Treated<'_>,
    ) -> Result<Fate> {
        let store = &*self.repository.store;
        let stored = StoredBytes::open(store, pack.name.clone())?;
        let sidecar = Sidecar::open(store, self.repository.id(), pack.id)?;
        let healed = sidecar.as_ref().map(|sidecar| HealedPack::recover(&stored, sidecar)).transpose()?.flatten();
        let bytes: &dyn Bytes = healed.as_ref().map_or(&stored, |healed| healed);
        let subject = Subject { pack, bytes, is_healed: healed.is_some() };
        let assessment = assess.assess(&subject, &treated.rescued)?;
        let is_whole = assessment.as_ref().is_some_and(|found| found.lost.is_empty());
        if !is_whole && turn == Turn::First {
            return Ok(Fate::Deferred);
        }
        let Assessment { moves, lost, means } = assessment.unwrap_or_default();
        if is_whole {
            self.report.repaired.push(Repaired { object: pack.name.clone(), means });
        } else {
            treated.lost.insert(pack.name.clone(), lost);
        }
        // Of a pack that stays, what is whole is still there.
        treated.moved.extend(moves.iter().map(|(row, _)| row.block));
        if is_whole || self.options.on_loss == OnLoss::Accept {
            treated.rescued.extend(moves.iter().map(|(row, _)| (row.block, row.thinned)));
            if self.options.mode == RepairMode::Apply {
                let percent = sidecar.as_ref().map(|sidecar| sidecars::percent_of(&sidecar.header));
                treated.treatment.replace(assess, &subject, &moves, percent)?;
            }
        }
        Ok(Fate::Decided)
    }

    /// Notes what is needed and in no pack; answers the packs that tables name and that are not there.
    fn find_missing(
        &self,
        assess: &Assess<'_>,
        moved: &BlockSet,
        lost: &mut BTreeMap<String, Vec<BlockId>>,
    ) -> Result<HashSet<(PackId, SessionId)>> {
        let mut held = moved.clone();
        held.extend(lost.values().flatten().copied());
        assess.index.for_each_block(|block, place| {
            if assess.packs.whole.contains(&place.pack) {
                held.insert(block);
            }
        })?;
        let is_there =
            |id: &PackId| assess.packs.whole.contains(id) || assess.packs.damaged.iter().any(|pack| pack.id == *id);
        let gone: BTreeMap<PackId, TablePack> =
            assess.index.packs().into_iter().filter(|(id, _)| !is_there(id)).collect();
        let mut missing = BlockSet::default();
        missing.extend(assess.needed.blocks.iter().filter(|block| !held.contains(*block)));
        let mut told = BlockSet::default();
        assess.index.for_each_block(|block, place| {
            if let Some(pack) = gone.get(&place.pack)
                && missing.contains(block)
                && told.insert(block)
            {
                lost.entry(names::pack(pack.id, pack.session)).or_default().push(block);
            }
        })?;
        let unknown: Vec<BlockId> = missing.iter().filter(|block| !told.contains(*block)).collect();
        if !unknown.is_empty() {
            lost.insert("blocks that are in no pack".to_owned(), unknown);
        }
        Ok(gone.into_values().map(|pack| (pack.id, pack.session)).collect())
    }

    /// Says in the repository what is lost, before anything goes because of it.
    fn write_down(&self, lost: &BTreeMap<String, Vec<BlockId>>) -> Result<()> {
        if self.options.mode == RepairMode::Show {
            return Ok(());
        }
        let (mut blocks, mut accepted) = (BlockSet::default(), BlockSet::default());
        blocks.extend(lost.values().flatten().copied());
        accepted.extend(blocks.iter().filter(|block| self.is_accepted(*block)));
        losses::write_down(self.repository, &self.known, blocks, accepted)
    }

    fn is_accepted(&self, block: BlockId) -> bool {
        self.options.on_loss == OnLoss::Accept || self.known.accepted.contains(block)
    }

    fn loss(&self, object: String, blocks: Vec<BlockId>) -> Loss {
        let is_accepted = self.options.on_loss == OnLoss::Accept
            || !blocks.is_empty() && blocks.iter().all(|block| self.known.accepted.contains(*block));
        Loss { object, blocks, is_accepted }
    }
}
