//! The entries of a source's tree: names and metadata as plain data.
//!
//! Owns the shapes only. Never touches a file system.

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

/// What one directory holds.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Sorted by name bytes, unique.
    pub entries: Vec<Entry>,
    pub warnings: Vec<Warning>,
    /// How many entries the exclude rules left out.
    pub excluded: u64,
    /// These entries, where the source was asked to name them.
    pub left_out: Vec<LeftOut>,
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
