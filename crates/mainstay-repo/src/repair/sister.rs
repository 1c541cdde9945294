//! What a sister lends: another copy of the same repository, with the same keys.
//!
//! Owns which of its objects and blocks are taken, and that each proves itself by the keys of this repository. Changes nothing
//! there but a lease of its own.
//!
//! Of two thinned copies of a block either may have what the other lacks. So a block is taken whole, or as the very copy that is
//! damaged here, in whichever pack.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::inspect::DamagedPack;
use super::small;
use super::{Means, RepairMode, Repaired, returned};
use crate::error::{Error, Kind, Result, unless_damaged};
use crate::format::names;
use crate::format::pack::PackRow;
use crate::format::refs::{self, BlockSet};
use crate::id::{PackId, SessionId};
use crate::index::{BlockPlace, Index};
use crate::pack_reader::{BlockReader, read_object};
use crate::parity::{StoredBytes, is_pack};
use crate::repository::{Repository, SnapshotPlace, store_error};
use crate::session::rescue;
use crate::store::{Object, Store, is_absent, is_lost_on_disk};

/// Objects that are taken as they are, in this order: what opens others comes first. Acquittals are, too.
const TAKEN: [&str; 3] = [names::KEY_SLOTS, names::DATA_KEYS, names::HISTORY];

impl Repository {
    /// Opens another copy of this repository with the same keys.
    ///
    /// # Errors
    /// When it is another repository.
    pub fn open_sister(&self, store: Arc<dyn Store>) -> Result<Self> {
        let (id, place) = (Self::identify(&*store)?, store.location());
        if id != self.id() {
            let (id, own) = (id.short(), self.id().short());
            return Err(Error::Invalid(format!("open {place}: it is repository {id}, and no copy of {own}")));
        }
        Ok(self.beside(store))
    }
}

/// Takes small objects that are damaged or gone here: the configuration, keys, records of removal, snapshots that had been here. What lends
/// them is a sister, or the second copies of this repository, as the means say; who takes them is the repair of a session.
pub fn take_small(
    repository: &Repository,
    (sister, means): (&Repository, Means),
    (by, mode): (SessionId, RepairMode),
) -> Result<Vec<Repaired>> {
    let sound = Sound::look(sister)?;
    let mut taken = Vec::new();
    let mut take = |names: BTreeSet<String>| -> Result<()> {
        for name in names.into_iter().filter(|name| sound.has(name)) {
            if mode == RepairMode::Apply {
                replace(repository, (sister, means), &name)?;
            }
            taken.push(Repaired { object: name, means });
        }
        Ok(())
    };
    let is_taken = |name: &String| {
        name == names::CONFIG || TAKEN.iter().any(|folder| name.starts_with(folder)) || names::is_acquittal(name)
    };
    let damaged: BTreeSet<String> = small::damaged_twice(repository)?.into_iter().filter(is_taken).collect();
    let mut wanted = damaged.clone();
    wanted.extend(missing_keys(repository, &sound, &damaged)?);
    wanted.extend(missing_slots(repository, &sound, means)?);
    if means == Means::SecondCopy {
        // A sister's may tell of what was removed there, or is whole there.
        wanted.extend(missing(repository, &sound, names::HISTORY)?);
        wanted.extend(missing(repository, &sound, names::FENCES)?);
    }
    let mut proved = BTreeSet::new();
    for name in wanted.into_iter().filter(|name| sound.has(name)) {
        if is_proved(repository, (sister, means), &name)? {
            proved.insert(name);
        }
    }
    take(proved)?;
    // What was forgotten of keys that did not open is read anew.
    repository.data_keys.forget();
    let snapshots = snapshots_to_take(repository, &sound, means)?;
    if mode == RepairMode::Apply {
        snapshots.iter().try_for_each(|name| returned::let_count(repository, (sister, means), name, by))?;
    }
    take(snapshots)?;
    Ok(taken)
}

/// What the sister holds that proves itself there.
struct Sound {
    names: HashSet<String>,
}

impl Sound {
    fn look(sister: &Repository) -> Result<Self> {
        // What a key says of a session that proves itself in nothing else is not remembered.
        let mut names: HashSet<String> = sister.beside(sister.store.clone()).sound_small()?.into_iter().collect();
        match sister.proved_snapshots() {
            // What cannot be read there is lent by nobody.
            Err(Error::Store { source, .. }) if is_lost_on_disk(&source) => {}
            proved => names.extend(proved?.entries.iter().map(|entry| entry.signed.place.name())),
        }
        Ok(Self { names })
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    fn in_folder(&self, folder: &str) -> impl Iterator<Item = &String> {
        self.names.iter().filter(move |name| name.starts_with(folder))
    }
}

fn listed(repository: &Repository, folder: &str) -> Result<Vec<String>> {
    let listed = repository.store.list(folder).map_err(|source| store_error("list", folder, source))?;
    Ok(listed.into_iter().map(|object| object.name).collect())
}

/// Data keys that are not here, of sessions whose blocks a reference map here names. A doomed one stays away.
fn missing_keys(repository: &Repository, sound: &Sound, damaged: &BTreeSet<String>) -> Result<Vec<String>> {
    let present = listed(repository, names::DATA_KEYS)?.into_iter().filter(|name| !damaged.contains(name));
    let has_one: HashSet<SessionId> = present.filter_map(|name| session_of(&name)).collect();
    let mut needed = HashSet::new();
    for name in listed(repository, names::REFS)? {
        // A map that is damaged is another matter.
        let blocks = match read_object(&*repository.store, &name, "read reference map") {
            Err(error) if error.kind() == Kind::Corrupt => continue,
            map => refs::decode(repository.id(), &map?),
        };
        if let Ok(blocks) = blocks {
            needed.extend(blocks.sessions());
        }
    }
    let doomed = repository.condemned()?;
    let is_missing =
        |session: SessionId| needed.contains(&session) && !has_one.contains(&session) && !doomed.has_key(session);
    let lent = sound.in_folder(names::DATA_KEYS);
    Ok(lent.filter(|name| session_of(name).is_some_and(is_missing)).cloned().collect())
}

/// Key slots, where none is here: of several that one is not here says that it was removed, but for a newer one of a holder whose older slot is
/// here.
fn missing_slots(repository: &Repository, sound: &Sound, means: Means) -> Result<Vec<String>> {
    match (listed(repository, names::KEY_SLOTS)?.is_empty(), means) {
        (true, _) => Ok(sound.in_folder(names::KEY_SLOTS).cloned().collect()),
        (false, Means::SecondCopy) => repository.slots_lost_beside_older(),
        (false, _) => Ok(Vec::new()),
    }
}

/// Records of removal that are not here, or acquittals. A record that was replaced says nothing but what others say, too, and an acquittal what
/// is true for ever.
fn missing(repository: &Repository, sound: &Sound, folder: &str) -> Result<Vec<String>> {
    let present: HashSet<String> = listed(repository, folder)?.into_iter().collect();
    Ok(sound.in_folder(folder).filter(|name| !present.contains(*name)).cloned().collect())
}

/// Whether it may be taken that an object is of this copy of the repository.
fn is_proved(repository: &Repository, (sister, means): (&Repository, Means), name: &str) -> Result<bool> {
    match (session_of(name), names::parse_key_slot(name)) {
        (Some(_), _) => opens_something(repository, sister, name),
        // A sister may have been rotated by itself: a slot with its secrets opens nothing here.
        (None, Ok((_, generation))) if means == Means::Sister && generation > 0 => {
            has_these_secrets(sister, generation)
        }
        _ => Ok(true),
    }
}

/// Whether the secrets of a generation are those of these keys in a sister as well, as a data key there shows that they open.
fn has_these_secrets(sister: &Repository, generation: u32) -> Result<bool> {
    let lender = sister.beside(sister.store.clone());
    let wraps = listed(sister, names::DATA_KEYS)?.into_iter().filter_map(|name| names::parse_data_key(&name).ok());
    Ok(wraps.filter(|wrap| wrap.generation == generation).any(|wrap| lender.data_keys.read_wrap(&wrap).is_ok()))
}

/// Whether a lent data key opens a snapshot or a block of its session that is here: whoever knows a public key makes others.
fn opens_something(repository: &Repository, sister: &Repository, name: &str) -> Result<bool> {
    let Ok(wrap) = names::parse_data_key(name) else { return Ok(false) };
    let (session, lender) = (wrap.session, sister.beside(sister.store.clone()));
    let Ok((_, key)) = lender.data_keys.read_wrap(&wrap) else { return Ok(false) };
    let trial = repository.beside(repository.store.clone());
    trial.keys.learn(session, lender.keys.domain_of(session));
    trial.data_keys.insert(session, Arc::new(key));
    for name in listed(repository, names::SNAPSHOTS)? {
        let Ok((source, sequence, id)) = names::parse_snapshot(&name) else { continue };
        let place = SnapshotPlace { source, sequence, id };
        if trial.read_proof(place).is_ok_and(|signed| signed.session == session)
            && trial.read_signed_snapshot(place).is_ok()
        {
            return Ok(true);
        }
    }
    let index = trial.index()?;
    let reader = trial.block_reader(&index);
    let mut blocks = Vec::new();
    // Tables that are damaged are made anew later on.
    unless_damaged(index.for_each_block(|block, place| {
        if block.session == session {
            blocks.push((block, place));
        }
    }))?;
    for (block, place) in blocks {
        if reader.has_good_copy((block, place.kind), &place)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn session_of(data_key: &str) -> Option<SessionId> {
    names::parse_data_key(data_key).ok().map(|key| key.session)
}

/// Snapshots that are damaged here, in two readings, and those that are gone although their map is here: a prune deletes the snapshot first, and
/// not before it has recorded that. A second copy tells by itself that they were here.
fn snapshots_to_take(repository: &Repository, sound: &Sound, means: Means) -> Result<BTreeSet<String>> {
    let present: HashSet<String> = listed(repository, names::SNAPSHOTS)?.into_iter().collect();
    let maps: HashSet<String> = listed(repository, names::REFS)?.into_iter().collect();
    let removed = repository.removed()?;
    let damaged = repository.damaged_snapshots()?;
    let again = if damaged.is_empty() { BTreeSet::new() } else { repository.damaged_snapshots()? };
    let damaged: BTreeSet<&String> = damaged.intersection(&again).collect();
    let is_gone = |place: SnapshotPlace| {
        let was_here = means == Means::SecondCopy || maps.contains(&names::refs(place.id));
        was_here && !present.contains(&place.name()) && removed.damaged.is_empty() && !removed.was_here(place.id)
    };
    let mut taken = BTreeSet::new();
    for name in sound.in_folder(names::SNAPSHOTS) {
        let Ok((source, sequence, id)) = names::parse_snapshot(name) else { continue };
        if damaged.contains(&name) || is_gone(SnapshotPlace { source, sequence, id }) {
            taken.insert(name.clone());
        }
    }
    Ok(taken)
}

fn replace(repository: &Repository, (sister, means): (&Repository, Means), name: &str) -> Result<()> {
    let bytes = read_object(&*sister.store, name, "read")?;
    repository.store.replace(name, &bytes).map_err(|source| store_error("replace", name, source))?;
    // Publish, then look: whoever removes a key deletes the second copy of its slot first and once more, so a copy that is gone now tells that it
    // was removed meanwhile. `parity drop` takes a copy too: then its holder is shut out, and nothing is lost. Of other objects none that comes
    // back does harm.
    let is_of_another = names::parse_key_slot(name).is_ok_and(|(id, _)| id != repository.own_slot());
    if means == Means::SecondCopy && is_of_another && sister.store.len(name).is_err_and(|error| is_absent(&error)) {
        repository.store.delete(name).map_err(|source| store_error("delete", name, source))?;
    }
    Ok(())
}

/// A damaged pack as the sister has it, if it is whole there.
pub fn same_pack<'s>(sister: &'s Repository, pack: &DamagedPack) -> Result<Option<StoredBytes<'s>>> {
    match sister.store.len(&pack.name) {
        Err(source) if is_absent(&source) => return Ok(None),
        len => len.map_err(|source| store_error("read", &pack.name, source))?,
    };
    let bytes = StoredBytes::open(&*sister.store, pack.name.clone())?;
    Ok(is_pack(&bytes, pack.id, &mut |_| Ok(()))?.then_some(bytes))
}

/// Takes whole copies of blocks as ciphertext into packs of `session`, and indexes them; answers which were to be had.
pub fn take_blocks(
    repository: &Repository,
    (sister, index): (&Repository, &Arc<Index>),
    session: SessionId,
    (wanted, mode): (&BlockSet, RepairMode),
) -> Result<BlockSet> {
    let _lease = sister.begin_reading()?;
    let theirs = sister.index()?;
    let mut allowed = HashSet::<(PackId, u32)>::new();
    let mut packs = BTreeSet::new();
    let mut found = BlockSet::default();
    let (reader, own_reader) = (sister.block_reader(&theirs), repository.block_reader(index));
    for block in wanted.iter() {
        let own = index.copies(block)?;
        for place in theirs.copies(block)? {
            let is_same = |own: &BlockPlace| is_same_copy((&own_reader, own), (&reader, &place));
            if place.thinned && !own.iter().any(is_same) {
                continue;
            }
            if reader.has_good_copy((block, place.kind), &place)? {
                allowed.insert((place.pack, place.offset));
                packs.insert(names::pack(place.pack, place.pack_session));
                found.insert(block);
                break;
            }
        }
    }
    if mode == RepairMode::Apply && !packs.is_empty() {
        let packs: Vec<Object> = sister.list_packs()?.into_iter().filter(|pack| packs.contains(&pack.name)).collect();
        rescue((sister, repository), session, &packs, |listing, row: &PackRow, _| {
            Ok(wanted.contains(row.block) && allowed.contains(&(listing.id, row.offset)))
        })?;
        found = written_by(repository, session, wanted)?;
    }
    Ok(found)
}

/// Whether two copies of a block are one: in the same pack, or sealed at the same time, as the nonces in their headers say, which may be
/// whole where the rest is damaged.
fn is_same_copy((own_reader, own): (&BlockReader, &BlockPlace), (reader, lent): (&BlockReader, &BlockPlace)) -> bool {
    let of = |place: &BlockPlace| (place.pack, place.offset, place.thinned);
    let is_sealed_once = || match (own_reader.read_header(own), reader.read_header(lent)) {
        (Ok(own), Ok(lent)) => own == lent,
        _ => false,
    };
    of(own) == of(lent) || own.stored_len == lent.stored_len && is_sealed_once()
}

/// Those of these blocks that a session has put into packs of its own.
fn written_by(repository: &Repository, session: SessionId, wanted: &BlockSet) -> Result<BlockSet> {
    let index = repository.index()?;
    let mut written = BlockSet::default();
    for block in wanted.iter() {
        match index.copies(block) {
            Err(error) if error.kind() == Kind::Corrupt => {}
            copies => {
                if copies?.iter().any(|place| place.pack_session == session) {
                    written.insert(block);
                }
            }
        }
    }
    Ok(written)
}
