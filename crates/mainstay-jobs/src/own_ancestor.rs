//! Directories that contain themselves.
//!
//! Owns telling that a tree leads back into itself. Blocks are not named by their content, so whoever holds a key can make
//! such a tree; a walk of it would end only at the limit on depth, with every page on the way in memory.

use mainstay_repo::{Error, Extent};

/// Whether one of a directory's pages is among those that led to it: the one that is being read at each level above.
///
/// # Errors
/// If so.
pub fn refuse<'e>(pages: &[Extent], way: impl Iterator<Item = &'e Extent> + Clone, path: &[u8]) -> Result<(), Error> {
    let is_on_the_way = |page: &Extent| way.clone().any(|above| above == page);
    if pages.iter().any(is_on_the_way) {
        let path = crate::select::display_path(path);
        return Err(Error::damaged("read tree", path, "the directory contains itself"));
    }
    Ok(())
}
