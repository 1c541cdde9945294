//! Sealing blocks and gathering them into packs.
//!
//! Owns the way from a block's plaintext to bytes in a pack: compress, seal, append, publish. A pack is visible only when
//! it is whole and durable. Never decides what goes into a block.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use crate::compress::{Compressors, Effort};
use crate::error::{Error, Result};
use crate::format::block::{BLOCK_HEADER_LEN, BlockHeader, BlockKind, ChunkTable, chunk_table_data};
use crate::format::envelope::associated_data;
use crate::format::names;
use crate::format::pack::{PackRow, encode_directory, encode_header};
use crate::format::table::TablePack;
use crate::id::{BlockId, PackId, RepositoryId, SessionId};
use crate::index::NewRows;
use crate::keys::{DataKey, Keys};
use crate::seal::{TAG_LEN, random};
use crate::store::{Store, Upload};

/// A block's plaintext, complete.
pub struct PlainBlock<'a> {
    pub id: BlockId,
    pub kind: BlockKind,
    pub effort: Effort,
    /// Whether chunks were taken out of it.
    pub thinned: bool,
    /// Its chunks; of a thinned block its map before them. Borrowed where the chunks lie one behind the other already.
    pub bytes: Cow<'a, [u8]>,
    pub chunks: ChunkTable,
}

/// Buffers of sealed blocks that are used again: fresh memory costs a page fault for every 4 KiB.
#[derive(Default)]
pub struct SpareBuffers(Mutex<Vec<Vec<u8>>>);

/// Buffers that are kept while nobody needs them.
const SPARE_BUFFERS: usize = 8;

impl SpareBuffers {
    /// An empty buffer, with the room that it once took.
    pub fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_BUFFERS {
            spare.push(buffer);
        }
    }
}

/// A block as it will be stored.
pub struct SealedBlock {
    pub id: BlockId,
    pub kind: BlockKind,
    /// Whether chunks were taken out of it.
    pub thinned: bool,
    /// Header and ciphertext.
    pub bytes: Vec<u8>,
    /// Nonce, ciphertext and tag of the chunk table.
    pub table: Vec<u8>,
}

/// A block of more chunks than this holds files of 2.5 KiB or less: then opening them already takes all the time there is,
/// and thorough compression would double it (measured 2026-11-22 on a million files of 0 to 4 KiB).
const TINY_CHUNKS: usize = 400;

/// What seals the blocks of one session.
pub struct BlockSealer<'a> {
    pub keys: &'a Keys,
    pub data_key: &'a DataKey,
    pub compressors: &'a Compressors,
    pub spare: &'a SpareBuffers,
}

impl BlockSealer<'_> {
    /// Compresses and seals a block.
    pub fn seal(&self, block: &PlainBlock<'_>) -> Result<SealedBlock> {
        let mut bytes = self.spare.take();
        bytes.resize(BLOCK_HEADER_LEN, 0);
        let is_tiny = block.chunks.chunks.len() > TINY_CHUNKS;
        let effort = if is_tiny { Effort::Fast } else { block.effort };
        let codec = self.compressors.append(&block.bytes, effort, &mut bytes)?;
        let sealed_len = bytes.len() - BLOCK_HEADER_LEN + TAG_LEN;
        let header = BlockHeader {
            kind: block.kind,
            codec,
            thinned: block.thinned,
            id: block.id,
            nonce: random()?,
            sealed_len: u32::try_from(sealed_len).map_err(|_| Error::Bug(format!("a block of {sealed_len} bytes")))?,
        };
        let encoded = header.encode();
        bytes[..BLOCK_HEADER_LEN].copy_from_slice(&encoded);
        let kind = block.kind.object_kind();
        let data = associated_data(self.keys.config().repository, kind, &[&encoded]);
        self.data_key.block_key(kind, block.id.serial)?.seal(header.nonce, &data, &mut bytes, BLOCK_HEADER_LEN);
        Ok(SealedBlock {
            id: block.id,
            kind: block.kind,
            thinned: block.thinned,
            bytes,
            table: self.seal_table(block)?,
        })
    }

    /// Seals the chunk table of a block.
    pub fn seal_table(&self, block: &PlainBlock<'_>) -> Result<Vec<u8>> {
        let nonce = random()?;
        let mut table = nonce.to_vec();
        table.extend_from_slice(&block.chunks.encode());
        let data = chunk_table_data(self.keys.config().repository, block.id);
        self.keys.chunk_table_key(block.id)?.seal(nonce, &data, &mut table, nonce.len());
        Ok(table)
    }
}

/// A pack that is in the store.
pub struct FinishedPack {
    pub id: PackId,
    pub session: SessionId,
    pub len: u64,
    pub rows: Vec<PackRow>,
    /// What is there of its thinned copies, as far as that is known.
    pub thinned: Vec<(BlockId, ChunkTable)>,
}

impl FinishedPack {
    /// As tables of the index name it.
    pub fn named(&self) -> TablePack {
        TablePack { id: self.id, session: self.session, len: self.len }
    }

    /// Adds it to rows of whoever has just written it and has these keys, with the chunks of its thinned copies.
    pub fn enter(&self, rows: &mut NewRows, keys: &Keys) {
        rows.add_pack(self.named(), &self.rows);
        rows.vouch(keys, self.named(), &self.rows);
        for (block, table) in &self.thinned {
            rows.add_chunks(*block, Some(self.id), table);
        }
    }
}

/// A pack being written.
pub struct PackWriter {
    session: SessionId,
    upload: Box<dyn Upload>,
    hasher: blake3::Hasher,
    len: u64,
    rows: Vec<PackRow>,
    tables: Vec<u8>,
    thinned: Vec<(BlockId, ChunkTable)>,
}

impl PackWriter {
    pub fn begin(store: &dyn Store, repository: RepositoryId, session: SessionId) -> Result<Self> {
        Self::write_to(store.upload(), repository, session)
    }

    /// The same for blocks of a kind that the next session reads: trees.
    pub fn begin_kept(store: &dyn Store, repository: RepositoryId, session: SessionId) -> Result<Self> {
        Self::write_to(store.upload_kept(), repository, session)
    }

    fn write_to(
        upload: std::io::Result<Box<dyn Upload>>,
        repository: RepositoryId,
        session: SessionId,
    ) -> Result<Self> {
        let upload = upload.map_err(write_error)?;
        let hasher = blake3::Hasher::new();
        let (rows, tables, thinned) = (Vec::new(), Vec::new(), Vec::new());
        let mut writer = Self { session, upload, hasher, len: 0, rows, tables, thinned };
        writer.write(&encode_header(repository, session))?;
        Ok(writer)
    }

    /// Bytes so far, the tables that are still to be written included.
    pub fn len(&self) -> u64 {
        self.len + self.tables.len() as u64
    }

    /// Appends a block, new or moved from another pack.
    pub fn append(&mut self, block: &SealedBlock) -> Result<()> {
        self.rows.push(PackRow {
            block: block.id,
            kind: block.kind,
            thinned: block.thinned,
            offset: offset(self.len)?,
            stored_len: block.bytes.len() as u32,
            table_offset: offset(self.tables.len() as u64)?,
            table_len: block.table.len() as u32,
        });
        self.tables.extend_from_slice(&block.table);
        self.write(&block.bytes)
    }

    /// Notes what is there of a thinned copy that was appended: its chunks are found in this pack and in no other.
    pub fn note_thinned(&mut self, block: BlockId, chunks: ChunkTable) {
        self.thinned.push((block, chunks));
    }

    /// Writes tables, directory and footer, and publishes the pack under the hash of its bytes.
    pub fn finish(self) -> Result<FinishedPack> {
        self.close()?.publish()
    }

    /// Writes tables, directory and footer: what is left to do needs nothing but the store.
    pub fn close(mut self) -> Result<ClosedPack> {
        let tables_offset = offset(self.len)?;
        for row in &mut self.rows {
            row.table_offset += tables_offset;
        }
        let tables = std::mem::take(&mut self.tables);
        self.write(&tables)?;
        let directory = encode_directory(&self.rows, self.len);
        self.write(&directory)?;
        let id = PackId(*self.hasher.finalize().as_bytes());
        let pack = FinishedPack { id, session: self.session, len: self.len, rows: self.rows, thinned: self.thinned };
        Ok(ClosedPack { upload: self.upload, pack })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        self.upload.write(bytes).map_err(write_error)
    }
}

/// A pack that is whole and not in the store yet.
pub struct ClosedPack {
    upload: Box<dyn Upload>,
    pack: FinishedPack,
}

impl ClosedPack {
    pub fn len(&self) -> u64 {
        self.pack.len
    }

    /// Publishes it under the hash of its bytes.
    pub fn publish(self) -> Result<FinishedPack> {
        let name = names::pack(self.pack.id, self.pack.session);
        self.upload.publish(&name).map_err(|source| Error::Store { verb: "write", name, source })?;
        Ok(self.pack)
    }
}

fn offset(len: u64) -> Result<u32> {
    u32::try_from(len).map_err(|_| Error::Bug(format!("a pack of {len} bytes")))
}

fn write_error(source: std::io::Error) -> Error {
    Error::Store { verb: "write", name: "a pack".to_owned(), source }
}
