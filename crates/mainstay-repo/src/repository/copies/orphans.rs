//! Second copies of objects that are not there.
//!
//! Owns what each of them means: that the object was lost, or that it was removed while somebody who copied it died. Where nothing tells which,
//! the copy stays and is told. Brings nothing back.

use std::collections::{BTreeMap, BTreeSet};

use super::{Repository, SmallDamage, list};
use crate::error::{Error, Result};
use crate::format::coord::DoomedSlot;
use crate::format::keys::StoredSlot;
use crate::format::names::{self, DataKeyName};
use crate::id::{SessionId, SnapshotId};
use crate::repository::{Removed, SignedSnapshot, SnapshotPlace, readable_slots, stand_in};
use crate::store::is_absent;

/// What a copy without its object tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Orphan {
    /// The object was removed, or another one serves in its place.
    Superfluous,
    /// The object was lost.
    Lost,
    /// The object was lost, or removed.
    Unclear,
}

impl Repository {
    /// Deletes copies that serve nobody; answers how many.
    pub(crate) fn delete_superfluous_copies(&self) -> Result<u64> {
        let superfluous = self.superfluous_copies()?;
        superfluous.iter().try_for_each(|name| self.delete_copy(name))?;
        Ok(superfluous.len() as u64)
    }

    /// Deletes copies of data keys that are not there, of sessions that `serves` nobody. Call it while nobody else is at work; answers how
    /// many.
    pub(crate) fn delete_copies_of_keys(&self, serves: impl Fn(SessionId) -> bool) -> Result<u64> {
        let mut deleted = 0;
        for (name, _) in self.orphans()? {
            if names::parse_data_key(&name).is_ok_and(|key| !serves(key.session)) {
                self.delete_copy(&name)?;
                deleted += 1;
            }
        }
        Ok(deleted)
    }

    /// The objects whose copies serve nobody.
    pub(super) fn superfluous_copies(&self) -> Result<BTreeSet<String>> {
        let orphans = self.orphans()?.into_iter();
        Ok(orphans.filter(|(_, orphan)| *orphan == Orphan::Superfluous).map(|(name, _)| name).collect())
    }

    /// The copies of key slots that are not listed while others are, by the name of the slot.
    pub(crate) fn copies_of_unlisted_slots(&self) -> Result<Vec<String>> {
        let orphans = self.orphans()?.into_iter();
        let is_slot = |name: &String| names::parse_key_slot(name).is_ok();
        Ok(orphans.filter(|(_, orphan)| *orphan != Orphan::Lost).map(|(name, _)| name).filter(is_slot).collect())
    }

    /// Slots that were lost beside an older one of their holder, and have a whole copy. They were not removed: whoever removes a holder deletes the
    /// oldest slot first, and says before which go.
    pub(crate) fn slots_lost_beside_older(&self) -> Result<Vec<String>> {
        let lost = self.copies_of_unlisted_slots()?;
        if lost.is_empty() {
            return Ok(lost);
        }
        let doomed = self.doomed_slots(None)?;
        let copies = stand_in::read_slot_copies(&self.store, self.id(), lost.iter());
        // After all that: of a removal that began meanwhile the older slot is gone by now, or the name was seen.
        let (listed, _) = readable_slots(&*self.store, self.id())?;
        let was_lost = |copy: &&StoredSlot| {
            let place = DoomedSlot { id: copy.id, generation: copy.generation() };
            let mut own =
                listed.iter().filter(|slot| slot.id == copy.id && slot.public_key == copy.public_key).peekable();
            let is_newest = own.peek().is_some() && own.all(|slot| slot.generation() < copy.generation());
            is_newest && copy.generation() >= self.keys.generation() && !doomed.names(place)
        };
        Ok(copies.iter().filter(was_lost).map(|copy| names::key_slot(copy.id, copy.generation())).collect())
    }

    /// Objects that are not there and have a second copy. That the configuration is not there is told with all others.
    pub(super) fn lost_but_for_copies(&self) -> Result<Vec<SmallDamage>> {
        let mut lost = Vec::new();
        for (name, orphan) in self.orphans()?.into_iter().filter(|(name, _)| name != names::CONFIG) {
            let problem = match orphan {
                Orphan::Superfluous => continue,
                Orphan::Lost => "it is gone, and has a second copy",
                Orphan::Unclear => "it was lost, or removed beside `parity add`, and has a second copy",
            };
            let error = Error::damaged("read", &name, problem);
            lost.push(SmallDamage { name, error });
        }
        Ok(lost)
    }

    /// The copies of objects that are not there. Copies are listed first: of an object that is deleted meanwhile the copy goes before it.
    fn orphans(&self) -> Result<BTreeMap<String, Orphan>> {
        let mut names = self.listed_copies()?;
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let objects = self.listed_small()?;
        names.retain(|name, _| !objects.contains_key(name));
        let (mut orphans, mut removed) = (BTreeMap::new(), None);
        let listed = if names.is_empty() { BTreeMap::new() } else { self.listed_copies()? };
        for name in names.into_keys().filter(|name| listed.contains_key(name)) {
            if name.starts_with(names::SNAPSHOTS) && removed.is_none() {
                removed = Some(self.removed()?);
            }
            let orphan = self.judge_orphan(&name, &objects, removed.as_ref());
            orphans.insert(name, orphan);
        }
        Ok(orphans)
    }

    /// Whether the keys in the copy of a wrap are in one of these as well, which only who opens both can tell.
    fn is_same_key(&self, copied: &DataKeyName, mut others: impl Iterator<Item = DataKeyName>) -> bool {
        if !self.may_do_everything() {
            return false;
        }
        let copy = self.second_copies().data_keys.read_wrap(copied).map(|(_, key)| key);
        copy.is_ok_and(|copy| others.any(|other| self.data_keys.read_wrap(&other).is_ok_and(|(_, key)| key == copy)))
    }

    /// The snapshots that prove themselves in their second copies.
    pub(crate) fn copied_snapshots(&self) -> Result<Vec<SignedSnapshot>> {
        let copies = self.second_copies();
        let places = list(&*copies.store, names::SNAPSHOTS)?.into_iter().filter_map(|object| {
            let (source, sequence, id) = names::parse_snapshot(&object.name).ok()?;
            Some(SnapshotPlace { source, sequence, id })
        });
        let mut proved = Vec::new();
        for place in places {
            // A copy that proves nothing says nothing; one that cannot be read may say anything.
            match copies.read_proof(place) {
                Err(error @ Error::Store { .. }) => return Err(error),
                proof => proved.extend(proof.ok()),
            }
        }
        Ok(proved)
    }

    /// A snapshot that proves itself in its second copy, is not there, and that nobody has removed: a copy goes before its object, so it
    /// was lost. `is_known` says which are accounted for.
    pub(crate) fn snapshot_lost_but_for_its_copy(
        &self,
        is_known: impl Fn(SnapshotId) -> bool,
    ) -> Result<Option<SnapshotPlace>> {
        let copies = self.second_copies();
        let listed = list(&*copies.store, names::SNAPSHOTS)?;
        let copies = if listed.is_empty() { copies } else { self.lending_copies()? };
        for object in listed {
            let Ok((source, sequence, id)) = names::parse_snapshot(&object.name) else { continue };
            let place = SnapshotPlace { source, sequence, id };
            if is_known(id) || copies.read_proof(place).is_err() {
                continue;
            }
            // It may have come since the others were listed, or have been removed.
            let is_gone = self.store.len(&object.name).is_err_and(|error| is_absent(&error));
            if is_gone && !self.removed()?.contains(id) {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    fn judge_orphan(&self, name: &str, objects: &BTreeMap<String, u64>, removed: Option<&Removed>) -> Orphan {
        if let Ok((_, generation)) = names::parse_key_slot(name) {
            // Names of other slots prove nothing, since anybody can put one. The keys that opened the repository do.
            let is_before_rotation = self.may_do_everything() && generation < self.keys.generation();
            let is_any_listed = objects.keys().any(|name| names::parse_key_slot(name).is_ok());
            return match (is_before_rotation, is_any_listed) {
                (true, _) => Orphan::Superfluous,
                (false, true) => Orphan::Unclear,
                (false, false) => Orphan::Lost,
            };
        }
        let is_served = if let Ok(wrap) = names::parse_data_key(name) {
            let others = objects.keys().filter_map(|name| names::parse_data_key(name).ok());
            self.is_same_key(&wrap, others.filter(|other| other.session == wrap.session))
        } else if let (Ok((.., id)), Some(removed)) = (names::parse_snapshot(name), removed) {
            removed.was_here(id)
        } else {
            false
        };
        if is_served { Orphan::Superfluous } else { Orphan::Lost }
    }
}
