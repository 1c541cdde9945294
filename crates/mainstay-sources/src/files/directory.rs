//! A directory beneath a root: listed and opened as the exclude rules say.
//!
//! Owns the connection of [`OpenDirectory`] and [`Rules`]; system calls and rules themselves live there.

use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::SeekFrom;

use super::open_directory::{Access, OpenDirectory};
use super::rules::Rules;
use super::{listing, paths, status};
use crate::{Content, Details, Directory, Entry, Listing, Result};

/// Whether the descriptor's position is at the start of the directory.
enum Position {
    Start,
    Moved,
}

/// One directory of a tree that is backed up.
pub(super) struct FileDirectory {
    open: Arc<OpenDirectory>,
    rules: Arc<Rules>,
    /// Another file system, which must not be entered: it is empty.
    is_foreign: bool,
    /// Held while the directory is listed, because the descriptor has one position for all.
    position: Mutex<Position>,
}

impl FileDirectory {
    /// Takes a directory that was just opened for reading and not listed yet.
    ///
    /// # Errors
    /// When its file system must be known and cannot be examined.
    pub(super) fn new(open: OpenDirectory, rules: Arc<Rules>) -> Result<Self> {
        let is_foreign = rules.bounds_devices() && {
            let status =
                status::of_open(open.borrow()).map_err(|errno| paths::io_error("examine", &open.path, b"", errno))?;
            rules.is_foreign(status::device(&status))
        };
        Ok(Self { open: Arc::new(open), rules, is_foreign, position: Mutex::new(Position::Start) })
    }
}

impl Directory for FileDirectory {
    fn display_path(&self) -> String {
        paths::shown(&self.open.path)
    }

    fn list(&self) -> Result<Listing> {
        if self.is_foreign {
            return Ok(Listing::default());
        }
        let mut position = self.position.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*position, Position::Moved) {
            rustix::fs::seek(&self.open.descriptor, SeekFrom::Start(0))
                .map_err(|errno| paths::io_error("list", &self.open.path, b"", errno))?;
        }
        *position = Position::Moved;
        listing::list(&self.open, Some(&self.rules))
    }

    fn open_dir(&self, name: &[u8]) -> Result<Arc<dyn Directory>> {
        let open = self.open.open_directory(name, Access::Read)?;
        Ok(Arc::new(Self::new(open, Arc::clone(&self.rules))?))
    }

    fn details(&self, entry: &Entry) -> Result<Details> {
        self.open.details(entry)
    }

    fn open_file(&self, entry: &Entry) -> Result<Box<dyn Content>> {
        Ok(Box::new(self.open.open_file(entry)?))
    }
}

#[cfg(test)]
mod tests;
