//! An object being written: parts without a name, then a name.
//!
//! Owns how bytes are gathered, so that memory is bounded however long an object is. Invariant: no transaction is tried
//! again on the same bytes; after an error the upload is given up.

use std::io;
use std::sync::Arc;

use mainstay_repo::store::Upload;

use super::database::Database;
use super::objects::{self, Entry};
use super::schema::PART_LEN;

/// Bytes that are kept in memory before they go to the file, in whole parts. Each time costs what a commit costs, several
/// syncs of 1 to 5 ms each on the disk of the measurements, and more on a stick.
pub(super) const GATHERED_MAX: usize = 4 * PART_LEN;

/// Whether a name must be free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    Free,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing of it is in the file.
    Unwritten,
    /// Parts of it may be in the file.
    Staged,
    GivenUp,
    Published,
}

/// Bytes on their way into the file.
pub(super) struct SqliteUpload {
    database: Arc<Database>,
    /// Random, so that other processes have others.
    number: i64,
    parts: u64,
    gathered: Vec<u8>,
    len: u64,
    state: State,
}

impl SqliteUpload {
    pub fn begin(database: Arc<Database>) -> io::Result<Self> {
        let number = (getrandom::u64().map_err(io::Error::other)? >> 1) as i64;
        Ok(Self { database, number, parts: 0, gathered: Vec::new(), len: 0, state: State::Unwritten })
    }

    fn require_hope(&self) -> io::Result<()> {
        match self.state {
            State::GivenUp => Err(io::Error::other("the upload was given up after an error")),
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // Until it is known better: a commit that fails may have come about.
        self.state = State::GivenUp;
        let (number, first, bytes) = (self.number, self.parts, &self.gathered);
        self.database.write("stage an object", |connection| {
            objects::stage(connection, number)?;
            add_parts(connection, number, first, bytes)
        })?;
        self.parts += self.gathered.len().div_ceil(PART_LEN) as u64;
        self.gathered.clear();
        self.state = State::Staged;
        Ok(())
    }

    pub fn publish_as(mut self, name: &str, naming: Naming) -> io::Result<()> {
        self.require_hope()?;
        let entry = Entry { upload: self.number, len: self.len };
        let doing = match naming {
            Naming::Free => format!("publish {name}"),
            Naming::Over => format!("replace {name}"),
        };
        self.database.write(&doing, |connection| {
            add_parts(connection, self.number, self.parts, &self.gathered)?;
            if naming == Naming::Over {
                objects::delete(connection, name)?;
            }
            objects::publish(connection, name, &entry)
        })?;
        self.state = State::Published;
        Ok(())
    }
}

fn add_parts(connection: &rusqlite::Connection, upload: i64, first: u64, bytes: &[u8]) -> super::failure::Outcome<()> {
    for (part, bytes) in (first..).zip(bytes.chunks(PART_LEN)) {
        objects::add_part(connection, upload, part, bytes)?;
    }
    Ok(())
}

impl Upload for SqliteUpload {
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.require_hope()?;
        self.len += bytes.len() as u64;
        while !bytes.is_empty() {
            let (head, rest) = bytes.split_at(bytes.len().min(GATHERED_MAX - self.gathered.len()));
            self.gathered.extend_from_slice(head);
            bytes = rest;
            // The last bytes wait for the name: that saves a commit.
            if self.gathered.len() == GATHERED_MAX && !bytes.is_empty() {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn publish(self: Box<Self>, name: &str) -> io::Result<()> {
        (*self).publish_as(name, Naming::Free)
    }
}

impl Drop for SqliteUpload {
    fn drop(&mut self) {
        if matches!(self.state, State::Staged | State::GivenUp) {
            // What stays behind is harmless: nothing reads parts that have no name.
            let (number, database) = (self.number, &self.database);
            let _ = database.write("discard an object", |connection| objects::discard(connection, number));
        }
    }
}
