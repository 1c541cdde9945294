//! Listing the snapshots: those that can be read, and what the names of the others still tell.
//!
//! Owns their order. Never takes what cannot be read for what is not there, nor what this key may not read for damage.

use std::collections::{HashMap, HashSet};

use super::{Beside, Repository, SignedSnapshot, SnapshotEntry, list};
use crate::error::{Error, Kind, Result};
use crate::format::names;
use crate::format::snapshot::Snapshot;
use crate::id::{SnapshotId, SourceId};
use crate::keys::Right;
use crate::store::{Object, each};

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

impl SnapshotPlace {
    /// The name of its object.
    pub(crate) fn name(&self) -> String {
        names::snapshot(self.source, self.sequence, self.id)
    }
}

impl LostSnapshot {
    fn new(name: String, error: Error, marked: &HashSet<SnapshotId>) -> Self {
        let place = parse_place(&name).ok();
        let forgotten = place.is_some_and(|place| marked.contains(&place.id));
        Self { name, error, place, forgotten }
    }
}

/// Where a snapshot stands, as the name of its object says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotPlace {
    pub source: SourceId,
    pub sequence: u64,
    pub id: SnapshotId,
}

/// Everything that a listing found.
#[derive(Default)]
pub struct Listing {
    pub entries: Vec<SnapshotEntry>,
    pub lost: Vec<LostSnapshot>,
    /// Those that this key may not read, void ones included: their names do not say whose session they are of.
    pub hidden: Vec<SnapshotPlace>,
    /// What hidden ones prove to a key that may delete them, void ones left out.
    pub(crate) proved: Vec<SignedSnapshot>,
    /// Those that came after the fence of their session: nobody was told that they are there.
    pub void: Vec<SnapshotEntry>,
}

impl Listing {
    /// What is in the store beside the entries.
    pub fn beside(&self) -> Beside<'_> {
        Beside { lost: &self.lost, void: &self.void, hidden: &self.hidden, proved: &self.proved }
    }
}

/// A snapshot as whoever deletes knows it: by what it says in clear and proves.
#[derive(Clone)]
pub(crate) struct ProvedSnapshot {
    pub signed: SignedSnapshot,
    /// Forgotten, and still here until the next prune.
    pub forgotten: bool,
    /// It counts, and nobody has confirmed it.
    pub unconfirmed: bool,
}

impl ProvedSnapshot {
    pub fn id(&self) -> SnapshotId {
        self.signed.place.id
    }
}

/// Every snapshot there is, for whoever deletes.
#[derive(Default)]
pub(crate) struct AllSnapshots {
    pub entries: Vec<ProvedSnapshot>,
    pub void: Vec<ProvedSnapshot>,
    pub lost: Vec<LostSnapshot>,
    /// A snapshot that was listed and then not there: a listing is wrong, or another collector has just removed it.
    pub vanished: Option<Error>,
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

    /// Every snapshot that is listed, for a collector; opens none.
    ///
    /// # Errors
    /// When one of them cannot be read, or is not there: nothing may be concluded from such a listing.
    pub(crate) fn every_snapshot(&self) -> Result<AllSnapshots> {
        let mut every = self.proved_snapshots()?;
        match every.lost.pop().map(|lost| lost.error).or(every.vanished.take()) {
            Some(error) => Err(error),
            None => Ok(every),
        }
    }

    /// The same, with what is wrong with those that cannot be read.
    pub(crate) fn proved_snapshots(&self) -> Result<AllSnapshots> {
        // In the order of `list_snapshots`, for the same reasons.
        let marks = self.marks()?;
        let mut every = AllSnapshots::default();
        for (object, read) in self.each_snapshot(|place| self.read_counted_or_marked(place, &marks.forgotten))? {
            match read {
                Ok(signed) => {
                    let id = signed.place.id;
                    let (forgotten, unconfirmed) = (marks.forgotten.contains(&id), marks.unconfirmed.contains(&id));
                    every.entries.push(ProvedSnapshot { signed, forgotten, unconfirmed });
                }
                Err(error) if is_of(&error, &object.name) => every.vanished = Some(error),
                Err(error) if error.kind() == Kind::Corrupt => {
                    every.lost.push(LostSnapshot::new(object.name, error, &marks.forgotten));
                }
                Err(error) => return Err(error),
            }
        }
        let fences = self.fences()?;
        let arrived = self.unconfirmed_since(&marks)?;
        every.entries.iter_mut().for_each(|entry| entry.unconfirmed |= arrived.contains(&entry.id()));
        let is_void = |entry: &mut ProvedSnapshot| fences.is_void(entry.signed.session, entry.id());
        every.entries.iter_mut().for_each(|entry| {
            entry.unconfirmed |= fences.is_doubtful(entry.signed.session, entry.id());
        });
        every.void = every.entries.extract_if(.., is_void).collect();
        for lost in std::mem::take(&mut every.lost) {
            let void = lost.place.map_or(Ok(None), |place| self.void_without_key(place, &fences))?;
            match void {
                Some(signed) => {
                    every.void.push(ProvedSnapshot { signed, forgotten: lost.forgotten, unconfirmed: false });
                }
                None => every.lost.push(lost),
            }
        }
        every.entries.sort_by_key(|entry| (entry.signed.place.source, entry.signed.place.sequence, entry.id()));
        Ok(every)
    }

    /// Reads what is listed, several at a time where the store is far away.
    fn each_snapshot<T: Send>(
        &self,
        read: impl Fn(SnapshotPlace) -> Result<T> + Sync,
    ) -> Result<impl Iterator<Item = (Object, Result<T>)>> {
        let listed = list(&*self.store, names::SNAPSHOTS)?;
        let answers = each(&*self.store, &listed, |object| parse_place(&object.name).and_then(&read));
        Ok(listed.into_iter().zip(answers))
    }

    /// The same as [`Self::read_counted`]; of one that is marked the data key need not be there: whoever marked it has named it, and it goes with
    /// its key or without.
    fn read_counted_or_marked(&self, place: SnapshotPlace, marked: &HashSet<SnapshotId>) -> Result<SignedSnapshot> {
        match self.read_counted(place) {
            Err(error) if error.kind() == Kind::Corrupt && marked.contains(&place.id) => {
                match self.lacks_its_key(place)? {
                    true => self.read_proof(place),
                    false => Err(error),
                }
            }
            read => read,
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
        // Marks first: a mark goes after its snapshot, so what is listed and has none is not about to vanish.
        let marks = self.kept_marks()?;
        let mut listing = Listing::default();
        for (object, read) in self.each_snapshot(|place| self.read_as_allowed(place))? {
            match read {
                Ok(Looked::Read(snapshot)) => listing.entries.push(SnapshotEntry {
                    forgotten: marks.forgotten.contains(&snapshot.0),
                    unconfirmed: marks.unconfirmed.contains(&snapshot.0),
                    id: snapshot.0,
                    snapshot: snapshot.1,
                }),
                Ok(Looked::Proved(signed)) => {
                    listing.hidden.push(signed.place);
                    listing.proved.push(signed);
                }
                Ok(Looked::Hidden(place)) => listing.hidden.push(place),
                // Pruned since it was listed.
                Err(error) if is_of(&error, &object.name) => {}
                Err(error) if error.kind() == Kind::Corrupt => {
                    listing.lost.push(LostSnapshot::new(object.name, error, &marks.forgotten));
                }
                Err(error) => return Err(error),
            }
        }
        // After the snapshots: one that was confirmed was there before any fence of its session.
        let fences = self.fences()?;
        // After all by which they count.
        let arrived = self.unconfirmed_since(&marks)?;
        listing.entries.iter_mut().for_each(|entry| entry.unconfirmed |= arrived.contains(&entry.id));
        let is_void = |entry: &mut SnapshotEntry| fences.is_void(entry.snapshot.session, entry.id);
        listing.entries.iter_mut().for_each(|entry| {
            entry.unconfirmed |= fences.is_doubtful(entry.snapshot.session, entry.id);
        });
        listing.void = listing.entries.extract_if(.., is_void).collect();
        listing.proved.retain(|signed| !fences.is_void(signed.session, signed.place.id));
        order_by_history(&mut listing.entries);
        Ok(listing)
    }

    /// Reads a snapshot as far as this key may.
    fn read_as_allowed(&self, place: SnapshotPlace) -> Result<Looked> {
        let rights = self.keys.rights();
        if rights.has(Right::List) {
            return match self.read_snapshot(place.source, place.sequence, place.id) {
                Err(Error::NotAllowed { .. }) => Ok(Looked::Hidden(place)),
                read => Ok(Looked::Read(Box::new((place.id, read?)))),
            };
        }
        match rights.has(Right::Maintain) {
            true => self.read_counted(place).map(Looked::Proved),
            false => Ok(Looked::Hidden(place)),
        }
    }
}

/// What a look at a snapshot told.
enum Looked {
    Read(Box<(SnapshotId, Snapshot)>),
    Proved(SignedSnapshot),
    Hidden(SnapshotPlace),
}

fn parse_place(name: &str) -> Result<SnapshotPlace> {
    let parsed = names::parse_snapshot(name).map_err(|problem| Error::damaged("list snapshots", name, problem));
    parsed.map(|(source, sequence, id)| SnapshotPlace { source, sequence, id })
}

/// Whether an error is that a snapshot is not there; that its data key is missing is something else.
fn is_of(error: &Error, snapshot: &str) -> bool {
    matches!(error, Error::Missing { name, .. } if name == snapshot)
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
