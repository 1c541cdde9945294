//! What a new entry gets without being told: owner, mode and ACL, so that only what differs is set.
//!
//! The first file made in a directory is looked at, and what it got the others are taken to get: that covers set-gid
//! directories, `grpid` mounts, inherited ACLs and file systems without owners alike, for two system calls a directory.

use std::os::fd::BorrowedFd;

use rustix::fs::Mode;
use rustix::io;

use crate::Owner;
use crate::files::attributes::{ACCESS_ACL, Reach};
use crate::files::status;

/// This process, as far as it decides what new entries get.
pub(super) struct Process {
    pub(super) is_root: bool,
    /// Permission bits that new entries lose.
    umask: u32,
}

impl Process {
    pub(super) fn look() -> Self {
        Self { is_root: rustix::process::geteuid().is_root(), umask: umask() }
    }

    /// The mode that a file made with `mode` gets, where no ACL is inherited.
    pub(super) fn masked(&self, mode: u32) -> u32 {
        mode & !self.umask
    }
}

/// The kernel tells the mask in `/proc`; setting it to read it would be seen by other threads for a moment.
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let told = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    if let Some(mask) = told.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()) {
        return mask;
    }
    let mask = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    rustix::process::umask(mask);
    mask.as_raw_mode()
}

/// What the files made in one directory get.
#[derive(Clone, Copy, Debug)]
pub(super) struct Birth {
    pub(super) owner: Owner,
    /// The mode is the one asked for less the mask, and there is no inherited ACL.
    pub(super) is_plain: bool,
}

impl Birth {
    /// Looks at a file just made with the mode `made`.
    pub(super) fn of(file: BorrowedFd<'_>, made: u32, process: &Process) -> io::Result<Self> {
        let status = status::of_open(file)?;
        // A file system that cannot list attributes has no ACLs to hand on.
        let names = Reach::Open(file).names().unwrap_or_default();
        let inherits = names.split(|byte| *byte == 0).any(|name| name == ACCESS_ACL);
        let mode = u32::from(status.stx_mode) & 0o7777;
        Ok(Self {
            owner: Owner { user: status.stx_uid, group: status.stx_gid },
            is_plain: mode == process.masked(made) && !inherits,
        })
    }
}
