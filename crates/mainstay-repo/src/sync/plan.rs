//! Which snapshots are brought.
//!
//! Owns comparing the two histories, as pure data once they were read. Brings nothing.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::fence::Fences;
use crate::format::history::RemovedSnapshot;
use crate::format::names;
use crate::id::SnapshotId;
use crate::repository::{
    AllSnapshots, LostSnapshot, ProvedSnapshot, Removed, Repository, SignedSnapshot, SnapshotPlace, list,
};

/// What is known of both histories.
pub struct Known {
    /// Snapshots that are here, readable or not.
    here: HashSet<SnapshotId>,
    removed_here: Removed,
    fences_here: Fences,
    there: AllSnapshots,
    /// What is listed there, void snapshots included, or recorded as removed.
    links_there: HashMap<SnapshotId, RemovedSnapshot>,
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

impl Known {
    /// Reads them. Snapshots before what was removed, since a removal is recorded before its snapshot goes.
    pub fn look(here: &Repository, there: &Repository) -> Result<Self> {
        let theirs = there.proved_snapshots()?;
        let removed_there = there.removed()?;
        let gone = removed_there.snapshots().map(|gone| (gone.id, *gone));
        let listed = theirs.entries.iter().chain(&theirs.void).map(|entry| (entry.id(), elsewhere(&entry.signed)));
        let links_there = gone.chain(listed).collect();
        let listed = list(&*here.store, names::SNAPSHOTS)?;
        let ids = listed.iter().filter_map(|object| Some(names::parse_snapshot(&object.name).ok()?.2)).collect();
        let mut removed_here = here.removed()?;
        // What was removed here is not known: it must not come back.
        if let Some(damage) = removed_here.damaged.pop() {
            return Err(damage);
        }
        Ok(Self { here: ids, removed_here, fences_here: here.fences()?, there: theirs, links_there })
    }

    pub fn add(&mut self, id: SnapshotId) {
        self.here.insert(id);
    }

    /// Says what becomes of each snapshot.
    pub fn plan(&mut self) -> Result<Plan> {
        let (mut wanted, mut present, mut removed) = (Vec::new(), Vec::new(), Vec::new());
        let mut forgotten = 0;
        let lost = std::mem::take(&mut self.there.lost);
        let mut left_out: Vec<_> =
            lost.into_iter().filter_map(|lost: LostSnapshot| Some((lost.place?, lost.error))).collect();
        for ProvedSnapshot { signed, forgotten: is_forgotten } in &self.there.entries {
            let place = signed.place;
            if self.here.contains(&place.id) {
                present.push(signed.clone());
            } else if *is_forgotten {
                forgotten += 1;
            } else if self.removed_here.was_here(place.id) {
                removed.push(place);
            } else if self.fences_here.is_void(signed.session, place.id) {
                let problem =
                    "the session that wrote it was fenced here before it came, so that it would count for nothing";
                left_out.push((place, Error::damaged("bring snapshot", place.name(), problem)));
            } else {
                wanted.push(signed.clone());
            }
        }
        Ok(Plan { wanted, present, removed, forgotten, left_out })
    }

    /// What stands before a snapshot in its chain and is not here: it is recorded as being elsewhere, so that its absence is no
    /// gap.
    ///
    /// # Errors
    /// [`Error::HistoryGap`] when it is not known there either.
    pub fn before(&self, signed: &SignedSnapshot) -> Result<Vec<RemovedSnapshot>> {
        let (mut before, mut after, mut next) = (Vec::new(), signed.place, signed.previous);
        while let Some(id) = next.filter(|id| !self.here.contains(id) && !self.removed_here.contains(*id)) {
            let Some(gone) = self.links_there.get(&id) else {
                return Err(Error::HistoryGap { missing: id.to_string(), after: after.name() });
            };
            let gone = RemovedSnapshot { elsewhere: Some(true), ..*gone };
            after = SnapshotPlace { source: gone.source, sequence: gone.sequence, id };
            next = gone.previous;
            before.push(gone);
        }
        Ok(before)
    }
}

fn elsewhere(signed: &SignedSnapshot) -> RemovedSnapshot {
    let SnapshotPlace { source, sequence, id } = signed.place;
    RemovedSnapshot { source, sequence, id, previous: signed.previous, elsewhere: Some(true) }
}
