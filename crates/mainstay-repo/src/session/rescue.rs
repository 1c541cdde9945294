//! Rescuing: copying what is still needed of condemned packs into new ones, as ciphertext.
//!
//! Owns the choice of the copy, and copying it. Decides neither what is needed nor what is condemned, deletes nothing, and
//! never carries on a block that it can see to be damaged. Memory: 96 bytes for each block that is rescued, and the rows of
//! one pack.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::twins::Twins;
use crate::condemned::CondemnedLists;
use crate::error::{Error, Kind, Result};
use crate::format::block::ChunkTable;
use crate::format::coord::CondemnedPack;
use crate::format::pack::PackRow;
use crate::format::refs::BlockSet;
use crate::format::{limits, names};
use crate::id::{BlockId, PackId, SessionId, SnapshotId};
use crate::index::{BlockPlace, Care, Index, NewRows, write_tables};
use crate::pack_reader::{BlockReader, OpenBlock, PackListing};
use crate::pack_writer::{PackWriter, SealedBlock};
use crate::parity::is_whole_pack;
use crate::repository::{Repository, list};
use crate::session::TrueCopies;
use crate::store::{Object, is_absent};

/// Blocks that a session relies on, and what it knows of them.
pub struct Wanted<'a> {
    pub blocks: Vec<BlockId>,
    /// The snapshot from which they were taken over, if they were.
    pub believed: Option<SnapshotId>,
    /// The index in which the others were found.
    pub found: Option<&'a Index>,
}

impl Wanted<'_> {
    /// Gives each of them good copies outside the packs of these lists, which do not wait for the session (W4 of
    /// docs/concurrency.md). A whole copy is good; thinned ones are if all are there that were found, or, where whoever thinned
    /// them may not have known the snapshot that is believed, all that the packs of these lists have.
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
        let packs = listed_packs(repository, condemned.each_pack())?;
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
        let listed: HashSet<&str> = packs.iter().map(|pack| pack.name.as_str()).collect();
        let mut absent = repository.index_beside(HashSet::new(), Care::Tails)?.packs_beside(&packs);
        absent.extend(condemned.packs());
        let outside = repository.index_beside(absent, Care::Tails)?;
        // What a collector has moved since is named by no table where it was found; its old pack waits for this session.
        let doomed = condemned.packs();
        let is_there = |copy: &BlockPlace| {
            !doomed.contains(&copy.pack) && listed.contains(&*names::pack(copy.pack, copy.pack_session))
        };
        let is_known = self.found.is_some() && self.believed.is_none_or(|parent| condemned.have_all_considered(parent));
        // No table names what a collector has moved out of a doomed pack: the pack itself does.
        let in_doomed = if is_known { InDoomed::default() } else { self.copies_in_doomed(repository, condemned)? };
        // Whoever has looked at nothing takes no table at its word.
        let judged = self.found.is_none().then(|| TrueCopies::new(repository, &outside));
        let mut twins = Twins::new(repository);
        let mut missing = HashSet::new();
        for block in &self.blocks {
            let found = self.found.map_or(Ok(Vec::new()), |found| found.copies(*block))?;
            let mut copies = outside.copies(*block)?;
            copies.extend(found.iter().filter(|copy| is_there(copy)).copied());
            if let Some(judged) = &judged {
                copies = judged.of(*block, copies)?;
            }
            let others = in_doomed.copies.get(block).unwrap_or(&found);
            let is_unsure = in_doomed.is_incomplete && copies.iter().all(|copy| copy.thinned);
            if copies.is_empty() || is_unsure || !has_all_of(&copies, others, *block, &mut twins)? {
                missing.insert(*block);
            }
        }
        Ok(missing)
    }

    /// The copies of these blocks in condemned packs, as those say themselves.
    fn copies_in_doomed(&self, repository: &Repository, condemned: &CondemnedLists) -> Result<InDoomed> {
        let wanted: HashSet<BlockId> = self.blocks.iter().copied().collect();
        let mut found = InDoomed::default();
        for pack in listed_packs(repository, condemned.each_pack())? {
            let listing = match repository.read_pack_listing(&pack) {
                Err(error) if is_gone(&error) => continue,
                Err(error) if error.kind() == Kind::Corrupt => {
                    found.is_incomplete = true;
                    continue;
                }
                listing => listing?,
            };
            for row in listing.rows.iter().filter(|row| wanted.contains(&row.block)) {
                found.copies.entry(row.block).or_default().push(listing.place_of(row));
            }
        }
        Ok(found)
    }
}

/// What condemned packs have of what a session relies on.
#[derive(Default)]
struct InDoomed {
    copies: HashMap<BlockId, Vec<BlockPlace>>,
    /// One of them cannot say what it has.
    is_incomplete: bool,
}

/// Whether there is a whole copy of a block, or each of the others is there, itself or a twin.
fn has_all_of(copies: &[BlockPlace], others: &[BlockPlace], block: BlockId, twins: &mut Twins<'_>) -> Result<bool> {
    if copies.iter().any(|copy| !copy.thinned) {
        return Ok(true);
    }
    for other in others {
        let mut is_there = copies.contains(other);
        for copy in copies {
            is_there = is_there || other.thinned && twins.are_same(block, other, copy)?;
        }
        if !is_there {
            return Ok(false);
        }
    }
    Ok(true)
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
/// good copy is elsewhere, and indexes the copies as blocks in packs of `session`. Of several copies one that is whole counts;
/// thinned ones are all carried on, since each may have what another lacks. Whoever may not open them takes none of two that
/// differ, since it cannot tell which is the true one. Answers which blocks it has copied.
///
/// A pack that vanishes meanwhile has been deleted by a collector that saw no need for it; whoever called looks again at
/// what is missing then.
pub fn rescue(
    (from, into): (&Repository, &Repository),
    session: SessionId,
    packs: &[Object],
    mut is_missing: impl FnMut(&PackListing, &PackRow, &[u8]) -> Result<bool>,
) -> Result<BlockSet> {
    let index = Index::of_tables(into.store.clone(), into.keys.clone(), &[])?;
    let reader = into.block_reader(&index.into());
    let mut chosen = HashMap::<BlockId, Choice>::new();
    for pack in packs {
        let mut is_whole = None;
        each_block(from, pack, |listing, row, table| {
            if is_missing(listing, row, table)?
                && let Some(copy) = look_at((from, &reader), listing, (row, table), &mut is_whole)?
            {
                chosen.entry(row.block).or_default().consider(copy);
            }
            Ok(())
        })?;
    }
    chosen.retain(|_, choice| !choice.is_contested);
    let mut copies = Copies::new(into, session)?;
    for pack in packs {
        each_block(from, pack, |listing, row, table| {
            if let Some(choice) = chosen.get_mut(&row.block)
                && choice.takes((listing.id, row.offset))
            {
                let mut bytes = vec![0; row.stored_len as usize];
                from.read_pack_at(&listing.object(), row.offset.into(), &mut bytes)?;
                copies.add(row, table, bytes)?;
                choice.copied += 1;
            }
            Ok(())
        })?;
    }
    copies.finish()?;
    // Of a pack that has vanished in between nothing was copied.
    let mut copied = BlockSet::default();
    copied
        .extend(chosen.into_iter().filter(|(_, choice)| choice.copied == choice.copies.len()).map(|(block, _)| block));
    Ok(copied)
}

/// Where a copy stands: in which pack, and at which offset.
type Standing = (PackId, u32);

/// The copies of a block that are to be carried on.
#[derive(Default)]
struct Choice {
    copies: Vec<Copy>,
    copied: usize,
    is_contested: bool,
}

/// A copy of a block, as far as it matters for the choice.
struct Copy {
    place: Standing,
    thinned: bool,
    is_opened: bool,
    /// Of its bytes and its chunk table; nothing of a whole copy that opens.
    hash: Option<blake3::Hash>,
}

impl Choice {
    fn consider(&mut self, copy: Copy) {
        if self.copies.iter().any(|known| known.is_opened && !known.thinned || known.hash == copy.hash) {
            return;
        }
        self.is_contested |= !copy.is_opened && !self.copies.is_empty();
        if copy.is_opened && !copy.thinned {
            self.copies.clear();
        }
        self.copies.push(copy);
    }

    fn takes(&self, place: Standing) -> bool {
        self.copies.iter().any(|copy| copy.place == place)
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

/// Looks whether a copy opens where it stands; none if it does not. One that may not be opened is taken if its pack is what its
/// name says, which is found out once: such a key sees damage by nothing else, and what is damaged must not come under a name
/// that fits.
fn look_at(
    (from, reader): (&Repository, &BlockReader),
    listing: &PackListing,
    (row, table): (&PackRow, &[u8]),
    is_whole: &mut Option<bool>,
) -> Result<Option<Copy>> {
    let mut bytes = vec![0; row.stored_len as usize];
    from.read_pack_at(&listing.object(), row.offset.into(), &mut bytes)?;
    let (place, thinned) = ((listing.id, row.offset), row.thinned);
    let hash_of = |bytes: &[u8]| blake3::Hasher::new().update(bytes).update(table).finalize();
    let hash = thinned.then(|| hash_of(&bytes));
    match reader.check_seal(row.into(), &mut bytes) {
        Err(error) if error.kind() == Kind::Corrupt => Ok(None),
        Err(Error::NotAllowed { .. }) => {
            let known = match *is_whole {
                Some(known) => known,
                None => *is_whole.insert(is_whole_pack(&*from.store, (listing.id, listing.session))?),
            };
            // It was not decrypted.
            let hash = Some(hash_of(&bytes));
            Ok(known.then_some(Copy { place, thinned, is_opened: false, hash }))
        }
        opened => opened.map(|()| Some(Copy { place, thinned, is_opened: true, hash })),
    }
}

fn is_gone(error: &Error) -> bool {
    match error {
        Error::Missing { .. } => true,
        Error::Store { source, .. } => is_absent(source),
        _ => false,
    }
}

/// New packs of copied blocks under way, by kind of block.
pub struct Copies<'r> {
    into: &'r Repository,
    reader: BlockReader,
    session: SessionId,
    /// Sessions whose blocks share no pack with those of others.
    apart: HashSet<SessionId>,
    open: BTreeMap<Shelf, PackWriter>,
    rows: NewRows,
    /// Bytes of the packs that are in the store.
    pub bytes: u64,
}

/// By kind of block and, of an independent copy, by its session.
type Shelf = (u8, Option<SessionId>);

impl<'r> Copies<'r> {
    pub fn new(into: &'r Repository, session: SessionId) -> Result<Self> {
        let index = Index::of_tables(into.store.clone(), into.keys.clone(), &[])?;
        let reader = into.block_reader(&index.into());
        let (apart, open) = (HashSet::new(), BTreeMap::new());
        Ok(Self { into, reader, session, apart, open, rows: NewRows::default(), bytes: 0 })
    }

    /// Keeps the blocks of an independent copy among themselves.
    pub fn keep_apart(&mut self, session: SessionId) {
        self.apart.insert(session);
    }

    /// Adds a copy, given its header and ciphertext, which open or may not be opened.
    pub fn add(&mut self, row: &PackRow, table: &[u8], bytes: Vec<u8>) -> Result<()> {
        let repository = self.into;
        let thinned = self.note_chunks(row, table, &bytes)?;
        let block = SealedBlock { id: row.block, kind: row.kind, thinned: row.thinned, bytes, table: table.to_vec() };
        let apart = self.apart.contains(&row.block.session).then_some(row.block.session);
        let shelf = (row.kind.object_kind() as u8, apart);
        let mut pack = match self.open.remove(&shelf) {
            Some(pack) => pack,
            None => PackWriter::begin(&*repository.store, repository.id(), self.session)?,
        };
        pack.append(&block)?;
        if let Some(chunks) = thinned {
            pack.note_thinned(row.block, chunks);
        }
        if pack.len() < limits::PACK_TARGET_MAX {
            self.open.insert(shelf, pack);
            return Ok(());
        }
        self.finish_pack(pack)?;
        self.publish()
    }

    fn finish_pack(&mut self, pack: PackWriter) -> Result<()> {
        let finished = pack.finish()?;
        self.bytes += finished.len;
        finished.enter(&mut self.rows, &self.into.keys);
        Ok(())
    }

    /// Notes the chunks of a whole copy; those of a thinned one it answers, if it has all that the table beside it says, which
    /// may be another's. A table that does not open costs the block its place in deduplication, and nothing else.
    fn note_chunks(&mut self, row: &PackRow, table: &[u8], bytes: &[u8]) -> Result<Option<ChunkTable>> {
        let is_no_matter = |error: &Error| matches!(error.kind(), Kind::Corrupt | Kind::Denied);
        let chunks = match PackListing::open_table(&self.into.data_keys, row.block, table) {
            Err(error) if is_no_matter(&error) => return Ok(None),
            chunks => chunks?,
        };
        if !row.thinned {
            self.rows.add_chunks(row.block, None, &chunks);
            return Ok(None);
        }
        let (mut bytes, mut plain) = (bytes.to_vec(), OpenBlock::default());
        match self.reader.open(row.into(), &mut bytes, &mut plain) {
            Err(error) if is_no_matter(&error) => Ok(None),
            opened => opened.map(|()| plain.has_all_of(&chunks).then_some(chunks)),
        }
    }

    fn publish(&mut self) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        if rows.is_empty() {
            return Ok(());
        }
        write_tables(&*self.into.store, &self.into.keys, rows, &[]).map(drop)
    }

    /// Publishes the open packs, and tables that name all of them.
    pub fn finish(&mut self) -> Result<()> {
        std::mem::take(&mut self.open).into_values().try_for_each(|pack| self.finish_pack(pack))?;
        self.publish()
    }
}
