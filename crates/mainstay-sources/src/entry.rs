//! The entries of a source's tree: names and metadata as plain data.
//!
//! Owns the shapes only. Never touches a file system.

use std::fmt;

/// Seconds and nanoseconds since the Unix epoch; seconds may be negative, nanoseconds are 0..1_000_000_000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    pub seconds: i64,
    pub nanoseconds: u32,
}

/// Owner and group by number; the names are looked up apart, once per number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Owner {
    pub user: u32,
    pub group: u32,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    Symlink,
    CharacterDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
    Fifo,
    Socket,
}

/// One entry as a listing shows it: everything `statx` tells, nothing that needs another system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name bytes; never empty, never `.` or `..`, never containing `/` or NUL.
    pub name: Vec<u8>,
    pub kind: Kind,
    /// Permission bits including set-uid, set-gid and sticky (`0o7777`).
    pub mode: u32,
    pub owner: Owner,
    /// Length in bytes of a regular file, 0 for everything else.
    pub size: u64,
    pub modified: Timestamp,
    /// Time of the last change of metadata (`ctime`); cannot be set by a user, so it shows changes that hide.
    pub changed: Timestamp,
    pub inode: u64,
    pub device: u64,
    /// Number of hard links.
    pub links: u64,
}

/// What is read only for entries that are new or changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Target bytes of a symbolic link.
    pub link_target: Option<Vec<u8>>,
    /// Extended attributes by name, sorted; POSIX ACLs are among them (`system.posix_acl_access`, `…_default`).
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What one directory holds, or part of it.
#[derive(Debug, Default)]
pub struct Listing {
    /// Sorted by name bytes, unique.
    pub entries: Vec<Entry>,
    pub warnings: Vec<Warning>,
    /// How many entries the exclude rules left out.
    pub excluded: u64,
    /// These entries, where the source was asked to name them.
    pub left_out: Vec<LeftOut>,
    /// What comes after these entries, in a directory of so many that they are not examined at once.
    pub rest: Option<Box<dyn Rest>>,
}

/// The entries of a directory that are still to be examined.
pub trait Rest: Send {
    /// Examines the next ones, whose names all come after those before.
    fn list(self: Box<Self>) -> Listing;
}

impl fmt::Debug for dyn Rest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Rest")
    }
}

impl Listing {
    /// All entries, examined as they are asked for. Warnings are not told.
    pub fn into_entries(self) -> Entries {
        Entries { entries: self.entries.into_iter(), rest: self.rest }
    }
}

/// The entries of a whole directory.
pub struct Entries {
    entries: std::vec::IntoIter<Entry>,
    rest: Option<Box<dyn Rest>>,
}

impl Iterator for Entries {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Some(entry);
            }
            *self = self.rest.take()?.list().into_entries();
        }
    }
}

/// An entry that a rule left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub name: Vec<u8>,
    /// The rule as it is applied, or the option.
    pub rule: String,
}

/// Something about one entry that the user should know and that does not end the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub path: String,
    pub message: String,
}
