//! Failures as the user sees them: a code, what happened, and what to do.
//!
//! Owns the translation of every crate's errors into codes of the [`catalogue`], and the grammar of their text:
//! `error[MS-1101] what happened` and `hint: what to do`. Only this module knows both worlds.

pub mod catalogue;

use std::io;

use serde::Serialize;

use crate::exit_code::ExitCode;
use crate::output::{escape, time};
use catalogue::Code;

/// Shorthand for what commands answer.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    pub code: &'static Code,
    pub message: String,
    /// What to do, where more is known than the catalogue's general advice.
    pub hint: Option<String>,
    /// The exit code where it is not the catalogue's.
    exit_code: Option<ExitCode>,
    /// A help text that stands in for message and hint, except in JSON.
    pub help: Option<String>,
}

/// The last line of a failed run with `--json`.
#[derive(Serialize)]
pub struct ErrorMessage<'a> {
    message_type: &'static str,
    code: &'a str,
    message: String,
    hint: &'a str,
    exit_code: u8,
}

impl Failure {
    pub fn new(code: &'static Code, message: impl Into<String>) -> Self {
        let message = message.into();
        let hint = mainstay_repo::Error::tells_of_newer_secrets(&message).then(|| NEWER_SECRETS.to_owned());
        Self { code, message, hint, exit_code: None, help: None }
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says how to go on after a stop that was asked for.
    pub fn if_stopped(self, hint: &str) -> Self {
        if self.code.number == catalogue::STOPPED.number { self.with_hint(hint) } else { self }
    }

    pub fn with_exit_code(mut self, exit_code: ExitCode) -> Self {
        self.exit_code = Some(exit_code);
        self
    }

    /// Shows a help text instead of an error.
    pub fn with_help(mut self, help: String) -> Self {
        self.help = Some(help);
        self
    }

    /// A request that makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(&catalogue::USAGE, message)
    }

    /// What this program cannot do with a file that is neither source nor repository.
    pub fn file(verb: &str, path: &std::path::Path, error: &io::Error) -> Self {
        Self::new(&catalogue::FILE, format!("{verb} {}: {error}", path.display()))
    }

    /// Damage that does not end the run.
    pub fn damaged(error: &mainstay_repo::Error) -> Self {
        Self::new(&catalogue::DAMAGED, error.to_string()).with_exit_code(ExitCode::Incomplete)
    }

    pub fn exit_code(&self) -> ExitCode {
        self.exit_code.unwrap_or(self.code.exit_code)
    }

    pub fn hint(&self) -> &str {
        self.hint.as_deref().unwrap_or(self.code.hint)
    }

    /// Whether there is nobody left to tell: the reader of the output has gone away.
    pub fn is_silent(&self) -> bool {
        self.code.number == catalogue::OUTPUT_CLOSED.number
    }

    /// The shape that `--json` prints.
    pub fn as_message(&self) -> ErrorMessage<'_> {
        ErrorMessage {
            message_type: "error",
            code: self.code.number,
            message: self.message.clone(),
            hint: self.hint(),
            exit_code: self.exit_code().number(),
        }
    }

    /// What happened, safe to print.
    pub fn text(&self) -> String {
        escape::message(&self.message)
    }
}

impl From<mainstay_repo::Error> for Failure {
    fn from(error: mainstay_repo::Error) -> Self {
        use mainstay_repo::Error as E;
        let code = match &error {
            E::Store { source, .. } => of_store(source, error.kind()),
            E::NoRepository { .. } => &catalogue::NO_REPOSITORY,
            E::Occupied { .. } => &catalogue::OCCUPIED,
            E::Missing { .. } => &catalogue::MISSING,
            E::BlockMissing { .. } => &catalogue::BLOCK_MISSING,
            E::Damaged { .. } => &catalogue::DAMAGED,
            E::HistoryGap { .. } => &catalogue::HISTORY_GAP,
            E::WrongKey { .. } => &catalogue::WRONG_KEY,
            E::NotAllowed { .. } => &catalogue::NOT_ALLOWED,
            E::KeysLeftOut { .. } => &catalogue::KEYS_LEFT_OUT,
            E::TooNew { .. } => &catalogue::TOO_NEW,
            E::Fenced { .. } => &catalogue::FENCED,
            E::Condemned { .. } => &catalogue::CONDEMNED,
            E::Held { .. } => &catalogue::ARCHIVE_HELD,
            E::Sealed { .. } => &catalogue::ARCHIVE_SEALED,
            E::Limit { .. } => &catalogue::LIMIT,
            E::Invalid(_) => &catalogue::INVALID,
            E::Cancelled => &catalogue::STOPPED,
            E::Random(_) => &catalogue::RANDOM,
            E::Bug(_) => &catalogue::BUG,
            E::SessionFailed { .. } => of_kind(error.kind()),
        };
        let hint = match &error {
            E::WrongKey { slots: 0, .. } => Some(NO_SLOTS_HINT.to_owned()),
            E::Store { source, .. } => host_key(source).map(|refused| refused.hint.clone()),
            _ => None,
        };
        let message = match &error {
            E::Held { until, .. } => format!("{error} until {}", time::utc(*until)),
            _ => error.to_string(),
        };
        let failure = Self::new(code, message);
        Self { hint: hint.or(failure.hint), ..failure }
    }
}

/// What to do where `latest` cannot be had: a person decides whether an older one will do.
fn hint_of_lost(newest: Option<(mainstay_repo::SnapshotId, i64)>) -> String {
    match newest {
        Some((id, started)) => {
            format!("the newest that can be read is {} of {}: name it if it will do", id.short(), time::local(started))
        }
        None => "none that is meant can be read".to_owned(),
    }
}

/// What to do where nothing but the key in use is out of date, as after a rotation that was killed.
pub const NEWER_SECRETS: &str = "a key with the newer secrets reads it: take this one along by `mainstay key rotate --take-along FILE` with that; if no \
                                 key has them, bring the newest objects of keys/slots back from another copy of the repository";

/// No secret opens a repository whose key slots are gone.
const NO_SLOTS_HINT: &str = "the objects of keys/slots are missing, and without them nothing can be read: bring them back from another copy \
                             of the repository";

/// The code of an error that tells no more than its kind.
fn of_kind(kind: mainstay_repo::Kind) -> &'static Code {
    use mainstay_repo::Kind;
    match kind {
        Kind::NotFound => &catalogue::NO_REPOSITORY,
        Kind::Corrupt => &catalogue::DAMAGED,
        Kind::Denied => &catalogue::WRONG_KEY,
        Kind::Busy => &catalogue::FENCED,
        Kind::Unavailable => &catalogue::STORE,
        Kind::NoSpace => &catalogue::NO_SPACE,
        Kind::Unsupported => &catalogue::TOO_NEW,
        Kind::Invalid => &catalogue::INVALID,
        Kind::Cancelled => &catalogue::STOPPED,
        Kind::Bug => &catalogue::BUG,
    }
}

fn of_target(error: &mainstay_sources::Error) -> &'static Code {
    match error.io().map(io::Error::kind) {
        Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => &catalogue::TARGET_FULL,
        _ => &catalogue::TARGET,
    }
}

fn of_store(source: &io::Error, kind: mainstay_repo::Kind) -> &'static Code {
    match (kind, source.kind()) {
        (mainstay_repo::Kind::NoSpace, _) => &catalogue::NO_SPACE,
        (mainstay_repo::Kind::Corrupt, _) => &catalogue::DAMAGED,
        (_, io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => &catalogue::STORE_DENIED,
        _ if host_key(source).is_some() => &catalogue::HOST_KEY,
        _ => &catalogue::STORE,
    }
}

/// What is wrong with the key of a server, if that is what ended a call.
fn host_key(source: &io::Error) -> Option<&mainstay_stores::HostKey> {
    source.get_ref()?.downcast_ref()
}

impl From<mainstay_jobs::Error> for Failure {
    fn from(error: mainstay_jobs::Error) -> Self {
        use mainstay_jobs::Error as E;
        let code = match error {
            E::Repository(error) => return error.into(),
            E::Source(error) => return error.into(),
            E::NoSnapshot { .. } => &catalogue::NO_SNAPSHOT,
            E::NoPath { .. } => &catalogue::NO_PATH,
            E::LostSnapshot { newest, .. } => {
                let failure = Self::new(&catalogue::DAMAGED, error.to_string());
                let more = failure.hint.as_deref().unwrap_or("do not prune, and see `mainstay check`");
                let hint = format!("{}; {more}", hint_of_lost(newest));
                return failure.with_hint(hint);
            }
            E::NoSource { ref known, .. } => {
                let failure = Self::new(&catalogue::NO_SNAPSHOT, error.to_string());
                return if known.is_empty() {
                    failure
                } else {
                    failure.with_hint(format!("there are some of {known}"))
                };
            }
            E::Invalid(_) => &catalogue::INVALID,
            E::DeleteBesideFile { .. } => {
                let hint = "leave out --delete, or name the directory that the file is in";
                return Self::new(&catalogue::INVALID, error.to_string()).with_hint(hint);
            }
            E::Target(ref error) => of_target(error),
            E::NotWhole { .. } => &catalogue::DAMAGED,
            E::Tar { .. } => &catalogue::BROKEN_TAR,
            E::TargetNotEmpty { .. } => &catalogue::TARGET_NOT_EMPTY,
            E::Cancelled => &catalogue::STOPPED,
        };
        Self::new(code, error.to_string())
    }
}

impl From<mainstay_sources::Error> for Failure {
    fn from(error: mainstay_sources::Error) -> Self {
        use mainstay_sources::Error as E;
        let code = match &error {
            E::Io { .. } | E::Replaced { .. } => &catalogue::SOURCE,
            E::Refused { .. } => &catalogue::REFUSED_NAME,
            E::Rule { .. } => &catalogue::RULE,
        };
        Self::new(code, error.to_string())
    }
}

/// An error of standard output; those of files are told apart by [`Failure::file`].
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let code = match error.kind() {
            io::ErrorKind::BrokenPipe => &catalogue::OUTPUT_CLOSED,
            _ => &catalogue::OUTPUT,
        };
        Self::new(code, format!("write standard output: {error}"))
    }
}

#[cfg(test)]
mod tests;
