//! The names of one directory, as `getdents` tells them.
//!
//! Owns reading them and how they are held, which is what a directory of a million entries takes in memory. Examines
//! nothing.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, RawDir, RawMode};
use rustix::io::{self, Errno};

/// What is kept for the next directory; a larger directory's buffers are given back.
const KEPT_BYTES: usize = 1024 * 1024;
/// Above the permission bits lie the four bits that tell the kind.
const KIND_SHIFT: u32 = 12;

/// The names of one directory, end to end in one buffer, each followed by a zero byte.
#[derive(Default)]
pub(super) struct Names {
    bytes: Vec<u8>,
    records: Vec<Record>,
}

#[derive(Clone, Copy)]
struct Record {
    inode: u64,
    start: usize,
    /// Including the zero byte.
    len: u16,
    kind: FileType,
}

impl Names {
    /// Reads all names of a directory, from its start, but `.` and `..`.
    ///
    /// # Errors
    /// When the directory cannot be read to its end: half a listing would look like deleted files.
    pub(super) fn read(&mut self, directory: BorrowedFd<'_>, buffer: &mut [MaybeUninit<u8>]) -> io::Result<()> {
        self.bytes.clear();
        self.records.clear();
        let mut raw = RawDir::new(directory, buffer);
        while let Some(found) = raw.next() {
            let found = match found {
                Err(Errno::INTR) => continue,
                found => found?,
            };
            let name = found.file_name().to_bytes_with_nul();
            if matches!(name, b".\0" | b"..\0" | b"\0") {
                continue;
            }
            self.push(found.ino(), found.file_type(), name)?;
        }
        Ok(())
    }

    /// Each name with the kind that the directory itself tells, which may be unknown.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&CStr, FileType)> {
        self.records.iter().filter_map(|record| Some((self.name(record)?, record.kind)))
    }

    /// Sorts the names by the inodes that they lead to.
    pub(super) fn sort_by_inode(&mut self) {
        self.records.sort_unstable_by_key(|record| record.inode);
    }

    /// Sorts the names by their bytes and keeps each once.
    fn sort(&mut self) {
        let Self { bytes, records } = self;
        let name = |record: &Record| bytes.get(record.start..record.start + usize::from(record.len));
        records.sort_unstable_by(|a, b| name(a).cmp(&name(b)));
        records.dedup_by(|later, first| name(later) == name(first));
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Leaves only the first name that is wanted, if there is one; answers the others.
    pub(super) fn keep_only(&mut self, wanted: impl Fn(&[u8]) -> bool) -> Self {
        let is_wanted = |record: &Record| self.name(record).is_some_and(|name| wanted(name.to_bytes()));
        let Some(position) = self.records.iter().position(is_wanted) else { return Self::default() };
        let kept = self.records.swap_remove(position);
        let bytes = self.name(&kept).map(|name| name.to_bytes_with_nul().to_vec()).unwrap_or_default();
        let only = Self { records: vec![Record { start: 0, ..kept }], bytes };
        std::mem::replace(self, only)
    }

    fn push(&mut self, inode: u64, kind: FileType, name: &[u8]) -> io::Result<()> {
        // A directory entry's length is 16 bits in the kernel, so its name's is too.
        let len = u16::try_from(name.len()).map_err(|_| Errno::NAMETOOLONG)?;
        self.records.push(Record { inode, start: self.bytes.len(), len, kind });
        self.bytes.extend_from_slice(name);
        Ok(())
    }

    fn name(&self, record: &Record) -> Option<&CStr> {
        let bytes = self.bytes.get(record.start..record.start + usize::from(record.len))?;
        CStr::from_bytes_with_nul(bytes).ok()
    }

    /// Forgets the names, and gives back what a large directory took.
    pub(super) fn shrink(&mut self) {
        self.bytes.clear();
        self.records.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.records.shrink_to(KEPT_BYTES / size_of::<Record>());
    }
}

/// The names of a large directory in their order, each without the bytes that it shares with the one before it. A million
/// take 20 to 40 MB, half of what [`Names`] takes.
pub(super) struct PackedNames {
    /// For each name: how many bytes it shares, its length without them, inode, kind, and those bytes.
    bytes: Vec<u8>,
    next: usize,
    last: Vec<u8>,
}

impl PackedNames {
    /// Sorts the names and packs them. They stay with the caller, whose buffers are better shrunk than freed: freeing one
    /// of many megabytes makes glibc keep as much of everything that is freed later (`M_MMAP_THRESHOLD` in mallopt(3)).
    pub(super) fn new(names: &mut Names) -> Self {
        names.sort();
        let mut bytes = Vec::new();
        let mut last: &[u8] = b"";
        for record in &names.records {
            let Some(name) = names.name(record).map(CStr::to_bytes_with_nul) else { continue };
            let shared = last.iter().zip(name).take(usize::from(u8::MAX)).take_while(|(a, b)| a == b).count();
            let rest = name.get(shared..).unwrap_or_default();
            bytes.push(shared as u8);
            bytes.extend_from_slice(&(rest.len() as u16).to_le_bytes());
            bytes.extend_from_slice(&record.inode.to_le_bytes());
            bytes.push((record.kind.as_raw_mode() >> KIND_SHIFT) as u8);
            bytes.extend_from_slice(rest);
            last = name;
        }
        bytes.shrink_to_fit();
        Self { bytes, next: 0, last: Vec::new() }
    }

    /// The next names, as many as are wanted and there.
    pub(super) fn take(&mut self, count: usize) -> Names {
        let mut names = Names::default();
        while names.len() < count && self.take_one(&mut names).is_some() {}
        names
    }

    fn take_one(&mut self, names: &mut Names) -> Option<()> {
        let [shared, len @ .., i0, i1, i2, i3, i4, i5, i6, i7, kind] =
            *self.bytes.get(self.next..)?.first_chunk::<12>()?;
        let start = self.next + 12;
        self.next = start + usize::from(u16::from_le_bytes(len));
        self.last.truncate(usize::from(shared));
        self.last.extend_from_slice(self.bytes.get(start..self.next)?);
        let kind = FileType::from_raw_mode(RawMode::from(kind) << KIND_SHIFT);
        names.push(u64::from_le_bytes([i0, i1, i2, i3, i4, i5, i6, i7]), kind, &self.last).ok()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.next >= self.bytes.len()
    }
}

#[cfg(test)]
mod tests;
