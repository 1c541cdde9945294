//! One open index table: its tail in memory, its pages read when asked.
//!
//! Owns searching. Never writes.

use std::sync::Arc;

use super::{BlockPlace, ChunkPlace, Index, filter};
use crate::error::{Error, Result};
use crate::format::envelope::{ObjectKind, associated_data};
use crate::format::names::{self, TableKind};
use crate::format::table::{
    BlockRow, ChunkRow, PAGE_LEN, PAGE_STRIDE, TABLE_FOOTER_LEN, TABLE_HEADER_LEN, TableHeader, TablePack, TableTail,
    decode_footer, row_len, rows_per_page,
};
use crate::format::{Decoded, Problem, limits};
use crate::id::{BlockId, ChunkId, DomainId, PackId, SessionId, TableId};
use crate::keys::Keys;
use crate::seal::{SealKey, TAG_LEN};
use crate::store::{Store, is_absent, read_through};

/// Length of the checksum after a clear tail.
pub(super) const TAIL_CHECKSUM_LEN: usize = 32;

/// Pages that are checked at once: a megabyte of them.
const PAGES_AT_ONCE: usize = 256;

pub struct Table {
    name: String,
    header: TableHeader,
    tail: TableTail,
    key: Option<SealKey>,
}

impl Table {
    /// Reads header, footer and tail.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] for the chunks of a domain whose secrets this key lacks.
    pub fn open(store: &dyn Store, keys: &Keys, kind: TableKind, id: TableId, len: u64) -> Result<Self> {
        read_through(store, &names::table(kind, id), || Self::open_once(store, keys, kind, (id, len)))
    }

    fn open_once(store: &dyn Store, keys: &Keys, kind: TableKind, (id, len): (TableId, u64)) -> Result<Self> {
        let name = names::table(kind, id);
        let damaged = |problem: Problem| Error::damaged("open index table", &name, problem);
        let minimum = (TABLE_HEADER_LEN + TABLE_FOOTER_LEN) as u64;
        if len < minimum {
            return Err(damaged(Problem(format!("{len} bytes are too few for a table"))));
        }
        let mut header = [0; TABLE_HEADER_LEN];
        read_at(store, &name, 0, &mut header)?;
        let header = TableHeader::decode(kind, &header).map_err(damaged)?;
        if header.id != id || header.repository != keys.config().repository {
            return Err(damaged(Problem::new("it is another table under this name")));
        }
        let mut footer = [0; TABLE_FOOTER_LEN];
        read_at(store, &name, len - TABLE_FOOTER_LEN as u64, &mut footer)?;
        let (tail_offset, tail_len) = decode_footer(&footer, len).map_err(damaged)?;
        let pages_len = tail_offset
            .checked_sub(TABLE_HEADER_LEN as u64)
            .ok_or_else(|| damaged(Problem::new("its tail begins inside its header")))?;
        let mut tail = vec![0; tail_len as usize];
        read_at(store, &name, tail_offset, &mut tail)?;
        let key = (kind == TableKind::Chunks).then(|| keys.table_key(header.domain, id)).transpose()?;
        let plain = open_tail(&header, key.as_ref(), &mut tail).map_err(damaged)?;
        let tail = TableTail::decode(plain, kind, pages_len).map_err(damaged)?;
        Ok(Self { name, header, tail, key })
    }

    pub fn id(&self) -> TableId {
        self.header.id
    }

    pub fn kind(&self) -> TableKind {
        self.header.kind
    }

    /// Whose chunks it names.
    pub fn domain(&self) -> DomainId {
        self.header.domain
    }

    pub fn rows(&self) -> u64 {
        self.tail.rows
    }

    /// Bytes that the table keeps in memory: filter and fences.
    #[cfg(test)]
    pub(super) fn memory_len(&self) -> usize {
        self.tail.filter.len() + self.tail.fences.len()
    }

    pub fn sessions(&self) -> &[SessionId] {
        &self.tail.sessions
    }

    pub fn packs(&self) -> &[TablePack] {
        &self.tail.packs
    }

    /// The thinned copies of which its rows of chunks may tell.
    pub(super) fn thinned_copies(&self) -> impl Iterator<Item = (BlockId, PackId)> {
        self.tail.thinned.iter().filter_map(|copy| {
            let session = *self.tail.sessions.get(copy.session as usize)?;
            let pack = self.tail.packs.get(copy.pack as usize)?.id;
            Some((BlockId { session, serial: copy.serial }, pack))
        })
    }

    pub fn supersedes(&self) -> &[TableId] {
        &self.tail.supersedes
    }

    pub fn may_hold(&self, id: &ChunkId) -> bool {
        filter::may_hold(&self.tail.filter, id)
    }

    pub(super) fn pages(&self) -> u64 {
        self.tail.fences.len() as u64 / 8
    }

    pub(super) fn find_chunk(&self, id: &ChunkId, index: &Index) -> Result<Option<ChunkPlace>> {
        let key = u64::from_be_bytes(first_eight(&id.0));
        let mut page = self.last_page_not_after(key);
        // Rows with the same first eight bytes may begin on the page before.
        loop {
            let bytes = self.page(page, index)?;
            let rows = bytes.chunks_exact(row_len(TableKind::Chunks)).take(self.rows_on(page));
            for row in rows {
                if row.get(..ChunkId::LEN) == Some(&id.0) {
                    let row = ChunkRow::decode(row).map_err(|problem| self.damaged(problem))?;
                    return self.chunk_place(&row).map(Some);
                }
            }
            if page == 0 || self.fence(page) != key {
                return Ok(None);
            }
            page -= 1;
        }
    }

    pub(super) fn chunk_place(&self, row: &ChunkRow) -> Result<ChunkPlace> {
        let block = BlockId { session: self.session(row.session)?, serial: row.serial };
        let copy =
            match row.copy {
                0 => None,
                number => Some(self.tail.pack_of(row).ok_or_else(|| {
                    self.damaged(Problem(format!("copy {number} of block {block} is not in its list")))
                })?),
            };
        Ok(ChunkPlace { block, offset: row.offset, len: row.len, copy })
    }

    /// Calls `each` for every row of a block, the last page first.
    pub(super) fn for_each_copy(&self, block: BlockId, index: &Index, each: &mut dyn FnMut(BlockPlace)) -> Result<()> {
        let Ok(session) = self.tail.sessions.binary_search(&block.session) else { return Ok(()) };
        let wanted = (session as u32, block.serial);
        let key = u64::from(wanted.0) << 32 | u64::from(wanted.1);
        let (mut page, mut left) = (self.last_page_not_after(key), limits::COPIES);
        loop {
            let bytes = self.page(page, index)?;
            let first = self.first_row_not_before(&bytes, page, wanted)?;
            let rows = bytes.chunks_exact(row_len(TableKind::Blocks)).take(self.rows_on(page)).skip(first);
            for row in rows.take(left) {
                let row = BlockRow::decode(row).map_err(|problem| self.damaged(problem))?;
                if row.key() != wanted {
                    break;
                }
                left -= 1;
                each(self.block_place(&row)?);
            }
            // The rows of one block may begin on the page before.
            if first > 0 || page == 0 || left == 0 || self.fence(page) != key {
                return Ok(());
            }
            page -= 1;
        }
    }

    fn first_row_not_before(&self, bytes: &[u8], page: u64, wanted: (u32, u32)) -> Result<usize> {
        let len = row_len(TableKind::Blocks);
        let (mut low, mut high) = (0, self.rows_on(page));
        while low < high {
            let middle = (low + high) / 2;
            let row = bytes.get(middle * len..(middle + 1) * len).unwrap_or_default();
            let row = BlockRow::decode(row).map_err(|problem| self.damaged(problem))?;
            if row.key() < wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn block_place(&self, row: &BlockRow) -> Result<BlockPlace> {
        let pack = self.tail.packs.get(row.pack as usize);
        let pack = pack.ok_or_else(|| self.damaged(Problem(format!("pack number {} is not in its list", row.pack))))?;
        if u64::from(row.offset) + u64::from(row.stored_len) > pack.len {
            return Err(self.damaged(Problem(format!("a block ends beyond its pack {}", pack.id))));
        }
        Ok(BlockPlace {
            pack: pack.id,
            pack_session: pack.session,
            offset: row.offset,
            stored_len: row.stored_len,
            kind: row.kind,
            thinned: row.thinned,
        })
    }

    pub(super) fn for_each_block(&self, index: &Index, each: &mut dyn FnMut(BlockId, BlockPlace)) -> Result<()> {
        for page in 0..self.pages() {
            let bytes = self.page(page, index)?;
            for row in bytes.chunks_exact(row_len(TableKind::Blocks)).take(self.rows_on(page)) {
                let row = BlockRow::decode(row).map_err(|problem| self.damaged(problem))?;
                let block = BlockId { session: self.session(row.session)?, serial: row.serial };
                each(block, self.block_place(&row)?);
            }
        }
        Ok(())
    }

    /// The rows of one page, for a merge that reads them in order.
    pub(super) fn chunk_rows(&self, page: u64, index: &Index) -> Result<Vec<ChunkRow>> {
        let bytes = self.read_page(page, &*index.store)?;
        let rows = bytes.chunks_exact(row_len(TableKind::Chunks)).take(self.rows_on(page));
        rows.map(|row| ChunkRow::decode(row).map_err(|problem| self.damaged(problem))).collect()
    }

    fn session(&self, number: u32) -> Result<SessionId> {
        let found = self.tail.sessions.get(number as usize).copied();
        found.ok_or_else(|| self.damaged(Problem(format!("session number {number} is not in its list"))))
    }

    fn rows_on(&self, page: u64) -> usize {
        let per_page = rows_per_page(self.header.kind);
        let before = page * per_page as u64;
        usize::try_from(self.tail.rows.saturating_sub(before)).unwrap_or(usize::MAX).min(per_page)
    }

    fn fence(&self, page: u64) -> u64 {
        let start = page as usize * 8;
        let bytes = self.tail.fences.get(start..start + 8).unwrap_or_default();
        bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    /// The last page whose first key is not greater than `key`; page 0 if there is none.
    fn last_page_not_after(&self, key: u64) -> u64 {
        let (mut low, mut high) = (0, self.pages());
        while low < high {
            let middle = (low + high) / 2;
            if self.fence(middle) <= key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.saturating_sub(1)
    }

    fn page(&self, page: u64, index: &Index) -> Result<Arc<[u8]>> {
        index.cache.page(self.header.id, page, || self.read_page(page, &*index.store))
    }

    fn read_page(&self, page: u64, store: &dyn Store) -> Result<Arc<[u8]>> {
        read_through(store, &self.name, || self.read_page_once(page, store))
    }

    fn read_page_once(&self, page: u64, store: &dyn Store) -> Result<Arc<[u8]>> {
        let mut bytes = vec![0; PAGE_STRIDE as usize];
        read_at(store, &self.name, TableHeader::page_offset(page), &mut bytes)?;
        open_page(&self.header, self.key.as_ref(), page, &mut bytes)
            .map(Arc::from)
            .map_err(|problem| self.damaged(problem))
    }

    /// Reads every page, many at once, and keeps none.
    pub(super) fn check_pages(&self, store: &dyn Store) -> Result<()> {
        read_through(store, &self.name, || self.check_pages_once(store))
    }

    fn check_pages_once(&self, store: &dyn Store) -> Result<()> {
        let (mut bytes, mut copies) = (Vec::new(), ((0, 0), 0));
        for first in (0..self.pages()).step_by(PAGES_AT_ONCE) {
            let count = (self.pages() - first).min(PAGES_AT_ONCE as u64);
            bytes.resize((count * PAGE_STRIDE) as usize, 0);
            read_at(store, &self.name, TableHeader::page_offset(first), &mut bytes)?;
            for (page, bytes) in (first..).zip(bytes.chunks_exact_mut(PAGE_STRIDE as usize)) {
                let opened = open_page(&self.header, self.key.as_ref(), page, bytes);
                let rows = opened.map_err(|problem| self.damaged(problem))?;
                if self.header.kind == TableKind::Blocks {
                    self.count_copies(rows, page, &mut copies)?;
                }
            }
        }
        Ok(())
    }

    /// Goes on counting the rows of the block that the page before ended with. Anybody can put a table of blocks: one with a million
    /// rows of one block would make every look at that block slow.
    fn count_copies(&self, rows: &[u8], page: u64, (last, count): &mut ((u32, u32), usize)) -> Result<()> {
        for row in rows.chunks_exact(row_len(TableKind::Blocks)).take(self.rows_on(page)) {
            let key = BlockRow::decode(row).map_err(|problem| self.damaged(problem))?.key();
            *count = if key == *last { *count + 1 } else { 1 };
            *last = key;
            if *count > limits::COPIES {
                return Err(self.damaged(Problem(format!("it has more than {} rows of one block", limits::COPIES))));
            }
        }
        Ok(())
    }

    fn damaged(&self, problem: Problem) -> Error {
        Error::damaged("read index table", &self.name, problem)
    }
}

fn read_at(store: &dyn Store, name: &str, offset: u64, buffer: &mut [u8]) -> Result<()> {
    store.read_at(name, offset, buffer).map_err(|source| {
        if is_absent(&source) {
            return Error::Missing { verb: "read index table", name: name.to_owned() };
        }
        Error::Store { verb: "read index table", name: name.to_owned(), source }
    })
}

pub(super) fn first_eight(bytes: &[u8; 32]) -> [u8; 8] {
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    first
}

/// The nonce of a page is its number: a table's key is its own, and a table is written once.
pub(super) fn page_nonce(page: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&page.to_le_bytes());
    nonce
}

/// The nonce of the tail, which no page has.
pub(super) const TAIL_NONCE: [u8; 12] = [0xff; 12];

pub(super) fn page_data(header: &TableHeader, page: u64) -> Vec<u8> {
    associated_data(header.repository, ObjectKind::IndexPage, &[&header.encode(), &page.to_le_bytes()])
}

pub(super) fn tail_data(header: &TableHeader) -> Vec<u8> {
    associated_data(header.repository, ObjectKind::IndexTail, &[&header.encode()])
}

/// The checksum after a clear page or tail: BLAKE3 over what would be associated data, then the bytes.
pub(super) fn checksum(data: &[u8], bytes: &[u8]) -> blake3::Hash {
    blake3::Hasher::new().update(data).update(bytes).finalize()
}

fn open_page<'a>(header: &TableHeader, key: Option<&SealKey>, page: u64, bytes: &'a mut [u8]) -> Decoded<&'a [u8]> {
    let data = page_data(header, page);
    if let Some(key) = key {
        let plain = key.open(page_nonce(page), &data, bytes);
        return plain.map(|plain| &*plain).map_err(|_| Problem(format!("page {page} does not open")));
    }
    let (plain, tag) = bytes.split_at(PAGE_LEN);
    if checksum(&data, plain).as_bytes()[..TAG_LEN] != *tag {
        return Err(Problem(format!("the checksum of page {page} does not match")));
    }
    Ok(plain)
}

fn open_tail<'a>(header: &TableHeader, key: Option<&SealKey>, tail: &'a mut [u8]) -> Decoded<&'a [u8]> {
    let data = tail_data(header);
    if let Some(key) = key {
        let plain = key.open(TAIL_NONCE, &data, tail);
        return plain.map(|plain| &*plain).map_err(|_| Problem::new("its tail does not open"));
    }
    let split = tail.len().checked_sub(TAIL_CHECKSUM_LEN).ok_or_else(|| Problem::new("its tail is cut short"))?;
    let (plain, sum) = tail.split_at(split);
    if checksum(&data, plain).as_bytes() != sum {
        return Err(Problem::new("the checksum of its tail does not match"));
    }
    Ok(plain)
}
