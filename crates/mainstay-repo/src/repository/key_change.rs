//! Changes of keys: whoever deletes slots says before which, and one session at a time does so.
//!
//! Owns what is said of a change of keys, and the deletion of slots: nobody else deletes one that may be relied on. Two things keep everybody
//! from relying on a key that goes. A session says that it begins, and whoever sees that another one at work has said so gives up. And before it
//! deletes anything it names the slots that go, then looks who is left: a slot that any change names counts for nobody, whatever became of its
//! session, until it is gone (docs/concurrency.md). The first spares work; the second holds whoever sleeps, was fenced, or looks gone.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{KeySlots, ReadLease, Repository, delete, list};
use crate::error::{Error, Result};
use crate::fence::{is_fenced, put_once};
use crate::format::coord::{DoomedSlot, KeyChange, decode_key_change, encode_key_change};
use crate::format::envelope::ObjectKind;
use crate::format::names::{self, KeyChangeName};
use crate::heard::{Heard, hear};
use crate::id::{SessionId, SlotId};
use crate::keys::{KeySlot, Rights};
use crate::signer::sign_object;

/// Nobody else begins to change keys while this is there. Ended when dropped.
pub(super) struct ChangeOfKeys<'r> {
    pub lease: ReadLease<'r>,
    repository: &'r Repository,
    session: SessionId,
    /// Changes that could not be read when this one began. They name no slot that was published since.
    unread: BTreeSet<String>,
    named: Named,
}

/// How far this session has come with the slots that it names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Nothing,
    /// None of them is deleted yet, or all are.
    Idle,
    /// Some may be gone and others not: what names them stays, and whoever does the same again finishes it.
    Deleting,
}

/// Slots that are to be deleted, in this order.
pub(super) struct Going<'a> {
    pub verb: &'static str,
    pub slots: &'a [DoomedSlot],
    pub takes: Takes,
    /// Slots that this session has published itself since it began.
    pub fresh: &'a [KeySlot],
}

/// What is lost with slots.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// A key that reads: another one must be left.
    AReader,
    /// Nothing by which anybody else reads.
    Nothing,
}

/// The slots that changes of keys name.
#[derive(Default)]
pub(crate) struct DoomedSlots {
    slots: HashMap<DoomedSlot, SessionId>,
    /// The changes that cannot be read, by name: each may name every slot that was there when it was put.
    unread: BTreeSet<String>,
}

impl DoomedSlots {
    pub fn names(&self, slot: DoomedSlot) -> bool {
        self.slots.contains_key(&slot)
    }
}

impl Repository {
    /// Says that this session changes keys from now on.
    ///
    /// # Errors
    /// When another one does, or may; when this key may not sign that.
    pub(super) fn begin_changing_keys(&self, verb: &'static str) -> Result<ChangeOfKeys<'_>> {
        let lease = self.begin_reading()?;
        let Some(session) = lease.published else {
            return Err(Error::Invalid(format!("{verb}: the store takes no object")));
        };
        // From here on it is taken back however this ends.
        let (unread, named) = (BTreeSet::new(), Named::Nothing);
        let mut change = ChangeOfKeys { lease, repository: self, session, unread, named };
        change.say(names::key_change(session), None)?;
        if let Some(other) = self.other_change_of_keys(session)? {
            let other = other.short();
            return Err(Error::Invalid(format!(
                "{verb}: session {other} is changing keys at this moment; try again when it has ended"
            )));
        }
        change.unread = self.doomed_slots(None)?.unread;
        Ok(change)
    }

    /// Another session that is at work and has said that it changes keys. Changes are listed before leases: who ends in between is gone.
    fn other_change_of_keys(&self, own: SessionId) -> Result<Option<SessionId>> {
        let mut said = Vec::new();
        for object in list(&*self.store, names::KEY_CHANGES)? {
            let Ok((session, part)) = names::parse_key_change(&object.name) else { continue };
            // One that is damaged does not count here: whoever can put objects could stop everybody else otherwise.
            if session != own && matches!(self.hear_key_change((session, part), &object.name)?, Heard::Said(_)) {
                said.push(session);
            }
        }
        if said.is_empty() {
            return Ok(None);
        }
        let at_work = self.leases().open_leases(own)?.at_work();
        Ok(said.into_iter().find(|session| at_work.contains(session)))
    }

    fn hear_key_change(&self, place: (SessionId, KeyChangeName), name: &str) -> Result<Heard<KeyChange>> {
        let object = (ObjectKind::KeyChange, name, "read change of keys");
        match hear((&*self.store, &self.judge), object, |said| decode_key_change(place, said)) {
            Err(Error::Missing { .. }) => Ok(Heard::Nothing),
            heard => heard,
        }
    }

    /// The slots that changes of other sessions name.
    pub(crate) fn doomed_slots(&self, own: Option<SessionId>) -> Result<DoomedSlots> {
        let mut doomed = DoomedSlots::default();
        for object in list(&*self.store, names::KEY_CHANGES)? {
            let Ok(place @ (session, KeyChangeName::Removes)) = names::parse_key_change(&object.name) else { continue };
            if own == Some(session) {
                continue;
            }
            match self.hear_key_change(place, &object.name)? {
                Heard::Said(change) => {
                    doomed.slots.extend(change.removes.into_iter().flatten().map(|slot| (slot, session)));
                }
                Heard::Perhaps => drop(doomed.unread.insert(object.name)),
                Heard::Nothing => {}
            }
        }
        Ok(doomed)
    }

    /// Of these changes those that nobody needs any more, given the sessions that have ended, and those of which nobody may know whether they
    /// are at work. Whoever was fenced or has lost its lease may wake: what names slots stays as long as one of them, or its copy, is there.
    pub(crate) fn changes_that_are_over(
        &self,
        changes: &[String],
        (ended, open): (&HashSet<SessionId>, impl Fn(SessionId) -> bool),
    ) -> Result<Vec<String>> {
        let mut over = Vec::new();
        for name in changes {
            let Ok(place @ (session, part)) = names::parse_key_change(name) else { continue };
            let is_over = match part {
                _ if ended.contains(&session) => true,
                _ if open(session) => false,
                KeyChangeName::Begins => true,
                KeyChangeName::Removes => match self.hear_key_change(place, name)? {
                    Heard::Said(change) => {
                        let there = self.slot_names()?;
                        change.removes.unwrap_or_default().iter().all(|slot| !there.contains(slot))
                    }
                    Heard::Perhaps => false,
                    Heard::Nothing => true,
                },
            };
            over.extend(is_over.then(|| name.clone()));
        }
        Ok(over)
    }

    /// The slots that are listed, and those of which a second copy is.
    fn slot_names(&self) -> Result<BTreeSet<DoomedSlot>> {
        let mut listed = list(&*self.second_copies().store, names::KEY_SLOTS)?;
        listed.extend(list(&*self.store, names::KEY_SLOTS)?);
        let parsed = listed.into_iter().filter_map(|object| names::parse_key_slot(&object.name).ok());
        Ok(parsed.map(|(id, generation)| DoomedSlot { id, generation }).collect())
    }

    /// The slots of a holder, the oldest first, those of which only a copy is there, too; and those before a generation only, if one is given.
    pub(super) fn slots_of(&self, id: SlotId, before: Option<u32>) -> Result<Vec<DoomedSlot>> {
        let is_meant = |slot: &DoomedSlot| slot.id == id && before.is_none_or(|end| slot.generation < end);
        Ok(self.slot_names()?.into_iter().filter(is_meant).collect())
    }
}

impl ChangeOfKeys<'_> {
    fn say(&self, name: String, removes: Option<Vec<DoomedSlot>>) -> Result<()> {
        let said = encode_key_change(&KeyChange { session: self.session, removes });
        let own = self.repository;
        let bytes = sign_object(own.keys.signer(), own.id(), (ObjectKind::KeyChange, &said))?;
        put_once(&*own.store, name, &bytes)
    }

    /// Gives up if a collector has taken this session for gone.
    pub fn refuse_if_fenced(&self, verb: &'static str) -> Result<()> {
        let own = self.repository;
        if is_fenced(&*own.store, &own.judge, self.session)? {
            let message =
                format!("{verb}: this session was taken for gone, since it stood still for long; run it again");
            return Err(Error::Invalid(message));
        }
        Ok(())
    }

    /// Names slots, looks who is left without them and without all that others name, and deletes them. Once in the life of a change.
    ///
    /// # Errors
    /// When nobody would be left: then nothing is deleted, and nothing named any more.
    pub fn delete_slots(&mut self, going: &Going<'_>) -> Result<()> {
        if going.slots.is_empty() {
            return Ok(());
        }
        self.named = Named::Idle;
        self.say(names::key_removal(self.session), Some(going.slots.to_vec()))?;
        self.look_who_is_left(going)?;
        self.refuse_if_fenced(going.verb)?;
        self.named = Named::Deleting;
        for slot in going.slots {
            delete(&*self.repository.store, &names::key_slot(slot.id, slot.generation))?;
        }
        self.named = Named::Idle;
        Ok(())
    }

    /// Makes sure that a key that opens everything is left. Changes are read before slots: what goes between the two is named by nobody who has
    /// looked already.
    pub fn look_who_is_left(&self, going: &Going<'_>) -> Result<()> {
        let doomed = self.repository.doomed_slots(Some(self.session))?;
        let known = self.repository.key_slots()?;
        let left = current(&known, going.slots);
        if left.is_empty() {
            let verb = going.verb;
            let message = format!("{verb}: it is the last one that may restore, and without it nothing could be read");
            return Err(Error::Invalid(message));
        }
        let is_doomed = |slot: &&KeySlot| {
            let is_fresh = going.fresh.iter().any(|fresh| named(fresh) == named(slot));
            let may_be_named = doomed.unread.iter().any(|change| !is_fresh || !self.unread.contains(change));
            may_be_named || doomed.names(named(slot))
        };
        if going.takes == Takes::AReader && left.iter().all(is_doomed) {
            return Err(all_doomed(going.verb, &left, &doomed));
        }
        Ok(())
    }

    /// Takes away changes that could not be read when this one began. Call it when every key that reads, and that was there then, is gone.
    pub fn clear_unread(&self) -> Result<()> {
        self.unread.iter().try_for_each(|name| delete(&*self.repository.store, name))
    }
}

fn named(slot: &KeySlot) -> DoomedSlot {
    DoomedSlot { id: slot.id, generation: slot.generation }
}

/// The keys that open everything, but for those that go. One with older secrets than another opens nothing that is wrapped by newer ones; one
/// that is damaged is none to rely on, whatever its copy says.
fn current<'k>(known: &'k KeySlots, going: &[DoomedSlot]) -> Vec<&'k KeySlot> {
    let damaged: HashSet<SlotId> = known.damaged_holders().collect();
    let newest = known.slots.iter().map(|slot| slot.generation).max().unwrap_or_default();
    let is_current = |slot: &&KeySlot| {
        let is_whole = slot.generation == newest && !damaged.contains(&slot.id);
        is_whole && slot.rights == Rights::ALL && !going.contains(&named(slot))
    };
    known.slots.iter().filter(is_current).collect()
}

/// Says which changes are in the way, and how to get out.
fn all_doomed(verb: &str, left: &[&KeySlot], doomed: &DoomedSlots) -> Error {
    if let Some(change) = doomed.unread.first() {
        return Error::Invalid(format!(
            "{verb}: {change} is damaged, and may name every key that would be left; `mainstay key rotate` makes new ones, and clears it away"
        ));
    }
    let keys: Vec<String> = left.iter().map(|slot| format!("{} ({})", slot.id.short(), slot.label)).collect();
    Error::Invalid(format!(
        "{verb}: a removal that was not finished names every key that would be left: {}. Run that removal again by another key, or add a \
         new key and try again",
        keys.join(", ")
    ))
}

impl Drop for ChangeOfKeys<'_> {
    fn drop(&mut self) {
        // What is left of it a prune takes away, once the lease has ended or what it names is gone.
        let store = &*self.repository.store;
        if self.named == Named::Idle {
            let _ = delete(store, &names::key_removal(self.session));
        }
        let _ = delete(store, &names::key_change(self.session));
    }
}

#[cfg(test)]
mod tests;
