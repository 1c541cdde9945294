//! Writing index tables: rows in order go in, sealed pages and a tail come out.
//!
//! Owns page building and table publishing. Streams: what it holds is one page, the fences and the filter.

use std::collections::BTreeMap;

use super::table::{TAIL_NONCE, checksum, first_eight, page_data, page_nonce, tail_data};
use super::{BlockPlace, ChunkPlace, filter};
use crate::error::{Error, Result};
use crate::format::block::ChunkTable;
use crate::format::limits;
use crate::format::names::{self, TableKind};
use crate::format::pack::PackRow;
use crate::format::table::{
    BlockRow, ChunkRow, PAGE_LEN, TABLE_FOOTER_LEN, TableHeader, TablePack, TableTail, encode_footer, row_len,
};
use crate::id::{BlockId, ChunkId, DomainId, PackId, SessionId, TableId};
use crate::keys::{Keys, Right};
use crate::seal::{SealKey, TAG_LEN, random};
use crate::store::{Object, Store, Upload};

/// What a session adds to the index.
#[derive(Default)]
pub struct NewRows {
    pub blocks: Vec<(BlockId, BlockPlace)>,
    pub chunks: Vec<(ChunkId, ChunkPlace)>,
    /// Length of each pack that the blocks name.
    pub packs: BTreeMap<PackId, u64>,
    /// Packs whose blocks are known to be what a holder of the keys sealed, by domain.
    pub vouched: BTreeMap<DomainId, BTreeMap<PackId, TablePack>>,
}

impl NewRows {
    /// Adds the blocks of a pack that is in the store.
    pub fn add_pack(&mut self, (id, session): (PackId, SessionId), len: u64, rows: &[PackRow]) {
        self.packs.insert(id, len);
        self.blocks.extend(rows.iter().map(|row| {
            let place = BlockPlace {
                pack: id,
                pack_session: session,
                offset: row.offset,
                stored_len: row.stored_len,
                kind: row.kind,
                thinned: row.thinned,
            };
            (row.block, place)
        }));
    }

    /// Adds a pack that was just written by whoever has these keys.
    pub fn add_own_pack(&mut self, keys: &Keys, pack: TablePack, rows: &[PackRow]) {
        self.add_pack((pack.id, pack.session), pack.len, rows);
        self.vouch(keys, pack, rows);
    }

    /// Says of a pack that its blocks open, or were sealed here: others of their domains may refer to them.
    pub fn vouch(&mut self, keys: &Keys, pack: TablePack, rows: &[PackRow]) {
        for row in rows {
            self.vouched.entry(keys.domain_of(row.block.session)).or_default().insert(pack.id, pack);
        }
    }

    /// Takes what goes into tables of chunks.
    pub fn take_chunks(&mut self) -> Self {
        let (chunks, vouched) = (std::mem::take(&mut self.chunks), std::mem::take(&mut self.vouched));
        Self { chunks, vouched, ..Self::default() }
    }

    /// Adds the chunks that are in a block, as its chunk table names them.
    pub fn add_chunks(&mut self, block: BlockId, thinned: u8, table: &ChunkTable) {
        let mut offset = 0;
        for (id, len) in table.chunks.iter().copied() {
            if id != ChunkId::TAKEN_OUT {
                self.chunks.push((id, ChunkPlace { block, offset, len, thinned }));
            }
            offset += len;
        }
    }

    pub fn extend(&mut self, more: Self) {
        self.blocks.extend(more.blocks);
        self.chunks.extend(more.chunks);
        self.packs.extend(more.packs);
        for (domain, packs) in more.vouched {
            self.vouched.entry(domain).or_default().extend(packs);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.chunks.is_empty() && self.vouched.is_empty()
    }
}

/// Publishes rows as tables; chunk tables first, because a chunk whose block is unknown is only not found.
pub fn write_tables(store: &dyn Store, keys: &Keys, rows: NewRows, supersedes: &[TableId]) -> Result<Vec<Object>> {
    let mut published = Vec::new();
    // Chunks of different domains never stand in one table: nobody but their own writers must believe them.
    let mut domains = BTreeMap::<DomainId, Vec<(ChunkId, ChunkPlace)>>::new();
    for (id, place) in rows.chunks {
        domains.entry(keys.domain_of(place.block.session)).or_default().push((id, place));
    }
    let mut vouched = rows.vouched;
    // Whoever writes nothing vouches for nothing, and nobody does in a domain whose secrets he lacks.
    vouched.retain(|domain, _| keys.rights().has(Right::Write) && keys.may_open_tables_of(*domain));
    for domain in vouched.keys() {
        domains.entry(*domain).or_default();
    }
    for (domain, chunks) in domains {
        let vouched = vouched.remove(&domain).unwrap_or_default().into_values().collect();
        published.extend(write_chunk_tables(store, keys, domain, chunks, vouched)?);
    }
    published.extend(write_block_tables(store, keys, rows.blocks, &rows.packs, supersedes)?);
    Ok(published)
}

fn write_chunk_tables(
    store: &dyn Store,
    keys: &Keys,
    domain: DomainId,
    mut chunks: Vec<(ChunkId, ChunkPlace)>,
    mut vouched: Vec<TablePack>,
) -> Result<Vec<Object>> {
    let mut published = Vec::new();
    chunks.sort_unstable_by_key(|(id, place)| (id.0, place.thinned));
    chunks.dedup_by_key(|(id, _)| id.0);
    let parts = if chunks.is_empty() { vec![&[][..]] } else { chunks.chunks(limits::TABLE_ROWS as usize).collect() };
    for part in parts {
        let sessions = sorted_sessions(part.iter().map(|(_, place)| place.block.session));
        let mut writer = TableWriter::begin_chunks(store, keys, domain, part.len() as u64)?;
        for (id, place) in part {
            let session = number_of(&sessions, place.block.session)?;
            writer.push_chunk(&ChunkRow {
                chunk: *id,
                session,
                serial: place.block.serial,
                offset: place.offset,
                len: place.len,
                thinned: place.thinned,
            })?;
        }
        published.push(writer.finish(sessions, std::mem::take(&mut vouched), &[])?);
    }
    Ok(published)
}

fn write_block_tables(
    store: &dyn Store,
    keys: &Keys,
    mut blocks: Vec<(BlockId, BlockPlace)>,
    lens: &BTreeMap<PackId, u64>,
    supersedes: &[TableId],
) -> Result<Vec<Object>> {
    let mut published = Vec::new();
    // Of two copies the one that holds more.
    blocks.sort_unstable_by_key(|(id, place)| (*id, place.thinned));
    blocks.dedup_by_key(|(id, _)| *id);
    let empty_successor = blocks.is_empty() && !supersedes.is_empty();
    let parts: Vec<_> =
        if empty_successor { vec![&[][..]] } else { blocks.chunks(limits::TABLE_ROWS as usize).collect() };
    let last = parts.len().saturating_sub(1);
    for (number, part) in parts.into_iter().enumerate() {
        let sessions = sorted_sessions(part.iter().map(|(id, _)| id.session));
        let packs: BTreeMap<PackId, SessionId> =
            part.iter().map(|(_, place)| (place.pack, place.pack_session)).collect();
        let pack_numbers: BTreeMap<PackId, u32> = packs.keys().zip(0..).map(|(id, number)| (*id, number)).collect();
        let mut writer = TableWriter::begin_blocks(store, keys)?;
        for (id, place) in part {
            writer.push_block(&BlockRow {
                session: number_of(&sessions, id.session)?,
                serial: id.serial,
                pack: pack_numbers.get(&place.pack).copied().unwrap_or(u32::MAX),
                offset: place.offset,
                stored_len: place.stored_len,
                kind: place.kind,
                thinned: place.thinned,
            })?;
        }
        let packs = packs
            .into_iter()
            .map(|(id, session)| TablePack { id, session, len: lens.get(&id).copied().unwrap_or_default() })
            .collect();
        // Only the last part may end its predecessors, when all parts are there.
        published.push(writer.finish(sessions, packs, if number == last { supersedes } else { &[] })?);
    }
    Ok(published)
}

pub(super) fn sorted_sessions(sessions: impl Iterator<Item = SessionId>) -> Vec<SessionId> {
    let mut last = None;
    let mut sorted: Vec<SessionId> = sessions.filter(|session| last.replace(*session) != Some(*session)).collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

pub(super) fn number_of(sessions: &[SessionId], session: SessionId) -> Result<u32> {
    let found = sessions.binary_search(&session);
    found.map(|number| number as u32).map_err(|_| Error::Bug(format!("session {session} is not in its table's list")))
}

/// Begins a table that says what a test wants.
#[cfg(test)]
pub(crate) fn begin_chunk_table(store: &dyn Store, keys: &Keys, domain: DomainId, chunks: u64) -> Result<TableWriter> {
    TableWriter::begin_chunks(store, keys, domain, chunks)
}

/// A table being written, rows in ascending order.
pub(crate) struct TableWriter {
    header: TableHeader,
    key: Option<SealKey>,
    upload: Box<dyn Upload>,
    page: Vec<u8>,
    tail: TableTail,
    pages: u64,
}

impl TableWriter {
    fn begin_blocks(store: &dyn Store, keys: &Keys) -> Result<Self> {
        let (repository, id) = (keys.config().repository, TableId(random()?));
        let header = TableHeader { kind: TableKind::Blocks, repository, id, domain: DomainId::MAIN };
        Self::begin(store, header, None, TableTail::default())
    }

    /// Begins a table of a domain's chunks; `chunks` is the most chunk rows that it will hold.
    pub fn begin_chunks(store: &dyn Store, keys: &Keys, domain: DomainId, chunks: u64) -> Result<Self> {
        let (repository, id) = (keys.config().repository, TableId(random()?));
        let header = TableHeader { kind: TableKind::Chunks, repository, id, domain };
        let tail = TableTail { filter: filter::new_filter(chunks), ..TableTail::default() };
        Self::begin(store, header, Some(keys.table_key(domain, id)?), tail)
    }

    fn begin(store: &dyn Store, header: TableHeader, key: Option<SealKey>, tail: TableTail) -> Result<Self> {
        let upload = store.upload().map_err(write_error)?;
        let mut writer = Self { header, key, upload, page: Vec::with_capacity(PAGE_LEN + TAG_LEN), tail, pages: 0 };
        let bytes = writer.header.encode();
        writer.write(&bytes)?;
        Ok(writer)
    }

    pub fn rows(&self) -> u64 {
        self.tail.rows
    }

    pub fn push_chunk(&mut self, row: &ChunkRow) -> Result<()> {
        self.begin_row(first_eight(&row.chunk.0))?;
        filter::insert(&mut self.tail.filter, &row.chunk);
        row.encode(&mut self.page);
        Ok(())
    }

    pub fn push_block(&mut self, row: &BlockRow) -> Result<()> {
        let key = u64::from(row.session) << 32 | u64::from(row.serial);
        self.begin_row(key.to_be_bytes())?;
        row.encode(&mut self.page);
        Ok(())
    }

    fn begin_row(&mut self, fence: [u8; 8]) -> Result<()> {
        if self.page.len() + row_len(self.header.kind) > PAGE_LEN {
            self.flush_page()?;
        }
        if self.page.is_empty() {
            self.tail.fences.extend_from_slice(&fence);
        }
        self.tail.rows += 1;
        Ok(())
    }

    fn flush_page(&mut self) -> Result<()> {
        let mut page = std::mem::take(&mut self.page);
        page.resize(PAGE_LEN, 0);
        let data = page_data(&self.header, self.pages);
        match &self.key {
            Some(key) => key.seal(page_nonce(self.pages), &data, &mut page, 0),
            None => page.extend_from_slice(&checksum(&data, &page).as_bytes()[..TAG_LEN]),
        }
        self.write(&page)?;
        self.pages += 1;
        page.clear();
        self.page = page;
        Ok(())
    }

    /// Publishes the table.
    pub fn finish(mut self, sessions: Vec<SessionId>, packs: Vec<TablePack>, supersedes: &[TableId]) -> Result<Object> {
        if !self.page.is_empty() {
            self.flush_page()?;
        }
        self.tail.sessions = sessions;
        self.tail.packs = packs;
        self.tail.supersedes = supersedes.to_vec();
        let mut tail = self.tail.encode();
        let data = tail_data(&self.header);
        match &self.key {
            Some(key) => key.seal(TAIL_NONCE, &data, &mut tail, 0),
            None => tail.extend_from_slice(checksum(&data, &tail).as_bytes()),
        }
        self.write(&tail)?;
        let offset = TableHeader::page_offset(self.pages);
        self.write(&encode_footer(offset, tail.len() as u64))?;
        let name = names::table(self.header.kind, self.header.id);
        let len = offset + tail.len() as u64 + TABLE_FOOTER_LEN as u64;
        match self.upload.publish(&name) {
            Ok(()) => Ok(Object { name, len }),
            Err(source) => Err(Error::Store { verb: "write", name, source }),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.upload.write(bytes).map_err(write_error)
    }
}

fn write_error(source: std::io::Error) -> Error {
    Error::Store { verb: "write", name: "an index table".to_owned(), source }
}
