//! What is doomed: what the condemned lists name that are in the store, and packs that were removed and are there again.
//!
//! Owns reading the lists. Puts none and deletes none: a collector does.

use std::collections::HashSet;

use crate::error::{Error, Kind, Result};
use crate::format::coord::{Condemned, CondemnedKey, CondemnedPack, decode_condemned};
use crate::format::envelope::ObjectKind;
use crate::format::history::RemovedPacks;
use crate::format::names::{self, DataKeyName};
use crate::id::{PackId, SessionId, SnapshotId, TableId};
use crate::pack_reader::read_object;
use crate::signer::Judge;
use crate::store::Store;

/// The condemned lists of a repository, as they were listed.
#[derive(Debug, Default)]
pub struct CondemnedLists {
    pub lists: Vec<Condemned>,
    /// Packs that came back, and that no list names until a prune has put one.
    pub returned: Vec<CondemnedPack>,
    /// Lists that are damaged: what they doom is not known.
    pub unreadable: Vec<Error>,
    /// Sessions of whose data keys no wrap is there that no list names.
    without_key: HashSet<SessionId>,
}

impl CondemnedLists {
    /// Reads them. A list that nobody has signed who may remove dooms nothing, like one that is damaged.
    pub fn read(store: &dyn Store, judge: &Judge) -> Result<Self> {
        let prefix = names::CONDEMNED;
        let listed =
            store.list(prefix).map_err(|source| Error::Store { verb: "list", name: prefix.to_owned(), source })?;
        let mut found = Self::default();
        for object in listed {
            let damaged = |problem| Error::damaged("read condemned list", &object.name, problem);
            let read = names::parse_condemned(&object.name).map_err(damaged).and_then(|id| {
                let bytes = read_object(store, &object.name, "read condemned list")?;
                let said = judge.open_object(ObjectKind::Condemned, &bytes).map_err(damaged)?;
                decode_condemned(id, &said).map_err(damaged)
            });
            match read {
                Ok(list) => found.lists.push(list),
                // Finished since it was listed: what was on it is gone.
                Err(Error::Missing { .. }) => {}
                Err(error) if error.kind() == Kind::Corrupt => found.unreadable.push(error),
                Err(error) => return Err(error),
            }
        }
        found.without_key = found.sessions_without_key(store)?;
        Ok(found)
    }

    /// Listed after the lists: a wrap that is there and on none of them waits for whoever named them.
    fn sessions_without_key(&self, store: &dyn Store) -> Result<HashSet<SessionId>> {
        let doomed: HashSet<CondemnedKey> = self.lists.iter().flat_map(|list| &list.keys).copied().collect();
        let mut sessions: HashSet<SessionId> = doomed.iter().map(|key| key.session).collect();
        if sessions.is_empty() {
            return Ok(sessions);
        }
        let prefix = names::DATA_KEYS;
        let listed =
            store.list(prefix).map_err(|source| Error::Store { verb: "list", name: prefix.to_owned(), source })?;
        for wrap in listed.iter().filter_map(|object| names::parse_data_key(&object.name).ok()) {
            if !doomed.contains(&wrap.into()) {
                sessions.remove(&wrap.session);
            }
        }
        Ok(sessions)
    }

    /// Adds the packs of these that are recorded as removed, as if a list named them: where files were copied back, a collector that sleeps since
    /// it recorded them deletes them when it wakes. Answers whether there are any.
    pub fn add_returned<'n>(&mut self, removed: &RemovedPacks, packs: impl IntoIterator<Item = &'n String>) -> bool {
        let known = self.packs();
        let packs = packs.into_iter().filter_map(|name| names::parse_pack(name).ok());
        let returned = packs.filter(|(id, _)| removed.contains(*id) && !known.contains(id));
        self.returned.extend(returned.map(|(id, session)| CondemnedPack { id, session }));
        !self.returned.is_empty()
    }

    pub fn is_empty(&self) -> bool {
        self.lists.is_empty() && self.returned.is_empty()
    }

    pub fn ids(&self) -> Vec<TableId> {
        self.lists.iter().map(|list| list.id).collect()
    }

    /// Whether whoever put each list, and moved what is needed of its packs, knew a snapshot.
    pub fn have_all_considered(&self, snapshot: SnapshotId) -> bool {
        self.returned.is_empty() && self.lists.iter().all(|list| list.considered.contains(&snapshot))
    }

    /// Whether the data keys of a session are doomed, and no wrap of them is there that is not.
    pub fn has_key(&self, session: SessionId) -> bool {
        self.without_key.contains(&session)
    }

    /// Whether this very wrap is doomed.
    pub fn has_wrap(&self, wrap: DataKeyName) -> bool {
        self.lists.iter().any(|list| list.keys.contains(&wrap.into()))
    }

    pub fn snapshots(&self) -> HashSet<SnapshotId> {
        self.lists.iter().flat_map(|list| &list.snapshots).map(|snapshot| snapshot.id).collect()
    }

    /// All doomed packs.
    pub fn each_pack(&self) -> impl Iterator<Item = &CondemnedPack> {
        self.lists.iter().flat_map(|list| &list.packs).chain(&self.returned)
    }

    pub fn packs(&self) -> HashSet<PackId> {
        self.each_pack().map(|pack| pack.id).collect()
    }
}

#[cfg(test)]
mod tests;
