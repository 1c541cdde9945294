//! Which snapshots are brought.
//!
//! Owns comparing the two histories, as pure data once they were read. Brings nothing.

use std::collections::{HashMap, HashSet};

use crate::condemned::CondemnedLists;
use crate::error::{Error, Result};
use crate::fence::Fences;
use crate::format::history::RemovedSnapshot;
use crate::format::names;
use crate::id::{SessionId, SnapshotId};
use crate::repository::{
    AllSnapshots, LostSnapshot, Marks, ProvedSnapshot, Removed, Repository, SignedSnapshot, SnapshotPlace, list,
};

/// What is known of both histories.
pub struct Known {
    /// Snapshots that are here, readable or not.
    here: HashSet<SnapshotId>,
    maps_here: HashSet<SnapshotId>,
    /// Snapshots that were here, as their second copies tell, and that nobody has removed.
    lost_here: HashSet<SnapshotId>,
    /// Snapshots that condemned lists name here.
    doomed_here: HashSet<SnapshotId>,
    marks_here: Marks,
    removed_here: Removed,
    fences_here: Fences,
    there: AllSnapshots,
    /// What is listed there, void snapshots included, or recorded as removed.
    links_there: HashMap<SnapshotId, RemovedSnapshot>,
    /// What this sync has recorded as being elsewhere.
    recorded: HashSet<SnapshotId>,
}

/// What becomes of each snapshot that is there.
pub struct Plan {
    /// The oldest of each source first.
    pub wanted: Vec<SignedSnapshot>,
    pub present: Vec<SignedSnapshot>,
    pub removed: Vec<SnapshotPlace>,
    pub forgotten: u64,
    pub left_out: Vec<(SnapshotPlace, Error)>,
}

/// What is to be recorded of snapshots that are here, and that are recorded as being elsewhere.
pub fn recorded_elsewhere(removed: &Removed, ids: impl IntoIterator<Item = SnapshotId>) -> Vec<RemovedSnapshot> {
    let recorded = ids.into_iter().filter_map(|id| removed.get(id)).filter(|known| known.elsewhere == Some(true));
    recorded.map(|known| RemovedSnapshot { elsewhere: Some(false), ..*known }).collect()
}

impl Known {
    /// Reads them. Snapshots before what was removed, since a removal is recorded before its snapshot goes.
    pub fn look((here, there): (&Repository, &Repository), condemned: &CondemnedLists) -> Result<Self> {
        let theirs = there.proved_snapshots()?;
        let removed_there = there.removed()?;
        let gone = removed_there.snapshots().map(|gone| (gone.id, *gone));
        let listed = theirs.entries.iter().chain(&theirs.void).map(|entry| (entry.id(), elsewhere(&entry.signed)));
        let links_there = gone.chain(listed).collect();
        let listed = list(&*here.store, names::SNAPSHOTS)?;
        let mut ids: HashSet<SnapshotId> =
            listed.iter().filter_map(|object| Some(names::parse_snapshot(&object.name).ok()?.2)).collect();
        // One whose bytes are damaged comes again; one whose key is, has it brought.
        for lost in here.proved_snapshots()?.lost {
            if let (Some(place), Error::Damaged { name, .. }) = (lost.place, &lost.error)
                && *name == lost.name
            {
                ids.remove(&place.id);
            }
        }
        let mut removed_here = here.removed()?;
        // What was removed here is not known: it must not come back.
        if let Some(damage) = removed_here.damaged.pop() {
            return Err(damage);
        }
        let maps = list(&*here.store, names::REFS)?.into_iter();
        let maps_here = maps.filter_map(|map| SnapshotId::from_hex(map.name.strip_prefix(names::REFS)?).ok()).collect();
        let is_known = |id| ids.contains(&id) || removed_here.was_here(id);
        // All second copies are read only where one is left alone.
        let copied = match here.snapshot_lost_but_for_its_copy(is_known)? {
            Some(_) => here.copied_snapshots()?,
            None => Vec::new(),
        };
        let lost_here = copied.into_iter().map(|signed| signed.place.id).filter(|id| !is_known(*id)).collect();
        // Marks last: one comes before whatever lets a snapshot count.
        let (doomed_here, fences_here, marks_here) = (condemned.snapshots(), here.fences()?, here.marks()?);
        Ok(Self {
            here: ids,
            maps_here,
            lost_here,
            doomed_here,
            marks_here,
            removed_here,
            fences_here,
            there: theirs,
            links_there,
            recorded: HashSet::new(),
        })
    }

    /// Whether anybody had fenced a session here when the sync began.
    pub fn is_fenced_here(&self, session: SessionId) -> bool {
        self.fences_here.is_fenced(session)
    }

    /// Notes that a snapshot is here; answers what is to be recorded, where it was recorded as being elsewhere: from now on its
    /// absence would be a gap again.
    pub fn arrive(&mut self, signed: &SignedSnapshot) -> Option<RemovedSnapshot> {
        let id = signed.place.id;
        self.here.insert(id);
        let is_recorded = self.removed_here.contains(id) || self.recorded.contains(&id);
        is_recorded.then(|| RemovedSnapshot { elsewhere: Some(false), ..elsewhere(signed) })
    }

    /// Says what becomes of each snapshot.
    pub fn plan(&mut self) -> Result<Plan> {
        let (mut wanted, mut present, mut removed) = (Vec::new(), Vec::new(), Vec::new());
        let mut forgotten = 0;
        let lost = std::mem::take(&mut self.there.lost);
        let mut left_out: Vec<_> =
            lost.into_iter().filter_map(|lost: LostSnapshot| Some((lost.place?, lost.error))).collect();
        for ProvedSnapshot { signed, forgotten: is_forgotten, .. } in &self.there.entries {
            let place = signed.place;
            let is_forgotten_here = self.marks_here.forgotten.contains(&place.id);
            if self.here.contains(&place.id) && (is_forgotten_here || self.is_whole_here(signed)) {
                // What is to go here needs nothing.
                if !self.doomed_here.contains(&place.id) && !is_forgotten_here {
                    present.push(signed.clone());
                }
            } else if self.doomed_here.contains(&place.id) {
                let problem =
                    "a prune is about to remove what was left of it here: synchronise again after the next one";
                left_out.push((place, Error::damaged("bring snapshot", place.name(), problem)));
            } else if *is_forgotten {
                forgotten += 1;
            } else if self.removed_here.was_here(place.id) {
                removed.push(place);
            } else {
                wanted.push(signed.clone());
            }
        }
        Ok(Plan { wanted, present, removed, forgotten, left_out })
    }

    /// Whether a snapshot that is here has its map, counts, come what may, and nobody doubts that it is whole. One that does not is brought as if it
    /// were not here: what it lacks comes, and it is acquitted.
    fn is_whole_here(&self, signed: &SignedSnapshot) -> bool {
        let id = signed.place.id;
        let has_come_back = self.removed_here.was_here(id);
        let needs_acquittal = self.fences_here.needs_acquittal(signed.session, id);
        self.maps_here.contains(&id) && !needs_acquittal && !has_come_back && !self.marks_here.unconfirmed.contains(&id)
    }

    fn is_explained(&self, id: SnapshotId) -> bool {
        self.here.contains(&id) || self.removed_here.contains(id) || self.recorded.contains(&id)
    }

    /// What stands before a snapshot in its chain and is not here: it is recorded as being elsewhere, so that its absence is no
    /// gap.
    ///
    /// # Errors
    /// [`Error::HistoryGap`] when it is not known there either; [`Error::Damaged`] when it was here and is lost: its absence is not explained away.
    pub fn before(&mut self, signed: &SignedSnapshot) -> Result<Vec<RemovedSnapshot>> {
        let (mut before, mut after, mut next) = (Vec::new(), signed.place, signed.previous);
        while let Some(id) = next.filter(|id| !self.is_explained(*id)) {
            let Some(gone) = self.links_there.get(&id) else {
                return Err(Error::HistoryGap { missing: id.to_string(), after: after.name() });
            };
            if self.lost_here.contains(&id) {
                let name = names::snapshot(gone.source, gone.sequence, id);
                let problem = "it is gone here, and its second copy tells that nobody has removed it";
                return Err(Error::damaged("bring what was made after a snapshot", name, problem));
            }
            let gone = RemovedSnapshot { elsewhere: Some(true), ..*gone };
            after = SnapshotPlace { source: gone.source, sequence: gone.sequence, id };
            next = gone.previous;
            before.push(gone);
            // Whoever signs records could make a chain that leads to itself.
            if !self.recorded.insert(id) {
                break;
            }
        }
        Ok(before)
    }
}

fn elsewhere(signed: &SignedSnapshot) -> RemovedSnapshot {
    let SnapshotPlace { source, sequence, id } = signed.place;
    RemovedSnapshot { source, sequence, id, previous: signed.previous, elsewhere: Some(true) }
}
