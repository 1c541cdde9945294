//! What the file system of a target makes of an owner, a mode and a time that it takes without complaint.
//!
//! Owns trying it on a file of its own that has no name: FAT keeps times to two seconds, ext4 none after 2446, and what a
//! network file system keeps depends on how it is mounted. Touches nothing that was restored.

use std::os::fd::AsFd as _;

use rustix::fs::Mode;
use rustix::io;

use super::apply::Handle;
use super::compare::{Difference, modes};
use super::metadata::{Metadata, Part, Preserve};
use super::{TargetFile, TargetTree};
use crate::Result;
use crate::files::status;

/// A file to try things on.
pub struct Keeping {
    file: TargetFile,
}

impl Keeping {
    /// Makes the file, at the top of the target, and takes its name away.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn begin(target: &TargetTree) -> Result<Self> {
        let top = target.top();
        // The name is gone with `staged`.
        let staged = top.stage(b"kept")?;
        Ok(Self { file: top.create_file(staged.temporary())? })
    }

    /// Whether what was found in place of what was wanted is all that the file system keeps of it.
    pub fn explains(&self, difference: &Difference, wanted: &Metadata, found: &Metadata, preserve: &Preserve) -> bool {
        let file = self.file.file.as_fd();
        let handle = Handle::Open(file);
        let set = match difference.part {
            Part::Owner => handle.chown(Some(wanted.owner.user), Some(wanted.owner.group)),
            Part::Mode => modes(wanted, found, preserve)
                .map_or(Err(io::Errno::INVAL), |(expected, _)| handle.chmod(Mode::from_raw_mode(expected))),
            Part::Modified => handle.set_times(wanted.modified),
            Part::Kind | Part::LinkTarget | Part::Attribute(_) => return false,
        };
        let kept = set.and_then(|()| status::of_open(file)).ok().and_then(|status| status::entry(Vec::new(), &status));
        kept.is_some_and(|kept| match difference.part {
            Part::Owner => kept.owner == found.owner,
            Part::Mode => kept.mode == found.mode,
            _ => kept.modified == found.modified,
        })
    }
}

#[cfg(test)]
mod tests;
