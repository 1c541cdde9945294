//! Reading a whole directory: names by `getdents`, metadata by `statx`, in the order that disks like.
//!
//! Must do a million entries in about a second: one allocation per entry (its name), buffers that are used again. Entries
//! are examined in the order of their inodes, which saves a spinning disk most of its seeks (as borg does), and sorted
//! by name last.

use std::cell::RefCell;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, RawDir};
use rustix::io::{self, Errno};

use super::paths;
use super::rules::{PathBuffer, Rules};
use super::status;
use crate::{LeftOut, Listing, Result, Warning};

/// Two thousand entries per system call.
const BUFFER_BYTES: usize = 64 * 1024;
/// What a thread keeps for the next directory; a larger directory's buffers are given back.
const KEPT_BYTES: usize = 1024 * 1024;
/// Warnings about single entries of one directory; the rest is one warning with their number.
const WARNINGS_MAX: usize = 100;

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
            // A directory entry's length is 16 bits in the kernel, so its name's is too.
            let len = u16::try_from(name.len()).map_err(|_| Errno::NAMETOOLONG)?;
            self.records.push(Record { inode: found.ino(), start: self.bytes.len(), len, kind: found.file_type() });
            self.bytes.extend_from_slice(name);
        }
        Ok(())
    }

    /// Each name with the kind that the directory itself tells, which may be unknown.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&CStr, FileType)> {
        self.records.iter().filter_map(|record| Some((self.name(record)?, record.kind)))
    }

    fn name(&self, record: &Record) -> Option<&CStr> {
        let bytes = self.bytes.get(record.start..record.start + usize::from(record.len))?;
        CStr::from_bytes_with_nul(bytes).ok()
    }

    fn shrink(&mut self) {
        self.bytes.clear();
        self.records.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.records.shrink_to(KEPT_BYTES / size_of::<Record>());
    }
}

struct Scratch {
    buffer: Vec<MaybeUninit<u8>>,
    names: Names,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        buffer: vec![MaybeUninit::uninit(); BUFFER_BYTES],
        names: Names::default(),
    });
}

/// Reads a directory whose position is at its start; `path` is its absolute path.
///
/// # Errors
/// When its names cannot be read.
pub(super) fn list(directory: BorrowedFd<'_>, path: &[u8], rules: Option<&Rules>) -> Result<Listing> {
    SCRATCH.with_borrow_mut(|scratch| {
        let Scratch { buffer, names } = scratch;
        let read = names.read(directory, buffer);
        let listing = read
            .map_err(|errno| paths::io_error("list", path, b"", errno))
            .map(|()| examine(directory, path, names, rules));
        names.shrink();
        listing
    })
}

fn examine(directory: BorrowedFd<'_>, path: &[u8], names: &mut Names, rules: Option<&Rules>) -> Listing {
    let mut reading = Reading { directory, path, rules, listing: Listing::default(), unexamined: 0 };
    if let Some(rules) = rules.filter(|rules| rules.has_markers()) {
        keep_marker(directory, names, rules, &mut reading.listing);
    }
    names.records.sort_unstable_by_key(|record| record.inode);
    reading.listing.entries.reserve_exact(names.records.len());
    let mut buffer = rules.filter(|rules| rules.has_patterns()).map(|_| PathBuffer::new(path));
    for (name, kind) in names.iter() {
        reading.add(name, kind, buffer.as_mut());
    }
    reading.finish()
}

/// Leaves only the marker when there is one.
fn keep_marker(directory: BorrowedFd<'_>, names: &mut Names, rules: &Rules, listing: &mut Listing) {
    let is_marker = |record: &&Record| {
        let name = names.name(record).map(CStr::to_bytes).unwrap_or_default();
        rules.may_be_marker(name) && rules.is_marker(directory, name)
    };
    let Some(position) = names.records.iter().position(|record| is_marker(&record)) else { return };
    let marker = names.records.swap_remove(position);
    listing.excluded = names.records.len() as u64;
    if rules.names_left_out() {
        let name = |record| names.name(record).map(|name| name.to_bytes().to_vec());
        let rule = format!("it lies beside {}", String::from_utf8_lossy(&name(&marker).unwrap_or_default()));
        let left_out = names.records.iter().filter_map(name).map(|name| LeftOut { name, rule: rule.clone() });
        listing.left_out.extend(left_out);
    }
    names.records = vec![marker];
}

/// One directory being examined.
struct Reading<'a> {
    directory: BorrowedFd<'a>,
    path: &'a [u8],
    rules: Option<&'a Rules>,
    listing: Listing,
    unexamined: u64,
}

impl Reading<'_> {
    fn add(&mut self, name: &CStr, kind: FileType, path: Option<&mut PathBuffer>) {
        let mut excluded = path.zip(self.rules).map(|(path, rules)| {
            move |kind: FileType| rules.path_rule(path.of(name.to_bytes()), kind == FileType::Directory)
        });
        // Before it is examined: what is excluded may be a mount that would hang.
        if kind != FileType::Unknown
            && let Some(rule) = excluded.as_mut().and_then(|excluded| excluded(kind))
        {
            return self.leave_out(name, rule);
        }
        let status = match status::of_name(self.directory, name) {
            Ok(status) => status,
            // Deleted while the directory was read: as if it had been deleted before.
            Err(Errno::NOENT) => return,
            Err(errno) => return self.warn(name, &std::io::Error::from(errno).to_string()),
        };
        let found = status::file_type(&status);
        if kind == FileType::Unknown
            && let Some(rule) = excluded.as_mut().and_then(|excluded| excluded(found))
        {
            return self.leave_out(name, rule);
        }
        let Some(entry) = status::entry(name.to_bytes().to_vec(), &status) else {
            return self.warn(name, "it is of an unknown kind");
        };
        if let Some(rule) = self.rules.and_then(|rules| rules.entry_rule(&entry, status.stx_attributes)) {
            return self.leave_out(name, rule);
        }
        self.listing.entries.push(entry);
    }

    fn leave_out(&mut self, name: &CStr, rule: &str) {
        self.listing.excluded += 1;
        if self.rules.is_some_and(Rules::names_left_out) {
            self.listing.left_out.push(LeftOut { name: name.to_bytes().to_vec(), rule: rule.to_owned() });
        }
    }

    fn warn(&mut self, name: &CStr, message: &str) {
        if self.listing.warnings.len() >= WARNINGS_MAX {
            self.unexamined += 1;
            return;
        }
        self.listing.warnings.push(Warning {
            path: paths::shown(&paths::join(self.path, name.to_bytes())),
            message: format!("examine entry: {message}"),
        });
    }

    fn finish(self) -> Listing {
        let mut listing = self.listing;
        if self.unexamined > 0 {
            listing.warnings.push(Warning {
                path: paths::shown(self.path),
                message: format!("examine entries: {} more could not be examined", self.unexamined),
            });
        }
        listing.left_out.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        listing.entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        // A file system may show a name twice when its directory changes while it is read.
        listing.entries.dedup_by(|later, first| later.name == first.name);
        listing
    }
}

#[cfg(test)]
mod tests;
