//! Fences: sessions that count for nothing any more, and what of theirs counts nevertheless.
//!
//! Owns reading and putting fences, settlements and acquittals. Decides neither who is fenced nor which snapshots were there: a
//! collector does. A session is settled when some collector has written down which snapshots it found after the fence; of several
//! settlements only what all of them name counts, and what was acquitted since (docs/concurrency.md). All are signed by whoever may
//! remove: a stranger who may write to the store makes nobody's snapshot void.
//!
//! An acquittal counts by its second copy as well: what it says is true for ever, so no copy of it is out of date, and whoever deletes one
//! that is damaged deletes its copy first.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Result};
use crate::format::coord::{
    Acquittal, Fence, Settlement, decode_acquittal, decode_fence, decode_settlement, encode_acquittal, encode_fence,
    encode_settlement,
};
use crate::format::envelope::ObjectKind;
use crate::format::names::{self, FenceName};
use crate::heard::{Heard, hear_kept};
use crate::id::{SessionId, SnapshotId};
use crate::keys::Keys;
use crate::signer::{Judge, sign_object};
use crate::store::{Store, each};

/// Every fence and settlement of a repository, as it was listed.
#[derive(Default)]
pub struct Fences {
    /// Sessions with a fence or a settlement.
    fenced: HashSet<SessionId>,
    /// Of each settled session the snapshots that all its settlements name.
    survivors: HashMap<SessionId, HashSet<SnapshotId>>,
    /// Sessions of which a settlement cannot be read: which of their snapshots it does not name is not known.
    unread: HashSet<SessionId>,
    /// Of each session the snapshots that were acquitted, by who did. Where one cannot be read nobody knows which snapshot counts, so none of
    /// that session is void.
    acquitted: HashMap<SessionId, HashMap<SessionId, Option<SnapshotId>>>,
}

impl Fences {
    /// Reads them all. What is damaged takes nothing away: a settlement counts as not made, and then a session is fenced anew; an
    /// acquittal counts for every snapshot that it may be about.
    pub fn read(store: &dyn Store, judge: &Judge) -> Result<Self> {
        let mut fences = Self::default();
        let listed = list(store, names::FENCES)?.into_iter();
        let named: Vec<_> =
            listed.filter_map(|object| Some((names::parse_fence(&object.name).ok()?, object.name))).collect();
        let heard = each(store, &named, |(place, name)| hear((store, judge), name, *place));
        for (((session, part), _), heard) in named.into_iter().zip(heard) {
            let heard = match heard {
                // Given up since it was listed.
                Err(Error::Missing { .. }) => continue,
                heard => heard?,
            };
            if matches!(heard, Heard::Nothing) {
                continue;
            }
            fences.fenced.insert(session);
            match (part, heard) {
                (FenceName::Settlement(collector), heard) => match settlement((session, collector), &heard) {
                    Some(settled) => fences.add(settled),
                    None => drop(fences.unread.insert(session)),
                },
                (FenceName::Acquittal(by), heard) => fences.acquit((session, by), &heard),
                _ => {}
            }
        }
        // Where nothing is void they would change nothing.
        if !fences.survivors.is_empty() {
            fences.read_copies(store, judge)?;
        }
        Ok(fences)
    }

    /// Listed after what they are copies of, so one whose object is put meanwhile is read with it the next time.
    fn read_copies(&mut self, store: &dyn Store, judge: &Judge) -> Result<()> {
        for object in list(store, &names::second_copy(names::FENCES))? {
            let name = object.name.strip_prefix(names::COPIES).unwrap_or_default();
            let Ok((session, part @ FenceName::Acquittal(by))) = names::parse_fence(name) else { continue };
            let is_known = |known: &HashMap<SessionId, Option<SnapshotId>>| known.get(&by).is_some_and(Option::is_some);
            if self.acquitted.get(&session).is_some_and(is_known) {
                continue;
            }
            match hear((store, judge), &object.name, (session, part)) {
                // Given up, or dropped, since it was listed.
                Err(Error::Missing { .. }) | Ok(Heard::Nothing) => {}
                heard => self.acquit((session, by), &heard?),
            }
        }
        Ok(())
    }

    fn acquit(&mut self, names: (SessionId, SessionId), heard: &Heard<Vec<u8>>) {
        let acquittal = match heard {
            Heard::Said(said) => decode_acquittal(names, said).ok(),
            Heard::Perhaps | Heard::Nothing => None,
        };
        self.acquitted.entry(names.0).or_default().insert(names.1, acquittal.map(|acquittal| acquittal.snapshot));
    }

    fn add(&mut self, settled: Settlement) {
        let survivors: HashSet<SnapshotId> = settled.survivors.into_iter().collect();
        self.survivors
            .entry(settled.session)
            .and_modify(|known| known.retain(|snapshot| survivors.contains(snapshot)))
            .or_insert(survivors);
    }

    /// Whether this session counts for nothing but its surviving snapshots.
    pub fn is_settled(&self, session: SessionId) -> bool {
        self.survivors.contains_key(&session)
    }

    /// Whether anybody has fenced this session: what it published lately may turn out to be void.
    pub fn is_fenced(&self, session: SessionId) -> bool {
        self.fenced.contains(&session)
    }

    /// Whether a settlement could make a snapshot void, be it one that a collector makes late which has slept since it listed the snapshots.
    pub fn needs_acquittal(&self, session: SessionId, snapshot: SnapshotId) -> bool {
        self.is_fenced(session) && !self.is_acquitted(session, snapshot)
    }

    /// Whether somebody has acquitted a snapshot, whatever settlements say.
    pub fn is_acquitted(&self, session: SessionId, snapshot: SnapshotId) -> bool {
        self.acquittals_of(session).any(|acquitted| acquitted == Some(snapshot))
    }

    fn acquittals_of(&self, session: SessionId) -> impl Iterator<Item = Option<SnapshotId>> {
        self.acquitted.get(&session).into_iter().flat_map(HashMap::values).copied()
    }

    /// Whether a snapshot came after the fence of its session, and nobody has acquitted it.
    pub fn is_void(&self, session: SessionId, snapshot: SnapshotId) -> bool {
        self.is_settled_away(session, snapshot) && self.acquittals_of(session).all(|acquitted| acquitted.is_some())
    }

    /// Whether it counts only because something cannot be read that may say that it does not: a collector may have acted by that.
    pub fn is_doubtful(&self, session: SessionId, snapshot: SnapshotId) -> bool {
        let is_settled_away = self.is_settled_away(session, snapshot) && !self.is_void(session, snapshot);
        is_settled_away || self.unread.contains(&session) && !self.is_acquitted(session, snapshot)
    }

    /// Whether it would be void if what cannot be read of acquittals were not there.
    pub fn is_settled_away(&self, session: SessionId, snapshot: SnapshotId) -> bool {
        let came_after = self.survivors.get(&session).is_some_and(|survivors| !survivors.contains(&snapshot));
        came_after && !self.is_acquitted(session, snapshot)
    }
}

fn settlement(names: (SessionId, SessionId), heard: &Heard<Vec<u8>>) -> Option<Settlement> {
    match heard {
        Heard::Said(said) => decode_settlement(names, said).ok(),
        Heard::Perhaps | Heard::Nothing => None,
    }
}

/// Whether anybody has fenced this session.
pub fn is_fenced(store: &dyn Store, judge: &Judge, session: SessionId) -> Result<bool> {
    for object in list(store, &format!("{}{session}/", names::FENCES))? {
        // Under a name that says nothing there may be a fence too.
        let Ok(place) = names::parse_fence(&object.name) else { return Ok(true) };
        match hear((store, judge), &object.name, place) {
            Ok(Heard::Nothing) => {}
            Ok(_) | Err(Error::Missing { .. }) => return Ok(true),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// What one of them says is true for good, if it says it under its own name.
fn hear(by: (&dyn Store, &Judge), name: &str, (session, part): (SessionId, FenceName)) -> Result<Heard<Vec<u8>>> {
    let (kind, verb) = match part {
        FenceName::Fence(_) => (ObjectKind::Fence, "read fence"),
        FenceName::Settlement(_) => (ObjectKind::Settlement, "read settlement"),
        FenceName::Acquittal(_) => (ObjectKind::Acquittal, "read acquittal"),
    };
    let is_its_own = |said: &Vec<u8>| match part {
        FenceName::Fence(collector) => decode_fence((session, collector), said).is_ok(),
        FenceName::Settlement(collector) => decode_settlement((session, collector), said).is_ok(),
        FenceName::Acquittal(by) => decode_acquittal((session, by), said).is_ok(),
    };
    hear_kept(by, (kind, name, verb), |said| Ok(said.to_vec()), is_its_own)
}

/// Puts a fence: whatever the session publishes from now on does not count. Whoever puts it settles the session next.
///
/// # Errors
/// Also when this key may not say so.
pub fn put_fence(store: &dyn Store, keys: &Keys, fence: &Fence) -> Result<()> {
    let bytes = sign_object(keys.signer(), keys.config().repository, (ObjectKind::Fence, &encode_fence(fence)))?;
    put_once(store, names::fence(fence.session, fence.collector), &bytes)
}

/// Writes down which snapshots of a fenced session were listed after the fence was there.
///
/// # Errors
/// Also when this key may not say so.
pub fn put_settlement(store: &dyn Store, keys: &Keys, settled: &Settlement) -> Result<()> {
    let said = encode_settlement(settled);
    let bytes = sign_object(keys.signer(), keys.config().repository, (ObjectKind::Settlement, &said))?;
    put_once(store, names::settlement(settled.session, settled.collector), &bytes)
}

/// Says that a snapshot of a fenced session counts after all. Whoever says so has secured everything that it needs, holds a lease, and looks
/// for fences of its own when it has said so.
///
/// # Errors
/// Also when this key may not say so.
pub fn put_acquittal(store: &dyn Store, keys: &Keys, acquittal: &Acquittal) -> Result<()> {
    let said = encode_acquittal(acquittal);
    let bytes = sign_object(keys.signer(), keys.config().repository, (ObjectKind::Acquittal, &said))?;
    let name = names::acquittal(acquittal.session, acquittal.by);
    put_once(store, name.clone(), &bytes)?;
    if !list(store, names::COPIES)?.is_empty() {
        // Without it the acquittal says the same, and `parity add` makes it: for its sake nothing fails. What may be deleted meanwhile is
        // damaged, and nobody deletes what was just put.
        let _ = store.put(&names::second_copy(&name), &bytes);
    }
    Ok(())
}

/// Writes what may have been written already.
pub(crate) fn put_once(store: &dyn Store, name: String, bytes: &[u8]) -> Result<()> {
    let put = match store.put(&name, bytes) {
        // Whoever wrote it may have died before it was durable.
        Err(source) if source.kind() == std::io::ErrorKind::AlreadyExists => store.make_durable(&name),
        put => put,
    };
    put.map_err(|source| Error::Store { verb: "write", name, source })
}

fn list(store: &dyn Store, prefix: &str) -> Result<Vec<crate::store::Object>> {
    store.list(prefix).map_err(|source| Error::Store { verb: "list", name: prefix.to_owned(), source })
}

#[cfg(test)]
mod tests;
