//! The one error type of the engine.
//!
//! A variant says what was being done to which object, what was expected and what was found. Hints belong to the edge.

use std::fmt;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller would act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No repository here, or an object that should exist does not.
    NotFound,
    /// Bytes are not what was once written.
    Corrupt,
    /// The key does not open this repository, or not what was asked for.
    Denied,
    /// Another session came in the way: the same again will do.
    Busy,
    /// The store does not answer or refuses.
    Unavailable,
    /// The store is full.
    NoSpace,
    /// Written by a newer version, or with a feature this one lacks.
    Unsupported,
    /// The request itself makes no sense.
    Invalid,
    /// The caller asked to stop.
    Cancelled,
    /// A broken invariant of this program.
    Bug,
}

/// How errors say that secrets are newer than those of the key in use. What is told of errors further on is their text, so this is a part of it.
pub(crate) const ROTATED: &str = "they were rotated since it was opened, or an old key slot was put back";

/// An error of the engine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A store could not do what was asked.
    #[error("{verb} {name}: {source}")]
    Store { verb: &'static str, name: String, source: std::io::Error },
    /// There is no repository in the store.
    #[error("open repository {location}: no repository found")]
    NoRepository { location: String },
    /// There is a repository where a new one should go.
    #[error("create repository {location}: {found}")]
    Occupied { location: String, found: &'static str },
    /// A named object is not in the store.
    #[error("{verb} {name}: the object is missing")]
    Missing { verb: &'static str, name: String },
    /// A block is in no pack that the index knows.
    #[error("locate block {block}: no pack in the index holds it")]
    BlockMissing { block: String },
    /// An object's bytes are damaged or were replaced.
    #[error("{verb} {name}: {problem}")]
    Damaged { verb: &'static str, name: String, problem: String },
    /// A snapshot is neither listed nor recorded as removed.
    #[error(
        "read history: snapshot {missing} is neither listed nor recorded as removed, and {after} was made after it"
    )]
    HistoryGap { missing: String, after: String },
    /// No key slot opens with the secret given.
    #[error("unlock repository {repository}: none of its {slots} key slots opens with this secret")]
    WrongKey { repository: String, slots: usize },
    /// The key that opened the repository lacks a right.
    #[error("{verb}: this key may not {right}{holders}")]
    NotAllowed {
        verb: &'static str,
        right: &'static str,
        /// Which other keys have it, as far as that is known; begins with a semicolon.
        holders: String,
    },
    /// A rotation would shut out keys that it cannot take along.
    #[error("rotate secrets: keys would be shut out that were not given: {keys}")]
    KeysLeftOut { keys: String },
    /// The format or a feature is unknown to this version.
    #[error("open repository {location}: it needs {needs}, this version reads format {reads}")]
    TooNew { location: String, needs: String, reads: u32 },
    /// A collector took this session for gone.
    #[error("{verb}: session {session} was taken for gone meanwhile, so what it did does not count")]
    Fenced { verb: &'static str, session: String },
    /// A prune has begun to remove a snapshot.
    #[error("undelete snapshot {snapshot}: a prune has begun to remove it")]
    Condemned { snapshot: String },
    /// An archive is sealed: nothing is added to it.
    #[error("{verb}: the repository is an archive, and sealed")]
    Sealed { verb: &'static str },
    /// An archive is held: nothing of it is deleted until then, nanoseconds since the epoch.
    #[error("{verb}: the archive is held")]
    Held { verb: &'static str, until: i64 },
    /// A limit of the format is exceeded.
    #[error("{what}: {got} exceeds the limit of {limit}")]
    Limit { what: String, got: u64, limit: u64 },
    /// A request that cannot be carried out as put.
    #[error("{0}")]
    Invalid(String),
    /// The caller asked to stop.
    #[error("stopped on request")]
    Cancelled,
    /// The random generator gave what cannot be random.
    #[error("draw random bytes: {0}")]
    Random(&'static str),
    /// A broken invariant of this program.
    #[error("internal error: {0}")]
    Bug(String),
    /// The session has already failed, for this reason.
    #[error("the session has failed: {cause}")]
    SessionFailed { kind: Kind, cause: String },
}

impl Error {
    /// The class of the error, for exit codes and decisions.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Store { source, .. } if is_no_space(source) => Kind::NoSpace,
            Self::Store { source, .. } if source.kind() == std::io::ErrorKind::InvalidData => Kind::Corrupt,
            Self::Store { .. } => Kind::Unavailable,
            Self::NoRepository { .. } => Kind::NotFound,
            Self::Missing { .. } | Self::BlockMissing { .. } | Self::Damaged { .. } | Self::HistoryGap { .. } => {
                Kind::Corrupt
            }
            Self::WrongKey { .. } | Self::NotAllowed { .. } => Kind::Denied,
            Self::TooNew { .. } => Kind::Unsupported,
            Self::Fenced { .. } => Kind::Busy,
            Self::Condemned { .. }
            | Self::Sealed { .. }
            | Self::Held { .. }
            | Self::KeysLeftOut { .. }
            | Self::Occupied { .. }
            | Self::Limit { .. }
            | Self::Invalid(_) => Kind::Invalid,
            Self::Cancelled => Kind::Cancelled,
            Self::Random(_) | Self::Bug(_) => Kind::Bug,
            Self::SessionFailed { kind, .. } => *kind,
        }
    }

    /// Whether the text of an error, or of a finding that came of one, says that the key in use was left behind by a rotation: then nothing of the object
    /// need be damaged, and a key with the newer secrets reads it.
    pub fn tells_of_newer_secrets(text: &str) -> bool {
        text.contains(ROTATED)
    }

    /// An error about an object whose bytes are not what they should be.
    pub fn damaged(verb: &'static str, name: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self::Damaged { verb, name: name.to_string(), problem: problem.to_string() }
    }
}

/// Nothing where something is damaged or missing, for whoever can do without it.
pub(crate) fn unless_damaged<T>(read: Result<T>) -> Result<Option<T>> {
    match read {
        Err(error) if error.kind() == Kind::Corrupt => Ok(None),
        read => read.map(Some),
    }
}

fn is_no_space(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}
