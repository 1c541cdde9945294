//! The files of a batch: opened when the first piece comes, closed with their metadata after the last.
//!
//! Owns what becomes of a piece: it is written into a new file, compared and rewritten where it differs, or only compared.
//! Pieces of one file may come from several threads at once. Memory: what a caller gives for reading, nothing of a file's
//! length.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mainstay_repo::Extent;
use mainstay_sources::files::{HardLinks, TargetDirectory, TargetFile};

use super::passed_over::Scope;
use super::plan::{Action, PlannedNode};
use super::ranges::Piece;
use super::telling::Telling;
use super::{RestoreRun, SharedPath, join};
use crate::{Result, convert};

/// Read and compared at once, and rewritten at once where it differs.
const STEP_LEN: usize = 64 << 10;
/// New files at least as long are written past the page cache; in tests, shorter ones too.
const LARGE_FILE_LEN: u64 = if cfg!(test) { 1 << 20 } else { 32 << 20 };

/// A file of the batch.
pub struct FileState {
    pub planned: PlannedNode,
    /// Pieces that are not written yet.
    open_pieces: AtomicU32,
    handle: Mutex<Option<Arc<OpenFile>>>,
    /// Something of it could not be read or written.
    is_incomplete: AtomicBool,
    /// It cannot be written: what else there is of it is passed over.
    is_given_up: AtomicBool,
}

impl FileState {
    pub fn new(planned: PlannedNode) -> Self {
        let pieces = planned.extents.iter().filter(|extent| matches!(extent, Extent::Data { .. })).count();
        Self {
            planned,
            open_pieces: AtomicU32::new(u32::try_from(pieces).unwrap_or(u32::MAX)),
            handle: Mutex::new(None),
            is_incomplete: AtomicBool::new(false),
            is_given_up: AtomicBool::new(false),
        }
    }

    /// Whether it is empty, all hole, or only gets new metadata.
    pub fn needs_no_blocks(&self) -> bool {
        !self.planned.extents.iter().any(|extent| matches!(extent, Extent::Data { .. }))
    }
}

/// A file that is open, and what happens to its pieces.
struct OpenFile {
    file: TargetFile,
    way: Way,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It is new: every piece is written.
    Write,
    /// It was there: a piece is written where it differs.
    Rewrite,
    Compare,
}

/// What writing files needs.
pub struct Files<'a> {
    pub run: &'a RestoreRun<'a>,
    pub telling: &'a Telling<'a>,
    pub open_directory: &'a (dyn Fn(&SharedPath) -> mainstay_sources::Result<Arc<TargetDirectory>> + Sync),
    /// Counts bytes written, and bytes compared and found equal.
    pub written: &'a AtomicU64,
    pub lost: &'a Lost,
}

/// Counts files of which something is lost, and their sizes.
#[derive(Default)]
pub struct Lost {
    pub files: AtomicU64,
    pub bytes: AtomicU64,
}

impl Files<'_> {
    /// Makes, compares or touches a file that needs no blocks.
    pub fn write_without_blocks(&self, file: &FileState) {
        let planned = &file.planned;
        if planned.action == Action::SetMetadata {
            let set = (self.open_directory)(&planned.directory).and_then(|directory| {
                directory.set_metadata(
                    &planned.node.name,
                    &convert::metadata(&planned.node),
                    &self.run.options.preserve,
                )
            });
            self.telling.set(&planned.directory, &planned.node.name, set);
            self.run.progress.advance(1, planned.node.size);
            return;
        }
        match self.open(planned) {
            Ok(open) => self.finish(file, open),
            Err(error) => self.fail(planned, error),
        }
    }

    /// Takes in one piece of a file; `held` is memory for reading.
    ///
    /// # Errors
    /// When the disk is full. What else does not work with one file is a warning.
    pub fn take_piece(&self, file: &FileState, piece: &Piece, data: &[u8], held: &mut Vec<u8>) -> Result<()> {
        self.run.progress.item(&|| self.path(&file.planned));
        let taken = match file.planned.extents.len() {
            1 => self.take_whole(&file.planned, data, held),
            _ if file.is_given_up.load(Ordering::Acquire) => Ok(()),
            _ => self
                .opened(file)
                .and_then(|open| self.apply_piece(&file.planned, &open, (piece.file_offset, data), held)),
        };
        match taken {
            Err(error) if is_full(&error) => return Err(error.into()),
            Err(error) => {
                file.is_incomplete.store(true, Ordering::Release);
                if !file.is_given_up.swap(true, Ordering::AcqRel) {
                    self.fail(&file.planned, error);
                }
            }
            Ok(()) => {}
        }
        self.close_piece(file);
        self.run.progress.advance(0, piece.len.into());
        Ok(())
    }

    /// One piece cannot be had.
    pub fn lose(&self, file: &FileState, piece: &Piece, error: &mainstay_repo::Error) {
        let is_new = !file.is_incomplete.swap(true, Ordering::AcqRel);
        let path = join(&file.planned.directory, &file.planned.node.name);
        let passed_over = &self.telling.passed_over;
        if file.planned.action != Action::Compare {
            if is_new {
                self.lost.files.fetch_add(1, Ordering::Relaxed);
                self.lost.bytes.fetch_add(file.planned.node.size, Ordering::Relaxed);
                // It keeps its new modification time.
                passed_over.insert(&path, Scope::Metadata);
                passed_over.insert(&path, Scope::Loss);
            }
            let message = format!("{} bytes at offset {} are lost: {error}", piece.len, piece.file_offset);
            self.telling.about(&path, &message);
        } else if !passed_over.contains(&path, Scope::Loss) {
            // A file that was believed and kept: nobody asked for its blocks before.
            let message = format!("{} bytes at offset {} cannot be compared: {error}", piece.len, piece.file_offset);
            self.telling.about(&path, &message);
        }
        self.close_piece(file);
    }

    /// A file of one piece is opened, written or compared, and closed in one go.
    fn take_whole(&self, planned: &PlannedNode, data: &[u8], held: &mut Vec<u8>) -> mainstay_sources::Result<()> {
        let open = match planned.action {
            Action::Create => self.create_small(planned)?,
            _ => self.open(planned)?,
        };
        self.apply_piece(planned, &open, (0, data), held)?;
        self.close(planned, open);
        Ok(())
    }

    fn create_small(&self, planned: &PlannedNode) -> mainstay_sources::Result<OpenFile> {
        let directory = (self.open_directory)(&planned.directory)?;
        let metadata = convert::metadata(&planned.node);
        let file = directory.create_file_for(&planned.node.name, &metadata, &self.run.options.preserve)?;
        Ok(OpenFile { file, way: Way::Write })
    }

    /// The file, opened by whichever thread comes first.
    fn opened(&self, file: &FileState) -> mainstay_sources::Result<Arc<OpenFile>> {
        let mut held = file.handle.lock().unwrap_or_else(PoisonError::into_inner);
        match &*held {
            Some(open) => Ok(open.clone()),
            None => Ok(held.insert(Arc::new(self.open(&file.planned)?)).clone()),
        }
    }

    /// Opens or makes a file and gives it its length and its holes.
    fn open(&self, planned: &PlannedNode) -> mainstay_sources::Result<OpenFile> {
        let name = &planned.node.name;
        let directory = (self.open_directory)(&planned.directory)?;
        let replace = || directory.replace_file(name, self.run.options.extra.in_the_way());
        let (mut file, way) = match planned.action {
            Action::Compare => (directory.open_file_to_read(name)?, Way::Compare),
            Action::Update => match directory.open_file(name, HardLinks::Allow) {
                // A file that may not be written (or runs) is replaced; its name is ours to give.
                Err(error) if is_refused(&error) => (replace()?, Way::Write),
                opened => (opened?, Way::Rewrite),
            },
            Action::Replace => (replace()?, Way::Write),
            _ => (directory.create_file(name)?, Way::Write),
        };
        match way {
            Way::Write => give_room(planned, &directory, &mut file)?,
            Way::Rewrite => {
                file.set_len(planned.node.size)?;
                holes(planned).try_for_each(|(offset, len)| file.punch_hole(offset, len))?;
            }
            Way::Compare => self.compare_shape(planned, &file)?,
        }
        Ok(OpenFile { file, way })
    }

    fn apply_piece(
        &self,
        planned: &PlannedNode,
        open: &OpenFile,
        (offset, data): (u64, &[u8]),
        held: &mut Vec<u8>,
    ) -> mainstay_sources::Result<()> {
        if open.way == Way::Write {
            open.file.write_all_at(offset, data)?;
            self.written.fetch_add(data.len() as u64, Ordering::Relaxed);
            return Ok(());
        }
        let mut differing = 0;
        for (part, offset) in data.chunks(STEP_LEN).zip((offset..).step_by(STEP_LEN)) {
            if is_same(&open.file, offset, part, held)? {
                continue;
            }
            differing += part.len() as u64;
            if open.way == Way::Rewrite {
                open.file.write_all_at(offset, part)?;
            }
        }
        let counted = if open.way == Way::Rewrite { differing } else { data.len() as u64 - differing };
        self.written.fetch_add(counted, Ordering::Relaxed);
        if open.way == Way::Compare && differing > 0 {
            let message = format!("{} bytes at offset {offset} are not what was restored", data.len());
            self.warn(planned, &message);
        }
        Ok(())
    }

    /// Compares what no block holds: the length, and that holes read as zeros.
    fn compare_shape(&self, planned: &PlannedNode, file: &TargetFile) -> mainstay_sources::Result<()> {
        let (held, size) = (file.size(), planned.node.size);
        if held != size {
            self.warn(planned, &format!("it has {held} bytes, {size} were restored"));
        }
        for (offset, len) in holes(planned) {
            if !file.reads_as_zeros(offset, len)? {
                self.warn(planned, &format!("{len} bytes at offset {offset} are not the zeros that were restored"));
            }
        }
        Ok(())
    }

    fn close_piece(&self, file: &FileState) {
        if file.open_pieces.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(open) = file.handle.lock().unwrap_or_else(PoisonError::into_inner).take()
            && let Some(open) = Arc::into_inner(open)
        {
            self.finish(file, open);
        }
    }

    /// Closes a file. One of which something is lost keeps its new modification time, so that no later restore takes it
    /// for whole; one that could not be written takes no other's place.
    fn finish(&self, file: &FileState, open: OpenFile) {
        if !file.is_incomplete.load(Ordering::Acquire) {
            return self.close(&file.planned, open);
        }
        if !file.is_given_up.load(Ordering::Acquire)
            && let Err(error) = open.file.publish()
        {
            self.fail(&file.planned, error);
        }
        self.run.progress.advance(1, 0);
    }

    /// Closes a whole file with its metadata.
    fn close(&self, planned: &PlannedNode, open: OpenFile) {
        if open.way != Way::Compare {
            let metadata = convert::metadata(&planned.node);
            let applied = open.file.finish(&metadata, &self.run.options.preserve);
            self.telling.made(&planned.directory, &planned.node.name, applied);
        }
        self.run.progress.advance(1, 0);
    }

    fn fail(&self, planned: &PlannedNode, error: mainstay_sources::Error) {
        self.telling.failed(&planned.directory, &planned.node.name, Err(error));
    }

    fn path(&self, planned: &PlannedNode) -> String {
        String::from_utf8_lossy(&join(&planned.directory, &planned.node.name)).into_owned()
    }

    fn warn(&self, planned: &PlannedNode, message: &str) {
        self.telling.about(&join(&planned.directory, &planned.node.name), message);
    }
}

/// Gives a new file its length. Holes of a new file come by themselves.
fn give_room(
    planned: &PlannedNode,
    directory: &TargetDirectory,
    file: &mut TargetFile,
) -> mainstay_sources::Result<()> {
    let size = planned.node.size;
    if let [Extent::Data { .. }] = planned.extents.as_slice() {
        // It gets its length with its only piece.
        return Ok(());
    }
    if size < LARGE_FILE_LEN {
        return file.set_len(size);
    }
    directory.write_past_cache(file);
    match holes(planned).next() {
        None => file.reserve(size),
        Some(_) => file.set_len(size),
    }
}

/// Offset and length of each hole.
fn holes(planned: &PlannedNode) -> impl Iterator<Item = (u64, u64)> {
    let mut offset = 0;
    planned.extents.iter().filter_map(move |extent| {
        let start = offset;
        offset += extent.content_len();
        matches!(extent, Extent::Hole { .. }).then_some((start, extent.content_len()))
    })
}

fn is_same(file: &TargetFile, offset: u64, part: &[u8], held: &mut Vec<u8>) -> mainstay_sources::Result<bool> {
    held.resize(STEP_LEN, 0);
    let mut filled = 0;
    while let Some(rest) = held.get_mut(filled..part.len()).filter(|rest| !rest.is_empty()) {
        match file.read_at(offset + filled as u64, rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(held.get(..filled) == Some(part))
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
