//! The work that is waiting: files to read, and pieces of large files to store.
//!
//! Owns one bounded queue with an order of preference. Pieces go first, because they hold memory; at most two large files
//! are read at once, because each holds buffers. Safety: whoever adds a piece to a full queue stores it itself, so no
//! thread waits for a thread that waits for it; and a turn ends with the thread that has it, even if that panics.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use mainstay_sources::{Directory, Entry};

use super::cutting::Piece;

/// Batches of small files that may wait.
const BATCHES: usize = 64;
/// Large files that may wait.
const LARGE_FILES: usize = 256;
/// Pieces that may wait, up to 3 MiB each.
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
pub enum Work<'q> {
    Small(Batch),
    Large(Batch, Turn<'q>),
    Piece(Piece, Turn<'q>),
}

/// A worker's turn at what only some do at once; others get theirs when it is dropped.
pub struct Turn<'q> {
    queue: &'q Queue,
    count: fn(&mut State) -> &mut usize,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        *(self.count)(&mut state) -= 1;
        let is_wanted = state.idle > 0;
        drop(state);
        if is_wanted {
            self.queue.work.notify_all();
        }
    }
}

#[derive(Default)]
struct State {
    small: VecDeque<Batch>,
    large: VecDeque<Batch>,
    pieces: VecDeque<Piece>,
    large_readers: usize,
    piece_workers: usize,
    /// Workers that wait for work: to wake one costs a system call, and often there is none.
    idle: usize,
    /// Whether the walk waits for space.
    is_full: bool,
    closed: bool,
    abandoned: bool,
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
            state.is_full = true;
            state = self.space.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_full = false;
        if !state.abandoned {
            queue(&mut state).push_back(batch);
            self.wake(state);
        }
    }

    /// Adds a piece, or hands it back when the queue is full.
    pub fn offer_piece(&self, piece: Piece) -> Option<Piece> {
        let mut state = self.lock();
        if state.pieces.len() >= PIECES {
            return Some(piece);
        }
        state.pieces.push_back(piece);
        self.wake(state);
        None
    }

    fn wake(&self, state: MutexGuard<'_, State>) {
        let is_wanted = state.idle > 0;
        drop(state);
        if is_wanted {
            self.work.notify_one();
        }
    }

    fn tell_of_space(&self, state: &State) {
        if state.is_full {
            self.space.notify_one();
        }
    }

    /// The next work; `None` when everything is done.
    pub fn pop(&self) -> Option<Work<'_>> {
        let mut state = self.lock();
        loop {
            if state.piece_workers < PIECES_AT_ONCE
                && let Some(piece) = state.pieces.pop_front()
            {
                state.piece_workers += 1;
                return Some(Work::Piece(piece, Turn { queue: self, count: |state| &mut state.piece_workers }));
            }
            if state.large_readers < LARGE_READERS
                && let Some(batch) = state.large.pop_front()
            {
                state.large_readers += 1;
                self.tell_of_space(&state);
                return Some(Work::Large(batch, Turn { queue: self, count: |state| &mut state.large_readers }));
            }
            if let Some(batch) = state.small.pop_front() {
                self.tell_of_space(&state);
                return Some(Work::Small(batch));
            }
            if state.closed && state.large_readers == 0 && state.large.is_empty() && state.pieces.is_empty() {
                self.work.notify_all();
                return None;
            }
            state.idle += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
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
        state.abandoned = true;
        let waiting =
            (std::mem::take(&mut state.small), std::mem::take(&mut state.large), std::mem::take(&mut state.pieces));
        drop(state);
        drop(waiting);
        self.work.notify_all();
        self.space.notify_all();
    }

    /// Whether the run has failed, so that nothing that is added will be done.
    pub fn is_abandoned(&self) -> bool {
        self.lock().abandoned
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
