//! Removing: the only place of the engine that deletes what others may have referred to.
//!
//! Owns condemning, and the checks that stand between a condemned list and the deletions (F1 to F5 of docs/concurrency.md).
//! Decides nothing: what goes is in the plan and the inventory.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::plan::PackUse;
use super::snapshots::Snapshots;
use super::surroundings::{Surroundings, names_of};
use crate::condemned::CondemnedLists;
use crate::error::{Error, Kind, Result};
use crate::format::coord::{Condemned, CondemnedKey, CondemnedPack, CondemnedSnapshot, encode_condemned};
use crate::format::envelope::ObjectKind;
use crate::format::names::{self, DataKeyName};
use crate::format::refs::BlockSet;
use crate::id::{PackId, SessionId, SnapshotId, SourceId, TableId};
use crate::index::{Care, Index};
use crate::pack_reader::read_object;
use crate::parity::require_whole;
use crate::repository::{AllSnapshots, ProvedSnapshot, Repository, SnapshotPlace, delete, put, store_error};
use crate::seal::random;
use crate::session::{Twins, listed_packs};
use crate::signer::sign_object;
use crate::store::{Object, is_absent, is_present};

/// A prune's removals.
pub struct Removal<'r> {
    repository: &'r Repository,
    collector: SessionId,
    snapshots: &'r Snapshots,
    /// Condemned lists that were there when the inventory was taken, and those of this prune.
    known_lists: HashSet<TableId>,
    /// Objects deleted of every kind.
    pub deleted: u64,
    /// Snapshots that are on lists already.
    condemned_snapshots: HashSet<SnapshotId>,
    /// Condemned packs that stay whatever becomes of their list.
    held: HashSet<PackId>,
    /// What is needed, for a collector that opens nothing: no copy of it goes but for the sake of a twin.
    compared: Option<&'r BlockSet>,
    /// Names of the packs in which copies of what is needed were counted.
    relied_on: HashSet<String>,
    /// Lists of which everything is gone.
    finished: Vec<TableId>,
    /// Packs that are condemned and wait for sessions, or for a later prune.
    pub waiting_packs: u64,
    /// Bytes of those of them that this prune has condemned.
    pub waiting_bytes: u64,
    /// A session that they wait for.
    pub awaited: Option<SessionId>,
}

/// What the store lists of snapshots now.
struct Now {
    /// Snapshots that count as needed.
    kept: HashSet<SnapshotId>,
    /// What those of them need of which the inventory did not know it.
    needed: BlockSet,
}

impl<'r> Removal<'r> {
    pub fn new(
        repository: &'r Repository,
        collector: SessionId,
        snapshots: &'r Snapshots,
        (around, relied_on): (&Surroundings, HashSet<String>),
    ) -> Self {
        let known_lists = around.condemned.ids().into_iter().collect();
        Self {
            repository,
            collector,
            snapshots,
            known_lists,
            deleted: 0,
            condemned_snapshots: truly_condemned(around, snapshots),
            held: HashSet::new(),
            compared: None,
            relied_on,
            finished: Vec::new(),
            waiting_packs: 0,
            waiting_bytes: 0,
            awaited: None,
        }
    }

    /// Keeps these packs, though they are condemned.
    pub fn hold(&mut self, packs: &HashSet<PackId>) {
        self.held.extend(packs);
    }

    /// From now on compares each copy of these blocks that is to go with the one that counts.
    pub fn compare(&mut self, needed: &'r BlockSet) {
        self.compared = Some(needed);
    }

    /// Condemns forgotten snapshots and packs that nothing needs, and deletes what may go at once.
    pub fn dead(&mut self, snapshots: &[ProvedSnapshot], packs: &[PackUse]) -> Result<()> {
        let is_new = |entry: &&ProvedSnapshot| !self.condemned_snapshots.contains(&entry.id());
        let snapshots = snapshots.iter().filter(is_new).map(place_of).collect();
        self.condemn(snapshots, packs, Vec::new())
    }

    /// Condemns maps and marks of which the snapshot is not there: a sync may be about to bring it, and rely on them.
    pub fn without_snapshot(&mut self, ids: BTreeSet<SnapshotId>) -> Result<()> {
        let nowhere = |id| CondemnedSnapshot { source: SourceId([0; SourceId::LEN]), sequence: 0, id };
        self.condemn(ids.into_iter().map(nowhere).collect(), &[], Vec::new())
    }

    /// Condemns packs that were rewritten into `new` ones, and deletes what may go at once. The new ones must be indexed.
    pub fn rewritten(&mut self, packs: &[PackUse], new: Vec<String>) -> Result<()> {
        let gone: HashSet<String> = packs.iter().map(PackUse::name).collect();
        self.relied_on.retain(|name| !gone.contains(name));
        self.relied_on.extend(new);
        self.condemn(Vec::new(), packs, Vec::new())
    }

    /// Condemns the data keys of sessions without a block, and deletes those that may go at once.
    pub fn keys(&mut self, keys: Vec<CondemnedKey>) -> Result<()> {
        self.condemn(Vec::new(), &[], keys)
    }

    /// Puts a list of packs that came back: until there is one no lease can name it, and they wait for everybody.
    pub fn returned(&mut self, packs: &[CondemnedPack]) -> Result<()> {
        self.put_list(Vec::new(), packs.to_vec(), Vec::new())
    }

    fn condemn(&mut self, snapshots: Vec<CondemnedSnapshot>, packs: &[PackUse], keys: Vec<CondemnedKey>) -> Result<()> {
        let before = self.waiting_packs;
        let doomed = packs.iter().map(|pack| CondemnedPack { id: pack.id, session: pack.session });
        self.put_list(snapshots, doomed.collect(), keys)?;
        if self.waiting_packs > before {
            self.waiting_bytes += packs.iter().map(|pack| pack.len).sum::<u64>();
        }
        Ok(())
    }

    fn put_list(
        &mut self,
        snapshots: Vec<CondemnedSnapshot>,
        packs: Vec<CondemnedPack>,
        keys: Vec<CondemnedKey>,
    ) -> Result<()> {
        if snapshots.is_empty() && packs.is_empty() && keys.is_empty() {
            return Ok(());
        }
        let considered = self.snapshots.kept_ids().into_iter().collect();
        let list = Condemned { id: TableId(random()?), packs, snapshots, considered, keys };
        let said = encode_condemned(&list);
        let bytes = sign_object(self.repository.keys.signer(), self.repository.id(), (ObjectKind::Condemned, &said))?;
        self.known_lists.insert(list.id);
        let name = names::condemned(list.id);
        self.repository.with_reserve(|| put(&*self.repository.store, &name, &bytes))?;
        self.finish(&list)
    }

    /// Deletes what is on a list as far as that is safe now; the rest is for a later prune.
    pub fn finish(&mut self, list: &Condemned) -> Result<()> {
        let open = self.repository.leases().open_leases(self.collector)?;
        if let Some(session) = open.awaited_by(list.id) {
            self.awaited = Some(session);
            return self.leave(list);
        }
        let now = match self.snapshots_now() {
            // Removed by another collector since it was listed.
            Err(Error::Missing { .. }) => return self.leave(list),
            now => now?,
        };
        // What a list names elsewhere than it stands it does not name: nobody has signed it.
        let is_misplaced = |named: &&CondemnedSnapshot| self.snapshots.stands_elsewhere(named);
        let (_, meant): (Vec<_>, Vec<&CondemnedSnapshot>) = list.snapshots.iter().partition(is_misplaced);
        let condemned = self.repository.condemned()?;
        if condemned.lists.iter().any(|other| !self.known_lists.contains(&other.id)) {
            return self.leave(list);
        }
        // Listed after the lists: a pack that another collector has deleted is not there, or is on a list that is not known.
        let listed: HashSet<String> = names_of(self.repository, names::PACKS)?.into_iter().collect();
        if !self.relied_on.is_subset(&listed) {
            return self.leave(list);
        }
        let mut held = self.still_needed(list, now.needed, condemned.packs())?;
        held.extend(list.packs.iter().map(|pack| pack.id).filter(|id| self.held.contains(id)));
        let (stay, go): (Vec<_>, Vec<_>) = meant.into_iter().partition(|snapshot| now.kept.contains(&snapshot.id));
        let packs: Vec<&CondemnedPack> = list.packs.iter().filter(|pack| !held.contains(&pack.id)).collect();
        self.record(go.iter().copied(), packs.iter().map(|pack| pack.id))?;
        for snapshot in go {
            self.snapshot(snapshot)?;
        }
        for pack in packs {
            self.delete(&names::pack(pack.id, pack.session))?;
        }
        let are_keys_gone = self.data_keys(list, &condemned)?;
        self.waiting_packs += held.len() as u64;
        if held.is_empty() && stay.is_empty() && are_keys_gone {
            self.finished.push(list.id);
        }
        Ok(())
    }

    /// Deletes the lists of which everything is gone, once no table of the index names their packs any more: until then they
    /// say that these packs are no loss.
    pub fn finished_lists(&mut self) -> Result<()> {
        std::mem::take(&mut self.finished).into_iter().try_for_each(|list| self.delete(&names::condemned(list)))
    }

    fn leave(&mut self, list: &Condemned) -> Result<()> {
        self.waiting_packs += list.packs.len() as u64;
        Ok(())
    }

    /// Looks which snapshots are needed that the inventory did not count as such: new ones, forgotten ones whose mark is gone, and void
    /// ones that were acquitted.
    fn snapshots_now(&self) -> Result<Now> {
        let marks = self.repository.marked()?;
        let listed = names_of(self.repository, names::SNAPSHOTS)?;
        let fences = self.repository.fences()?;
        let snapshots = self.snapshots;
        let mut known = HashSet::new();
        let forgotten = snapshots.forgotten.iter().map(ProvedSnapshot::id);
        known.extend(forgotten.filter(|id| marks.contains(id)));
        let mut now = Now { kept: snapshots.kept_ids(), needed: BlockSet::default() };
        // Of one that was void the inventory did not see to everything that it needs.
        let acquitted = snapshots.void.iter().filter(|entry| !fences.is_void(entry.signed.session, entry.id()));
        for entry in acquitted {
            now.kept.remove(&entry.id());
        }
        for name in listed {
            let (source, sequence, id) =
                names::parse_snapshot(&name).map_err(|problem| Error::damaged("list snapshots", &name, problem))?;
            if known.contains(&id) || now.kept.contains(&id) {
                continue;
            }
            let place = SnapshotPlace { source, sequence, id };
            if let Some(signed) = self.repository.read_unless_void(place, &fences)? {
                now.needed.union(&self.repository.reference_map(id, &signed.references)?);
                now.kept.insert(id);
            }
        }
        Ok(now)
    }

    /// The packs of a list with blocks that are needed, unknown to the inventory, and nowhere else as good; for a collector that
    /// opens nothing, with any that are needed and have no twin that counts.
    fn still_needed(
        &self,
        list: &Condemned,
        mut needed: BlockSet,
        condemned: HashSet<PackId>,
    ) -> Result<HashSet<PackId>> {
        let mut held = HashSet::new();
        if let Some(known) = self.compared {
            needed.union(known);
        }
        if needed.is_empty() || list.packs.is_empty() {
            return Ok(held);
        }
        let repository = self.repository;
        let mut absent = condemned;
        absent.extend(repository.index_beside(HashSet::new(), Care::Tails)?.packs_beside(&repository.list_packs()?));
        let outside = repository.index_beside(absent, Care::Tails)?;
        let mut twins = Twins::new(repository);
        for pack in listed_packs(repository, list.packs.iter())? {
            let (id, _) =
                names::parse_pack(&pack.name).map_err(|problem| Error::damaged("list packs", &pack.name, problem))?;
            let judged = match self.compared {
                Some(_) => has_twins(repository, &pack, (&needed, &outside), &mut twins),
                None => has_good_copies(repository, &pack, (&needed, &outside)),
            };
            match judged {
                Ok(true) => {}
                // Another collector has deleted it.
                Err(_) if is_gone(repository, &pack)? => {}
                Ok(false) => drop(held.insert(id)),
                Err(error) if error.kind() == Kind::Corrupt => drop(held.insert(id)),
                Err(error) => return Err(error),
            }
        }
        Ok(held)
    }

    /// Before the first is gone: from then on nothing but this record tells that it was meant to go, and that what stands under
    /// the name of such a pack is not that pack.
    fn record<'p>(
        &self,
        places: impl IntoIterator<Item = &'p CondemnedSnapshot>,
        packs: impl IntoIterator<Item = PackId>,
    ) -> Result<()> {
        let places = places.into_iter();
        let places = places.map(|place| SnapshotPlace { source: place.source, sequence: place.sequence, id: place.id });
        self.repository.record_removal(places, packs.into_iter().collect())
    }

    /// A snapshot goes before its map, and its map before its mark: so a snapshot never lacks its map, and what is left is
    /// still known to be forgotten.
    fn snapshot(&mut self, place: &CondemnedSnapshot) -> Result<()> {
        self.delete(&names::snapshot(place.source, place.sequence, place.id))?;
        self.delete(&names::refs(place.id))?;
        self.delete(&names::trash(place.id))
    }

    /// Every wrap of the data keys of a list; answers whether all are gone. One of which blocks are there again is carried on
    /// under another name first: a sync may have relied on it before it was doomed.
    fn data_keys(&mut self, list: &Condemned, condemned: &CondemnedLists) -> Result<bool> {
        if list.keys.is_empty() {
            return Ok(true);
        }
        let Some(needed) = sessions_with_blocks(self.repository)? else { return Ok(false) };
        let listed = names_of(self.repository, names::DATA_KEYS)?;
        let wraps: Vec<DataKeyName> = listed.iter().filter_map(|name| names::parse_data_key(name).ok()).collect();
        let (go, others): (Vec<_>, Vec<_>) = wraps.into_iter().partition(|wrap| list.keys.contains(&(*wrap).into()));
        let others: Vec<DataKeyName> = others.into_iter().filter(|wrap| !condemned.has_wrap(*wrap)).collect();
        let mut are_gone = true;
        for wrap in go {
            let others = others.iter().filter(|other| other.session == wrap.session);
            if !needed.contains(&wrap.session) || self.is_safe_elsewhere(&wrap, others)? {
                self.delete(&wrap.name())?;
            } else {
                are_gone = false;
            }
        }
        Ok(are_gone)
    }

    /// Whether the keys of a wrap are in another one that nothing dooms; where they are not, puts them there.
    fn is_safe_elsewhere<'w>(
        &self,
        wrap: &DataKeyName,
        mut others: impl Iterator<Item = &'w DataKeyName>,
    ) -> Result<bool> {
        let repository = self.repository;
        if repository.may_do_everything() {
            let opened = |wrap: &DataKeyName| repository.data_keys.read_wrap(wrap).map(|(_, key)| key);
            let key = match opened(wrap) {
                // It opens nothing now. What it was is for a repair to find out.
                Err(error) if error.kind() == Kind::Corrupt => return Ok(false),
                key => key?,
            };
            if others.any(|other| opened(other).is_ok_and(|other| other == key)) {
                return Ok(true);
            }
        }
        let bytes = read_object(&*repository.store, &wrap.name(), "read data key")?;
        let name = DataKeyName { carrier: Some(self.collector), ..*wrap }.name();
        match repository.with_reserve(|| put(&*repository.store, &name, &bytes)) {
            // For another list, or by a try whose reply was lost; or another wrap of these keys, and then this one stays.
            Err(Error::Store { source, .. }) if is_present(&source) => {
                repository.make_durable(&name)?;
                Ok(read_object(&*repository.store, &name, "read back")? == bytes)
            }
            done => done.map(|()| true),
        }
    }

    /// Deletes the sidecars of packs that are gone.
    pub fn sidecars_of_no_pack(&mut self) -> Result<()> {
        // Sidecars first: the pack of one that is listed was there before it.
        let sidecars = names_of(self.repository, names::PARITY)?;
        if sidecars.is_empty() {
            return Ok(());
        }
        let packs = names_of(self.repository, names::PACKS)?;
        let packs: HashSet<PackId> = packs.iter().filter_map(|pack| Some(names::parse_pack(pack).ok()?.0)).collect();
        for name in sidecars {
            if names::parse_parity(&name).is_ok_and(|(pack, _)| !packs.contains(&pack)) {
                self.delete(&name)?;
            }
        }
        Ok(())
    }

    pub fn delete(&mut self, name: &str) -> Result<()> {
        // A hold may have been put since the prune began.
        self.repository.refuse_held_by_own_clock("prune")?;
        delete(&*self.repository.store, name)?;
        self.deleted += 1;
        Ok(())
    }
}

/// Snapshots that lists name where they stand.
fn truly_condemned(around: &Surroundings, snapshots: &Snapshots) -> HashSet<SnapshotId> {
    let named = around.condemned.lists.iter().flat_map(|list| &list.snapshots);
    named.filter(|named| !snapshots.stands_elsewhere(named)).map(|named| named.id).collect()
}

fn place_of(entry: &ProvedSnapshot) -> CondemnedSnapshot {
    let SnapshotPlace { source, sequence, id } = entry.signed.place;
    CondemnedSnapshot { source, sequence, id }
}

/// Whether everything that is needed of a pack has a copy outside that opens and is whole, or has the same bytes.
fn has_good_copies(
    repository: &Repository,
    pack: &Object,
    (needed, outside): (&BlockSet, &Arc<Index>),
) -> Result<bool> {
    let (blocks, mut twins) = (repository.block_reader(outside), Twins::new(repository));
    for row in repository.read_pack_listing(pack)?.rows.iter().filter(|row| needed.contains(row.block)) {
        let mut is_elsewhere = false;
        for copy in outside.copies(row.block)? {
            let is_as_good = !copy.thinned || twins.are_twins((pack, row), &copy)?;
            is_elsewhere = is_elsewhere || is_as_good && blocks.has_good_copy((row.block, row.kind), &copy)?;
        }
        if !is_elsewhere {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether everything that is needed of a pack has a twin where the index leads. Of a pack that is damaged, parity may bring
/// back something else than what is there.
fn has_twins(
    repository: &Repository,
    pack: &Object,
    (needed, outside): (&BlockSet, &Index),
    twins: &mut Twins<'_>,
) -> Result<bool> {
    let listing = repository.read_pack_listing(pack)?;
    let mut rows = listing.rows.iter().filter(|row| needed.contains(row.block)).peekable();
    if rows.peek().is_some() {
        require_whole(&*repository.store, (listing.id, listing.session))?;
    }
    for row in rows {
        let copy = outside.find_block(row.block)?;
        if !copy.map_or(Ok(false), |copy| twins.are_twins((pack, row), &copy))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_gone(repository: &Repository, pack: &Object) -> Result<bool> {
    match repository.store.len(&pack.name) {
        Err(source) if is_absent(&source) => Ok(true),
        len => len.map(|_| false).map_err(|source| store_error("read", &pack.name, source)),
    }
}

/// Sessions of which a snapshot, the index, or a pack beside it has anything; none if a pack cannot be read that may.
pub fn sessions_with_blocks(repository: &Repository) -> Result<Option<HashSet<SessionId>>> {
    let AllSnapshots { entries, void, .. } = repository.every_snapshot()?;
    let mut sessions: HashSet<SessionId> = HashSet::new();
    for entry in entries.iter().chain(&void) {
        sessions.insert(entry.signed.session);
    }
    for entry in &entries {
        sessions.extend(repository.reference_map(entry.id(), &entry.signed.references)?.sessions());
    }
    let index = repository.index_beside(HashSet::new(), Care::Tails)?;
    index.for_each_block(|block, _| {
        sessions.insert(block.session);
    })?;
    let named = index.packs();
    for pack in repository.list_packs()? {
        if names::parse_pack(&pack.name).is_ok_and(|(id, _)| named.contains_key(&id)) {
            continue;
        }
        match repository.read_pack_listing(&pack) {
            // What is in it is not known.
            Err(error) if error.kind() == Kind::Corrupt => return Ok(None),
            listing => sessions.extend(listing?.rows.iter().map(|row| row.block.session)),
        }
    }
    Ok(Some(sessions))
}
