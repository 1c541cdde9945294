//! What is needed and cannot be had, though no pack says so: blocks that are in none, and those whose data key is lost.
//!
//! Owns telling what is gone from what others move or have not finished. Changes nothing.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::assess::Assess;
use super::super::inspect::Standing;
use super::{Run, is_gone};
use crate::error::Result;
use crate::format::names;
use crate::format::refs::BlockSet;
use crate::format::table::TablePack;
use crate::id::{BlockId, PackId, SessionId};
use crate::index::Index;

impl Run<'_> {
    /// Notes what is needed and in no pack; answers the packs that tables name and that are not there.
    ///
    /// Packs are listed before the index is opened: of what another collector has moved since, the new places are known.
    pub(super) fn find_missing(
        &self,
        assess: &Assess<'_>,
        moved: &BlockSet,
        lost: &mut BTreeMap<String, Vec<BlockId>>,
    ) -> Result<HashSet<PackId>> {
        let packs = self.repository.list_packs()?;
        let listed: HashSet<&str> = packs.iter().map(|pack| pack.name.as_str()).collect();
        let index = self.index()?;
        let damaged: HashSet<PackId> = assess.packs.damaged.iter().map(|pack| pack.id).collect();
        let named = index.packs();
        let mut gone = BTreeMap::<PackId, TablePack>::new();
        for (id, pack) in &named {
            let name = names::pack(pack.id, pack.session);
            if !listed.contains(&*name) && !index.is_condemned(*id) && is_gone(self.repository, &name)? {
                gone.insert(*id, *pack);
            }
        }
        let mut held = moved.clone();
        held.union(&assess.lent);
        held.union(&assess.rebuilt);
        held.extend(lost.values().flatten().copied());
        index.for_each_block(|block, place| {
            if !damaged.contains(&place.pack) && !gone.contains_key(&place.pack) {
                held.insert(block);
            }
        })?;
        // What no table tells: packs that none names, and those that are doomed by now, which their collectors see to.
        let is_untold = |id: &PackId| !damaged.contains(id) && (index.is_condemned(*id) || !named.contains_key(id));
        for pack in &packs {
            if names::parse_pack(&pack.name).is_ok_and(|(id, _)| is_untold(&id))
                && let Some(listing) = self.listing_of(pack)?
            {
                held.extend(listing.rows.iter().map(|row| row.block));
            }
        }
        self.hold_what_is_at_work(assess, &index, &mut held)?;
        let mut missing = BlockSet::default();
        missing.extend(assess.needed.blocks.iter().filter(|block| !held.contains(*block)));
        let mut told = BlockSet::default();
        index.for_each_block(|block, place| {
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
        Ok(gone.into_keys().collect())
    }

    /// What is damaged in packs of sessions at work is judged when these have ended.
    fn hold_what_is_at_work(&self, assess: &Assess<'_>, index: &Index, held: &mut BlockSet) -> Result<()> {
        let left = assess.packs.damaged.iter().filter(|pack| pack.standing == Standing::AtWork);
        let left: HashSet<PackId> = left.map(|pack| pack.id).collect();
        index.for_each_block(|block, place| {
            if left.contains(&place.pack) {
                held.insert(block);
            }
        })
    }
}

/// Needed blocks whose data key is lost: nothing opens them, whatever packs hold.
pub fn lost_keys(assess: &Assess<'_>) -> Result<BTreeMap<String, Vec<BlockId>>> {
    let mut lost = BTreeMap::<String, Vec<BlockId>>::new();
    let mut closed = HashMap::<SessionId, bool>::new();
    for block in assess.needed.blocks.iter() {
        let is_closed = match closed.get(&block.session) {
            Some(is_closed) => *is_closed,
            None => {
                let is_closed = !assess.has_key(block)?;
                closed.insert(block.session, is_closed);
                is_closed
            }
        };
        if is_closed {
            lost.entry(names::data_key(block.session, 0)).or_default().push(block);
        }
    }
    Ok(lost)
}
