//! The data sets: which there are, and how each is made when it is absent.
//!
//! Owns their layout under the data directory. A data set that is there is used as it is and never
//! written to; edits happen on a copy in scratch space.

mod database;
mod noise;
mod source_tree;
mod tiny;

use super::options::Options;
use noise::Noise;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[cfg(test)]
mod tests;

const LARGE_FILES: u64 = 64;
const LARGE_FILE_BYTES: u64 = 64 << 20;

/// One data set, ready to be backed up.
pub struct DataSet {
    pub name: &'static str,
    pub what: &'static str,
    pub path: PathBuf,
    /// Operations that say something about this data set.
    pub operations: &'static [&'static str],
    pub edit: Edit,
}

/// What "1 % changed" means for a data set.
#[derive(Clone, Copy, PartialEq)]
pub enum Edit {
    /// Every hundredth file.
    Files,
    /// Every hundredth page of 16 KiB.
    Pages,
    /// Nothing is edited, so that no copy is needed.
    Nothing,
}

/// Makes the data set unless it is there.
pub fn prepare(name: &str, options: &Options) -> Result<DataSet, String> {
    let set = describe(name, options.data.join(name))?;
    let present = fs::read_dir(&set.path).is_ok_and(|mut entries| entries.next().is_some());
    if !present {
        eprintln!("bench: making {name}: {}", set.what);
        let unfinished = options.data.join(format!("{name}.unfinished"));
        remove(&unfinished)?;
        fs::create_dir_all(&unfinished).map_err(|error| at(&unfinished, error))?;
        make(name, &unfinished, options)?;
        fs::rename(&unfinished, &set.path).map_err(|error| at(&unfinished, error))?;
    }
    let path = fs::canonicalize(&set.path).map_err(|error| at(&set.path, error))?;
    Ok(DataSet { path, ..set })
}

fn describe(name: &str, path: PathBuf) -> Result<DataSet, String> {
    let (name, what, operations, edit): (_, _, &'static [&'static str], _) = match name {
        "A" => ("A", "a source tree", &super::options::OPERATIONS, Edit::Files),
        "B" => ("B", "database files", &["first", "unchanged", "changed", "forced", "restore", "verify"], Edit::Pages),
        "C" => (
            "C",
            "64 incompressible files of 64 MiB",
            &["first", "unchanged", "forced", "restore", "verify"],
            Edit::Nothing,
        ),
        "D" => {
            ("D", "1,000,000 files of 0 to 4 KiB", &["first", "unchanged", "unchanged-cold", "restore"], Edit::Nothing)
        }
        _ => return Err(format!("unknown data set {name}")),
    };
    Ok(DataSet { name, what, path, operations, edit })
}

fn make(name: &str, directory: &Path, options: &Options) -> Result<(), String> {
    let scale = options.scale_percent;
    match name {
        "A" => source_tree::make(directory, options.source_tree.as_deref(), scale),
        "B" => match &options.database {
            Some(database) => copy(database, directory),
            None => database::make(directory, scale),
        },
        "C" => make_large(directory, scale),
        _ => tiny::make(directory, scale),
    }
}

fn make_large(directory: &Path, scale_percent: u64) -> Result<(), String> {
    let mut noise = Noise::new("large files");
    for number in 0..scaled(LARGE_FILES, scale_percent) {
        let path = directory.join(format!("{number:02}.bin"));
        let mut file = fs::File::create(&path).map_err(|error| at(&path, error))?;
        noise.copy_to(&mut file, LARGE_FILE_BYTES).map_err(|error| at(&path, error))?;
    }
    Ok(())
}

/// Copies a tree with its owners, modes, times and holes.
pub fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let status = Command::new("cp").args(["-a", "--sparse=auto", "-T"]).args([from, to]).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("copy {}: cp ended with {status}", from.display())),
        Err(error) => Err(format!("copy {}: {error}", from.display())),
    }
}

/// Removes a tree, or does nothing where there is none.
pub fn remove(path: &Path) -> Result<(), String> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(path, error)),
        _ => Ok(()),
    }
}

/// Puts a tree out of the way, to be removed when everything is measured. For minutes after a deletion ext4 looks at each
/// inode that was freed and passes it over, so that whoever creates files next would pay for what the one before had deleted.
pub fn set_aside(path: &Path, scratch: &Path) -> Result<(), String> {
    let number = fs::read_dir(scratch).map_err(|error| at(scratch, error))?.count();
    let aside = (number..).map(|number| scratch.join(format!("aside-{number}"))).find(|aside| !aside.exists());
    match fs::rename(path, aside.unwrap_or_default()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(path, error)),
        _ => Ok(()),
    }
}

/// Every regular file beneath `root`, in the order of their paths.
pub fn files(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(directory) = pending.pop() {
        let entries = fs::read_dir(&directory).map_err(|error| at(&directory, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| at(&directory, error))?;
            let kind = entry.file_type().map_err(|error| at(&directory, error))?;
            if kind.is_dir() {
                pending.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Number of regular files and their bytes; a directory that cannot be read is an error.
pub fn totals(root: &Path) -> Result<(usize, u64), String> {
    let files = files(root)?;
    let mut bytes = 0;
    for path in &files {
        bytes += path.symlink_metadata().map_err(|error| at(path, error))?.len();
    }
    Ok((files.len(), bytes))
}

fn scaled(full: u64, percent: u64) -> u64 {
    (full * percent / 100).max(1)
}

fn at(path: &Path, error: std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
