//! In which other places this machine has seen the snapshots of a repository.
//!
//! Owns the file, one for each repository, in `$XDG_STATE_HOME/mainstay/places`: what `sync` and `copy` found when they ran here. It proves
//! nothing of what is there now, and nothing is decided by it. Like the memory of what was seen it is disposable: one that is absent or
//! damaged remembers no place, and one that cannot be written is not.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use mainstay_repo::{Repository, SnapshotEntry, SnapshotId};
use serde::{Deserialize, Serialize};

use crate::context::Opened;
use crate::failure::Result;
use crate::{defaults, machine, private_file};

/// More than the newest snapshots of a thousand sources in a hundred places.
const LEN_MAX: u64 = 16 << 20;

/// The other places of one repository, by where they are.
#[derive(Default, Serialize, Deserialize)]
pub struct Places {
    places: BTreeMap<String, Place>,
}

/// One place.
#[derive(Serialize, Deserialize)]
pub struct Place {
    /// When it was last looked at, in nanoseconds since 1970.
    pub seen: i64,
    /// By source, the newest snapshot of this repository that is there too.
    newest: BTreeMap<String, String>,
}

impl Places {
    /// What is remembered, but for the place that is open.
    pub fn beside(opened: &Opened) -> Self {
        let repository = &opened.repository;
        let mut places = Self::read(repository).unwrap_or_default();
        places.places.remove(&place_name(repository));
        places
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Place)> {
        self.places.iter().map(|(name, place)| (&**name, place))
    }

    /// Those that have a snapshot.
    pub fn with(&self, id: SnapshotId) -> Vec<&str> {
        self.iter().filter(|(_, place)| place.has(id)).map(|(name, _)| name).collect()
    }

    fn read(repository: &Repository) -> Option<Self> {
        let text = private_file::read(&path(repository).ok()?, LEN_MAX).ok()?;
        serde_json::from_str(&text).ok()
    }

    fn save(&self, repository: &Repository) {
        if let (Ok(path), Ok(text)) = (path(repository), serde_json::to_string(self)) {
            // Whoever cannot remember counts this place alone.
            let _ = private_file::replace(&path, &text);
        }
    }
}

impl Place {
    pub fn has(&self, id: SnapshotId) -> bool {
        self.newest.values().any(|newest| *newest == id.to_string())
    }

    /// The newest of each source among snapshots that are in both.
    fn of<'e>(repository: &Repository, entries: impl Iterator<Item = &'e SnapshotEntry>) -> Self {
        let mut newest = HashMap::new();
        for entry in entries {
            let known = newest.entry(repository.source_id_of(&entry.snapshot)).or_insert(entry);
            if entry.snapshot.sequence > known.snapshot.sequence {
                *known = entry;
            }
        }
        let newest = newest.into_iter().map(|(source, entry)| (source.to_string(), entry.id.to_string()));
        Self { seen: machine::now(), newest: newest.collect() }
    }
}

/// Remembers of two copies of a repository what both have.
pub fn note_copies(one: &Repository, other: &Repository) -> Result<()> {
    let (listed, beside) = (one.list_snapshots()?, other.list_snapshots()?);
    let there: HashSet<SnapshotId> = beside.entries.iter().map(|entry| entry.id).collect();
    let mut places = Places::read(one).unwrap_or_default();
    for repository in [one, other] {
        let both = listed.entries.iter().filter(|entry| there.contains(&entry.id));
        places.places.insert(place_name(repository), Place::of(one, both));
    }
    places.save(one);
    Ok(())
}

/// Remembers which snapshots have copies in a repository with other keys.
pub fn note_copied<'e>(from: &Repository, to: &Repository, copied: impl Iterator<Item = &'e SnapshotEntry>) {
    let mut places = Places::read(from).unwrap_or_default();
    places.places.insert(place_name(to), Place::of(from, copied));
    places.save(from);
}

/// The same place has one name, however it was written.
fn place_name(repository: &Repository) -> String {
    let place = repository.location();
    Path::new(&place).canonicalize().map_or(place, |path| path.to_string_lossy().into_owned())
}

fn path(repository: &Repository) -> Result<PathBuf> {
    Ok(defaults::state_directory()?.join("places").join(format!("{}.json", repository.id())))
}
