//! A repair, step by step.
//!
//! Owns the order of the steps and what is known between them; [`missing`] finds what is in no pack, [`made_up`] where else it is.

mod made_up;
mod missing;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::assess::{Assess, Assessment, Needed, Rescued, Subject};
use super::inspect::{DamagedPack, Standing, inspect};
use super::small::PutAway;
use super::treat::Treatment;
use super::{Loss, Means, OnLoss, RepairMode, RepairOptions, RepairReport, Repaired};
use super::{maps, sidecars, sister};
use crate::condemned::CondemnedLists;
use crate::error::{Error, Kind, Result};
use crate::format::coord::CondemnedPack;
use crate::format::names;
use crate::format::refs::BlockSet;
use crate::id::{BlockId, PackId, SessionId};
use crate::index::{Care, Index};
use crate::pack_reader::PackListing;
use crate::parity::{Bytes, HealedPack, Sidecars, StoredBytes};
use crate::prune::{PruneObserver, PrunePhase, Removal, Snapshots, Surroundings};
use crate::repository::{KnownLosses, Repository, store_error};
use crate::session::{complete_index, rescue};
use crate::store::Object;

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
    /// Another copy of the repository, for what nothing here brings back.
    sister: Option<&'r Repository>,
    options: RepairOptions,
    session: SessionId,
    observer: &'r dyn PruneObserver,
    around: Surroundings,
    snapshots: Snapshots,
    known: KnownLosses,
    /// Whether what is lost is given up; known when all of it is.
    gives_up: bool,
    report: RepairReport,
}

impl<'r> Run<'r> {
    pub fn new(
        (repository, sister): (&'r Repository, Option<&'r Repository>),
        options: RepairOptions,
        (session, observer): (SessionId, &'r dyn PruneObserver),
        around: Surroundings,
    ) -> Result<Self> {
        let snapshots = kept_snapshots(repository, &around)?;
        let (known, report) = (repository.known_losses()?, RepairReport::default());
        Ok(Self { repository, sister, options, session, observer, around, snapshots, known, gives_up: false, report })
    }

    /// The same after something was made whole already, or would be.
    pub fn after(mut self, mended: PutAway) -> Self {
        self.report.repaired.extend(mended.repaired);
        self.report.resting = mended.resting;
        self
    }

    fn applies(&self) -> bool {
        self.options.mode == RepairMode::Apply
    }

    pub fn run(mut self) -> Result<RepairReport> {
        self.observer.phase(PrunePhase::Plan);
        self.mend_index()?;
        let (needed, mapped) = maps::read_maps(self.repository, &self.snapshots, self.options.mode)?;
        let needs_maps = !needed.is_known;
        self.report.repaired.extend(mapped);
        let mut assess = self.begin_assessing(needed)?;
        self.report.strangers.clone_from(&assess.packs.strangers);
        self.observer.phase(PrunePhase::Rewrite);
        if let Some(sister) = self.sister {
            self.take_from(sister, &mut assess)?;
        }
        self.take_what_was_stored_again(&mut assess)?;
        let mut treated = Treated::new(Treatment::new(self.repository, self.session));
        self.treat_all(&assess, &mut treated)?;
        self.observer.phase(PrunePhase::Finish);
        let Treated { treatment, moved, mut lost, .. } = treated;
        lost.values_mut().for_each(|blocks| blocks.retain(|block| !moved.contains(*block)));
        lost.extend(self.judge_doomed(&assess)?);
        let gone = self.find_missing(&assess, &moved, &mut lost)?;
        lost.extend(missing::lost_keys(&assess)?);
        if !self.applies() {
            lost.retain(|object, _| !self.would_be_taken(object));
        }
        self.gives_up = self.decide(&lost)?;
        if self.applies() {
            // Packs that are gone and lack nothing any more need not be named.
            let is_made_up_for = !(assess.lent.is_empty() && assess.rebuilt.is_empty()) && lost.is_empty();
            let given_up = if self.gives_up || is_made_up_for { gone } else { HashSet::new() };
            let is_lost = |id: PackId, session| !self.gives_up && lost.contains_key(&names::pack(id, session));
            let damaged = assess.packs.damaged.iter().map(|pack| (pack.id, pack.session));
            let doomed = assess.packs.doomed.iter().filter_map(|pack| names::parse_pack(&pack.name).ok());
            let stay = damaged.chain(doomed).filter(|(id, session)| is_lost(*id, *session)).map(|(id, _)| id).collect();
            self.replace(&assess, treatment, (&given_up, &stay))?;
        }
        let (mended, written) = sidecars::mend(self.repository, &assess.packs, self.options.mode, self.observer)?;
        self.report.repaired.extend(mended);
        self.report.written_bytes += written;
        if needs_maps && self.applies() {
            // Trees that could not be read before may be readable now.
            let (_, mapped) = maps::read_maps(self.repository, &self.snapshots, self.options.mode)?;
            self.report.repaired.extend(mapped);
        }
        self.report.lost = lost.into_iter().map(|(object, blocks)| self.loss(object, blocks)).collect();
        Ok(self.report)
    }

    /// Writes down what is lost, and decides whether it is given up.
    ///
    /// Publish, then look: a writer that begins from now on stores again what its source still has; one that is at work may rely
    /// on what is lost without knowing it, so nothing is given up beside it.
    fn decide(&mut self, lost: &BTreeMap<String, Vec<BlockId>>) -> Result<bool> {
        let accepts = self.options.on_loss == OnLoss::Accept;
        if !self.applies() {
            return Ok(accepts);
        }
        self.write_down(lost)?;
        if !accepts || lost.is_empty() || self.repository.leases().open_leases(self.session)?.may_write() {
            return Ok(accepts && lost.is_empty());
        }
        self.known = self.repository.known_losses()?;
        self.gives_up = true;
        self.write_down(lost)?;
        Ok(true)
    }

    /// What is needed of packs that are doomed and whole, and does not open there: it could not be rescued.
    fn judge_doomed(&self, assess: &Assess<'_>) -> Result<BTreeMap<String, Vec<BlockId>>> {
        let mut lost = BTreeMap::<String, Vec<BlockId>>::new();
        for pack in &assess.packs.doomed {
            let Some(listing) = self.listing_of(pack)? else { continue };
            let stored = StoredBytes::open(&*self.repository.store, pack.name.clone())?;
            for row in listing.rows.iter().filter(|row| assess.needed.contains(row.block)) {
                let opens = match assess.stored(&stored, row)? {
                    Some(bytes) => assess.open_bytes(bytes, row)?.is_some(),
                    None => false,
                };
                if (self.applies() || !opens) && !assess.has_copy_as_good(&stored, row, opens)? {
                    lost.entry(pack.name.clone()).or_default().push(row.block);
                }
            }
        }
        // One that another collector has deleted meanwhile it has dealt with.
        let is_there = |name: &String| is_gone(self.repository, name).map(|gone| !gone);
        let mut left = BTreeMap::new();
        for (name, blocks) in lost {
            if is_there(&name)? {
                left.insert(name, blocks);
            }
        }
        Ok(left)
    }

    /// What a pack says that it holds; none if it cannot say it, or is gone.
    fn listing_of(&self, pack: &Object) -> Result<Option<PackListing>> {
        match self.repository.read_pack_listing(pack) {
            Err(error) if error.kind() == Kind::Corrupt => Ok(None),
            Err(_) if is_gone(self.repository, &pack.name)? => Ok(None),
            listing => listing.map(Some),
        }
    }

    /// Puts the new packs in the place of those that go (the order of C7), removes what others need no longer, and finishes the
    /// lists that were there, but for those with packs that stay because something of them may be had later.
    fn replace(
        &mut self,
        assess: &Assess<'_>,
        treatment: Treatment<'_>,
        (given_up, stay): (&HashSet<PackId>, &HashSet<PackId>),
    ) -> Result<()> {
        let written = treatment.finish(assess, (given_up, stay))?;
        self.report.written_bytes += written.bytes;
        let relied_on = assess.relied_on();
        let mut removal = Removal::new(self.repository, self.session, &self.snapshots, (&self.around, relied_on));
        removal.rewritten(&written.replaced, written.packs)?;
        // What others have condemned is theirs to tell.
        self.report.waiting_packs = removal.waiting_packs;
        let has_to_stay = |packs: &[CondemnedPack]| packs.iter().any(|pack| stay.contains(&pack.id));
        let CondemnedLists { lists, returned, .. } = &self.around.condemned;
        if !has_to_stay(returned) {
            removal.returned(returned)?;
        }
        for list in lists.iter().filter(|list| !has_to_stay(&list.packs)) {
            removal.finish(list)?;
        }
        removal.finished_lists()?;
        removal.sidecars_of_no_pack()
    }

    /// Makes damaged tables anew from the packs.
    fn mend_index(&mut self) -> Result<()> {
        let index = self.index()?;
        for table in index.lost() {
            let object = names::table(table.kind, table.id);
            self.report.repaired.push(Repaired { object, means: Means::Derived });
        }
        if self.applies() {
            // A table that is gone leaves no trace but packs that no table names.
            complete_index(self.repository, &index, &self.repository.list_packs()?, &self.around.open)?;
        }
        Ok(())
    }

    fn index(&self) -> Result<Arc<Index>> {
        self.repository.index_without(HashSet::new(), Care::AllPages)
    }

    fn begin_assessing(&mut self, needed: Needed) -> Result<Assess<'r>> {
        let packs = inspect(self.repository, &self.around, self.observer)?;
        (self.report.packs, self.report.bytes) = (packs.count, packs.bytes);
        let mut index = self.index()?;
        // What no table names could not stand in for what is damaged.
        if self.applies() && !packs.damaged.is_empty() {
            let listed = self.repository.list_packs()?;
            if complete_index(self.repository, &index, &listed, &self.around.open)? {
                index = self.index()?;
            }
        }
        let sidecars = Sidecars::list(&*self.repository.store)?;
        let blocks = self.repository.block_reader(&index);
        let (lent, rebuilt) = (BlockSet::default(), BlockSet::default());
        let mut assess = Assess { repository: self.repository, index, blocks, packs, sidecars, needed, lent, rebuilt };
        if self.applies() && self.rescue_doomed(&assess)? {
            self.count_on_what_was_written(&mut assess)?;
        }
        Ok(assess)
    }

    /// Lets the packs that this repair has written and indexed count from now on.
    fn count_on_what_was_written(&self, assess: &mut Assess<'_>) -> Result<()> {
        assess.index = self.index()?;
        assess.blocks = self.repository.block_reader(&assess.index);
        assess.packs.whole.extend(packs_of(self.repository, self.session)?);
        Ok(())
    }

    /// Copies what is needed of packs that are doomed and whole, as a prune does (C4); answers whether there was anything.
    fn rescue_doomed(&self, assess: &Assess<'_>) -> Result<bool> {
        let both = (self.repository, self.repository);
        let rescued = rescue(both, self.session, &assess.packs.doomed, |listing, row, _| {
            let pack = StoredBytes::open(&*self.repository.store, listing.object().name)?;
            Ok(assess.needed.contains(row.block) && !assess.has_copy_as_good(&pack, row, true)?)
        })?;
        Ok(!rescued.is_empty())
    }

    /// Whether a data key that is lost would be taken from a sister, of whichever generation.
    fn would_be_taken(&self, object: &str) -> bool {
        let session = |name: &str| names::parse_data_key(name).ok().map(|key| key.session);
        let Some(lost) = session(object) else { return false };
        self.report.repaired.iter().any(|repaired| session(&repaired.object) == Some(lost))
    }

    /// Treats the damaged packs; what one of them lacks another one may have had.
    fn treat_all(&mut self, assess: &Assess<'_>, treated: &mut Treated<'_>) -> Result<()> {
        let mut deferred = Vec::new();
        for pack in &assess.packs.damaged {
            self.observer.check()?;
            if pack.standing == Standing::AtWork {
                self.report.left.push(pack.name.clone());
            } else if self.treat(assess, pack, Turn::First, treated)? == Fate::Deferred {
                deferred.push(pack);
            }
        }
        for pack in deferred {
            self.observer.check()?;
            self.treat(assess, pack, Turn::Last, treated)?;
        }
        Ok(())
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
        let sidecars = assess.sidecars.open(store, self.repository.id(), pack.id)?;
        let mut healed = None;
        for sidecar in &sidecars {
            healed = HealedPack::recover(&stored, sidecar)?;
            if healed.is_some() {
                break;
            }
        }
        let twin = match self.sister.filter(|_| healed.is_none()) {
            Some(sister) => sister::same_pack(sister, pack)?,
            None => None,
        };
        let twin_bytes = twin.as_ref().map(|twin| twin as &dyn Bytes);
        let bytes = healed.as_ref().map(|healed| healed as &dyn Bytes).or(twin_bytes);
        let subject = Subject { pack, bytes: bytes.unwrap_or(&stored), is_healed: bytes.is_some() };
        let mut assessment = assess.assess(&subject, &treated.rescued)?;
        if let Some(found) = assessment.as_mut().filter(|found| twin.is_some() && found.means == Means::Parity) {
            found.means = Means::Sister;
        }
        let is_whole = assessment.as_ref().is_some_and(|found| found.lost.is_empty());
        if !is_whole && turn == Turn::First {
            return Ok(Fate::Deferred);
        }
        if !is_whole && self.is_gone(pack)? {
            // A collector has deleted it meanwhile, with what others need of it elsewhere.
            return Ok(Fate::Decided);
        }
        let Assessment { moves, lost, means } = assessment.unwrap_or_default();
        // What is doomed and has nothing that is needed is damage no more.
        let is_doomed = pack.standing == Standing::Condemned && moves.is_empty();
        if is_whole && is_doomed {
            return Ok(Fate::Decided);
        }
        if is_whole {
            self.report.repaired.push(Repaired { object: pack.name.clone(), means });
        } else {
            treated.lost.insert(pack.name.clone(), lost);
        }
        // Of a pack that stays, what is whole is still there.
        treated.moved.extend(moves.iter().map(|(row, _)| row.block));
        if is_whole || self.options.on_loss == OnLoss::Accept {
            let whole = moves.iter().filter(|(row, _)| !row.thinned);
            treated.rescued.extend(whole.map(|(row, _)| row.block));
            if self.applies() {
                let percent = sidecars.first().map(|sidecar| sidecars::percent_of(&sidecar.header));
                treated.treatment.replace(assess, &subject, &moves, percent)?;
            }
        }
        Ok(Fate::Decided)
    }

    fn is_gone(&self, pack: &DamagedPack) -> Result<bool> {
        is_gone(self.repository, &pack.name)
    }

    /// Says in the repository what is lost, before anything goes because of it.
    fn write_down(&self, lost: &BTreeMap<String, Vec<BlockId>>) -> Result<()> {
        let (mut blocks, mut accepted) = (BlockSet::default(), BlockSet::default());
        blocks.extend(lost.values().flatten().copied());
        accepted.extend(blocks.iter().filter(|block| self.is_accepted(*block)));
        self.repository.write_down_losses(&self.known, blocks, accepted)
    }

    fn is_accepted(&self, block: BlockId) -> bool {
        self.gives_up || self.known.accepted.contains(block)
    }

    fn loss(&self, object: String, blocks: Vec<BlockId>) -> Loss {
        let is_accepted =
            self.gives_up || !blocks.is_empty() && blocks.iter().all(|block| self.known.accepted.contains(*block));
        Loss { object, blocks, is_accepted }
    }
}

fn kept_snapshots(repository: &Repository, around: &Surroundings) -> Result<Snapshots> {
    let condemned = around.condemned.snapshots();
    match Snapshots::all_kept(repository, &condemned) {
        // Another collector has removed a snapshot since it was listed.
        Err(Error::Missing { .. }) => Snapshots::all_kept(repository, &condemned),
        snapshots => snapshots,
    }
}

/// Whether an object is not in the store.
fn is_gone(repository: &Repository, name: &str) -> Result<bool> {
    match repository.store.len(name) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        len => len.map(|_| false).map_err(|source| store_error("read", name, source)),
    }
}

/// The packs that a session has written.
fn packs_of(repository: &Repository, session: SessionId) -> Result<Vec<PackId>> {
    let listed = repository.list_packs()?;
    let own = listed.iter().filter_map(|pack| names::parse_pack(&pack.name).ok());
    Ok(own.filter(|(_, by)| *by == session).map(|(id, _)| id).collect())
}
