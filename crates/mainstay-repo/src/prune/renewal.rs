//! A block on its way from its old pack to a new one.
//!
//! Owns reading it, and the choice between moving it as ciphertext and sealing what is needed of it anew. Invariant: nothing
//! is carried on that does not open where it stands, or, where the key opens nothing, that is in a pack whose bytes do not match
//! its name. Writes nothing.

use std::sync::mpsc::SyncSender;

use super::needs::{Needs, Sight};
use super::plan::PackUse;
use crate::error::Result;
use crate::format::block::ChunkTable;
use crate::format::names;
use crate::format::pack::PackRow;
use crate::id::PackId;
use crate::pack_reader::{BlockReader, OpenBlock, PackListing};
use crate::pack_writer::{BlockSealer, SealedBlock, SpareBuffers};
use crate::parity::require_whole;
use crate::repository::Repository;
use crate::store::Object;

/// A block as it stands in its pack.
pub struct Standing {
    pub pack: PackId,
    row: PackRow,
    table: Vec<u8>,
    bytes: Vec<u8>,
}

/// A block to be appended, and of a thinned copy the chunks in it, as far as they are known.
pub type Renewed = (SealedBlock, Option<ChunkTable>);

/// What the threads share that read blocks, open them, and seal them anew.
pub struct Renewal<'r> {
    repository: &'r Repository,
    needs: &'r Needs,
    blocks: BlockReader,
    spare: SpareBuffers,
}

impl<'r> Renewal<'r> {
    pub fn new(repository: &'r Repository, needs: &'r Needs) -> Self {
        let blocks = repository.block_reader(&needs.index);
        Self { repository, needs, blocks, spare: SpareBuffers::default() }
    }

    pub fn give_back(&self, buffer: Vec<u8>) {
        self.spare.give_back(buffer);
    }

    /// Reads what is needed of a pack, as long as somebody takes it; answers whether all of it was taken.
    ///
    /// Its chunk tables were read before, to plan. To keep them until now would take 36 bytes for each chunk of the
    /// repository, since which packs are sparse is known only when all were looked at.
    pub fn read_pack(&self, pack: &PackUse, blocks: &SyncSender<Standing>) -> Result<bool> {
        let object = Object { name: names::pack(pack.id, pack.session), len: pack.len };
        let mut is_taken = true;
        if self.needs.sight == Sight::Blind {
            // Nothing else shows that its blocks are what they were.
            require_whole(&*self.repository.store, (pack.id, pack.session))?;
        }
        self.repository.read_pack_listing(&object)?.for_each_table(&*self.repository.store, |row, table| {
            if is_taken && self.needs.is_needed(row.block, pack.id)? {
                let mut bytes = self.spare.take();
                bytes.resize(row.stored_len as usize, 0);
                self.repository.read_pack_at(&object, row.offset.into(), &mut bytes)?;
                is_taken = blocks.send(Standing { pack: pack.id, row: *row, table: table.to_vec(), bytes }).is_ok();
            }
            Ok(())
        })?;
        Ok(is_taken)
    }

    /// Makes a block what it will be in its new pack.
    pub fn renew(&self, block: Standing) -> Result<Renewed> {
        let Standing { row, table, mut bytes, .. } = block;
        if self.needs.sight == Sight::Blind {
            return Ok((SealedBlock { id: row.block, kind: row.kind, thinned: row.thinned, bytes, table }, None));
        }
        // A block that is damaged where it stands must not be carried on as if it were whole.
        let chunks = PackListing::open_table(&self.repository.data_keys, row.block, &table)?;
        let Some(thinning) = self.needs.thinning(&row, &chunks) else {
            let mut opened = self.spare.take();
            opened.extend_from_slice(&bytes);
            let chunks = self.chunks_of_copy(&row, &mut opened, chunks)?;
            self.spare.give_back(opened);
            return Ok((SealedBlock { id: row.block, kind: row.kind, thinned: row.thinned, bytes, table }, chunks));
        };
        let mut plain = OpenBlock::default();
        self.blocks.open((&row).into(), &mut bytes, &mut plain)?;
        let data_key = self.repository.data_keys.get(row.block.session)?;
        let sealer = BlockSealer {
            keys: &self.repository.keys,
            data_key: &data_key,
            compressors: &self.repository.compressors,
            spare: &self.spare,
        };
        let sealed = thinning.seal(&row, &plain, &sealer)?;
        self.spare.give_back(bytes);
        Ok((sealed, Some(thinning.table)))
    }

    /// Makes sure that a copy opens; of a thinned one answers the chunks that it has, unless the table beside it is another's.
    fn chunks_of_copy(&self, row: &PackRow, bytes: &mut [u8], chunks: ChunkTable) -> Result<Option<ChunkTable>> {
        if !row.thinned {
            return self.blocks.check_seal(row.into(), bytes).map(|()| None);
        }
        let mut plain = OpenBlock::default();
        self.blocks.open(row.into(), bytes, &mut plain)?;
        Ok(plain.has_all_of(&chunks).then_some(chunks))
    }
}
