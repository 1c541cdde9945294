//! The output of a command, or any other stream, as a source with one file.
//!
//! Reads the stream once and from its start. Must not start or wait for a process: that is the caller's.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use crate::files::fault_of_name;
use crate::{Content, Details, Directory, Entry, Error, Kind, Listing, Owner, Result, Run, Source, Timestamp};

/// What [`Run::Data`] says when nobody knows the length: half the range, so that adding an offset cannot overflow.
pub const UNKNOWN_LENGTH: u64 = i64::MAX as u64;

/// Not executable, for its owner only: a dump usually holds more than its reader may see.
const MODE: u32 = 0o600;

/// A stream as a source with exactly one regular file.
///
/// The listed size is 0; [`Content::entry_now`] tells the bytes read so far.
pub struct StreamSource {
    stream: Arc<Stream>,
}

struct Stream {
    entry: Entry,
    /// Taken by the first who opens the file.
    reader: Mutex<Option<Box<dyn Read + Send>>>,
}

impl StreamSource {
    /// Names the stream; `modified` is the moment the caller takes as the file's time.
    ///
    /// # Errors
    /// When the name cannot be that of a file.
    pub fn new(name: &[u8], modified: Timestamp, owner: Owner, reader: Box<dyn Read + Send>) -> Result<Self> {
        if let Some(fault) = fault_of_name(name) {
            return Err(Error::Refused {
                verb: "read stream",
                path: String::from_utf8_lossy(name).into_owned(),
                reason: fault.to_owned(),
            });
        }
        let entry = Entry {
            name: name.to_vec(),
            kind: Kind::File,
            mode: MODE,
            owner,
            size: 0,
            modified,
            changed: modified,
            inode: 0,
            device: 0,
            links: 1,
        };
        Ok(Self { stream: Arc::new(Stream { entry, reader: Mutex::new(Some(reader)) }) })
    }
}

impl Source for StreamSource {
    fn root(&self) -> Result<Arc<dyn Directory>> {
        Ok(Arc::new(StreamDirectory(Arc::clone(&self.stream))))
    }
}

struct StreamDirectory(Arc<Stream>);

impl StreamDirectory {
    fn refused(&self, name: &[u8], reason: &str) -> Error {
        Error::Refused { verb: "open", path: String::from_utf8_lossy(name).into_owned(), reason: reason.to_owned() }
    }
}

impl Directory for StreamDirectory {
    fn display_path(&self) -> String {
        "/".to_owned()
    }

    fn list(&self) -> Result<Listing> {
        Ok(Listing { entries: vec![self.0.entry.clone()], ..Listing::default() })
    }

    fn open_dir(&self, name: &[u8]) -> Result<Arc<dyn Directory>> {
        Err(self.refused(name, "a stream has no directories"))
    }

    fn details(&self, _entry: &Entry) -> Result<Details> {
        Ok(Details::default())
    }

    fn open_file(&self, entry: &Entry) -> Result<Box<dyn Content>> {
        if entry.name != self.0.entry.name {
            return Err(self.refused(&entry.name, "it is not part of the source"));
        }
        let reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        let reader = reader.ok_or_else(|| self.refused(&entry.name, "a stream can be read only once"))?;
        Ok(Box::new(StreamContent { reader, entry: self.0.entry.clone(), state: State::Unread }))
    }
}

/// How far a stream has been read.
#[derive(PartialEq, Eq)]
enum State {
    Unread,
    Reading,
    Ended,
}

struct StreamContent {
    reader: Box<dyn Read + Send>,
    /// Its size counts the bytes read.
    entry: Entry,
    state: State,
}

impl Content for StreamContent {
    fn next_run(&mut self) -> Result<Option<Run>> {
        if self.state != State::Unread {
            self.state = State::Ended;
            return Ok(None);
        }
        self.state = State::Reading;
        Ok(Some(Run::Data { len: UNKNOWN_LENGTH }))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.state != State::Reading || buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.reader.read(buffer) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(read) => {
                    self.entry.size += read as u64;
                    if read == 0 {
                        self.state = State::Ended;
                    }
                    return Ok(read);
                }
                Err(source) => {
                    return Err(Error::Io {
                        verb: "read stream",
                        path: String::from_utf8_lossy(&self.entry.name).into_owned(),
                        source,
                    });
                }
            }
        }
    }

    fn entry_now(&mut self) -> Result<Entry> {
        Ok(self.entry.clone())
    }
}

#[cfg(test)]
mod tests;
