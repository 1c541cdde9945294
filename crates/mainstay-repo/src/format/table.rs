//! Index tables: sorted rows in pages of fixed size, so that one row is found by reading one page.
//!
//! Owns header, rows, pages, tail and footer. A page is sealed (chunk tables) or carries a checksum (block tables), both
//! in 16 bytes after it, so that both kinds have the same geometry.

use super::block::{BlockKind, STORED_BLOCK_LEN, thinned_from_byte};
use super::names::TableKind;
use super::{Decoded, Fields, Problem, from_cbor, limits, to_cbor, within};
use crate::id::{ChunkId, DomainId, PackId, RepositoryId, SessionId, TableId};

pub const PAGE_LEN: usize = 4096;
/// Tag of the seal, or the first bytes of BLAKE3.
pub const PAGE_TAG_LEN: usize = 16;
pub const PAGE_STRIDE: u64 = (PAGE_LEN + PAGE_TAG_LEN) as u64;
pub const TABLE_HEADER_LEN: usize = 64;
pub const TABLE_FOOTER_LEN: usize = 24;
const HEADER_MAGIC: [u8; 8] = *b"MSINDEX\x02";
const FOOTER_MAGIC: [u8; 8] = *b"MSIXEND\x01";

/// The header of a table; all of it is associated data of its sealed pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableHeader {
    pub kind: TableKind,
    pub repository: RepositoryId,
    pub id: TableId,
    /// Whose chunks a table of chunks names; the main domain in tables of blocks.
    pub domain: DomainId,
}

impl TableHeader {
    pub fn encode(&self) -> [u8; TABLE_HEADER_LEN] {
        let mut bytes = [0; TABLE_HEADER_LEN];
        bytes[..8].copy_from_slice(&HEADER_MAGIC);
        bytes[8] = kind_byte(self.kind);
        bytes[12..16].copy_from_slice(&(PAGE_LEN as u32).to_le_bytes());
        bytes[16..32].copy_from_slice(&self.repository.0);
        bytes[32..48].copy_from_slice(&self.id.0);
        bytes[48..56].copy_from_slice(&self.domain.0);
        bytes
    }

    pub fn decode(kind: TableKind, bytes: &[u8]) -> Decoded<Self> {
        let mut fields = Fields::new(bytes);
        if fields.array::<8>()? != HEADER_MAGIC || fields.array::<4>()? != [kind_byte(kind), 0, 0, 0] {
            return Err(Problem(format!("it is not an index table of {kind:?}")));
        }
        if fields.u32()? != PAGE_LEN as u32 {
            return Err(Problem::new("its pages have an unknown length"));
        }
        let (repository, id) = (RepositoryId(fields.array()?), TableId(fields.array()?));
        let header = Self { kind, repository, id, domain: DomainId(fields.array()?) };
        if fields.array::<8>()? != [0; 8] || kind == TableKind::Blocks && header.domain != DomainId::MAIN {
            return Err(Problem::new("reserved bytes of its header are not zero"));
        }
        Ok(header)
    }

    /// Where a page begins in the object.
    pub fn page_offset(page: u64) -> u64 {
        TABLE_HEADER_LEN as u64 + page * PAGE_STRIDE
    }
}

fn kind_byte(kind: TableKind) -> u8 {
    match kind {
        TableKind::Blocks => 16,
        TableKind::Chunks => 17,
    }
}

pub fn row_len(kind: TableKind) -> usize {
    match kind {
        TableKind::Blocks => 24,
        TableKind::Chunks => 48,
    }
}

pub fn rows_per_page(kind: TableKind) -> usize {
    PAGE_LEN / row_len(kind)
}

/// Where a block lies: session and pack by their numbers in the tail's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRow {
    pub session: u32,
    pub serial: u32,
    pub pack: u32,
    pub offset: u32,
    pub stored_len: u32,
    pub kind: BlockKind,
    /// As in the block's header.
    pub thinned: bool,
}

impl BlockRow {
    pub fn key(&self) -> (u32, u32) {
        (self.session, self.serial)
    }

    pub fn encode(&self, page: &mut Vec<u8>) {
        for number in [self.session, self.serial, self.pack, self.offset, self.stored_len] {
            page.extend_from_slice(&number.to_le_bytes());
        }
        page.extend_from_slice(&[self.kind.object_kind() as u8, self.thinned.into(), 0, 0]);
    }

    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut fields = Fields::new(bytes);
        let row = Self {
            session: fields.u32()?,
            serial: fields.u32()?,
            pack: fields.u32()?,
            offset: fields.u32()?,
            stored_len: fields.u32()?,
            kind: BlockKind::from_byte(fields.u8()?)?,
            thinned: thinned_from_byte(fields.u8()?)?,
        };
        if fields.array::<2>()? != [0; 2] {
            return Err(Problem::new("reserved bytes of a row are not zero"));
        }
        within("stored length of a block", row.stored_len.into(), STORED_BLOCK_LEN)?;
        Ok(row)
    }
}

/// Bits of a chunk's length in its row.
const LEN_BITS: u32 = 24;

/// Where a chunk lies: in which block (its session by number in the tail's list), and where in its plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRow {
    pub chunk: ChunkId,
    pub session: u32,
    pub serial: u32,
    pub offset: u32,
    pub len: u32,
    /// 0 where any whole copy of the block has the chunk. Else the number, from 1 on, of the one thinned copy that has it, among
    /// those of this block in the tail's list.
    pub copy: u8,
}

impl ChunkRow {
    pub fn encode(&self, page: &mut Vec<u8>) {
        page.extend_from_slice(&self.chunk.0);
        // A chunk is shorter than three bytes can say; the fourth is free.
        let len = self.len | u32::from(self.copy) << LEN_BITS;
        for number in [self.session, self.serial, self.offset, len] {
            page.extend_from_slice(&number.to_le_bytes());
        }
    }

    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut fields = Fields::new(bytes);
        let chunk = ChunkId(fields.array()?);
        let (session, serial, offset, len) = (fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?);
        let (len, copy) = (len & ((1 << LEN_BITS) - 1), (len >> LEN_BITS) as u8);
        within("length of a chunk", len.into(), limits::CHUNK_LEN as u64)?;
        Ok(Self { chunk, session, serial, offset, len, copy })
    }
}

/// A thinned copy of a block of which rows of chunks tell: where the block's session and the pack that holds the copy stand in
/// the tail's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, minicbor::Encode, minicbor::Decode)]
#[cbor(array)]
pub struct ThinnedCopy {
    #[n(0)]
    pub session: u32,
    #[n(1)]
    pub serial: u32,
    #[n(2)]
    pub pack: u32,
}

/// A pack that a table of blocks refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct TablePack {
    #[n(1)]
    pub id: PackId,
    #[n(2)]
    pub session: SessionId,
    /// Length of the pack in bytes: `check` compares it with the store's listing.
    #[n(3)]
    pub len: u64,
}

/// What is read whole when a table is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct TableTail {
    /// Sorted, so that rows sorted by session number are sorted by session.
    #[n(1)]
    pub sessions: Vec<SessionId>,
    #[n(2)]
    pub packs: Vec<TablePack>,
    /// The first eight bytes of the key of each page's first row, big-endian order, eight bytes a page.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub fences: Vec<u8>,
    /// Split block Bloom filter over all chunk identifiers; empty in tables of blocks.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub filter: Vec<u8>,
    /// Tables whose rows are all in this one, or gone for good.
    #[n(5)]
    pub supersedes: Vec<TableId>,
    #[n(6)]
    pub rows: u64,
    /// Ascending; empty in tables of blocks.
    #[n(7)]
    pub thinned: Vec<ThinnedCopy>,
}

impl TableTail {
    pub fn encode(&self) -> Vec<u8> {
        to_cbor(self)
    }

    /// Decodes the tail of a table of a kind whose pages take `pages_len` bytes.
    pub fn decode(bytes: &[u8], kind: TableKind, pages_len: u64) -> Decoded<Self> {
        let tail: Self = from_cbor("tail of an index table", bytes)?;
        within("rows of an index table", tail.rows, limits::TABLE_ROWS)?;
        let pages = tail.rows.div_ceil(rows_per_page(kind) as u64);
        if tail.fences.len() as u64 != pages * 8 || pages_len != pages * PAGE_STRIDE {
            return Err(Problem(format!("its {} rows do not fill its pages", tail.rows)));
        }
        if !tail.filter.len().is_multiple_of(32) {
            return Err(Problem::new("its filter is not made of whole blocks"));
        }
        if tail.sessions.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(Problem::new("its sessions are not in order"));
        }
        if tail.thinned.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(Problem::new("its thinned copies are not in order"));
        }
        let is_listed = |copy: &ThinnedCopy| {
            (copy.session as usize) < tail.sessions.len() && (copy.pack as usize) < tail.packs.len()
        };
        if !tail.thinned.iter().all(is_listed) {
            return Err(Problem::new("a thinned copy is of a session or a pack that is not in its lists"));
        }
        Ok(tail)
    }

    fn copies_of(&self, session: u32, serial: u32) -> &[ThinnedCopy] {
        let key = |copy: &ThinnedCopy| (copy.session, copy.serial);
        let first = self.thinned.partition_point(|copy| key(copy) < (session, serial));
        let rest = self.thinned.get(first..).unwrap_or_default();
        let count = rest.partition_point(|copy| key(copy) == (session, serial));
        rest.get(..count).unwrap_or_default()
    }

    /// The number by which rows call this thinned copy; `None` if it is not in the list, or one of too many.
    pub fn number_of(&self, copy: ThinnedCopy) -> Option<u8> {
        let before = self.copies_of(copy.session, copy.serial).binary_search(&copy).ok()?;
        u8::try_from(before + 1).ok()
    }

    /// The pack with the thinned copy of which a row tells that does not tell of whole ones.
    pub fn pack_of(&self, row: &ChunkRow) -> Option<PackId> {
        let copy = self.copies_of(row.session, row.serial).get(usize::from(row.copy.checked_sub(1)?))?;
        self.packs.get(copy.pack as usize).map(|pack| pack.id)
    }
}

/// Where the tail of a table begins, from the last bytes of the object.
pub fn encode_footer(tail_offset: u64, tail_len: u64) -> [u8; TABLE_FOOTER_LEN] {
    let mut bytes = [0; TABLE_FOOTER_LEN];
    bytes[..8].copy_from_slice(&tail_offset.to_le_bytes());
    bytes[8..16].copy_from_slice(&tail_len.to_le_bytes());
    bytes[16..].copy_from_slice(&FOOTER_MAGIC);
    bytes
}

/// Offset and length of the tail of a table of `object_len` bytes.
pub fn decode_footer(bytes: &[u8], object_len: u64) -> Decoded<(u64, u64)> {
    let mut fields = Fields::new(bytes);
    let (offset, len) = (fields.u64()?, fields.u64()?);
    if fields.array::<8>()? != FOOTER_MAGIC {
        return Err(Problem::new("it does not end like an index table"));
    }
    within("tail of an index table", len, limits::TABLE_TAIL_LEN)?;
    if offset.checked_add(len).and_then(|end| end.checked_add(TABLE_FOOTER_LEN as u64)) != Some(object_len) {
        return Err(Problem::new("its tail does not end where its footer begins"));
    }
    Ok((offset, len))
}

#[cfg(test)]
mod tests;
