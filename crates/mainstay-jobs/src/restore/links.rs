//! Further names of files: hard links, made when all files are there.

use super::SharedPath;

/// One more name for a file.
pub struct Link {
    pub directory: SharedPath,
    pub name: Vec<u8>,
    /// The first name, a path relative to the target.
    pub first: Vec<u8>,
}
