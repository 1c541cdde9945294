//! A sealed block's header, the sealed table that names the chunks inside it, and the plaintext of a thinned block.
//!
//! Owns these three encodings. A header says nothing of the pack around it, so that a block can move between packs as
//! ciphertext; it binds what the block is and which one.

use std::ops::Range;

use super::envelope::{ObjectKind, associated_data};
use super::{Decoded, Fields, Problem, limits, within};
use crate::id::{BlockId, ChunkId, RepositoryId, SessionId};

/// Length of a block's header in bytes.
pub const BLOCK_HEADER_LEN: usize = 44;
const BLOCK_MAGIC: [u8; 4] = *b"MSBK";
/// Longest ciphertext of a block, and longest block with its header.
const SEALED_BLOCK_LEN: u64 = limits::BLOCK_LEN as u64 + (1 << 16);
pub const STORED_BLOCK_LEN: u64 = BLOCK_HEADER_LEN as u64 + SEALED_BLOCK_LEN;
/// Longest sealed chunk table: nonce, rows, tag.
pub const SEALED_TABLE_LEN: u64 = 12 + (limits::BLOCK_CHUNKS * CHUNK_ROW_LEN) as u64 + 16;

/// What a block's plaintext holds: file content or tree pages. They are sealed under different keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockKind {
    Content,
    Tree,
}

impl BlockKind {
    pub fn object_kind(self) -> ObjectKind {
        match self {
            Self::Content => ObjectKind::ContentBlock,
            Self::Tree => ObjectKind::TreeBlock,
        }
    }

    pub fn from_byte(byte: u8) -> Decoded<Self> {
        match byte {
            1 => Ok(Self::Content),
            2 => Ok(Self::Tree),
            _ => Err(Problem(format!("unknown kind of block {byte}"))),
        }
    }
}

/// How a block's plaintext was stored before it was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Codec {
    /// As it is, because it does not compress.
    Stored = 0,
    /// One Zstandard frame with its content size.
    Zstd = 1,
}

/// The clear header in front of a block's ciphertext; all of it is associated data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    pub kind: BlockKind,
    pub codec: Codec,
    /// Whether chunks were taken out of this copy. All whole copies of a block hold the same; of two thinned ones nothing follows
    /// from that.
    pub thinned: bool,
    pub id: BlockId,
    pub nonce: [u8; 12],
    /// Length of the ciphertext with its tag.
    pub sealed_len: u32,
}

impl BlockHeader {
    pub fn encode(&self) -> [u8; BLOCK_HEADER_LEN] {
        let mut bytes = [0; BLOCK_HEADER_LEN];
        bytes[..4].copy_from_slice(&BLOCK_MAGIC);
        bytes[4] = self.kind.object_kind() as u8;
        bytes[5] = self.codec as u8;
        bytes[6] = self.thinned.into();
        bytes[8..24].copy_from_slice(&self.id.session.0);
        bytes[24..28].copy_from_slice(&self.id.serial.to_le_bytes());
        bytes[28..40].copy_from_slice(&self.nonce);
        bytes[40..44].copy_from_slice(&self.sealed_len.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut fields = Fields::new(bytes);
        if fields.array::<4>()? != BLOCK_MAGIC {
            return Err(Problem::new("no block begins here"));
        }
        let kind = BlockKind::from_byte(fields.u8()?)?;
        let codec = match fields.u8()? {
            0 => Codec::Stored,
            1 => Codec::Zstd,
            other => return Err(Problem(format!("unknown codec {other}"))),
        };
        let thinned = thinned_from_byte(fields.u8()?)?;
        if fields.u8()? != 0 {
            return Err(Problem::new("a reserved byte of a block header is not zero"));
        }
        let session = SessionId(fields.array()?);
        let serial = fields.u32()?;
        let nonce = fields.array()?;
        let sealed_len = fields.u32()?;
        within("sealed length of a block", sealed_len.into(), SEALED_BLOCK_LEN)?;
        Ok(Self { kind, codec, thinned, id: BlockId { session, serial }, nonce, sealed_len })
    }
}

/// The byte that says whether a copy of a block was thinned, wherever it stands.
pub fn thinned_from_byte(byte: u8) -> Decoded<bool> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Problem(format!("a copy of a block is whole (0) or thinned (1), and not {other}"))),
    }
}

/// The chunks of one block, in their order; offsets follow from the lengths. Bytes that were taken out of a thinned block
/// stand in it as chunks named [`ChunkId::TAKEN_OUT`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChunkTable {
    pub chunks: Vec<(ChunkId, u32)>,
}

/// Longest plaintext of a thinned block before it is coded: its map and its bytes.
pub const THINNED_LEN: usize = limits::BLOCK_LEN + 8 + limits::BLOCK_CHUNKS * 8;

const CHUNK_ROW_LEN: usize = ChunkId::LEN + 4;

impl ChunkTable {
    /// Plaintext length of the block.
    pub fn raw_len(&self) -> u64 {
        self.chunks.iter().map(|(_, len)| u64::from(*len)).sum()
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.chunks.len() * CHUNK_ROW_LEN);
        for (id, len) in &self.chunks {
            bytes.extend_from_slice(&id.0);
            bytes.extend_from_slice(&len.to_le_bytes());
        }
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        if !bytes.len().is_multiple_of(CHUNK_ROW_LEN) {
            return Err(Problem(format!("a chunk table of {} bytes has a broken row", bytes.len())));
        }
        within("chunks of a block", (bytes.len() / CHUNK_ROW_LEN) as u64, limits::BLOCK_CHUNKS as u64)?;
        let mut fields = Fields::new(bytes);
        let mut table = Self { chunks: Vec::with_capacity(bytes.len() / CHUNK_ROW_LEN) };
        while !fields.rest().is_empty() {
            let id = ChunkId(fields.array()?);
            let len = fields.u32()?;
            within("length of a chunk", len.into(), limits::CHUNK_LEN as u64)?;
            table.chunks.push((id, len));
        }
        within("length of a block", table.raw_len(), limits::BLOCK_LEN as u64)?;
        Ok(table)
    }
}

/// Which bytes of a block are there, and how long it is with those that were taken out.
///
/// The plaintext of a thinned block, before it is coded, is this map and then the bytes that are there, end to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThinMap {
    pub raw_len: u32,
    /// Ascending, not empty, and never touching one another.
    pub kept: Vec<Range<u32>>,
}

impl ThinMap {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + self.kept.len() * 8);
        for number in [self.raw_len, self.kept.len() as u32] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for range in &self.kept {
            bytes.extend_from_slice(&range.start.to_le_bytes());
            bytes.extend_from_slice(&(range.end - range.start).to_le_bytes());
        }
        bytes
    }

    /// Splits a decoded plaintext into the map and the bytes that are there.
    pub fn decode(plain: &[u8]) -> Decoded<(Self, &[u8])> {
        let mut fields = Fields::new(plain);
        let raw_len = fields.u32()?;
        within("length of a block", raw_len.into(), limits::BLOCK_LEN as u64)?;
        let count = fields.u32()?;
        within("ranges of a thinned block", count.into(), limits::BLOCK_CHUNKS as u64)?;
        let mut map = Self { raw_len, kept: Vec::with_capacity(count as usize) };
        let mut kept_len = 0;
        for _ in 0..count {
            let (start, len) = (fields.u32()?, fields.u32()?);
            let end = start.checked_add(len).filter(|end| *end <= raw_len && len > 0);
            let end = end.ok_or_else(|| Problem(format!("{len} bytes at {start} are no range of {raw_len} bytes")))?;
            if map.kept.last().is_some_and(|last| start <= last.end) {
                return Err(Problem::new("the ranges of a thinned block are not in order"));
            }
            map.kept.push(start..end);
            kept_len += u64::from(len);
        }
        if kept_len != fields.rest().len() as u64 {
            return Err(Problem(format!("a thinned block keeps {kept_len} bytes and holds {}", fields.rest().len())));
        }
        Ok((map, fields.rest()))
    }
}

/// Associated data of a block's chunk table.
pub fn chunk_table_data(repository: RepositoryId, block: BlockId) -> Vec<u8> {
    associated_data(repository, ObjectKind::ChunkTable, &[&block.session.0, &block.serial.to_le_bytes()])
}

#[cfg(test)]
mod tests;
