//! What can be backed up and written back: the shape every source shares, and the sources themselves.
//!
//! A source is a tree of named entries with metadata and content, whatever stands behind it (a directory, a server, a
//! pipe). This crate reads and writes what belongs to a user and never knows the repository: no chunks, no keys, no
//! snapshots. Invariant: a problem with one entry is a [`Warning`] or an error about that entry, never the end of a walk.

pub mod command;
mod entry;
mod error;
pub mod files;

#[doc(hidden)]
pub use files::fuzzing;

pub use entry::{Details, Entries, Entry, Kind, LeftOut, Listing, Owner, Rest, Timestamp, Warning};
pub use error::{Error, Result, shortened};

use std::sync::Arc;

/// Something that can be backed up: a tree that is listed and read.
pub trait Source: Send + Sync {
    /// Opens the root of the tree. Its own metadata is not part of a backup; its entries are.
    fn root(&self) -> Result<Arc<dyn Directory>>;
}

/// One open directory of a source. Cheap to share; stays usable while the tree around it changes.
pub trait Directory: Send + Sync {
    /// The path shown to people, in the source's own words.
    fn display_path(&self) -> String;

    /// Reads all entries with their metadata, sorted by name bytes, each name once; excluded entries are left out, and
    /// entries that could not be examined are warnings. A directory of very many entries is answered in parts.
    ///
    /// # Errors
    /// When the directory itself cannot be read.
    fn list(&self) -> Result<Listing>;

    /// Opens a subdirectory that was listed.
    ///
    /// # Errors
    /// When it has vanished, is no longer a directory, or may not be read.
    fn open_dir(&self, name: &[u8]) -> Result<Arc<dyn Directory>>;

    /// Reads what a listing leaves out because unchanged entries do not need it.
    fn details(&self, entry: &Entry) -> Result<Details>;

    /// Whether an entry that was listed is, content and attributes included, what the snapshot before had; a directory but for what
    /// is in it. `None` where only the listing can tell, as of files that somebody may be changing.
    fn is_unchanged(&self, _entry: &Entry) -> Option<bool> {
        None
    }

    /// Opens a regular file for reading, without following links and without changing its access time where allowed.
    ///
    /// # Errors
    /// When it has vanished, changed its kind, or may not be read.
    fn open_file(&self, entry: &Entry) -> Result<Box<dyn Content>>;
}

/// Alignment of memory with which [`Content::read`] does best; every common disk accepts it.
pub const READ_ALIGNMENT: usize = 4096;

/// A regular file being read from start to end.
pub trait Content: Send {
    /// Says that all of it will be read soon, so that a source that can fetches it meanwhile. Only advice.
    fn prefetch(&mut self) {}

    /// The next run of the file: its holes are reported, not read. `None` at the end of the file.
    ///
    /// Runs are reported in order and without gaps; two runs of data may follow each other.
    fn next_run(&mut self) -> Result<Option<Run>>;

    /// Reads into `buffer` from the current run of data, no more bytes than the run still has and the buffer takes;
    /// 0 means that the run is at its end (a file that shrank ends early).
    ///
    /// A long file may be read without a copy in between where the buffer starts and ends at multiples of
    /// [`READ_ALIGNMENT`]; what the buffer holds behind the bytes that were read is not defined then.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize>;

    /// Metadata of the open file now, to see whether it changed while it was read: the same fields as in a listing.
    fn entry_now(&mut self) -> Result<Entry>;

    /// What [`Directory::details`] would read, through the open file, which is cheaper and certain to be the same file.
    /// `None` when this source has no such way and the directory must be asked.
    fn details(&mut self) -> Result<Option<Details>> {
        Ok(None)
    }
}

/// A stretch of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// `len` bytes to be read with [`Content::read`]; the true length may differ if the file changes meanwhile.
    Data { len: u64 },
    /// `len` bytes that the file system says are a hole.
    Hole { len: u64 },
}
