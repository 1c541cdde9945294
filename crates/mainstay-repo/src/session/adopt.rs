//! Taking over what nobody names: packs of sessions that were killed, and packs whose index table is lost.
//!
//! Owns finding such packs and indexing them from their own accounts, and the index that a session may rely on. Packs are
//! whole or not there, so a pack can be indexed by anybody, and twice does no harm. The packs of sessions at work are left
//! to them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::condemned::CondemnedLists;
use crate::error::{Error, Kind, Result};
use crate::format::names::{self, TableKind};
use crate::format::table::TablePack;
use crate::id::{ChunkId, PackId, TableId};
use crate::index::{Care, Index, NewRows, write_tables};
use crate::lease::OpenLeases;
use crate::pack_reader::{OpenBlock, PackListing};
use crate::parity::is_whole_pack;
use crate::repository::{Removed, Repository};
use crate::store::{Object, both};

/// Chunk rows that are held before they become a table: 64 MiB of them, and those of one pack.
const CHUNKS_AT_ONCE: usize = 1 << 20;

/// Opens the index of what is really there, given the packs as they were listed before: packs that no table names are indexed, and a pack that the store does not list with its length counts as absent, so that what it held is stored again instead of
/// being referred to.
///
/// Answers the names of the packs that are gone, too, and what is recorded as removed.
pub fn present_index(
    repository: &Repository,
    packs: &[Object],
    open: &OpenLeases,
    condemned: &mut CondemnedLists,
) -> Result<(Arc<Index>, Vec<String>, Removed)> {
    // What the lease names counts as absent even if its list is gone by now, and with it a pack that is listed still.
    let mut index = repository.open_index_without(condemned.packs(), Care::BlockPages)?;
    if complete_index(repository, &index, packs, open)? {
        index = repository.open_index_without(condemned.packs(), Care::Tails)?;
    }
    let listed: HashMap<&str, u64> = packs.iter().map(|pack| (pack.name.as_str(), pack.len)).collect();
    let is_absent = |pack: &TablePack| listed.get(&*names::pack(pack.id, pack.session)) != Some(&pack.len);
    let absent: Vec<TablePack> = index.packs().into_values().filter(is_absent).collect();
    // What a repair found lost is stored again where the source still has it. Both are read after the lease was taken: a pack that
    // is removed later was not doomed when it was, and waits for this session.
    let (known_losses, removed) = both(&*repository.store, || repository.known_losses(), || repository.removed());
    let (known_losses, mut removed) = (known_losses?.blocks, removed?);
    let removed_packs = std::mem::take(&mut removed.packs);
    let has_returned = condemned.add_returned(&removed_packs, packs.iter().map(|pack| &pack.name));
    if absent.is_empty() && known_losses.is_empty() && !has_returned {
        return Ok((index.without_removed(removed_packs).into(), Vec::new(), removed));
    }
    // What another session published since the listing is no loss, and what a prune was about to delete none either.
    let is_there = |pack: &TablePack, name: &str| repository.store.len(name).is_ok_and(|len| len == pack.len);
    let lost = absent.iter().filter(|pack| !index.is_condemned(pack.id));
    let lost = lost.map(|pack| (pack, names::pack(pack.id, pack.session)));
    let lost = lost.filter(|(pack, name)| !is_there(pack, name)).map(|(_, name)| name).collect();
    let mut absent: HashSet<PackId> = absent.iter().map(|pack| pack.id).collect();
    absent.extend(condemned.packs());
    absent.extend(repository.condemned()?.packs());
    let index = repository.open_index(absent, Care::Tails)?.without_blocks(known_losses);
    Ok((index.without_removed(removed_packs).into(), lost, removed))
}

/// Indexes the packs that no table names, and writes anew what damaged tables have lost; answers whether there was anything
/// to do.
pub fn complete_index(repository: &Repository, index: &Index, packs: &[Object], open: &OpenLeases) -> Result<bool> {
    let at_work = open.at_work();
    let named = index.packs();
    let (mut unnamed, mut others) = (Vec::new(), Vec::new());
    for pack in packs {
        match names::parse_pack(&pack.name) {
            Ok((id, session)) if !named.contains_key(&id) && !index.is_condemned(id) && !at_work.contains(&session) => {
                unnamed.push(pack);
            }
            Ok((id, _)) if named.contains_key(&id) => others.push(pack),
            _ => {}
        }
    }
    // Who cannot read all packs cannot write anew what tables have lost.
    let mends = repository.may_do_everything();
    if unnamed.is_empty() && (index.lost().is_empty() || !mends) {
        return Ok(false);
    }
    let mut completion = Completion { repository, rows: NewRows::default(), chunks_at_once: CHUNKS_AT_ONCE };
    for pack in unnamed {
        // Its session was killed, perhaps before the pack's name was durable.
        repository.make_durable(&pack.name)?;
        let found = completion.read_pack(pack, |_| Ok(true), Vouching::IfItOpens)?;
        completion.add(found)?;
    }
    if !mends {
        let rows = std::mem::take(&mut completion.rows);
        return completion.write(rows, &[]).map(|()| true);
    }
    if has_lost(index, TableKind::Chunks) {
        for pack in others {
            let (id, _) =
                names::parse_pack(&pack.name).map_err(|problem| Error::damaged("list packs", &pack.name, problem))?;
            let is_vouched = index.is_vouched(repository.keys.own_domain(), id);
            let vouching = if is_vouched { Vouching::Not } else { Vouching::IfItOpens };
            let mut found = completion.read_pack(pack, |chunk| is_unknown(index, chunk), vouching)?;
            completion.add(found.take_chunks())?;
        }
    }
    completion.finish(index)?;
    Ok(true)
}

/// Whether no table tells where a chunk is; what stands on a damaged page is told by nobody.
fn is_unknown(index: &Index, chunk: &ChunkId) -> Result<bool> {
    match index.find_chunk_of_any(chunk) {
        Err(error) if error.kind() == Kind::Corrupt => Ok(true),
        found => Ok(found?.is_none()),
    }
}

fn has_lost(index: &Index, kind: TableKind) -> bool {
    index.lost().iter().any(|table| table.kind == kind)
}

/// Whether a pack that is indexed from its own account is vouched for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Vouching {
    Not,
    IfItOpens,
}

/// Vouches for a pack that is what its name says and of which every block opens, and adds the chunks of its thinned copies; not
/// with a key that may not open them. Anybody could have put the pack, with the chunk tables of another.
pub fn vouch_if_it_opens(repository: &Repository, listing: &PackListing, rows: &mut NewRows) -> Result<bool> {
    if !is_whole_pack(&*repository.store, (listing.id, listing.session))? {
        return Ok(false);
    }
    let index = Index::of_tables(repository.store.clone(), repository.keys.clone(), &[])?;
    let (blocks, pack) = (repository.block_reader(&index.into()), listing.object());
    let (mut bytes, mut plain, mut thinned) = (Vec::new(), OpenBlock::default(), Vec::new());
    let opened = listing.for_each_table(&*repository.store, |row, sealed| {
        bytes.resize(row.stored_len as usize, 0);
        repository.read_pack_at(&pack, row.offset.into(), &mut bytes)?;
        if !row.thinned {
            return blocks.check_seal(row.into(), &mut bytes);
        }
        blocks.open(row.into(), &mut bytes, &mut plain)?;
        let chunks = PackListing::open_table(&repository.data_keys, row.block, sealed)?;
        if plain.has_all_of(&chunks) {
            thinned.push((row.block, chunks));
        }
        Ok(())
    });
    match opened {
        Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Denied) => return Ok(false),
        opened => opened?,
    }
    rows.vouch(&repository.keys, listing.named(), &listing.rows);
    for (block, chunks) in thinned {
        rows.add_chunks(block, Some(listing.id), &chunks);
    }
    Ok(true)
}

/// What is to be added to the index. Rows of chunks become tables of their own when there are many, which is safe before
/// their blocks are in a table: a chunk whose block is unknown is only not found. Rows of blocks wait for the end, since
/// the table of blocks supersedes others: 80 bytes for each block of about a megabyte.
struct Completion<'r> {
    repository: &'r Repository,
    rows: NewRows,
    chunks_at_once: usize,
}

impl Completion<'_> {
    /// Everything that a pack holds, and of its chunks those that are asked for.
    fn read_pack(
        &self,
        pack: &Object,
        wants: impl Fn(&ChunkId) -> Result<bool>,
        vouching: Vouching,
    ) -> Result<NewRows> {
        let repository = self.repository;
        let mut found = NewRows::default();
        let read = repository.read_pack_listing(pack).and_then(|listing| {
            found.add_pack(listing.named(), &listing.rows);
            // Of what a session wrote itself there is little; what a prune moved, the next one vouches for.
            let is_own = listing.rows.iter().all(|row| row.block.session == listing.session && !row.thinned);
            if vouching == Vouching::IfItOpens && is_own {
                vouch_if_it_opens(repository, &listing, &mut found)?;
            }
            listing.for_each_table(&*repository.store, |row, sealed| {
                let chunks = PackListing::open_table(&repository.data_keys, row.block, sealed)?;
                // Of a thinned copy they count in a pack for which somebody vouches, and are told by whoever does.
                if !row.thinned {
                    found.add_chunks(row.block, None, &chunks);
                }
                Ok(())
            })
        });
        match read {
            // A pack whose account of itself is damaged stays unknown: its bytes are read from the source again. One of
            // another domain is for those who can say what is in it.
            Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Denied) => return Ok(NewRows::default()),
            other => other?,
        }
        let mut chunks = Vec::with_capacity(found.chunks.len());
        for (id, place) in std::mem::take(&mut found.chunks) {
            if wants(&id)? {
                chunks.push((id, place));
            }
        }
        Ok(NewRows { chunks, ..found })
    }

    fn add(&mut self, found: NewRows) -> Result<()> {
        self.rows.extend(found);
        if self.rows.chunks.len() < self.chunks_at_once {
            return Ok(());
        }
        let chunks = self.rows.take_chunks();
        self.write(chunks, &[])
    }

    fn write(&self, rows: NewRows, supersedes: &[TableId]) -> Result<()> {
        write_tables(&*self.repository.store, &self.repository.keys, rows, supersedes).map(drop)
    }

    fn finish(mut self, index: &Index) -> Result<()> {
        let superseded = self.succeed(index)?;
        let rows = std::mem::take(&mut self.rows);
        self.write(rows, &superseded)
    }

    /// What the new table of blocks supersedes. With a table of blocks, what it superseded is lost as well, and tables of
    /// long ago may seem alive: then all rows of packs that are there go into the new table, and it supersedes all others.
    fn succeed(&mut self, index: &Index) -> Result<Vec<TableId>> {
        let mut superseded: Vec<TableId> = index.lost().iter().map(|table| table.id).collect();
        if !has_lost(index, TableKind::Blocks) {
            return Ok(superseded);
        }
        superseded.extend(index.block_tables());
        // Listed after the index was opened: a writer may have published a pack and a table that names it just before.
        let gone = index.packs_beside(&self.repository.list_packs()?);
        let blocks = &mut self.rows.blocks;
        index.for_each_block(|block, place| {
            if !gone.contains(&place.pack) {
                blocks.push((block, place));
            }
        })?;
        self.rows.packs.extend(index.packs().into_values().map(|pack| (pack.id, pack.len)));
        Ok(superseded)
    }
}

#[cfg(test)]
mod tests;
