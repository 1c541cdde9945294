//! The blocks that brought snapshots need.
//!
//! Owns which of them are here, which copies come, and copying them as ciphertext. Every copy is opened before it is put, and none
//! comes of which the same bytes are here. Anybody can put packs and tables of blocks, so what is here counts only where nobody else can
//! have put it, or where it opens. Of a block that is thinned on both sides each copy may have what the other lacks, so
//! all that are there come, or none counts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::condemned::CondemnedLists;
use crate::error::{Error, Result, unless_damaged};
use crate::format::names;
use crate::format::pack::PackRow;
use crate::format::refs::BlockSet;
use crate::id::{BlockId, PackId, SessionId};
use crate::index::{BlockPlace, Index};
use crate::pack_reader::{BlockReader, PackListing};
use crate::prune::PruneObserver;
use crate::repository::Repository;
use crate::session::{Copies, TrueCopies, present_index};
use crate::store::{Object, is_absent};

use super::fetching::{Chosen, Fetched, fetch, opens};

/// Blocks on their way.
pub struct Blocks<'r> {
    here: &'r Repository,
    own: Arc<Index>,
    own_blocks: BlockReader,
    true_copies: TrueCopies<'r>,
    /// Blocks that are here: snapshots of their own domain need them that are, or a copy was looked at.
    sure: BlockSet,
    theirs: Theirs<'r>,
    copies: Copies<'r>,
    /// Blocks that are asked for, with the bytes that they take there.
    waiting: BlockSet,
    waiting_bytes: u64,
    /// Blocks that have come.
    arrived: BlockSet,
    /// Blocks that were asked for and could not be brought.
    missing: BlockSet,
    pub brought: u64,
}

impl<'r> Blocks<'r> {
    pub fn open(
        (here, there): (&'r Repository, &'r Repository),
        session: SessionId,
        condemned: &mut CondemnedLists,
    ) -> Result<Self> {
        let open = here.leases().open_leases(session)?;
        let (own, _, _) = present_index(here, &here.list_packs()?, &open, condemned)?;
        Ok(Self {
            here,
            own_blocks: here.block_reader(&own),
            true_copies: TrueCopies::new(here, &own),
            own,
            sure: BlockSet::default(),
            theirs: Theirs::look(there)?,
            copies: Copies::new(here, session)?,
            waiting: BlockSet::default(),
            waiting_bytes: 0,
            arrived: BlockSet::default(),
            missing: BlockSet::default(),
            brought: 0,
        })
    }

    pub fn keep_apart(&mut self, session: SessionId) {
        self.copies.keep_apart(session);
    }

    pub fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes
    }

    pub fn bytes(&self) -> u64 {
        self.copies.bytes
    }

    /// Whether a copy of a block that is sealed under the keys of a session opens there: whoever knows a public key makes others.
    pub fn opens_there(&self, blocks: &BlockSet, session: SessionId) -> Result<bool> {
        for block in blocks.iter().filter(|block| block.session == session) {
            for place in self.theirs.copies(block)? {
                if self.theirs.blocks.has_good_copy((block, place.kind), &place)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Notes what a snapshot of a session needs that is here, as far as it is in packs for which somebody vouches: their directories need not
    /// be read. What it needs of another domain is only said to be there.
    pub fn count_on(&mut self, blocks: &BlockSet, session: SessionId) -> Result<()> {
        let domain = self.here.keys.domain_of(session);
        for block in blocks.iter().filter(|block| self.here.keys.domain_of(block.session) == domain) {
            if self.own.copies(block)?.iter().any(|copy| self.own.is_sure(domain, copy.pack)) {
                self.sure.insert(block);
            }
        }
        Ok(())
    }

    /// Asks for those of these blocks that are not here.
    pub fn ask_for(&mut self, blocks: &BlockSet) -> Result<()> {
        for block in blocks.iter() {
            if self.arrived.contains(block) || self.waiting.contains(block) {
                continue;
            }
            match self.lacks(block)? {
                true => self.wait_for(block)?,
                false => drop(self.sure.insert(block)),
            }
        }
        Ok(())
    }

    /// Asks for those of which nothing is here, for a snapshot that is; answers whether there are any.
    pub fn ask_for_lost(&mut self, blocks: &BlockSet) -> Result<bool> {
        let mut is_any = false;
        for block in blocks.iter() {
            if !self.arrived.contains(block) && self.own.copies(block)?.is_empty() {
                self.wait_for(block)?;
                is_any = true;
            }
        }
        Ok(is_any)
    }

    fn wait_for(&mut self, block: BlockId) -> Result<()> {
        if self.waiting.insert(block) {
            self.waiting_bytes += self.theirs.copies(block)?.first().map_or(0, |place| place.stored_len.into());
        }
        Ok(())
    }

    /// The copies that are here.
    fn own_copies(&self, block: BlockId) -> Result<Vec<BlockPlace>> {
        let copies = self.own.copies(block)?;
        if self.sure.contains(block) { Ok(copies) } else { self.true_copies.of(block, copies) }
    }

    fn lacks(&self, block: BlockId) -> Result<bool> {
        let own = self.own_copies(block)?;
        if own.is_empty() || own.iter().any(|copy| !copy.thinned) {
            return Ok(own.is_empty());
        }
        let theirs = self.theirs.copies(block)?;
        // Nobody can say then that what is thinned here has what this snapshot needs.
        let mut lacks = theirs.is_empty();
        for copy in theirs {
            lacks = lacks || !copy.thinned || !self.is_here(block, &own, &copy)?;
        }
        Ok(lacks)
    }

    /// Whether one of our copies that opens is the very one that is there: the nonce in its header says so.
    fn is_here(&self, block: BlockId, own: &[BlockPlace], theirs: &BlockPlace) -> Result<bool> {
        let Some(wanted) = unless_damaged(self.theirs.blocks.read_header(theirs))? else { return Ok(false) };
        for copy in own.iter().filter(|copy| copy.stored_len == theirs.stored_len) {
            let is_same = self.own_blocks.read_header(copy).is_ok_and(|header| header == wanted);
            if is_same && self.own_blocks.has_good_copy((block, copy.kind), copy)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Brings what was asked for: whole copies pack by pack, then whatever is there of the rest.
    pub fn bring(
        &mut self,
        observer: &dyn PruneObserver,
        mut renew: impl FnMut(&Repository) -> Result<()>,
    ) -> Result<()> {
        self.waiting_bytes = 0;
        let waiting = std::mem::take(&mut self.waiting);
        let (chosen, bytes) = self.choose(&waiting)?;
        observer.expect(0, bytes);
        let Self { here, own_blocks, theirs, copies, arrived, brought, .. } = self;
        fetch((theirs.repository, own_blocks), &chosen, |fetched| {
            observer.check()?;
            renew(here)?;
            for Fetched { row, table, bytes } in fetched {
                observer.advance(0, row.stored_len.into());
                copies.add(&row, &table, bytes)?;
                arrived.insert(row.block);
                *brought += 1;
            }
            Ok(())
        })?;
        let rest: Vec<BlockId> = waiting.iter().filter(|block| !self.arrived.contains(*block)).collect();
        if !rest.is_empty() {
            // What a prune has moved meanwhile is elsewhere now.
            self.theirs = Theirs::look(self.theirs.repository)?;
        }
        for block in rest {
            observer.check()?;
            renew(self.here)?;
            if self.bring_one(block)? {
                self.arrived.insert(block);
            } else {
                self.missing.insert(block);
            }
        }
        self.copies.finish()?;
        // Nobody has accepted that what came is lost again.
        self.here.withdraw_healed_losses()
    }

    /// Where whole copies are, by pack, and how long they are together.
    fn choose(&self, waiting: &BlockSet) -> Result<(Vec<Chosen>, u64)> {
        let (mut chosen, mut bytes) = (BTreeMap::<String, HashSet<(u32, BlockId)>>::new(), 0);
        for block in waiting.iter() {
            if let Some(place) = self.theirs.copies(block)?.iter().find(|place| !place.thinned) {
                let blocks = chosen.entry(names::pack(place.pack, place.pack_session)).or_default();
                blocks.insert((place.offset, block));
                bytes += u64::from(place.stored_len);
            }
        }
        Ok((chosen.into_iter().map(|(pack, blocks)| Chosen { pack, blocks }).collect(), bytes))
    }

    /// Brings a whole copy of a block, or else every thinned one of which the same is not here; answers whether all of it came.
    fn bring_one(&mut self, block: BlockId) -> Result<bool> {
        let own = self.own.copies(block)?;
        let theirs = self.theirs.copies(block)?;
        let (thinned, whole): (Vec<_>, Vec<_>) = theirs.into_iter().partition(|place| place.thinned);
        for place in whole {
            if self.copy_from(block, &place)? {
                return Ok(true);
            }
        }
        let mut is_there = !thinned.is_empty();
        for place in thinned {
            is_there = (self.is_here(block, &own, &place)? || self.copy_from(block, &place)?) && is_there;
        }
        Ok(is_there)
    }

    fn copy_from(&mut self, block: BlockId, place: &BlockPlace) -> Result<bool> {
        let pack = names::pack(place.pack, place.pack_session);
        let is_it = |row: &&PackRow| (row.block, row.offset) == (block, place.offset);
        let row = self.theirs.listing(&pack)?.and_then(|listing| listing.rows.iter().find(is_it).copied());
        row.map_or(Ok(false), |row| self.copy(&pack, &row))
    }

    /// Copies a block that opens where it stands; answers whether it does.
    fn copy(&mut self, pack: &str, row: &PackRow) -> Result<bool> {
        let Some(bytes) = self.theirs.read(pack, (row.offset, row.stored_len))? else { return Ok(false) };
        let Some(table) = self.theirs.read(pack, (row.table_offset, row.table_len))? else { return Ok(false) };
        if !opens((self.theirs.repository, &self.own_blocks), row, (&bytes, &table))? {
            return Ok(false);
        }
        self.copies.add(row, &table, bytes)?;
        self.brought += 1;
        Ok(true)
    }

    /// Makes sure that each of these blocks has come, or is in one of these packs, which are listed.
    ///
    /// # Errors
    /// [`Error::BlockMissing`].
    pub fn require(&self, blocks: &BlockSet, packs: &HashSet<String>) -> Result<()> {
        for block in blocks.iter().filter(|block| !self.arrived.contains(*block)) {
            let copies = if self.missing.contains(block) { Vec::new() } else { self.own_copies(block)? };
            if !copies.iter().any(|copy| packs.contains(&names::pack(copy.pack, copy.pack_session))) {
                return Err(Error::BlockMissing { block: block.to_string() });
            }
        }
        Ok(())
    }
}

/// Every copy that is there: those that tables name, and those in packs that no table names any more, because a collector has
/// moved something out of them that a snapshot which came since may need.
struct Theirs<'r> {
    repository: &'r Repository,
    index: Arc<Index>,
    unnamed: HashMap<BlockId, Vec<BlockPlace>>,
    blocks: BlockReader,
    /// The pack that was looked into last.
    last: Option<(String, PackListing)>,
}

impl<'r> Theirs<'r> {
    fn look(repository: &'r Repository) -> Result<Self> {
        let index = repository.index_beside(HashSet::new(), crate::index::Care::Tails)?;
        let (named, doomed) = (index.packs(), repository.condemned()?.packs());
        let mut unnamed = HashMap::<BlockId, Vec<BlockPlace>>::new();
        for pack in repository.list_packs()? {
            let is_unnamed = |id: PackId| !named.contains_key(&id) || doomed.contains(&id);
            if !names::parse_pack(&pack.name).is_ok_and(|(id, _)| is_unnamed(id)) {
                continue;
            }
            if let Some(listing) = unless_lost(repository.read_pack_listing(&pack))? {
                for row in &listing.rows {
                    unnamed.entry(row.block).or_default().push(listing.place_of(row));
                }
            }
        }
        let blocks = repository.block_reader(&index);
        Ok(Self { repository, index, unnamed, blocks, last: None })
    }

    /// Whole ones first, and of those the ones that tables name.
    fn copies(&self, block: BlockId) -> Result<Vec<BlockPlace>> {
        let mut copies = self.index.copies(block)?;
        for place in self.unnamed.get(&block).into_iter().flatten() {
            if !copies.contains(place) {
                copies.push(*place);
            }
        }
        copies.sort_by_key(|place| place.thinned);
        Ok(copies)
    }

    /// What a pack says that it has; none if it cannot say it, or is gone.
    fn listing(&mut self, pack: &str) -> Result<Option<&PackListing>> {
        if self.last.as_ref().is_none_or(|(name, _)| name != pack) {
            let Some(len) = unless_gone(self.repository.store.len(pack), pack)? else { return Ok(None) };
            let read = self.repository.read_pack_listing(&Object { name: pack.to_owned(), len });
            let Some(listing) = unless_lost(read)? else { return Ok(None) };
            self.last = Some((pack.to_owned(), listing));
        }
        Ok(self.last.as_ref().map(|(_, listing)| listing))
    }

    fn read(&self, pack: &str, (offset, len): (u32, u32)) -> Result<Option<Vec<u8>>> {
        let mut bytes = vec![0; len as usize];
        let pack = Object { name: pack.to_owned(), len: u64::MAX };
        let read = self.repository.read_pack_at(&pack, offset.into(), &mut bytes);
        Ok(unless_lost(read)?.map(|()| bytes))
    }
}

/// Nothing where something is damaged or gone.
pub fn unless_lost<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Err(Error::Store { source, .. }) if is_absent(&source) => Ok(None),
        read => unless_damaged(read),
    }
}

pub fn unless_gone<T>(read: std::io::Result<T>, name: &str) -> Result<Option<T>> {
    match read {
        Err(source) if is_absent(&source) => Ok(None),
        read => read.map(Some).map_err(|source| Error::Store { verb: "read", name: name.to_owned(), source }),
    }
}
