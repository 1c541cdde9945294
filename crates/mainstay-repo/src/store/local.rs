//! A store in a directory of a local or mounted file system.
//!
//! Owns how a file becomes durable: written under `tmp/`, fsync'ed, renamed without replacing, its directory fsync'ed.
//! Invariant: after a failed fsync the file is given up, since the kernel may have dropped its dirty pages (Rebello et
//! al., USENIX ATC 2020).

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::direct::{Buffers, DirectFile};
use super::{Object, RESERVE_LEN, Store, Upload, Vacancy};
use crate::format::names;

const STAGING: &str = "tmp";
/// Space that is set aside; no object has such a name.
const RESERVE: &str = "reserve";

/// A directory that holds a repository.
#[derive(Debug)]
pub struct LocalStore {
    root: PathBuf,
    buffers: Buffers,
}

impl LocalStore {
    /// Names the directory; nothing is touched until the store is used.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), buffers: Buffers::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Opens an object. What stands in its place and is no file is refused: a FIFO would wait for ever.
    fn open(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
        let opened = fs::OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(self.path(name));
        let file = opened.map_err(|error| match Errno::from_io_error(&error) {
            // A symbolic link and a socket.
            Some(Errno::LOOP | Errno::NXIO) => not_a_file(),
            _ => error,
        })?;
        if file.metadata()?.is_file() { Ok(file) } else { Err(not_a_file()) }
    }

    /// Turns "not found" into doubt where the repository itself is not there: its disk may be gone.
    fn absence(&self, error: io::Error) -> io::Error {
        match error.kind() {
            io::ErrorKind::NotFound => require_repository(&self.root).err().unwrap_or(error),
            _ => error,
        }
    }
}

impl Store for LocalStore {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        let staging = self.root.join(STAGING);
        let number = crate::seal::random::<16>().map_err(io::Error::other)?;
        let path = staging.join(crate::id::SessionId(number).to_string());
        let open = || fs::OpenOptions::new().write(true).read(true).create_new(true).mode(0o600).open(&path);
        let file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                require_repository(&self.root)?;
                create_dir(&staging)?;
                open()?
            }
            other => other?,
        };
        let file = DirectFile::new(file, self.buffers.clone());
        Ok(Box::new(LocalUpload { root: self.root.clone(), path, file, published: false }))
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        let metadata = fs::symlink_metadata(self.path(name)).map_err(|error| self.absence(error))?;
        if metadata.is_file() { Ok(metadata.len()) } else { Err(not_a_file()) }
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.open(name).map_err(|error| self.absence(error))?.read_exact_at(buffer, offset)
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let file = match self.open(name) {
            // The first object tells whether there is a repository at all.
            Err(error) if name != names::CONFIG => return Err(self.absence(error)),
            opened => opened?,
        };
        let len = file.metadata()?.len();
        if len > limit {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{len} bytes exceed the limit of {limit}")));
        }
        let mut bytes = Vec::with_capacity(len as usize + 1);
        file.take(limit + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        let mut objects = Vec::new();
        let mut folders = vec![prefix.trim_end_matches('/').to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in read_dir_if_present(&self.path(&folder))? {
                let file_name = entry.file_name();
                let Some(file_name) = file_name.to_str() else { continue };
                let name = format!("{folder}/{file_name}");
                match entry.file_type()? {
                    kind if kind.is_dir() => folders.push(name),
                    kind if kind.is_file() => objects.extend(len_if_present(&entry)?.map(|len| Object { len, name })),
                    // Links, FIFOs and the like are no objects: whoever needs one of that name finds it missing.
                    _ => {}
                }
            }
        }
        // An absent folder is empty only inside a repository; outside one it means that the disk is not mounted.
        if objects.is_empty() {
            require_repository(&self.root)?;
        }
        Ok(objects)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        // Folders of sessions come and go with them; one that still holds something stays by itself.
        if let Some(folder) = path.parent().filter(|_| name.starts_with(names::COORD)) {
            let _ = fs::remove_dir(folder);
        }
        Ok(())
    }

    fn clear_staging(&self) -> io::Result<()> {
        for entry in read_dir_if_present(&self.root.join(STAGING))? {
            fs::remove_file(entry.path())?;
        }
        Ok(())
    }

    fn keep_reserve(&self) -> io::Result<()> {
        let path = self.root.join(RESERVE);
        let mut file = match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            opened => opened?,
        };
        // Random, so that no file system stores it in less.
        let mut bytes = vec![0; RESERVE_LEN as usize];
        let seed = crate::seal::random::<32>().map_err(io::Error::other)?;
        blake3::Hasher::new_keyed(&seed).finalize_xof().fill(&mut bytes);
        let written = file.write_all(&bytes).and_then(|()| file.sync_all());
        // Half a reserve would never be made whole.
        written.inspect_err(|_| drop(fs::remove_file(&path)))
    }

    fn reserve_len(&self) -> io::Result<u64> {
        match fs::metadata(self.root.join(RESERVE)) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn release_reserve(&self) -> io::Result<bool> {
        match fs::remove_file(self.root.join(RESERVE)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn prepare(&self) -> io::Result<Vacancy> {
        create_root(&self.root)?;
        if self.path(names::CONFIG).try_exists()? {
            return Ok(Vacancy::Repository);
        }
        let staging = self.root.join(STAGING);
        let foreign = fs::read_dir(&self.root)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<Vec<_>>>()?
            .iter()
            .any(|name| name != STAGING && name != "lost+found" && name != "keys");
        if foreign {
            return Ok(Vacancy::Foreign);
        }
        create_dir(&staging)?;
        Ok(Vacancy::Empty)
    }
}

struct LocalUpload {
    root: PathBuf,
    path: PathBuf,
    file: DirectFile,
    published: bool,
}

impl Upload for LocalUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write(bytes)
    }

    fn publish(mut self: Box<Self>, name: &str) -> io::Result<()> {
        self.file.finish()?;
        let target = self.root.join(name);
        let folder = target.parent().unwrap_or(&self.root);
        let rename = || renameat_with(CWD, &self.path, CWD, &target, RenameFlags::NOREPLACE);
        match rename() {
            Err(Errno::NOENT) => {
                create_dirs_beneath(&self.root, folder)?;
                rename()?;
            }
            // Some network file systems lack the flag; names are unique, so a hard link does the same.
            Err(Errno::INVAL | Errno::NOSYS) => {
                fs::hard_link(&self.path, &target)?;
                fs::remove_file(&self.path)?;
            }
            other => other?,
        }
        self.published = true;
        File::open(folder)?.sync_all()
    }
}

impl Drop for LocalUpload {
    fn drop(&mut self) {
        if !self.published {
            // What stays behind is harmless: nothing reads the staging folder.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn require_repository(root: &Path) -> io::Result<()> {
    if root.join(names::CONFIG).try_exists()? || root.join(STAGING).try_exists()? {
        return Ok(());
    }
    Err(io::Error::other("the directory holds no repository: is its disk mounted?"))
}

fn read_dir_if_present(path: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
        Ok(entries) => entries.collect(),
    }
}

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file")
}

/// Length of a listed file, unless it was deleted since.
fn len_if_present(entry: &fs::DirEntry) -> io::Result<Option<u64>> {
    match entry.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        metadata => metadata.map(|metadata| Some(metadata.len())),
    }
}

fn create_dir(path: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Creates the root and the folders above it that are missing.
fn create_root(root: &Path) -> io::Result<()> {
    let is_there = |path: &&Path| path.as_os_str().is_empty() || path.is_dir();
    let above = root.ancestors().find(is_there).unwrap_or(Path::new(""));
    create_dirs_beneath(above, root)
}

/// Creates the folders from the root down to `folder`, each durable before anything is put into it.
fn create_dirs_beneath(root: &Path, folder: &Path) -> io::Result<()> {
    let mut path = root.to_path_buf();
    for part in folder.strip_prefix(root).unwrap_or(Path::new("")).components() {
        let parent = path.clone();
        path.push(part);
        if !path.is_dir() {
            create_dir(&path)?;
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { &parent };
            File::open(parent)?.sync_all()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
