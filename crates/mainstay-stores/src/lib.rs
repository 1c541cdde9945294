//! Where objects live, beside a directory: SQLite files, S3 and other clouds.
//!
//! Owns the way from an address to a store. Each store keeps the contract of [`mainstay_repo::Store`] in its own module.

mod address;
mod answers;
mod aws_profile;
mod cloud;
mod object_lock;
mod settings;
mod sqlite;

use std::io;
use std::sync::Arc;

use mainstay_repo::Store;

pub use address::{Address, BadAddress, Cloud, CloudAddress, Setting, decode_percent};
pub use cloud::CloudStore;
pub use settings::Surroundings;
pub use sqlite::SqliteStore;

/// Makes ready the store at an address; sends and reads nothing yet.
///
/// # Errors
/// When settings or credentials are missing or contradict each other.
pub fn open(address: &Address, surroundings: &Surroundings) -> io::Result<Arc<dyn Store>> {
    match address {
        Address::Sqlite(path) => Ok(Arc::new(SqliteStore::new(path))),
        Address::Cloud(address) => Ok(Arc::new(CloudStore::new(address.clone(), surroundings)?)),
    }
}
