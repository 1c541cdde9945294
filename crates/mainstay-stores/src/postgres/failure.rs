//! What an error of PostgreSQL means to the engine.
//!
//! Owns the way from its states to kinds of [`io::Error`], and whether it may pass. Never makes `NotFound` of one.

use std::io;

use tokio_postgres::error::SqlState;

use crate::repeat::Trouble;

/// Why a transaction came to nothing, or may have come about.
#[derive(Debug)]
pub enum Failure {
    Postgres(tokio_postgres::Error),
    /// What the contract asks for, in its own terms.
    Answer(io::Error),
    /// No answer came in time.
    Silence,
}

pub type Outcome<T> = Result<T, Failure>;

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl Failure {
    pub fn answer(kind: io::ErrorKind, reason: impl Into<String>) -> Self {
        Self::Answer(io::Error::new(kind, reason.into()))
    }

    pub fn state(&self) -> Option<&SqlState> {
        match self {
            Self::Postgres(error) => error.code(),
            Self::Answer(_) | Self::Silence => None,
        }
    }

    /// Whether there is no such table or schema.
    pub fn is_no_table(&self) -> bool {
        self.state().is_some_and(|state| [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME].contains(state))
    }

    pub fn into_trouble(self) -> Trouble {
        let error = match self {
            Self::Answer(error) => return Trouble::lasting(error),
            Self::Silence => return Trouble::passing("no answer came in time"),
            Self::Postgres(error) => error,
        };
        let message = told(&error);
        match error.code() {
            None if is_lasting(&error) => Trouble::lasting(io::Error::other(message)),
            None => Trouble::passing(message),
            Some(state) if is_passing(state) => Trouble::passing(message),
            Some(state) => Trouble::lasting(io::Error::new(kind_of(state), message)),
        }
    }
}

/// Conflicts of transactions, tables that somebody else was making at the same time, a server that is starting or stopping, too
/// many connections, connections that broke.
fn is_passing(state: &SqlState) -> bool {
    let class = state.code().get(..2).unwrap_or_default();
    let conflicts = [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::UNIQUE_VIOLATION,
        SqlState::DUPLICATE_SCHEMA,
        SqlState::DUPLICATE_TABLE,
    ];
    let stops = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ];
    class == "08" || conflicts.contains(state) || stops.contains(state)
}

fn kind_of(state: &SqlState) -> io::ErrorKind {
    match state.code() {
        code if code.starts_with("28") => io::ErrorKind::PermissionDenied,
        "42501" | "25006" => io::ErrorKind::PermissionDenied,
        "53100" => io::ErrorKind::StorageFull,
        "55P03" => io::ErrorKind::ResourceBusy,
        "53200" => io::ErrorKind::OutOfMemory,
        _ => io::ErrorKind::Other,
    }
}

/// A certificate that is refused, or a password that is missing, stays so.
fn is_lasting(error: &tokio_postgres::Error) -> bool {
    let text = told(error);
    let words = ["invalid peer certificate", "password missing", "invalid configuration", "TLS was not enabled"];
    words.iter().any(|words| text.contains(words)) || text.contains("server does not support TLS")
}

/// The causes of an error, each once.
fn told(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return format!("the server said {}: {}", error.code().code(), error.message());
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
