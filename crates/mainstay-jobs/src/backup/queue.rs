//! The work that is waiting: files to read, and pieces of large files to store.
//!
//! Owns one bounded queue with an order of preference. Pieces go first, because they hold memory; at most two large files
//! are read at once, because each holds buffers. Safety: whoever adds a piece to a full queue stores it itself, so no
//! thread waits for a thread that waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use mainstay_sources::{Directory, Entry};

use super::cutting::Piece;

/// Batches of small files that may wait.
const BATCHES: usize = 64;
/// Large files that may wait.
const LARGE_FILES: usize = 256;
/// Pieces that may wait, about 1 MiB each.
const PIECES: usize = 3;
/// Pieces that are stored at once.
const PIECES_AT_ONCE: usize = 3;
/// Large files that are read at once.
const LARGE_READERS: usize = 2;

/// Where a file's node belongs: the directory and the place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    pub directory: u64,
    pub position: usize,
}

/// A file to read.
pub struct FileTask {
    pub slot: Slot,
    pub entry: Entry,
}

/// Files of one directory.
pub struct Batch {
    pub directory: Arc<dyn Directory>,
    pub files: Vec<FileTask>,
}

/// Something for a worker to do.
pub enum Work {
    Small(Batch),
    Large(Batch),
    Piece(Piece),
}

#[derive(Default)]
struct State {
    small: VecDeque<Batch>,
    large: VecDeque<Batch>,
    pieces: VecDeque<Piece>,
    large_readers: usize,
    piece_workers: usize,
    closed: bool,
}

/// The queue between the walk and the workers.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    work: Condvar,
    space: Condvar,
}

impl Queue {
    /// Adds small files; waits while too many are waiting.
    pub fn push_small(&self, batch: Batch) {
        self.push(batch, |state| &mut state.small, BATCHES);
    }

    /// Adds one large file; waits while too many are waiting.
    pub fn push_large(&self, batch: Batch) {
        self.push(batch, |state| &mut state.large, LARGE_FILES);
    }

    fn push(&self, batch: Batch, queue: impl Fn(&mut State) -> &mut VecDeque<Batch>, limit: usize) {
        let mut state = self.lock();
        while queue(&mut state).len() >= limit && !state.closed {
            state = self.space.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        queue(&mut state).push_back(batch);
        drop(state);
        self.work.notify_one();
    }

    /// Adds a piece, or hands it back when the queue is full.
    pub fn offer_piece(&self, piece: Piece) -> Option<Piece> {
        let mut state = self.lock();
        if state.pieces.len() >= PIECES {
            return Some(piece);
        }
        state.pieces.push_back(piece);
        drop(state);
        self.work.notify_one();
        None
    }

    /// The next work; `None` when everything is done. A large file that is taken must
    /// be ended with [`Queue::end_large`], a piece with [`Queue::end_piece`].
    pub fn pop(&self) -> Option<Work> {
        let mut state = self.lock();
        loop {
            if state.piece_workers < PIECES_AT_ONCE
                && let Some(piece) = state.pieces.pop_front()
            {
                state.piece_workers += 1;
                return Some(Work::Piece(piece));
            }
            if state.large_readers < LARGE_READERS
                && let Some(batch) = state.large.pop_front()
            {
                state.large_readers += 1;
                self.space.notify_one();
                return Some(Work::Large(batch));
            }
            if let Some(batch) = state.small.pop_front() {
                self.space.notify_one();
                return Some(Work::Small(batch));
            }
            if state.closed && state.large_readers == 0 && state.large.is_empty() && state.pieces.is_empty() {
                self.work.notify_all();
                return None;
            }
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A large file has been read to its end.
    pub fn end_large(&self) {
        self.lock().large_readers -= 1;
        self.work.notify_all();
    }

    /// A piece has been stored.
    pub fn end_piece(&self) {
        self.lock().piece_workers -= 1;
        self.work.notify_all();
    }

    /// No more files will come.
    pub fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
        self.space.notify_all();
    }

    /// Drops everything that waits: the run has failed.
    pub fn abandon(&self) {
        let mut state = self.lock();
        state.closed = true;
        let waiting =
            (std::mem::take(&mut state.small), std::mem::take(&mut state.large), std::mem::take(&mut state.pieces));
        drop(state);
        drop(waiting);
        self.work.notify_all();
        self.space.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
