//! Something new beside the entry that it is to replace.
//!
//! Owns the temporary name. Safety argument: the old entry is there until the new one is renamed over it, so that a crash,
//! a full disk or an error leaves one of the two, whole. A process that is killed leaves the temporary name behind.
//! Nothing is synced before the rename: the whole restore is, at its end.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::TargetDirectory;
use crate::Result;

/// What may be removed to make room for something that is no directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InTheWay {
    /// Anything but a directory that has entries.
    AllButEntries,
    /// A directory with everything in it, too.
    Everything,
}

/// Names that nothing else has: the same for no two restores, and counted within one.
pub(super) struct TemporaryNames {
    run: u64,
    next: AtomicU64,
}

impl TemporaryNames {
    pub(super) fn new() -> Self {
        Self { run: RandomState::new().hash_one(0), next: AtomicU64::new(0) }
    }

    fn take(&self) -> Vec<u8> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        format!(".mainstay-{:016x}-{number}", self.run).into_bytes()
    }
}

/// A temporary name in a directory; what has it is removed unless it is put in place.
pub struct Staged {
    directory: Arc<TargetDirectory>,
    temporary: Vec<u8>,
    name: Vec<u8>,
    is_published: bool,
}

impl Staged {
    pub(super) fn new(directory: Arc<TargetDirectory>, name: &[u8]) -> Self {
        let temporary = directory.shared.temporary_names.take();
        Self { directory, temporary, name: name.to_vec(), is_published: false }
    }

    /// What the new entry is to be called till it is put in place.
    pub fn temporary(&self) -> &[u8] {
        &self.temporary
    }

    /// Puts the new entry, which is no directory, in the place of the old one.
    ///
    /// # Errors
    /// When a directory has the name that may not be removed, or the name cannot be given; the old entry stays then.
    pub fn publish(mut self, in_the_way: InTheWay) -> Result<()> {
        let rename = || {
            let directory = &self.directory.descriptor;
            rustix::fs::renameat(directory, self.temporary.as_slice(), directory, self.name.as_slice())
        };
        let renamed = match rename() {
            Err(Errno::ISDIR | Errno::EXIST | Errno::NOTEMPTY) => {
                match in_the_way {
                    InTheWay::AllButEntries => self.directory.remove(&self.name)?,
                    InTheWay::Everything => self.directory.remove_tree(&self.name)?,
                }
                rename()
            }
            renamed => renamed,
        };
        renamed.map_err(|errno| self.directory.error("replace", &self.name, errno))?;
        self.is_published = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.is_published {
            // There may be nothing of that name yet.
            let _ = rustix::fs::unlinkat(&self.directory.descriptor, self.temporary.as_slice(), AtFlags::empty());
        }
    }
}

#[cfg(test)]
mod tests;
