//! Directory trees: read for a backup ([`FileSource`]), written back by a restore ([`TargetTree`]).
//!
//! Owns every system call on a user's files. Must not know the repository. Invariant: after the roots are opened, every
//! entry is reached by its name relative to an open directory and no symbolic link is followed, so that paths may be
//! longer than `PATH_MAX` and nothing outside the tree is ever read or written.

mod attributes;
mod content;
mod details;
mod direct;
mod directory;
#[doc(hidden)]
pub mod fuzzing;
mod limits;
mod listing;
mod names;
mod open_directory;
mod options;
mod owners;
mod paths;
mod roots;
mod rules;
mod source;
mod spine;
mod status;
mod target;
#[cfg(test)]
mod testing;

pub(crate) use paths::fault_of_name;

pub use limits::raise_open_files;
pub use options::FileOptions;
pub use owners::Owners;
pub use source::FileSource;
pub use target::{
    Applied, Creation, Difference, HardLinks, InTheWay, Keeping, Metadata, Ownership, Part, Preserve, Staged,
    TargetDirectory, TargetFile, TargetTree, compare,
};
