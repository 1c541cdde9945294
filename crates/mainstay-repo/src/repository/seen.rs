//! What a client remembers of the heads that it has seen, and whether the repository still leads to them.
//!
//! Owns the memory's text and its proof. The memory is disposable: a text that is damaged, foreign or not there remembers
//! nothing, and nothing in the repository depends on it. Invariant: what is remembered is reported unless it is listed or
//! recorded as removed, whatever else the repository shows; and nothing is remembered that an honest run can make void.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Listing, Repository, SignedSnapshot, SnapshotEntry, SnapshotPlace, list};
use crate::error::{Error, Kind, Result};
use crate::format::names::{self, LeaseName};
use crate::id::{DomainId, SessionId, SnapshotId, SourceId};

/// The first line of a memory.
const TITLE: &str = "mainstay memory 1";

/// The newest snapshot of each source that was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    heads: BTreeMap<SourceId, SnapshotPlace>,
}

/// A snapshot that was seen and that the repository no longer leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewind {
    pub seen: SnapshotPlace,
    /// Where the source ends now.
    pub head: Option<SnapshotPlace>,
    /// The name of the source, where a snapshot of it can still be read.
    pub source: Option<String>,
}

impl Seen {
    pub fn heads(&self) -> impl Iterator<Item = SnapshotPlace> {
        self.heads.values().copied()
    }

    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }
}

impl Repository {
    /// Reads a memory; one that was not written with the keys of this repository remembers nothing.
    pub fn recall(&self, text: &str) -> Seen {
        self.try_recall(text).unwrap_or_default()
    }

    fn try_recall(&self, text: &str) -> Option<Seen> {
        let (body, proof) = text.trim_end().rsplit_once('\n')?;
        if proof != self.proof_of(body) {
            return None;
        }
        let heads = body.lines().skip(2).map(|line| {
            let mut words = line.split(' ');
            let source = SourceId::from_hex(words.next()?).ok()?;
            let sequence = words.next()?.parse().ok()?;
            let id = SnapshotId::from_hex(words.next()?).ok()?;
            Some((source, SnapshotPlace { source, sequence, id }))
        });
        Some(Seen { heads: heads.collect::<Option<_>>()? })
    }

    /// Writes a memory down.
    pub fn memorize(&self, seen: &Seen) -> String {
        let mut body = format!("{TITLE}\nrepository {}", self.id());
        for SnapshotPlace { source, sequence, id } in seen.heads() {
            body.push_str(&format!("\n{source} {sequence} {id}"));
        }
        format!("{body}\n{}\n", self.proof_of(&body))
    }

    /// A keyed hash of a memory: one of another repository, or with a flipped bit, raises no alarm.
    fn proof_of(&self, body: &str) -> String {
        let proof = self.keys.claim_id(&[b"memory:", body.as_bytes()].concat());
        proof.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What was seen and is neither listed nor recorded as removed. One that is void is not listed: nothing is remembered that
    /// could become so without a lie.
    pub fn rewinds(&self, seen: &Seen, listing: &Listing) -> Result<Vec<Rewind>> {
        let lost = listing.lost.iter().filter_map(|lost| lost.place).map(|place| place.id);
        let listed: HashSet<SnapshotId> = listing.entries.iter().map(|entry| entry.id).chain(lost).collect();
        let absent: Vec<SnapshotPlace> = seen.heads().filter(|place| !listed.contains(&place.id)).collect();
        if absent.is_empty() {
            return Ok(Vec::new());
        }
        // After the listing: a removal is recorded before the snapshot goes.
        let removed = self.removed()?;
        let heads = heads(listing.entries.iter().map(|entry| self.place_of(entry)));
        let mut rewound = Vec::new();
        for seen in absent {
            if removed.contains(seen.id) || (listing.hidden.contains(&seen) && self.is_there(seen)?) {
                continue;
            }
            let head = heads.get(&seen.source);
            let hidden = listing.hidden.iter().filter(|place| place.source == seen.source);
            let last_hidden = hidden.max_by_key(|place| place.sequence).copied();
            let named = listing.entries.iter().find(|entry| head.is_some_and(|head| head.id == entry.id));
            let source = named.map(|entry| entry.snapshot.source.clone());
            rewound.push(Rewind { seen, head: head.copied().or(last_hidden), source });
        }
        Ok(rewound)
    }

    /// Whether a snapshot that may not be read is there and not void. One that is damaged is there: that is told elsewhere.
    fn is_there(&self, place: SnapshotPlace) -> Result<bool> {
        match self.read_proof(place) {
            Ok(signed) => Ok(!self.fences()?.is_void(signed.session, place.id)),
            Err(Error::Missing { .. }) => Ok(false),
            Err(error) if error.kind() == Kind::Corrupt => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Remembers the heads that are listed and can never become void. What was rewound is remembered as it was, so that it is
    /// told again; so is a head that cannot be read now.
    ///
    /// # Errors
    /// When the store does not tell which heads are certain; then nothing new is remembered.
    pub fn remember(&self, seen: &mut Seen, listing: &Listing, rewound: &[Rewind]) -> Result<()> {
        let shown = self.shown(listing, seen);
        let is_new = |(source, place): (&SourceId, &SnapshotPlace)| seen.heads.get(source) != Some(place);
        if !heads(shown.iter().map(|(place, _)| *place)).iter().any(is_new) {
            return Ok(());
        }
        let sessions = self.certain_sessions(shown.iter().map(|(_, session)| *session))?;
        let lost = listing.lost.iter().filter_map(|lost| lost.place).map(|place| place.id);
        let there: HashSet<SnapshotId> = shown.iter().map(|(place, _)| place.id).chain(lost).collect();
        let certain = shown.iter().filter(|(_, session)| sessions.contains(session));
        for (source, place) in heads(certain.map(|(place, _)| *place)) {
            let held = seen.heads.get(&source);
            let is_behind = held.is_some_and(|held| there.contains(&held.id) && held.sequence > place.sequence);
            if !is_told(rewound, source) && !is_behind {
                seen.heads.insert(source, place);
            }
        }
        Ok(())
    }

    /// Sessions whose snapshots count for good. A session looks for fences between its snapshot and its end: if it has ended
    /// and nobody has fenced it by then, every settlement is made from a listing with the snapshot.
    fn certain_sessions(&self, sessions: impl Iterator<Item = SessionId>) -> Result<HashSet<SessionId>> {
        let (mut begun, mut ended) = (HashSet::new(), HashSet::new());
        for object in list(&*self.store, names::LEASES)? {
            match names::parse_lease(&object.name) {
                Ok((session, LeaseName::End)) => drop(ended.insert(session)),
                Ok((session, LeaseName::Claim(_))) => drop(begun.insert(session)),
                Err(_) => {}
            }
        }
        // After the leases: of a lease that was removed since its session was settled the fence stays.
        let fences = self.fences()?;
        let is_open = |session: &SessionId| begun.contains(session) && !ended.contains(session);
        Ok(sessions.filter(|session| !is_open(session) && !fences.is_fenced(*session)).collect())
    }

    /// Remembers a snapshot that this client has just made.
    pub fn remember_made(&self, seen: &mut Seen, made: &SnapshotEntry, rewound: &[Rewind]) {
        let place = self.place_of(made);
        if !is_told(rewound, place.source) {
            seen.heads.insert(place.source, place);
        }
    }

    /// The snapshots that count, and the session of each: those that were read, and those that proved themselves to a key
    /// that reads none.
    ///
    /// To such a key a writer can claim a source of another domain, so of a source only those of the domain count in which its
    /// remembered head is, and none where two domains claim one whose remembered head is not there.
    fn shown(&self, listing: &Listing, seen: &Seen) -> Vec<(SnapshotPlace, SessionId)> {
        let mut domains = HashMap::<SourceId, HashSet<DomainId>>::new();
        let held = |signed: &SignedSnapshot| seen.heads.get(&signed.place.source) == Some(&signed.place);
        for signed in listing.proved.iter().filter(|signed| held(signed)) {
            domains.insert(signed.place.source, [self.keys.domain_of(signed.session)].into());
        }
        let there: HashSet<SourceId> = domains.keys().copied().collect();
        let unknown = |signed: &&SignedSnapshot| !there.contains(&signed.place.source);
        for signed in listing.proved.iter().filter(unknown) {
            domains.entry(signed.place.source).or_default().insert(self.keys.domain_of(signed.session));
        }
        let is_true = |signed: &&SignedSnapshot| {
            let claimed = domains.get(&signed.place.source);
            claimed.is_some_and(|claimed| claimed.len() == 1 && claimed.contains(&self.keys.domain_of(signed.session)))
        };
        let read = listing.entries.iter().map(|entry| (self.place_of(entry), entry.snapshot.session));
        let proved = listing.proved.iter().filter(is_true).map(|signed| (signed.place, signed.session));
        read.chain(proved).collect()
    }

    /// Where a snapshot stands in the store.
    pub fn place_of(&self, entry: &SnapshotEntry) -> SnapshotPlace {
        let source = self.source_id_of(&entry.snapshot);
        SnapshotPlace { source, sequence: entry.snapshot.sequence, id: entry.id }
    }
}

/// The newest of each source.
fn heads(places: impl Iterator<Item = SnapshotPlace>) -> BTreeMap<SourceId, SnapshotPlace> {
    let mut heads = BTreeMap::<SourceId, SnapshotPlace>::new();
    for place in places {
        let head = heads.entry(place.source).or_insert(place);
        if (place.sequence, place.id) > (head.sequence, head.id) {
            *head = place;
        }
    }
    heads
}

fn is_told(rewound: &[Rewind], source: SourceId) -> bool {
    rewound.iter().any(|rewind| rewind.seen.source == source)
}

#[cfg(test)]
mod tests;
