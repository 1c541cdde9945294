//! The blocks that brought snapshots need.
//!
//! Owns which of them are here, which copies come, and copying them as ciphertext. Every copy is opened before it is put, and none
//! comes of which the same bytes are here. Of a block that is thinned on both sides each copy may have what the other lacks, so
//! both stay.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::condemned::CondemnedLists;
use crate::error::{Error, Kind, Result};
use crate::format::block::BLOCK_HEADER_LEN;
use crate::format::names;
use crate::format::pack::PackRow;
use crate::format::refs::BlockSet;
use crate::id::{BlockId, PackId, SessionId};
use crate::index::{BlockPlace, Index};
use crate::pack_reader::{BlockReader, PackListing};
use crate::prune::PruneObserver;
use crate::repository::Repository;
use crate::session::{Copies, present_index, rescue};
use crate::store::Object;

/// Blocks on their way.
pub struct Blocks<'r> {
    here: &'r Repository,
    there: &'r Repository,
    session: SessionId,
    own: Arc<Index>,
    own_blocks: BlockReader,
    theirs: Arc<Index>,
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

/// Offsets of chosen blocks, by pack.
type Chosen = BTreeMap<(PackId, SessionId), OfPack>;

/// What is chosen of one pack.
#[derive(Default)]
struct OfPack {
    pack_len: u64,
    blocks: HashSet<(u32, BlockId)>,
    bytes: u64,
}

impl<'r> Blocks<'r> {
    pub fn open(
        (here, there): (&'r Repository, &'r Repository),
        session: SessionId,
        condemned: &CondemnedLists,
    ) -> Result<Self> {
        let open = here.leases().open_leases(session)?;
        let (own, _) = present_index(here, &open, condemned)?;
        Ok(Self {
            here,
            there,
            session,
            own_blocks: here.block_reader(&own),
            own,
            theirs: there.index()?,
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

    /// Asks for those of these blocks that are not here; of a snapshot that is, for those of which there is nothing.
    pub fn ask_for(&mut self, blocks: &BlockSet, is_present: bool) -> Result<()> {
        for block in blocks.iter() {
            if !self.arrived.contains(block) && !self.waiting.contains(block) && self.lacks(block, is_present)? {
                self.waiting.insert(block);
                self.waiting_bytes += self.theirs.find_block(block)?.map_or(0, |place| place.stored_len.into());
            }
        }
        Ok(())
    }

    fn lacks(&self, block: BlockId, is_any_enough: bool) -> Result<bool> {
        let own = self.own.copies(block)?;
        if own.is_empty() || is_any_enough || own.iter().any(|copy| !copy.thinned) {
            return Ok(own.is_empty());
        }
        for copy in self.theirs.copies(block)? {
            if !copy.thinned || !self.is_here(block, &own, &copy)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether one of our copies that opens is the very one that is there: the nonce in its header says so.
    fn is_here(&self, block: BlockId, own: &[BlockPlace], theirs: &BlockPlace) -> Result<bool> {
        let mut header = [0; BLOCK_HEADER_LEN];
        let pack = Object { name: names::pack(theirs.pack, theirs.pack_session), len: u64::MAX };
        match self.there.read_pack_at(&pack, theirs.offset.into(), &mut header) {
            Err(error) if error.kind() == Kind::Corrupt => return Ok(false),
            read => read?,
        }
        for copy in own.iter().filter(|copy| copy.stored_len == theirs.stored_len) {
            let mut known = [0; BLOCK_HEADER_LEN];
            let read = self.own_blocks.read_range(copy, copy.offset.into(), &mut known);
            if read.is_ok() && known == header && self.own_blocks.has_good_copy((block, copy.kind), copy)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Brings what was asked for: whole copies as the index there leads to them, pack by pack, then whatever is there of the
    /// rest.
    pub fn bring(
        &mut self,
        observer: &dyn PruneObserver,
        mut renew: impl FnMut(&Repository) -> Result<()>,
    ) -> Result<()> {
        self.waiting_bytes = 0;
        let mut waiting = std::mem::take(&mut self.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let chosen = self.choose(&waiting)?;
        observer.expect(0, chosen.values().map(|of_pack| of_pack.bytes).sum());
        for ((pack, session), of_pack) in chosen {
            observer.check()?;
            renew(self.here)?;
            let pack = Object { name: names::pack(pack, session), len: of_pack.pack_len };
            let came = self.copy_out_of(&pack, &of_pack.blocks);
            match came {
                Err(error) if error.kind() == Kind::Corrupt => {}
                came => came?,
            }
            observer.advance(0, of_pack.bytes);
        }
        self.copies.finish()?;
        let mut rest = BlockSet::default();
        rest.extend(waiting.iter().filter(|block| !self.arrived.contains(*block)));
        waiting = rest;
        if waiting.is_empty() {
            return Ok(());
        }
        let packs = self.there.list_packs()?;
        let came = rescue((self.there, self.here), self.session, &packs, |listing, row, _| {
            Ok(waiting.contains(row.block) && !(row.thinned && self.has_same(listing, row)?))
        })?;
        self.brought += came.len();
        self.arrived.union(&came);
        self.missing.extend(waiting.iter().filter(|block| !came.contains(*block)));
        Ok(())
    }

    fn has_same(&self, listing: &PackListing, row: &PackRow) -> Result<bool> {
        let place = BlockPlace {
            pack: listing.id,
            pack_session: listing.session,
            offset: row.offset,
            stored_len: row.stored_len,
            kind: row.kind,
            thinned: row.thinned,
        };
        self.is_here(row.block, &self.own.copies(row.block)?, &place)
    }

    fn choose(&self, waiting: &BlockSet) -> Result<Chosen> {
        let packs = self.theirs.packs();
        let mut chosen = Chosen::new();
        for block in waiting.iter() {
            if let Some(place) = self.theirs.find_block(block)?.filter(|place| !place.thinned)
                && let Some(pack) = packs.get(&place.pack)
            {
                let of_pack = chosen.entry((pack.id, pack.session)).or_default();
                of_pack.pack_len = pack.len;
                of_pack.blocks.insert((place.offset, block));
                of_pack.bytes += u64::from(place.stored_len);
            }
        }
        Ok(chosen)
    }

    fn copy_out_of(&mut self, pack: &Object, offsets: &HashSet<(u32, BlockId)>) -> Result<()> {
        let listing = self.there.read_pack_listing(pack)?;
        let (there, reader) = (self.there, &self.own_blocks);
        let (copies, arrived, brought) = (&mut self.copies, &mut self.arrived, &mut self.brought);
        listing.for_each_table(&*there.store, |row, table| {
            if row.thinned || !offsets.contains(&(row.offset, row.block)) {
                return Ok(());
            }
            let mut bytes = vec![0; row.stored_len as usize];
            there.read_pack_at(pack, row.offset.into(), &mut bytes)?;
            match reader.check_seal(row.into(), &mut bytes.clone()) {
                Err(error) if error.kind() == Kind::Corrupt => return Ok(()),
                opened => opened?,
            }
            copies.add(row, table, bytes)?;
            *brought += 1;
            arrived.insert(row.block);
            Ok(())
        })
    }

    /// Makes sure that each of these blocks has come, or is in one of these packs, which are listed.
    ///
    /// # Errors
    /// [`Error::BlockMissing`].
    pub fn require(&self, blocks: &BlockSet, packs: &HashSet<String>) -> Result<()> {
        for block in blocks.iter().filter(|block| !self.arrived.contains(*block)) {
            let copies = if self.missing.contains(block) { Vec::new() } else { self.own.copies(block)? };
            if !copies.iter().any(|copy| packs.contains(&names::pack(copy.pack, copy.pack_session))) {
                return Err(Error::BlockMissing { block: block.to_string() });
            }
        }
        Ok(())
    }

    pub fn has_brought_any(&self, blocks: &BlockSet) -> bool {
        blocks.iter().any(|block| self.arrived.contains(block))
    }
}
