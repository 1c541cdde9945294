//! A regular file being written by a restore.
//!
//! Owns content and size; metadata is applied once at the end by [`TargetFile::finish`]. May be written by several
//! threads at once, each at its own offset. A step whose result is there already is not taken, so that an existing file
//! that is as it should be is not touched.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::{self, Errno};

use super::apply::{Handle, Subject, apply};
use super::direct::Direct;
use super::metadata::{Applied, Metadata, Preserve};
use super::staged::{InTheWay, Staged};
use crate::files::paths;
use crate::{Owner, Result, Timestamp};

/// Zeros written at once where a file system cannot make holes, and compared with.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// An open regular file beneath a target.
pub struct TargetFile {
    pub(super) file: OwnedFd,
    pub(super) directory: Arc<[u8]>,
    pub(super) name: Vec<u8>,
    /// What the file has now, so that only differences are set.
    pub(super) owner: Owner,
    pub(super) mode: u32,
    pub(super) is_bare: bool,
    pub(super) is_root: bool,
    /// Its length when it was opened.
    pub(super) size: u64,
    /// Its time when it was opened; none where it is not known.
    pub(super) modified: Option<Timestamp>,
    /// Content was written or the length set since.
    pub(super) is_changed: AtomicBool,
    /// It stands beside what it will replace.
    pub(super) staged: Option<Replacement>,
    pub(super) direct: Option<Direct>,
}

/// What a new file will replace.
pub(super) struct Replacement {
    pub(super) staged: Staged,
    pub(super) in_the_way: InTheWay,
}

impl TargetFile {
    /// Its length when it was opened.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Writes all bytes at an offset.
    ///
    /// # Errors
    /// When the disk is full or broken; how much was written is unknown then.
    pub fn write_all_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.is_changed.store(true, Ordering::Relaxed);
        let Some(direct) = &self.direct else { return self.write_cached(offset, bytes) };
        let done = direct.write(offset, bytes).map_err(|errno| self.error("write", errno))?;
        self.write_cached(offset, bytes.get(..done.start).unwrap_or_default())?;
        self.write_cached(offset + done.end as u64, bytes.get(done.end..).unwrap_or_default())
    }

    fn write_cached(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut offset = offset;
        let mut left = bytes;
        while !left.is_empty() {
            let written = io::retry_on_intr(|| io::pwrite(&self.file, left, offset))
                .and_then(|written| if written == 0 { Err(Errno::IO) } else { Ok(written) })
                .map_err(|errno| self.error("write", errno))?;
            offset += written as u64;
            left = left.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Reads at an offset; 0 at the end of the file. Only a file opened by name can be read, not a new one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        io::retry_on_intr(|| io::pread(&self.file, &mut *buffer, offset)).map_err(|errno| self.error("read", errno))
    }

    /// Says whether a stretch within the file holds nothing but zeros; what the file system says is a hole is not read.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn reads_as_zeros(&self, offset: u64, len: u64) -> Result<bool> {
        let end = offset.saturating_add(len);
        let mut offset = offset;
        let mut held = Vec::new();
        while let Some(start) = self.next_data(offset).filter(|start| *start < end) {
            let run_end = self.next_hole(start).min(end);
            offset = start;
            while offset < run_end {
                held.resize(ZEROS.len().min(usize::try_from(run_end - offset).unwrap_or(ZEROS.len())), 0);
                let read = self.read_at(offset, &mut held)?;
                if read == 0 {
                    return Ok(true);
                }
                if held.get(..read) != ZEROS.get(..read) {
                    return Ok(false);
                }
                offset += read as u64;
            }
        }
        Ok(true)
    }

    /// Where the next data begins; a file system that knows no holes has data everywhere.
    fn next_data(&self, offset: u64) -> Option<u64> {
        match rustix::fs::seek(&self.file, SeekFrom::Data(offset)) {
            Ok(start) => Some(start),
            Err(Errno::NXIO) => None,
            Err(_) => Some(offset),
        }
    }

    fn next_hole(&self, offset: u64) -> u64 {
        rustix::fs::seek(&self.file, SeekFrom::Hole(offset)).ok().filter(|end| *end > offset).unwrap_or(u64::MAX)
    }

    /// Takes the room that the file will need, in one piece where the file system can, and sets its length.
    ///
    /// # Errors
    /// When there is not as much room.
    pub fn reserve(&self, len: u64) -> Result<()> {
        self.is_changed.store(true, Ordering::Relaxed);
        match io::retry_on_intr(|| rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, len)) {
            Err(Errno::NOTSUP | Errno::NOSYS | Errno::INVAL) => self.set_len(len),
            reserved => reserved.map_err(|errno| self.error("reserve room for", errno)),
        }
    }

    /// Cuts the file or extends it with a hole.
    ///
    /// # Errors
    /// When the file system cannot hold a file of that size.
    pub fn set_len(&self, len: u64) -> Result<()> {
        if len == self.size && !self.is_changed.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.is_changed.store(true, Ordering::Relaxed);
        rustix::fs::ftruncate(&self.file, len).map_err(|errno| self.error("set length of", errno))
    }

    /// Makes a stretch within the file read as zeros, as a hole where the file system can. The size does not change,
    /// so a stretch beyond the end does nothing. A new file needs no holes punched: what is not written is one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn punch_hole(&self, offset: u64, len: u64) -> Result<()> {
        if self.next_data(offset).is_none_or(|start| start >= offset.saturating_add(len)) {
            return Ok(());
        }
        self.is_changed.store(true, Ordering::Relaxed);
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match io::retry_on_intr(|| rustix::fs::fallocate(&self.file, flags, offset, len)) {
            Err(Errno::NOTSUP | Errno::NOSYS) => self.write_zeros(offset, len),
            punched => punched.map_err(|errno| self.error("punch hole in", errno)),
        }
    }

    /// Gives the file its metadata, puts it in the place of what it replaces and closes it; returns what of the metadata
    /// did not work.
    ///
    /// # Errors
    /// As [`TargetFile::publish`].
    pub fn finish(self, metadata: &Metadata, preserve: &Preserve) -> Result<Applied> {
        let is_changed = self.is_changed.load(Ordering::Relaxed);
        let subject = Subject {
            handle: Handle::Open(self.file.as_fd()),
            directory: &self.directory,
            name: &self.name,
            owner: self.owner,
            mode: self.mode,
            is_bare: self.is_bare,
            modified: self.modified.filter(|_| !is_changed),
            is_root: self.is_root,
        };
        let applied = apply(&subject, metadata, preserve);
        self.publish().map(|()| applied)
    }

    /// Puts the file in the place of what it replaces, without metadata, and closes it.
    ///
    /// # Errors
    /// When a directory has the name that may not be removed, or the name cannot be given; the old entry stays then.
    pub fn publish(self) -> Result<()> {
        match self.staged {
            Some(Replacement { staged, in_the_way }) => staged.publish(in_the_way),
            None => Ok(()),
        }
    }

    fn write_zeros(&self, offset: u64, len: u64) -> Result<()> {
        let size = rustix::fs::fstat(&self.file).map_err(|errno| self.error("examine", errno))?.st_size;
        let end = offset.saturating_add(len).min(size.cast_unsigned());
        let mut offset = offset;
        while offset < end {
            let len = usize::try_from(end - offset).unwrap_or(usize::MAX).min(ZEROS.len());
            self.write_all_at(offset, ZEROS.get(..len).unwrap_or_default())?;
            offset += len as u64;
        }
        Ok(())
    }

    fn error(&self, verb: &'static str, errno: Errno) -> crate::Error {
        paths::io_error(verb, &self.directory, &self.name, errno)
    }
}

#[cfg(test)]
mod tests;
