//! Listing the snapshots: those that can be read, and what the names of the others still tell.
//!
//! Owns their order. Never takes what cannot be read for what is not there, nor what this key may not read for damage.

use std::collections::HashMap;

use super::{Beside, Repository, SnapshotEntry, list};
use crate::error::{Error, Kind, Result};
use crate::format::names;
use crate::id::{SnapshotId, SourceId};
use crate::keys::Right;

/// A snapshot that is in the store and cannot be read.
#[derive(Debug)]
pub struct LostSnapshot {
    /// The object's name.
    pub name: String,
    pub error: Error,
    /// Where the name puts it; none if it is not the name of a snapshot.
    pub place: Option<SnapshotPlace>,
    pub forgotten: bool,
}

/// Where a snapshot stands, as the name of its object says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotPlace {
    pub source: SourceId,
    pub sequence: u64,
    pub id: SnapshotId,
}

/// Everything that a listing found.
pub struct Listing {
    pub entries: Vec<SnapshotEntry>,
    pub lost: Vec<LostSnapshot>,
    /// Those that this key may not read, void ones included: their names do not say whose session they are of.
    pub hidden: Vec<SnapshotPlace>,
    /// Those that came after the fence of their session: nobody was told that they are there.
    pub void: Vec<SnapshotEntry>,
    /// A snapshot that was listed and then not there.
    pub(crate) vanished: Option<Error>,
}

impl Listing {
    /// What is in the store beside the entries.
    pub fn beside(&self) -> Beside<'_> {
        Beside { lost: &self.lost, void: &self.void, hidden: &self.hidden }
    }
}

/// Every snapshot there is, for whoever deletes.
pub(crate) struct AllSnapshots {
    pub entries: Vec<SnapshotEntry>,
    pub void: Vec<SnapshotEntry>,
}

impl Repository {
    /// Every snapshot, the oldest first; within a source the sequence decides, whatever its clock said.
    ///
    /// # Errors
    /// At the first snapshot that cannot be read: whoever deletes must know them all.
    pub fn snapshots(&self) -> Result<Vec<SnapshotEntry>> {
        let (entries, mut lost) = self.readable_snapshots()?;
        match lost.pop() {
            Some(lost) => Err(lost.error),
            None => Ok(entries),
        }
    }

    /// Every snapshot that is listed, for a collector.
    ///
    /// # Errors
    /// Also when a listed snapshot is not there: then a listing is wrong or another collector has just removed it, and
    /// nothing may be concluded from it.
    pub(crate) fn every_snapshot(&self) -> Result<AllSnapshots> {
        let Listing { entries, mut lost, hidden, void, vanished } = self.list_snapshots()?;
        if !hidden.is_empty() {
            return Err(Error::not_allowed("list every snapshot", Right::Maintain));
        }
        match lost.pop().map(|lost| lost.error).or(vanished) {
            Some(error) => Err(error),
            None => Ok(AllSnapshots { entries, void }),
        }
    }

    /// The snapshots that can be read, and what is wrong with the others: for whoever only reads or adds. Those that this
    /// key may not read are left out.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] for a key that may read none.
    pub fn readable_snapshots(&self) -> Result<(Vec<SnapshotEntry>, Vec<LostSnapshot>)> {
        self.require(Right::List, "list snapshots")?;
        let listed = self.list_snapshots()?;
        Ok((listed.entries, listed.lost))
    }

    /// Every snapshot, as far as this key may look.
    pub fn list_snapshots(&self) -> Result<Listing> {
        let may_list = self.keys.rights().has(Right::List);
        // Marks first: a mark goes after its snapshot, so what is listed and has none is not about to vanish.
        let forgotten = self.marked()?;
        let listed = list(&*self.store, names::SNAPSHOTS)?;
        let is_forgotten = |id| forgotten.contains(&id);
        let (mut entries, mut lost, mut hidden) = (Vec::with_capacity(listed.len()), Vec::new(), Vec::new());
        let mut vanished = None;
        for object in &listed {
            let parsed = names::parse_snapshot(&object.name)
                .map_err(|problem| Error::damaged("list snapshots", &object.name, problem));
            let place = parsed.as_ref().ok().map(|&(source, sequence, id)| SnapshotPlace { source, sequence, id });
            if let Some(place) = place.filter(|_| !may_list) {
                hidden.push(place);
                continue;
            }
            let read = parsed.and_then(|(source, sequence, id)| Ok((id, self.read_snapshot(source, sequence, id)?)));
            match read {
                Ok((id, snapshot)) => {
                    entries.push(SnapshotEntry { id, snapshot, forgotten: is_forgotten(id) });
                }
                Err(Error::NotAllowed { .. }) => hidden.extend(place),
                // Pruned since it was listed; a missing data key is something else.
                Err(Error::Missing { verb, name }) if name == object.name => {
                    vanished = Some(Error::Missing { verb, name });
                }
                Err(error) if error.kind() == Kind::Corrupt => lost.push(LostSnapshot {
                    name: object.name.clone(),
                    error,
                    place,
                    forgotten: place.is_some_and(|place| is_forgotten(place.id)),
                }),
                Err(error) => return Err(error),
            }
        }
        // After the snapshots: one that was confirmed was there before any fence of its session.
        let fences = self.fences()?;
        let is_void = |entry: &mut SnapshotEntry| fences.is_void(entry.snapshot.session, entry.id);
        let void = entries.extract_if(.., is_void).collect();
        order_by_history(&mut entries);
        Ok(Listing { entries, lost, hidden, void, vanished })
    }
}

/// Orders snapshots by time, but never against the sequence of their source: a clock that was set back does not make a
/// later snapshot older.
fn order_by_history(entries: &mut [SnapshotEntry]) {
    entries.sort_by(|a, b| {
        let key = |entry: &SnapshotEntry| (entry.snapshot.sequence, entry.snapshot.started, entry.id);
        a.snapshot.source.cmp(&b.snapshot.source).then(key(a).cmp(&key(b)))
    });
    let mut times = Vec::with_capacity(entries.len());
    let mut last: Option<(&str, i64)> = None;
    for entry in entries.iter() {
        let source = entry.snapshot.source.as_str();
        let floor = last.filter(|(known, _)| *known == source).map_or(i64::MIN, |(_, time)| time);
        let time = entry.snapshot.started.max(floor);
        times.push((entry.id, time));
        last = Some((source, time));
    }
    let times: HashMap<SnapshotId, i64> = times.into_iter().collect();
    entries.sort_by_key(|entry| times.get(&entry.id).copied());
}
