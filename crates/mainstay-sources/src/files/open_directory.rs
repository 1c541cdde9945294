//! One open directory: how its entries are opened and read, whichever part of a tree it is.
//!
//! Owns the flags of every `openat` of the source side. Invariant: an entry is reached by one name relative to the
//! descriptor and never through a link. A directory owns its descriptor and its path only, never its parent, so that
//! dropping a tree of any depth is not recursive.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::{self, Errno};

use super::attributes::descriptor_path;
use super::content::FileContent;
use super::{details, paths, status};
use crate::{Details, Entry, Result};

const ENTRY: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC);
/// `O_NONBLOCK`, because a FIFO put in the place of a file must not stop the backup.
const FILE: OFlags = ENTRY.union(OFlags::RDONLY).union(OFlags::NONBLOCK);
const DIRECTORY: OFlags = ENTRY.union(OFlags::RDONLY).union(OFlags::DIRECTORY);

/// A directory's descriptor and its absolute path, which is for rules and messages only.
pub(super) struct OpenDirectory {
    pub(super) descriptor: OwnedFd,
    pub(super) path: Arc<[u8]>,
}

impl OpenDirectory {
    /// Opens the root of the file system, for reading or only to start from.
    ///
    /// # Errors
    /// When it may not be read.
    pub(super) fn root(access: Access) -> Result<Self> {
        let descriptor = rustix::fs::open("/", access.flags(), Mode::empty())
            .map_err(|errno| paths::io_error("open", b"/", b"", errno))?;
        Ok(Self { descriptor, path: Arc::from(b"/".as_slice()) })
    }

    pub(super) fn borrow(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Opens a subdirectory.
    ///
    /// # Errors
    /// When it has vanished, is no longer a directory, or may not be read.
    pub(super) fn open_directory(&self, name: &[u8], access: Access) -> Result<Self> {
        if let Some(fault) = paths::fault_of_name(name) {
            return Err(paths::refused("open", &self.path, name, fault));
        }
        let open = |flags| rustix::fs::openat(&self.descriptor, name, flags, Mode::empty());
        // Reading a directory changes its access time; only its owner and root may prevent that.
        let opened = match access {
            Access::Read if is_root() => retry_denied(open(DIRECTORY | OFlags::NOATIME), || open(DIRECTORY)),
            _ => open(access.flags()),
        };
        let descriptor = opened.map_err(|errno| match errno {
            Errno::NOTDIR | Errno::LOOP => paths::replaced("open", &self.path, name, "a directory"),
            errno => paths::io_error("open", &self.path, name, errno),
        })?;
        Ok(Self { descriptor, path: paths::join_bounded(&self.path, name).into() })
    }

    /// Opens a regular file that was listed as `entry`.
    ///
    /// # Errors
    /// When it has vanished, is another file now, or may not be read.
    pub(super) fn open_file(&self, entry: &Entry) -> Result<FileContent> {
        let name = entry.name.as_slice();
        if let Some(fault) = paths::fault_of_name(name) {
            return Err(paths::refused("open", &self.path, name, fault));
        }
        let not_the_file = || paths::replaced("open", &self.path, name, "the file that was listed");
        let file = self.open_for_reading(entry).map_err(|errno| match errno {
            // A link, or a socket.
            Errno::LOOP | Errno::NXIO => not_the_file(),
            errno => paths::io_error("open", &self.path, name, errno),
        })?;
        let now = status::of_open(file.as_fd()).map_err(|errno| paths::io_error("examine", &self.path, name, errno))?;
        let same = now.stx_ino == entry.inode && status::device(&now) == entry.device;
        if !same || status::file_type(&now) != FileType::RegularFile {
            return Err(not_the_file());
        }
        Ok(FileContent::new(file, Arc::clone(&self.path), name.to_vec(), &now))
    }

    fn open_for_reading(&self, entry: &Entry) -> io::Result<OwnedFd> {
        let open = |flags| rustix::fs::openat(&self.descriptor, entry.name.as_slice(), flags, Mode::empty());
        let opened = if is_root() || entry.owner.user == user() {
            retry_denied(open(FILE | OFlags::NOATIME), || open(FILE))
        } else {
            open(FILE)
        };
        match opened {
            // Another process holds a lease that must be broken first, which is waited for only without `O_NONBLOCK`.
            Err(Errno::WOULDBLOCK) => self.open_leased(&entry.name),
            opened => opened,
        }
    }

    /// Opens a file that has a lease, without the risk of waiting at a FIFO: what is opened is looked at first.
    fn open_leased(&self, name: &[u8]) -> io::Result<OwnedFd> {
        let found = rustix::fs::openat(&self.descriptor, name, ENTRY | OFlags::PATH, Mode::empty())?;
        if status::file_type(&status::of_open(found.as_fd())?) != FileType::RegularFile {
            return Err(Errno::LOOP);
        }
        let path = descriptor_path(found.as_fd());
        rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    }

    /// Reads what a listing leaves out.
    ///
    /// # Errors
    /// When the entry has vanished, or its attributes cannot be read or are too large.
    pub(super) fn details(&self, entry: &Entry) -> Result<Details> {
        details::read(self.borrow(), &self.path, entry)
    }
}

/// What a directory is opened for.
#[derive(Clone, Copy)]
pub(super) enum Access {
    /// Its entries are listed.
    Read,
    /// Only entries whose names are known are opened, for which the right to search is enough.
    Search,
}

impl Access {
    fn flags(self) -> OFlags {
        match self {
            Self::Read => DIRECTORY,
            Self::Search => ENTRY | OFlags::PATH | OFlags::DIRECTORY,
        }
    }
}

/// Tries again without `O_NOATIME`, which a user namespace denies even to its root.
fn retry_denied(opened: io::Result<OwnedFd>, again: impl FnOnce() -> io::Result<OwnedFd>) -> io::Result<OwnedFd> {
    match opened {
        Err(Errno::PERM) => again(),
        opened => opened,
    }
}

fn user() -> u32 {
    static USER: OnceLock<u32> = OnceLock::new();
    *USER.get_or_init(|| rustix::process::geteuid().as_raw())
}

fn is_root() -> bool {
    user() == 0
}
