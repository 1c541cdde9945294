//! Removing a whole tree.
//!
//! Goes down and up with one descriptor at a time, so neither the stack nor the number of open files bounds the depth.
//! Safety argument: a directory is entered without following a link and only where nothing is mounted on it; on the
//! way up `..` is believed only when it is the directory that was left, so that a directory moved away meanwhile ends the
//! removal instead of leading it elsewhere.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Statx, StatxAttributes};
use rustix::io::{self, Errno};

use crate::Result;
use crate::files::names::Names;
use crate::files::{paths, status};

const READ: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const BUFFER_BYTES: usize = 64 * 1024;

/// Which directory it is, whatever its name.
type Identity = (u64, u64);

/// A directory being emptied.
struct Level {
    name: Vec<u8>,
    identity: Identity,
    subdirectories: Vec<Vec<u8>>,
}

/// Removes an entry with everything beneath it, links themselves and not what they lead to.
///
/// # Errors
/// At the first entry that cannot be removed; what was removed before stays removed.
pub(super) fn remove_tree(parent: BorrowedFd<'_>, path: &[u8], name: &[u8]) -> Result<()> {
    let fault = |errno| paths::io_error("remove", path, name, errno);
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        removed => return removed.map_err(fault),
    }
    let mut removal = Removal {
        parent,
        buffer: vec![MaybeUninit::uninit(); BUFFER_BYTES],
        names: Names::default(),
        levels: Vec::new(),
    };
    removal.run(name).map_err(|errno| match errno {
        Errno::XDEV => paths::refused("remove", path, name, "a file system is mounted in it"),
        Errno::STALE => paths::refused("remove", path, name, "a directory was moved while it was removed"),
        errno => fault(errno),
    })
}

struct Removal<'a> {
    parent: BorrowedFd<'a>,
    buffer: Vec<MaybeUninit<u8>>,
    names: Names,
    levels: Vec<Level>,
}

impl Removal<'_> {
    fn run(&mut self, name: &[u8]) -> io::Result<()> {
        let mut current = self.enter(self.parent, name.to_vec())?;
        while let Some(level) = self.levels.last_mut() {
            if let Some(name) = level.subdirectories.pop() {
                current = self.enter(current.as_fd(), name)?;
                continue;
            }
            let Some(done) = self.levels.pop() else { break };
            let Some(above) = self.levels.last() else {
                return rustix::fs::unlinkat(self.parent, done.name, AtFlags::REMOVEDIR);
            };
            current = rustix::fs::openat(&current, c"..", READ, Mode::empty())?;
            if identity(&status::of_open(current.as_fd())?) != above.identity {
                return Err(Errno::STALE);
            }
            rustix::fs::unlinkat(&current, done.name, AtFlags::REMOVEDIR)?;
        }
        Ok(())
    }

    /// Opens a directory, removes what is not a directory in it and notes the rest.
    fn enter(&mut self, parent: BorrowedFd<'_>, name: Vec<u8>) -> io::Result<OwnedFd> {
        let directory = rustix::fs::openat(parent, name.as_slice(), READ, Mode::empty())?;
        let status = status::of_open(directory.as_fd())?;
        if is_mounted(&status) {
            return Err(Errno::XDEV);
        }
        self.names.read(directory.as_fd(), &mut self.buffer)?;
        let mut subdirectories = Vec::new();
        for (name, kind) in self.names.iter() {
            if kind == FileType::Directory {
                subdirectories.push(name.to_bytes().to_vec());
                continue;
            }
            match rustix::fs::unlinkat(&directory, name, AtFlags::empty()) {
                // Gone by itself.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(Errno::ISDIR) => subdirectories.push(name.to_bytes().to_vec()),
                Err(errno) => return Err(errno),
            }
        }
        self.levels.push(Level { name, identity: identity(&status), subdirectories });
        Ok(directory)
    }
}

fn identity(status: &Statx) -> Identity {
    (status::device(status), status.stx_ino)
}

/// Says whether something is mounted on a directory, even a part of the same file system. Kernels before 5.8 cannot tell;
/// there what is mounted is emptied, as other tools do, and then cannot be removed.
fn is_mounted(status: &Statx) -> bool {
    status.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
}

#[cfg(test)]
mod tests;
