//! "1 % changed": a deterministic edit of a tree.
//!
//! Owns which files or pages change and how. Works on copies in scratch space only.

use super::data::{Edit, files};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

const PAGE_BYTES: u64 = 16 << 10;
const ONE_IN: usize = 100;

/// Edits one file or page in a hundred; another `turn` takes others.
pub fn apply(root: &Path, edit: Edit, turn: usize) -> Result<(), String> {
    let files = files(root)?;
    match edit {
        Edit::Nothing => Ok(()),
        Edit::Files => {
            let chosen = files.iter().skip(turn % ONE_IN).step_by(ONE_IN);
            chosen.into_iter().try_for_each(|path| edit_file(path, turn))
        }
        Edit::Pages => files.iter().try_for_each(|path| edit_pages(path, turn)),
    }
}

/// Changes a word in the middle and adds a line; the modification time becomes now.
fn edit_file(path: &Path, turn: usize) -> Result<(), String> {
    let context = |error| format!("edit {}: {error}", path.display());
    let file = File::options().write(true).open(path).map_err(context)?;
    let len = file.metadata().map_err(context)?.len();
    let mark = format!("/* edited in turn {turn} */\n");
    file.write_all_at(mark.as_bytes(), len).map_err(context)?;
    if len > 2 * mark.len() as u64 {
        file.write_all_at(mark.as_bytes(), len / 2).map_err(context)?;
    }
    Ok(())
}

/// Changes one row in one page of a hundred.
fn edit_pages(path: &Path, turn: usize) -> Result<(), String> {
    let context = |error| format!("edit {}: {error}", path.display());
    let file = File::options().write(true).open(path).map_err(context)?;
    let pages = file.metadata().map_err(context)?.len() / PAGE_BYTES;
    for page in (0..pages).skip(turn % ONE_IN).step_by(ONE_IN) {
        let row = format!("row {page} of turn {turn:08}");
        file.write_all_at(row.as_bytes(), page * PAGE_BYTES + PAGE_BYTES / 3).map_err(context)?;
    }
    Ok(())
}
