//! System calls by what they do to files.
//!
//! Owns which calls change something and which can fail in which way. Knows numbers and flags, no paths.

use libc::c_long;

use super::tracer::{Act, Call};

/// What a call can meet on a disk that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It takes a buffer's bytes.
    Write,
    /// It fills a buffer.
    Read,
    /// It makes something durable.
    Sync,
    /// It gives a descriptor.
    Open,
    /// It creates, names or removes something, or takes space.
    Change,
    /// It looks at names and metadata.
    Look,
}

const WRITES: [c_long; 4] = [libc::SYS_write, libc::SYS_pwrite64, libc::SYS_writev, libc::SYS_pwritev];
const READS: [c_long; 4] = [libc::SYS_read, libc::SYS_pread64, libc::SYS_readv, libc::SYS_preadv];
const SYNCS: [c_long; 4] = [libc::SYS_fsync, libc::SYS_fdatasync, libc::SYS_syncfs, libc::SYS_sync_file_range];
const OPENS: [c_long; 4] = [libc::SYS_open, libc::SYS_openat, libc::SYS_openat2, libc::SYS_creat];
const CHANGES: [c_long; 37] = [
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_link,
    libc::SYS_linkat,
    libc::SYS_symlink,
    libc::SYS_symlinkat,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_rmdir,
    libc::SYS_mkdir,
    libc::SYS_mkdirat,
    libc::SYS_mknod,
    libc::SYS_mknodat,
    libc::SYS_chmod,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_chown,
    libc::SYS_fchown,
    libc::SYS_lchown,
    libc::SYS_fchownat,
    libc::SYS_truncate,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_flock,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_utime,
];
const LOOKS: [c_long; 10] = [
    libc::SYS_getdents64,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    libc::SYS_lgetxattr,
    libc::SYS_flistxattr,
];

pub fn class(call: &Call) -> Option<Class> {
    let classes: [(&[c_long], Class); 6] = [
        (&WRITES, Class::Write),
        (&READS, Class::Read),
        (&SYNCS, Class::Sync),
        (&OPENS, Class::Open),
        (&CHANGES, Class::Change),
        (&LOOKS, Class::Look),
    ];
    classes.into_iter().find(|(numbers, _)| numbers.contains(&call.number)).map(|(_, class)| class)
}

/// Whether it may leave something on a disk, or tell somebody something, that was not there before.
pub fn is_mutating(call: &Call) -> bool {
    match class(call) {
        Some(Class::Write | Class::Sync | Class::Change) => true,
        Some(Class::Open) => may_create(call),
        _ => false,
    }
}

fn may_create(call: &Call) -> bool {
    let flags = match call.number {
        libc::SYS_open => call.arguments[1],
        libc::SYS_openat => call.arguments[2],
        // The flags of the one stand in memory; the other always creates.
        _ => return true,
    };
    flags & (libc::O_CREAT | libc::O_TRUNC) as u64 != 0
}

/// Whether half of what was asked for is a lawful answer.
pub fn can_be_short(call: &Call) -> bool {
    let is_plain = [libc::SYS_write, libc::SYS_pwrite64, libc::SYS_read, libc::SYS_pread64].contains(&call.number);
    is_plain && call.arguments[2] > 1
}

/// Ways in which a call of this class fails.
pub fn failures(class: Class) -> &'static [i32] {
    match class {
        Class::Write => &[libc::ENOSPC, libc::EIO, libc::EDQUOT, libc::EINTR],
        Class::Read => &[libc::EIO, libc::EINTR],
        Class::Sync => &[libc::EIO, libc::ENOSPC, libc::EDQUOT],
        Class::Open => &[libc::EMFILE, libc::EIO, libc::ENOSPC, libc::EINTR],
        Class::Change => &[libc::ENOSPC, libc::EIO, libc::EDQUOT],
        Class::Look => &[libc::EIO],
    }
}

/// What people call that which a call was let do.
pub fn name_of(act: Act) -> &'static str {
    match act {
        Act::Fail(libc::ENOSPC) => "ENOSPC",
        Act::Fail(libc::EIO) => "EIO",
        Act::Fail(libc::EDQUOT) => "EDQUOT",
        Act::Fail(libc::EMFILE) => "EMFILE",
        Act::Fail(libc::EINTR) => "EINTR",
        Act::Fail(_) => "another error",
        Act::Halve => "half done",
        Act::Proceed | Act::Kill => "none",
    }
}
