//! What an error of SQLite means to the engine.
//!
//! Owns the way from result codes to kinds of [`io::Error`]. Never makes `NotFound` of one, and `InvalidData` only where
//! it is sure that an object of that name is there and cannot be read.

use std::io;
use std::path::Path;

use rusqlite::{ErrorCode, ffi};

/// Why a transaction came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    Sqlite(rusqlite::Error),
    /// What the contract asks for, in its own terms.
    Answer(io::Error),
}

pub(super) type Outcome<T> = Result<T, Failure>;

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Answer(error)
    }
}

impl Failure {
    /// An answer of a kind, with its reason.
    pub fn answer(kind: io::ErrorKind, reason: impl Into<String>) -> Self {
        Self::Answer(io::Error::new(kind, reason.into()))
    }

    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Sqlite(error) => error.sqlite_error_code(),
            Self::Answer(_) => None,
        }
    }

    /// Whether the connection is as good as before. After an error of the disk nothing is known of it, and one that
    /// may only read, or whose file was moved, must be opened anew to learn that this has changed.
    pub fn spares_connection(&self) -> bool {
        match self.code() {
            Some(code) => matches!(
                code,
                ErrorCode::DiskFull
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
                    | ErrorCode::ConstraintViolation
            ),
            None => matches!(self, Self::Answer(_)),
        }
    }

    /// The same, met while the bytes of an object were read whose row is sound: they are lost, be it that the database is
    /// damaged there or that the disk cannot read the place any more.
    pub fn in_bytes(self) -> Self {
        let reason = match &self {
            Self::Sqlite(error) if extended_code(error) == Some(ffi::SQLITE_IOERR_CORRUPTFS) => {
                "the disk cannot read the place of its bytes"
            }
            _ if self.code() == Some(ErrorCode::DatabaseCorrupt) => "the database is damaged where its bytes are",
            _ => return self,
        };
        Self::answer(io::ErrorKind::InvalidData, reason)
    }

    /// What the engine is told.
    pub fn into_io(self, doing: &str, path: &Path) -> io::Error {
        let (kind, reason) = match self {
            Self::Answer(error) => (error.kind(), error.to_string()),
            Self::Sqlite(error) => (kind_of(&error), reason_of(&error)),
        };
        io::Error::new(kind, format!("{doing} in {}: {reason}", path.display()))
    }
}

fn extended_code(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code)
}

fn kind_of(error: &rusqlite::Error) -> io::ErrorKind {
    match (error.sqlite_error_code(), extended_code(error)) {
        (Some(ErrorCode::DiskFull), _) => io::ErrorKind::StorageFull,
        // Both may be otherwise a moment later, on the right machine or with the right file.
        (_, Some(ffi::SQLITE_READONLY_DBMOVED | ffi::SQLITE_READONLY_ROLLBACK)) => io::ErrorKind::Other,
        (Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied), _) => io::ErrorKind::PermissionDenied,
        (Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked), _) => io::ErrorKind::ResourceBusy,
        (Some(ErrorCode::OutOfMemory), _) => io::ErrorKind::OutOfMemory,
        _ => io::ErrorKind::Other,
    }
}

fn reason_of(error: &rusqlite::Error) -> String {
    match (error.sqlite_error_code(), extended_code(error)) {
        (_, Some(ffi::SQLITE_READONLY_DBMOVED)) => "the file was moved or deleted while it was in use".to_owned(),
        (_, Some(ffi::SQLITE_READONLY_ROLLBACK)) => {
            "a write that was cut short must be undone first, and the file can only be read".to_owned()
        }
        (Some(ErrorCode::SystemIoFailure), Some(code)) => format!("{error} (SQLite's code {code})"),
        _ => error.to_string(),
    }
}
