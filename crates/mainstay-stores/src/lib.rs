//! Where objects live, beside a directory: SQLite files, directories of other machines, S3 and other clouds, WebDAV servers,
//! PostgreSQL, and, where it is built so, other services by OpenDAL.
//!
//! Owns the way from an address to a store. Each store keeps the contract of [`mainstay_repo::Store`] in its own module.

mod address;
mod ahead;
mod answers;
mod aws_profile;
mod cached;
mod cloud;
mod limits;
mod near;
mod netrc;
mod object_lock;
mod patience;
mod postgres;
mod repeat;
#[cfg(feature = "opendal")]
mod services;
mod settings;
mod sftp;
mod sqlite;
mod webdav;

use std::io;
use std::sync::Arc;

use mainstay_repo::Store;

pub use address::{
    Address, BadAddress, Cloud, CloudAddress, Encryption, Host, PostgresAddress, Security, Service, ServiceAddress,
    ServiceSetting, Setting, SftpAddress, WebdavAddress, decode_percent,
};
pub use ahead::Ahead;
pub use cached::Cached;
pub use cloud::CloudStore;
pub use limits::Limits;
pub use near::Near;
pub use patience::Patience;
pub use postgres::PostgresStore;
#[cfg(feature = "opendal")]
pub use services::ServiceStore;
pub use settings::Surroundings;
pub use sftp::{HostKey, SftpStore, Trust};
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
        Address::Sftp(address) => Ok(Arc::new(SftpStore::new(address.clone(), surroundings)?)),
        Address::Webdav(address) => Ok(Arc::new(WebdavStore::new(address.clone(), surroundings)?)),
        Address::Postgres(address) => Ok(Arc::new(PostgresStore::new(address.clone(), surroundings)?)),
        #[cfg(feature = "opendal")]
        Address::Service(address) => Ok(Arc::new(ServiceStore::new(address.clone(), surroundings)?)),
        // No such address is read in a build without it.
        #[cfg(not(feature = "opendal"))]
        Address::Service(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}
