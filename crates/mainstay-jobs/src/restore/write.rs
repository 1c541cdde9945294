//! Writing the content of a batch of files: blocks in the order of their packs, each read once.
//!
//! Owns the reading plan (ranges of packs, coalesced), the workers and the files that are open. `plan_ranges` is pure.
//! Memory: each worker holds one range and one block.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mainstay_repo::{BlockId, BlockKind, BlockPlace, BlockReader, Extent, OpenBlock, PackId};
use mainstay_sources::Warning;
use mainstay_sources::files::{HardLinks, TargetDirectory, TargetFile};

use super::plan::{Action, PlannedNode};
use super::{RestoreRun, SharedPath, join};
use crate::backup::Warnings;
use crate::{Error, Result, convert};

/// Threads that read blocks and write files.
const WORKERS: usize = 4;
/// Longest range that is read at once.
const RANGE_LEN: u64 = 4 << 20;
/// A gap between two blocks that is cheaper to read than to skip.
const GAP_LEN: u64 = 64 << 10;

/// A stretch of a file that comes from a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub file: u32,
    pub file_offset: u64,
    pub block_offset: u32,
    pub len: u32,
}

/// A block, where it is, and what needs it.
#[derive(Clone, Debug)]
pub struct NeededBlock {
    pub id: BlockId,
    pub place: BlockPlace,
    pub pieces: Vec<Piece>,
}

/// Blocks that are read with one request.
#[derive(Debug)]
pub struct Range {
    pub offset: u64,
    pub len: u64,
    pub blocks: Vec<NeededBlock>,
}

/// Orders blocks by pack and joins neighbours into ranges.
pub fn plan_ranges(mut blocks: Vec<NeededBlock>) -> Vec<Range> {
    let key = |block: &NeededBlock| -> (PackId, u32) { (block.place.pack, block.place.offset) };
    blocks.sort_unstable_by_key(key);
    let mut ranges: Vec<Range> = Vec::new();
    let mut last_pack = None;
    for block in blocks {
        let (start, len) = (u64::from(block.place.offset), u64::from(block.place.stored_len));
        if let Some(range) = ranges.last_mut()
            && last_pack == Some(block.place.pack)
            && start >= range.offset + range.len
            && start <= range.offset + range.len + GAP_LEN
            && start + len - range.offset <= RANGE_LEN
        {
            range.len = start + len - range.offset;
            range.blocks.push(block);
            continue;
        }
        last_pack = Some(block.place.pack);
        ranges.push(Range { offset: start, len, blocks: vec![block] });
    }
    ranges
}

/// A file of the batch.
struct FileState {
    planned: PlannedNode,
    /// Pieces that are not written yet.
    open_pieces: AtomicU32,
    handle: Mutex<Option<Arc<TargetFile>>>,
    /// Something of it could not be read or written.
    is_incomplete: AtomicBool,
    /// It cannot be written: what else there is of it is passed over.
    is_given_up: AtomicBool,
}

/// Writes the files of one batch.
pub struct WriteFiles<'a> {
    pub run: &'a RestoreRun<'a>,
    pub blocks: &'a BlockReader,
    pub warnings: &'a Warnings,
    /// Counts files of which something is lost.
    pub lost: &'a AtomicU64,
    pub open_directory: &'a (dyn Fn(&SharedPath) -> mainstay_sources::Result<Arc<TargetDirectory>> + Sync),
}

impl WriteFiles<'_> {
    /// Writes all files; answers how many bytes were written.
    pub fn write(&self, files: Vec<PlannedNode>) -> Result<u64> {
        let (files, needed) = self.collect(files);
        let ranges = plan_ranges(self.locate(&files, needed)?);
        let next = AtomicUsize::new(0);
        let written = AtomicU64::new(0);
        let failure = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..WORKERS.min(ranges.len()) {
                scope.spawn(|| {
                    let mut worker = Worker {
                        job: self,
                        files: &files,
                        range: Vec::new(),
                        plain: OpenBlock::default(),
                        written: &written,
                    };
                    while let Some(range) = ranges.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Err(error) = worker.serve(range) {
                            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                            next.store(ranges.len(), Ordering::Relaxed);
                        }
                    }
                });
            }
            for file in files.iter().filter(|file| !needs_blocks(&file.planned)) {
                self.write_without_blocks(file);
            }
        });
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(written.into_inner()),
        }
    }

    /// Splits the files' extents by the block that they come from.
    fn collect(&self, planned: Vec<PlannedNode>) -> (Vec<FileState>, HashMap<BlockId, Vec<Piece>>) {
        let mut needed = HashMap::<BlockId, Vec<Piece>>::new();
        let mut files = Vec::with_capacity(planned.len());
        for (file, planned) in (0u32..).zip(planned) {
            let (mut file_offset, mut pieces) = (0, 0);
            for extent in &planned.extents {
                if let Extent::Data { block, offset, len } = *extent {
                    needed.entry(block).or_default().push(Piece { file, file_offset, block_offset: offset, len });
                    pieces += 1;
                }
                file_offset += extent.content_len();
            }
            files.push(FileState {
                planned,
                open_pieces: AtomicU32::new(pieces),
                handle: Mutex::new(None),
                is_incomplete: AtomicBool::new(false),
                is_given_up: AtomicBool::new(false),
            });
        }
        (files, needed)
    }

    /// Finds the packs; what needs a block that is in none is lost and named.
    fn locate(&self, files: &[FileState], needed: HashMap<BlockId, Vec<Piece>>) -> Result<Vec<NeededBlock>> {
        let mut located = Vec::with_capacity(needed.len());
        for (id, pieces) in needed {
            match self.blocks.locate(id) {
                Ok(place) => located.push(NeededBlock { id, place, pieces }),
                Err(error) if error.kind() == mainstay_repo::Kind::Corrupt => {
                    pieces.iter().for_each(|piece| self.lose(files, piece, &error));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(located)
    }

    /// Makes a file that is empty, all hole, or only gets new metadata.
    fn write_without_blocks(&self, file: &FileState) {
        let planned = &file.planned;
        if planned.action == Action::SetMetadata {
            let set = (self.open_directory)(&planned.directory).and_then(|directory| {
                directory.set_metadata(
                    &planned.node.name,
                    &convert::metadata(&planned.node),
                    &self.run.options.preserve,
                )
            });
            match set {
                Ok(warnings) => warnings.into_iter().for_each(|warning| self.warnings.add(self.run.progress, warning)),
                Err(error) => self.warn(planned, &error.to_string()),
            }
            self.run.progress.advance(1, planned.node.size);
            return;
        }
        match self.open(file) {
            Ok(handle) => self.finish(file, handle),
            Err(error) => self.warn(planned, &error.to_string()),
        }
    }

    /// Opens or makes a file and gives it its length.
    fn open(&self, file: &FileState) -> mainstay_sources::Result<Arc<TargetFile>> {
        let planned = &file.planned;
        let (name, size) = (&planned.node.name, planned.node.size);
        let directory = (self.open_directory)(&planned.directory)?;
        let handle = match planned.action {
            Action::Compare => directory.open_file_to_read(name)?,
            Action::Update => match directory.open_file(name, HardLinks::Allow) {
                // A file that may not be written (or runs) is replaced; its name is ours to give.
                Err(error) if is_refused(&error) => {
                    directory.remove(name)?;
                    directory.create_file(name)?
                }
                opened => opened?,
            },
            Action::Replace => {
                directory.remove(name)?;
                directory.create_file(name)?
            }
            _ => directory.create_file(name)?,
        };
        match planned.action {
            Action::Compare => {
                let held = handle.entry_now()?.size;
                if held != size {
                    self.warn(planned, &format!("it has {held} bytes, {size} were restored"));
                }
            }
            // Holes of a fresh file come by themselves.
            Action::Update => {
                handle.set_len(size)?;
                let mut offset = 0;
                for extent in &planned.extents {
                    if let Extent::Hole { len } = extent {
                        handle.punch_hole(offset, *len)?;
                    }
                    offset += extent.content_len();
                }
            }
            _ => handle.set_len(size)?,
        }
        Ok(Arc::new(handle))
    }

    /// Closes a file with its metadata. An incomplete one keeps its new modification time, so that no later restore takes
    /// it for whole.
    fn finish(&self, file: &FileState, handle: Arc<TargetFile>) {
        let planned = &file.planned;
        self.run.progress.advance(1, 0);
        if planned.action == Action::Compare || file.is_incomplete.load(Ordering::Acquire) {
            return;
        }
        let Some(handle) = Arc::into_inner(handle) else { return };
        for warning in handle.finish(&convert::metadata(&planned.node), &self.run.options.preserve) {
            self.warnings.add(self.run.progress, warning);
        }
    }

    /// One piece cannot be had.
    fn lose(&self, files: &[FileState], piece: &Piece, error: &mainstay_repo::Error) {
        let Some(file) = files.get(piece.file as usize) else { return };
        let is_new = !file.is_incomplete.swap(true, Ordering::AcqRel);
        if file.planned.action == Action::Compare {
            // Told when it was written, or could not be.
            return self.close_piece(file);
        }
        if is_new {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        let message = format!("{} bytes at offset {} are lost: {error}", piece.len, piece.file_offset);
        self.warn(&file.planned, &message);
        self.close_piece(file);
    }

    fn close_piece(&self, file: &FileState) {
        if file.open_pieces.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(handle) = file.handle.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            self.finish(file, handle);
        }
    }

    fn warn(&self, planned: &PlannedNode, message: &str) {
        let path = String::from_utf8_lossy(&join(&planned.directory, &planned.node.name)).into_owned();
        self.warnings.add(self.run.progress, Warning { path, message: message.to_owned() });
    }
}

/// One thread: reads ranges, opens their blocks, writes the pieces.
struct Worker<'w> {
    job: &'w WriteFiles<'w>,
    files: &'w [FileState],
    range: Vec<u8>,
    plain: OpenBlock,
    written: &'w AtomicU64,
}

impl Worker<'_> {
    fn serve(&mut self, range: &Range) -> Result<()> {
        self.job.run.cancel.check()?;
        let Some(first) = range.blocks.first() else { return Ok(()) };
        self.range.resize(range.len as usize, 0);
        if let Err(error) = self.job.blocks.read_range(&first.place, range.offset, &mut self.range) {
            return self.lose_blocks(&range.blocks, error);
        }
        for block in &range.blocks {
            let start = (u64::from(block.place.offset) - range.offset) as usize;
            let stored = self.range.get_mut(start..start + block.place.stored_len as usize).unwrap_or_default();
            match self.job.blocks.open(block.id, BlockKind::Content, stored, &mut self.plain) {
                Ok(()) => self.write_pieces(block)?,
                Err(error) => self.lose_blocks(std::slice::from_ref(block), error)?,
            }
        }
        Ok(())
    }

    /// Damage loses what is in it; a store that does not answer ends the run.
    fn lose_blocks(&self, blocks: &[NeededBlock], error: mainstay_repo::Error) -> Result<()> {
        if error.kind() != mainstay_repo::Kind::Corrupt {
            return Err(error.into());
        }
        for piece in blocks.iter().flat_map(|block| &block.pieces) {
            self.job.lose(self.files, piece, &error);
        }
        Ok(())
    }

    fn write_pieces(&self, block: &NeededBlock) -> Result<()> {
        for piece in &block.pieces {
            let Some(file) = self.files.get(piece.file as usize) else { continue };
            let data = match self.plain.range(block.id, piece.block_offset, piece.len) {
                Ok(data) => data,
                Err(error) => {
                    self.job.lose(self.files, piece, &error);
                    continue;
                }
            };
            match self.write_piece(file, piece, data) {
                Ok(()) => {}
                Err(Error::Source(error)) if is_full(&error) => return Err(error.into()),
                Err(Error::Source(error)) => {
                    file.is_incomplete.store(true, Ordering::Release);
                    if !file.is_given_up.swap(true, Ordering::AcqRel) {
                        self.job.warn(&file.planned, &error.to_string());
                    }
                    self.job.close_piece(file);
                }
                Err(error) => return Err(error),
            }
            self.job.run.progress.advance(0, piece.len.into());
        }
        Ok(())
    }

    fn write_piece(&self, file: &FileState, piece: &Piece, data: &[u8]) -> Result<()> {
        let planned = &file.planned;
        if planned.action == Action::Create && planned.extents.len() == 1 {
            return self.write_small(file, data);
        }
        if file.is_given_up.load(Ordering::Acquire) {
            self.job.close_piece(file);
            return Ok(());
        }
        let handle = {
            let mut held = file.handle.lock().unwrap_or_else(PoisonError::into_inner);
            match &*held {
                Some(handle) => handle.clone(),
                None => held.insert(self.job.open(file)?).clone(),
            }
        };
        match planned.action {
            Action::Compare => self.compare(planned, &handle, piece, data)?,
            Action::Update => self.update(&handle, piece, data)?,
            _ => {
                handle.write_all_at(piece.file_offset, data)?;
                self.written.fetch_add(data.len() as u64, Ordering::Relaxed);
            }
        }
        drop(handle);
        self.job.close_piece(file);
        Ok(())
    }

    /// A file of one piece: made, written and closed in one go.
    fn write_small(&self, file: &FileState, data: &[u8]) -> Result<()> {
        let planned = &file.planned;
        let metadata = convert::metadata(&planned.node);
        let preserve = &self.job.run.options.preserve;
        let handle =
            (self.job.open_directory)(&planned.directory)?.create_file_for(&planned.node.name, &metadata, preserve)?;
        handle.write_all_at(0, data)?;
        self.written.fetch_add(data.len() as u64, Ordering::Relaxed);
        for warning in handle.finish(&metadata, preserve) {
            self.job.warnings.add(self.job.run.progress, warning);
        }
        self.job.run.progress.advance(1, 0);
        Ok(())
    }

    /// Rewrites only what differs.
    fn update(&self, handle: &TargetFile, piece: &Piece, data: &[u8]) -> Result<()> {
        const STEP: usize = 64 << 10;
        let mut held = vec![0; STEP.min(data.len())];
        let mut offset = piece.file_offset;
        for part in data.chunks(STEP) {
            let read = read_full(handle, offset, held.get_mut(..part.len()).unwrap_or_default())?;
            if held.get(..read) != Some(part) {
                handle.write_all_at(offset, part)?;
                self.written.fetch_add(part.len() as u64, Ordering::Relaxed);
            }
            offset += part.len() as u64;
        }
        Ok(())
    }

    fn compare(&self, planned: &PlannedNode, handle: &TargetFile, piece: &Piece, data: &[u8]) -> Result<()> {
        let mut held = vec![0; data.len()];
        let read = read_full(handle, piece.file_offset, &mut held)?;
        if held.get(..read) != Some(data) {
            let message = format!("{} bytes at offset {} are not what was restored", data.len(), piece.file_offset);
            self.job.warn(planned, &message);
            return Ok(());
        }
        self.written.fetch_add(data.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

fn needs_blocks(planned: &PlannedNode) -> bool {
    planned.extents.iter().any(|extent| matches!(extent, Extent::Data { .. }))
}

fn read_full(handle: &TargetFile, offset: u64, buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match handle.read_at(offset + filled as u64, rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

fn is_refused(error: &mainstay_sources::Error) -> bool {
    error.io().is_some_and(|error| {
        matches!(error.kind(), std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ExecutableFileBusy)
    })
}

/// A full disk will not become less full by trying the next file.
fn is_full(error: &mainstay_sources::Error) -> bool {
    error.io().is_some_and(|error| {
        matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
    })
}
