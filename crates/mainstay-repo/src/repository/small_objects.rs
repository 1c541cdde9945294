//! The small objects, each read for its own sake.
//!
//! Owns looking at what opening, listing and reading pass over as long as something else serves: keys of others, keys of
//! sessions, leases and their ends, intents, changes of keys, condemned lists, fences and settlements, marks, records of removal, lists
//! of losses. Damage to one of them costs nothing today, and is damage: the next one may cost a key. Changes nothing.

use std::collections::HashSet;

use super::{Repository, SignedSnapshot, list, readable_slots, store_error};
use crate::error::{Error, Kind, Result};
use crate::format::envelope::{ObjectKind, repository_of};
use crate::format::names::{self, FenceName, LeaseName};
use crate::format::{Decoded, Problem, archive, config, coord, keys, lease, limits, losses, refs};
use crate::id::{RepositoryId, SlotId, SnapshotId};
use crate::pack_reader::read_object;
use crate::store::{Store, each, is_absent, is_lost_on_disk};

/// A small object that is not what it should be.
#[derive(Debug)]
pub struct SmallDamage {
    /// The object.
    pub name: String,
    pub error: Error,
}

impl SmallDamage {
    /// What is damaged by this error, and not gone.
    pub(super) fn of(error: Error) -> Option<Self> {
        match &error {
            Error::Damaged { name, .. } if error.kind() == Kind::Corrupt => Some(Self { name: name.clone(), error }),
            _ => None,
        }
    }
}

/// Decides whether the bytes of a name are what the name says.
type Look = fn(&Repository, &str, &[u8]) -> Decoded<()>;

/// The folders, and how each of their objects is looked at.
const FOLDERS: [(&str, Look); 10] = [
    (names::ARCHIVE, look_at_archive),
    (names::DATA_KEYS, look_at_data_key),
    (names::LEASES, look_at_lease),
    (names::INTENTS, look_at_intent),
    (names::CONDEMNED, look_at_condemned),
    (names::FENCES, look_at_fence),
    (names::KEY_CHANGES, look_at_key_change),
    (names::TRASH, look_at_mark),
    (names::HISTORY, look_at_removal),
    (names::LOSSES, look_at_losses),
];

impl Repository {
    /// Reads every object that is neither a pack, nor a table, nor a snapshot with its map, and answers those that are
    /// damaged.
    ///
    /// # Errors
    /// When the store cannot be listed.
    pub fn damaged_small_objects(&self) -> Result<Vec<SmallDamage>> {
        let (_, slots) = readable_slots(&*self.store, self.id())?;
        let mut damages: Vec<SmallDamage> = slots.into_iter().filter_map(SmallDamage::of).collect();
        damages.extend(self.damaged_config()?);
        let mut objects = Vec::new();
        for (listed, look) in each(&*self.store, &FOLDERS, |(folder, look)| (list(&*self.store, folder), *look)) {
            objects.extend(listed?.into_iter().map(|object| (object.name, look)));
        }
        let looked = each(&*self.store, &objects, |(name, look)| self.look_at(name.clone(), *look));
        damages.extend(looked.into_iter().flatten());
        damages.extend(self.damaged_maps_of_no_snapshot()?);
        Ok(damages)
    }

    /// The configuration, if it is not what it was: second copies may have stood for it.
    fn damaged_config(&self) -> Result<Option<SmallDamage>> {
        let (verb, name) = ("read", names::CONFIG.to_owned());
        let error = match self.store.read(&name, limits::CONFIG_LEN) {
            Ok(bytes) => match look_at_config(self, &name, &bytes) {
                Ok(()) => return Ok(None),
                Err(problem) => Error::damaged(verb, &name, problem),
            },
            Err(source) if is_absent(&source) => Error::Missing { verb, name: name.clone() },
            Err(source) if is_lost_on_disk(&source) => Error::damaged(verb, &name, source),
            Err(source) => return Err(store_error(verb, &name, source)),
        };
        Ok(Some(SmallDamage { name, error }))
    }

    /// Whether bytes are what the name says of an object that may have a second copy.
    pub(crate) fn judge_small(&self, name: &str, bytes: &[u8]) -> Decoded<()> {
        let is_of = |folder: &str| name.starts_with(folder);
        match name {
            names::CONFIG => look_at_config(self, name, bytes),
            _ if is_of(names::KEY_SLOTS) => keys::decode_slot(self.id(), names::parse_key_slot(name)?, bytes).map(drop),
            _ if is_of(names::DATA_KEYS) => look_at_data_key(self, name, bytes),
            _ if is_of(names::HISTORY) => look_at_removal(self, name, bytes),
            _ if is_of(names::FENCES) => look_at_fence(self, name, bytes),
            _ => {
                let proved = SignedSnapshot::check(self.id(), name, bytes);
                proved.map(drop).map_err(|error| Problem(error.to_string()))
            }
        }
    }

    /// Reference maps that belong to no snapshot; the others are read with theirs.
    fn damaged_maps_of_no_snapshot(&self) -> Result<Vec<SmallDamage>> {
        let maps = list(&*self.store, names::REFS)?;
        let snapshots = list(&*self.store, names::SNAPSHOTS)?;
        let owners: HashSet<String> = snapshots
            .iter()
            .filter_map(|object| names::parse_snapshot(&object.name).ok())
            .map(|(_, _, id)| names::refs(id))
            .collect();
        let others = maps.into_iter().filter(|map| !owners.contains(&map.name));
        Ok(others.filter_map(|map| self.look_at(map.name, look_at_map)).collect())
    }

    fn look_at(&self, name: String, look: Look) -> Option<SmallDamage> {
        let read = read_object(&*self.store, &name, "read");
        let looked =
            read.and_then(|bytes| look(self, &name, &bytes).map_err(|problem| Error::damaged("read", &name, problem)));
        match looked {
            // What is short-lived may have gone since it was listed.
            Ok(()) | Err(Error::Missing { .. }) => None,
            Err(error) => Some(SmallDamage { name, error }),
        }
    }
}

/// Whether a slot is whole, has its own name, and is of another repository: one whose creation was interrupted before it was
/// there. The creation that followed may have been interrupted too, before it took this away.
pub fn is_left_over(repository: RepositoryId, place: (SlotId, u32), bytes: &[u8]) -> bool {
    let other = repository_of(bytes).filter(|owner| *owner != repository);
    other.is_some_and(|owner| keys::decode_slot(owner, place, bytes).is_ok())
}

/// Tells a configuration that names another repository than all keys do: its id has no checksum of its own.
pub fn refuse_other_repository(store: &dyn Store, named: RepositoryId) -> Result<()> {
    let mut owners = HashSet::new();
    for object in list(store, names::KEY_SLOTS)?.into_iter().chain(list(store, names::DATA_KEYS)?) {
        owners.extend(read_object(store, &object.name, "read key").ok().and_then(|bytes| repository_of(&bytes)));
    }
    match owners.into_iter().collect::<Vec<_>>().as_slice() {
        [owner] if *owner != named => {
            let problem = format!("it names the repository {named}, and all keys are of {owner}");
            Err(Error::damaged("open repository", names::CONFIG, problem))
        }
        _ => Ok(()),
    }
}

fn look_at_config(repository: &Repository, _: &str, bytes: &[u8]) -> Decoded<()> {
    expect(config::is_as_written(bytes), "it can be read, and is not as it was written")?;
    let is_own = config::decode(bytes).is_ok_and(|config| config == *repository.keys.config());
    expect(is_own, "it is not that of the repository which these keys open")
}

fn look_at_data_key(repository: &Repository, name: &str, bytes: &[u8]) -> Decoded<()> {
    let name = names::parse_data_key(name)?;
    let stored = keys::decode_data_key(repository.id(), (name.session, name.generation), bytes)?;
    repository.keys.open_data_key(&stored).map(drop)
}

fn look_at_lease(repository: &Repository, name: &str, bytes: &[u8]) -> Decoded<()> {
    let (session, part) = names::parse_lease(name)?;
    let is_right = match part {
        LeaseName::End => lease::decode_end(repository.id(), bytes)? == session,
        LeaseName::Claim(number) => lease::decode(repository.id(), session, bytes)?.number == number,
    };
    expect(is_right, "it is another one than its name says")
}

fn look_at_intent(repository: &Repository, name: &str, bytes: &[u8]) -> Decoded<()> {
    let intent = coord::decode_intent(repository.id(), bytes)?;
    expect((intent.session, intent.number) == names::parse_intent(name)?, "it is another one than its name says")
}

fn look_at_condemned(repository: &Repository, name: &str, bytes: &[u8]) -> Decoded<()> {
    let said = repository.judge.open_object(ObjectKind::Condemned, bytes)?;
    coord::decode_condemned(names::parse_condemned(name)?, &said).map(drop)
}

fn look_at_fence(repository: &Repository, name: &str, bytes: &[u8]) -> Decoded<()> {
    let (session, part) = names::parse_fence(name)?;
    match part {
        FenceName::Fence(collector) => {
            let said = repository.judge.open_object(ObjectKind::Fence, bytes)?;
            coord::decode_fence((session, collector), &said).map(drop)
        }
        FenceName::Settlement(collector) => {
            let said = repository.judge.open_object(ObjectKind::Settlement, bytes)?;
            coord::decode_settlement((session, collector), &said).map(drop)
        }
        FenceName::Acquittal(by) => {
            let said = repository.judge.open_object(ObjectKind::Acquittal, bytes)?;
            coord::decode_acquittal((session, by), &said).map(drop)
        }
    }
}

fn look_at_key_change(repository: &Repository, name: &str, bytes: &[u8]) -> Decoded<()> {
    let said = repository.judge.open_object(ObjectKind::KeyChange, bytes)?;
    coord::decode_key_change(names::parse_key_change(name)?, &said).map(drop)
}

fn look_at_map(repository: &Repository, _: &str, bytes: &[u8]) -> Decoded<()> {
    refs::decode(repository.id(), bytes).map(drop)
}

fn look_at_mark(repository: &Repository, name: &str, bytes: &[u8]) -> Decoded<()> {
    let id = name.strip_prefix(names::TRASH).and_then(|id| SnapshotId::from_hex(id).ok());
    let id = id.ok_or_else(|| Problem::new("it is not the name of a mark"))?;
    let said = repository.judge.open_object(ObjectKind::Trash, bytes)?;
    coord::decode_trash(id, &said).map(drop)
}

fn look_at_removal(repository: &Repository, name: &str, bytes: &[u8]) -> Decoded<()> {
    repository.judge_removal(name, bytes).map(drop)
}

fn look_at_losses(repository: &Repository, name: &str, bytes: &[u8]) -> Decoded<()> {
    let said = repository.judge.open_object(ObjectKind::Losses, bytes)?;
    let losses = losses::decode_losses(&said)?;
    expect(losses.id == names::parse_losses(name)?, "it is another one than its name says")
}

fn look_at_archive(repository: &Repository, name: &str, bytes: &[u8]) -> Decoded<()> {
    if name == names::MANIFEST {
        let said = repository.judge.open_object(ObjectKind::Manifest, bytes)?;
        return archive::decode_manifest(&said).map(drop);
    }
    archive::decode_hold(repository.id(), names::parse_hold(name)?, bytes).map(drop)
}

fn expect(is_so: bool, otherwise: &str) -> Decoded<()> {
    if is_so { Ok(()) } else { Err(Problem::new(otherwise)) }
}
