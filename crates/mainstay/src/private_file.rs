//! Files that nobody but their owner may read, written so that they are there whole or not at all.
//!
//! Owns modes, atomicity and durability of key files and recovery kits. Knows nothing of what is in them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// Writes a new file with the mode 0600; one that exists is an error.
pub fn create(path: &Path, text: &str) -> io::Result<()> {
    let folder = folder_of(path);
    create_folder(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let staged = folder.join(name);
    let written = write_new(&staged, text).and_then(|()| name_new(&staged, path));
    if written.is_err() {
        // What has no final name must not stay; it may not even be there.
        let _ = fs::remove_file(&staged);
    }
    written?;
    File::open(folder)?.sync_all()
}

/// Writes a file with the mode 0600 in the place of one that may exist; a reader finds the old one or the new one.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = folder_of(path);
    create_folder(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let staged = folder.join(name);
    // Left by a process of the same number that was killed.
    let _ = fs::remove_file(&staged);
    let written = write_new(&staged, text).and_then(|()| fs::rename(&staged, path));
    written.inspect_err(|_| drop(fs::remove_file(&staged)))?;
    File::open(folder)?.sync_all()
}

/// Reads a regular file of at most so many bytes.
pub fn read(path: &Path, limit: u64) -> io::Result<String> {
    let file = OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = String::new();
    file.take(limit).read_to_string(&mut text)?;
    Ok(text)
}

/// Gives a file its final name without replacing another.
fn name_new(staged: &Path, path: &Path) -> io::Result<()> {
    match renameat_with(CWD, staged, CWD, path, RenameFlags::NOREPLACE) {
        // Some network file systems lack the flag; a link does not replace either.
        Err(Errno::INVAL | Errno::NOSYS) => {
            fs::hard_link(staged, path)?;
            fs::remove_file(staged)
        }
        other => Ok(other?),
    }
}

/// Gives a file its final name; an existing file of that name is replaced.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    File::open(folder_of(to))?.sync_all()
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Creates a folder and those above it that are missing, each durable before anything is put into it.
fn create_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()).collect();
    for folder in missing.into_iter().rev() {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => created?,
        }
        File::open(folder_of(folder))?.sync_all()?;
    }
    Ok(())
}

/// The directory of a path; that of a bare name is the working directory.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests;
