//! The checkout as data: every path, and the text of the files that tools read.
//!
//! Owns the walk over the working directory. Rules work on a [`Checkout`] only, never on the disk,
//! so that a test can hand them three lines of text under any name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Directories that hold no source of ours, wherever they are; the root's `target` is one more, since a module may have
/// that name.
const SKIPPED_DIRECTORIES: [&str; 3] = [".git", "node_modules", "__pycache__"];
const BUILD_DIRECTORY: &str = "target";
const READ_EXTENSIONS: [&str; 5] = ["rs", "toml", "md", "txt", "lock"];

/// Paths are relative to the root and use `/`.
#[derive(Default)]
pub struct Checkout {
    pub texts: BTreeMap<String, String>,
    pub paths: BTreeSet<String>,
}

impl Checkout {
    /// Reads the checkout at `root`.
    pub fn read(root: &Path) -> Result<Self, String> {
        let mut checkout = Self::default();
        checkout.read_directory(root, root)?;
        Ok(checkout)
    }

    fn read_directory(&mut self, root: &Path, directory: &Path) -> Result<(), String> {
        let context = |error| format!("read directory {}: {error}", directory.display());
        for entry in std::fs::read_dir(directory).map_err(context)? {
            let entry = entry.map_err(context)?;
            let path = entry.path();
            let name = relative(root, &path);
            let kind = entry.file_type().map_err(context)?;
            self.paths.insert(name.clone());
            if kind.is_dir() {
                let skipped = entry.file_name();
                if name != BUILD_DIRECTORY && !SKIPPED_DIRECTORIES.iter().any(|known| skipped == *known) {
                    self.read_directory(root, &path)?;
                }
            } else if kind.is_file() && is_read(&path) {
                let text =
                    std::fs::read_to_string(&path).map_err(|error| format!("read {}: {error}", path.display()))?;
                self.texts.insert(name, text);
            }
        }
        Ok(())
    }

    /// The text of a file, when there is one.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// Files whose path starts with `prefix` and ends with `suffix`, in order of their paths.
    pub fn files<'a>(&'a self, prefix: &'a str, suffix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.texts
            .iter()
            .filter(move |(path, _)| path.starts_with(prefix) && path.ends_with(suffix))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// A checkout made of the given files, for tests.
    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let texts: BTreeMap<String, String> =
            files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        let paths = texts.keys().cloned().collect();
        Self { texts, paths }
    }
}

fn is_read(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| READ_EXTENSIONS.contains(&extension))
}

fn relative(root: &Path, path: &Path) -> String {
    let inner = path.strip_prefix(root).unwrap_or(path);
    inner.to_string_lossy().replace('\\', "/")
}

/// The root of the workspace: `cargo run` names the manifest of this tool.
pub fn root() -> PathBuf {
    let own =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().unwrap_or(&own).to_path_buf()
}

#[cfg(test)]
mod tests;
