//! Stores beside the local directory: where else a repository may live.
//!
//! Owns how bytes by name are kept in other places than a directory. Knows nothing of what the bytes mean: all that it
//! promises is the contract of [`mainstay_repo::Store`].

mod sqlite;

pub use sqlite::SqliteStore;
