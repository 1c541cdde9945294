//! The verbs of Mainstay (backup, restore, forget, verify, …) and the rules of when to run them.
//!
//! Owns what happens between sources and the repository. It is handed an open repository, a source and a clock, and knows
//! no environment, no terminal and no network. Invariant: what a verb will do is planned as pure data first; `--dry-run`
//! shows that very plan.

pub mod archive;
pub mod backup;
pub mod browse;
pub mod check;
mod convert;
pub mod copy;
pub mod diff;
mod error;
pub mod export;
#[cfg(test)]
mod fixture;
#[doc(hidden)]
pub mod fuzzing;
#[cfg(test)]
mod ground;
mod import;
mod own_ancestor;
pub mod progress;
mod reading;
pub mod repair;
pub mod restore;
pub mod retention;
pub mod select;
pub mod verify;
pub mod watch;

pub use error::{Error, Result};
pub use progress::{Cancel, Decision, NoProgress, Outlook, Phase, Progress};

/// Tells the time; the binary gives the real one, tests give their own.
pub trait Clock: Send + Sync {
    /// Nanoseconds since the Unix epoch.
    fn now(&self) -> i64;
}
