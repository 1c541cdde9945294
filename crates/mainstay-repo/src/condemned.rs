//! What is doomed: the condemned lists that are in the store.
//!
//! Owns reading them. Puts none and deletes none: a collector does.

use std::collections::HashSet;

use crate::error::{Error, Kind, Result};
use crate::format::coord::{Condemned, decode_condemned};
use crate::format::names;
use crate::id::{PackId, RepositoryId, SessionId, SnapshotId, TableId};
use crate::pack_reader::read_object;
use crate::store::Store;

/// The condemned lists of a repository, as they were listed.
#[derive(Debug, Default)]
pub struct CondemnedLists {
    pub lists: Vec<Condemned>,
    /// Lists that are damaged: what they doom is not known.
    pub unreadable: Vec<Error>,
}

impl CondemnedLists {
    pub fn read(store: &dyn Store, repository: RepositoryId) -> Result<Self> {
        let prefix = names::CONDEMNED;
        let listed =
            store.list(prefix).map_err(|source| Error::Store { verb: "list", name: prefix.to_owned(), source })?;
        let mut found = Self::default();
        for object in listed {
            let damaged = |problem| Error::damaged("read condemned list", &object.name, problem);
            let read = names::parse_condemned(&object.name).map_err(damaged).and_then(|id| {
                let bytes = read_object(store, &object.name, "read condemned list")?;
                decode_condemned(repository, id, &bytes).map_err(damaged)
            });
            match read {
                Ok(list) => found.lists.push(list),
                // Finished since it was listed: what was on it is gone.
                Err(Error::Missing { .. }) => {}
                Err(error) if error.kind() == Kind::Corrupt => found.unreadable.push(error),
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    pub fn ids(&self) -> Vec<TableId> {
        self.lists.iter().map(|list| list.id).collect()
    }

    /// Whether a session's data key is doomed.
    pub fn has_key(&self, session: SessionId) -> bool {
        self.lists.iter().any(|list| list.keys.contains(&session))
    }

    pub fn snapshots(&self) -> HashSet<SnapshotId> {
        self.lists.iter().flat_map(|list| &list.snapshots).map(|snapshot| snapshot.id).collect()
    }

    pub fn packs(&self) -> HashSet<PackId> {
        self.lists.iter().flat_map(|list| &list.packs).map(|pack| pack.id).collect()
    }
}

#[cfg(test)]
mod tests;
