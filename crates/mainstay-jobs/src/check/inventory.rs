//! What a repository holds, read object by object so that one damaged object hides no other.
//!
//! Owns reading snapshots, reference maps, index tables and the list of packs, and comparing them as sets of blocks.
//! Reads no tree and no block.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use mainstay_repo::store::Object;
use mainstay_repo::{
    BlockId, BlockKind, BlockSet, Error as RepositoryError, Fences, Index, KnownLosses, Marks, PackId, Repository,
    SessionId, SnapshotEntry, SnapshotId, names,
};

use super::finding::{Finding, count};
use super::trace::Breakage;
use crate::Result;

/// A snapshot that could be read, with its reference map if that could be read too.
pub struct Held {
    pub entry: SnapshotEntry,
    pub references: Option<BlockSet>,
}

/// The blocks that the index knows, and those of packs that no table names.
#[derive(Default)]
pub struct Rows {
    content: BlockSet,
    trees: BlockSet,
    /// Blocks of packs that are not in the store as the index says.
    lost: BTreeMap<PackId, BlockSet>,
}

impl Rows {
    /// Whether a block of this kind is in a pack that the store holds.
    pub fn holds(&self, block: BlockId, kind: BlockKind) -> bool {
        match kind {
            BlockKind::Content => self.content.contains(block),
            BlockKind::Tree => self.trees.contains(block),
        }
    }

    fn insert(&mut self, block: BlockId, kind: BlockKind) {
        let of_kind = match kind {
            BlockKind::Content => &mut self.content,
            BlockKind::Tree => &mut self.trees,
        };
        of_kind.insert(block);
    }

    pub fn holds_any(&self, block: BlockId) -> bool {
        self.content.contains(block) || self.trees.contains(block)
    }

    pub fn len(&self) -> u64 {
        self.content.len() + self.trees.len()
    }
}

/// What a repair found lost, but for what is there again.
fn standing_losses(repository: &Repository, index: &Arc<Index>) -> Result<KnownLosses> {
    let mut known = repository.known_losses()?;
    let healed = repository.healed_losses(index, &known)?;
    for blocks in [&mut known.blocks, &mut known.accepted] {
        let mut left = BlockSet::default();
        left.extend(blocks.iter().filter(|block| !healed.contains(*block)));
        *blocks = left;
    }
    Ok(known)
}

/// Everything that was read.
pub struct Inventory {
    /// Newest first.
    pub snapshots: Vec<Held>,
    /// Those that came after the fence of their session.
    pub void: Vec<SnapshotEntry>,
    /// Every index table that can be read.
    pub index: Arc<Index>,
    pub rows: Rows,
    pub packs: BTreeMap<PackId, Object>,
    losses: KnownLosses,
}

impl Inventory {
    /// Reads everything; a snapshot's blocks are indexed before it appears, and a pack is there before the index names
    /// it, hence the order.
    pub fn take(repository: &Repository, findings: &mut Vec<Finding>) -> Result<Self> {
        let maps = Maps::list(repository)?;
        let listed = list(repository, names::SNAPSHOTS)?;
        let marks: HashSet<String> = list(repository, names::TRASH)?.into_iter().map(|object| object.name).collect();
        let said = repository.marks()?;
        let (mut snapshots, mut void) = read_snapshots((repository, &repository.fences()?), &listed, &said, findings);
        // What a prune has begun to remove needs nothing any more.
        let doomed = repository.doomed_snapshots()?;
        void.retain(|entry| !doomed.contains(&entry.id));
        findings.extend(void.iter().map(|entry| note_void(repository, entry)));
        findings.extend(
            snapshots
                .iter()
                .filter(|held| held.entry.unconfirmed)
                .map(|held| note_unconfirmed(repository, &held.entry)),
        );
        void.extend(snapshots.extract_if(.., |held| doomed.contains(&held.entry.id)).map(|held| held.entry));
        maps.report_orphans(&listed, &marks, &snapshots, findings);
        let mut tables = list(repository, names::INDEX)?;
        let index = open_index(repository, &mut tables, findings)?;
        let packs = list_packs(repository, findings)?;
        let (mut rows, index) = read_rows(repository, (index, tables), &packs, findings)?;
        add_unnamed_packs(repository, &index, &packs, &mut rows)?;
        let losses = standing_losses(repository, &index)?;
        Ok(Self { snapshots, void, index, rows, packs, losses })
    }

    /// Compares what snapshots need with what the index knows, and what the index knows with what the store lists.
    pub fn compare_blocks(&self, findings: &mut Vec<Finding>) -> Vec<Breakage> {
        let mut breakages = Vec::new();
        self.report_losses(findings, &mut breakages);
        let missing = self.missing_blocks();
        self.report_packs(&missing, findings, &mut breakages);
        let lost = |block: &BlockId| self.rows.lost.values().any(|blocks| blocks.contains(*block));
        let mut unknown = BTreeMap::<SessionId, Vec<BlockId>>::new();
        for block in missing.iter().filter(|block| !lost(block)) {
            unknown.entry(block.session).or_default().push(block);
        }
        for (session, blocks) in unknown {
            let object = match blocks.as_slice() {
                [block] => format!("block {block}"),
                _ => format!("{} of session {session}", count(blocks.len(), "block")),
            };
            breakages.push(Breakage::blocks(findings.len(), blocks));
            findings.push(Finding::damage(object, "no pack holds what snapshots need"));
        }
        breakages
    }

    /// Reports sessions whose data keys do not open and whose blocks are needed: no content is read that would show it.
    pub fn report_keys(
        &self,
        repository: &Repository,
        findings: &mut Vec<Finding>,
        breakages: &mut Vec<Breakage>,
    ) -> Result<()> {
        let maps = || self.snapshots.iter().filter_map(|held| held.references.as_ref());
        let sessions: BTreeSet<SessionId> = maps().flat_map(BlockSet::sessions).collect();
        for session in sessions {
            if let Some(error) = repository.data_key_problem(session)? {
                let blocks: BTreeSet<BlockId> =
                    maps().flat_map(BlockSet::iter).filter(|block| block.session == session).collect();
                let (object, is_accepted) = (names::data_key(session, 0), self.is_accepted(&blocks));
                breakages.push(Breakage::blocks(findings.len(), blocks));
                findings.push(match is_accepted {
                    true => Finding::note(object, format!("{error}; that was accepted")),
                    false => Finding::damage(object, error.to_string()),
                });
            }
        }
        Ok(())
    }

    /// Whether somebody has accepted that all of these are lost.
    fn is_accepted(&self, blocks: &BTreeSet<BlockId>) -> bool {
        blocks.iter().all(|block| self.losses.accepted.contains(*block))
    }

    /// The object that holds a block, as far as the index knows.
    pub fn object_of(&self, block: BlockId) -> String {
        match self.index.find_block(block) {
            Ok(Some(place)) => names::pack(place.pack, place.pack_session),
            _ => format!("block {block}"),
        }
    }

    /// Reports what a repair has found lost and snapshots still need. What was given up is no damage any more.
    fn report_losses(&self, findings: &mut Vec<Finding>, breakages: &mut Vec<Breakage>) {
        let is_needed = |block: &BlockId| {
            self.snapshots.iter().filter_map(|held| held.references.as_ref()).any(|map| map.contains(*block))
        };
        let mut accepted = Vec::new();
        let mut by_object = BTreeMap::<String, Vec<BlockId>>::new();
        for block in self.losses.blocks.iter().filter(is_needed) {
            match (self.rows.holds_any(block), self.losses.accepted.contains(block)) {
                // What is in a pack nevertheless does not open there.
                (_, true) => accepted.push(block),
                (true, false) => by_object.entry(self.object_of(block)).or_default().push(block),
                // It is reported with what is missing.
                (false, false) => {}
            }
        }
        if !accepted.is_empty() {
            let problem =
                format!("{} that snapshots need were lost, and that was accepted", count(accepted.len(), "block"));
            breakages.push(Breakage::blocks(findings.len(), accepted));
            findings.push(Finding::note("known losses", problem));
        }
        for (object, blocks) in by_object {
            let problem = format!(
                "a repair found {} of it lost; the next backup stores again what its source still has",
                count(blocks.len(), "block")
            );
            breakages.push(Breakage::blocks(findings.len(), blocks));
            findings.push(Finding::damage(object, problem));
        }
    }

    /// Blocks that some snapshot needs and that no pack in the store holds; those whose loss was accepted are left out.
    fn missing_blocks(&self) -> BlockSet {
        let mut missing = BlockSet::default();
        for references in self.snapshots.iter().filter_map(|held| held.references.as_ref()) {
            let is_missing = |block: &BlockId| !self.rows.holds_any(*block) && !self.losses.accepted.contains(*block);
            missing.extend(references.iter().filter(is_missing));
        }
        missing
    }

    fn report_packs(&self, missing: &BlockSet, findings: &mut Vec<Finding>, breakages: &mut Vec<Breakage>) {
        let indexed = self.index.packs();
        let by_id: BTreeMap<_, _> = indexed.values().map(|pack| (pack.id, pack)).collect();
        for pack in by_id.values() {
            let problem = match self.packs.get(&pack.id) {
                Some(object) if object.len == pack.len => continue,
                Some(object) => format!("expected {} bytes, got {}", pack.len, object.len),
                None => "the index names it, and it is not in the store".to_owned(),
            };
            let blocks = self.rows.lost.get(&pack.id).into_iter().flat_map(BlockSet::iter);
            let needed: Vec<BlockId> = blocks.filter(|block| missing.contains(*block)).collect();
            let name = names::pack(pack.id, pack.session);
            if needed.is_empty() {
                findings.push(Finding::note(name, format!("{problem}; no snapshot needs it")));
                continue;
            }
            breakages.push(Breakage::blocks(findings.len(), needed));
            findings.push(Finding::damage(name, problem));
        }
        for object in self.packs.iter().filter(|(id, _)| !indexed.contains_key(id)).map(|(_, object)| object) {
            let problem = "no index table names it: a session that was interrupted or is at work left it, or a table is \
                           lost; the next backup indexes it";
            findings.push(Finding::note(&object.name, problem));
        }
    }
}

fn list(repository: &Repository, prefix: &str) -> Result<Vec<Object>> {
    let listed = repository.store().list(prefix);
    Ok(listed.map_err(|source| RepositoryError::Store { verb: "list", name: prefix.to_owned(), source })?)
}

/// The reference maps that there are.
struct Maps {
    objects: Vec<Object>,
    /// A session is open that may be about to publish a snapshot for one of them.
    is_growing: bool,
}

impl Maps {
    /// Lists them, before snapshots are listed: a map that is listed without an open session got its snapshot before, or
    /// never.
    fn list(repository: &Repository) -> Result<Self> {
        let objects = list(repository, names::REFS)?;
        Ok(Self { objects, is_growing: repository.has_open_writer()? })
    }

    /// Reports the maps that belong to no snapshot. A map is published just before its snapshot, and removed after it by a
    /// prune that leaves the mark of the forgotten one until then.
    fn report_orphans(
        &self,
        snapshots: &[Object],
        marks: &HashSet<String>,
        held: &[Held],
        findings: &mut Vec<Finding>,
    ) {
        let present: HashSet<SnapshotId> = snapshots
            .iter()
            .filter_map(|object| names::parse_snapshot(&object.name).ok())
            .map(|(_, _, id)| id)
            .collect();
        for object in self.objects.iter().filter(|_| !self.is_growing) {
            let id = object.name.strip_prefix(names::REFS).and_then(|id| SnapshotId::from_hex(id).ok());
            let Some(id) = id.filter(|id| !present.contains(id) && !marks.contains(&names::trash(*id))) else {
                continue;
            };
            let knows = |entry: &SnapshotEntry| {
                let snapshot = &entry.snapshot;
                [snapshot.previous, snapshot.parent, snapshot.base].contains(&Some(id))
            };
            findings.push(match held.iter().find(|held| knows(&held.entry)) {
                Some(held) => {
                    let problem = format!(
                        "its snapshot is lost: snapshot {} was made after it, and no prune removed it",
                        held.entry.id.short()
                    );
                    Finding::damage(&object.name, problem).in_snapshots([id])
                }
                None => {
                    let problem =
                        "no snapshot has it: a backup was killed just before its end, or the snapshot is lost";
                    Finding::note(&object.name, problem)
                }
            });
        }
    }
}

fn read_snapshots(
    (repository, fences): (&Repository, &Fences),
    listed: &[Object],
    marks: &Marks,
    findings: &mut Vec<Finding>,
) -> (Vec<Held>, Vec<SnapshotEntry>) {
    let mut entries = Vec::with_capacity(listed.len());
    let mut void = Vec::new();
    for object in listed {
        let (source, sequence, id) = match names::parse_snapshot(&object.name) {
            Ok(parsed) => parsed,
            Err(problem) => {
                findings.push(Finding::damage(&object.name, problem.to_string()));
                continue;
            }
        };
        match repository.read_snapshot(source, sequence, id) {
            Ok(snapshot) => {
                let is_void = fences.is_void(snapshot.session, id);
                let is_doubtful = fences.is_doubtful(snapshot.session, id);
                let (forgotten, unconfirmed) =
                    (marks.forgotten.contains(&id), is_doubtful || marks.unconfirmed.contains(&id));
                let entry = SnapshotEntry { id, snapshot, forgotten, unconfirmed };
                // Nobody was told of one that came after the fence of its session; it goes with a prune.
                if is_void { void.push(entry) } else { entries.push(entry) }
            }
            Err(error) => findings.push(damage_of(&object.name, &error).in_snapshots([id])),
        }
    }
    let ids: HashMap<SnapshotId, usize> = crate::select::in_order(entries.iter().collect())
        .iter()
        .enumerate()
        .map(|(at, entry)| (entry.id, at))
        .collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(ids.get(&entry.id).copied()));
    (entries.into_iter().map(|entry| hold(repository, entry, findings)).collect(), void)
}

/// That nobody counts on it may be wrong where the files of a repository were copied.
fn note_void(repository: &Repository, entry: &SnapshotEntry) -> Finding {
    let place = repository.place_of(entry);
    let problem = format!(
        "it counts for nothing, since it came after the backup that wrote it was taken for dead: `mainstay undelete {}` makes it count if \
         all that it needs is here, and prune removes it as if it had been forgotten",
        entry.id.short()
    );
    Finding::note(names::snapshot(place.source, place.sequence, place.id), problem).in_snapshots([entry.id])
}

/// Who let it count was taken for dead before it could say so, or what says that it counts cannot be read.
fn note_unconfirmed(repository: &Repository, entry: &SnapshotEntry) -> Finding {
    let place = repository.place_of(entry);
    let problem = format!(
        "nobody has confirmed that all it needs is here, since who brought it, or brought it back, did not come to the end, or what says that \
         it counts is damaged: the next synchronisation confirms it, or `mainstay repair`, or `mainstay undelete {}`",
        entry.id.short()
    );
    Finding::note(names::snapshot(place.source, place.sequence, place.id), problem).in_snapshots([entry.id])
}

fn hold(repository: &Repository, entry: SnapshotEntry, findings: &mut Vec<Finding>) -> Held {
    let references = match repository.references(&entry) {
        Ok(references) => Some(references),
        Err(error) => {
            findings.push(damage_of(&names::refs(entry.id), &error).in_snapshots([entry.id]));
            None
        }
    };
    Held { entry, references }
}

/// Opens the index. Tables that do not open are reported and taken from `tables`.
fn open_index(repository: &Repository, tables: &mut Vec<Object>, findings: &mut Vec<Finding>) -> Result<Arc<Index>> {
    loop {
        match repository.index_of(tables) {
            Ok(index) => return Ok(index),
            Err(error) => give_up_table(error, tables, findings)?,
        }
    }
}

/// Takes the table that an error is about from `tables` and reports it; an error about anything else is handed back.
fn give_up_table(error: RepositoryError, tables: &mut Vec<Object>, findings: &mut Vec<Finding>) -> Result<()> {
    let (RepositoryError::Damaged { name, .. }
    | RepositoryError::Missing { name, .. }
    | RepositoryError::Store { name, .. }) = &error
    else {
        return Err(error.into());
    };
    let Some(position) = tables.iter().position(|table| table.name == *name) else {
        return Err(error.into());
    };
    findings.push(damage_of(name, &error));
    tables.swap_remove(position);
    Ok(())
}

fn list_packs(repository: &Repository, findings: &mut Vec<Finding>) -> Result<BTreeMap<PackId, Object>> {
    let mut packs = BTreeMap::new();
    for object in repository.list_packs()? {
        match names::parse_pack(&object.name) {
            Ok((id, _)) => match packs.remove(&id) {
                None => drop(packs.insert(id, object)),
                // The same bytes under the name of another session, where nobody can open them.
                Some(other) => {
                    let is_true = repository.read_pack_listing(&object).is_ok();
                    let (kept, stranger) = if is_true { (object, other) } else { (other, object) };
                    let problem = "it is a copy under the name of another session: nobody can open it, delete it";
                    findings.push(Finding::damage(&stranger.name, problem));
                    packs.insert(id, kept);
                }
            },
            Err(_) => findings.push(Finding::note(&object.name, "it is not the name of a pack")),
        }
    }
    Ok(packs)
}

/// Reads every row of the index. A table with a damaged page is reported and left out of the next round, which reads the
/// others; what was read of it counts. Answers the index without it.
fn read_rows(
    repository: &Repository,
    (mut index, mut tables): (Arc<Index>, Vec<Object>),
    packs: &BTreeMap<PackId, Object>,
    findings: &mut Vec<Finding>,
) -> Result<(Rows, Arc<Index>)> {
    let mut rows = Rows::default();
    loop {
        let whole: BTreeSet<PackId> = index
            .packs()
            .values()
            .filter(|pack| packs.get(&pack.id).is_some_and(|object| object.len == pack.len))
            .map(|pack| pack.id)
            .collect();
        let read = index.for_each_block(|block, place| {
            if whole.contains(&place.pack) {
                rows.insert(block, place.kind);
            } else {
                rows.lost.entry(place.pack).or_default().insert(block);
            }
        });
        let Err(error) = read.and_then(|()| index.read_chunk_tables()) else { return Ok((rows, index)) };
        give_up_table(error, &mut tables, findings)?;
        index = open_index(repository, &mut tables, findings)?;
    }
}

/// Adds what packs say themselves that no table names: it can be read, and the next backup indexes it.
fn add_unnamed_packs(
    repository: &Repository,
    index: &Index,
    packs: &BTreeMap<PackId, Object>,
    rows: &mut Rows,
) -> Result<()> {
    let named = index.packs();
    for (_, pack) in packs.iter().filter(|(id, _)| !named.contains_key(id)) {
        let listing = match repository.read_pack_listing(pack) {
            Err(error) if error.kind() == mainstay_repo::Kind::Corrupt => continue,
            listing => listing?,
        };
        for row in listing.rows {
            rows.insert(row.block, row.kind);
        }
    }
    Ok(())
}

/// A finding about an object from the error that came of reading it; the object's name is not said twice.
pub fn damage_of(object: &str, error: &RepositoryError) -> Finding {
    let problem = match error {
        RepositoryError::Damaged { name, problem, .. } if name == object => problem.clone(),
        RepositoryError::Missing { name, .. } if name == object => "it is missing".to_owned(),
        RepositoryError::Store { name, source, verb } if name == object => format!("{verb}: {source}"),
        other => other.to_string(),
    };
    Finding::damage(object, problem)
}
