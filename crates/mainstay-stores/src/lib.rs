//! Where objects live, beside a directory: SQLite files, S3 and other clouds, WebDAV servers,
//! PostgreSQL.
//!
//! Owns the way from an address to a store. Each store keeps the contract of [`mainstay_repo::Store`] in its own module.

mod address;
mod answers;
mod aws_profile;
mod cloud;
mod netrc;
mod patience;
mod postgres;
mod settings;
mod sqlite;
mod webdav;

use std::io;
use std::sync::Arc;

use mainstay_repo::Store;

pub use address::{
    Address, BadAddress, Cloud, CloudAddress, Encryption, Host, PostgresAddress, Security, Setting, WebdavAddress,
    decode_percent,
};
pub use cloud::CloudStore;
pub use postgres::PostgresStore;
pub use settings::Surroundings;
pub use sqlite::SqliteStore;
pub use webdav::WebdavStore;

/// Makes ready the store at an address; sends and reads nothing yet.
///
/// # Errors
/// When settings or credentials are missing or contradict each other.
pub fn open(address: &Address, surroundings: &Surroundings) -> io::Result<Arc<dyn Store>> {
    match address {
        Address::Sqlite(path) => Ok(Arc::new(SqliteStore::new(path))),
        Address::Cloud(address) => Ok(Arc::new(CloudStore::new(address.clone(), surroundings)?)),
        Address::Webdav(address) => Ok(Arc::new(WebdavStore::new(address.clone(), surroundings)?)),
        Address::Postgres(address) => Ok(Arc::new(PostgresStore::new(address.clone(), surroundings)?)),
    }
}

/// Removes what is left of a place when all of its objects are gone; a file is its owner's to remove.
///
/// # Errors
/// The place still holds something, or cannot be removed.
pub fn remove_emptied(address: &Address, surroundings: &Surroundings) -> io::Result<()> {
    match address {
        // A prefix is gone with its last object.
        Address::Sqlite(_) | Address::Cloud(_) => Ok(()),
        Address::Webdav(address) => WebdavStore::new(address.clone(), surroundings)?.remove(),
        Address::Postgres(address) => PostgresStore::new(address.clone(), surroundings)?.remove(),
    }
}
