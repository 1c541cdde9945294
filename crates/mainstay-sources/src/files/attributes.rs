//! Extended attributes, POSIX ACLs among them, read and written as raw bytes.
//!
//! Owns the limits. An entry is reached through an open file, or through `/proc/self/fd` where it cannot be opened
//! (links, devices, unreadable files), which costs one system call for an entry without attributes.

use std::os::fd::{AsRawFd as _, BorrowedFd};

use rustix::fs::XattrFlags;
use rustix::io::{self, Errno};

/// Names and values, sorted by name.
pub(super) type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// Most bytes of all names and values of one entry. The kernel allows 64 KiB of names and 64 KiB per value.
pub(super) const TOTAL_MAX: usize = 512 * 1024;
/// The access ACL; it holds the permission bits too, so it is written after them.
pub(super) const ACCESS_ACL: &[u8] = b"system.posix_acl_access";
/// What a directory hands on to new entries.
pub(super) const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";

/// First attempts, large enough for nearly all entries.
const NAMES_FIRST: usize = 1024;
const VALUE_FIRST: usize = 512;
/// How often an attribute that grows while it is read is read again.
const ATTEMPTS: usize = 4;

/// How an entry is reached.
#[derive(Clone, Copy)]
pub(super) enum Reach<'a> {
    /// Through a file or directory opened for reading or writing.
    Open(BorrowedFd<'a>),
    /// Through its path, whose last part is not followed: see [`entry_path`].
    Entry(&'a [u8]),
    /// Through the path of its own descriptor, which is followed: see [`descriptor_path`].
    Descriptor(&'a [u8]),
}

/// The path of an entry of an open directory, however long the directory's own path is.
pub(super) fn entry_path(directory: BorrowedFd<'_>, name: &[u8]) -> Vec<u8> {
    let mut path = descriptor_path(directory);
    path.push(b'/');
    path.extend_from_slice(name);
    path
}

/// The path that leads to what a descriptor has open, a link itself included.
pub(super) fn descriptor_path(descriptor: BorrowedFd<'_>) -> Vec<u8> {
    let mut path = Vec::with_capacity(64);
    path.extend_from_slice(b"/proc/self/fd/");
    path.extend_from_slice(descriptor.as_raw_fd().to_string().as_bytes());
    path
}

impl Reach<'_> {
    /// Reads all attributes, sorted by name; none where the file system knows none.
    ///
    /// # Errors
    /// `TOOBIG` when they exceed [`TOTAL_MAX`].
    pub(super) fn read_all(self) -> io::Result<Attributes> {
        let names = match self.names() {
            Ok(names) => names,
            Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(Vec::new()),
            Err(errno) => return Err(errno),
        };
        let mut attributes = Vec::new();
        let mut total = names.len();
        for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            // Removed since it was listed.
            let Some(value) = self.value(name)? else {
                continue;
            };
            total += value.len();
            if total > TOTAL_MAX {
                return Err(Errno::TOOBIG);
            }
            attributes.push((name.to_vec(), value));
        }
        attributes.sort_unstable();
        Ok(attributes)
    }

    /// The names, each followed by a zero byte.
    pub(super) fn names(self) -> io::Result<Vec<u8>> {
        let mut first = [0_u8; NAMES_FIRST];
        match self.list_into(&mut first) {
            Ok(len) => return Ok(first.get(..len).unwrap_or_default().to_vec()),
            Err(Errno::RANGE) => {}
            Err(errno) => return Err(errno),
        }
        // `XATTR_LIST_MAX`.
        let mut names = vec![0_u8; 64 * 1024];
        let len = self.list_into(&mut names)?;
        names.truncate(len);
        Ok(names)
    }

    /// The value of one attribute; `None` when there is none.
    pub(super) fn value(self, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut first = [0_u8; VALUE_FIRST];
        match self.get_into(name, &mut first) {
            Ok(len) => return Ok(first.get(..len).map(<[u8]>::to_vec)),
            // Some file systems list labels that they do not have.
            Err(Errno::NODATA | Errno::NOTSUP) => return Ok(None),
            Err(Errno::RANGE) => {}
            Err(errno) => return Err(errno),
        }
        for _ in 0..ATTEMPTS {
            // Without room the size is told.
            let size = match self.get_into(name, &mut []) {
                Err(Errno::NODATA) => return Ok(None),
                size => size?,
            };
            if size > TOTAL_MAX {
                return Err(Errno::TOOBIG);
            }
            let mut value = vec![0_u8; size.max(1)];
            match self.get_into(name, &mut value) {
                Ok(len) => {
                    value.truncate(len);
                    return Ok(Some(value));
                }
                Err(Errno::NODATA) => return Ok(None),
                Err(Errno::RANGE) => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::RANGE)
    }

    /// Writes one attribute, new or not.
    pub(super) fn set(self, name: &[u8], value: &[u8]) -> io::Result<()> {
        let flags = XattrFlags::empty();
        match self {
            Self::Open(file) => rustix::fs::fsetxattr(file, name, value, flags),
            Self::Entry(path) => rustix::fs::lsetxattr(path, name, value, flags),
            Self::Descriptor(path) => rustix::fs::setxattr(path, name, value, flags),
        }
    }

    /// Removes one attribute; one that is not there is no error.
    pub(super) fn remove(self, name: &[u8]) -> io::Result<()> {
        let removed = match self {
            Self::Open(file) => rustix::fs::fremovexattr(file, name),
            Self::Entry(path) => rustix::fs::lremovexattr(path, name),
            Self::Descriptor(path) => rustix::fs::removexattr(path, name),
        };
        match removed {
            Err(Errno::NODATA | Errno::NOTSUP) => Ok(()),
            removed => removed,
        }
    }

    fn list_into(self, names: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Open(file) => rustix::fs::flistxattr(file, names),
            Self::Entry(path) => rustix::fs::llistxattr(path, names),
            Self::Descriptor(path) => rustix::fs::listxattr(path, names),
        }
    }

    fn get_into(self, name: &[u8], value: &mut [u8]) -> io::Result<usize> {
        if value.is_empty() {
            return match self {
                Self::Open(file) => rustix::fs::fgetxattr_query(file, name),
                Self::Entry(path) => rustix::fs::lgetxattr_query(path, name),
                Self::Descriptor(path) => rustix::fs::getxattr_query(path, name),
            };
        }
        match self {
            Self::Open(file) => rustix::fs::fgetxattr(file, name, value),
            Self::Entry(path) => rustix::fs::lgetxattr(path, name, value),
            Self::Descriptor(path) => rustix::fs::getxattr(path, name, value),
        }
    }
}

#[cfg(test)]
mod tests;
