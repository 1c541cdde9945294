//! The errors of sources and targets. Each carries the path it is about.

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong with one entry, directory or target.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call on a path failed.
    #[error("{verb} {path}: {source}")]
    Io {
        /// What was being done: "open", "read", "list".
        verb: &'static str,
        path: String,
        source: std::io::Error,
    },
    /// An entry is not what it was when it was listed.
    #[error("{verb} {path}: it is no longer {expected}")]
    Replaced { verb: &'static str, path: String, expected: &'static str },
    /// A name or path that must not be written.
    #[error("{verb} {path}: {reason}")]
    Refused { verb: &'static str, path: String, reason: String },
    /// An exclude rule that cannot be understood.
    #[error("read exclude rule {rule:?}: {reason}")]
    Rule { rule: String, reason: String },
}

impl Error {
    /// Says whether the entry is simply gone: a file that vanished between listing and reading.
    pub fn is_vanished(&self) -> bool {
        match self {
            Self::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            _ => false,
        }
    }

    /// The operating system's error, where there is one.
    pub fn io(&self) -> Option<&std::io::Error> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
