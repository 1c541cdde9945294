//! What `statx` says, as an [`Entry`].
//!
//! Owns which fields are asked for. Links are never followed and nothing is mounted by looking at it.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, Statx, StatxFlags};
use rustix::io;

use crate::{Entry, Kind, Owner, Timestamp};

/// Everything an entry needs. `AT_STATX_DONT_SYNC` is left out on purpose: local file systems ignore it, and on a network
/// file system it would return attributes that another client has changed since, so that a backup would miss the change.
const FIELDS: StatxFlags = StatxFlags::from_bits_retain(
    StatxFlags::TYPE.bits()
        | StatxFlags::MODE.bits()
        | StatxFlags::NLINK.bits()
        | StatxFlags::UID.bits()
        | StatxFlags::GID.bits()
        | StatxFlags::MTIME.bits()
        | StatxFlags::CTIME.bits()
        | StatxFlags::INO.bits()
        | StatxFlags::SIZE.bits()
        | StatxFlags::BLOCKS.bits(),
);
const NO_FOLLOW: AtFlags = AtFlags::SYMLINK_NOFOLLOW.union(AtFlags::NO_AUTOMOUNT);

/// Looks at an entry of an open directory.
pub(super) fn of_name(directory: BorrowedFd<'_>, name: &CStr) -> io::Result<Statx> {
    rustix::fs::statx(directory, name, NO_FOLLOW, FIELDS)
}

/// Looks at an entry of an open directory by a name that is not yet a C string.
pub(super) fn of_bytes(directory: BorrowedFd<'_>, name: &[u8]) -> io::Result<Statx> {
    rustix::fs::statx(directory, name, NO_FOLLOW, FIELDS)
}

/// Looks at what is open.
pub(super) fn of_open(file: BorrowedFd<'_>) -> io::Result<Statx> {
    rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, FIELDS)
}

/// The kind of what was looked at.
pub(super) fn file_type(status: &Statx) -> FileType {
    FileType::from_raw_mode(status.stx_mode.into())
}

/// The number of the file system, as `st_dev` has it.
pub(super) fn device(status: &Statx) -> u64 {
    rustix::fs::makedev(status.stx_dev_major, status.stx_dev_minor)
}

/// Makes an entry; `None` for a kind this program does not know.
pub(super) fn entry(name: Vec<u8>, status: &Statx) -> Option<Entry> {
    let kind = kind(status)?;
    Some(Entry {
        name,
        kind,
        mode: u32::from(status.stx_mode) & 0o7777,
        owner: Owner { user: status.stx_uid, group: status.stx_gid },
        size: if kind == Kind::File { status.stx_size } else { 0 },
        modified: Timestamp { seconds: status.stx_mtime.tv_sec, nanoseconds: status.stx_mtime.tv_nsec },
        changed: Timestamp { seconds: status.stx_ctime.tv_sec, nanoseconds: status.stx_ctime.tv_nsec },
        inode: status.stx_ino,
        device: device(status),
        links: status.stx_nlink.into(),
    })
}

fn kind(status: &Statx) -> Option<Kind> {
    let (major, minor) = (status.stx_rdev_major, status.stx_rdev_minor);
    Some(match file_type(status) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice => Kind::CharacterDevice { major, minor },
        FileType::BlockDevice => Kind::BlockDevice { major, minor },
        FileType::Unknown => return None,
    })
}
