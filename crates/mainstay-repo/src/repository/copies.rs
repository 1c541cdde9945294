//! Second copies of the small objects without which the large ones are worth nothing.
//!
//! Owns which objects have one, making, dropping and comparing them; [`orphans`] what a copy without its object means. Believes nothing of a
//! copy: who takes one proves it (`repair/sister`).
//!
//! Concurrency: whoever deletes an object deletes the copy, the object, and the copy again (`repository::delete`); whoever puts a copy looks
//! afterwards whether the object is there, and deletes the copy if not. A copy that is put before the second deletion goes with it; one that is
//! put later finds the object gone. So an orphan is of an object that was lost, or of one between whose steps somebody died.

mod orphans;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::small_objects::SmallDamage;
use super::{Repository, list, store_error};
use crate::error::{Error, Kind, Result, unless_damaged};
use crate::format::names;
use crate::pack_reader::read_object;
use crate::store::{InFolder, Layered, is_absent, is_bad_sector, is_present};

/// What was copied.
#[derive(Debug, Default)]
pub struct AddedCopies {
    /// Copies that are new, or replace one that was not what its object is; and their bytes.
    pub objects: u64,
    pub bytes: u64,
    /// Objects that had one already.
    pub present: u64,
    /// Objects of which no copy was made because they are damaged.
    pub damaged: Vec<Error>,
}

/// What was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DroppedCopies {
    pub objects: u64,
    pub bytes: u64,
    /// Copies that stay, since the objects are damaged or gone.
    pub kept: u64,
}

/// How many objects have a second copy, as far as their lengths tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyCoverage {
    pub objects: u64,
    pub covered: u64,
    /// Of all copies.
    pub bytes: u64,
    /// Copies that are not as long as their objects.
    pub damaged: Vec<String>,
    /// Copies of objects that are not there.
    pub orphans: u64,
}

/// What an object turned out to be.
enum Judged {
    Whole(Vec<u8>),
    Damaged(Error),
    Gone,
}

impl Repository {
    /// The second copies as another copy of this repository, which holds nothing else.
    pub(crate) fn second_copies(&self) -> Self {
        self.beside(Arc::new(Layered(InFolder::new(self.store.clone(), names::COPIES))))
    }

    /// The same for whoever opens snapshots: under a data key that is whole here none need be copied.
    pub(crate) fn lending_copies(&self) -> Result<Self> {
        let copies = self.second_copies();
        for object in list(&*self.store, names::DATA_KEYS)? {
            if let Ok(wrap) = names::parse_data_key(&object.name)
                && let Some(key) = unless_damaged(self.data_keys.get(wrap.session)).ok().flatten()
            {
                copies.keys.learn(wrap.session, self.keys.domain_of(wrap.session));
                copies.data_keys.insert(wrap.session, key);
            }
        }
        Ok(copies)
    }

    /// The second copies by the names of their objects, with their lengths.
    pub(crate) fn listed_copies(&self) -> Result<BTreeMap<String, u64>> {
        let listed = list(&*self.store, names::COPIES)?.into_iter();
        let named = listed.filter_map(|object| Some((object.name.strip_prefix(names::COPIES)?.to_owned(), object.len)));
        Ok(named.filter(|(name, _)| names::has_second_copy(name)).collect())
    }

    /// Copies every small object that has no second copy, or one that is not the same; takes away copies that serve nobody. Call it under a
    /// lease; `check` may ask to stop.
    pub(crate) fn add_copies(&self, check: impl Fn() -> Result<()>) -> Result<AddedCopies> {
        let mut added = AddedCopies::default();
        // What is sealed is listed, and copies are not.
        if self.is_archive() {
            return Ok(added);
        }
        let copies = self.second_copies();
        let (listed, differing) = (self.listed_copies()?, self.differing_slot_copies()?);
        for name in self.listed_small()?.into_keys() {
            check()?;
            if differing.contains(&name) {
                added.damaged.extend(self.compare_copy(&copies, &name)?);
                continue;
            }
            let bytes = match self.judge(&name)? {
                Judged::Whole(bytes) => bytes,
                Judged::Gone => continue,
                Judged::Damaged(error) => {
                    added.damaged.push(error);
                    continue;
                }
            };
            if listed.contains_key(&name) && matches!(copies.judge(&name)?, Judged::Whole(copy) if copy == bytes) {
                added.present += 1;
            } else if self.put_copy(&copies, &name, &bytes)? {
                added.objects += 1;
                added.bytes += bytes.len() as u64;
            }
        }
        self.delete_superfluous_copies()?;
        Ok(added)
    }

    /// Puts a copy of an object; answers whether it stays.
    fn put_copy(&self, copies: &Self, name: &str, bytes: &[u8]) -> Result<bool> {
        // Whoever put the object may have been killed before it lasted: then a power cut would leave the copy alone.
        match self.store.make_durable(name) {
            Err(error) if is_absent(&error) => return Ok(false),
            done => done.map_err(|source| store_error("sync", name, source))?,
        }
        match copies.store.put(name, bytes) {
            Err(error) if is_present(&error) => copies.store.replace(name, bytes),
            done => done,
        }
        .map_err(|source| store_error("write", &names::second_copy(name), source))?;
        // Publish, then look: whoever has deleted the object meanwhile may not have seen the copy.
        match self.store.len(name) {
            Err(error) if is_absent(&error) => self.delete_copy(name).map(|()| false),
            len => len.map(|_| true).map_err(|source| store_error("read", name, source)),
        }
    }

    fn delete_copy(&self, name: &str) -> Result<()> {
        let copy = names::second_copy(name);
        self.store.delete(&copy).map_err(|source| store_error("delete", &copy, source))
    }

    /// Drops all second copies but those that may be the last of what they are copies of.
    pub(crate) fn drop_copies(&self) -> Result<DroppedCopies> {
        let (superfluous, copies) = (self.superfluous_copies()?, self.second_copies());
        let differing = self.differing_slot_copies()?;
        let mut dropped = DroppedCopies::default();
        for object in list(&*self.store, names::COPIES)? {
            let name = object.name.strip_prefix(names::COPIES).unwrap_or_default();
            let is_last = names::has_second_copy(name)
                && !superfluous.contains(name)
                && copies.is_whole_for_anybody(name)?
                && !self.is_whole_without(name, &copies)?;
            if is_last || differing.contains(name) {
                dropped.kept += 1;
                continue;
            }
            self.store.delete(&object.name).map_err(|source| store_error("delete", &object.name, source))?;
            dropped.objects += 1;
            dropped.bytes += object.len;
        }
        Ok(dropped)
    }

    /// Whether an object is whole, so that its copy can go. Of what newer secrets open than this key holds it must be the same.
    fn is_whole_without(&self, name: &str, copies: &Self) -> Result<bool> {
        match self.judge(name)? {
            Judged::Whole(_) => Ok(true),
            Judged::Damaged(error) if Error::tells_of_newer_secrets(&error.to_string()) => {
                let read = |repository: &Self| unless_damaged(read_object(&*repository.store, name, "read"));
                Ok(read(self)? == read(copies)?)
            }
            Judged::Damaged(_) | Judged::Gone => Ok(false),
        }
    }

    /// Whether an object is whole for this key, or perhaps for one with newer secrets.
    fn is_whole_for_anybody(&self, name: &str) -> Result<bool> {
        Ok(match self.judge(name)? {
            Judged::Whole(_) => true,
            Judged::Damaged(error) => Error::tells_of_newer_secrets(&error.to_string()),
            Judged::Gone => false,
        })
    }

    /// Says how much has second copies; reads none.
    pub(crate) fn copy_coverage(&self) -> Result<CopyCoverage> {
        let copies = self.listed_copies()?;
        let objects = self.listed_small()?;
        let mut coverage = CopyCoverage { objects: objects.len() as u64, ..CopyCoverage::default() };
        for (name, len) in &copies {
            coverage.bytes += len;
            match objects.get(name) {
                Some(own) if own == len => coverage.covered += 1,
                Some(_) => coverage.damaged.push(names::second_copy(name)),
                None => coverage.orphans += 1,
            }
        }
        Ok(coverage)
    }

    /// The second copies that are damaged, or differ from objects that are whole; and the objects of which nothing but a copy is left.
    pub fn damaged_copies(&self) -> Result<Vec<SmallDamage>> {
        let listed = list(&*self.store, names::COPIES)?;
        let mut damaged = Vec::new();
        if listed.is_empty() {
            return Ok(damaged);
        }
        let copies = self.second_copies();
        for object in listed {
            let name = object.name.strip_prefix(names::COPIES).unwrap_or_default();
            let error = if names::has_second_copy(name) {
                self.compare_copy(&copies, name)?
            } else {
                Some(Error::damaged("read second copy", &object.name, "it is not the name of one"))
            };
            damaged.extend(error.map(|error| SmallDamage { name: object.name, error }));
        }
        damaged.extend(self.lost_but_for_copies()?);
        Ok(damaged)
    }

    /// What is wrong with a second copy.
    fn compare_copy(&self, copies: &Self, name: &str) -> Result<Option<Error>> {
        let damaged = |problem: String| Ok(Some(Error::damaged("read second copy", names::second_copy(name), problem)));
        match copies.judge(name)? {
            // Deleted since it was listed.
            Judged::Gone => Ok(None),
            Judged::Damaged(error) => damaged(error.to_string()),
            // The name says what its bytes are.
            Judged::Whole(_) if name.starts_with(names::SNAPSHOTS) => Ok(None),
            Judged::Whole(copy) => match self.judge(name)? {
                Judged::Whole(bytes) if bytes != copy => damaged("it is not what it is a copy of".to_owned()),
                _ => Ok(None),
            },
        }
    }

    /// The key slots that are whole and whose second copies are whole, and others, while there is a data key that does not open: it may open by
    /// such a copy and by nothing else, so none is replaced or deleted.
    pub(crate) fn differing_slot_copies(&self) -> Result<BTreeSet<String>> {
        let copies = self.second_copies();
        let mut differing = BTreeSet::new();
        for object in list(&*copies.store, names::KEY_SLOTS)? {
            if let (Judged::Whole(own), Judged::Whole(copy)) = (self.judge(&object.name)?, copies.judge(&object.name)?)
                && own != copy
            {
                differing.insert(object.name);
            }
        }
        Ok(if differing.is_empty() || !self.has_closed_data_key()? { BTreeSet::new() } else { differing })
    }

    /// The objects that are whole and whose second copies are not the same, and may be.
    pub(crate) fn stale_copies(&self) -> Result<Vec<String>> {
        let (copies, differing) = (self.second_copies(), self.differing_slot_copies()?);
        let mut stale = Vec::new();
        for name in self.listed_copies()?.into_keys().filter(|name| !differing.contains(name)) {
            if self.compare_copy(&copies, &name)?.is_some() && matches!(self.judge(&name)?, Judged::Whole(_)) {
                stale.push(name);
            }
        }
        Ok(stale)
    }

    /// Makes the second copy of an object anew, if that is whole.
    pub(crate) fn renew_copy(&self, name: &str) -> Result<()> {
        match self.judge(name)? {
            Judged::Whole(bytes) => self.put_copy(&self.second_copies(), name, &bytes).map(drop),
            Judged::Damaged(_) | Judged::Gone => Ok(()),
        }
    }

    /// Whether a repair makes an object that is damaged or gone whole by its second copy.
    pub fn is_repairable_by_copy(&self, name: &str) -> Result<bool> {
        if !self.has_whole_copy(name)? {
            return Ok(false);
        }
        let slots = list(&*self.store, names::KEY_SLOTS)?;
        let is_other = slots.is_empty() || slots.iter().any(|slot| slot.name == name);
        Ok(is_other
            || names::parse_key_slot(name).is_err()
            || self.slots_lost_beside_older()?.iter().any(|lost| lost == name))
    }

    /// Whether the second copy of an object is whole.
    pub fn has_whole_copy(&self, name: &str) -> Result<bool> {
        Ok(names::has_second_copy(name) && matches!(self.second_copies().judge(name)?, Judged::Whole(_)))
    }

    /// The bytes of a small object, or, where that is damaged, those of its second copy if it is whole.
    pub(crate) fn whole_or_second_copy(&self, name: &str) -> Result<Option<Vec<u8>>> {
        match self.judge(name)? {
            Judged::Whole(bytes) => return Ok(Some(bytes)),
            // A copy that has outlived its object says nothing.
            Judged::Gone => return Ok(None),
            Judged::Damaged(_) => {}
        }
        Ok(match self.second_copies().judge(name)? {
            Judged::Whole(bytes) if names::has_second_copy(name) => Some(bytes),
            _ => None,
        })
    }

    /// The small objects that are listed here, with their lengths.
    pub(crate) fn listed_small(&self) -> Result<BTreeMap<String, u64>> {
        let mut listed = BTreeMap::new();
        match self.store.len(names::CONFIG) {
            Err(error) if is_absent(&error) => {}
            len => {
                let len = len.map_err(|source| store_error("read", names::CONFIG, source))?;
                listed.insert(names::CONFIG.to_owned(), len);
            }
        }
        for folder in names::COPIED {
            let objects = list(&*self.store, folder)?.into_iter().filter(|object| names::has_second_copy(&object.name));
            listed.extend(objects.map(|object| (object.name, object.len)));
        }
        Ok(listed)
    }

    /// The small objects that are whole here, but for snapshots, which want their keys.
    pub(crate) fn sound_small(&self) -> Result<BTreeSet<String>> {
        let mut sound = BTreeSet::new();
        for name in self.listed_small()?.into_keys().filter(|name| !name.starts_with(names::SNAPSHOTS)) {
            if matches!(self.judge(&name)?, Judged::Whole(_)) {
                sound.insert(name);
            }
        }
        Ok(sound)
    }

    /// The snapshots that are not what their names say.
    pub(crate) fn damaged_snapshots(&self) -> Result<BTreeSet<String>> {
        let mut damaged = BTreeSet::new();
        for object in list(&*self.store, names::SNAPSHOTS)? {
            if names::has_second_copy(&object.name) && matches!(self.judge(&object.name)?, Judged::Damaged(_)) {
                damaged.insert(object.name);
            }
        }
        Ok(damaged)
    }

    /// Reads a small object and judges it. A place that the disk cannot read is damage; a store that does not answer is not.
    fn judge(&self, name: &str) -> Result<Judged> {
        let bytes = match read_object(&*self.store, name, "read") {
            Err(Error::Missing { .. }) => return Ok(Judged::Gone),
            Err(Error::Store { source, .. }) if is_bad_sector(&source) => {
                return Ok(Judged::Damaged(Error::damaged("read", name, source)));
            }
            Err(error) if error.kind() == Kind::Corrupt => return Ok(Judged::Damaged(error)),
            bytes => bytes?,
        };
        Ok(match self.judge_small(name, &bytes) {
            Ok(()) => Judged::Whole(bytes),
            Err(problem) => Judged::Damaged(Error::damaged("read", name, problem)),
        })
    }
}
