//! Opening a directory beneath another without ever leaving it.
//!
//! Owns `openat2` and what stands in for it. Paths are checked by the caller to hold names only.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::{self, Errno};

use crate::files::paths;

/// Opened for nothing but to start from, so that a directory that may not be read can be written into.
const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
/// Longest path given to the kernel at once: `PATH_MAX` less the zero byte.
const PIECE_MAX: usize = 4095;
/// How often a walk is begun again that a rename somewhere on the machine has disturbed.
const ATTEMPTS: usize = 64;

/// How a path of several names is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    /// By the kernel, several names per call.
    Openat2,
    /// Name by name: kernels before 5.6, and sandboxes that deny `openat2`.
    NameByName,
}

impl Walk {
    /// Finds out what this kernel can do.
    pub(super) fn detect() -> Self {
        let opened = rustix::fs::openat2(CWD, c".", DIRECTORY, Mode::empty(), BENEATH);
        match opened {
            Err(Errno::NOSYS | Errno::PERM) => Self::NameByName,
            _ => Self::Openat2,
        }
    }

    /// Opens the directory at a relative path of any length.
    pub(super) fn open(self, start: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
        let mut left = path;
        let mut at: Option<OwnedFd> = None;
        while !left.is_empty() {
            let (piece, rest) = match self {
                Self::Openat2 => first_piece(left, PIECE_MAX),
                Self::NameByName => first_piece(left, 0),
            };
            let from = at.as_ref().map_or(start, |at| at.as_fd());
            at = Some(match self {
                Self::Openat2 => open_beneath(from, piece)?,
                Self::NameByName => open_child(from, piece)?,
            });
            left = rest;
        }
        at.map_or_else(|| open_child(start, b"."), Ok)
    }
}

/// Opens a directory by one name.
pub(super) fn open_child(directory: BorrowedFd<'_>, name: &[u8]) -> io::Result<OwnedFd> {
    rustix::fs::openat(directory, name, DIRECTORY, Mode::empty())
}

/// The error for a directory that could not be opened.
pub(super) fn error(directory: &[u8], name: &[u8], errno: Errno) -> crate::Error {
    match errno {
        Errno::NOTDIR | Errno::LOOP | Errno::XDEV => {
            let reason = "a link or a file stands where a directory is expected";
            paths::refused("open", directory, name, reason)
        }
        errno => paths::io_error("open", directory, name, errno),
    }
}

fn open_beneath(start: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
    for _ in 0..ATTEMPTS {
        match rustix::fs::openat2(start, path, DIRECTORY, Mode::empty(), BENEATH) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            opened => return opened,
        }
    }
    Err(Errno::AGAIN)
}

/// Splits off as many names as fit into `max` bytes, but at least one.
fn first_piece(path: &[u8], max: usize) -> (&[u8], &[u8]) {
    if path.len() <= max {
        return (path, b"");
    }
    let fits = path.get(..=max).unwrap_or(path);
    let slash = fits.iter().rposition(|byte| *byte == b'/').or_else(|| path.iter().position(|byte| *byte == b'/'));
    match slash {
        Some(slash) => (path.get(..slash).unwrap_or(path), path.get(slash + 1..).unwrap_or_default()),
        None => (path, b""),
    }
}

#[cfg(test)]
mod tests;
