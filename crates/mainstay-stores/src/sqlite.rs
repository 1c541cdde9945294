//! A store in one SQLite file, for a repository that is carried about: on a stick, or beside other files.
//!
//! Owns how the store's contract is kept by transactions; `schema` owns the tables, `database` the connections, `objects`
//! and `upload` the bytes, `space` what is set aside and given back, `failure` what an error of SQLite means.
//! Never creates the file but in [`Store::prepare`], and never answers that something is absent because of an error.
//!
//! Durability: a commit first syncs the journal, then the file, then the journal with its header gone, and only then
//! releases its lock. So what a call of this store has committed is durable when the call returns. What *others* have
//! committed can be seen a moment too early in one case only, for which [`Store::make_durable`] is there.
//!
//! Safety of many threads and processes: each call has a connection for itself, and a writer takes its lock when its
//! transaction begins, so that nobody ever waits with a lock that somebody else needs.

mod database;
mod failure;
mod objects;
mod schema;
mod space;
mod upload;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use mainstay_repo::names;
use mainstay_repo::store::{Object, Store, Upload, Vacancy};

use database::{Access, Database, Identity};
use upload::{Naming, SqliteUpload};

/// A repository in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    database: Arc<Database>,
}

impl SqliteStore {
    /// Names the file; nothing is touched until the store is used.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::with_access(path, Access::ReadWrite)
    }

    fn with_access(path: impl Into<PathBuf>, access: Access) -> Self {
        Self { database: Arc::new(Database::new(path.into(), access)) }
    }
}

impl Store for SqliteStore {
    fn location(&self) -> String {
        self.database.path().display().to_string()
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        Ok(Box::new(SqliteUpload::begin(Arc::clone(&self.database))?))
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.database.read(&format!("look for {name}"), |connection| Ok(objects::require(connection, name)?.len))
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.database.read(&format!("read {name}"), |connection| {
            let entry = objects::require(connection, name)?;
            objects::read_range(connection, &entry, offset, buffer)
        })
    }

    /// Reads length and bytes in one transaction: whoever replaces the object meanwhile waits.
    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let read =
            self.database.read(&format!("read {name}"), |connection| objects::read_whole(connection, name, limit));
        match read {
            // The first object tells whether there is a repository at all.
            Err(_) if name == names::CONFIG && self.database.is_missing()? => Err(io::ErrorKind::NotFound.into()),
            read => read,
        }
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        self.database.read(&format!("list {prefix}"), |connection| objects::list(connection, prefix))
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.database.write(&format!("delete {name}"), |connection| {
            if objects::delete(connection, name)? {
                return Ok(());
            }
            // Whoever deleted it may have been killed before that was durable.
            schema::renew(connection)
        })?;
        // The object is gone; the file is made shorter another time if it cannot be now.
        let _ = space::give_back(&self.database);
        Ok(())
    }

    /// Commits once more. A process that was killed between taking the journal's header away and syncing that has left a
    /// commit that everybody sees and that a power cut would roll back; its sync may have failed as well, and the kernel
    /// reports that once only. A commit of ours writes that header anew, so one is enough for all that can be seen.
    fn make_durable(&self, name: &str) -> io::Result<()> {
        self.database.write(&format!("make {name} durable"), schema::renew)
    }

    /// Brings the new bytes in beside the old ones, and changes one for the other in one transaction: only so is the
    /// journal, which has its place on a full disk, short.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut upload = SqliteUpload::begin(Arc::clone(&self.database))?;
        upload.write(bytes)?;
        upload.publish_as(name, Naming::Over)
    }

    fn clear_staging(&self) -> io::Result<()> {
        while self.database.write("clear what was never published", objects::discard_one_orphan)? {}
        let _ = space::give_back(&self.database);
        Ok(())
    }

    fn keep_reserve(&self) -> io::Result<()> {
        space::keep_reserve(&self.database)
    }

    fn reserve_len(&self) -> io::Result<u64> {
        self.database.read("look for the reserve", space::reserve_len)
    }

    fn release_reserve(&self) -> io::Result<bool> {
        self.database.write("release the reserve", space::release_reserve)
    }

    fn prepare(&self) -> io::Result<Vacancy> {
        if self.database.create()? == Identity::Foreign {
            return Ok(Vacancy::Foreign);
        }
        self.database.read("look for a repository", objects::vacancy)
    }
}

#[cfg(test)]
mod tests;
