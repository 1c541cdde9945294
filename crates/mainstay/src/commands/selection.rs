//! Which snapshot a command works on, and what in it.
//!
//! Owns the words for it, which are the same for all commands; `listing` finds what they mean.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use mainstay_jobs::select;

use crate::arguments::not_empty;
use crate::failure::Result;

/// A snapshot, or a path in it.
#[derive(clap::Args)]
pub struct Selection {
    /// The snapshot and a path in it
    #[arg(value_name = "SNAP[:PATH]")]
    snapshot: OsString,
    #[command(flatten)]
    pub source: OfSource,
}

impl Selection {
    /// The word for the snapshot, and the path.
    pub fn split(&self) -> Result<(&str, Option<Vec<u8>>)> {
        Ok(select::split_path(self.snapshot.as_bytes())?)
    }
}

/// The snapshots that a command looks at.
#[derive(clap::Args)]
pub struct OfSource {
    /// Only snapshots of this source count
    #[arg(long, value_name = "NAME", value_parser = not_empty())]
    source: Option<String>,
}

impl OfSource {
    pub fn name(&self) -> Option<&str> {
        self.source.as_deref()
    }
}
