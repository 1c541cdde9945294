//! Removing: the only place of the engine that deletes what others may have referred to.
//!
//! Owns the order within each kind of object, and the count. Decides nothing: what goes is in the plan and the inventory.

use std::collections::HashSet;

use super::inventory::Inventory;
use super::plan::PackUse;
use crate::error::{Error, Result};
use crate::format::coord::{Condemned, encode_condemned};
use crate::format::names::{self, LeaseName};
use crate::id::{PackId, SessionId, SnapshotId, TableId};
use crate::lease::OpenLease;
use crate::repository::{Repository, list, put, store_error};
use crate::seal::random;

/// A prune's removals.
pub struct Removal<'r> {
    repository: &'r Repository,
    inventory: &'r Inventory,
    /// Objects deleted of every kind.
    pub deleted: u64,
}

impl<'r> Removal<'r> {
    pub fn new(repository: &'r Repository, inventory: &'r Inventory) -> Self {
        Self { repository, inventory, deleted: 0 }
    }

    pub fn snapshots(&mut self) -> Result<()> {
        for entry in &self.inventory.snapshots.forgotten {
            let source = self.repository.keys.source_id(&entry.snapshot.source);
            self.delete(&names::snapshot(source, entry.snapshot.sequence, entry.id))?;
            self.delete(&names::refs(entry.id))?;
            self.delete(&names::trash(entry.id))?;
        }
        Ok(())
    }

    /// Condemns packs, then deletes them. What is needed of them must be indexed elsewhere.
    pub fn packs(&mut self, packs: &[PackUse]) -> Result<()> {
        if packs.is_empty() {
            return Ok(());
        }
        let condemned = Condemned { id: TableId(random()?), packs: packs.iter().map(|pack| pack.id).collect() };
        let name = format!("{}{}", names::CONDEMNED, condemned.id);
        let list = encode_condemned(self.repository.id(), &condemned);
        self.repository.with_reserve(|| put(&*self.repository.store, &name, &list))?;
        packs.iter().try_for_each(|pack| self.delete(&names::pack(pack.id, pack.session)))
    }

    /// Removes tables of blocks, once one is there that supersedes them.
    pub fn block_tables(&mut self, superseded: Vec<TableId>) -> Result<()> {
        superseded.into_iter().try_for_each(|table| self.delete(&names::table(names::TableKind::Blocks, table)))
    }

    /// Removes what no longer serves anyone: superseded tables, ended leases, keys of sessions without a living block.
    pub fn leftovers(&mut self, open: &[OpenLease]) -> Result<()> {
        let index = self.repository.index()?;
        let mut alive: HashSet<TableId> =
            index.blocks.iter().chain(&index.chunks).map(crate::index::Table::id).collect();
        // One that was readable when this prune began is for the next one to mend.
        alive.extend(index.lost().iter().map(|table| table.id));
        for object in list(&*self.repository.store, names::INDEX)? {
            let (_, id) = names::parse_table(&object.name)
                .map_err(|problem| Error::damaged("list index", &object.name, problem))?;
            if !alive.contains(&id) {
                self.delete(&object.name)?;
            }
        }
        // What is needed is sealed under its key, whatever the index says of it by now.
        let mut sessions: HashSet<SessionId> = self.inventory.snapshots.sessions().collect();
        sessions.extend(self.inventory.needs.live.sessions());
        index.for_each_block(|block, _| {
            sessions.insert(block.session);
        })?;
        for object in list(&*self.repository.store, names::DATA_KEYS)? {
            let id = object.name.strip_prefix(names::DATA_KEYS).and_then(|id| SessionId::from_hex(id).ok());
            if id.is_some_and(|id| !sessions.contains(&id)) {
                self.delete(&object.name)?;
            }
        }
        self.marks()?;
        self.sidecars()?;
        self.leases(open)
    }

    /// Removes reference maps and marks of snapshots that are gone, and the lists of prunes that were killed.
    fn marks(&mut self) -> Result<()> {
        let kept = self.inventory.snapshots.kept_ids();
        for prefix in [names::REFS, names::TRASH] {
            for object in list(&*self.repository.store, prefix)? {
                let id = object.name.strip_prefix(prefix).and_then(|id| SnapshotId::from_hex(id).ok());
                if id.is_some_and(|id| !kept.contains(&id)) {
                    self.delete(&object.name)?;
                }
            }
        }
        for object in list(&*self.repository.store, names::CONDEMNED)? {
            self.delete(&object.name)?;
        }
        Ok(())
    }

    /// Removes the sidecars of packs that are gone. Sidecars are listed first: the pack of one that is listed was there.
    fn sidecars(&mut self) -> Result<()> {
        let sidecars = list(&*self.repository.store, names::PARITY)?;
        if sidecars.is_empty() {
            return Ok(());
        }
        let packs = self.repository.list_packs()?;
        let packs: HashSet<PackId> =
            packs.iter().filter_map(|pack| names::parse_pack(&pack.name).ok()).map(|(id, _)| id).collect();
        for object in sidecars {
            if names::parse_parity(&object.name).is_ok_and(|id| !packs.contains(&id)) {
                self.delete(&object.name)?;
            }
        }
        Ok(())
    }

    /// Removes the leases and intents of sessions that have ended, or whose process was gone when this prune began. Any
    /// other lease may be that of a writer that is about to look for collectors.
    fn leases(&mut self, open: &[OpenLease]) -> Result<()> {
        let mut leases = list(&*self.repository.store, names::LEASES)?;
        // The end of a lease goes last: half a lease must not look open.
        leases.sort_by(|a, b| a.name.cmp(&b.name));
        let mut over: HashSet<SessionId> = open.iter().filter(|lease| lease.gone).map(|lease| lease.session).collect();
        for object in &leases {
            if let Ok((session, LeaseName::End)) = names::parse_lease(&object.name) {
                over.insert(session);
            }
        }
        for object in &leases {
            if names::parse_lease(&object.name).is_ok_and(|(session, _)| over.contains(&session)) {
                self.delete(&object.name)?;
            }
        }
        for session in over {
            for object in list(&*self.repository.store, &format!("{}{session}/", names::INTENTS))? {
                self.delete(&object.name)?;
            }
        }
        Ok(())
    }

    fn delete(&mut self, name: &str) -> Result<()> {
        self.repository.store.delete(name).map_err(|source| store_error("delete", name, source))?;
        self.deleted += 1;
        Ok(())
    }
}
