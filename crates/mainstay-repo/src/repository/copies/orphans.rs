//! Second copies of objects that are not there.
//!
//! Owns what each of them means: that the object was lost, or that it was removed while somebody who copied it died. Where nothing tells which,
//! the copy stays and is told. Brings nothing back.

use std::collections::{BTreeMap, BTreeSet};

use super::{Repository, SmallDamage};
use crate::error::{Error, Result};
use crate::format::names;
use crate::id::SessionId;
use crate::repository::Removed;

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

    fn judge_orphan(&self, name: &str, objects: &BTreeMap<String, u64>, removed: Option<&Removed>) -> Orphan {
        if let Ok((_, generation)) = names::parse_key_slot(name) {
            let listed = objects.keys().filter_map(|name| names::parse_key_slot(name).ok());
            return match listed.map(|(_, generation)| generation).max() {
                None => Orphan::Lost,
                Some(newest) if generation < newest => Orphan::Superfluous,
                Some(_) => Orphan::Unclear,
            };
        }
        let is_served = if let Ok(key) = names::parse_data_key(name) {
            let others = objects.keys().filter_map(|name| names::parse_data_key(name).ok());
            let mut others = others.filter(|other| other.session == key.session && other.generation >= key.generation);
            others.any(|other| self.data_keys.read_wrap(&other).is_ok())
        } else if let (Ok((.., id)), Some(removed)) = (names::parse_snapshot(name), removed) {
            removed.was_here(id)
        } else {
            false
        };
        if is_served { Orphan::Superfluous } else { Orphan::Lost }
    }
}
