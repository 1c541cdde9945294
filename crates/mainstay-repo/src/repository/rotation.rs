//! Rotation: new secrets that wrap the data keys, so that a holder who was removed opens nothing that is wrapped from now on.
//!
//! Owns the order of the steps (docs/adr/0017-rotation.md). Invariant: nothing is deleted before what takes its place was read
//! back and opened, so a rotation that is killed at any point loses nothing; the next one, or a prune, finishes it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use super::key_change::{ChangeOfKeys, Going, Takes};
use super::{ReadLease, Repository, delete, list, put, readable_slots, store_error};
use crate::error::{Error, Kind, Result};
use crate::format::coord::{CondemnedKey, DoomedSlot};
use crate::format::names::DataKeyName;
use crate::format::{keys as stored_keys, names};
use crate::id::{DomainId, SessionId, SlotId};
use crate::keys::{DataKey, KeySlot, Keys, Right, Rights, Secret};
use crate::pack_reader::read_object;
use crate::store::{is_absent, is_present};

/// What becomes of keys that read, and whose secrets are not at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherKeys {
    /// Nothing is done if there is one.
    Refuse,
    /// They are removed.
    Remove,
}

/// What a rotation did.
#[derive(Debug, Default)]
pub struct RotationReport {
    /// How often the secrets were rotated by now.
    pub generation: u32,
    /// The keys that open the repository with the new secrets.
    pub kept: Vec<KeySlot>,
    pub removed: Vec<KeySlot>,
    /// Keys that would have been removed, and stay because data keys are damaged that they may open.
    pub stayed: Vec<KeySlot>,
    /// Keys that write by what the old secrets made, until they are created anew.
    pub writers: Vec<KeySlot>,
    /// Sessions whose data keys were wrapped anew.
    pub rewrapped: u64,
    /// Old wraps that are still there, for a session at work; a later prune deletes them.
    pub left: u64,
    /// Data keys that no secret opens; they stay as they are.
    pub damaged: Vec<Error>,
}

/// What wrapping anew has come to.
#[derive(Default)]
pub(crate) struct Renewal {
    pub rewrapped: u64,
    /// Old wraps in whose place there is a new one that opens.
    pub superseded: Vec<String>,
    pub damaged: Vec<Error>,
}

impl Repository {
    /// The keys that read and that these secrets do not open: without them a rotation shuts them out.
    pub fn keys_beside(&self, secrets: &[Secret]) -> Result<Vec<KeySlot>> {
        let mut known = vec![self.slot];
        for secret in secrets {
            known.push(self.open_other(secret)?.1);
        }
        let slots = self.key_slots()?.whole()?.into_iter();
        Ok(slots.filter(|slot| slot.rights.has(Right::Restore) && !known.contains(&slot.id)).collect())
    }

    /// Draws new secrets and wraps every data key by them. `own` is the secret that opened this repository; the holders of
    /// `others` keep their keys as well. This repository holds the old secrets still: open it anew.
    ///
    /// # Errors
    /// [`Error::KeysLeftOut`] when keys that read would be shut out and none may be; [`Error::Damaged`] when of a slot nobody can tell whether
    /// it reads. Nothing is done then.
    pub fn rotate(&self, own: &Secret, others: &[Secret], rest: OtherKeys) -> Result<RotationReport> {
        self.require_all("rotate secrets")?;
        self.refuse_sealed("rotate secrets")?;
        self.may_rotate(others, rest)?;
        let mut change = self.begin_changing_keys("rotate secrets")?;
        // Once more, now that nobody else changes them.
        self.may_rotate(others, rest)?;
        let next = self.keys.rotated()?;
        change.refuse_if_fenced("rotate secrets")?;
        let kept = self.publish_next(&next, own, others)?;
        let next = Self::assemble(self.store.clone(), next, self.slot, self.liveness.clone());
        next.refuse_if_wrapped_by_others("rotate secrets")?;
        let Renewal { rewrapped, superseded, damaged } = next.renew_data_keys()?;
        let mut report =
            RotationReport { generation: next.keys.generation(), rewrapped, damaged, ..Default::default() };
        if next.is_anybody_at_work(&change.lease)? {
            report.left = superseded.len() as u64;
        } else {
            next.delete_superseded(&superseded)?;
        }
        next.shut_out_others(&mut change, kept, &mut report)?;
        let is_writer = |slot: &KeySlot| slot.rights.has(Right::Write) && !slot.rights.has(Right::Restore);
        report.writers = next.key_slots()?.slots.into_iter().filter(is_writer).collect();
        Ok(report)
    }

    /// Deletes the slots with older secrets that read, of whoever has none with these. What could not be wrapped anew may open by those of others,
    /// so then only one's own go.
    fn shut_out_others(
        &self,
        change: &mut ChangeOfKeys<'_>,
        kept: Vec<KeySlot>,
        report: &mut RotationReport,
    ) -> Result<()> {
        // Publish, then look: before the others go one's own is sure to last.
        self.keep_secrets()?;
        let is_done = report.damaged.is_empty();
        let is_old = |slot: &KeySlot| slot.rights.has(Right::Restore) && slot.generation < self.keys.generation();
        let is_kept = |slot: &KeySlot| kept.iter().any(|kept| kept.id == slot.id);
        let others: Vec<KeySlot> =
            self.key_slots()?.slots.into_iter().filter(|slot| is_old(slot) && !is_kept(slot)).collect();
        let shut_out: &[KeySlot] = if is_done { &others } else { &[] };
        let mut slots = Vec::new();
        for slot in kept.iter().filter(|slot| is_done || slot.id == self.slot).chain(shut_out) {
            slots.extend(self.slots_of(slot.id, Some(self.keys.generation()))?);
        }
        if !is_done {
            self.spare_other_copies(&mut slots)?;
        }
        change.delete_slots(&Going { verb: "rotate secrets", slots: &slots, takes: Takes::AReader, fresh: &kept })?;
        if is_done {
            change.clear_unread()?;
        }
        report.kept = kept;
        *(if is_done { &mut report.removed } else { &mut report.stayed }) = others;
        Ok(())
    }

    /// Leaves those out whose second copies are of other secrets: a data key may open by those.
    fn spare_other_copies(&self, slots: &mut Vec<DoomedSlot>) -> Result<()> {
        let differing = self.differing_slot_copies()?;
        slots.retain(|slot| !differing.contains(&names::key_slot(slot.id, slot.generation)));
        Ok(())
    }

    fn may_rotate(&self, others: &[Secret], rest: OtherKeys) -> Result<()> {
        self.refuse_if_rotated()?;
        let left_out = self.keys_beside(others)?;
        if rest == OtherKeys::Refuse && !left_out.is_empty() {
            let named = left_out.iter().map(|slot| format!("{} ({})", slot.id.short(), slot.label));
            return Err(Error::KeysLeftOut { keys: named.collect::<Vec<_>>().join(", ") });
        }
        Ok(())
    }

    /// A key with older secrets than another has cannot go on from them; nor from where the slot with newer ones was lost: what it would draw
    /// would be of the same generation, and open nothing that those sealed.
    fn refuse_if_rotated(&self) -> Result<()> {
        let newer = self.key_slots()?.whole()?.into_iter().find(|slot| slot.generation > self.keys.generation());
        if let Some(slot) = newer {
            let by = format!("{} ({})", slot.id.short(), slot.label);
            return Err(Error::Invalid(format!(
                "rotate secrets: they were rotated by another key, which alone can go on: {by}"
            )));
        }
        if let Some(slot) = self.newer_copies()?.first() {
            let copy = names::second_copy(&names::key_slot(slot.id, slot.generation));
            return Err(Error::Invalid(format!(
                "rotate secrets: {copy} holds newer ones, and its slot is not there: `mainstay repair` puts it back; if it is nobody's, delete it \
                 where the repository lies"
            )));
        }
        let wraps = list(&*self.store, names::DATA_KEYS)?.into_iter().map(|object| object.name);
        let is_newer =
            |name: &String| names::parse_data_key(name).is_ok_and(|wrap| wrap.generation > self.keys.generation());
        wraps.into_iter().find(is_newer).map_or(Ok(()), |name| {
            Err(Error::Invalid(format!(
                "rotate secrets: {name} is wrapped by newer ones, and no key slot with those is there: bring it back by `mainstay repair`, \
                 with --from another copy of the repository if need be; if it is nobody's, delete it where the repository lies"
            )))
        })
    }

    /// Refuses where a data key is whole, is of the generation of these secrets, and does not open by them: then others have secrets of that
    /// generation, too, and whose slots are to be relied on nobody can tell.
    pub(super) fn refuse_if_wrapped_by_others(&self, verb: &'static str) -> Result<()> {
        let generation = self.keys.generation();
        if generation == 0 {
            return Ok(());
        }
        for object in list(&*self.store, names::DATA_KEYS)? {
            let Ok(wrap) = names::parse_data_key(&object.name) else { continue };
            if wrap.generation == generation && self.is_whole_and_closed(&wrap)? {
                return Err(Error::Invalid(format!(
                    "{verb}: {} is wrapped by other secrets than those of the key in use: open the repository by the key that wrapped it; if it is \
                     nobody's, delete it where the repository lies",
                    object.name
                )));
            }
        }
        Ok(())
    }

    /// Whether a wrap is as it was written, and does not open.
    fn is_whole_and_closed(&self, wrap: &DataKeyName) -> Result<bool> {
        let bytes = match read_object(&*self.store, &wrap.name(), "read data key") {
            Err(error) if error.kind() == Kind::Corrupt => return Ok(false),
            bytes => bytes?,
        };
        let stored = stored_keys::decode_data_key(self.id(), (wrap.session, wrap.generation), &bytes);
        Ok(stored.is_ok_and(|stored| self.keys.open_data_key(&stored).is_err()))
    }

    /// Whether there is a data key of which some wrap is whole and none opens: what opens it may be in the copy of a slot alone.
    pub(crate) fn has_closed_data_key(&self) -> Result<bool> {
        if !self.may_do_everything() {
            // Nobody can tell.
            return Ok(true);
        }
        let mut keys = BTreeMap::<SessionId, Vec<DataKeyName>>::new();
        for object in list(&*self.store, names::DATA_KEYS)? {
            if let Ok(wrap) = names::parse_data_key(&object.name) {
                keys.entry(wrap.session).or_default().push(wrap);
            }
        }
        for wraps in keys.into_values() {
            if wraps.iter().any(|wrap| self.data_keys.read_wrap(wrap).is_ok()) {
                continue;
            }
            for wrap in &wraps {
                if self.is_whole_and_closed(wrap)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn open_other(&self, secret: &Secret) -> Result<(Keys, SlotId)> {
        let (slots, _) = readable_slots(&*self.store, self.id())?;
        let (keys, slot) = Keys::unlock(*self.keys.config(), &slots, secret)?;
        let key = slot.short();
        if keys.rights() != Rights::ALL {
            let message = format!("rotate secrets: key {key} cannot read, and a rotation does not concern it");
            return Err(Error::Invalid(message));
        }
        if !self.keys.go_on_from(&keys) {
            let message =
                format!("rotate secrets: those of key {key} are of another rotation, and these do not go on from them");
            return Err(Error::Invalid(message));
        }
        Ok((keys, slot))
    }

    /// Publishes the next secrets for those who keep their keys, one's own first: from then on nothing can be lost with them.
    fn publish_next(&self, next: &Keys, own: &Secret, others: &[Secret]) -> Result<Vec<KeySlot>> {
        let mut kept = vec![self.publish_read_back(next, &next.wrap_own_slot(own)?, own)?];
        // Nobody else rotates while this one has said that it does. Were it so all the same, nothing else has been changed yet; and what is
        // published stays, since its holder may have sealed by it.
        let mut slots = self.key_slots()?.slots.into_iter();
        if let Some(other) = slots.find(|slot| slot.generation >= next.generation() && slot.id != self.slot) {
            let message = format!("rotate secrets: key {} rotates them at this moment", other.id.short());
            return Err(Error::Invalid(message));
        }
        for secret in others {
            let (keys, slot) = self.open_other(secret)?;
            if kept.iter().all(|known| known.id != slot) {
                kept.push(self.publish_read_back(next, &next.wrap_for(keys.signer(), secret)?, secret)?);
            }
        }
        Ok(kept)
    }

    fn publish_read_back(&self, next: &Keys, slot: &stored_keys::StoredSlot, secret: &Secret) -> Result<KeySlot> {
        let published = self.publish_slot(slot)?;
        let name = names::key_slot(slot.id, slot.generation());
        let damaged = |problem| Error::damaged("read back", &name, problem);
        let bytes = read_object(&*self.store, &name, "read back")?;
        let read = stored_keys::decode_slot(self.id(), (slot.id, slot.generation()), &bytes).map_err(damaged)?;
        let (keys, _) = Keys::unlock(*self.keys.config(), &[read], secret)?;
        if !keys.are_those_of(next) {
            return Err(Error::damaged("read back", &name, "it does not hold what was wrapped"));
        }
        Ok(published)
    }

    fn is_anybody_at_work(&self, lease: &ReadLease<'_>) -> Result<bool> {
        let own = lease.published.unwrap_or(SessionId([0; 16]));
        let open = self.leases().open_leases(own)?;
        // Of a lease whose name makes no sense nobody can tell.
        Ok(!open.at_work().is_empty() || open.unknown.iter().any(|lease| lease.session.is_none()))
    }

    /// Makes sure that the slot lasts from which the secrets came, before anything is sealed that only they open: a rotation
    /// may have been killed between the two.
    pub(crate) fn keep_secrets(&self) -> Result<()> {
        let generation = self.keys.generation();
        if generation == 0 {
            return Ok(());
        }
        let name = names::key_slot(self.slot, generation);
        self.store.make_durable(&name).map_err(|source| match is_absent(&source) {
            true => {
                Error::Invalid(format!("seal data: {name} was removed, or rotated, since it opened the repository"))
            }
            false => store_error("sync", &name, source),
        })
    }

    /// Wraps every data key by the newest secrets that is not yet, reads each back, and answers which old wraps they supersede.
    pub(crate) fn renew_data_keys(&self) -> Result<Renewal> {
        let mut renewal = Renewal::default();
        if self.keys.generation() == 0 || !self.may_do_everything() {
            return Ok(renewal);
        }
        self.keep_secrets()?;
        let mut keys = BTreeMap::<CondemnedKey, Vec<DataKeyName>>::new();
        for object in list(&*self.store, names::DATA_KEYS)? {
            match names::parse_data_key(&object.name) {
                Ok(wrap) => keys.entry(wrap.into()).or_default().push(wrap),
                Err(problem) => renewal.damaged.push(Error::damaged("list data keys", object.name, problem)),
            }
        }
        let listers = self.writers_that_list()?;
        for mut wraps in keys.into_values() {
            wraps.sort_unstable_by_key(|wrap| Reverse(wrap.generation));
            match self.renew_data_key(&wraps, &listers, &mut renewal) {
                Err(error) if error.kind() == Kind::Corrupt => renewal.damaged.push(error),
                renewed => renewed?,
            }
        }
        Ok(renewal)
    }

    /// The domains of writers that may list, and the generation of the secrets by which they do; none where the slot says nothing.
    pub(crate) fn writers_that_list(&self) -> Result<HashMap<DomainId, Option<u32>>> {
        let known = self.key_slots()?;
        let may_list =
            known.slots.iter().filter(|slot| slot.rights.has(Right::List) && !slot.rights.has(Right::Restore));
        let said: HashMap<_, _> = may_list.map(|slot| (DomainId(slot.id.0), Some(slot.generation))).collect();
        let readable: HashSet<SlotId> = known.slots.iter().map(|slot| slot.id).collect();
        let silent = known.damaged_holders().filter(|id| !readable.contains(id)).map(|id| (DomainId(id.0), None));
        Ok(said.into_iter().chain(silent).collect())
    }

    /// The same for one session, given its wraps that were carried here by one and the same, the newest first.
    fn renew_data_key(
        &self,
        wraps: &[DataKeyName],
        listers: &HashMap<DomainId, Option<u32>>,
        renewal: &mut Renewal,
    ) -> Result<()> {
        let generation = self.keys.generation();
        let old: Vec<DataKeyName> = wraps.iter().copied().filter(|wrap| wrap.generation < generation).collect();
        let Some(first) = old.first() else { return Ok(()) };
        let current = DataKeyName { generation, ..*first };
        let (session, name) = (current.session, current.name());
        let known = self.first_that_opens(&old);
        if wraps.contains(&current) {
            // Whoever published it may have been killed before it lasted.
            self.make_durable(&name)?;
        } else {
            let (stored, _) = known.as_ref().map_err(|error| Error::damaged("read data key", session, error))?;
            let listed_by = match stored.domain.and_then(|domain| listers.get(&domain)) {
                // Whether somebody lists by it will be known when his slot is healed, or removed.
                Some(None) => return Ok(()),
                listed_by => listed_by.copied().flatten(),
            };
            let renewed = self.keys.rewrap_data_key(stored, listed_by)?;
            let bytes = stored_keys::encode_data_key(self.id(), &renewed);
            match self.with_reserve(|| put(&*self.store, &name, &bytes)) {
                // By a prune beside this one.
                Err(Error::Store { source, .. }) if is_present(&source) => self.make_durable(&name)?,
                done => done?,
            }
            renewal.rewrapped += 1;
        }
        let (_, new) = self.data_keys.read_wrap(&current)?;
        if known.is_ok_and(|(_, old)| old != new) {
            return Err(Error::damaged("read back", name, "it holds other keys than the wrap before it"));
        }
        renewal.superseded.extend(old.into_iter().map(|wrap| wrap.name()));
        Ok(())
    }

    pub(crate) fn first_that_opens(&self, wraps: &[DataKeyName]) -> Result<(stored_keys::StoredDataKey, DataKey)> {
        let mut failure = None;
        for wrap in wraps {
            match self.data_keys.read_wrap(wrap) {
                Err(error) if error.kind() == Kind::Corrupt => drop(failure.get_or_insert(error)),
                read => return read,
            }
        }
        let name = names::DATA_KEYS.to_owned();
        Err(failure.unwrap_or(Error::Missing { verb: "read data key", name }))
    }

    /// Deletes old wraps. Call it while nobody is at work who may have opened the repository with the old secrets.
    pub(crate) fn delete_superseded(&self, names: &[String]) -> Result<()> {
        names.iter().try_for_each(|name| delete(&*self.store, name))
    }
}

#[cfg(test)]
mod tests;
