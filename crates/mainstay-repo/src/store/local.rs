//! A store in a directory of a local or mounted file system.
//!
//! Owns the protocol by which a file becomes an object: written under `tmp/`, fsync'ed, renamed without replacing, its
//! directory fsync'ed. So is a directory's parent before the first object is put into it, and a directory after something
//! was deleted from it: deletions come in an order that others rely on.
//! Invariant: after a failed fsync the file is given up, since the kernel may have dropped its dirty pages (Rebello et
//! al., USENIX ATC 2020).

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::disk::{Disk, DiskEntry, EntryKind, KernelDisk, NewFile, StoredFile, not_a_file};
use super::{Object, RESERVE_LEN, Store, Upload, Vacancy, is_part};
use crate::format::names;

const STAGING: &str = "tmp";
/// Space that is set aside; no object has such a name.
const RESERVE: &str = "reserve";

/// A directory that holds a repository.
#[derive(Debug)]
pub struct LocalStore {
    root: PathBuf,
    folders: Arc<Folders>,
}

impl LocalStore {
    /// Names the directory; nothing is touched until the store is used.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::on(Arc::new(KernelDisk::default()), root)
    }

    /// The same on another file system than the kernel's.
    pub fn on(disk: Arc<dyn Disk>, root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self { folders: Arc::new(Folders { disk, root: root.clone(), durable: Mutex::default() }), root }
    }

    fn disk(&self) -> &dyn Disk {
        &*self.folders.disk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn StoredFile>> {
        self.disk().open(&self.path(name))
    }

    /// Turns "not found" into doubt where the repository itself is not there: its disk may be gone.
    fn absence(&self, error: io::Error) -> io::Error {
        match error.kind() {
            io::ErrorKind::NotFound => self.folders.require_repository().err().unwrap_or(error),
            _ => error,
        }
    }
}

impl LocalStore {
    fn begin(&self) -> io::Result<LocalUpload> {
        let staging = self.root.join(STAGING);
        let number = crate::seal::random::<16>().map_err(io::Error::other)?;
        let path = staging.join(crate::id::SessionId(number).to_string());
        let file = match self.disk().create(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.folders.require_repository()?;
                self.folders.create(&staging)?;
                self.disk().create(&path)?
            }
            other => other?,
        };
        Ok(LocalUpload { folders: Arc::clone(&self.folders), path, file, published: false })
    }
}

impl Store for LocalStore {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        Ok(Box::new(self.begin()?))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut upload = self.begin()?;
        upload.write(bytes)?;
        upload.publish_as(name, Naming::Over)
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        let (kind, len) = self.disk().status(&self.path(name)).map_err(|error| self.absence(error))?;
        if kind == EntryKind::File { Ok(len) } else { Err(not_a_file()) }
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.open(name).map_err(|error| self.absence(error))?.read_at(offset, buffer)
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let file = match self.open(name) {
            // The first object tells whether there is a repository at all.
            Err(error) if name != names::CONFIG => return Err(self.absence(error)),
            opened => opened?,
        };
        let len = file.size()?;
        if len > limit {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{len} bytes exceed the limit of {limit}")));
        }
        let mut bytes = vec![0; len as usize];
        file.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        let mut objects = Vec::new();
        let mut folders = vec![prefix.trim_end_matches('/').to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in self.folders.list_if_present(&self.path(&folder))? {
                let Some(file_name) = entry.name.to_str().filter(|name| is_part(name)) else { continue };
                let name = format!("{folder}/{file_name}");
                match entry.kind {
                    EntryKind::Directory => folders.push(name),
                    EntryKind::File => objects.extend(self.len_if_present(&name)?.map(|len| Object { len, name })),
                    // A link, a FIFO or the like can be in the place of an object, or of a folder of them: it is told, and cannot be
                    // read. To pass it over would say that nothing is there.
                    EntryKind::Other => objects.push(Object { len: 0, name }),
                }
            }
        }
        // An absent folder is empty only inside a repository; outside one it means that the disk is not mounted.
        if objects.is_empty() {
            self.folders.require_repository()?;
        }
        Ok(objects)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        match self.disk().remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        let Some(mut folder) = path.parent() else { return Ok(()) };
        // Folders of sessions come and go with them; one that still holds something stays by itself.
        let is_of_a_session = [names::LEASES, names::INTENTS].iter().any(|prefix| name.starts_with(prefix));
        if is_of_a_session && self.folders.remove(folder) {
            folder = folder.parent().unwrap_or(folder);
        }
        match self.disk().sync_dir(folder) {
            // Somebody else removed it, or it never was.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            synced => synced,
        }
    }

    fn make_durable(&self, name: &str) -> io::Result<()> {
        if name.ends_with('/') {
            return self.folders.sync_beneath(&self.path(name.trim_end_matches('/')));
        }
        // Its content was synced before it had its name.
        let path = self.path(name);
        let folder = path.parent().unwrap_or(&self.root);
        self.folders.make_durable(folder)?;
        self.disk().sync_dir(folder)
    }

    fn clear_staging(&self) -> io::Result<()> {
        let staging = self.root.join(STAGING);
        let left = self.folders.list_if_present(&staging)?;
        for path in left.iter().map(|entry| staging.join(&entry.name)) {
            if !self.disk().is_being_written(&path)? {
                match self.disk().remove_file(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    other => other?,
                }
            }
        }
        Ok(())
    }

    fn keep_reserve(&self) -> io::Result<()> {
        let path = self.root.join(RESERVE);
        let mut file = match self.disk().create(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            created => created?,
        };
        // Random, so that no file system stores it in less.
        let mut bytes = vec![0; RESERVE_LEN as usize];
        let seed = crate::seal::random::<32>().map_err(io::Error::other)?;
        blake3::Hasher::new_keyed(&seed).finalize_xof().fill(&mut bytes);
        let written = file.write(&bytes).and_then(|()| file.finish());
        // Half a reserve would never be made whole.
        written.inspect_err(|_| drop(self.disk().remove_file(&path)))
    }

    fn reserve_len(&self) -> io::Result<u64> {
        match self.disk().status(&self.root.join(RESERVE)) {
            Ok((_, len)) => Ok(len),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn release_reserve(&self) -> io::Result<bool> {
        match self.disk().remove_file(&self.root.join(RESERVE)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn prepare(&self) -> io::Result<Vacancy> {
        self.folders.create_root()?;
        if self.folders.exists(&self.path(names::CONFIG))? {
            return Ok(Vacancy::Repository);
        }
        let is_ours = |entry: &DiskEntry| [STAGING, "lost+found", "keys"].iter().any(|name| entry.name == *name);
        if !self.disk().list(&self.root)?.iter().all(is_ours) {
            return Ok(Vacancy::Foreign);
        }
        self.folders.create(&self.root.join(STAGING))?;
        Ok(Vacancy::Empty)
    }
}

impl LocalStore {
    /// Length of a listed file, unless it was deleted since.
    fn len_if_present(&self, name: &str) -> io::Result<Option<u64>> {
        match self.disk().status(&self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            status => status.map(|(_, len)| Some(len)),
        }
    }
}

struct LocalUpload {
    folders: Arc<Folders>,
    path: PathBuf,
    file: Box<dyn NewFile>,
    published: bool,
}

impl Upload for LocalUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write(bytes)
    }

    fn publish(self: Box<Self>, name: &str) -> io::Result<()> {
        (*self).publish_as(name, Naming::Free)
    }
}

/// Whether a name must be free.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    Free,
    Over,
}

impl LocalUpload {
    fn publish_as(mut self, name: &str, naming: Naming) -> io::Result<()> {
        self.file.finish()?;
        let folders = &*self.folders;
        let target = folders.root.join(name);
        let folder = target.parent().unwrap_or(&folders.root);
        folders.make_durable(folder)?;
        let rename = || match naming {
            Naming::Free => folders.disk.rename(&self.path, &target),
            Naming::Over => folders.disk.rename_over(&self.path, &target),
        };
        match rename() {
            // The folder of a session that another one took for ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                folders.forget(folder);
                folders.make_durable(folder)?;
                rename()?;
            }
            renamed => renamed?,
        }
        self.published = true;
        self.folders.disk.sync_dir(folder)
    }
}

impl Drop for LocalUpload {
    fn drop(&mut self) {
        if !self.published {
            // What stays behind is harmless: nothing reads the staging folder.
            let _ = self.folders.disk.remove_file(&self.path);
        }
    }
}

/// The directories of a repository.
#[derive(Debug)]
struct Folders {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    /// Those that are known to survive a power cut, with all that lead to them. That one is there says nothing: whoever
    /// created it may have died before it was synced.
    durable: Mutex<HashSet<PathBuf>>,
}

impl Folders {
    fn require_repository(&self) -> io::Result<()> {
        for name in [names::CONFIG, STAGING, names::COPIES] {
            if self.exists(&self.root.join(name))? {
                return Ok(());
            }
        }
        Err(io::Error::other("the directory holds no repository: is its disk mounted?"))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.disk.status(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            status => status.map(|_| true),
        }
    }

    fn list_if_present(&self, path: &Path) -> io::Result<Vec<DiskEntry>> {
        match self.disk.list(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            listed => listed,
        }
    }

    fn create(&self, path: &Path) -> io::Result<()> {
        match self.disk.create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            created => created,
        }
    }

    /// Creates the root and what leads to it, each durable before the next. What is there may have been created a moment
    /// ago by somebody who was killed, so it is synced as well, where that can be done.
    fn create_root(&self) -> io::Result<()> {
        let named = |path: &&Path| !path.as_os_str().is_empty();
        let way: Vec<&Path> = self.root.ancestors().filter(named).collect();
        for path in way.into_iter().rev() {
            let is_new = !self.exists(path)?;
            if is_new {
                self.create(path)?;
            }
            // The topmost of a relative path lies in the working directory.
            let parent =
                path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
            match parent.map(|parent| self.disk.sync_dir(parent)) {
                Some(Err(error)) if is_new && error.kind() != io::ErrorKind::PermissionDenied => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes a folder of the repository and all above it durable, and creates what is missing of them.
    fn make_durable(&self, folder: &Path) -> io::Result<()> {
        if self.durable().contains(folder) {
            return Ok(());
        }
        let mut path = self.root.clone();
        for part in folder.strip_prefix(&self.root).unwrap_or(Path::new("")).components() {
            let parent = path.clone();
            path.push(part);
            if self.durable().contains(&path) {
                continue;
            }
            self.create(&path)?;
            self.disk.sync_dir(&parent)?;
            // Folders of sessions come and go, by the hands of others too.
            if path != folder || !folder.starts_with(self.root.join(names::COORD)) {
                self.durable().insert(path.clone());
            }
        }
        Ok(())
    }

    /// Syncs a folder and all folders in it.
    fn sync_beneath(&self, folder: &Path) -> io::Result<()> {
        let mut folders = vec![folder.to_path_buf()];
        while let Some(folder) = folders.pop() {
            match self.disk.sync_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                synced => synced?,
            }
            let inner = self.list_if_present(&folder)?.into_iter().filter(|entry| entry.kind == EntryKind::Directory);
            folders.extend(inner.map(|entry| folder.join(entry.name)));
        }
        Ok(())
    }

    /// Removes a folder if it is empty; answers whether it was.
    fn remove(&self, folder: &Path) -> bool {
        self.forget(folder);
        self.disk.remove_dir(folder).is_ok()
    }

    fn forget(&self, folder: &Path) {
        self.durable().remove(folder);
    }

    fn durable(&self) -> std::sync::MutexGuard<'_, HashSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
