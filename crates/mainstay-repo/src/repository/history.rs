//! What was removed for good, and whether the history is whole but for that.
//!
//! Owns the records of removal: reading them, and publishing one before anything is deleted. Nothing is concluded from what a
//! listing lacks: a snapshot that another was made after is listed, or recorded here, or missing. Names of packs that are recorded here
//! never come back, so a session relies on nothing that stands under one.
//!
//! Concurrency: records only add to one another, and one that replaces others holds all that they held and is there before
//! they go. So the union of those that are listed is never less than it was; one that was listed and is gone means that there
//! is a newer one, and the records are listed again.

use std::collections::{BTreeMap, HashSet};

use super::chain::{Chain, Link};
use super::{
    AllSnapshots, LostSnapshot, ProvedSnapshot, Repository, SignedSnapshot, SnapshotEntry, SnapshotPlace, delete, list,
    put,
};
use crate::error::{Error, Kind, Result};
use crate::format::history::{self, Removal, RemovedPacks, RemovedSnapshot};
use crate::format::signature::SigningRights;
use crate::format::{Problem, names};
use crate::id::{SessionId, SnapshotId, TableId};
use crate::pack_reader::read_object;
use crate::seal::random;
use crate::store::is_lost_on_disk;

/// A record of more bytes is left alone: rewriting it at each prune would cost more than it saves, and on a full disk the
/// space that is set aside must hold the new one.
const REPLACEABLE_LEN: u64 = 128 << 10;
/// Each replaced record was replaced by somebody who was at work at the same time.
const ATTEMPTS: usize = 10;

/// What is recorded as removed.
#[derive(Debug, Default)]
pub struct Removed {
    snapshots: BTreeMap<SnapshotId, RemovedSnapshot>,
    pub(crate) packs: RemovedPacks,
    /// What is wrong with the records that cannot be believed.
    pub damaged: Vec<Error>,
    /// Records that a new one replaces, and what they hold.
    replaceable: Vec<String>,
    held: BTreeMap<SnapshotId, RemovedSnapshot>,
    held_packs: RemovedPacks,
}

impl Removed {
    pub fn contains(&self, id: SnapshotId) -> bool {
        self.snapshots.get(&id).is_some_and(RemovedSnapshot::explains_absence)
    }

    /// Whether a snapshot was removed here: its name must not come back. One that is known to be elsewhere may come.
    pub fn was_here(&self, id: SnapshotId) -> bool {
        self.snapshots.get(&id).is_some_and(RemovedSnapshot::was_here)
    }

    /// Says of these which are back since they were removed, by a copying of files or a sync that slept: they may lack what went with them, and
    /// nobody has confirmed them since.
    pub fn doubt_what_came_back(&self, entries: &mut [SnapshotEntry]) {
        entries.iter_mut().for_each(|entry| entry.unconfirmed |= self.was_here(entry.id));
    }

    pub(crate) fn snapshots(&self) -> impl Iterator<Item = &RemovedSnapshot> {
        self.snapshots.values()
    }

    pub(crate) fn get(&self, id: SnapshotId) -> Option<&RemovedSnapshot> {
        self.snapshots.get(&id)
    }

    fn links(&self) -> impl Iterator<Item = Link> {
        self.snapshots.values().filter(|gone| gone.explains_absence()).map(|gone| Link {
            source: gone.source,
            sequence: gone.sequence,
            id: gone.id,
            previous: gone.previous,
            is_removed: true,
        })
    }
}

/// Snapshots that are in the store beside those that are listed: they are no loss.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    pub lost: &'a [LostSnapshot],
    /// Those that count for nothing. Whoever saw one before that was settled may have made its own after it.
    pub void: &'a [SnapshotEntry],
    pub hidden: &'a [SnapshotPlace],
    /// What some of those prove.
    pub proved: &'a [SignedSnapshot],
}

impl Repository {
    /// Reads every record of removal.
    pub fn removed(&self) -> Result<Removed> {
        let mut vanished = None;
        for _ in 0..ATTEMPTS {
            match self.try_removed() {
                Err(error @ Error::Missing { .. }) => vanished = Some(error),
                read => return read,
            }
        }
        Err(vanished.unwrap_or_else(|| Error::Bug("read records of removal: nothing was tried".to_owned())))
    }

    fn try_removed(&self) -> Result<Removed> {
        let mut removed = Removed::default();
        for object in list(&*self.store, names::HISTORY)? {
            let bytes = match read_object(&*self.store, &object.name, "read record of removal") {
                Err(Error::Store { source, .. }) if is_lost_on_disk(&source) => {
                    removed.damaged.push(Error::damaged("read record of removal", &object.name, source));
                    continue;
                }
                read => read?,
            };
            match self.judge_removal(&object.name, &bytes) {
                Ok(removal) => {
                    if object.len <= REPLACEABLE_LEN {
                        removed.replaceable.push(object.name);
                        removal.snapshots.iter().for_each(|gone| note(&mut removed.held, *gone));
                        removed.held_packs.add(&removal.packs);
                    }
                    removed.packs.add(&removal.packs);
                    removal.snapshots.into_iter().for_each(|gone| note(&mut removed.snapshots, gone));
                }
                Err(problem) => {
                    removed.damaged.push(Error::damaged("read record of removal", &object.name, problem));
                }
            }
        }
        Ok(removed)
    }

    /// What a record says, if it can be believed.
    pub(super) fn judge_removal(&self, name: &str, bytes: &[u8]) -> Result<Removal, Problem> {
        let id = name.strip_prefix(names::HISTORY).and_then(|id| TableId::from_hex(id).ok());
        let id = id.ok_or_else(|| Problem::new("it is not the name of a record of removal"))?;
        let record = history::decode(self.id(), id, bytes)?;
        self.judge.judge(&record.certificates, SigningRights::REMOVALS, &record.signed, &record.signature)?;
        Ok(record.removal)
    }

    /// Records that snapshots and packs are about to be removed. They may be deleted once this has returned.
    pub(crate) fn record_removal(
        &self,
        gone: impl IntoIterator<Item = SnapshotPlace>,
        packs: RemovedPacks,
    ) -> Result<()> {
        let mut removed = Vec::new();
        for place @ SnapshotPlace { source, sequence, id } in gone {
            match self.read_proof(place) {
                // Whoever has deleted it has recorded it before.
                Err(Error::Missing { name, .. }) if name == names::snapshot(source, sequence, id) => {}
                read => {
                    removed.push(RemovedSnapshot { source, sequence, id, previous: read?.previous, elsewhere: None })
                }
            }
        }
        self.record_all(removed, packs)
    }

    /// Records snapshots that are not here, or are about to go; what is recorded already as removed here stays so.
    pub(crate) fn record(&self, gone: Vec<RemovedSnapshot>) -> Result<()> {
        self.record_all(gone, RemovedPacks::default())
    }

    fn record_all(&self, gone: Vec<RemovedSnapshot>, packs: RemovedPacks) -> Result<()> {
        if gone.is_empty() && packs.is_empty() {
            return Ok(());
        }
        let removed = self.removed()?;
        let is_fresh = |gone: &RemovedSnapshot| removed.get(gone.id).is_none_or(|known| gone.rank() > known.rank());
        let fresh: Vec<RemovedSnapshot> = gone.into_iter().filter(is_fresh).collect();
        let fresh_packs = packs.without(&removed.packs);
        if fresh.is_empty() && fresh_packs.is_empty() {
            return Ok(());
        }
        let signer = self.keys.signer();
        let confirmed = signer.confirm(self.id(), SigningRights::REMOVALS);
        confirmed.map_err(|problem| Error::Invalid(format!("record what is removed: {problem}")))?;
        let (mut held, mut packs) = (removed.held, removed.held_packs);
        fresh.into_iter().for_each(|gone| note(&mut held, gone));
        packs.add(&fresh_packs);
        let mut snapshots: Vec<RemovedSnapshot> = held.into_values().collect();
        snapshots.sort_by_key(|gone| (gone.source, gone.sequence, gone.id));
        let removal = Removal { id: TableId(random()?), snapshots, packs };
        let signature = signer.sign(&history::signed(self.id(), &removal));
        let bytes = history::encode(self.id(), &removal, signer.certificates(), signature);
        self.with_reserve(|| put(&*self.store, &names::removal(removal.id), &bytes))?;
        removed.replaceable.iter().try_for_each(|name| delete(&*self.store, name))
    }

    /// The chains of all sources, those of one name in two domains apart: what is listed, what is beside it, and what is
    /// recorded as removed.
    pub fn chain<'e>(
        &self,
        entries: impl IntoIterator<Item = &'e SnapshotEntry>,
        beside: Beside<'_>,
        removed: &Removed,
    ) -> Chain {
        let link = |entry: &SnapshotEntry, is_removed| Link {
            source: self.source_id_of(&entry.snapshot),
            sequence: entry.snapshot.sequence,
            id: entry.id,
            previous: entry.snapshot.previous,
            is_removed,
        };
        let listed = entries.into_iter().map(|entry| link(entry, false));
        let void = beside.void.iter().map(|entry| link(entry, true));
        let unread = beside.lost.iter().filter_map(|lost| lost.place).chain(beside.hidden.iter().copied());
        let unread = unread.map(|SnapshotPlace { source, sequence, id }| Link {
            source,
            sequence,
            id,
            previous: None,
            is_removed: false,
        });
        // Before the others of their name, which tell less.
        let proved = beside.proved.iter().map(|signed| signed.link(false));
        Chain::new(listed.chain(void).chain(proved).chain(unread).chain(removed.links()))
    }

    /// Makes sure that every snapshot is there that another one was made after, as a prune does before it deletes.
    pub fn require_whole_history(&self) -> Result<()> {
        self.confirm_history(&self.every_snapshot()?)
    }

    /// Makes sure that no listing was short: every snapshot that another one was made after is among these or recorded as
    /// removed.
    ///
    /// # Errors
    /// [`Error::HistoryGap`] where one is missing; where a record cannot be believed, what is wrong with the record.
    pub(crate) fn confirm_history(&self, every: &AllSnapshots) -> Result<()> {
        // After the snapshots were listed: a removal is recorded before the snapshot goes.
        let mut removed = self.removed()?;
        let link = |entry: &ProvedSnapshot, is_removed| entry.signed.link(is_removed);
        let listed = every.entries.iter().map(|entry| link(entry, false));
        let void = every.void.iter().map(|entry| link(entry, true));
        let chain = Chain::new(listed.chain(void).chain(removed.links()));
        let ids: HashSet<SnapshotId> = every.entries.iter().chain(&every.void).map(ProvedSnapshot::id).collect();
        if let Some(lost) = self.snapshot_lost_but_for_its_copy(|id| ids.contains(&id) || removed.was_here(id))? {
            let problem = "it is gone, and its second copy tells that nobody has removed it";
            return Err(Error::damaged("confirm the history", lost.name(), problem));
        }
        match (chain.breaks().first(), removed.damaged.pop()) {
            (None, _) => Ok(()),
            (Some(_), Some(damage)) => Err(damage),
            (Some(gap), None) => Err(Error::HistoryGap {
                missing: gap.missing.to_string(),
                after: names::snapshot(gap.after.source, gap.after.sequence, gap.after.id),
            }),
        }
    }

    /// Records a snapshot as removed that is gone without having been pruned, or void, so that the history is whole without it; one
    /// that cannot be read goes, and so does one whose data key is lost, unless a session is at work that may write.
    ///
    /// # Errors
    /// When it is there: then it is forgotten like any other.
    pub fn accept_loss(&self, gone: SnapshotPlace) -> Result<()> {
        let listing = self.list_snapshots()?;
        let removed = self.removed()?;
        let chain = self.chain(&listing.entries, listing.beside(), &removed);
        let links = chain.links();
        let is_damaged = |lost: &LostSnapshot| {
            lost.place == Some(gone) && matches!(&lost.error, Error::Damaged { name, .. } if *name == lost.name)
        };
        // Read once more: a disk may have read badly a moment ago.
        let is_lost = listing.lost.iter().any(is_damaged)
            && self.read_proof(gone).is_err_and(|error| error.kind() == Kind::Corrupt);
        // Its bytes under another name as well, where they prove nothing: nothing is lost with that.
        let mut whole = listing
            .entries
            .iter()
            .map(|entry| self.place_of(entry))
            .chain(listing.proved.iter().map(|signed| signed.place));
        if is_lost && whole.any(|place| place.id == gone.id && place != gone) {
            return delete(&*self.store, &gone.name());
        }
        let closed = if is_lost { None } else { self.proof_without_key(gone, &listing.lost)? };
        if closed.is_some() && self.leases().open_leases(SessionId([0; 16]))?.may_write() {
            let message = format!("accept the loss of snapshot {}: a session is at work that may write", gone.id);
            return Err(Error::Invalid(message));
        }
        if closed.is_none() && self.has_whole_copy(&gone.name())? {
            let message =
                format!("accept the loss of snapshot {}: its second copy is whole, by which repair heals it", gone.id);
            return Err(Error::Invalid(message));
        }
        let known = links.iter().find(|link| link.id == gone.id && !is_lost && closed.is_none());
        if known.is_some_and(|link| !link.is_removed) {
            return Err(Error::Invalid(format!("accept the loss of snapshot {}: it is there", gone.id)));
        }
        // What a lost one was made after went with it: the nearest one before is as good as any, and keeps the chain together.
        let is_before =
            |link: &&Link| link.source == gone.source && link.sequence < gone.sequence && link.id != gone.id;
        let nearest = || links.iter().rfind(is_before).map(|link| link.id);
        let proved = closed.as_ref().map(|signed| signed.previous).or(known.map(|void| void.previous));
        let previous = proved.unwrap_or_else(nearest);
        let SnapshotPlace { source, sequence, id } = gone;
        self.record(vec![RemovedSnapshot { source, sequence, id, previous, elsewhere: None }])?;
        if is_lost || closed.is_some() {
            // What it needed is not known to anybody but its map, and goes with it.
            [gone.name(), names::refs(id), names::trash(id)].iter().try_for_each(|name| delete(&*self.store, name))?;
        }
        Ok(())
    }
}

fn note(snapshots: &mut BTreeMap<SnapshotId, RemovedSnapshot>, gone: RemovedSnapshot) {
    let known = snapshots.entry(gone.id).or_insert(gone);
    if gone.rank() > known.rank() {
        *known = gone;
    }
}

#[cfg(test)]
mod tests;
