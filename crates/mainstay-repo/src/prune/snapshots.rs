//! The snapshots that stay, those that go, and what open sessions intend.
//!
//! Owns reading snapshots, marks, reference maps and intents. Changes nothing.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::format::coord::{decode_intent, decode_trash};
use crate::format::lease::Role;
use crate::format::names;
use crate::format::refs::BlockSet;
use crate::id::{SessionId, SnapshotId};
use crate::pack_reader::read_object;
use crate::repository::{Repository, SnapshotEntry, list};

/// Every snapshot.
pub struct Snapshots {
    pub forgotten: Vec<SnapshotEntry>,
    pub kept: Vec<SnapshotEntry>,
}

impl Snapshots {
    pub fn read(repository: &Repository) -> Result<Self> {
        let entries = repository.every_snapshot()?;
        repository.confirm_history(&entries)?;
        let (forgotten, kept): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.forgotten);
        for entry in &forgotten {
            confirm_forgotten(repository, entry.id)?;
        }
        Ok(Self { forgotten, kept })
    }

    pub fn kept_ids(&self) -> HashSet<SnapshotId> {
        self.kept.iter().map(|entry| entry.id).collect()
    }

    /// Sessions that wrote a kept snapshot.
    pub fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.kept.iter().map(|entry| entry.snapshot.session)
    }

    /// Sessions whose blocks share no pack with those of others.
    pub fn independent(&self) -> HashSet<SessionId> {
        let independent = self.kept.iter().filter(|entry| entry.snapshot.independent);
        independent.map(|entry| entry.snapshot.session).collect()
    }
}

/// The blocks that sessions at work say they need.
pub fn intended_blocks(repository: &Repository) -> Result<BlockSet> {
    let mut blocks = BlockSet::default();
    let open = repository.leases().open_leases(SessionId([0; 16]))?;
    for lease in open.known.iter().filter(|lease| !lease.gone && lease.role == Role::Writer) {
        for object in list(&*repository.store, &format!("{}{}/", names::INTENTS, lease.session))? {
            let bytes = read_object(&*repository.store, &object.name, "read intent")?;
            let intent = decode_intent(repository.id(), &bytes)
                .map_err(|problem| Error::damaged("read intent", &object.name, problem))?;
            blocks.union(&intent.blocks);
        }
    }
    Ok(blocks)
}

/// A snapshot goes for good only by a mark that is whole and names it.
fn confirm_forgotten(repository: &Repository, id: SnapshotId) -> Result<()> {
    let name = names::trash(id);
    let bytes = read_object(&*repository.store, &name, "read trash mark")?;
    decode_trash(repository.id(), id, &bytes)
        .map(|_| ())
        .map_err(|problem| Error::damaged("read trash mark", &name, problem))
}
