//! A worker: reads files and stores what they hold.
//!
//! Owns the way from an open file to extents. A small file is one chunk. A large file is read by one worker, which cuts
//! it into pieces of about a megabyte that any worker stores. A file that cannot be read is a warning.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::Sender;
use mainstay_repo::{
    BlockId, Chunker, Content, Cutting, Effort, Extent, ExtentList, MAX_CHUNK_LEN, Node, Session, limits,
};
use mainstay_sources::{Content as Reading, Directory, Entry, Run, Warning};

use super::Warnings;
use super::queue::{Batch, FileTask, Queue, Slot, Work};
use crate::convert;
use crate::{Cancel, Error, Progress, Result};

/// A file up to this length is stored as one chunk.
pub const SMALL_FILE_LEN: u64 = 256 << 10;
/// Read buffer of a large file: what is left over when less than one longest chunk remains is copied to the next one.
const BUFFER_LEN: usize = 3 << 20;
/// A piece is at least so long, so that its new chunks fill a block.
const PIECE_LEN: usize = limits::BLOCK_TARGET;

/// What became of a file.
pub struct Stored {
    pub slot: Slot,
    /// `None`: it could not be read, and a warning says why.
    pub node: Option<Node>,
    /// Every block that the content lies in, which the node no longer tells once its extents are in lists.
    pub blocks: Vec<BlockId>,
    pub read_bytes: u64,
}

impl Stored {
    fn unread(slot: Slot) -> Self {
        Self { slot, node: None, blocks: Vec::new(), read_bytes: 0 }
    }
}

/// Consecutive chunks of a large file.
pub struct Piece {
    file: Arc<LargeFile>,
    number: usize,
    /// Goes back to the others when its last piece is stored.
    buffer: Arc<Vec<u8>>,
    start: usize,
    lens: Vec<usize>,
}

/// A large file whose pieces are being stored.
struct LargeFile {
    slot: Slot,
    effort: Effort,
    node: Mutex<Option<Node>>,
    /// Extents by the number of their piece.
    parts: Mutex<Vec<(usize, Vec<Extent>)>>,
    /// Pieces not stored yet, and one for the reader.
    open: AtomicUsize,
}

/// What all workers share.
pub struct Worker<'a> {
    pub session: &'a Session<'a>,
    pub chunker: &'a Chunker,
    pub queue: &'a Queue,
    pub buffers: &'a Buffers,
    pub results: Sender<Stored>,
    pub warnings: &'a Warnings,
    pub progress: &'a dyn Progress,
    pub cancel: &'a Cancel,
}

impl Worker<'_> {
    /// Works until the queue is at its end.
    ///
    /// # Errors
    /// Only the repository's: the run must end then.
    pub fn run(&self) -> Result<()> {
        let mut buffer = Vec::new();
        while let Some(work) = self.queue.pop() {
            match work {
                Work::Small(batch) => self.store_batch(&batch, &mut buffer)?,
                Work::Large(batch, _turn) => self.store_large_files(batch)?,
                Work::Piece(piece, _turn) => self.store_piece(piece)?,
            }
        }
        Ok(())
    }

    fn store_batch(&self, batch: &Batch, buffer: &mut Vec<u8>) -> Result<()> {
        let (mut files, mut bytes) = (0, 0);
        for task in &batch.files {
            self.cancel.check()?;
            let stored = match self.store_small(&*batch.directory, task, buffer) {
                Err(Error::Source(error)) => {
                    self.warn_unread(&*batch.directory, &task.entry, &error);
                    Some(Stored::unread(task.slot))
                }
                other => other?,
            };
            if let Some(stored) = stored {
                files += 1;
                bytes += stored.read_bytes;
                self.send(stored);
            }
        }
        self.progress.advance(files, bytes);
        Ok(())
    }

    /// Stores a file that was small when it was listed; one that is large now goes the way of large files.
    fn store_small(&self, directory: &dyn Directory, task: &FileTask, buffer: &mut Vec<u8>) -> Result<Option<Stored>> {
        let mut file = directory.open_file(&task.entry)?;
        let mut content = Content::default();
        let mut size = 0;
        while let Some(run) = file.next_run()? {
            let extent = match run {
                Run::Hole { len } => Some(Extent::Hole { len }),
                Run::Data { len } if len > SMALL_FILE_LEN => {
                    let begun = Begun { content, size, run };
                    self.store_opened(directory, task, file, Some(begun))??;
                    return Ok(None);
                }
                Run::Data { .. } => match read_run(&mut *file, buffer)? {
                    [] => None,
                    data => Some(self.session.store_small_file(data)?),
                },
            };
            size += extent.map_or(0, |extent| extent.content_len());
            content.extents.extend(extent);
        }
        let node = self.finish_node(directory, &task.entry, &mut *file, content, size)?;
        let blocks = blocks_of(&node.content.extents);
        Ok(Some(Stored { slot: task.slot, read_bytes: size, node: Some(node), blocks }))
    }

    /// Completes a node from what was read and what the open file says now.
    fn finish_node(
        &self,
        directory: &dyn Directory,
        entry: &Entry,
        file: &mut dyn Reading,
        content: Content,
        size: u64,
    ) -> Result<Node> {
        let now = file.entry_now()?;
        // The listing's size does not count: that of a stream is known only at its end.
        if (now.modified, now.changed) != (entry.modified, entry.changed) || size != now.size {
            let path = child_path(directory, entry);
            let message = "it changed while it was read: the snapshot holds what was read".to_owned();
            self.warnings.add(self.progress, Warning { path, message });
        }
        let details = match file.details()? {
            Some(details) => details,
            None => directory.details(entry)?,
        };
        // The times of the listing are kept: if the file changed since, the next run sees it.
        let mut node = convert::node(entry.clone(), details);
        node.size = size;
        node.content = content;
        Ok(node)
    }

    fn store_large_files(&self, batch: Batch) -> Result<()> {
        for task in batch.files {
            self.cancel.check()?;
            self.progress.item(&|| child_path(&*batch.directory, &task.entry));
            if let Err(Error::Source(error)) = self.store_large(&*batch.directory, &task)? {
                self.warn_unread(&*batch.directory, &task.entry, &error);
                self.send(Stored::unread(task.slot));
                self.progress.advance(1, 0);
            }
        }
        Ok(())
    }

    /// Reads a large file; the outer error is the repository's, the inner one the file's.
    fn store_large(&self, directory: &dyn Directory, task: &FileTask) -> Result<Result<()>> {
        match directory.open_file(&task.entry) {
            Ok(reading) => self.store_opened(directory, task, reading, None),
            Err(error) => Ok(Err(error.into())),
        }
    }

    fn store_opened(
        &self,
        directory: &dyn Directory,
        task: &FileTask,
        mut reading: Box<dyn Reading>,
        begun: Option<Begun>,
    ) -> Result<Result<()>> {
        let cutting = cutting_for(&task.entry);
        let file = Arc::new(LargeFile {
            slot: task.slot,
            effort: effort_for(&task.entry, cutting),
            node: Mutex::new(None),
            parts: Mutex::new(Vec::new()),
            open: AtomicUsize::new(1),
        });
        let mut cutter = Cutter { file: file.clone(), number: 0, size: 0, cutting };
        let mut next = None;
        if let Some(begun) = begun {
            cutter.add_part(begun.content.extents, begun.size);
            next = Some(begun.run);
        }
        let read = self
            .store_runs(&mut *reading, &mut cutter, next)
            .and_then(|()| self.finish_node(directory, &task.entry, &mut *reading, Content::default(), cutter.size));
        match read {
            Ok(node) => {
                *file.node.lock().unwrap_or_else(PoisonError::into_inner) = Some(node);
                self.close_part(&file)?;
                Ok(Ok(()))
            }
            // The pieces that are under way find no node and say nothing.
            Err(error @ Error::Source(_)) => Ok(Err(error)),
            Err(error) => Err(error),
        }
    }

    fn store_runs(&self, reading: &mut dyn Reading, cutter: &mut Cutter, first: Option<Run>) -> Result<()> {
        let mut next = match first {
            Some(run) => Some(run),
            None => reading.next_run()?,
        };
        while let Some(run) = next {
            match run {
                Run::Hole { len } => cutter.add_part(vec![Extent::Hole { len }], len),
                Run::Data { .. } => self.store_run(reading, cutter)?,
            }
            next = reading.next_run()?;
        }
        Ok(())
    }

    /// Reads one run of data and gives it away in pieces.
    fn store_run(&self, reading: &mut dyn Reading, cutter: &mut Cutter) -> Result<()> {
        let (mut buffer, mut filled) = (self.buffers.take(), 0);
        loop {
            self.cancel.check()?;
            let at_end = fill(reading, &mut buffer, &mut filled)?;
            let data = buffer.get(..filled).unwrap_or_default();
            let cut = cutter.cut(self.chunker, data, at_end);
            cutter.size += cut.consumed as u64;
            let mut next = self.buffers.take();
            let left_over = data.get(cut.consumed..).unwrap_or_default();
            filled = left_over.len();
            if let Some(start) = next.get_mut(..filled) {
                start.copy_from_slice(left_over);
            }
            let whole = Arc::new(std::mem::replace(&mut buffer, next));
            for (start, lens) in cut.pieces {
                let piece = cutter.piece(whole.clone(), start, lens);
                if let Some(piece) = self.queue.offer_piece(piece) {
                    self.store_piece(piece)?;
                }
            }
            self.buffers.give_back(whole);
            if at_end {
                self.buffers.give_back(Arc::new(buffer));
                return Ok(());
            }
        }
    }

    fn store_piece(&self, piece: Piece) -> Result<()> {
        let len: usize = piece.lens.iter().sum();
        let data = piece.buffer.get(piece.start..piece.start + len).unwrap_or_default();
        let extents = self.session.store_run(data, &piece.lens, piece.file.effort)?;
        self.buffers.give_back(piece.buffer);
        piece.file.parts.lock().unwrap_or_else(PoisonError::into_inner).push((piece.number, extents));
        self.progress.advance(0, len as u64);
        self.close_part(&piece.file)
    }

    /// One part of a large file is done; the last one completes its node.
    fn close_part(&self, file: &LargeFile) -> Result<()> {
        if file.open.fetch_sub(1, Ordering::AcqRel) > 1 {
            return Ok(());
        }
        let Some(mut node) = file.node.lock().unwrap_or_else(PoisonError::into_inner).take() else { return Ok(()) };
        let mut parts = std::mem::take(&mut *file.parts.lock().unwrap_or_else(PoisonError::into_inner));
        parts.sort_unstable_by_key(|(number, _)| *number);
        for extent in parts.into_iter().flat_map(|(_, extents)| extents) {
            node.content.push(extent);
        }
        let blocks = blocks_of(&node.content.extents);
        spill(self.session, &mut node.content)?;
        let read_bytes = node.size;
        self.send(Stored { slot: file.slot, node: Some(node), blocks, read_bytes });
        self.progress.advance(1, 0);
        Ok(())
    }

    fn send(&self, stored: Stored) {
        // The walk stops listening only when the run has failed.
        let _ = self.results.send(stored);
    }

    fn warn_unread(&self, directory: &dyn Directory, entry: &Entry, error: &mainstay_sources::Error) {
        let message = if error.is_vanished() { "it vanished before it was read".to_owned() } else { error.to_string() };
        self.warnings.add(self.progress, Warning { path: child_path(directory, entry), message });
    }
}

fn blocks_of(extents: &[Extent]) -> Vec<BlockId> {
    let mut blocks: Vec<BlockId> = extents
        .iter()
        .filter_map(|extent| match extent {
            Extent::Data { block, .. } => Some(*block),
            Extent::Hole { .. } => None,
        })
        .collect();
    blocks.dedup();
    blocks
}

/// Moves the extents of a content to chunks of their own if there are too many to keep inline.
pub fn spill(session: &Session<'_>, content: &mut Content) -> Result<()> {
    if content.extents.len() <= limits::INLINE_EXTENTS {
        return Ok(());
    }
    for extents in std::mem::take(&mut content.extents).chunks(limits::LIST_EXTENTS) {
        let list = ExtentList { extents: extents.to_vec() };
        content.lists.push(session.store_tree_page(&list.encode())?);
    }
    Ok(())
}

/// Numbers the pieces of a large file and remembers its length.
struct Cutter {
    file: Arc<LargeFile>,
    number: usize,
    size: u64,
    cutting: Cutting,
}

struct Cut {
    /// Start in the buffer and lengths of chunks.
    pieces: Vec<(usize, Vec<usize>)>,
    consumed: usize,
}

impl Cutter {
    /// Cuts as much of a buffer as can be cut for sure.
    fn cut(&self, chunker: &Chunker, buffer: &[u8], at_end: bool) -> Cut {
        let mut cut = Cut { pieces: Vec::new(), consumed: 0 };
        let (mut start, mut lens) = (0, Vec::new());
        while cut.consumed < buffer.len() {
            let rest = buffer.get(cut.consumed..).unwrap_or_default();
            if rest.len() < MAX_CHUNK_LEN && !at_end {
                break;
            }
            let len = chunker.cut(self.cutting, rest);
            lens.push(len);
            cut.consumed += len;
            if cut.consumed - start >= PIECE_LEN {
                cut.pieces.push((start, std::mem::take(&mut lens)));
                start = cut.consumed;
            }
        }
        if !lens.is_empty() {
            cut.pieces.push((start, lens));
        }
        cut
    }

    fn piece(&mut self, buffer: Arc<Vec<u8>>, start: usize, lens: Vec<usize>) -> Piece {
        self.file.open.fetch_add(1, Ordering::AcqRel);
        let number = self.number;
        self.number += 1;
        Piece { file: self.file.clone(), number, buffer, start, lens }
    }

    /// Adds extents that need no storing.
    fn add_part(&mut self, extents: Vec<Extent>, len: u64) {
        let part = (self.number, extents);
        self.number += 1;
        self.size += len;
        self.file.parts.lock().unwrap_or_else(PoisonError::into_inner).push(part);
    }
}

/// What was read of a file before it turned out to be large.
struct Begun {
    content: Content,
    size: u64,
    run: Run,
}

/// Reads one run of a small file into a buffer that keeps its length, so that it need not be cleared for every file.
fn read_run<'b>(file: &mut dyn Reading, buffer: &'b mut Vec<u8>) -> Result<&'b [u8]> {
    buffer.resize(SMALL_FILE_LEN as usize, 0);
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(buffer.get(..filled).unwrap_or_default())
}

/// Reads until the buffer is full; answers whether the run is at its end.
fn fill(reading: &mut dyn Reading, buffer: &mut [u8], filled: &mut usize) -> Result<bool> {
    while let Some(rest) = buffer.get_mut(*filled..).filter(|rest| !rest.is_empty()) {
        match reading.read(rest)? {
            0 => return Ok(true),
            read => *filled += read,
        }
    }
    Ok(false)
}

/// Read buffers that are used again: fresh memory costs as much as the copying into it.
#[derive(Default)]
pub struct Buffers(Mutex<Vec<Vec<u8>>>);

/// Buffers that are kept while nobody needs them.
const IDLE_BUFFERS: usize = 8;

impl Buffers {
    fn take(&self) -> Vec<u8> {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| vec![0; BUFFER_LEN])
    }

    /// Takes a buffer back from whoever lets go of it last.
    fn give_back(&self, buffer: Arc<Vec<u8>>) {
        if let Some(buffer) = Arc::into_inner(buffer) {
            let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE_BUFFERS {
                idle.push(buffer);
            }
        }
    }
}

/// Database files and disk images change in place, page by page; everything else is cut by its content.
fn cutting_for(entry: &Entry) -> Cutting {
    const PAGES: [&[u8]; 6] = [b"ibd", b"MYD", b"sqlite", b"sqlite3", b"db", b"mdb"];
    const IMAGES: [&[u8]; 7] = [b"img", b"raw", b"qcow2", b"vmdk", b"vdi", b"vhd", b"vhdx"];
    let name = entry.name.as_slice();
    let extension = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    if PAGES.contains(&extension) || name.starts_with(b"ibdata") || name.starts_with(b"undo_") {
        // InnoDB's page; SQLite's and others' divide it.
        Cutting::Fixed { len: 16 << 10 }
    } else if IMAGES.contains(&extension) {
        Cutting::Fixed { len: 64 << 10 }
    } else {
        Cutting::Content
    }
}

/// Source text has files of some megabytes; what is much longer is data, and there is a lot of it.
fn effort_for(entry: &Entry, cutting: Cutting) -> Effort {
    if cutting == Cutting::Content && entry.size < 32 << 20 { Effort::Thorough } else { Effort::Fast }
}

pub fn child_path(directory: &dyn Directory, entry: &Entry) -> String {
    let parent = directory.display_path();
    format!("{}/{}", parent.trim_end_matches('/'), String::from_utf8_lossy(&entry.name))
}
