//! What there is and what is needed of it: everything that a plan is made from.
//!
//! Owns the order in which it is read. Changes nothing.

use std::collections::HashSet;
use std::sync::Arc;

use super::needs::Needs;
use super::observer::PruneObserver;
use super::plan::{PackUse, PrunePlan, plan_prune};
use super::snapshots::{Snapshots, intended_blocks};
use super::survey::Survey;
use crate::error::Result;
use crate::index::{Care, Index};
use crate::repository::Repository;
use crate::store::Object;

/// Everything that planning reads, so that carrying out does not read it again.
pub struct Inventory {
    pub snapshots: Snapshots,
    pub needs: Needs,
    pub packs: Vec<PackUse>,
}

impl Inventory {
    pub fn take(repository: &Repository, observer: &dyn PruneObserver) -> Result<Self> {
        // Intents before snapshots: a session that commits meanwhile is seen in one of the two.
        let intended = intended_blocks(repository)?;
        let snapshots = Snapshots::read(repository)?;
        let listed = repository.list_packs()?;
        let index = index_of_present(repository, &listed)?;
        let needs = Needs::find(repository, index, &snapshots, intended, observer)?;
        let mut survey = Survey::new(repository, &needs)?;
        observer.expect(listed.len() as u64, 0);
        let mut packs = Vec::with_capacity(listed.len());
        for pack in &listed {
            observer.check()?;
            packs.push(survey.judge(pack)?);
            observer.advance(1, 0);
        }
        Ok(Self { snapshots, needs, packs })
    }

    pub fn plan(&self) -> PrunePlan {
        plan_prune(self.packs.clone(), self.snapshots.forgotten.iter().map(|entry| entry.id).collect())
    }
}

/// Opens the index without the packs that are gone: a table of long ago that names them comes back to life when the one
/// that superseded it is gone, and must hide no copy that is there.
fn index_of_present(repository: &Repository, packs: &[Object]) -> Result<Arc<Index>> {
    // Pages of chunks are read once, for how often blocks were thinned.
    let index = repository.index_without(HashSet::new(), Care::BlockPages)?;
    if let Some(lost) = index.lost().first() {
        return Err(lost.error());
    }
    let gone = index.packs_beside(packs);
    if gone.is_empty() { Ok(index) } else { repository.index_without(gone, Care::Tails) }
}
