//! Leftovers: what no longer serves anyone.
//!
//! Owns finding and removing it: superseded tables, leases that are over, keys of sessions without a block, reference maps
//! and marks without a snapshot. All but the leases only while no other session is at work. Invariant: everything is listed
//! before the leases are, so what a session has published that begins meanwhile is not among it.

use std::collections::{BTreeSet, HashSet};

use super::inventory::Inventory;
use super::removal::{Removal, sessions_with_blocks};
use super::surroundings::names_of;
use crate::error::{Error, Result};
use crate::fence::Fences;
use crate::format::coord::CondemnedKey;
use crate::format::names::{self, DataKeyName, LeaseName, TableKind};
use crate::heard::Heard;
use crate::id::{SessionId, SnapshotId, TableId};
use crate::index::{Care, Index};
use crate::repository::Repository;

/// Names of everything that may be left over.
pub struct Leftovers<'r> {
    repository: &'r Repository,
    tables: Vec<String>,
    data_keys: Vec<String>,
    maps_and_marks: Vec<String>,
    leases: Vec<String>,
    key_changes: Vec<String>,
}

impl<'r> Leftovers<'r> {
    pub fn list(repository: &'r Repository) -> Result<Self> {
        let mut maps_and_marks = names_of(repository, names::REFS)?;
        maps_and_marks.extend(names_of(repository, names::TRASH)?);
        Ok(Self {
            repository,
            tables: names_of(repository, names::INDEX)?,
            data_keys: names_of(repository, names::DATA_KEYS)?,
            maps_and_marks,
            key_changes: names_of(repository, names::KEY_CHANGES)?,
            leases: names_of(repository, names::LEASES)?,
        })
    }

    /// Removes what is left over; what others may still use is for a later prune.
    pub fn remove(self, collector: SessionId, inventory: &Inventory, removal: &mut Removal<'_>) -> Result<()> {
        let open = self.repository.leases().open_leases(collector)?;
        // After the leases: whoever is not among them because it is settled is settled here too.
        let fences = self.repository.fences()?;
        self.remove_leases(&fences, removal)?;
        removal.sidecars_of_no_pack()?;
        removal.deleted += self.repository.delete_superfluous_copies()?;
        if !open.is_empty() {
            return Ok(());
        }
        let present: HashSet<SnapshotId> = names_of(self.repository, names::SNAPSHOTS)?
            .iter()
            .filter_map(|name| names::parse_snapshot(name).ok())
            .map(|(_, _, id)| id)
            .collect();
        self.remove_maps_and_marks(&present, removal)?;
        let known = inventory.snapshots.every_id();
        if present.iter().any(|id| !known.contains(id)) {
            // A session has come and gone meanwhile.
            return Ok(());
        }
        let index = self.repository.index_beside(HashSet::new(), Care::Tails)?;
        self.remove_tables(&index, removal)?;
        self.remove_data_keys(&fences, removal)?;
        self.renew_data_keys(removal)?;
        self.repository.condemned()?.unreadable.iter().try_for_each(|error| match error {
            // Nobody is there who could act on it.
            Error::Damaged { name, .. } => removal.delete(name),
            _ => Ok(()),
        })
    }

    /// Leases and intents of sessions that have ended or are settled, changes of keys that are over, and what is no lease by its name: nobody is
    /// behind it. The end of a lease goes last: half a lease must not look open.
    fn remove_leases(&self, fences: &Fences, removal: &mut Removal<'_>) -> Result<()> {
        let parsed = |name: &String| names::parse_lease(name).ok();
        let ended = self.leases.iter().filter_map(parsed).filter(|(_, part)| *part == LeaseName::End);
        let ended: HashSet<SessionId> = ended.map(|(session, _)| session).collect();
        let is_over = |session: SessionId| ended.contains(&session) || fences.is_settled(session);
        let leased: HashSet<SessionId> = self.leases.iter().filter_map(parsed).map(|(session, _)| session).collect();
        let is_open = |session: SessionId| leased.contains(&session) && !is_over(session);
        let changes = self.repository.changes_that_are_over(&self.key_changes, (&ended, is_open))?;
        changes
            .iter()
            .chain(self.leases.iter().filter(|name| parsed(name).is_none()))
            .try_for_each(|name| removal.delete(name))?;
        let mut over: Vec<(&String, SessionId)> = Vec::new();
        for name in &self.leases {
            over.extend(parsed(name).filter(|(session, _)| is_over(*session)).map(|(session, _)| (name, session)));
        }
        over.sort();
        let sessions: HashSet<SessionId> = over.iter().map(|(_, session)| *session).collect();
        for session in sessions {
            for intent in names_of(self.repository, &format!("{}{session}/", names::INTENTS))? {
                removal.delete(&intent)?;
            }
        }
        over.into_iter().try_for_each(|(name, _)| removal.delete(name))
    }

    fn remove_maps_and_marks(&self, present: &HashSet<SnapshotId>, removal: &mut Removal<'_>) -> Result<()> {
        // A prune that was killed may have deleted a snapshot without a trace that lasts: without its mark it must not be
        // able to come back.
        self.repository.make_durable(names::SNAPSHOTS)?;
        let ids = self.maps_and_marks.iter().filter_map(|name| name.rsplit_once('/'));
        let ids = ids.filter_map(|(_, id)| SnapshotId::from_hex(id).ok()).filter(|id| !present.contains(id));
        let mut over = BTreeSet::new();
        for id in ids {
            // A session that was fenced may wake and bring its snapshot: that must not look confirmed then, and finds its map here.
            // So may one whose mark is damaged.
            let may_come = match self.repository.hear_mark(id)? {
                Heard::Said(mark) => mark.session.is_some(),
                Heard::Perhaps => true,
                Heard::Nothing => false,
            };
            if !may_come {
                over.insert(id);
            }
        }
        removal.without_snapshot(over)
    }

    fn remove_tables(&self, index: &Index, removal: &mut Removal<'_>) -> Result<()> {
        let tables = index.blocks.iter().chain(&index.chunks).map(crate::index::Table::id);
        // One that was readable when this prune began is for the next one to mend.
        let alive: HashSet<TableId> = tables.chain(index.lost().iter().map(|table| table.id)).collect();
        for name in &self.tables {
            let (kind, id) = names::parse_table(name).map_err(|problem| Error::damaged("list index", name, problem))?;
            // Which tables of chunks supersede which is sealed in them.
            let is_known = kind == TableKind::Blocks || self.repository.may_do_everything();
            if is_known && !alive.contains(&id) {
                removal.delete(name)?;
            }
        }
        Ok(())
    }

    /// Keys of sessions that ended in good order and have nothing in the repository any more: nobody can come to need them. One
    /// that was fenced may wake and go on writing, so its key stays.
    fn remove_data_keys(&self, fences: &Fences, removal: &mut Removal<'_>) -> Result<()> {
        let Some(needed) = sessions_with_blocks(self.repository)? else { return Ok(()) };
        let wraps = self.data_keys.iter().filter_map(|name| names::parse_data_key(name).ok());
        let may_go = |wrap: &DataKeyName| !needed.contains(&wrap.session) && !fences.is_settled(wrap.session);
        let keys: BTreeSet<CondemnedKey> = wraps.filter(may_go).map(CondemnedKey::from).collect();
        let serves = |session| needed.contains(&session) || fences.is_settled(session);
        removal.deleted += self.repository.delete_copies_of_keys(serves)?;
        removal.keys(keys.into_iter().collect())
    }

    /// Finishes a rotation that was killed, or that left old wraps for sessions at work. What cannot be wrapped anew is for
    /// `check` to tell.
    fn renew_data_keys(&self, removal: &mut Removal<'_>) -> Result<()> {
        let renewal = self.repository.renew_data_keys()?;
        self.repository.delete_superseded(&renewal.superseded)?;
        removal.deleted += renewal.superseded.len() as u64;
        Ok(())
    }
}
