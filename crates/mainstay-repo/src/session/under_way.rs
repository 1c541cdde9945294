//! Packs on their way to the store.
//!
//! Owns how many there are at once and in which order they are answered for. Knows nothing of what is in them. Invariant: a
//! pack is handed back only when it is durable, and in the order in which the packs were sent.

use std::collections::VecDeque;
use std::thread::JoinHandle;

use crate::error::{Error, Result};
use crate::format::limits;
use crate::pack_writer::{ClosedPack, FinishedPack};

/// Bytes of packs on their way, at most: a store without names for what is not whole holds them in memory. Four packs of 64 MiB, or
/// two of the longest, which end a little above their target.
const MOST_BYTES: u64 = 2 * limits::PACK_TARGET_MAX + (16 << 20);

pub struct UnderWay {
    at_once: usize,
    packs: VecDeque<(u64, JoinHandle<Result<FinishedPack>>)>,
    bytes: u64,
}

impl UnderWay {
    pub fn new(at_once: usize) -> Self {
        Self { at_once, packs: VecDeque::new(), bytes: 0 }
    }

    /// Sends a pack, and answers with those that it had to wait for. Where only one is to be on its way nothing runs beside
    /// the caller.
    pub fn send(&mut self, pack: ClosedPack) -> Result<Vec<FinishedPack>> {
        if self.at_once <= 1 {
            return pack.publish().map(|pack| vec![pack]);
        }
        let len = pack.len();
        let mut arrived = Vec::new();
        while self.packs.len() >= self.at_once || !self.packs.is_empty() && self.bytes + len > MOST_BYTES {
            arrived.extend(self.next()?);
        }
        let thread = std::thread::Builder::new().name("pack upload".to_owned()).spawn(move || pack.publish());
        let thread =
            thread.map_err(|source| Error::Store { verb: "start a thread for", name: "a pack".to_owned(), source })?;
        self.packs.push_back((len, thread));
        self.bytes += len;
        Ok(arrived)
    }

    /// Waits for the pack that was sent first; `None` when none is on its way.
    pub fn next(&mut self) -> Result<Option<FinishedPack>> {
        let Some((len, thread)) = self.packs.pop_front() else { return Ok(None) };
        self.bytes -= len;
        thread.join().unwrap_or_else(|_| Err(Error::Bug("an upload panicked".to_owned()))).map(Some)
    }

    /// Waits for all that is on its way, whatever comes of it: after the session nothing of it is written any more.
    pub fn abandon(&mut self) {
        while let Some((_, thread)) = self.packs.pop_front() {
            drop(thread.join());
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.abandon();
    }
}

#[cfg(test)]
mod tests;
