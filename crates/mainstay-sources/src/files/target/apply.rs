//! Giving an entry its recorded metadata, in the one order that works.
//!
//! Owner first, because changing it clears set-id bits and capabilities; then attributes, which need a file its owner
//! may still write; then the mode; then the ACLs, which refine the mode; the times last, because nothing else may
//! change them after. Each step that fails is a warning. No step is taken whose result is there already.

use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid};
use rustix::io::{self, Errno};

use super::metadata::{Applied, Metadata, Ownership, Part, Preserve};
use crate::files::attributes::{ACCESS_ACL, DEFAULT_ACL, Reach};
use crate::files::paths;
use crate::{Kind, Owner, Timestamp, Warning};

/// Bits that make a program run as someone else.
pub(super) const SET_ID: u32 = 0o6000;

/// How an entry's metadata is reached.
pub(super) enum Handle<'a> {
    /// Open for reading or writing.
    Open(BorrowedFd<'a>),
    /// Open with `O_PATH`, and the path of the descriptor under `/proc`.
    Located(BorrowedFd<'a>, Vec<u8>),
}

/// An entry and what is known of it.
pub(super) struct Subject<'a> {
    pub(super) handle: Handle<'a>,
    pub(super) directory: &'a [u8],
    pub(super) name: &'a [u8],
    pub(super) owner: Owner,
    pub(super) mode: u32,
    /// New and without inherited ACL, so there is no attribute to remove.
    pub(super) is_bare: bool,
    /// Its time, where it is known and nothing will change it but this.
    pub(super) modified: Option<Timestamp>,
    /// Of this process: what is no warning for others is one for root.
    pub(super) is_root: bool,
}

/// The mode that an entry is to have, whose owner is the recorded one or not.
pub(super) fn wanted_mode(metadata: &Metadata, preserve: &Preserve, is_owners: bool) -> u32 {
    let keeps_set_id = metadata.kind == Kind::Directory || (preserve.set_id && is_owners);
    let dropped = if keeps_set_id { 0 } else { SET_ID };
    metadata.mode & 0o7777 & !dropped
}

/// Whether an attribute goes that was not recorded: those that a user could have set do; labels and the like stay.
pub(super) fn is_removed(name: &[u8]) -> bool {
    name.starts_with(b"user.") || is_acl(name)
}

fn is_acl(name: &[u8]) -> bool {
    name == ACCESS_ACL || name == DEFAULT_ACL
}

/// Gives the entry its metadata; returns what did not work.
pub(super) fn apply(subject: &Subject<'_>, metadata: &Metadata, preserve: &Preserve) -> Applied {
    let mut work = Work { subject, applied: Applied::default(), mode_is_known: true };
    let is_owners = work.set_owner(metadata.owner, preserve.owner);
    if !subject.is_bare && metadata.kind != Kind::Symlink {
        work.remove_attributes(metadata);
    }
    let wanted = || metadata.attributes.iter().filter(|(name, _)| preserve.wants_attribute(name));
    work.set_attributes(wanted().filter(|(name, _)| !is_acl(name)));
    if metadata.kind != Kind::Symlink {
        work.set_mode(wanted_mode(metadata, preserve, is_owners));
    }
    work.set_attributes(wanted().filter(|(name, _)| is_acl(name)));
    work.set_times(metadata.modified);
    work.applied
}

struct Work<'a> {
    subject: &'a Subject<'a>,
    applied: Applied,
    mode_is_known: bool,
}

impl Work<'_> {
    /// Returns whether the entry belongs to its recorded owner now.
    fn set_owner(&mut self, wanted: Owner, ownership: Ownership) -> bool {
        let subject = self.subject;
        if subject.owner == wanted {
            return true;
        }
        if ownership == Ownership::Skip {
            return false;
        }
        self.mode_is_known = false;
        let Err(errno) = subject.handle.chown(Some(wanted.user), Some(wanted.group)) else {
            return true;
        };
        if subject.owner.user != wanted.user && subject.owner.group != wanted.group {
            // A user may give files to the groups he is in, but not to other users.
            let _ = subject.handle.chown(None, Some(wanted.group));
        }
        // `INVAL`: a number that this user namespace does not have.
        let is_normal =
            matches!(errno, Errno::PERM | Errno::INVAL) && ownership == Ownership::WhenPermitted && !subject.is_root;
        match is_normal {
            true => self.applied.unset.push(Part::Owner),
            false => self.fail(Part::Owner, &format!("set owner to {}:{}", wanted.user, wanted.group), errno),
        }
        false
    }

    fn set_mode(&mut self, wanted: u32) {
        let subject = self.subject;
        // Writing may have cleared set-id bits since the mode was seen.
        if self.mode_is_known && subject.mode == wanted && wanted & SET_ID == 0 {
            return;
        }
        if let Err(errno) = subject.handle.chmod(Mode::from_raw_mode(wanted)) {
            self.fail(Part::Mode, &format!("set mode to {wanted:04o}"), errno);
        }
    }

    fn set_attributes<'m>(&mut self, attributes: impl Iterator<Item = &'m (Vec<u8>, Vec<u8>)>) {
        for (name, value) in attributes {
            if let Err(errno) = self.subject.handle.reach().set(name, value) {
                self.fail(Part::Attribute(name.clone()), &format!("set attribute {}", paths::shown(name)), errno);
            }
        }
    }

    /// Removes what was not recorded and does not stay.
    fn remove_attributes(&mut self, metadata: &Metadata) {
        let reach = self.subject.handle.reach();
        // A file system without attributes has none to remove.
        let names = reach.names().unwrap_or_default();
        for name in names.split(|byte| *byte == 0) {
            if !is_removed(name) || metadata.attributes.iter().any(|(recorded, _)| recorded == name) {
                continue;
            }
            // Removing an ACL changes the permission bits of the group.
            self.mode_is_known = false;
            if let Err(errno) = reach.remove(name) {
                self.fail(Part::Attribute(name.to_vec()), &format!("remove attribute {}", paths::shown(name)), errno);
            }
        }
    }

    fn set_times(&mut self, modified: Timestamp) {
        if self.subject.modified == Some(modified) {
            return;
        }
        if let Err(errno) = self.subject.handle.set_times(modified) {
            self.fail(Part::Modified, "set time", errno);
        }
    }

    fn fail(&mut self, part: Part, step: &str, errno: Errno) {
        self.applied.unset.push(part);
        self.applied.warnings.push(Warning {
            path: paths::shown(&paths::join(self.subject.directory, self.subject.name)),
            message: format!("{step}: {}", std::io::Error::from(errno)),
        });
    }
}

impl Handle<'_> {
    pub(super) fn chown(&self, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
        // All ones means "leave as it is" to the kernel, which is not what was recorded.
        if user == Some(u32::MAX) || group == Some(u32::MAX) {
            return Err(Errno::INVAL);
        }
        let (user, group) = (user.map(Uid::from_raw), group.map(Gid::from_raw));
        match self {
            Self::Open(file) => rustix::fs::fchown(file, user, group),
            Self::Located(entry, _) => rustix::fs::chownat(entry, c"", user, group, AtFlags::EMPTY_PATH),
        }
    }

    pub(super) fn chmod(&self, mode: Mode) -> io::Result<()> {
        match self {
            Self::Open(file) => rustix::fs::fchmod(file, mode),
            // The path leads to what the descriptor holds, whatever has the entry's name by now.
            Self::Located(_, path) => rustix::fs::chmodat(CWD, path.as_slice(), mode, AtFlags::empty()),
        }
    }

    pub(super) fn set_times(&self, modified: Timestamp) -> io::Result<()> {
        let times = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec {
                tv_sec: modified.seconds,
                // Larger values mean "now" and "leave as it is" to the kernel.
                tv_nsec: modified.nanoseconds.min(999_999_999).into(),
            },
        };
        match self {
            Self::Open(file) => rustix::fs::futimens(file, &times),
            Self::Located(entry, path) => {
                match rustix::fs::utimensat(entry, c"", &times, AtFlags::EMPTY_PATH) {
                    // Kernels before 5.8.
                    Err(Errno::INVAL | Errno::NOENT) => {
                        rustix::fs::utimensat(CWD, path.as_slice(), &times, AtFlags::empty())
                    }
                    set => set,
                }
            }
        }
    }

    fn reach(&self) -> Reach<'_> {
        match self {
            Self::Open(file) => Reach::Open(*file),
            Self::Located(_, path) => Reach::Descriptor(path),
        }
    }
}

#[cfg(test)]
mod tests;
