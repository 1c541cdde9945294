//! Which snapshot a command works on, and what in it.
//!
//! Owns the words for it, which are the same for all commands; `mainstay-jobs` finds what they mean.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use mainstay_jobs::select;
use mainstay_repo::SnapshotEntry;

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

    /// The one snapshot that a word is about.
    pub fn find<'e>(&self, entries: &'e [SnapshotEntry], word: &str) -> Result<&'e SnapshotEntry> {
        Ok(select::find_snapshot(entries, word, self.name())?)
    }
}
