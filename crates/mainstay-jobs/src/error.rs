//! The errors of the verbs.

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a verb did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Repository(#[from] mainstay_repo::Error),
    #[error(transparent)]
    Source(#[from] mainstay_sources::Error),
    /// A text that names no snapshot, or more than one.
    #[error("find snapshot {text:?}: {problem}")]
    NoSnapshot { text: String, problem: String },
    /// A text that means a snapshot that cannot be read, or one beside which such a one is newer.
    #[error("find snapshot {text:?}: the one that is meant, or a newer one, cannot be read: {cause}")]
    LostSnapshot {
        text: String,
        cause: String,
        /// The newest that can be read, and when it was begun.
        newest: Option<(mainstay_repo::SnapshotId, i64)>,
    },
    /// The name of a source that has no snapshot.
    #[error("find snapshots of source {source_name}: there are none")]
    NoSource {
        source_name: String,
        /// Names of sources that have some.
        known: String,
    },
    /// A path that is not in a snapshot.
    #[error("find {path} in snapshot {snapshot}: no such entry")]
    NoPath { snapshot: String, path: String },
    /// A request that makes no sense as put.
    #[error("{0}")]
    Invalid(String),
    /// The target holds something and nothing says what to do with it.
    #[error("restore into {path}: the directory is not empty")]
    TargetNotEmpty { path: String },
    /// Deletion of what the snapshot does not have, where only one file of it is restored.
    #[error(
        "restore {path} and delete the rest of the target: it is no directory, and all that lies beside it would go"
    )]
    DeleteBesideFile { path: String },
    /// The target of a restore cannot be used, or no longer.
    #[error("restore into the target: {0}")]
    Target(mainstay_sources::Error),
    /// Something of a snapshot that must be copied whole cannot be read.
    #[error("copy {path}: {problem}")]
    NotWhole { path: String, problem: String },
    /// An archive that is imported is damaged, cut short, or none.
    #[error("read tar archive {name}, byte {at}: {problem}")]
    Tar { name: String, at: u64, problem: String },
    /// The user asked to stop.
    #[error("stopped on request")]
    Cancelled,
}
