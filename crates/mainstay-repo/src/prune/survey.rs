//! What is needed of each pack.
//!
//! Owns counting it, from the index and from the packs' own accounts. Decides nothing, and changes nothing.

use std::collections::{HashMap, HashSet};

use super::needs::{Needs, Sight};
use super::plan::PackUse;
use super::surroundings::names_of;
use crate::error::{Error, Kind, Result, unless_damaged};
use crate::format::block::BlockKind;
use crate::format::names;
use crate::format::pack::PackRow;
use crate::format::refs::BlockSet;
use crate::id::{BlockId, PackId, SessionId};
use crate::pack_reader::{BlockReader, PackListing};
use crate::parity::is_whole_pack;
use crate::repository::Repository;
use crate::session::Twins;
use crate::store::Object;

/// A survey of packs.
pub struct Survey<'r> {
    repository: &'r Repository,
    needs: &'r Needs,
    blocks: BlockReader,
    twins: Twins<'r>,
    uses: HashMap<PackId, Use>,
    /// Packs that have parity.
    healable: HashSet<PackId>,
    /// Packs with something that is needed and for which nobody of its domain vouches: one that opens nothing moved it.
    pub unvouched: Vec<Object>,
}

fn packs_with_parity(repository: &Repository) -> Result<HashSet<PackId>> {
    let sidecars = names_of(repository, names::PARITY)?;
    Ok(sidecars.iter().filter_map(|name| names::parse_parity(name).ok()).map(|(pack, _)| pack).collect())
}

/// What the index says of one pack.
#[derive(Default)]
struct Use {
    is_needed: bool,
    /// Blocks that the index knows there.
    indexed_bytes: u64,
    /// Those of them that nothing needs.
    dead_bytes: u64,
}

impl<'r> Survey<'r> {
    pub fn new(repository: &'r Repository, needs: &'r Needs) -> Result<Self> {
        let blocks = repository.block_reader(&needs.index);
        Ok(Self {
            repository,
            needs,
            blocks,
            twins: Twins::new(repository),
            uses: count_blocks(needs)?,
            healable: packs_with_parity(repository)?,
            unvouched: Vec::new(),
        })
    }

    /// Says how much of a pack is needed.
    pub fn judge(&mut self, pack: &Object) -> Result<PackUse> {
        let (id, session) =
            names::parse_pack(&pack.name).map_err(|problem| Error::damaged("list packs", &pack.name, problem))?;
        let judged = |live_bytes| Ok(PackUse { id, session, len: pack.len, live_bytes });
        let used = self.uses.remove(&id);
        let listing = match self.repository.read_pack_listing(pack) {
            Err(error) if error.kind() == Kind::Corrupt => None,
            read => Some(read?),
        };
        if used.is_none() && listing.is_none() && self.healable.contains(&id) {
            // What is in it nobody knows before it is healed.
            return judged(pack.len);
        }
        if self.needs.sight == Sight::Full && self.lacks_a_voucher(id, listing.as_ref())? {
            self.unvouched.push(pack.clone());
        }
        let dead = match &used {
            Some(used) if used.is_needed => self.dead_bytes(pack, listing.as_ref(), used)?,
            _ => pack.len,
        };
        if dead > 0
            && (self.stands_in((pack, id), listing.as_ref())? || self.holds_what_nobody_opens(listing.as_ref())?)
        {
            return judged(pack.len);
        }
        if used.is_none() {
            self.require_nothing_of(listing.as_ref())?;
        }
        // A table may name a dead block twice; a pack with a living block is never taken for dead.
        let least = u64::from(used.is_some_and(|used| used.is_needed));
        judged(pack.len.saturating_sub(dead).max(least))
    }

    fn lacks_a_voucher(&self, id: PackId, listing: Option<&PackListing>) -> Result<bool> {
        let mut sessions: Vec<SessionId> = listing
            .into_iter()
            .flat_map(|listing| &listing.rows)
            .filter(|row| self.needs.live.contains(row.block))
            .map(|row| row.block.session)
            .collect();
        sessions.dedup();
        for session in sessions {
            match self.repository.data_keys.get(session) {
                // Nobody can open it, or vouch for it.
                Err(error) if error.kind() == Kind::Corrupt => continue,
                key => drop(key?),
            }
            if !self.needs.index.is_vouched(self.repository.keys.domain_of(session), id) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether something in a pack is needed that cannot be moved, since its data key is lost, and that was accepted: then the pack stays as it
    /// is for as long as that is needed, and nobody need be told at each prune.
    fn holds_what_nobody_opens(&self, listing: Option<&PackListing>) -> Result<bool> {
        let rows = listing.into_iter().flat_map(|listing| &listing.rows);
        for row in rows.filter(|row| self.needs.live.contains(row.block) && self.needs.lost.contains(row.block)) {
            if unless_damaged(self.repository.data_keys.get(row.block.session))?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether a pack that no table names may go: it must hold no whole copy of a needed block of which the index knows
    /// none. If it does, a table is gone without a trace.
    fn require_nothing_of(&self, listing: Option<&PackListing>) -> Result<()> {
        let rows = listing.into_iter().flat_map(|listing| &listing.rows);
        for row in rows.filter(|row| self.needs.live.contains(row.block)) {
            if self.needs.index.find_block(row.block)?.is_none_or(|place| place.thinned && !row.thinned) {
                return Err(Error::BlockMissing { block: row.block.to_string() });
            }
        }
        Ok(())
    }

    /// Whether a pack has a copy of a needed block of which the copy that counts, in another pack, is not good: then it stays
    /// as it is. The index alone cannot tell, since it does not name every copy.
    fn stands_in(&mut self, (pack, id): (&Object, PackId), listing: Option<&PackListing>) -> Result<bool> {
        if self.needs.sight == Sight::Blind {
            return self.lacks_a_twin((pack, id), listing);
        }
        let blocks = match listing {
            Some(listing) => listing.rows.iter().map(|row| (row.block, row.kind)).collect(),
            None => self.indexed_blocks(id)?,
        };
        for block in blocks.into_iter().filter(|(block, _)| self.needs.live.contains(*block)) {
            if let Some(place) = self.needs.index.find_block(block.0)?.filter(|place| place.pack != id)
                && !(self.blocks.has_good_copy(block, &place)?
                    && self.needs.is_covered(self.repository, block.0, &place)?)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The same for whoever is blind: whether a copy of a needed block is no twin of the one that counts.
    fn lacks_a_twin(&mut self, (pack, id): (&Object, PackId), listing: Option<&PackListing>) -> Result<bool> {
        // What is in it is not known.
        let Some(listing) = listing else { return Ok(true) };
        for row in listing.rows.iter().filter(|row| self.needs.live.contains(row.block)) {
            let place = self.needs.index.find_block(row.block)?.filter(|place| place.pack != id);
            if let Some(place) = place
                && !self.twins.are_twins((pack, row), &place)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The blocks of a pack as far as the index names them.
    fn indexed_blocks(&self, id: PackId) -> Result<Vec<(BlockId, BlockKind)>> {
        let mut blocks = Vec::new();
        self.needs.index.for_each_block(|block, place| {
            if place.pack == id {
                blocks.push((block, place.kind));
            }
        })?;
        Ok(blocks)
    }

    /// Bytes of a pack that rewriting it would save.
    fn dead_bytes(&self, pack: &Object, listing: Option<&PackListing>, used: &Use) -> Result<u64> {
        // Of a pack whose account of itself is damaged, nothing more than its blocks is known.
        let Some(listing) = listing else { return Ok(used.dead_bytes) };
        let dead = used.dead_bytes + self.dead_parts(listing)?;
        // What an earlier prune moved away, and what is in another pack as well.
        let all: u64 = listing.rows.iter().map(|row| u64::from(row.stored_len)).sum();
        let unnamed = all.saturating_sub(used.indexed_bytes);
        if unnamed == 0 || dead + unnamed < pack.len / 2 {
            return Ok(dead);
        }
        // If that prune left the pack for what is damaged in it, the rest of it was all that could be moved.
        Ok(if self.opens(pack, listing)? { dead + unnamed } else { 0 })
    }

    /// Bytes that thinning the blocks of a pack would save.
    fn dead_parts(&self, listing: &PackListing) -> Result<u64> {
        if self.needs.sight == Sight::Blind {
            return Ok(0);
        }
        let mut saved = 0;
        let surveyed = listing.for_each_table(&*self.repository.store, |row, sealed| {
            if self.needs.is_needed(row.block, listing.id)? {
                let table = PackListing::open_table(&self.repository.data_keys, row.block, sealed)?;
                saved += self.needs.thinning(row, &table).map_or(0, |thinning| thinning.saved(row.stored_len));
            }
            Ok(())
        });
        match surveyed {
            Err(error) if error.kind() == Kind::Corrupt => Ok(0),
            other => other.map(|()| saved),
        }
    }

    /// Whether everything that is needed of a pack can be moved; of a block whose chunk table is damaged nothing can.
    /// Whoever is blind moves all of a pack that is whole, and nothing of another.
    fn opens(&self, pack: &Object, listing: &PackListing) -> Result<bool> {
        if self.needs.sight == Sight::Blind {
            return is_whole_pack(&*self.repository.store, (listing.id, listing.session));
        }
        let checked = listing.for_each_table(&*self.repository.store, |row, sealed| {
            if self.needs.is_needed(row.block, listing.id)? {
                PackListing::open_table(&self.repository.data_keys, row.block, sealed)?;
                self.check_block(pack, row)?;
            }
            Ok(())
        });
        is_good(checked)
    }

    fn check_block(&self, pack: &Object, row: &PackRow) -> Result<()> {
        let mut bytes = vec![0; row.stored_len as usize];
        self.repository.read_pack_at(pack, row.offset.into(), &mut bytes)?;
        self.blocks.check_seal(row.into(), &mut bytes)
    }
}

/// Whether a copy of a block was found whole.
fn is_good(checked: Result<()>) -> Result<bool> {
    match checked {
        Err(error) if error.kind() == Kind::Corrupt => Ok(false),
        other => other.map(|()| true),
    }
}

/// Counts what is needed of the packs, block by block.
fn count_blocks(needs: &Needs) -> Result<HashMap<PackId, Use>> {
    let (mut found, mut several) = (BlockSet::default(), BlockSet::default());
    needs.index.for_each_block(|block, _| {
        if needs.live.contains(block) && !found.insert(block) {
            several.insert(block);
        }
    })?;
    // A block that is needed and not indexed means that the index or the listing is not the whole truth, unless a repair has
    // looked for it everywhere and the loss was accepted.
    if let Some(block) = needs.live.iter().find(|block| !found.contains(*block) && !needs.lost.contains(*block)) {
        return Err(Error::BlockMissing { block: block.to_string() });
    }
    let (mut uses, mut failed) = (HashMap::<PackId, Use>::new(), None);
    needs.index.for_each_block(|block, place| {
        let chosen = if several.contains(block) { needs.index.find_block(block) } else { Ok(Some(place)) };
        let is_chosen = chosen.map(|chosen| chosen == Some(place)).unwrap_or_else(|error| {
            failed = Some(error);
            false
        });
        let pack = uses.entry(place.pack).or_default();
        pack.indexed_bytes += u64::from(place.stored_len);
        if is_chosen && needs.live.contains(block) {
            pack.is_needed = true;
        } else {
            pack.dead_bytes += u64::from(place.stored_len);
        }
    })?;
    failed.map_or(Ok(uses), Err)
}
