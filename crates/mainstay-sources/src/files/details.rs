//! What a listing leaves out of an entry: where a link leads, and attributes.
//!
//! Reads one entry of an open directory by its name and follows no link. Opens a file only where there is no other way.

use std::os::fd::{AsFd as _, BorrowedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::{self, Errno};

use super::attributes::{Attributes, Reach, entry_path};
use super::{paths, status};
use crate::{Details, Entry, Kind, Result};

/// `O_NONBLOCK`, because a FIFO put in the place of a file must not stop the caller.
const FILE: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::RDONLY).union(OFlags::NONBLOCK);

/// Reads the details of an entry of a directory with this path.
///
/// # Errors
/// When the entry has vanished, or its attributes cannot be read or are too large.
pub(super) fn read(directory: BorrowedFd<'_>, path: &[u8], entry: &Entry) -> Result<Details> {
    let name = entry.name.as_slice();
    if let Some(fault) = paths::fault_of_name(name) {
        return Err(paths::refused("examine", path, name, fault));
    }
    let link_target = match entry.kind {
        Kind::Symlink => Some(link_target(directory, name).map_err(|errno| link_error(path, name, errno))?),
        _ => None,
    };
    let attributes = attributes(directory, entry).map_err(|errno| attribute_error(path, name, errno))?;
    Ok(Details { link_target, attributes })
}

fn link_target(directory: BorrowedFd<'_>, name: &[u8]) -> io::Result<Vec<u8>> {
    rustix::fs::readlinkat(directory, name, Vec::new()).map(std::ffi::CString::into_bytes)
}

fn attributes(directory: BorrowedFd<'_>, entry: &Entry) -> io::Result<Attributes> {
    let path = entry_path(directory, &entry.name);
    match Reach::Entry(&path).read_all() {
        // The entry has vanished, or `/proc` is not mounted, as in a bare `chroot`.
        Err(Errno::NOENT) => {}
        attributes => return attributes,
    }
    let flags = match entry.kind {
        Kind::File => FILE,
        Kind::Directory => FILE | OFlags::DIRECTORY,
        _ => return status::of_bytes(directory, &entry.name).map(|_| Attributes::new()),
    };
    let opened = rustix::fs::openat(directory, entry.name.as_slice(), flags, Mode::empty())?;
    Reach::Open(opened.as_fd()).read_all()
}

fn link_error(directory: &[u8], name: &[u8], errno: Errno) -> crate::Error {
    match errno {
        Errno::INVAL => paths::replaced("read link", directory, name, "a symbolic link"),
        errno => paths::io_error("read link", directory, name, errno),
    }
}

/// The error for attributes that could not be read.
pub(super) fn attribute_error(directory: &[u8], name: &[u8], errno: Errno) -> crate::Error {
    match errno {
        Errno::TOOBIG => paths::refused("read attributes", directory, name, "they exceed 512 KiB"),
        errno => paths::io_error("read attributes", directory, name, errno),
    }
}
