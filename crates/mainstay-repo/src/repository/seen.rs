//! What a client remembers of the heads that it has seen, and whether the repository still leads to them.
//!
//! Owns the memory's text and its proof. The memory is disposable: a text that is damaged, foreign or not there remembers
//! nothing, and nothing in the repository depends on it. Invariant: what is remembered is reported unless it is listed or
//! recorded as removed, whatever else the repository shows.

use std::collections::{BTreeMap, HashSet};

use super::{LostSnapshot, Repository, SnapshotEntry, SnapshotPlace};
use crate::error::Result;
use crate::id::{SnapshotId, SourceId};

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

    /// What was seen and is neither listed nor recorded as removed.
    pub fn rewinds(&self, seen: &Seen, entries: &[SnapshotEntry], lost: &[LostSnapshot]) -> Result<Vec<Rewind>> {
        let lost = lost.iter().filter_map(|lost| lost.place).map(|place| place.id);
        let listed: HashSet<SnapshotId> = entries.iter().map(|entry| entry.id).chain(lost).collect();
        let absent: Vec<SnapshotPlace> = seen.heads().filter(|place| !listed.contains(&place.id)).collect();
        if absent.is_empty() {
            return Ok(Vec::new());
        }
        // After the listing: a removal is recorded before the snapshot goes.
        let removed = self.removed()?;
        let heads = self.heads(entries);
        let rewound = absent.into_iter().filter(|place| !removed.contains(place.id)).map(|seen| {
            let head = heads.get(&seen.source);
            Rewind { seen, head: head.map(|(place, _)| *place), source: head.map(|(_, name)| (*name).to_owned()) }
        });
        Ok(rewound.collect())
    }

    /// Remembers the heads that are listed. What was rewound is remembered as it was, so that it is told again; so is a head
    /// that cannot be read now.
    pub fn remember(&self, seen: &mut Seen, entries: &[SnapshotEntry], lost: &[LostSnapshot], rewound: &[Rewind]) {
        let lost: HashSet<SnapshotId> = lost.iter().filter_map(|lost| lost.place).map(|place| place.id).collect();
        for (source, (place, _)) in self.heads(entries) {
            let is_rewound = rewound.iter().any(|rewind| rewind.seen.source == source);
            let held = seen.heads.get(&source);
            let is_behind = held.is_some_and(|held| lost.contains(&held.id) && held.sequence > place.sequence);
            if !is_rewound && !is_behind {
                seen.heads.insert(source, place);
            }
        }
    }

    fn heads<'e>(&self, entries: &'e [SnapshotEntry]) -> BTreeMap<SourceId, (SnapshotPlace, &'e str)> {
        let mut heads = BTreeMap::<SourceId, (SnapshotPlace, &str)>::new();
        for entry in entries {
            let source = self.keys.source_id(&entry.snapshot.source);
            let place = SnapshotPlace { source, sequence: entry.snapshot.sequence, id: entry.id };
            let head = heads.entry(source).or_insert((place, &entry.snapshot.source));
            if (place.sequence, place.id) > (head.0.sequence, head.0.id) {
                head.0 = place;
            }
        }
        heads
    }
}

#[cfg(test)]
mod tests;
