//! What is asked of a service: six calls, each whole.
//!
//! Owns their shapes, so that tests can answer in a service's place. Makes none.

use bytes::Bytes;

use crate::repeat::Trouble;

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Its length, and when it came by the clock of the service, in nanoseconds since the epoch.
    Object {
        len: u64,
        written: Option<i64>,
    },
    Folder,
}

/// What is in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// From the root of the store on; that of a folder ends in `/`.
    pub name: String,
    pub len: u64,
}

impl Entry {
    pub fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }
}

/// An answer to a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub entries: Vec<Entry>,
    /// The folder itself was told, which no page that says "no such page" does.
    pub tells_itself: bool,
}

impl Listing {
    pub fn is_doubtful(&self) -> bool {
        self.entries.is_empty() && !self.tells_itself
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    Children,
    /// Every object beneath, and no folders.
    Whole,
}

/// What a name must be that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Novelty {
    /// Free, as far as the service can tell.
    New,
    Any,
}

/// A service. Names and folders are relative to the root of the store; the root itself is "".
///
/// A trouble of kind `NotFound` is what a service says of what is not there, or of a page that it does not know.
pub trait Remote: Send + Sync {
    fn stat(&self, name: &str) -> Result<Found, Trouble>;

    /// Reads at most `len` bytes from an offset on.
    fn read(&self, name: &str, offset: u64, len: u64) -> Result<Vec<u8>, Trouble>;

    fn write(&self, name: &str, parts: &[Bytes], novelty: Novelty) -> Result<(), Trouble>;

    /// Never `NotFound`: a place that cannot be listed is an error. `Depth::Whole` only where it [`lists_whole`](Self::lists_whole).
    fn list(&self, folder: &str, depth: Depth) -> Result<Listing, Trouble>;

    fn delete(&self, name: &str) -> Result<(), Trouble>;

    /// Whether it knows names and no folders, so that one listing tells of everything beneath.
    fn lists_whole(&self) -> bool;

    /// Whether it refuses to write to a name that is taken.
    fn refuses_taken(&self) -> bool;
}
