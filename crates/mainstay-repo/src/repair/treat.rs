//! Moving what can be had of damaged packs into new ones, and putting these in their place.
//!
//! Owns the order: new packs, their sidecars, a table of blocks without the damaged packs. Deletes nothing.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use super::assess::{Assess, Origin, Subject};
use super::inspect::{DamagedPack, Standing};
use crate::compress::Effort;
use crate::error::{Error, Result};
use crate::format::block::{ChunkTable, ThinMap};
use crate::format::pack::PackRow;
use crate::format::table::TablePack;
use crate::format::{limits, names};
use crate::id::{ChunkId, PackId, SessionId};
use crate::pack_reader::OpenBlock;
use crate::pack_writer::{BlockSealer, FinishedPack, PackWriter, PlainBlock, SealedBlock, SpareBuffers};
use crate::parity::write_sidecar;
use crate::prune::{NewTables, PackUse};
use crate::repository::Repository;

/// Packs that take the place of damaged ones.
pub struct Treatment<'r> {
    repository: &'r Repository,
    session: SessionId,
    tables: NewTables<'r>,
    spare: SpareBuffers,
    written: Written,
}

/// What was written, and what may go now.
#[derive(Default)]
pub struct Written {
    /// Names of the new packs.
    pub packs: Vec<String>,
    /// Bytes of new packs and their sidecars.
    pub bytes: u64,
    /// Packs that nobody needs any more, but for those that are condemned already.
    pub replaced: Vec<PackUse>,
}

impl<'r> Treatment<'r> {
    pub fn new(repository: &'r Repository, session: SessionId) -> Self {
        let tables = NewTables::new(repository);
        Self { repository, session, tables, spare: SpareBuffers::default(), written: Written::default() }
    }

    /// Writes what can be had of a damaged pack into a new one, with a sidecar if the old one had one.
    pub fn replace(
        &mut self,
        assess: &Assess<'_>,
        subject: &Subject<'_>,
        moves: &[(PackRow, Origin)],
        percent: Option<u8>,
    ) -> Result<()> {
        if let Some(pack) = self.write(assess, subject, moves)? {
            self.written.bytes += pack.len;
            self.written.packs.push(names::pack(pack.id, self.session));
            self.tables.add_pack(&pack)?;
            if let Some(percent) = percent {
                let new = (pack.id, self.session);
                self.written.bytes += write_sidecar(&*self.repository.store, self.repository.id(), new, percent)?;
            }
        }
        let DamagedPack { id, session, len, standing, .. } = *subject.pack;
        if standing == Standing::Settled {
            self.written.replaced.push(PackUse { id, session, len, live_bytes: 0 });
        }
        Ok(())
    }

    fn write(
        &mut self,
        assess: &Assess<'_>,
        subject: &Subject<'_>,
        moves: &[(PackRow, Origin)],
    ) -> Result<Option<FinishedPack>> {
        if moves.is_empty() {
            return Ok(None);
        }
        let mut writer = PackWriter::begin(&*self.repository.store, self.repository.id(), self.session)?;
        for (row, origin) in moves {
            let (block, table) = self.block(assess, subject, (row, *origin))?.ok_or_else(|| {
                Error::damaged("move block", row.block, "it could be read before and cannot be read now")
            })?;
            writer.append(&block)?;
            if row.thinned {
                writer.note_thinned(row.block, table);
            } else {
                self.tables.add_chunks(row.block, &table)?;
            }
            self.spare.give_back(block.bytes);
        }
        writer.finish().map(Some)
    }

    /// A block as it will be in its new pack; `None` if it cannot be read any more.
    fn block(
        &self,
        assess: &Assess<'_>,
        subject: &Subject<'_>,
        (row, origin): (&PackRow, Origin),
    ) -> Result<Option<(SealedBlock, ChunkTable)>> {
        let sealed = assess.sealed_table(subject.bytes, row)?;
        let Some(bytes) = assess.stored(subject.bytes, row)?.filter(|_| origin != Origin::Chunks) else {
            let Some((_, table)) = sealed else { return Ok(None) };
            return self.put_together(assess, row, table);
        };
        // What changes under our hands is not carried on as if it were whole: these very bytes must open. Of a block whose key
        // is lost, healed bytes are checked cell by cell as they are read.
        let plain = assess.open_bytes(bytes.clone(), row)?;
        let (table, chunks) = match (origin, sealed, plain) {
            (Origin::NewTable, _, Some(plain)) => self.new_table(assess, row, &plain)?,
            (Origin::AsItIs, Some(table), Some(_)) => table,
            (Origin::AsItIs, Some(table), None) if subject.is_healed && !assess.has_key(row.block)? => table,
            _ => return Ok(None),
        };
        let block = SealedBlock { id: row.block, kind: row.kind, thinned: row.thinned, bytes, table };
        Ok(Some((block, chunks)))
    }

    /// Seals a block anew from chunks of other blocks.
    fn put_together(
        &self,
        assess: &Assess<'_>,
        row: &PackRow,
        table: ChunkTable,
    ) -> Result<Option<(SealedBlock, ChunkTable)>> {
        let Some(chunks) = assess.put_together(row, &table)? else { return Ok(None) };
        let mut bytes = Vec::new();
        if row.thinned {
            bytes = thin_map(&table)?.encode();
        }
        bytes.extend_from_slice(&chunks);
        let sealed = self.with_sealer(row, |sealer| sealer.seal(&plain_block(row, bytes, table.clone())))?;
        Ok(Some((sealed, table)))
    }

    /// A chunk table that says what is in a block, where its own is lost.
    fn new_table(&self, assess: &Assess<'_>, row: &PackRow, plain: &OpenBlock) -> Result<(Vec<u8>, ChunkTable)> {
        let (mut table, mut at) = (ChunkTable::default(), 0);
        for kept in plain.kept() {
            table.chunks.extend(pieces(at..kept.start).map(|piece| (ChunkId::TAKEN_OUT, piece.len() as u32)));
            for piece in pieces(kept.clone()) {
                let bytes = plain.range(row.block, piece.start, piece.len() as u32)?;
                table.chunks.push((assess.id_of(row, bytes)?, piece.len() as u32));
            }
            at = kept.end;
        }
        let end = plain.raw_len() as u32;
        table.chunks.extend(pieces(at..end).map(|piece| (ChunkId::TAKEN_OUT, piece.len() as u32)));
        let sealed = self.with_sealer(row, |sealer| sealer.seal_table(&plain_block(row, Vec::new(), table.clone())))?;
        Ok((sealed, table))
    }

    fn with_sealer<T>(&self, row: &PackRow, seal: impl FnOnce(&BlockSealer<'_>) -> Result<T>) -> Result<T> {
        let data_key = self.repository.data_keys.get(row.block.session)?;
        let (keys, compressors) = (&*self.repository.keys, &*self.repository.compressors);
        seal(&BlockSealer { keys, data_key: &data_key, compressors, spare: &self.spare })
    }

    /// Puts a table in the place of all that name packs that go or are given up, but for those that `stay`, so that what moved is found in its new place
    /// before the old packs count as absent.
    pub fn finish(
        mut self,
        assess: &Assess<'_>,
        (given_up, stay): (&HashSet<PackId>, &HashSet<PackId>),
    ) -> Result<Written> {
        self.written.replaced.retain(|pack| !stay.contains(&pack.id));
        let replaced = self.written.replaced.iter().map(|pack| pack.id);
        let removed: HashSet<PackId> = replaced.chain(given_up.iter().copied()).collect();
        // What is doomed goes with the lists that are finished next, and a list goes only when no table names its packs (F5).
        let named = assess.index.packs().into_values();
        let named: Vec<TablePack> = named.filter(|pack| !assess.index.is_condemned(pack.id)).collect();
        let is_doomed_named = named.len() < assess.index.packs().len();
        if removed.is_empty() && self.written.packs.is_empty() && !is_doomed_named {
            return Ok(self.written);
        }
        let named = named.into_iter().filter(|pack| !removed.contains(&pack.id));
        let kept: Vec<PackUse> = named
            .map(|pack| PackUse { id: pack.id, session: pack.session, len: pack.len, live_bytes: pack.len })
            .collect();
        self.tables.succeed(&assess.index, &kept, &[])?;
        Ok(self.written)
    }
}

fn plain_block(row: &PackRow, bytes: Vec<u8>, chunks: ChunkTable) -> PlainBlock<'static> {
    PlainBlock {
        id: row.block,
        kind: row.kind,
        effort: Effort::Fast,
        thinned: row.thinned,
        bytes: Cow::Owned(bytes),
        chunks,
    }
}

/// A range in parts no longer than a chunk may be.
pub fn pieces(range: Range<u32>) -> impl Iterator<Item = Range<u32>> {
    let len = limits::CHUNK_LEN as u32;
    let end = range.end;
    range.step_by(len as usize).map(move |start| start..start.saturating_add(len).min(end))
}

/// What is there of a thinned block, as its chunk table tells.
pub fn thin_map(table: &ChunkTable) -> Result<ThinMap> {
    let raw_len = u32::try_from(table.raw_len()).map_err(|_| Error::Bug("a block beyond its limit".to_owned()))?;
    let (mut kept, mut at) = (Vec::<Range<u32>>::new(), 0);
    for (id, len) in &table.chunks {
        let range = at..at + len;
        at = range.end;
        match kept.last_mut() {
            _ if *id == ChunkId::TAKEN_OUT || range.is_empty() => {}
            Some(last) if last.end == range.start => last.end = range.end,
            _ => kept.push(range),
        }
    }
    Ok(ThinMap { raw_len, kept })
}
