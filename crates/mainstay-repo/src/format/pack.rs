//! The frame of a pack: header, blocks, sealed chunk tables, a clear directory, footer.
//!
//! The directory names only what the block headers show anyway, so that whoever maintains a repository without its keys
//! can read it and move blocks; what the chunks are stays sealed in the tables.

use super::block::{BlockKind, SEALED_TABLE_LEN, STORED_BLOCK_LEN, thinned_from_byte};
use super::{Decoded, Fields, Problem, limits, within};
use crate::id::{BlockId, RepositoryId, SessionId};

pub const PACK_HEADER_LEN: usize = 40;
pub const PACK_FOOTER_LEN: usize = 56;
const PACK_MAGIC: [u8; 8] = *b"MSPACK\x01\0";
const FOOTER_MAGIC: [u8; 8] = *b"MSPKEND\x01";
const ROW_LEN: usize = 40;

/// The header of a pack: whose repository, and which session wrote it.
pub fn encode_header(repository: RepositoryId, session: SessionId) -> [u8; PACK_HEADER_LEN] {
    let mut bytes = [0; PACK_HEADER_LEN];
    bytes[..8].copy_from_slice(&PACK_MAGIC);
    bytes[8..24].copy_from_slice(&repository.0);
    bytes[24..40].copy_from_slice(&session.0);
    bytes
}

/// One block in a pack's directory. Offsets count from the start of the pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackRow {
    pub block: BlockId,
    pub kind: BlockKind,
    /// As in the block's header.
    pub thinned: bool,
    pub offset: u32,
    /// Length of header and ciphertext.
    pub stored_len: u32,
    pub table_offset: u32,
    /// Length of the sealed chunk table: nonce, ciphertext, tag.
    pub table_len: u32,
}

/// Encodes directory and footer, the last bytes of a pack.
pub fn encode_directory(rows: &[PackRow], directory_offset: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(rows.len() * ROW_LEN + PACK_FOOTER_LEN);
    for row in rows {
        bytes.extend_from_slice(&row.block.session.0);
        bytes.extend_from_slice(&row.block.serial.to_le_bytes());
        bytes.extend_from_slice(&[row.kind.object_kind() as u8, row.thinned.into(), 0, 0]);
        bytes.extend_from_slice(&row.offset.to_le_bytes());
        bytes.extend_from_slice(&row.stored_len.to_le_bytes());
        bytes.extend_from_slice(&row.table_offset.to_le_bytes());
        bytes.extend_from_slice(&row.table_len.to_le_bytes());
    }
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(&directory_offset.to_le_bytes());
    bytes.extend_from_slice(&(rows.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(checksum.as_bytes());
    bytes.extend_from_slice(&FOOTER_MAGIC);
    bytes
}

/// Where a pack's directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackFooter {
    pub directory_offset: u64,
    pub rows: u32,
    checksum: [u8; 32],
}

impl PackFooter {
    /// Reads the last [`PACK_FOOTER_LEN`] bytes of a pack of `pack_len` bytes.
    pub fn decode(bytes: &[u8], pack_len: u64) -> Decoded<Self> {
        let mut fields = Fields::new(bytes);
        let directory_offset = fields.u64()?;
        let rows = fields.u32()?;
        let reserved = fields.u32()?;
        let checksum = fields.array()?;
        if fields.array::<8>()? != FOOTER_MAGIC || !fields.rest().is_empty() || reserved != 0 {
            return Err(Problem::new("it does not end like a pack"));
        }
        within("blocks of a pack", rows.into(), limits::PACK_BLOCKS as u64)?;
        let footer = Self { directory_offset, rows, checksum };
        let expected = (PACK_FOOTER_LEN + footer.directory_len()) as u64;
        if directory_offset.checked_add(expected) != Some(pack_len) {
            return Err(Problem(format!("its directory of {rows} blocks does not end where the footer begins")));
        }
        Ok(footer)
    }

    pub fn directory_len(&self) -> usize {
        self.rows as usize * ROW_LEN
    }

    /// Reads the directory that this footer describes.
    pub fn decode_directory(&self, bytes: &[u8]) -> Decoded<Vec<PackRow>> {
        if bytes.len() != self.directory_len() || blake3::hash(bytes).as_bytes() != &self.checksum {
            return Err(Problem::new("the checksum of its directory does not match"));
        }
        let mut fields = Fields::new(bytes);
        let mut rows = Vec::with_capacity(self.rows as usize);
        for _ in 0..self.rows {
            rows.push(self.decode_row(&mut fields)?);
        }
        Ok(rows)
    }

    fn decode_row(&self, fields: &mut Fields<'_>) -> Decoded<PackRow> {
        let session = SessionId(fields.array()?);
        let serial = fields.u32()?;
        let [kind, thinned, 0, 0] = fields.array::<4>()? else {
            return Err(Problem::new("reserved bytes of its directory are not zero"));
        };
        let row = PackRow {
            block: BlockId { session, serial },
            kind: BlockKind::from_byte(kind)?,
            thinned: thinned_from_byte(thinned)?,
            offset: fields.u32()?,
            stored_len: fields.u32()?,
            table_offset: fields.u32()?,
            table_len: fields.u32()?,
        };
        within("stored length of a block", row.stored_len.into(), STORED_BLOCK_LEN)?;
        within("length of a chunk table", row.table_len.into(), SEALED_TABLE_LEN)?;
        for (offset, len) in [(row.offset, row.stored_len), (row.table_offset, row.table_len)] {
            within("end of a block", u64::from(offset) + u64::from(len), self.directory_offset)?;
        }
        Ok(row)
    }
}

#[cfg(test)]
mod tests;
