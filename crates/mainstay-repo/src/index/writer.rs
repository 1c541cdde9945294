//! Writing index tables: rows in order go in, sealed pages and a tail come out.
//!
//! Owns page building and table publishing. Streams: what it holds is one page, the fences and the filter.

use std::collections::{BTreeMap, BTreeSet};

use super::table::{TAIL_NONCE, checksum, first_eight, page_data, page_nonce, tail_data};
use super::{BlockPlace, ChunkPlace, filter};
use crate::error::{Error, Result};
use crate::format::block::ChunkTable;
use crate::format::limits;
use crate::format::names::{self, TableKind};
use crate::format::pack::PackRow;
use crate::format::table::{
    BlockRow, ChunkRow, PAGE_LEN, TABLE_FOOTER_LEN, TableHeader, TablePack, TableTail, ThinnedCopy, encode_footer,
    row_len,
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
    pub fn add_pack(&mut self, pack: TablePack, rows: &[PackRow]) {
        self.packs.insert(pack.id, pack.len);
        self.blocks.extend(rows.iter().map(|row| {
            let place = BlockPlace {
                pack: pack.id,
                pack_session: pack.session,
                offset: row.offset,
                stored_len: row.stored_len,
                kind: row.kind,
                thinned: row.thinned,
            };
            (row.block, place)
        }));
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

    /// Adds the chunks that are in a block, as its chunk table names them; those of a thinned copy with the pack that it is in,
    /// for which these rows must vouch as well.
    pub fn add_chunks(&mut self, block: BlockId, copy: Option<PackId>, table: &ChunkTable) {
        let mut offset = 0;
        for (id, len) in table.chunks.iter().copied() {
            if id != ChunkId::TAKEN_OUT {
                self.chunks.push((id, ChunkPlace { block, offset, len, copy }));
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
        let vouched = vouched.remove(&domain).unwrap_or_default();
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
    vouched: BTreeMap<PackId, TablePack>,
) -> Result<Vec<Object>> {
    let mut published = Vec::new();
    // A thinned copy counts in a pack for which somebody vouches, and nowhere else.
    chunks.retain(|(_, place)| place.copy.is_none_or(|pack| vouched.contains_key(&pack)));
    chunks.sort_unstable_by_key(|(id, place)| (id.0, place.copy));
    chunks.dedup_by_key(|(id, _)| id.0);
    let parts = if chunks.is_empty() { vec![&[][..]] } else { chunks.chunks(limits::TABLE_ROWS as usize).collect() };
    for part in parts {
        let places = || part.iter().map(|(_, place)| place);
        let sessions = sorted_sessions(places().map(|place| place.block.session));
        let copies = places().filter_map(|place| Some((place.block, place.copy?)));
        let mut writer = TableWriter::begin_chunks(store, keys, domain, part.len() as u64)?;
        writer.name(sessions, vouched.values().copied().collect(), copies)?;
        for (id, place) in part {
            writer.push_chunk(id, place)?;
        }
        published.push(writer.finish(&[])?);
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
    blocks.sort_unstable_by_key(|(id, place)| (*id, place.thinned, place.pack, place.offset));
    blocks.dedup();
    // More than these no reader takes; of so many copies any will do.
    let (mut last, mut count) = (None, 0);
    blocks.retain(|(id, _)| {
        count = if last == Some(*id) { count + 1 } else { 1 };
        last = Some(*id);
        count <= limits::COPIES
    });
    let empty_successor = blocks.is_empty() && !supersedes.is_empty();
    let parts: Vec<_> =
        if empty_successor { vec![&[][..]] } else { blocks.chunks(limits::TABLE_ROWS as usize).collect() };
    let last = parts.len().saturating_sub(1);
    for (number, part) in parts.into_iter().enumerate() {
        let sessions = sorted_sessions(part.iter().map(|(id, _)| id.session));
        let packs: BTreeMap<PackId, SessionId> =
            part.iter().map(|(_, place)| (place.pack, place.pack_session)).collect();
        let pack_numbers: BTreeMap<PackId, u32> = packs.keys().zip(0..).map(|(id, number)| (*id, number)).collect();
        let packs = packs
            .into_iter()
            .map(|(id, session)| TablePack { id, session, len: lens.get(&id).copied().unwrap_or_default() })
            .collect();
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
        writer.name(sessions, packs, std::iter::empty())?;
        // Only the last part may end its predecessors, when all parts are there.
        published.push(writer.finish(if number == last { supersedes } else { &[] })?);
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
    /// Where each pack stands in the tail's list.
    packs: BTreeMap<PackId, u32>,
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
        let upload = store.upload_kept().map_err(write_error)?;
        let (page, packs) = (Vec::with_capacity(PAGE_LEN + TAG_LEN), BTreeMap::new());
        let mut writer = Self { header, key, upload, page, tail, packs, pages: 0 };
        let bytes = writer.header.encode();
        writer.write(&bytes)?;
        Ok(writer)
    }

    pub fn rows(&self) -> u64 {
        self.tail.rows
    }

    /// Sets the lists that rows refer to by number: sessions, which ascend, packs, and of thinned copies those that are in one
    /// of these packs. Rows of chunks come after it.
    pub fn name(
        &mut self,
        sessions: Vec<SessionId>,
        packs: Vec<TablePack>,
        copies: impl Iterator<Item = (BlockId, PackId)>,
    ) -> Result<()> {
        (self.tail.sessions, self.tail.packs) = (sessions, packs);
        self.packs = self.tail.packs.iter().map(|pack| pack.id).zip(0..).collect();
        let mut thinned = BTreeSet::new();
        for (block, pack) in copies {
            if let Some(pack) = self.packs.get(&pack).copied() {
                let session = number_of(&self.tail.sessions, block.session)?;
                thinned.insert(ThinnedCopy { session, serial: block.serial, pack });
            }
        }
        self.tail.thinned = thinned.into_iter().collect();
        Ok(())
    }

    /// Adds a row; not one of a copy that is not among those named, or has no number there.
    pub fn push_chunk(&mut self, chunk: &ChunkId, place: &ChunkPlace) -> Result<()> {
        let ChunkPlace { block, offset, len, copy } = *place;
        let session = number_of(&self.tail.sessions, block.session)?;
        let number = |pack: &PackId| {
            let pack = self.packs.get(pack).copied()?;
            self.tail.number_of(ThinnedCopy { session, serial: block.serial, pack })
        };
        let Some(copy) = copy.as_ref().map_or(Some(0), number) else { return Ok(()) };
        self.begin_row(first_eight(&chunk.0))?;
        filter::insert(&mut self.tail.filter, chunk);
        ChunkRow { chunk: *chunk, session, serial: block.serial, offset, len, copy }.encode(&mut self.page);
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
    pub fn finish(mut self, supersedes: &[TableId]) -> Result<Object> {
        if !self.page.is_empty() {
            self.flush_page()?;
        }
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
