//! Reading a whole directory: names by `getdents`, metadata by `statx`, in the order that disks like.
//!
//! Must do a million entries in about a second: one allocation per entry (its name), buffers that are used again. Entries
//! are examined in the order of their inodes, which saves a spinning disk most of its seeks (as borg does), and sorted
//! by name last. Of a large directory only the names are read at once; the entries are examined in parts, so that nobody
//! holds a million of them.

use std::cell::RefCell;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::fs::FileType;
use rustix::io::Errno;

use super::names::{Names, PackedNames};
use super::open_directory::OpenDirectory;
use super::paths;
use super::rules::{PathBuffer, Rules};
use super::status;
use crate::{LeftOut, Listing, Rest, Result, Warning};

/// Two thousand entries per system call.
const BUFFER_BYTES: usize = 64 * 1024;
/// Entries of one directory that are examined at once.
const PART: usize = 16 * 1024;
/// Warnings about single entries of one part of a directory; the rest is one warning with their number.
const WARNINGS_MAX: usize = 100;

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

/// Reads a directory whose position is at its start: all names, and of up to [`PART`] of them what they are.
///
/// # Errors
/// When its names cannot be read.
pub(super) fn list(open: &Arc<OpenDirectory>, rules: Option<&Arc<Rules>>) -> Result<Listing> {
    SCRATCH.with_borrow_mut(|scratch| {
        let Scratch { buffer, names } = scratch;
        let read = names.read(open.borrow(), buffer);
        let listing =
            read.map_err(|errno| paths::io_error("list", &open.path, b"", errno)).map(|()| examine(open, names, rules));
        names.shrink();
        listing
    })
}

fn examine(open: &Arc<OpenDirectory>, names: &mut Names, rules: Option<&Arc<Rules>>) -> Listing {
    let beside_marker = match rules.filter(|rules| rules.has_markers()) {
        Some(rules) => names.keep_only(|name| rules.may_be_marker(name) && rules.is_marker(open.borrow(), name)),
        None => Names::default(),
    };
    let mut listing = if names.len() <= PART {
        examine_part(open, names, rules.map(Arc::as_ref))
    } else {
        let names = PackedNames::new(names);
        Box::new(Unexamined { open: Arc::clone(open), rules: rules.cloned(), names }).list()
    };
    listing.excluded += beside_marker.len() as u64;
    if rules.is_some_and(|rules| rules.names_left_out()) {
        let marker = listing.entries.first().map(|marker| String::from_utf8_lossy(&marker.name).into_owned());
        let rule = format!("it lies beside {}", marker.unwrap_or_default());
        let left_out = |(name, _): (&CStr, FileType)| LeftOut { name: name.to_bytes().to_vec(), rule: rule.clone() };
        listing.left_out.extend(beside_marker.iter().map(left_out));
    }
    listing
}

/// A large directory that is examined part by part.
struct Unexamined {
    open: Arc<OpenDirectory>,
    rules: Option<Arc<Rules>>,
    names: PackedNames,
}

impl Rest for Unexamined {
    fn list(mut self: Box<Self>) -> Listing {
        let mut part = self.names.take(PART);
        let mut listing = examine_part(&self.open, &mut part, self.rules.as_deref());
        if !self.names.is_at_end() {
            listing.rest = Some(self);
        }
        listing
    }
}

fn examine_part(open: &OpenDirectory, names: &mut Names, rules: Option<&Rules>) -> Listing {
    let mut reading =
        Reading { directory: open.borrow(), path: &open.path, rules, listing: Listing::default(), unexamined: 0 };
    names.sort_by_inode();
    reading.listing.entries.reserve_exact(names.len());
    let mut buffer = rules.filter(|rules| rules.has_patterns()).map(|_| PathBuffer::new(&open.path));
    for (name, kind) in names.iter() {
        reading.add(name, kind, buffer.as_mut());
    }
    reading.finish()
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
