//! Pruning: which packs go, which are rewritten, and doing it.
//!
//! `plan_prune` is a pure function of reference maps and the index; `Repository::prune` carries a plan out. No tree is
//! walked. Safety: the collector's lease is open and no other session's is (see `lease`). Order: repacked blocks are
//! durable and indexed before the condemned list names their old packs; a new block table without the condemned packs is
//! published before any pack is deleted; the condemned list goes last. A crash at any point leaves every kept snapshot
//! whole, and the next prune finishes the work.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::coord::{Condemned, decode_intent, decode_trash, encode_condemned};
use crate::format::lease::Role;
use crate::format::limits;
use crate::format::names::{self, LeaseName};
use crate::format::refs::BlockSet;
use crate::id::{PackId, SessionId, SnapshotId, TableId};
use crate::index::{Index, NewRows, write_tables};
use crate::lease::{OpenLease, refuse_conflict};
use crate::pack_reader::{PackListing, read_object};
use crate::pack_writer::{PackWriter, SealedBlock};
use crate::repository::{Repository, SnapshotEntry, list, put, store_error};
use crate::seal::random;
use crate::store::Object;

/// Part of the repository that may be dead weight inside packs before they are rewritten.
const TOLERATED_WASTE: f64 = 0.05;

/// One pack, as the plan sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackUse {
    pub id: PackId,
    pub session: SessionId,
    pub len: u64,
    /// Its length less the blocks that no snapshot needs; 0 if no snapshot needs any.
    pub live_bytes: u64,
}

/// What a prune would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrunePlan {
    /// Forgotten snapshots to be removed for good.
    pub snapshots: Vec<SnapshotId>,
    /// Packs without a living block.
    pub delete: Vec<PackUse>,
    /// Packs whose living blocks move to new packs.
    pub repack: Vec<PackUse>,
    /// Packs that stay.
    pub keep: Vec<PackUse>,
    /// Bytes in kept packs that no snapshot needs.
    pub tolerated_bytes: u64,
}

impl PrunePlan {
    /// Bytes that the store will hold less.
    pub fn freed_bytes(&self) -> u64 {
        let deleted: u64 = self.delete.iter().map(|pack| pack.len).sum();
        let rewritten: u64 = self.repack.iter().map(|pack| pack.len.saturating_sub(pack.live_bytes)).sum();
        deleted + rewritten
    }

    pub fn is_empty(&self) -> bool {
        self.snapshots.is_empty() && self.delete.is_empty() && self.repack.is_empty()
    }
}

/// What a prune did.
#[derive(Clone, Debug, Default)]
pub struct PruneReport {
    pub plan: PrunePlan,
    /// Objects deleted of every kind.
    pub deleted_objects: u64,
    /// Bytes that were written to new packs.
    pub repacked_bytes: u64,
}

/// Decides what becomes of each pack: dead ones go; of the others, those with the greatest share of dead bytes are
/// rewritten until what is dead in the rest is tolerable.
pub fn plan_prune(packs: Vec<PackUse>, snapshots: Vec<SnapshotId>) -> PrunePlan {
    let mut plan = PrunePlan { snapshots, ..PrunePlan::default() };
    let (dead, mut living): (Vec<_>, Vec<_>) = packs.into_iter().partition(|pack| pack.live_bytes == 0);
    plan.delete = dead;
    let waste = |pack: &PackUse| pack.len.saturating_sub(pack.live_bytes);
    let live: u64 = living.iter().map(|pack| pack.live_bytes).sum();
    let tolerated = (live as f64 * TOLERATED_WASTE) as u64;
    let mut wasted: u64 = living.iter().map(waste).sum();
    living.sort_by_key(|pack| (std::cmp::Reverse(waste(pack) * 1000 / pack.len.max(1)), pack.id));
    for pack in living {
        if wasted > tolerated {
            wasted -= waste(&pack);
            plan.repack.push(pack);
        } else {
            plan.keep.push(pack);
        }
    }
    plan.tolerated_bytes = wasted;
    plan
}

/// Everything that planning read, so that carrying out does not read it again.
struct Inventory {
    forgotten: Vec<SnapshotEntry>,
    live: BlockSet,
    living_sessions: HashSet<SessionId>,
    /// Sessions whose blocks share no pack with those of others.
    independent: HashSet<SessionId>,
    kept: HashSet<SnapshotId>,
    index: Arc<Index>,
    packs: Vec<Object>,
}

impl Repository {
    /// Says what a prune would do now; changes nothing.
    pub fn plan_prune(&self) -> Result<PrunePlan> {
        let inventory = self.take_inventory()?;
        self.plan(&inventory)
    }

    /// Removes forgotten snapshots and what only they needed.
    ///
    /// # Errors
    /// [`Error::Busy`] while another session is open.
    pub fn prune(&self) -> Result<PruneReport> {
        let session = SessionId(random()?);
        let leases = self.leases();
        leases.publish(session, 0, Role::Collector, Vec::new())?;
        let result = self.prune_under_lease(session);
        leases.end(session)?;
        result
    }

    fn prune_under_lease(&self, session: SessionId) -> Result<PruneReport> {
        let open = self.leases().open_leases(session)?;
        refuse_conflict(&open, Role::Collector, "prune")?;
        self.store.clear_staging().map_err(|source| store_error("clear", "unfinished objects", source))?;
        let inventory = self.take_inventory()?;
        let plan = self.plan(&inventory)?;
        let mut report = PruneReport::default();
        let moved = self.repack(session, &plan, &inventory, &mut report)?;
        self.remove_snapshots(&inventory, &mut report)?;
        self.remove_packs(&plan, &inventory, moved, &mut report)?;
        self.remove_leftovers(&open, &inventory, &mut report)?;
        report.plan = plan;
        Ok(report)
    }

    fn take_inventory(&self) -> Result<Inventory> {
        // Intents before snapshots: a session that commits meanwhile is seen in one of the two.
        let mut live = self.intended_blocks()?;
        let (forgotten, kept): (Vec<_>, Vec<_>) = self.every_snapshot()?.into_iter().partition(|entry| entry.forgotten);
        for entry in &forgotten {
            self.confirm_forgotten(entry.id)?;
        }
        let (mut living_sessions, mut independent) = (HashSet::new(), HashSet::new());
        for entry in &kept {
            live.union(&self.references(entry)?);
            living_sessions.insert(entry.snapshot.session);
            if entry.snapshot.independent {
                independent.insert(entry.snapshot.session);
            }
        }
        let kept = kept.iter().map(|entry| entry.id).collect();
        Ok(Inventory {
            forgotten,
            live,
            living_sessions,
            independent,
            kept,
            index: self.index()?,
            packs: self.list_packs()?,
        })
    }

    /// The blocks that sessions at work say they need.
    fn intended_blocks(&self) -> Result<BlockSet> {
        let mut blocks = BlockSet::default();
        let open = self.leases().open_leases(SessionId([0; 16]))?;
        for lease in open.iter().filter(|lease| !lease.gone && lease.role == Role::Writer) {
            for object in list(&*self.store, &format!("{}{}/", names::INTENTS, lease.session))? {
                let bytes = read_object(&*self.store, &object.name, "read intent")?;
                let intent = decode_intent(self.id(), &bytes)
                    .map_err(|problem| Error::damaged("read intent", &object.name, problem))?;
                blocks.union(&intent.blocks);
            }
        }
        Ok(blocks)
    }

    /// A snapshot goes for good only by a mark that is whole and names it.
    fn confirm_forgotten(&self, id: SnapshotId) -> Result<()> {
        let name = names::trash(id);
        let bytes = read_object(&*self.store, &name, "read trash mark")?;
        decode_trash(self.id(), id, &bytes)
            .map(|_| ())
            .map_err(|problem| Error::damaged("read trash mark", &name, problem))
    }

    fn plan(&self, inventory: &Inventory) -> Result<PrunePlan> {
        let (mut live, mut dead) = (HashSet::<PackId>::new(), HashMap::<PackId, u64>::new());
        let mut found = BlockSet::default();
        inventory.index.for_each_block(|block, place| {
            if inventory.live.contains(block) && found.insert(block) {
                live.insert(place.pack);
            } else {
                *dead.entry(place.pack).or_default() += u64::from(place.stored_len);
            }
        })?;
        // A block that is needed and not indexed means that the index or the listing is not the whole truth.
        if let Some(block) = inventory.live.iter().find(|block| !found.contains(*block)) {
            return Err(Error::BlockMissing { block: block.to_string() });
        }
        let indexed = inventory.index.packs();
        let mut packs = Vec::with_capacity(inventory.packs.len());
        for object in &inventory.packs {
            let (id, session) = names::parse_pack(&object.name)
                .map_err(|problem| Error::damaged("list packs", &object.name, problem))?;
            let dead_bytes = if live.contains(&id) { dead.get(&id).copied().unwrap_or(0) } else { object.len };
            // A table may name a dead block twice; a pack with a living block is never taken for dead.
            let least = u64::from(live.contains(&id));
            let live_bytes = object.len.saturating_sub(dead_bytes).max(least);
            packs.push(PackUse { id, session, len: object.len, live_bytes });
        }
        let listed: HashSet<PackId> = packs.iter().map(|pack| pack.id).collect();
        if let Some(absent) = live.iter().find(|id| !listed.contains(id)) {
            let session = indexed.get(absent).map(|pack| pack.session).unwrap_or(SessionId([0; 16]));
            return Err(Error::Missing { verb: "plan prune: list packs", name: names::pack(*absent, session) });
        }
        Ok(plan_prune(packs, inventory.forgotten.iter().map(|entry| entry.id).collect()))
    }

    /// Copies the living blocks of sparse packs into new ones, as ciphertext.
    fn repack(
        &self,
        session: SessionId,
        plan: &PrunePlan,
        inventory: &Inventory,
        report: &mut PruneReport,
    ) -> Result<NewRows> {
        let mut rows = NewRows::default();
        // By kind and, for an independent copy, by the session whose blocks stay among themselves.
        let mut open = BTreeMap::<(u8, Option<SessionId>), PackWriter>::new();
        for pack in &plan.repack {
            let object = Object { name: names::pack(pack.id, pack.session), len: pack.len };
            let listing = self.read_pack_listing(&object)?;
            for row in listing.rows.iter().filter(|row| inventory.live.contains(row.block)) {
                let mut block = SealedBlock {
                    id: row.block,
                    kind: row.kind,
                    bytes: vec![0; row.stored_len as usize],
                    table: vec![0; row.table_len as usize],
                };
                self.read_pack_at(&object, row.offset.into(), &mut block.bytes)?;
                self.read_pack_at(&object, row.table_offset.into(), &mut block.table)?;
                self.check_moved_block(&block, &inventory.index)?;
                let apart = inventory.independent.contains(&row.block.session).then_some(row.block.session);
                let key = (row.kind.object_kind() as u8, apart);
                let mut writer = match open.remove(&key) {
                    Some(writer) => writer,
                    None => PackWriter::begin(&*self.store, self.id(), session)?,
                };
                writer.append(&block)?;
                if writer.len() >= limits::PACK_TARGET_MAX {
                    finish_pack(writer, session, &mut rows, report)?;
                } else {
                    open.insert(key, writer);
                }
            }
        }
        for writer in open.into_values() {
            finish_pack(writer, session, &mut rows, report)?;
        }
        Ok(rows)
    }

    /// A block that is damaged where it stands must not be carried on as if it were whole.
    fn check_moved_block(&self, block: &SealedBlock, index: &Arc<Index>) -> Result<()> {
        PackListing::open_table(&self.keys, block.id, &block.table)?;
        let mut sealed = block.bytes.clone();
        self.block_reader(index).check_seal(block.id, block.kind, &mut sealed)
    }

    fn remove_snapshots(&self, inventory: &Inventory, report: &mut PruneReport) -> Result<()> {
        for entry in &inventory.forgotten {
            let source = self.keys.source_id(&entry.snapshot.source);
            self.delete(&names::snapshot(source, entry.snapshot.sequence, entry.id), report)?;
            self.delete(&names::refs(entry.id), report)?;
            self.delete(&names::trash(entry.id), report)?;
        }
        Ok(())
    }

    fn remove_packs(
        &self,
        plan: &PrunePlan,
        inventory: &Inventory,
        moved: NewRows,
        report: &mut PruneReport,
    ) -> Result<()> {
        let doomed: HashSet<PackId> = plan.delete.iter().chain(&plan.repack).map(|pack| pack.id).collect();
        if doomed.is_empty() {
            return Ok(());
        }
        let rows = successor_rows(&inventory.index, &doomed, moved)?;
        let condemned = Condemned { id: TableId(random()?), packs: doomed.iter().copied().collect() };
        let name = format!("{}{}", names::CONDEMNED, condemned.id);
        // The new table must be found before the old packs count as absent.
        let superseded = inventory.index.block_tables();
        write_tables(&*self.store, &self.keys, rows, &superseded)?;
        put(&*self.store, &name, &encode_condemned(self.id(), &condemned))?;
        for table in superseded {
            self.delete(&names::table(names::TableKind::Blocks, table), report)?;
        }
        for pack in plan.delete.iter().chain(&plan.repack) {
            self.delete(&names::pack(pack.id, pack.session), report)?;
        }
        self.delete(&name, report)
    }

    /// Removes what no longer serves anyone: superseded tables, ended leases, keys of sessions without a living block.
    fn remove_leftovers(&self, open: &[OpenLease], inventory: &Inventory, report: &mut PruneReport) -> Result<()> {
        let index = self.index()?;
        let alive: HashSet<TableId> = index.blocks.iter().chain(&index.chunks).map(crate::index::Table::id).collect();
        for object in list(&*self.store, names::INDEX)? {
            let (_, id) = names::parse_table(&object.name)
                .map_err(|problem| Error::damaged("list index", &object.name, problem))?;
            if !alive.contains(&id) {
                self.delete(&object.name, report)?;
            }
        }
        let mut sessions = inventory.living_sessions.clone();
        index.for_each_block(|block, _| {
            sessions.insert(block.session);
        })?;
        for object in list(&*self.store, names::DATA_KEYS)? {
            let id = object.name.strip_prefix(names::DATA_KEYS).and_then(|id| SessionId::from_hex(id).ok());
            if id.is_some_and(|id| !sessions.contains(&id)) {
                self.delete(&object.name, report)?;
            }
        }
        self.remove_marks(inventory, report)?;
        self.remove_leases(open, report)
    }

    /// Removes reference maps and marks of snapshots that are gone, and the lists of prunes that were killed.
    fn remove_marks(&self, inventory: &Inventory, report: &mut PruneReport) -> Result<()> {
        for prefix in [names::REFS, names::TRASH] {
            for object in list(&*self.store, prefix)? {
                let id = object.name.strip_prefix(prefix).and_then(|id| SnapshotId::from_hex(id).ok());
                if id.is_some_and(|id| !inventory.kept.contains(&id)) {
                    self.delete(&object.name, report)?;
                }
            }
        }
        for object in list(&*self.store, names::CONDEMNED)? {
            self.delete(&object.name, report)?;
        }
        Ok(())
    }

    /// Removes the leases and intents of sessions that have ended, or whose process was gone when this prune began. Any
    /// other lease may be that of a writer that is about to look for collectors.
    fn remove_leases(&self, open: &[OpenLease], report: &mut PruneReport) -> Result<()> {
        let mut leases = list(&*self.store, names::LEASES)?;
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
                self.delete(&object.name, report)?;
            }
        }
        for session in over {
            for object in list(&*self.store, &format!("{}{session}/", names::INTENTS))? {
                self.delete(&object.name, report)?;
            }
        }
        Ok(())
    }

    fn delete(&self, name: &str, report: &mut PruneReport) -> Result<()> {
        self.store.delete(name).map_err(|source| store_error("delete", name, source))?;
        report.deleted_objects += 1;
        Ok(())
    }
}

/// The rows of the block table that takes the place of all others: blocks where they stay, and where they moved to.
fn successor_rows(index: &Index, doomed: &HashSet<PackId>, moved: NewRows) -> Result<NewRows> {
    let mut rows = moved;
    for pack in index.packs().into_values().filter(|pack| !doomed.contains(&pack.id)) {
        rows.packs.insert(pack.id, pack.len);
    }
    let blocks = &mut rows.blocks;
    index.for_each_block(|block, place| {
        if !doomed.contains(&place.pack) {
            blocks.push((block, place));
        }
    })?;
    Ok(rows)
}

fn finish_pack(writer: PackWriter, session: SessionId, rows: &mut NewRows, report: &mut PruneReport) -> Result<()> {
    let finished = writer.finish()?;
    report.repacked_bytes += finished.len;
    crate::session::add_pack(rows, &finished, session);
    Ok(())
}

#[cfg(test)]
mod tests;
