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
    /// A rule that cannot be understood; a long one is quoted in part.
    #[error("read rule {rule:?}: {reason}")]
    Rule { rule: String, reason: String },
}

impl Error {
    /// An error about a rule in the syntax of `.gitignore`.
    pub fn rule(rule: &str, error: &ignore::Error) -> Self {
        let reason = match error {
            ignore::Error::Glob { err, .. } => err.clone(),
            other => other.to_string(),
        };
        Self::Rule { rule: shortened(rule), reason: shortened(&reason) }
    }

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

/// Characters of a text of any length that an error quotes.
const QUOTED_LEN: usize = 100;

/// The begin of a text, as long as an error may quote it.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(QUOTED_LEN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
