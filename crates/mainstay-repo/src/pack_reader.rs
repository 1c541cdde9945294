//! Reading blocks and packs back.
//!
//! Owns the way from stored bytes to checked plaintext, and the choice among copies of a block. Trusts nothing: a block
//! must open under the key of the very block that was asked for, and be the copy that its row says it is. A copy that is
//! not good is passed over for another one; never is a thinned copy taken for the bytes that it lacks.

mod copies;
mod data_keys;

use std::collections::VecDeque;
use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex, PoisonError};

use crate::compress::expand;
use crate::error::{Error, Kind, Result};
use crate::format::block::{
    BLOCK_HEADER_LEN, BlockHeader, BlockKind, ChunkTable, THINNED_LEN, ThinMap, chunk_table_data,
};
use crate::format::envelope::associated_data;
use crate::format::pack::{PACK_FOOTER_LEN, PACK_HEADER_LEN, PackFooter, PackRow, encode_header};
use crate::format::table::TablePack;
use crate::format::{Problem, limits, names};
use crate::id::{BlockId, ChunkId, PackId, SessionId};
use crate::index::Index;
use crate::keys::Keys;
use crate::store::{Object, Store, is_absent, is_bad_sector, read_through};

use copies::Copies;
pub use data_keys::DataKeys;

pub use crate::index::BlockPlace;

/// Blocks that stay decoded: the tree blocks that a walk comes back to.
const CACHED_BLOCKS: usize = 24;

/// A block asked for as another kind than it was must not come from memory either.
type CachedBlock = ((BlockId, BlockKind), Arc<OpenBlock>);

/// Reads a small object whole.
pub(crate) fn read_object(store: &dyn Store, name: &str, verb: &'static str) -> Result<Vec<u8>> {
    store.read(name, limits::object_len(name)).map_err(|source| unread(source, name, verb))
}

/// The same by what is kept of it near.
pub(crate) fn read_kept_object(store: &dyn Store, name: &str, verb: &'static str) -> Result<Vec<u8>> {
    store.read_kept(name, limits::object_len(name)).map_err(|source| unread(source, name, verb))
}

fn unread(source: io::Error, name: &str, verb: &'static str) -> Error {
    match is_absent(&source) {
        true => Error::Missing { verb, name: name.to_owned() },
        false => Error::Store { verb, name: name.to_owned(), source },
    }
}

/// What gives what can be had of a block that is in no pack.
pub type LastResort = Box<dyn Fn(BlockId, BlockKind) -> Result<Option<OpenBlock>> + Send + Sync>;

/// The plaintext of a block, in a buffer that can be used again.
#[derive(Debug, Default)]
pub struct OpenBlock {
    bytes: Vec<u8>,
    /// What is there of a thinned block; the rest of `bytes` is zeros that nobody may read.
    kept: Option<Vec<Range<u32>>>,
}

impl OpenBlock {
    /// A thinned block, of its map and then the bytes that are there.
    pub(crate) fn of_thinned(coded: &[u8]) -> Result<Self, Problem> {
        let mut plain = Self::default();
        plain.spread(coded).map(|()| plain)
    }

    /// Length of the plaintext, with what was taken out.
    pub fn raw_len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// A range of the plaintext.
    ///
    /// # Errors
    /// When the range ends beyond the block, or something was taken out of it.
    pub fn range(&self, block: BlockId, offset: u32, len: u32) -> Result<&[u8]> {
        let damaged =
            |problem: &str| Error::damaged("read block", block, format!("expected {len} bytes at {offset}, {problem}"));
        let end = offset.checked_add(len).ok_or_else(|| damaged("got a number without end"))?;
        let bytes = self.bytes.get(offset as usize..end as usize);
        let bytes = bytes.ok_or_else(|| damaged(&format!("it ends at {}", self.bytes.len())))?;
        if !self.keeps(offset..end) {
            return Err(damaged("they were taken out of it because nothing needed them"));
        }
        Ok(bytes)
    }

    /// Whether all of a range of the plaintext is there.
    fn holds(&self, range: &Range<u32>) -> bool {
        range.end as usize <= self.bytes.len() && self.keeps(range.clone())
    }

    fn keeps(&self, range: Range<u32>) -> bool {
        let Some(kept) = &self.kept else { return true };
        let after = kept.partition_point(|kept| kept.start <= range.start);
        let found = after.checked_sub(1).and_then(|before| kept.get(before));
        range.is_empty() || found.is_some_and(|kept| range.end <= kept.end)
    }

    /// Whether all chunks are there that a table names, which is not bound to this copy of the block.
    pub(crate) fn has_all_of(&self, table: &ChunkTable) -> bool {
        let mut at = 0_u32;
        table.chunks.iter().all(|(id, len)| {
            let range = at..at.saturating_add(*len);
            at = range.end;
            *id == ChunkId::TAKEN_OUT || self.holds(&range)
        })
    }

    /// The ranges of the plaintext that are there, ascending and apart.
    pub(crate) fn kept(&self) -> Vec<Range<u32>> {
        let whole = 0..self.bytes.len() as u32;
        self.kept.clone().unwrap_or_else(|| Vec::from([whole]))
    }

    /// Puts the bytes that are there where they belong.
    fn spread(&mut self, coded: &[u8]) -> Result<(), Problem> {
        let (map, mut rest) = ThinMap::decode(coded)?;
        self.bytes.clear();
        self.bytes.resize(map.raw_len as usize, 0);
        for range in &map.kept {
            let (bytes, others) = rest.split_at((range.end - range.start) as usize);
            self.bytes[range.start as usize..range.end as usize].copy_from_slice(bytes);
            rest = others;
        }
        self.kept = Some(map.kept);
        Ok(())
    }
}

/// What must be found where a row says that a copy of a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    pub block: BlockId,
    pub kind: BlockKind,
    /// Whether this copy was thinned: the row says it, and so does the sealed block.
    pub thinned: bool,
}

impl From<&PackRow> for Expected {
    fn from(row: &PackRow) -> Self {
        Self { block: row.block, kind: row.kind, thinned: row.thinned }
    }
}

/// Opens blocks by their identifiers.
pub struct BlockReader {
    store: Arc<dyn Store>,
    keys: Arc<Keys>,
    data_keys: Arc<DataKeys>,
    index: Arc<Index>,
    cached: Mutex<VecDeque<CachedBlock>>,
    /// For what the index has lost or leads to in vain; `None` if nothing counts but the copy that the index leads to.
    copies: Option<Copies>,
    last_resort: Option<LastResort>,
}

impl BlockReader {
    pub(crate) fn new(store: Arc<dyn Store>, keys: Arc<Keys>, data_keys: Arc<DataKeys>, index: Arc<Index>) -> Self {
        let (cached, copies) = (Mutex::default(), Some(Copies::default()));
        Self { store, keys, data_keys, index, cached, copies, last_resort: None }
    }

    /// The same, which asks for a block that no pack gives.
    pub(crate) fn with_last_resort(self, last_resort: LastResort) -> Self {
        Self { last_resort: Some(last_resort), ..self }
    }

    /// The same for whoever wants to rely on a block later: any copy but the one that the index leads to may be gone then.
    pub fn without_other_copies(self) -> Self {
        Self { copies: None, ..self }
    }

    /// Where a block is, as far as rows tell: nothing is opened.
    ///
    /// # Errors
    /// [`Error::BlockMissing`] when no pack holds it.
    pub fn locate(&self, block: BlockId) -> Result<BlockPlace> {
        let lost = match self.index.find_block(block) {
            Ok(Some(place)) => return Ok(place),
            Ok(None) => Error::BlockMissing { block: block.to_string() },
            Err(error) if error.kind() == Kind::Corrupt => error,
            Err(error) => return Err(error),
        };
        self.copies_in_packs(block)?.first().copied().ok_or(lost)
    }

    fn copies_in_packs(&self, block: BlockId) -> Result<Vec<BlockPlace>> {
        let copies = self.copies.as_ref().map(|copies| copies.of(block, (&*self.store, &self.keys)));
        copies.unwrap_or_else(|| Ok(Vec::new()))
    }

    /// Opens the copies of a block, but for one that was tried already, and shows each that is good to `each` until that
    /// breaks off. Those that tables of the index name come first, then those that packs tell of themselves; of both the
    /// whole ones first.
    pub fn for_each_copy<E: From<Error>>(
        &self,
        (block, kind): (BlockId, BlockKind),
        tried: Option<&BlockPlace>,
        mut each: impl FnMut(&mut OpenBlock) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        if self.copies.is_none() {
            return Ok(());
        }
        let mut tried: Vec<BlockPlace> = tried.into_iter().copied().collect();
        let (mut stored, mut plain) = (Vec::new(), OpenBlock::default());
        for copies in [Self::copies_in_index, Self::copies_in_packs] {
            for place in copies(self, block)? {
                if tried.contains(&place) {
                    continue;
                }
                tried.push(place);
                match self.open_copy((block, kind), &place, &mut stored, &mut plain) {
                    Err(error) if error.kind() == Kind::Corrupt => continue,
                    opened => opened?,
                }
                if each(&mut plain)?.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn copies_in_index(&self, block: BlockId) -> Result<Vec<BlockPlace>> {
        self.index.copies(block)
    }

    /// Reads and opens one copy of a block.
    fn open_copy(
        &self,
        (block, kind): (BlockId, BlockKind),
        place: &BlockPlace,
        stored: &mut Vec<u8>,
        plain: &mut OpenBlock,
    ) -> Result<()> {
        stored.resize(place.stored_len as usize, 0);
        let expected = Expected { block, kind, thinned: place.thinned };
        if kind == BlockKind::Content {
            self.read_range(place, place.offset.into(), stored)?;
            return self.open(expected, stored, plain);
        }
        // Every backup walks the trees of the one before.
        read_through(&*self.store, &names::pack(place.pack, place.pack_session), || {
            self.read_by(place, |name| self.store.read_kept_at(name, place.offset.into(), stored))?;
            self.open(expected, stored, plain)
        })
    }

    /// Reads a range of a pack into `buffer`, which sets the length.
    pub fn read_range(&self, place: &BlockPlace, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.read_by(place, |name| self.store.read_at(name, offset, buffer))
    }

    fn read_by(&self, place: &BlockPlace, read: impl FnOnce(&str) -> std::io::Result<()>) -> Result<()> {
        let name = names::pack(place.pack, place.pack_session);
        read(&name).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::Missing { verb: "read", name },
            std::io::ErrorKind::UnexpectedEof => Error::damaged("read", name, "it is shorter than the index says"),
            _ => pack_error(&name, source),
        })
    }

    /// Reads the header of a block as it is stored: its nonce tells copies that were sealed at different times apart.
    pub fn read_header(&self, place: &BlockPlace) -> Result<[u8; BLOCK_HEADER_LEN]> {
        let mut header = [0; BLOCK_HEADER_LEN];
        self.read_range(place, place.offset.into(), &mut header).map(|()| header)
    }

    /// Opens the stored bytes of a block (header and ciphertext, decrypted where they stand) into `plain`.
    pub fn open(&self, expected: Expected, stored: &mut [u8], plain: &mut OpenBlock) -> Result<()> {
        let (header, opened) = self.unseal(expected, stored)?;
        let damaged = |problem| Error::damaged("open block", expected.block, problem);
        if !header.thinned {
            plain.kept = None;
            return expand(header.codec, opened, limits::BLOCK_LEN, &mut plain.bytes).map_err(damaged);
        }
        let mut coded = Vec::new();
        expand(header.codec, opened, THINNED_LEN, &mut coded).and_then(|()| plain.spread(&coded)).map_err(damaged)
    }

    fn unseal<'s>(&self, expected: Expected, stored: &'s mut [u8]) -> Result<(BlockHeader, &'s [u8])> {
        let Expected { block, kind, thinned } = expected;
        let problem = |problem: Problem| Error::damaged("open block", block, problem);
        let header = BlockHeader::decode(stored).map_err(problem)?;
        if header.id != block || header.kind != kind {
            return Err(problem(Problem(format!("block {} ({:?}) stands in its place", header.id, header.kind))));
        }
        if header.thinned != thinned {
            let called = |thinned: bool| if thinned { "a thinned copy" } else { "a whole copy" };
            let (expected, got) = (called(thinned), called(header.thinned));
            return Err(problem(Problem(format!("expected {expected}, got {got}"))));
        }
        let key = self.data_keys.get(block.session)?;
        let repository = self.keys.config().repository;
        let data = associated_data(repository, kind.object_kind(), &[&header.encode()]);
        let sealed = stored.get_mut(BLOCK_HEADER_LEN..).unwrap_or_default();
        if sealed.len() != header.sealed_len as usize {
            return Err(problem(Problem(format!("expected {} sealed bytes, got {}", header.sealed_len, sealed.len()))));
        }
        let opened = key
            .block_key(kind.object_kind(), block.serial)?
            .open(header.nonce, &data, sealed)
            .map_err(|_| problem(Problem::new("its seal does not match")))?;
        Ok((header, opened))
    }

    /// Checks that a block opens, without expanding it; its ciphertext is decrypted where it stands.
    pub(crate) fn check_seal(&self, expected: Expected, stored: &mut [u8]) -> Result<()> {
        self.unseal(expected, stored).map(|_| ())
    }

    /// Checks that the copy of a block at a place opens, without expanding it.
    pub(crate) fn check_copy(&self, (block, kind): (BlockId, BlockKind), place: &BlockPlace) -> Result<()> {
        let mut stored = vec![0; place.stored_len as usize];
        self.read_range(place, place.offset.into(), &mut stored)?;
        self.check_seal(Expected { block, kind, thinned: place.thinned }, &mut stored)
    }

    /// Whether the copy of a block at a place is there and opens.
    pub(crate) fn has_good_copy(&self, wanted: (BlockId, BlockKind), place: &BlockPlace) -> Result<bool> {
        match self.check_copy(wanted, place) {
            Err(error) if error.kind() == Kind::Corrupt => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Reads a block that has these bytes of its plaintext, from memory if it was read lately.
    ///
    /// # Errors
    /// When no copy of it opens and has them: what was wrong with the copy that the index leads to.
    pub fn read(&self, block: BlockId, kind: BlockKind, bytes: Range<u32>) -> Result<Arc<OpenBlock>> {
        if let Some(plain) = self.take_cached((block, kind), &bytes) {
            return Ok(plain);
        }
        let mut plain = OpenBlock::default();
        match self.read_into((block, kind), bytes.clone(), &mut Vec::new(), &mut plain) {
            Err(error) if error.kind() == Kind::Corrupt => {
                let found = self.last_resort.as_ref().map_or(Ok(None), |give| give(block, kind))?;
                plain = found.filter(|found| found.holds(&bytes)).ok_or(error)?;
            }
            read => read?,
        }
        let plain = Arc::new(plain);
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.len() >= CACHED_BLOCKS {
            cached.pop_front();
        }
        cached.push_back(((block, kind), plain.clone()));
        Ok(plain)
    }

    /// The same into buffers that can be used again, and past the memory.
    pub fn read_into(
        &self,
        wanted: (BlockId, BlockKind),
        bytes: Range<u32>,
        stored: &mut Vec<u8>,
        plain: &mut OpenBlock,
    ) -> Result<()> {
        let place = self.locate(wanted.0)?;
        let opened = self.open_copy(wanted, &place, stored, plain);
        let failure = match opened.and_then(|()| plain.range(wanted.0, bytes.start, bytes.len() as u32).map(drop)) {
            Err(error) if error.kind() == Kind::Corrupt => error,
            read => return read,
        };
        let mut is_found = false;
        self.for_each_copy::<Error>(wanted, Some(&place), |copy| {
            is_found = copy.holds(&bytes);
            if !is_found {
                return Ok(ControlFlow::Continue(()));
            }
            std::mem::swap(copy, plain);
            Ok(ControlFlow::Break(()))
        })?;
        if is_found { Ok(()) } else { Err(failure) }
    }

    fn take_cached(&self, wanted: (BlockId, BlockKind), bytes: &Range<u32>) -> Option<Arc<OpenBlock>> {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        let position = cached.iter().rposition(|(held, plain)| *held == wanted && plain.holds(bytes))?;
        if position + 4 < cached.len() {
            let entry = cached.remove(position)?;
            cached.push_back(entry);
            return cached.back().map(|(_, plain)| plain.clone());
        }
        cached.get(position).map(|(_, plain)| plain.clone())
    }
}

/// Chunk tables that lie together are read at once up to so many bytes.
const TABLES_LEN: u32 = 4 << 20;

/// What failed when a part of a pack was read. A sector that the disk cannot read is damage like any other: another copy may serve.
pub(crate) fn pack_error(name: &str, source: std::io::Error) -> Error {
    if is_bad_sector(&source) {
        return Error::damaged("read", name, format!("the disk cannot read it: {source}"));
    }
    Error::Store { verb: "read", name: name.to_owned(), source }
}

/// A pack's own account of itself.
pub struct PackListing {
    pub id: PackId,
    pub session: SessionId,
    pub len: u64,
    pub rows: Vec<PackRow>,
}

impl PackListing {
    /// As the store lists it.
    pub(crate) fn object(&self) -> Object {
        Object { name: names::pack(self.id, self.session), len: self.len }
    }

    /// Where the copy of a row is.
    pub(crate) fn place_of(&self, row: &PackRow) -> BlockPlace {
        let PackRow { kind, thinned, offset, stored_len, .. } = *row;
        BlockPlace { pack: self.id, pack_session: self.session, offset, stored_len, kind, thinned }
    }

    /// As tables of the index name it.
    pub(crate) fn named(&self) -> TablePack {
        TablePack { id: self.id, session: self.session, len: self.len }
    }

    /// Reads header, footer and directory of a pack of `len` bytes.
    pub(crate) fn read(store: &dyn Store, keys: &Keys, name: &str, len: u64) -> Result<Self> {
        Self::read_by(keys, name, len, |offset, buffer| {
            store.read_at(name, offset, buffer).map_err(|source| pack_error(name, source))
        })
    }

    /// The same of bytes that are read in another way.
    pub(crate) fn read_by(
        keys: &Keys,
        name: &str,
        len: u64,
        read: impl Fn(u64, &mut [u8]) -> Result<()>,
    ) -> Result<Self> {
        let damaged = |problem: Problem| Error::damaged("read pack directory", name, problem);
        let (id, session) = names::parse_pack(name).map_err(damaged)?;
        if len < (PACK_HEADER_LEN + PACK_FOOTER_LEN) as u64 || len > limits::PACK_LEN {
            return Err(damaged(Problem(format!("{len} bytes are no pack"))));
        }
        let mut header = [0; PACK_HEADER_LEN];
        read(0, &mut header)?;
        if header != encode_header(keys.config().repository, session) {
            return Err(damaged(Problem::new("its header is damaged or of another repository")));
        }
        let mut footer = [0; PACK_FOOTER_LEN];
        read(len - PACK_FOOTER_LEN as u64, &mut footer)?;
        let footer = PackFooter::decode(&footer, len).map_err(damaged)?;
        let mut directory = vec![0; footer.directory_len()];
        read(footer.directory_offset, &mut directory)?;
        let rows = footer.decode_directory(&directory).map_err(damaged)?;
        Ok(Self { id, session, len, rows })
    }

    /// Calls `each` with every row and the sealed bytes of its chunk table; tables that lie together are read at once.
    pub(crate) fn for_each_table(
        &self,
        store: &dyn Store,
        mut each: impl FnMut(&PackRow, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let name = names::pack(self.id, self.session);
        let (mut rest, mut bytes) = (self.rows.as_slice(), Vec::new());
        while let Some(first) = rest.first() {
            let start = first.table_offset;
            let mut end = start;
            let fits = |row: &&PackRow| {
                let is_next = row.table_offset == end;
                end = row.table_offset.saturating_add(row.table_len);
                is_next && (end - start <= TABLES_LEN || row.table_offset == start)
            };
            let count = rest.iter().take_while(fits).count().max(1);
            let (rows, others) = rest.split_at(count);
            rest = others;
            let len: u64 = rows.iter().map(|row| u64::from(row.table_len)).sum();
            bytes.resize(len as usize, 0);
            store.read_at(&name, start.into(), &mut bytes).map_err(|source| pack_error(&name, source))?;
            for row in rows {
                let at = (row.table_offset - start) as usize;
                each(row, bytes.get(at..at + row.table_len as usize).unwrap_or_default())?;
            }
        }
        Ok(())
    }

    /// Opens the chunk table of one of the pack's blocks, given the bytes that its row points to.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] when it is of a domain whose secrets this key lacks.
    pub(crate) fn open_table(data_keys: &DataKeys, block: BlockId, sealed: &[u8]) -> Result<ChunkTable> {
        let keys = &*data_keys.keys;
        match open_table(keys, block, sealed) {
            // Whose it is says the data key, which is asked only where the own domain is not it.
            Err(error) if error.kind() == Kind::Corrupt && keys.domain_of(block.session) == keys.own_domain() => {
                let is_known = data_keys.get(block.session).is_ok();
                let is_other = is_known && keys.domain_of(block.session) != keys.own_domain();
                if is_other { open_table(keys, block, sealed) } else { Err(error) }
            }
            opened => opened,
        }
    }
}

fn open_table(keys: &Keys, block: BlockId, sealed: &[u8]) -> Result<ChunkTable> {
    let damaged = |problem: Problem| Error::damaged("open chunk table of block", block, problem);
    let mut sealed = sealed.to_vec();
    let (nonce, rest) = sealed.split_first_chunk_mut::<12>().ok_or_else(|| damaged(Problem::new("it is cut short")))?;
    let data = chunk_table_data(keys.config().repository, block);
    let plain = keys
        .chunk_table_key(block)?
        .open(*nonce, &data, rest)
        .map_err(|_| damaged(Problem::new("its seal does not match")))?;
    ChunkTable::decode(plain).map_err(damaged)
}

#[cfg(test)]
mod tests;
