//! Key slots: who can open the repository.
//!
//! Owns reading, adding and removing them. Never removes the last one that may do everything.

use std::collections::{BTreeMap, HashSet};

use super::key_change::{Going, Takes};
use super::small_objects::{SmallDamage, is_left_over};
use super::{Repository, delete, list, put, stand_in};
use crate::error::{Error, Result};
use crate::format::{keys as stored_keys, names};
use crate::id::{RepositoryId, SlotId};
use crate::keys::{KeySlot, Recipient, Right, Secret};
use crate::pack_reader::read_object;
use crate::store::{Store, is_bad_sector};

/// What a created writer may do beside writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriterMay {
    Nothing,
    /// Read the trees of its own snapshots, so that it need not read what did not change.
    List,
}

/// Who can open a repository, as far as can be read.
#[derive(Debug, Default)]
pub struct KeySlots {
    /// One for each holder, the oldest first; what is damaged by its second copy, where that can be read.
    pub slots: Vec<KeySlot>,
    /// What is damaged, or no slot at all.
    pub damaged: Vec<SmallDamage>,
}

impl KeySlots {
    /// The holders whose newest slots are damaged.
    pub fn damaged_holders(&self) -> impl Iterator<Item = SlotId> {
        let newest = self.damaged.iter().filter(|damage| self.is_newest(damage));
        newest.filter_map(|damage| names::parse_key_slot(&damage.name).ok()).map(|(id, _)| id)
    }

    fn is_newest(&self, damage: &SmallDamage) -> bool {
        let is_older = |(id, generation)| self.slots.iter().any(|slot| slot.id == id && slot.generation > generation);
        names::parse_key_slot(&damage.name).is_ok_and(|place| !is_older(place))
    }

    /// The slots, if the newest of each holder is whole: what is no slot concerns nobody.
    pub(super) fn whole(mut self) -> Result<Vec<KeySlot>> {
        match self.damaged.iter().position(|damage| self.is_newest(damage)) {
            Some(at) => Err(self.damaged.swap_remove(at).error),
            None => Ok(self.slots),
        }
    }
}

impl Repository {
    /// All key slots; the one that opened this repository is named by [`Repository::own_slot`].
    ///
    /// # Errors
    /// When the store fails; that one is damaged is told with the others.
    pub fn key_slots(&self) -> Result<KeySlots> {
        let (mut stored, problems) = readable_slots(&*self.store, self.id())?;
        let damaged: Vec<SmallDamage> = problems.into_iter().filter_map(SmallDamage::of).collect();
        let copies = stand_in::read_slot_copies(&self.store, self.id(), damaged.iter().map(|damage| &damage.name));
        stored.extend(copies);
        stored.sort_by_key(|slot| (slot.id, slot.generation()));
        // Of a rotation that was killed a holder has two.
        let newest: BTreeMap<SlotId, KeySlot> = stored.iter().map(|slot| (slot.id, KeySlot::from(slot))).collect();
        let mut slots: Vec<KeySlot> = newest.into_values().collect();
        slots.sort_by_key(|slot| (slot.created, slot.id));
        Ok(KeySlots { slots, damaged })
    }

    /// Adds a holder who can open the repository, with the rights of this key.
    pub fn add_key(&self, secret: &Secret, label: &str, created: i64) -> Result<KeySlot> {
        self.require_all("add key")?;
        self.add_slot(&self.keys.wrap_slot(secret, label, created)?)
    }

    /// Adds a holder who backs up in a domain of its own and cannot read, or only what its own snapshots list.
    pub fn add_writer(&self, secret: &Secret, label: &str, created: i64, may: WriterMay) -> Result<KeySlot> {
        self.require_all("create writer")?;
        self.add_slot(&self.keys.wrap_writer(secret, label, created, may == WriterMay::List)?)
    }

    /// Adds a holder who forgets and prunes and cannot read.
    pub fn add_maintainer(&self, secret: &Secret, label: &str, created: i64) -> Result<KeySlot> {
        self.require_all("create maintainer")?;
        self.add_slot(&self.keys.wrap_maintainer(secret, label, created)?)
    }

    /// Adds a holder of a private key that is not here.
    pub fn add_recipient(&self, recipient: &Recipient, label: &str, created: i64) -> Result<KeySlot> {
        self.require_all("add recipient")?;
        self.add_slot(&self.keys.seal_slot(recipient, label, created)?)
    }

    /// Publishes a slot, then looks: of secrets that were rotated meanwhile it would open nothing that comes later.
    fn add_slot(&self, slot: &stored_keys::StoredSlot) -> Result<KeySlot> {
        let added = self.publish_slot(slot)?;
        let slots = self.key_slots()?.slots;
        let Some(newer) = slots.iter().find(|slot| slot.generation > self.keys.generation()) else { return Ok(added) };
        delete(&*self.store, &names::key_slot(added.id, added.generation))?;
        let by = format!("{} ({})", newer.id.short(), newer.label);
        Err(Error::Invalid(format!("add key: the secrets were rotated since they were opened, by {by}: try again")))
    }

    pub(super) fn publish_slot(&self, slot: &stored_keys::StoredSlot) -> Result<KeySlot> {
        self.keep_secrets()?;
        put(&*self.store, &names::key_slot(slot.id, slot.generation()), &stored_keys::encode_slot(self.id(), slot))?;
        Ok(KeySlot::from(slot))
    }

    /// Removes a key slot, damaged or not, unless it is the last one that may do everything.
    pub fn remove_key(&self, id: SlotId) -> Result<()> {
        self.require_all("remove key")?;
        self.refuse_held("remove key")?;
        let mut change = self.begin_changing_keys("remove key")?;
        let known = self.key_slots()?;
        let slots = self.slots_of(id, None)?;
        let is_damaged = known.damaged_holders().any(|damaged| damaged == id);
        let listed = known.slots.iter().find(|slot| slot.id == id);
        let takes = match listed {
            Some(slot) if !slot.rights.has(Right::Restore) && !is_damaged => Takes::Nothing,
            None if !is_damaged => {
                if !self.unlisted_keys()?.contains(&id) {
                    return Err(Error::Missing { verb: "remove key", name: names::key_slot(id, 0) });
                }
                Takes::Nothing
            }
            _ => Takes::AReader,
        };
        let is_newer = |slot: &KeySlot| slot.generation > self.keys.generation();
        if listed.is_some_and(is_newer) || self.newer_copies()?.iter().any(|slot| slot.id == id) {
            return Err(Error::Invalid(
                "remove key: its secrets are newer than those of the key in use; open the repository by one that has them"
                    .to_owned(),
            ));
        }
        let going = Going { verb: "remove key", slots: &slots, takes, fresh: &[] };
        if takes == Takes::AReader {
            change.look_who_is_left(&going)?;
            self.refuse_if_wrapped_by_others("remove key")?;
        }
        change.delete_slots(&going)
    }

    /// Second copies of slots with newer secrets than these, of which the slots are not listed.
    pub(super) fn newer_copies(&self) -> Result<Vec<KeySlot>> {
        let listed: HashSet<String> =
            list(&*self.store, names::KEY_SLOTS)?.into_iter().map(|object| object.name).collect();
        let copies = list(&*self.second_copies().store, names::KEY_SLOTS)?.into_iter().map(|object| object.name);
        let is_newer = |name: &String| {
            names::parse_key_slot(name).is_ok_and(|(_, generation)| generation > self.keys.generation())
        };
        let names: Vec<String> = copies.filter(|name| is_newer(name) && !listed.contains(name)).collect();
        let whole = stand_in::read_slot_copies(&self.store, self.id(), names.iter());
        Ok(whole.iter().map(KeySlot::from).collect())
    }

    /// Holders of whom no slot is listed and a second copy is: it was lost, or removed just while it was copied.
    pub fn unlisted_keys(&self) -> Result<Vec<SlotId>> {
        let names = self.copies_of_unlisted_slots()?;
        let holders = names.iter().filter_map(|name| names::parse_key_slot(name).ok()).map(|(id, _)| id);
        // Whoever has another slot is listed: what is removed by his name would be that one.
        let listed = list(&*self.store, names::KEY_SLOTS)?.into_iter();
        let listed: HashSet<SlotId> =
            listed.filter_map(|object| names::parse_key_slot(&object.name).ok()).map(|(id, _)| id).collect();
        Ok(holders.filter(|id| !listed.contains(id)).collect())
    }
}

/// The key slots that can be read, of each holder the oldest first, and what is wrong with the others, but for
/// those that creations have left over.
pub fn readable_slots(
    store: &dyn Store,
    repository: RepositoryId,
) -> Result<(Vec<stored_keys::StoredSlot>, Vec<Error>)> {
    let (mut slots, mut damaged) = (BTreeMap::new(), Vec::new());
    for object in list(store, names::KEY_SLOTS)? {
        let place = match names::parse_key_slot(&object.name) {
            Ok(place) => place,
            Err(problem) => {
                damaged.push(Error::damaged("list key slots", &object.name, problem));
                continue;
            }
        };
        let bytes = match read_object(store, &object.name, "read key slot") {
            Err(Error::Store { source, .. }) if is_bad_sector(&source) => {
                damaged.push(Error::damaged("read key slot", &object.name, source));
                continue;
            }
            // Removed since it was listed.
            Err(error @ Error::Missing { .. }) => {
                damaged.push(error);
                continue;
            }
            bytes => bytes?,
        };
        match stored_keys::decode_slot(repository, place, &bytes) {
            Ok(slot) => drop(slots.insert(place, slot)),
            Err(_) if is_left_over(repository, place, &bytes) => {}
            Err(problem) => damaged.push(Error::damaged("read key slot", &object.name, problem)),
        }
    }
    Ok((slots.into_values().collect(), damaged))
}

#[cfg(test)]
mod tests;
