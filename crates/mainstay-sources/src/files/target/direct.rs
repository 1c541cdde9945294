//! Writing a large file past the page cache.
//!
//! Owns alignment. A restored file is written once and seldom read soon: through the page cache it would push out what the
//! machine needs, and cost a copy and, on fresh memory, a page fault for every 4 KiB. Only the aligned middle of what is
//! written goes this way; both ends go through the cache, which does not overlap with it. What the file system refuses
//! goes through the cache too.

use std::cell::RefCell;
use std::ops::Range;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::io::{self, Errno};

use crate::files::status;

/// Alignment of memory, offsets and lengths that every common disk accepts.
const ALIGNMENT: usize = 4096;
/// Written at once; as long as a block of a large file.
const BUFFER_LEN: usize = 1 << 20;
/// What is shorter is not worth a wait for the disk.
const SHORTEST: usize = 64 << 10;
/// `BTRFS_SUPER_MAGIC`: what is written past the cache there is not compressed.
const BTRFS: u64 = 0x9123_683e;

thread_local! {
    static BUFFER: RefCell<Aligned> = const { RefCell::new(Aligned { memory: Vec::new() }) };
}

/// Memory with an aligned part; it never moves once it is there.
struct Aligned {
    memory: Vec<u8>,
}

impl Aligned {
    /// The bytes, aligned.
    fn hold(&mut self, bytes: &[u8]) -> &[u8] {
        if self.memory.is_empty() {
            self.memory = vec![0; BUFFER_LEN + ALIGNMENT];
        }
        let start = self.memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        let Some(held) = self.memory.get_mut(start..start + bytes.len()) else { return &[] };
        held.copy_from_slice(bytes);
        held
    }
}

/// A second way into a file that is open.
pub(super) struct Direct {
    file: OwnedFd,
    is_refused: AtomicBool,
}

impl Direct {
    /// Opens a file, which is open, once more by its name; `None` where that does not work.
    pub(super) fn open(directory: BorrowedFd<'_>, name: &[u8], open: BorrowedFd<'_>) -> Option<Self> {
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::WRONLY | OFlags::DIRECT;
        let is_btrfs = rustix::fs::fstatfs(open).is_ok_and(|system| system.f_type as u64 == BTRFS);
        if is_btrfs {
            return None;
        }
        let file = rustix::fs::openat(directory, name, flags, Mode::empty()).ok()?;
        let identity =
            |file: BorrowedFd<'_>| status::of_open(file).map(|status| (status::device(&status), status.stx_ino));
        let is_same = identity(open).ok()? == identity(std::os::fd::AsFd::as_fd(&file)).ok()?;
        is_same.then(|| Self { file, is_refused: AtomicBool::new(false) })
    }

    /// Writes the aligned middle of the bytes; answers which of them were written.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<Range<usize>> {
        let middle = middle(offset, bytes.len());
        let mut written = middle.start..middle.start;
        if middle.len() < SHORTEST || self.is_refused.load(Ordering::Relaxed) {
            return Ok(written);
        }
        BUFFER.with_borrow_mut(|buffer| {
            while let Some(step) =
                bytes.get(written.end..middle.end.min(written.end + BUFFER_LEN)).filter(|step| !step.is_empty())
            {
                let aligned = buffer.hold(step);
                match io::retry_on_intr(|| io::pwrite(&self.file, aligned, offset + written.end as u64)) {
                    // What was written of the last unit is written again.
                    Ok(len) if len >= ALIGNMENT => written.end += len - len % ALIGNMENT,
                    Ok(_) => break,
                    Err(Errno::INVAL) => {
                        self.is_refused.store(true, Ordering::Relaxed);
                        break;
                    }
                    Err(errno) => return Err(errno),
                }
            }
            Ok(written)
        })
    }
}

/// The part of `len` bytes at an offset that begins and ends aligned.
fn middle(offset: u64, len: usize) -> Range<usize> {
    let to_start = (offset.next_multiple_of(ALIGNMENT as u64) - offset) as usize;
    let after_end = ((offset + len as u64) % ALIGNMENT as u64) as usize;
    match len.checked_sub(after_end) {
        Some(end) if end > to_start => to_start..end,
        _ => 0..0,
    }
}

#[cfg(test)]
mod tests;
