//! A tree of which any quarters of the files can be shown: what forget and prune are measured on.
//!
//! Owns a copy of a data set and a place beside it for the files that are out of sight. The files
//! of a quarter are spread over all directories, so that what is pruned lies between what stays.

use super::data::{copy, files};
use std::fs;
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

pub struct Quarters {
    shown: PathBuf,
    hidden: PathBuf,
    /// Relative to either directory, in order.
    files: Vec<PathBuf>,
}

impl Quarters {
    /// Copies `source` into `directory`, with every file shown.
    pub fn create(source: &Path, directory: &Path) -> Result<Self, String> {
        let shown = directory.join("quarters");
        copy(source, &shown)?;
        let found = files(&shown)?;
        let relative = found.iter().filter_map(|path| path.strip_prefix(&shown).ok());
        Ok(Self { files: relative.map(Path::to_path_buf).collect(), hidden: directory.join("hidden"), shown })
    }

    /// The directory to back up.
    pub fn shown(&self) -> &Path {
        &self.shown
    }

    /// Shows the files of these quarters and hides the others.
    pub fn show(&self, quarters: &[usize]) -> Result<(), String> {
        for (index, file) in self.files.iter().enumerate() {
            let (from, to) = match quarters.contains(&(index % 4)) {
                true => (self.hidden.join(file), self.shown.join(file)),
                false => (self.shown.join(file), self.hidden.join(file)),
            };
            if !from.exists() {
                continue;
            }
            let context = |error| format!("move {}: {error}", from.display());
            fs::create_dir_all(to.parent().unwrap_or(&to)).map_err(context)?;
            fs::rename(&from, &to).map_err(context)?;
        }
        Ok(())
    }
}
