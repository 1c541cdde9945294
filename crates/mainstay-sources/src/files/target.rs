//! A directory that a restore writes into, and everything beneath it.
//!
//! Safety argument: nothing outside the target is ever written, whatever names the repository holds and whatever links
//! lie or are planted in the target. Every name is checked to be the name of one entry; every directory is opened
//! relative to the target's descriptor with links refused (`openat2` with `RESOLVE_BENEATH`, or name by name where the
//! kernel lacks it); every other call takes one name relative to such a descriptor and does not follow links.

mod apply;
mod birth;
mod cache;
mod compare;
mod direct;
mod directory;
mod file;
mod keeping;
mod metadata;
mod removal;
mod staged;
mod walk;

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{Mode, OFlags};

pub use compare::{Difference, compare};
pub use directory::{Creation, HardLinks, TargetDirectory};
pub use file::TargetFile;
pub use keeping::Keeping;
pub use metadata::{Applied, Metadata, Ownership, Part, Preserve};
pub use staged::{InTheWay, Staged};

use super::paths;
use crate::{Error, Result};
use birth::Process;
use cache::Cache;
use staged::TemporaryNames;
use walk::Walk;

/// A directory being written to by a restore.
pub struct TargetTree {
    shared: Arc<Shared>,
    top: Arc<TargetDirectory>,
}

/// What every directory of the tree needs.
struct Shared {
    /// Open for reading, unlike the other directories, so that it can be synced.
    root: OwnedFd,
    path: Vec<u8>,
    process: Process,
    temporary_names: TemporaryNames,
    walk: Walk,
    cache: Mutex<Cache<Arc<TargetDirectory>>>,
}

impl Shared {
    /// Forgets all open directories: one of them may have been removed.
    fn forget_directories(&self) {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl TargetTree {
    /// Opens a directory, creating it and those above it as needed; links in this path are the user's and followed.
    ///
    /// # Errors
    /// When it cannot be created or is not a directory.
    pub fn open_or_create(path: &Path) -> Result<Self> {
        Self::open(path, Walk::detect())
    }

    fn open(path: &Path, walk: Walk) -> Result<Self> {
        let shown = path.as_os_str().as_bytes();
        std::fs::create_dir_all(path).map_err(|source| Error::Io {
            verb: "create",
            path: paths::shown(shown),
            source,
        })?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fault = |errno| paths::io_error("open", shown, b"", errno);
        let root = rustix::fs::open(path, flags, Mode::empty()).map_err(fault)?;
        let descriptor = walk::open_child(root.as_fd(), b".").map_err(fault)?;
        let shared = Arc::new(Shared {
            root,
            path: shown.to_vec(),
            process: Process::look(),
            temporary_names: TemporaryNames::new(),
            walk,
            cache: Mutex::new(Cache::new()),
        });
        let top = TargetDirectory::new(descriptor, shown.into(), Arc::clone(&shared));
        Ok(Self { shared, top: Arc::new(top) })
    }

    /// The directory itself.
    pub fn top(&self) -> Arc<TargetDirectory> {
        Arc::clone(&self.top)
    }

    /// Opens an existing directory by its path relative to the target; the empty path is the target itself.
    ///
    /// The last few hundred directories stay open, so that many files of one directory cost one walk. Paths may be longer
    /// than `PATH_MAX`.
    ///
    /// # Errors
    /// When a name is not one (`..`, empty), when a link or a file stands where a directory is expected, or when there is
    /// nothing.
    pub fn directory(&self, path: &[u8]) -> Result<Arc<TargetDirectory>> {
        if path.is_empty() {
            return Ok(self.top());
        }
        if let Some(known) = self.recall(path) {
            return Ok(known);
        }
        self.check(path)?;
        let (parent, name) = split(path);
        let opened = match self.recall(parent) {
            Some(parent) => parent.open_directory(name)?,
            None => Arc::new(self.walk_to(path)?),
        };
        self.remember(path, &opened);
        Ok(opened)
    }

    /// Opens a directory by its path, creating what is missing with the mode 0700.
    ///
    /// # Errors
    /// As [`TargetTree::directory`], or when a directory cannot be created.
    pub fn create_directories(&self, path: &[u8]) -> Result<Arc<TargetDirectory>> {
        if path.is_empty() {
            return Ok(self.top());
        }
        self.check(path)?;
        let mut directory = self.top();
        for name in path.split(|byte| *byte == b'/') {
            directory.create_directory(name)?;
            directory = directory.open_directory(name)?;
        }
        self.remember(path, &directory);
        Ok(directory)
    }

    /// Waits until everything written to the target's file system is on the disk.
    ///
    /// # Errors
    /// When something could not be written.
    pub fn sync(&self) -> Result<()> {
        rustix::fs::syncfs(&self.shared.root).map_err(|errno| paths::io_error("sync", &self.shared.path, b"", errno))
    }

    fn check(&self, path: &[u8]) -> Result<()> {
        for name in path.split(|byte| *byte == b'/') {
            if let Some(fault) = paths::fault_of_name(name) {
                return Err(paths::refused("open", &self.shared.path, path, fault));
            }
        }
        Ok(())
    }

    fn walk_to(&self, path: &[u8]) -> Result<TargetDirectory> {
        let shared = &self.shared;
        let descriptor =
            shared.walk.open(shared.root.as_fd(), path).map_err(|errno| walk::error(&shared.path, path, errno))?;
        let absolute = paths::join_bounded(&shared.path, path);
        Ok(TargetDirectory::new(descriptor, absolute.into(), Arc::clone(shared)))
    }

    fn recall(&self, path: &[u8]) -> Option<Arc<TargetDirectory>> {
        if path.is_empty() {
            return Some(self.top());
        }
        self.shared.cache.lock().unwrap_or_else(PoisonError::into_inner).get(path)
    }

    fn remember(&self, path: &[u8], directory: &Arc<TargetDirectory>) {
        let mut cache = self.shared.cache.lock().unwrap_or_else(PoisonError::into_inner);
        cache.insert(path, Arc::clone(directory));
    }
}

/// Splits a path without empty parts into its parent and its last name.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (path.get(..slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default()),
        None => (b"", path),
    }
}

#[cfg(test)]
mod tests;
