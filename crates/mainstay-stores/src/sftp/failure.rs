//! What went wrong on the way to a server, as the engine and people are told it.
//!
//! Owns which error means absence, which one passes, and which one is for a person to decide. Invariant: only the server's plain
//! word "no such file" is absence, and no error of a connection has a kind by which the engine takes an object for lost.

use std::fmt;
use std::io;

use super::wire::{Refusal, code};

/// The key of a server is not the one that is known, or none is.
#[derive(Debug)]
pub struct HostKey {
    pub trust: Trust,
    /// How to go on, for a person.
    pub hint: String,
    message: String,
}

/// What is known of the key that a server has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    Unknown,
    Changed,
    Revoked,
}

impl HostKey {
    pub fn new(trust: Trust, message: String, hint: String) -> Self {
        Self { trust, hint, message }
    }
}

impl fmt::Display for HostKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for HostKey {}

/// Why there is no connection.
#[derive(Debug)]
pub enum NoLine {
    HostKey(HostKey),
    Ssh(russh::Error),
}

impl From<russh::Error> for NoLine {
    fn from(error: russh::Error) -> Self {
        Self::Ssh(error)
    }
}

impl From<NoLine> for io::Error {
    fn from(error: NoLine) -> Self {
        match error {
            NoLine::HostKey(error) => Self::other(error),
            NoLine::Ssh(russh::Error::NoCommonAlgo { kind, theirs, .. }) => Self::other(told(&format!(
                "the server knows no {kind:?} algorithm that is known here (RSA keys of servers are not); it has {}",
                theirs.join(", ")
            ))),
            NoLine::Ssh(error) => passing(&format!("the connection ended: {error}")),
        }
    }
}

/// An error after which the same may be tried anew on another connection.
pub fn passing(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, told(message))
}

/// No answer came in time.
pub fn late(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("the server did not answer in time: {what}"))
}

/// Whether a connection broke or no answer came: what was asked for may have been done.
pub fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::TimedOut)
}

/// What an answer to a request means.
pub fn of_answer(what: &str, refusal: Refusal) -> io::Error {
    match refusal {
        Refusal::Status(code, said) => {
            let (kind, word) = match code {
                code::EOF => (io::ErrorKind::Other, "Eof"),
                code::NO_SUCH_FILE => (io::ErrorKind::NotFound, "No such file"),
                code::PERMISSION_DENIED => (io::ErrorKind::PermissionDenied, "Permission denied"),
                code::NO_CONNECTION | code::CONNECTION_LOST => (io::ErrorKind::ConnectionAborted, "Connection lost"),
                code::UNSUPPORTED => (io::ErrorKind::Unsupported, "Operation unsupported"),
                _ => (io::ErrorKind::Other, "Failure"),
            };
            let is_more = !said.is_empty() && !said.eq_ignore_ascii_case(word);
            let reason = if is_more { format!("{word}: {said}") } else { word.to_owned() };
            io::Error::new(kind, told(&format!("{what}: the server said {reason}")))
        }
        Refusal::Late => late(what),
        // Nothing more can be asked on this channel.
        Refusal::Broken(problem) => passing(&format!("{what}: {problem}")),
    }
}

/// A server's words, short and in one line.
fn told(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_TOLD).collect()
}

/// Characters of an error that are told.
const LONGEST_TOLD: usize = 400;
