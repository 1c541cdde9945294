//! What there is and what is needed of it: everything that a plan is made from.
//!
//! Owns the order in which it is read. Changes nothing, but for rescuing what is needed of condemned packs.

use std::collections::HashSet;
use std::sync::Arc;

use super::needs::Needs;
use super::observer::{PruneObserver, Unobserved};
use super::plan::{PackUse, PrunePlan, plan_prune};
use super::snapshots::Snapshots;
use super::surroundings::Surroundings;
use super::survey::Survey;
use crate::error::{Error, Kind, Result};
use crate::format::names;
use crate::format::refs::BlockSet;
use crate::id::{PackId, SessionId};
use crate::index::{Care, Index};
use crate::repository::{ProvedSnapshot, Repository};
use crate::session::{listed_packs, rescue};
use crate::store::{Object, is_absent};

/// Everything that planning reads, so that carrying out does not read it again.
pub struct Inventory {
    pub snapshots: Snapshots,
    pub needs: Needs,
    pub packs: Vec<PackUse>,
    /// Condemned packs that stay: something needed of them has no good copy, there or elsewhere, and may have one again after a
    /// repair.
    pub held: HashSet<PackId>,
    /// Packs for which somebody has to vouch, so that sessions refer to what is in them.
    pub unvouched: Vec<Object>,
}

impl Inventory {
    /// Takes it; a `collector` first rescues what is needed of the packs that are condemned. What was forgotten less than `hold`
    /// nanoseconds ago is needed still.
    pub fn take(
        repository: &Repository,
        around: &Surroundings,
        collector: Option<SessionId>,
        (hold, observer): (i64, &dyn PruneObserver),
    ) -> Result<Self> {
        let snapshots = Snapshots::read(repository, hold)?;
        let index = index_of_present(repository, around.condemned.packs())?;
        let mut needs = Needs::find(repository, index, &snapshots, observer)?;
        needs.may_thin = !around.open.has_collector();
        let mut held = HashSet::new();
        if let Some(session) = collector {
            let (rescued, lacking) = rescue_condemned(repository, around, session, &needs)?;
            held = lacking;
            if !rescued.is_empty() {
                needs.count(&rescued);
                needs.index = index_of_present(repository, around.condemned.packs())?;
            }
        }
        // Listed after the index was opened: what its tables name is there by now, or gone.
        let listed = repository.list_packs()?;
        let mut survey = Survey::new(repository, &needs)?;
        observer.expect(listed.len() as u64, 0);
        let named = needs.index.packs();
        let mut packs = Vec::with_capacity(listed.len());
        for pack in &listed {
            observer.check()?;
            // What is no pack holds nothing and stays: `check` tells of it. Were it one, its blocks would be missing.
            let Ok((id, session)) = names::parse_pack(&pack.name) else { continue };
            // The bytes of a pack under the name of another session are a copy that a stranger has put: it tells nothing of the
            // true one, and stays.
            let is_stranger = named.get(&id).is_some_and(|true_one| true_one.session != session);
            if is_stranger || !around.is_settled_pack(pack) {
                packs.push(PackUse { id, session, len: pack.len, live_bytes: pack.len });
            } else if !needs.index.is_condemned(id) {
                packs.push(survey.judge(pack)?);
            }
            observer.advance(1, 0);
        }
        let unvouched = std::mem::take(&mut survey.unvouched);
        drop(survey);
        Ok(Self { snapshots, needs, packs, held, unvouched })
    }

    /// Names of the packs in which copies of what is needed are counted under this plan.
    pub fn relied_on(&self, plan: &PrunePlan) -> HashSet<String> {
        plan.keep.iter().chain(&plan.repack).map(PackUse::name).collect()
    }

    pub fn plan(&self) -> PrunePlan {
        let held =
            self.snapshots.kept.iter().filter(|entry| entry.forgotten).chain(&self.snapshots.void).count() as u64;
        let gone = self.snapshots.forgotten.iter().map(ProvedSnapshot::id).collect();
        PrunePlan { held_snapshots: held, ..plan_prune(self.packs.clone(), gone) }
    }
}

/// Opens the index without the packs that are condemned or gone: a table of long ago that names them comes back to life when
/// the one that superseded it is gone, and must hide no copy that is there.
fn index_of_present(repository: &Repository, condemned: HashSet<PackId>) -> Result<Arc<Index>> {
    let mut absent = condemned;
    // Pages of chunks are read once, when it is found out what is needed.
    let index = repository.index_beside(absent.clone(), Care::BlockPages)?;
    if let Some(lost) = index.lost().first() {
        return Err(lost.error());
    }
    let gone = index.packs_beside(&repository.list_packs()?);
    if gone.is_empty() {
        return Ok(index);
    }
    absent.extend(gone);
    repository.index_beside(absent, Care::Tails)
}

/// Makes sure that the keys of what a snapshot needs are here, and what is here of thinned blocks is all that it needs of them.
///
/// # Errors
/// [`Error::BlockMissing`] when something was taken out that it needs; [`Error::Missing`] or [`Error::Damaged`] of a key, or when its trees do
/// not tell what it needs.
pub fn require_every_part(repository: &Repository, entry: &ProvedSnapshot, condemned: HashSet<PackId>) -> Result<()> {
    let snapshots = Snapshots { kept: vec![entry.clone()], ..Snapshots::default() };
    let index = index_of_present(repository, condemned)?;
    let needs = Needs::find(repository, index, &snapshots, &Unobserved)?;
    if needs.living.is_none() {
        return Err(Error::damaged("acquit snapshot", entry.signed.place.name(), "its trees cannot be read"));
    }
    needs.live.sessions().try_for_each(|session| repository.data_keys.get(session).map(drop))?;
    match needs.lacking(repository)? {
        Some(block) => Err(Error::BlockMissing { block: block.to_string() }),
        None => Ok(()),
    }
}

/// Copies what is needed of condemned packs and has no good copy elsewhere; answers which blocks, and in which packs there is
/// something that could not be copied.
fn rescue_condemned(
    repository: &Repository,
    around: &Surroundings,
    collector: SessionId,
    needs: &Needs,
) -> Result<(BlockSet, HashSet<PackId>)> {
    let condemned = listed_packs(repository, around.condemned.each_pack())?;
    let mut lacking = HashSet::new();
    for pack in &condemned {
        match repository.read_pack_listing(pack) {
            // What is in it is not known: what is nowhere else may be there.
            Err(error) if error.kind() == Kind::Corrupt && needs.lacking(repository)?.is_some() => {
                lacking.extend(names::parse_pack(&pack.name).map(|(id, _)| id));
            }
            Err(error) if error.kind() == Kind::Corrupt => {}
            // Another collector has deleted it.
            Err(Error::Store { source, .. }) if is_absent(&source) => {}
            listing => drop(listing?),
        }
    }
    let mut wanted = Vec::new();
    let rescued = rescue((repository, repository), collector, &condemned, |listing, row, _| {
        // What only void snapshots need is rescued too, and holds no pack where it cannot be.
        let is_lacked = needs.lacked_by_void.contains(row.block);
        let is_wanted =
            needs.live.contains(row.block) && !needs.has_copy_as_good(repository, (&listing.object(), row))?;
        if is_wanted {
            wanted.push((listing.id, row.block));
        }
        Ok(is_wanted || is_lacked)
    })?;
    lacking.extend(wanted.into_iter().filter(|(_, block)| !rescued.contains(*block)).map(|(pack, _)| pack));
    Ok((rescued, lacking))
}
