//! Verifying one pack.
//!
//! Owns the buffers of one thread: a window of stored bytes, the plaintext of a block, and the chunk tables of a window.
//! Never ends at the first problem; notes which parts of which blocks are broken.

use std::ops::Range;

use mainstay_repo::store::Object;
use mainstay_repo::{
    BlockId, BlockReader, ChunkId, ChunkTable, Error as RepositoryError, OpenBlock, PackRow, Repository, names,
};

use super::windows::{Window, plan_windows, take_impossible};
use crate::Result;

/// Problems that a finding says in full.
const TOLD_PROBLEMS: usize = 3;
/// Chunk tables that lie together are read at once up to so many bytes.
const TABLES_LEN: usize = 4 << 20;

/// What came of one pack.
pub struct PackReport {
    pub name: String,
    pub blocks: u64,
    pub chunks: u64,
    pub plain_bytes: u64,
    /// Parts of blocks that are lost; `None` is all of a block.
    pub broken: Vec<(BlockId, Option<Range<u32>>)>,
    problems: Vec<String>,
    problem_count: usize,
}

impl PackReport {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            blocks: 0,
            chunks: 0,
            plain_bytes: 0,
            broken: Vec::new(),
            problems: Vec::new(),
            problem_count: 0,
        }
    }

    /// Everything that is wrong, in a sentence; `None` if nothing is.
    pub fn problem(&self) -> Option<String> {
        let told = self.problems.join("; ");
        match self.problem_count.saturating_sub(self.problems.len()) {
            _ if self.problem_count == 0 => None,
            0 => Some(told),
            more => Some(format!("{told}; and {more} problems more")),
        }
    }

    pub fn add_unreadable(&mut self, error: &RepositoryError) {
        let text = match error {
            RepositoryError::Damaged { name, problem, .. } if *name == self.name => problem.clone(),
            RepositoryError::Store { name, source, verb } if *name == self.name => format!("{verb}: {source}"),
            other => other.to_string(),
        };
        self.add_problem(text);
    }

    fn add_problem(&mut self, text: String) {
        self.problem_count += 1;
        if self.problems.len() < TOLD_PROBLEMS {
            self.problems.push(text);
        }
    }

    fn add_broken_block(&mut self, block: BlockId, text: String) {
        self.add_problem(text);
        self.broken.push((block, None));
    }
}

/// Reads packs, one after the other.
pub struct PackVerifier<'a> {
    repository: &'a Repository,
    blocks: &'a BlockReader,
    window_len: usize,
    stored: Vec<u8>,
    plain: OpenBlock,
    tables: Vec<u8>,
}

impl<'a> PackVerifier<'a> {
    pub fn new(repository: &'a Repository, blocks: &'a BlockReader, window_len: usize) -> Self {
        Self { repository, blocks, window_len, stored: Vec::new(), plain: OpenBlock::default(), tables: Vec::new() }
    }

    /// Reads a pack once, from its first byte to its last. `advance` is told the bytes and may end the run.
    pub fn verify(
        &mut self,
        pack: &Object,
        mut rows: Vec<PackRow>,
        report: &mut PackReport,
        advance: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        for row in take_impossible(&mut rows, pack.len) {
            report.add_broken_block(row.block, format!("block {} cannot be where its directory says", row.block));
        }
        let mut hasher = blake3::Hasher::new();
        let mut is_read = true;
        for window in plan_windows(&rows, pack.len, self.window_len as u64) {
            let rows = rows.get(window.rows.clone()).unwrap_or_default();
            is_read &= self.verify_window(pack, &window, rows, (&mut hasher, report));
            advance(window.range.end - window.range.start)?;
        }
        let is_named = names::parse_pack(&pack.name).is_ok_and(|(id, _)| id.0 == *hasher.finalize().as_bytes());
        // A block that is broken or a window that cannot be read says more than that the whole is not what it was.
        if !is_named && is_read && report.problem_count == 0 {
            report.add_problem("its bytes do not match its name".to_owned());
        }
        Ok(())
    }

    /// Answers whether the window could be read.
    fn verify_window(
        &mut self,
        pack: &Object,
        window: &Window,
        rows: &[PackRow],
        (hasher, report): (&mut blake3::Hasher, &mut PackReport),
    ) -> bool {
        self.stored.resize((window.range.end - window.range.start) as usize, 0);
        if let Err(error) = self.repository.read_pack_at(pack, window.range.start, &mut self.stored) {
            report.add_unreadable(&error);
            report.broken.extend(rows.iter().map(|row| (row.block, None)));
            return false;
        }
        hasher.update(&self.stored);
        let tables_start = self.read_tables(pack, rows);
        for row in rows {
            if self.open_block(row, window.range.start, report) {
                self.verify_chunks(pack, row, tables_start, report);
            }
        }
        true
    }

    /// Reads the chunk tables of the blocks of a window at once, since they lie together; answers where they begin in
    /// the pack. `None` if they take too much or cannot be read so: then each is read in its turn.
    fn read_tables(&mut self, pack: &Object, rows: &[PackRow]) -> Option<u32> {
        let start = rows.iter().map(|row| row.table_offset).min()?;
        let end = rows.iter().map(|row| row.table_offset.saturating_add(row.table_len)).max()?;
        let len = (end - start) as usize;
        if len > TABLES_LEN {
            return None;
        }
        self.tables.resize(len, 0);
        self.repository.read_pack_at(pack, start.into(), &mut self.tables).ok().map(|()| start)
    }

    /// Opens a block of the window, where it stands, into `plain`; answers whether it could be opened.
    fn open_block(&mut self, row: &PackRow, window_start: u64, report: &mut PackReport) -> bool {
        let start = u64::from(row.offset).saturating_sub(window_start) as usize;
        let stored = self.stored.get_mut(start..start + row.stored_len as usize).unwrap_or_default();
        if let Err(error) = self.blocks.open(row.into(), stored, &mut self.plain) {
            report.add_broken_block(row.block, error.to_string());
            return false;
        }
        report.blocks += 1;
        true
    }

    /// Compares each chunk of the opened block with its identifier.
    fn verify_chunks(&mut self, pack: &Object, row: &PackRow, tables_start: Option<u32>, report: &mut PackReport) {
        if row.table_len == 0 {
            return;
        }
        let table = match self.open_table(pack, row, tables_start) {
            Ok(table) => table,
            Err(error) => return report.add_unreadable(&error),
        };
        let named = table.raw_len();
        if named != self.plain.raw_len() {
            let problem = format!("its chunk table names {named} bytes, it holds {}", self.plain.raw_len());
            report.add_broken_block(row.block, format!("block {}: {problem}", row.block));
            return;
        }
        let mut offset = 0;
        for (id, len) in table.chunks.iter().copied() {
            let range = offset..offset + len;
            offset = range.end;
            if id == ChunkId::TAKEN_OUT {
                continue;
            }
            report.chunks += 1;
            let chunk = self.plain.range(row.block, range.start, len);
            if chunk.is_ok_and(|chunk| {
                self.repository.chunk_id(row.block.session, row.kind, chunk).is_ok_and(|is| is == id)
            }) {
                report.plain_bytes += u64::from(len);
            } else {
                let place = format!("{len} bytes at {} of block {}", range.start, row.block);
                report.add_problem(format!("{place}: the chunk is not what its identifier says"));
                report.broken.push((row.block, Some(range)));
            }
        }
    }

    fn open_table(
        &mut self,
        pack: &Object,
        row: &PackRow,
        tables_start: Option<u32>,
    ) -> Result<ChunkTable, RepositoryError> {
        let range = match tables_start {
            Some(start) => {
                let start = (row.table_offset - start) as usize;
                start..start + row.table_len as usize
            }
            None => {
                self.tables.resize(row.table_len as usize, 0);
                self.repository.read_pack_at(pack, row.table_offset.into(), &mut self.tables)?;
                0..row.table_len as usize
            }
        };
        self.repository.open_chunk_table(row.block, self.tables.get(range).unwrap_or_default())
    }
}
