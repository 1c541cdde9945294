//! Rescuing: copying what is still needed of condemned packs into new ones, as ciphertext.
//!
//! Owns the choice of the copy, and copying it. Decides neither what is needed nor what is condemned, deletes nothing, and
//! never carries on a block that it can see to be damaged. Memory: 96 bytes for each block that is rescued, and the rows of
//! one pack.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::condemned::CondemnedLists;
use crate::error::{Error, Kind, Result};
use crate::format::coord::CondemnedPack;
use crate::format::pack::PackRow;
use crate::format::refs::BlockSet;
use crate::format::table::TablePack;
use crate::format::{limits, names};
use crate::id::{BlockId, PackId, SessionId, SnapshotId};
use crate::index::{Care, Index, NewRows, write_tables};
use crate::pack_reader::PackListing;
use crate::pack_writer::{FinishedPack, PackWriter, SealedBlock};
use crate::parity::require_whole;
use crate::repository::{Repository, list};
use crate::store::Object;

/// Blocks that a session relies on, and what it knows of them.
pub struct Wanted<'a> {
    pub blocks: Vec<BlockId>,
    /// The snapshot from which they were taken over, if they were.
    pub believed: Option<SnapshotId>,
    /// The index in which the others were found.
    pub found: Option<&'a Index>,
}

impl Wanted<'_> {
    /// Gives each of them a good copy outside the packs of these lists, which do not wait for the session (W4 of
    /// docs/concurrency.md). A copy is good if it is thinned no more often than the one that was found, or if whoever thinned it
    /// knew the snapshot that is believed.
    ///
    /// # Errors
    /// [`Error::BlockMissing`] when there is none, in condemned packs either.
    pub fn secure(&self, repository: &Repository, session: SessionId, condemned: &CondemnedLists) -> Result<()> {
        if let Some(block) = self.blocks.iter().find(|block| condemned.has_key(block.session)) {
            return Err(Error::BlockMissing { block: block.to_string() });
        }
        let accepted = repository.known_losses()?.accepted;
        let missing = self.without_good_copy(repository, condemned)?;
        if missing.is_empty() {
            return Ok(());
        }
        let packs = listed_packs(repository, condemned.lists.iter().flat_map(|list| &list.packs))?;
        rescue((repository, repository), session, &packs, |_, row, _| Ok(missing.contains(&row.block)))?;
        let mut missing = self.without_good_copy(repository, condemned)?.into_iter();
        // Of what was given up there may be nothing to be had.
        match missing.find(|block| !accepted.contains(*block)) {
            Some(block) => Err(Error::BlockMissing { block: block.to_string() }),
            None => Ok(()),
        }
    }

    fn without_good_copy(&self, repository: &Repository, condemned: &CondemnedLists) -> Result<HashSet<BlockId>> {
        let packs = list(&*repository.store, names::PACKS)?;
        let mut absent = repository.index_beside(HashSet::new(), Care::Tails)?.packs_beside(&packs);
        let is_considered = |parent| condemned.lists.iter().all(|list| list.considered.contains(&parent));
        let is_unknown = self.believed.is_some_and(|parent| !is_considered(parent));
        let all = repository.index_beside(absent.clone(), Care::Tails)?;
        let found = self.found.filter(|_| !is_unknown).unwrap_or(&all);
        absent.extend(condemned.packs());
        let outside = repository.index_beside(absent, Care::Tails)?;
        let mut missing = HashSet::new();
        for block in &self.blocks {
            let copy = outside.find_block(*block)?;
            let least = found.find_block(*block)?.map_or(u8::MAX, |found| found.thinned);
            if copy.is_none_or(|copy| copy.thinned > least) {
                missing.insert(*block);
            }
        }
        Ok(missing)
    }
}

/// The condemned packs that are still in the store.
pub fn listed_packs<'p>(
    repository: &Repository,
    condemned: impl Iterator<Item = &'p CondemnedPack>,
) -> Result<Vec<Object>> {
    let condemned: BTreeMap<String, ()> = condemned.map(|pack| (names::pack(pack.id, pack.session), ())).collect();
    let listed = list(&*repository.store, names::PACKS)?;
    Ok(listed.into_iter().filter(|pack| condemned.contains_key(&pack.name)).collect())
}

/// Copies out of `packs` of one repository into another, mostly the same, every block for which `is_missing` says that no
/// good copy is elsewhere, and indexes the copies as blocks in packs of `session`. Of several copies the one that is thinned
/// least counts. Whoever may not open them takes none of two that differ, since it cannot tell which is the true one. Answers
/// which blocks it has copied.
///
/// A pack that vanishes meanwhile has been deleted by a collector that saw no need for it; whoever called looks again at
/// what is missing then.
pub fn rescue(
    (from, into): (&Repository, &Repository),
    session: SessionId,
    packs: &[Object],
    mut is_missing: impl FnMut(&PackListing, &PackRow, &[u8]) -> Result<bool>,
) -> Result<BlockSet> {
    let mut chosen = HashMap::<BlockId, Choice>::new();
    for pack in packs {
        let mut is_whole = None;
        each_block(from, pack, |listing, row, table| {
            if is_missing(listing, row, table)?
                && let Some(unopened) = look_at((from, into), listing, (row, table), &mut is_whole)?
            {
                let choice = Choice { place: (listing.id, row.thinned), unopened, is_contested: false };
                chosen.entry(row.block).and_modify(|other| other.consider(choice)).or_insert(choice);
            }
            Ok(())
        })?;
    }
    chosen.retain(|_, choice| !choice.is_contested);
    let mut copies = Copies { from, into, session, open: BTreeMap::new(), rows: NewRows::default() };
    for pack in packs {
        each_block(from, pack, |listing, row, table| match chosen.get(&row.block) {
            Some(choice) if choice.place == (listing.id, row.thinned) => copies.add(listing, row, table),
            _ => Ok(()),
        })?;
    }
    copies.finish()?;
    let mut copied = BlockSet::default();
    copied.extend(chosen.into_keys());
    Ok(copied)
}

/// The copy of a block that is to be carried on.
#[derive(Clone, Copy)]
struct Choice {
    place: (PackId, u8),
    /// Hash of its bytes and its chunk table, where it may not be opened.
    unopened: Option<[u8; 32]>,
    is_contested: bool,
}

impl Choice {
    fn consider(&mut self, other: Self) {
        self.is_contested |= self.unopened != other.unopened;
        if other.place.1 < self.place.1 {
            self.place = other.place;
        }
    }
}

/// Calls `each` for every block of a pack; a pack that is damaged or gone has none.
fn each_block(
    repository: &Repository,
    pack: &Object,
    mut each: impl FnMut(&PackListing, &PackRow, &[u8]) -> Result<()>,
) -> Result<()> {
    let listing = match repository.read_pack_listing(pack) {
        Err(error) if is_gone(&error) || error.kind() == Kind::Corrupt => return Ok(()),
        listing => listing?,
    };
    let visited = listing.for_each_table(&*repository.store, |row, table| each(&listing, row, table));
    match visited {
        Err(error) if is_gone(&error) => Ok(()),
        other => other,
    }
}

fn is_pack_whole(repository: &Repository, listing: &PackListing) -> Result<bool> {
    match require_whole(&*repository.store, (listing.id, listing.session)) {
        Err(error) if error.kind() == Kind::Corrupt => Ok(false),
        whole => whole.map(|()| true),
    }
}

/// Looks whether a copy opens where it stands; none if it does not. Of one that may not be opened, the hash, if its pack is what
/// its name says, which is found out once.
fn look_at(
    (from, into): (&Repository, &Repository),
    listing: &PackListing,
    (row, table): (&PackRow, &[u8]),
    is_whole: &mut Option<bool>,
) -> Result<Option<Option<[u8; 32]>>> {
    let mut bytes = vec![0; row.stored_len as usize];
    let pack = Object { name: names::pack(listing.id, listing.session), len: listing.len };
    from.read_pack_at(&pack, row.offset.into(), &mut bytes)?;
    let hash = blake3::Hasher::new().update(&bytes).update(table).finalize();
    let index = Index::of_tables(into.store.clone(), into.keys.clone(), &[])?;
    match into.block_reader(&index.into()).check_seal(row.into(), &mut bytes) {
        Err(error) if error.kind() == Kind::Corrupt => Ok(None),
        // A key that may not open it sees damage by the pack's name alone: what is damaged must not come under a name that fits.
        Err(Error::NotAllowed { .. }) => {
            let known = match *is_whole {
                Some(known) => known,
                None => *is_whole.insert(is_pack_whole(from, listing)?),
            };
            Ok(known.then_some(Some(hash.into())))
        }
        opened => opened.map(|()| Some(None)),
    }
}

fn is_gone(error: &Error) -> bool {
    match error {
        Error::Missing { .. } => true,
        Error::Store { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

/// New packs under way, by kind of block.
struct Copies<'r> {
    from: &'r Repository,
    into: &'r Repository,
    session: SessionId,
    open: BTreeMap<u8, PackWriter>,
    rows: NewRows,
}

impl Copies<'_> {
    fn add(&mut self, listing: &PackListing, row: &PackRow, table: &[u8]) -> Result<()> {
        let repository = self.into;
        let mut bytes = vec![0; row.stored_len as usize];
        let name = names::pack(listing.id, listing.session);
        self.from.read_pack_at(&Object { name, len: listing.len }, row.offset.into(), &mut bytes)?;
        // A table that does not open costs the block its place in deduplication, and nothing else.
        match PackListing::open_table(&repository.data_keys, row.block, table) {
            Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Denied) => {}
            // That of a thinned copy may be another's, with chunks that were taken out.
            Ok(_) if row.thinned > 0 => {}
            chunks => self.rows.add_chunks(row.block, row.thinned, &chunks?),
        }
        let block = SealedBlock { id: row.block, kind: row.kind, thinned: row.thinned, bytes, table: table.to_vec() };
        let shelf = row.kind.object_kind() as u8;
        let mut pack = match self.open.remove(&shelf) {
            Some(pack) => pack,
            None => PackWriter::begin(&*repository.store, repository.id(), self.session)?,
        };
        pack.append(&block)?;
        if pack.len() < limits::PACK_TARGET_MAX {
            self.open.insert(shelf, pack);
            return Ok(());
        }
        let finished = pack.finish()?;
        self.note(&finished);
        self.publish()
    }

    fn note(&mut self, finished: &FinishedPack) {
        let pack = TablePack { id: finished.id, session: self.session, len: finished.len };
        self.rows.add_own_pack(&self.into.keys, pack, &finished.rows);
    }

    fn publish(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        write_tables(&*self.into.store, &self.into.keys, rows, &[]).map(drop)
    }

    fn finish(mut self) -> Result<()> {
        for pack in std::mem::take(&mut self.open).into_values() {
            let finished = pack.finish()?;
            self.note(&finished);
        }
        self.publish()
    }
}
