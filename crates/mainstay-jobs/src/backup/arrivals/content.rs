//! What an archive holds of a file, as workers read it.
//!
//! Owns the archive that is being read, and why it could not be read on. A small file is in memory, of a large one the archive is read.

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::sync::{Arc, Mutex, PoisonError};

use mainstay_sources::{Content, Details, Directory, Entry, Listing, Result, Run};

use crate::Error;
use crate::import::{Archive, Member, Numbers};

/// A tar archive that becomes a snapshot; read once.
pub struct TarInput(Arc<Shared>);

struct Shared {
    archive: Mutex<Archive>,
    failure: Mutex<Option<Error>>,
    name: String,
}

impl TarInput {
    /// `name` is what the archive is called in messages.
    pub fn new(name: String, reader: Box<dyn Read + Send>) -> Self {
        let archive = Mutex::new(Archive::new(name.clone(), reader));
        Self(Arc::new(Shared { archive, failure: Mutex::default(), name }))
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The next member.
    ///
    /// # Errors
    /// When the archive is damaged or cut short, or cannot be read.
    pub fn next_member(&self, numbers: &dyn Numbers) -> crate::Result<Option<Member>> {
        self.0.lock().next_member(numbers)
    }

    /// Whether something stands behind the end of the archive, once that was reached.
    pub fn has_more(&self) -> bool {
        self.0.lock().has_more
    }

    /// Reads so many bytes of the member's content, which are few.
    pub fn read_small(&self, len: usize) -> crate::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        let mut filled = 0;
        let mut archive = self.0.lock();
        while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
            match archive.read(room)? {
                0 => break,
                read => filled += read,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// Why a worker could not read the archive on.
    ///
    /// # Errors
    /// That reason, if there is one.
    pub fn check(&self) -> crate::Result<()> {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    /// The content of the last member, as it is read by a worker.
    pub fn content(&self, entry: Entry, details: Details, runs: Vec<Run>) -> Arrived {
        Arrived::new(Bytes::Archive(self.0.clone()), (entry, details, runs))
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Archive> {
        self.archive.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        self.lock().read(buffer).map_err(|error| {
            let source = std::io::Error::other(error.to_string());
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            mainstay_sources::Error::Io { verb: "read", path: self.name.clone(), source }
        })
    }
}

/// A file that has come.
pub struct Arrived {
    bytes: Bytes,
    entry: Entry,
    details: Option<Details>,
    runs: std::vec::IntoIter<Run>,
    /// What the current run of data still has.
    left: u64,
}

enum Bytes {
    Memory(Cursor<Vec<u8>>),
    Archive(Arc<Shared>),
}

impl Arrived {
    /// A file whose data is all there.
    pub fn in_memory(bytes: Vec<u8>, entry: Entry, details: Details, runs: Vec<Run>) -> Self {
        Self::new(Bytes::Memory(Cursor::new(bytes)), (entry, details, runs))
    }

    fn new(bytes: Bytes, (entry, details, runs): (Entry, Details, Vec<Run>)) -> Self {
        Self { bytes, entry, details: Some(details), runs: runs.into_iter(), left: 0 }
    }
}

impl Content for Arrived {
    fn next_run(&mut self) -> Result<Option<Run>> {
        let run = self.runs.next();
        if let Some(Run::Data { len }) = run {
            self.left = len;
        }
        Ok(run)
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(buffer.len()).min(buffer.len());
        let room = buffer.get_mut(..wanted).unwrap_or_default();
        let read = match &mut self.bytes {
            // Memory does not fail.
            Bytes::Memory(bytes) => bytes.read(room).unwrap_or(0),
            Bytes::Archive(shared) => shared.read(room)?,
        };
        self.left -= read as u64;
        Ok(read)
    }

    fn entry_now(&mut self) -> Result<Entry> {
        Ok(self.entry.clone())
    }

    fn details(&mut self) -> Result<Option<Details>> {
        Ok(self.details.take())
    }
}

/// Files that have come and wait for a worker, by the number that stands for their inode.
pub struct Waiting {
    path: String,
    files: Mutex<HashMap<u64, Arrived>>,
}

impl Waiting {
    /// `path` is the directory that they are in, as far as they share one.
    pub fn new(path: String, files: HashMap<u64, Arrived>) -> Self {
        Self { path, files: Mutex::new(files) }
    }

    fn refused(&self, name: &[u8]) -> mainstay_sources::Error {
        let path = format!("{}/{}", self.path, String::from_utf8_lossy(name));
        mainstay_sources::Error::Refused { verb: "open", path, reason: "an archive is read only once".to_owned() }
    }
}

impl Directory for Waiting {
    fn display_path(&self) -> String {
        self.path.clone()
    }

    fn list(&self) -> Result<Listing> {
        Ok(Listing::default())
    }

    fn open_dir(&self, name: &[u8]) -> Result<Arc<dyn Directory>> {
        Err(self.refused(name))
    }

    fn details(&self, entry: &Entry) -> Result<Details> {
        Err(self.refused(&entry.name))
    }

    fn open_file(&self, entry: &Entry) -> Result<Box<dyn Content>> {
        let arrived = self.files.lock().unwrap_or_else(PoisonError::into_inner).remove(&entry.inode);
        Ok(Box::new(arrived.ok_or_else(|| self.refused(&entry.name))?))
    }
}
