//! Taking over what nobody names: packs of sessions that were killed, and packs whose index table is lost.
//!
//! Owns finding such packs and indexing them from their own accounts, and the index that a session may rely on. Packs are
//! whole or not there, so a pack can be indexed by anybody, and twice does no harm. The packs of sessions at work are left
//! to them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::error::{Kind, Result};
use crate::format::lease::Role;
use crate::format::names::{self, TableKind};
use crate::format::table::TablePack;
use crate::id::{ChunkId, PackId, TableId};
use crate::index::{Care, Index, NewRows, write_tables};
use crate::lease::OpenLeases;
use crate::pack_reader::PackListing;
use crate::repository::Repository;
use crate::store::Object;

/// Chunk rows that are held before they become a table.
const CHUNKS_AT_ONCE: usize = 1 << 20;

/// Ends the leases of dead sessions, and opens the index of what is really there: packs that no table names are indexed, and
/// a pack that the store does not list with its length counts as absent, so that what it held is stored again instead of
/// being referred to.
pub fn present_index(repository: &Repository, open: &OpenLeases) -> Result<Arc<Index>> {
    // Packs before the index: a pack that is listed was there when the tables are read.
    let packs = repository.list_packs()?;
    let mut index = repository.index_without(HashSet::new(), Care::BlockPages)?;
    if complete_index(repository, &index, &packs, open)? {
        index = repository.index()?;
    }
    for lease in open.known.iter().filter(|lease| lease.gone && lease.role != Role::Collector) {
        repository.leases().end(lease.session)?;
    }
    let listed: HashMap<&str, u64> = packs.iter().map(|pack| (pack.name.as_str(), pack.len)).collect();
    let is_absent = |pack: &TablePack| listed.get(&*names::pack(pack.id, pack.session)) != Some(&pack.len);
    let absent: HashSet<PackId> = index.packs().into_values().filter(is_absent).map(|pack| pack.id).collect();
    if absent.is_empty() { Ok(index) } else { repository.index_without(absent, Care::Tails) }
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
    if unnamed.is_empty() && index.lost().is_empty() {
        return Ok(false);
    }
    let mut rows = NewRows::default();
    for pack in unnamed {
        add_pack(repository, pack, &mut rows, |_| Ok(true))?;
    }
    if has_lost(index, TableKind::Chunks) {
        for pack in others {
            let mut found = NewRows::default();
            add_pack(repository, pack, &mut found, |chunk| is_unknown(index, chunk))?;
            rows.chunks.extend(found.chunks);
            if rows.chunks.len() >= CHUNKS_AT_ONCE {
                let chunks = std::mem::take(&mut rows.chunks);
                let part = NewRows { chunks, ..NewRows::default() };
                write_tables(&*repository.store, &repository.keys, part, &[])?;
            }
        }
    }
    let superseded = succeed(index, packs, &mut rows)?;
    write_tables(&*repository.store, &repository.keys, rows, &superseded)?;
    Ok(true)
}

/// Whether no table tells where a chunk is; what stands on a damaged page is told by nobody.
fn is_unknown(index: &Index, chunk: &ChunkId) -> Result<bool> {
    match index.find_chunk(chunk) {
        Err(error) if error.kind() == Kind::Corrupt => Ok(true),
        found => Ok(found?.is_none()),
    }
}

/// What the new table of blocks supersedes. With a table of blocks, what it superseded is lost as well, and tables of long
/// ago may seem alive: then all rows of packs that are there go into the new table, and it supersedes all others.
fn succeed(index: &Index, packs: &[Object], rows: &mut NewRows) -> Result<Vec<TableId>> {
    let mut superseded: Vec<TableId> = index.lost().iter().map(|table| table.id).collect();
    if !has_lost(index, TableKind::Blocks) {
        return Ok(superseded);
    }
    superseded.extend(index.block_tables());
    let listed: HashSet<&str> = packs.iter().map(|pack| pack.name.as_str()).collect();
    let named = index.packs();
    let blocks = &mut rows.blocks;
    index.for_each_block(|block, place| {
        if listed.contains(&*names::pack(place.pack, place.pack_session)) {
            blocks.push((block, place));
        }
    })?;
    rows.packs.extend(named.into_values().map(|pack| (pack.id, pack.len)));
    Ok(superseded)
}

fn has_lost(index: &Index, kind: TableKind) -> bool {
    index.lost().iter().any(|table| table.kind == kind)
}

/// Adds everything that a pack holds, and of its chunks those that are asked for.
fn add_pack(
    repository: &Repository,
    pack: &Object,
    rows: &mut NewRows,
    wants: impl Fn(&ChunkId) -> Result<bool>,
) -> Result<()> {
    let mut found = NewRows::default();
    let read = repository.read_pack_listing(pack).and_then(|listing| {
        found.add_pack((listing.id, listing.session), listing.len, &listing.rows);
        listing.for_each_table(&*repository.store, |row, sealed| {
            found.add_chunks(row.block, row.thinned, &PackListing::open_table(&repository.keys, row.block, sealed)?);
            Ok(())
        })
    });
    match read {
        // A pack whose account of itself is damaged stays unknown: its bytes are read from the source again.
        Err(error) if error.kind() == Kind::Corrupt => return Ok(()),
        other => other?,
    }
    let mut chunks = Vec::with_capacity(found.chunks.len());
    for (id, place) in std::mem::take(&mut found.chunks) {
        if wants(&id)? {
            chunks.push((id, place));
        }
    }
    found.chunks = chunks;
    rows.extend(found);
    Ok(())
}
