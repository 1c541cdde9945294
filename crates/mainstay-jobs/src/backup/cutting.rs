//! How a large file is cut, and the pieces that it is stored in.
//!
//! Owns the choice of cutting and effort by name and length, and the numbers that bring pieces back into order. Reads and
//! stores nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mainstay_repo::{Chunker, Cutting, Effort, Extent, Node, limits};
use mainstay_sources::Entry;

use super::buffers::{BUFFER_LEN, Buffer};
use super::queue::{FileTask, Slot};

/// A piece of pages is so long: any page may be changed or read alone, which opens its block.
const PAGES_PIECE_LEN: usize = limits::BLOCK_TARGET;
/// Other large files are read from end to end, and what is compressed together may be as long as a buffer: level 3 then does
/// better than level 5 on a third of it, for less than half the time (measured 2026-11-22 on 264 source files of 434 MB:
/// 23.7 MB and 0.5 s beside 23.7 MB and 1.2 s).
const CONTENT_PIECE_LEN: usize = BUFFER_LEN;
/// InnoDB's page; SQLite's and others' divide it.
const DATABASE_PAGE: usize = 16 << 10;

/// Consecutive chunks of a large file.
pub struct Piece {
    pub file: Arc<LargeFile>,
    pub number: usize,
    /// Goes back to the others when its last piece is stored.
    pub buffer: Arc<Buffer>,
    start: usize,
    pub lens: Vec<usize>,
}

impl Piece {
    /// The chunks, one behind the other.
    pub fn bytes(&self) -> &[u8] {
        let len: usize = self.lens.iter().sum();
        self.buffer.bytes().get(self.start..self.start + len).unwrap_or_default()
    }
}

/// A large file whose pieces are being stored.
pub struct LargeFile {
    pub slot: Slot,
    pub effort: Effort,
    pub node: Mutex<Option<Node>>,
    /// Extents by the number of their piece.
    pub parts: Mutex<Vec<(usize, Vec<Extent>)>>,
    /// Pieces not stored yet, and one for the reader.
    pub open: AtomicUsize,
}

impl LargeFile {
    fn new(task: &FileTask, cutting: Cutting) -> Self {
        Self {
            slot: task.slot,
            effort: effort_for(cutting),
            node: Mutex::new(None),
            parts: Mutex::new(Vec::new()),
            open: AtomicUsize::new(1),
        }
    }
}

/// Numbers the pieces of a large file and remembers its length.
pub struct Cutter {
    pub file: Arc<LargeFile>,
    number: usize,
    pub size: u64,
    cutting: Cutting,
}

pub struct Cut {
    /// Start in the buffer and lengths of chunks.
    pub pieces: Vec<(usize, Vec<usize>)>,
    pub consumed: usize,
}

impl Cutter {
    pub fn new(task: &FileTask) -> Self {
        let cutting = cutting_for(&task.entry);
        Self { file: Arc::new(LargeFile::new(task, cutting)), number: 0, size: 0, cutting }
    }

    /// Cuts as much of a buffer as can be cut for sure.
    pub fn cut(&self, chunker: &Chunker, buffer: &[u8], at_end: bool) -> Cut {
        let mut cut = Cut { pieces: Vec::new(), consumed: 0 };
        let piece_len = piece_len_for(self.cutting);
        let (mut start, mut lens) = (0, Vec::new());
        while cut.consumed < buffer.len() {
            let rest = buffer.get(cut.consumed..).unwrap_or_default();
            if rest.len() < self.cutting.longest() && !at_end {
                break;
            }
            let len = chunker.cut(self.cutting, rest);
            lens.push(len);
            cut.consumed += len;
            if cut.consumed - start >= piece_len {
                cut.pieces.push((start, std::mem::take(&mut lens)));
                start = cut.consumed;
            }
        }
        if !lens.is_empty() {
            cut.pieces.push((start, lens));
        }
        cut
    }

    pub fn piece(&mut self, buffer: Arc<Buffer>, start: usize, lens: Vec<usize>) -> Piece {
        self.file.open.fetch_add(1, Ordering::AcqRel);
        let number = self.number;
        self.number += 1;
        Piece { file: self.file.clone(), number, buffer, start, lens }
    }

    /// Adds extents that need no storing.
    pub fn add_part(&mut self, extents: Vec<Extent>, len: u64) {
        let part = (self.number, extents);
        self.number += 1;
        self.size += len;
        self.file.parts.lock().unwrap_or_else(PoisonError::into_inner).push(part);
    }
}

/// Database files and disk images change in place, page by page; everything else is cut by its content.
fn cutting_for(entry: &Entry) -> Cutting {
    const PAGES: [&[u8]; 6] = [b"ibd", b"MYD", b"sqlite", b"sqlite3", b"db", b"mdb"];
    const IMAGES: [&[u8]; 7] = [b"img", b"raw", b"qcow2", b"vmdk", b"vdi", b"vhd", b"vhdx"];
    let name = entry.name.as_slice();
    let extension = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    if PAGES.contains(&extension) || name.starts_with(b"ibdata") || name.starts_with(b"undo_") {
        Cutting::Fixed { len: DATABASE_PAGE }
    } else if IMAGES.contains(&extension) {
        Cutting::Fixed { len: 64 << 10 }
    } else {
        Cutting::Content
    }
}

fn piece_len_for(cutting: Cutting) -> usize {
    match cutting {
        Cutting::Fixed { .. } => PAGES_PIECE_LEN,
        Cutting::Content => CONTENT_PIECE_LEN,
    }
}

fn effort_for(cutting: Cutting) -> Effort {
    match cutting {
        Cutting::Fixed { len: DATABASE_PAGE } => Effort::Pages,
        _ => Effort::Fast,
    }
}

#[cfg(test)]
mod tests;
