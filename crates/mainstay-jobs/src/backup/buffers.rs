//! The memory that large files are read into.
//!
//! Owns alignment and using again: fresh memory costs as much as copying into it. Invariant: the room of a buffer starts
//! and ends aligned as long as whole reads go into it, also behind bytes that the last buffer left over, so that a source
//! can read into it without a copy in between.

use std::sync::{Arc, Mutex, PoisonError};

use mainstay_sources::READ_ALIGNMENT as ALIGNMENT;

/// What is left over when less than one longest chunk remains is copied to the next buffer.
pub const BUFFER_LEN: usize = 3 << 20;
/// Buffers that are kept while nobody needs them.
const IDLE_BUFFERS: usize = 8;

/// Bytes of a file, and room for more behind them.
pub struct Buffer {
    /// Never grows, so that it never moves.
    memory: Vec<u8>,
    aligned: usize,
    start: usize,
    end: usize,
}

impl Buffer {
    fn new() -> Self {
        let memory = vec![0; BUFFER_LEN + ALIGNMENT];
        let aligned = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Self { memory, aligned, start: aligned, end: aligned }
    }

    pub fn bytes(&self) -> &[u8] {
        self.memory.get(self.start..self.end).unwrap_or_default()
    }

    /// What can still be read into.
    pub fn room(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.end..self.aligned + BUFFER_LEN).unwrap_or_default()
    }

    /// So many bytes have been read into the room.
    pub fn grow(&mut self, len: usize) {
        self.end += len.min(self.room().len());
    }

    /// Lets the buffer hold some bytes and nothing else; its room starts aligned.
    fn begin_with(&mut self, bytes: &[u8]) {
        self.end = self.aligned + bytes.len().next_multiple_of(ALIGNMENT);
        self.start = self.end - bytes.len();
        if let Some(place) = self.memory.get_mut(self.start..self.end) {
            place.copy_from_slice(bytes);
        }
    }
}

/// Buffers that are used again.
#[derive(Default)]
pub struct Buffers(Mutex<Vec<Buffer>>);

impl Buffers {
    /// A buffer that holds some bytes, of which there must be less than a longest chunk.
    pub fn take(&self, bytes: &[u8]) -> Buffer {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut buffer = idle.unwrap_or_else(Buffer::new);
        buffer.begin_with(bytes);
        buffer
    }

    /// Takes a buffer back from whoever lets go of it last.
    pub fn give_back(&self, buffer: Arc<Buffer>) {
        if let Some(buffer) = Arc::into_inner(buffer) {
            let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE_BUFFERS {
                idle.push(buffer);
            }
        }
    }
}

#[cfg(test)]
mod tests;
