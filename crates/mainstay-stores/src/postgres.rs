//! A schema of a PostgreSQL database.
//!
//! Owns how the contract of a store is kept by transactions: `database` owns the connections, `schema` the tables, `objects` the
//! statements, `credentials` and `secure` who speaks with whom, `failure` what an error means. Uses nothing that only
//! PostgreSQL itself has where others that speak its protocol do without: no locks by number, no sequences.
//! Invariant: whether a transaction came about whose answer was lost is decided by what is there.
//!
//! Durability: what a session of ours has committed is on the server's disk, as far as the server has `fsync = on`, without which
//! nothing is written; and others see a commit only once it is there.

mod credentials;
mod database;
mod failure;
mod objects;
mod schema;
mod secure;
mod service;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use mainstay_repo::store::{Object, Upload, Vacancy};
use mainstay_repo::{Store, names};

use crate::address::PostgresAddress;
use crate::settings::Surroundings;

use database::{Access, Database};
use failure::Failure;

/// Uploads on their way at once: each has a connection of its own.
const UPLOADS: usize = 4;

/// Whether a name must be free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    Free,
    Over,
}

/// Objects in a schema.
pub struct PostgresStore {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
}

impl PostgresStore {
    /// Makes ready to connect; sends nothing.
    ///
    /// # Errors
    /// When credentials or certificates cannot be read.
    pub fn new(address: PostgresAddress, surroundings: &Surroundings) -> io::Result<Self> {
        Ok(Self { inner: Arc::new(Inner { database: Database::new(address, surroundings)? }) })
    }
}

impl Inner {
    fn schema(&self) -> &str {
        &self.database.address.schema
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.database.run(Access::Read, async |client| {
            let read = objects::read_whole(client, self.schema(), name, limit).await;
            read.map_err(|failure| self.of_object(name, failure))
        })
    }

    /// Without tables there is no repository, which its first object tells; of any other object that is doubt.
    fn of_object(&self, name: &str, failure: Failure) -> Failure {
        match (failure.is_no_table(), name == names::CONFIG) {
            (true, true) => Failure::answer(io::ErrorKind::NotFound, "there are no tables of a repository"),
            (true, false) => {
                let reason = format!("there are no tables of a repository in the schema {}", self.schema());
                Failure::answer(io::ErrorKind::Other, reason)
            }
            (false, _) => failure,
        }
    }

    /// Writes an object. What became of a transaction without an answer is read back.
    fn publish(&self, name: &str, bytes: &Bytes, naming: Naming) -> io::Result<()> {
        let mut pauses = self.database.patience.pauses();
        loop {
            let published = self.database.once(Access::Write, &mut async |client| {
                objects::publish(client, self.schema(), name, (bytes, naming)).await
            });
            let Err(failure) = published else { return Ok(()) };
            let trouble = self.of_object(name, failure).into_trouble();
            let is_taken = trouble.error.kind() == io::ErrorKind::AlreadyExists;
            if !is_taken && !trouble.is_passing {
                return Err(trouble.error);
            }
            match self.read(name, bytes.len() as u64) {
                Ok(there) if there == bytes[..] => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
                // Other bytes, or more of them.
                _ if naming == Naming::Free => return Err(io::Error::new(io::ErrorKind::AlreadyExists, trouble.error)),
                _ => {}
            }
            // Whoever took the name has given it back since.
            pauses.wait(crate::repeat::Trouble { is_passing: true, ..trouble })?;
        }
    }
}

impl Store for PostgresStore {
    fn location(&self) -> String {
        self.inner.database.address.place().to_string()
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        Ok(Box::new(PostgresUpload { inner: Arc::clone(&self.inner), bytes: Vec::new() }))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.inner.publish(name, &Bytes::copy_from_slice(bytes), Naming::Free)
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        let inner = &self.inner;
        inner.database.run(Access::Read, async |client| {
            objects::len(client, inner.schema(), name).await.map_err(|failure| inner.of_object(name, failure))
        })
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let (inner, wanted) = (&self.inner, (offset, buffer.len() as u64));
        let bytes = inner.database.run(Access::Read, async |client| {
            let read = objects::read_range(client, inner.schema(), name, wanted).await;
            read.map_err(|failure| inner.of_object(name, failure))
        })?;
        buffer.copy_from_slice(&bytes);
        Ok(())
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.inner.read(name, limit)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        let inner = &self.inner;
        inner.database.run(Access::Read, async |client| {
            objects::list(client, inner.schema(), prefix).await.map_err(|failure| inner.of_object("", failure))
        })
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        let inner = &self.inner;
        inner.database.run(Access::Write, async |client| {
            objects::delete(client, inner.schema(), name).await.map_err(|failure| inner.of_object("", failure))
        })
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.inner.publish(name, &Bytes::copy_from_slice(bytes), Naming::Over)
    }

    fn publishes_at_once(&self) -> usize {
        UPLOADS
    }

    fn remove_emptied(&self) -> io::Result<()> {
        let inner = &self.inner;
        inner.database.run(Access::Write, async |client| schema::remove(client, inner.schema()).await)
    }

    fn prepare(&self) -> io::Result<Vacancy> {
        let inner = &self.inner;
        inner.database.run(Access::Write, async |client| schema::prepare(client, inner.schema()).await)
    }
}

/// An object that waits for its name in memory: it comes in one transaction, and a pack is at most a few times 16 MiB.
struct PostgresUpload {
    inner: Arc<Inner>,
    bytes: Vec<u8>,
}

impl Upload for PostgresUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn publish(self: Box<Self>, name: &str) -> io::Result<()> {
        self.inner.publish(name, &Bytes::from(self.bytes), Naming::Free)
    }
}
