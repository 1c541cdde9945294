//! A regular file being written by a restore.
//!
//! Owns content and size; metadata is applied once at the end by [`TargetFile::finish`]. May be written by several
//! threads at once, each at its own offset.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use rustix::fs::FallocateFlags;
use rustix::io::{self, Errno};

use super::apply::{Handle, Subject, apply};
use super::metadata::{Metadata, Preserve};
use crate::files::{paths, status};
use crate::{Entry, Owner, Result, Warning};

/// Zeros written at once where a file system cannot make holes.
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
}

impl TargetFile {
    /// Writes all bytes at an offset.
    ///
    /// # Errors
    /// When the disk is full or broken; how much was written is unknown then.
    pub fn write_all_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
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

    /// Cuts the file or extends it with a hole.
    ///
    /// # Errors
    /// When the file system cannot hold a file of that size.
    pub fn set_len(&self, len: u64) -> Result<()> {
        rustix::fs::ftruncate(&self.file, len).map_err(|errno| self.error("set length of", errno))
    }

    /// Makes a stretch within the file read as zeros, as a hole where the file system can. The size does not change,
    /// so a stretch beyond the end does nothing. A new file needs no holes punched: what is not written is one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn punch_hole(&self, offset: u64, len: u64) -> Result<()> {
        if len == 0 {
            return Ok(());
        }
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match io::retry_on_intr(|| rustix::fs::fallocate(&self.file, flags, offset, len)) {
            Err(Errno::NOTSUP | Errno::NOSYS) => self.write_zeros(offset, len),
            punched => punched.map_err(|errno| self.error("punch hole in", errno)),
        }
    }

    /// What the file is now.
    ///
    /// # Errors
    /// When it cannot be examined.
    pub fn entry_now(&self) -> Result<Entry> {
        let status = status::of_open(self.file.as_fd()).map_err(|errno| self.error("examine", errno))?;
        status::entry(self.name.clone(), &status)
            .ok_or_else(|| paths::replaced("examine", &self.directory, &self.name, "a regular file"))
    }

    /// Gives the file its metadata and closes it; returns what of it did not work.
    pub fn finish(self, metadata: &Metadata, preserve: &Preserve) -> Vec<Warning> {
        let subject = Subject {
            handle: Handle::Open(self.file.as_fd()),
            directory: &self.directory,
            name: &self.name,
            owner: self.owner,
            mode: self.mode,
            is_bare: self.is_bare,
            is_root: self.is_root,
        };
        apply(&subject, metadata, preserve)
    }

    fn write_zeros(&self, offset: u64, len: u64) -> Result<()> {
        let size = self.entry_now()?.size;
        let end = offset.saturating_add(len).min(size);
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
