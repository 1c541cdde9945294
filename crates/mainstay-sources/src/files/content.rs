//! A regular file being read from start to end, holes left out.
//!
//! Costs one `pread` per buffer and nothing else for a file without holes; a small file is one system call. A long file
//! that is not in the page cache is read past it where that can be done. The size is that of the moment of opening: what
//! is appended later is not read.

use std::num::NonZeroU64;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Advice, SeekFrom, Statx};
use rustix::io::{self, Errno};

use super::attributes::Reach;
use super::details::attribute_error;
use super::direct::DirectReading;
use super::{paths, status};
use crate::{Content, Details, Entry, Result, Run};

/// Larger files are announced as read in order, so that the kernel reads further ahead.
const ANNOUNCED_MIN: u64 = 1024 * 1024;
/// Longer files are fetched while they are read.
const PREFETCHED_MAX: u64 = ANNOUNCED_MIN;
/// Smaller files are not searched for holes: none is smaller than a block, and some file systems keep small files inline,
/// using no block at all.
const SPARSE_MIN: u64 = 4096;
/// Unit of `stx_blocks`, whatever the file system's own blocks are.
const BLOCK_UNIT: u64 = 512;

/// An open regular file of a directory tree.
pub(super) struct FileContent {
    file: OwnedFd,
    direct: Option<DirectReading>,
    directory: Arc<[u8]>,
    name: Vec<u8>,
    /// Where the file ends, as far as this reader is concerned.
    end: u64,
    position: u64,
    run_end: u64,
    /// Fewer blocks than bytes: there must be holes (or the file system compresses).
    is_sparse: bool,
    /// Position known to hold data, because it ended a hole.
    data_at: Option<u64>,
}

impl FileContent {
    pub(super) fn new(file: OwnedFd, directory: Arc<[u8]>, name: Vec<u8>, status: &Statx) -> Self {
        let end = status.stx_size;
        let used = status.stx_blocks.saturating_mul(BLOCK_UNIT);
        let direct = DirectReading::begin(file.as_fd(), end.min(used));
        let content = Self {
            file,
            direct,
            directory,
            name,
            end,
            position: 0,
            run_end: 0,
            is_sparse: end > SPARSE_MIN && used < end,
            data_at: None,
        };
        content.read_ahead();
        content
    }

    /// Says that the file is read in order, unless the kernel has no part in reading ahead.
    fn read_ahead(&self) {
        if self.direct.is_none() && self.end > ANNOUNCED_MIN {
            // Only advice: a file system that cannot take it reads as well.
            let _ = rustix::fs::fadvise(&self.file, 0, None::<NonZeroU64>, Advice::Sequential);
        }
    }

    /// Reads some bytes of the run, of which `left` are left; none only at the end of the file.
    fn read_some(&mut self, buffer: &mut [u8], left: usize) -> io::Result<usize> {
        if let Some(direct) = &self.direct {
            if let Some(read) = direct.read(self.file.as_fd(), buffer, self.position, left) {
                return Ok(read);
            }
            // Whatever the reason: through the cache every file can be read, or shows its error.
            direct.end(self.file.as_fd())?;
            self.direct = None;
            self.read_ahead();
        }
        let wanted = left.min(buffer.len());
        let buffer = buffer.get_mut(..wanted).unwrap_or_default();
        io::retry_on_intr(|| io::pread(&self.file, &mut *buffer, self.position))
    }

    /// The next run of a file with holes, which starts at the position.
    fn sparse_run(&mut self) -> io::Result<Run> {
        let start = self.position;
        if self.data_at != Some(start) {
            let data = match self.seek(SeekFrom::Data(start)) {
                // Nothing but a hole until the end.
                Err(Errno::NXIO) => self.end,
                data => data?.clamp(start, self.end),
            };
            self.data_at = Some(data);
            if data > start {
                self.position = data;
                self.run_end = data;
                return Ok(Run::Hole { len: data - start });
            }
        }
        // A file that shrank ends sooner, which reading will show.
        let hole = match self.seek(SeekFrom::Hole(start)) {
            Err(Errno::NXIO) => self.end,
            hole => hole?.min(self.end),
        };
        self.run_end = if hole > start { hole } else { self.end };
        Ok(Run::Data { len: self.run_end - start })
    }

    fn seek(&self, to: SeekFrom) -> io::Result<u64> {
        rustix::fs::seek(&self.file, to)
    }

    fn error(&self, verb: &'static str, errno: Errno) -> crate::Error {
        paths::io_error(verb, &self.directory, &self.name, errno)
    }
}

impl Content for FileContent {
    fn prefetch(&mut self) {
        if self.direct.is_none() && !self.is_sparse && self.end <= PREFETCHED_MAX {
            // Only advice, as above.
            let _ = rustix::fs::fadvise(&self.file, 0, NonZeroU64::new(self.end), Advice::WillNeed);
        }
    }

    fn next_run(&mut self) -> Result<Option<Run>> {
        self.position = self.run_end;
        if self.position >= self.end {
            return Ok(None);
        }
        if self.is_sparse {
            match self.sparse_run() {
                Ok(run) => return Ok(Some(run)),
                // The file system cannot tell: all that is left is data.
                Err(Errno::INVAL | Errno::NOTSUP) => self.is_sparse = false,
                Err(errno) => return Err(self.error("seek in", errno)),
            }
        }
        self.run_end = self.end;
        Ok(Some(Run::Data { len: self.end - self.position }))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let left = usize::try_from(self.run_end - self.position).unwrap_or(usize::MAX);
        if left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let read = self.read_some(buffer, left).map_err(|errno| self.error("read", errno))?;
        self.position += read as u64;
        if read == 0 {
            self.run_end = self.position;
            self.end = self.position;
        }
        Ok(read)
    }

    fn entry_now(&mut self) -> Result<Entry> {
        let status = status::of_open(self.file.as_fd()).map_err(|errno| self.error("examine", errno))?;
        status::entry(self.name.clone(), &status)
            .ok_or_else(|| paths::replaced("examine", &self.directory, &self.name, "a regular file"))
    }

    fn details(&mut self) -> Result<Option<Details>> {
        let attributes = Reach::Open(self.file.as_fd())
            .read_all()
            .map_err(|errno| attribute_error(&self.directory, &self.name, errno))?;
        Ok(Some(Details { link_target: None, attributes }))
    }
}

impl Drop for FileContent {
    fn drop(&mut self) {
        if let Some(direct) = &self.direct {
            direct.forget_touched(self.file.as_fd());
        }
    }
}

#[cfg(test)]
mod tests;
