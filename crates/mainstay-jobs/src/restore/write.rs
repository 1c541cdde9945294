//! Writing the content of a batch of files: blocks in the order of their packs, each read once.
//!
//! Owns the workers. The batch after the one that is written is known already: what it needs of the same blocks is written
//! as well, so that the blocks in which one batch ends and the next begins are not read twice. Memory: each worker holds
//! one range and one block.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use mainstay_repo::{
    BlockId, BlockKind, BlockPlace, BlockReader, Error as RepositoryError, Expected, Extent, OpenBlock,
};

use super::file::{FileState, Files};
use super::plan::PlannedNode;
use super::ranges::{NeededBlock, Piece, Range, Reading, plan_ranges};
use crate::{Error, Result};

/// Threads that read blocks and write files.
const WORKERS: usize = 4;

/// The files of one batch and what they need.
pub struct FileBatch {
    files: Vec<FileState>,
    needed: HashMap<BlockId, Vec<Piece>>,
}

impl FileBatch {
    /// Splits the files' extents by the block that they come from.
    pub fn new(planned: Vec<PlannedNode>) -> Self {
        let mut needed = HashMap::<BlockId, Vec<Piece>>::new();
        for (file, planned) in (0u32..).zip(&planned) {
            let mut file_offset = 0;
            for extent in &planned.extents {
                if let Extent::Data { block, offset, len } = *extent {
                    needed.entry(block).or_default().push(Piece { file, file_offset, block_offset: offset, len });
                }
                file_offset += extent.content_len();
            }
        }
        Self { files: planned.into_iter().map(FileState::new).collect(), needed }
    }
}

/// Writes batches.
pub struct WriteFiles<'a> {
    pub files: Files<'a>,
    pub blocks: &'a BlockReader,
}

impl WriteFiles<'_> {
    /// Writes all files of a batch, and of the one after it what comes from the same blocks.
    pub fn write(&self, batch: FileBatch, ahead: Option<&mut FileBatch>) -> Result<()> {
        let FileBatch { files, needed } = batch;
        let (files_ahead, needed_ahead) = match ahead {
            Some(FileBatch { files, needed }) => (files.as_slice(), Some(needed)),
            None => (&[][..], None),
        };
        let files = Targets { now: &files, ahead: files_ahead };
        let reading = Reading::of(self.files.run.repository);
        let ranges = plan_ranges(self.locate(&files, needed, needed_ahead)?, reading);
        let next = AtomicUsize::new(0);
        let failure = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..WORKERS.min(ranges.len()) {
                scope.spawn(|| {
                    let mut worker = Worker { job: self, files: &files, memory: Memory::default() };
                    while let Some(range) = ranges.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Err(error) = worker.serve(range) {
                            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                            next.store(ranges.len(), Ordering::Relaxed);
                        }
                    }
                });
            }
            for file in files.now.iter().filter(|file| file.needs_no_blocks()) {
                self.files.write_without_blocks(file);
            }
        });
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Finds the packs; what needs a block that is in none is lost and named.
    fn locate(
        &self,
        files: &Targets<'_>,
        needed: HashMap<BlockId, Vec<Piece>>,
        mut needed_ahead: Option<&mut HashMap<BlockId, Vec<Piece>>>,
    ) -> Result<Vec<NeededBlock>> {
        let mut located = Vec::with_capacity(needed.len());
        for (id, pieces) in needed {
            let pieces_ahead = needed_ahead.as_mut().and_then(|needed| needed.remove(&id)).unwrap_or_default();
            match self.blocks.locate(id) {
                Ok(place) => located.push(NeededBlock { id, place, pieces, pieces_ahead }),
                Err(error) if error.kind() == mainstay_repo::Kind::Corrupt => {
                    files.each(&pieces, &pieces_ahead).for_each(|(file, piece)| self.files.lose(file, piece, &error));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(located)
    }
}

/// The files that pieces are for.
struct Targets<'t> {
    now: &'t [FileState],
    ahead: &'t [FileState],
}

impl<'t> Targets<'t> {
    fn each<'p>(&self, now: &'p [Piece], ahead: &'p [Piece]) -> impl Iterator<Item = (&'t FileState, &'p Piece)> {
        let of = |files: &'t [FileState], pieces: &'p [Piece]| {
            pieces.iter().filter_map(move |piece| Some((files.get(piece.file as usize)?, piece)))
        };
        of(self.now, now).chain(of(self.ahead, ahead))
    }
}

/// What a worker uses again and again.
#[derive(Default)]
struct Memory {
    range: Vec<u8>,
    plain: OpenBlock,
    held: Vec<u8>,
}

/// One thread: reads ranges, opens their blocks, writes the pieces.
struct Worker<'w> {
    job: &'w WriteFiles<'w>,
    files: &'w Targets<'w>,
    memory: Memory,
}

impl Worker<'_> {
    fn serve(&mut self, range: &Range) -> Result<()> {
        self.job.files.run.cancel.check()?;
        let Some(first) = range.blocks.first() else { return Ok(()) };
        self.memory.range.resize(range.len as usize, 0);
        if let Err(error) = self.job.blocks.read_range(&first.place, range.offset, &mut self.memory.range) {
            let failure = damage(error)?;
            // What is wrong with the range need not be wrong with each of its blocks.
            return range.blocks.iter().try_for_each(|block| self.write_from_copies(block, None, &failure));
        }
        for block in &range.blocks {
            let start = (u64::from(block.place.offset) - range.offset) as usize;
            let end = start + block.place.stored_len as usize;
            let stored = self.memory.range.get_mut(start..end).unwrap_or_default();
            let expected = Expected { block: block.id, kind: BlockKind::Content, thinned: block.place.thinned };
            match self.job.blocks.open(expected, stored, &mut self.memory.plain) {
                Ok(()) => self.write_pieces(block)?,
                Err(error) => self.write_from_copies(block, Some(&block.place), &damage(error)?)?,
            }
        }
        Ok(())
    }

    fn write_pieces(&mut self, block: &NeededBlock) -> Result<()> {
        for (file, piece) in self.files.each(&block.pieces, &block.pieces_ahead) {
            match self.memory.plain.range(block.id, piece.block_offset, piece.len) {
                Ok(data) => self.job.files.take_piece(file, piece, data, &mut self.memory.held)?,
                // A thinned copy; another one may have more.
                Err(failure) => self.write_from(block.id, Some(&block.place), vec![(file, piece)], &failure)?,
            }
        }
        Ok(())
    }

    fn write_from_copies(
        &mut self,
        block: &NeededBlock,
        tried: Option<&BlockPlace>,
        failure: &RepositoryError,
    ) -> Result<()> {
        let pieces = self.files.each(&block.pieces, &block.pieces_ahead).collect();
        self.write_from(block.id, tried, pieces, failure)
    }

    /// Writes pieces from other copies of their block; what is in none of them is lost, for the reason given.
    fn write_from(
        &mut self,
        block: BlockId,
        tried: Option<&BlockPlace>,
        mut pieces: Vec<(&FileState, &Piece)>,
        failure: &RepositoryError,
    ) -> Result<()> {
        let (job, held) = (self.job, &mut self.memory.held);
        job.blocks.for_each_copy::<Error>((block, BlockKind::Content), tried, |plain| {
            let mut lacking = Vec::new();
            for (file, piece) in std::mem::take(&mut pieces) {
                match plain.range(block, piece.block_offset, piece.len) {
                    Ok(data) => job.files.take_piece(file, piece, data, held)?,
                    Err(_) => lacking.push((file, piece)),
                }
            }
            pieces = lacking;
            Ok(if pieces.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        pieces.into_iter().for_each(|(file, piece)| job.files.lose(file, piece, failure));
        Ok(())
    }
}

/// Damage loses what is in it; a store that does not answer ends the run.
fn damage(error: RepositoryError) -> Result<RepositoryError> {
    if error.kind() == mainstay_repo::Kind::Corrupt { Ok(error) } else { Err(error.into()) }
}
