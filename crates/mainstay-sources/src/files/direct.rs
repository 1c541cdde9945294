//! Reading a long file past the page cache.
//!
//! Owns the decision whether a file is read so, and the switch. Reading what nobody has read through the cache costs a
//! fresh page and a copy for every 4 KiB and pushes out what the machine needs (measured 2026-11-22 on a virtual machine
//! with cold memory: 0.35 GB/s through the cache, 1.7 GB/s past it, for a tenth of the processor time). A file that is in
//! the cache is read from there. Invariant: nothing here ends the reading of a file; what cannot be read past the cache
//! is left to the caller, who reads it through the cache.

use std::num::NonZeroU64;
use std::os::fd::BorrowedFd;

use rustix::fs::{Advice, AtFlags, OFlags, StatxFlags};
use rustix::io::{self, Errno, ReadWriteFlags};

use crate::READ_ALIGNMENT as ALIGNMENT;

/// Shorter files gain less than it costs to look whether they are in the cache.
const LEN_MIN: u64 = 16 << 20;
/// Where a file is looked at, in quarters of its length: most of them decide.
const PLACES: [u64; 3] = [1, 2, 3];

/// A file that is read past the page cache.
pub(super) struct DirectReading {
    /// Places that were not in the cache, but may be since they were looked at.
    pub(super) touched: Vec<u64>,
    /// The call that reads. Some file systems take `O_DIRECT` and refuse the reading; a test has one that does.
    pub(super) read_at: ReadAt,
}

/// Reads at an offset.
pub(super) type ReadAt = fn(BorrowedFd<'_>, &mut [u8], u64) -> io::Result<usize>;

impl DirectReading {
    /// Prepares an open file with so many bytes of data; `None` where it is better read through the cache.
    pub(super) fn begin(file: BorrowedFd<'_>, len: u64) -> Option<Self> {
        if len < LEN_MIN || !is_supported(file) {
            return None;
        }
        let touched = places_to_read(file, len).ok()?;
        let direct = Self { touched, read_at };
        if direct.touched.len() * 2 > PLACES.len() && set_direct(file, true).is_ok() {
            return Some(direct);
        }
        None
    }

    /// Reads from `position`, at most `left` bytes; `None` where that cannot be done past the cache.
    pub(super) fn read(&self, file: BorrowedFd<'_>, buffer: &mut [u8], position: u64, left: usize) -> Option<usize> {
        // A last part of no aligned length is read beyond its end, into what room the buffer has.
        let wanted = left.min(buffer.len()).next_multiple_of(ALIGNMENT);
        let len = wanted.min(buffer.len() / ALIGNMENT * ALIGNMENT);
        let buffer = buffer.get_mut(..len).filter(|buffer| !buffer.is_empty())?;
        let is_aligned = buffer.as_ptr().addr().is_multiple_of(ALIGNMENT) && position.is_multiple_of(ALIGNMENT as u64);
        if !is_aligned {
            return None;
        }
        let read = io::retry_on_intr(|| (self.read_at)(file, &mut *buffer, position)).ok()?;
        Some(read.min(left))
    }

    /// Makes the file one that is read through the cache.
    ///
    /// # Errors
    /// When the kernel refuses, which it has no reason to.
    pub(super) fn end(&self, file: BorrowedFd<'_>) -> io::Result<()> {
        set_direct(file, false)
    }

    /// Takes out of the cache what only looking has brought in, so that the next run does not take it for the file.
    pub(super) fn forget_touched(&self, file: BorrowedFd<'_>) {
        for place in &self.touched {
            // Only advice, and a page more or less does no harm.
            let _ = rustix::fs::fadvise(file, *place, NonZeroU64::new(ALIGNMENT as u64), Advice::DontNeed);
        }
    }
}

fn read_at(file: BorrowedFd<'_>, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    io::pread(file, buffer, position)
}

/// Whether the file system says that it reads past the cache, at our alignment. Those that do not say (network file
/// systems, Linux before 6.1) are read through the cache, where the kernel reads ahead.
fn is_supported(file: BorrowedFd<'_>) -> bool {
    let Ok(status) = rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN) else { return false };
    let fits = |align: u32| align > 0 && ALIGNMENT.is_multiple_of(align as usize);
    fits(status.stx_dio_mem_align) && fits(status.stx_dio_offset_align)
}

/// The places that are not in the cache. A read that must not wait tells; newer kernels fetch what it asked for
/// all the same, hence the advice to fetch no more than that.
fn places_to_read(file: BorrowedFd<'_>, len: u64) -> io::Result<Vec<u64>> {
    rustix::fs::fadvise(file, 0, None, Advice::Random)?;
    let mut touched = Vec::new();
    for quarter in PLACES {
        let place = len / (ALIGNMENT as u64 * 4) * quarter * ALIGNMENT as u64;
        let mut byte = [0];
        let buffers = &mut [std::io::IoSliceMut::new(&mut byte)];
        match io::preadv2(file, buffers, place, ReadWriteFlags::NOWAIT) {
            Err(Errno::AGAIN) => touched.push(place),
            read => _ = read?,
        }
    }
    Ok(touched)
}

fn set_direct(file: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(file)?;
    rustix::fs::fcntl_setfl(file, if on { flags | OFlags::DIRECT } else { flags - OFlags::DIRECT })
}
