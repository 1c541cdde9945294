//! The snapshots of a repository as a command sees them: those that can be read, and those that cannot.
//!
//! Owns the rule that a snapshot that cannot be read, and a history that was rewound, are told of in every form of output, and
//! that no command ends with 0 that was asked for what they may be. Which snapshot a text means is decided in `mainstay-jobs`.

use mainstay_jobs::select::Listed;
use mainstay_repo::{Repository, Right, SnapshotEntry, SnapshotId};

use crate::context::Opened;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result};
use crate::memory::{self, Rewinds};
use crate::output::Output;

/// What a command is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Snapshots that are named. Where each is found, those that cannot be read are others.
    Named,
    /// Whatever there is.
    All,
}

/// What a repository lists.
pub struct Listing<'a> {
    repository: &'a Repository,
    listed: mainstay_repo::Listing,
    /// What this machine has seen, and the repository no longer leads to.
    pub rewinds: Rewinds,
}

impl<'a> Listing<'a> {
    pub fn read(opened: &'a Opened) -> Result<Self> {
        let repository = &opened.repository;
        repository.require(Right::List, "list snapshots")?;
        let (listed, rewinds) = memory::look_at(repository)?;
        Ok(Self { repository, listed, rewinds })
    }

    /// The same for rules, which judge by every snapshot: none is left out that cannot be read but those that are forgotten.
    pub fn read_whole(opened: &'a Opened) -> Result<Self> {
        let mut listing = Self::read(opened)?;
        match listing.listed.lost.iter().rposition(|lost| !lost.forgotten) {
            Some(lost) => Err(listing.listed.lost.swap_remove(lost).error.into()),
            None => Ok(listing),
        }
    }

    /// Finds the snapshot that `text` means, of the source if one is named.
    pub fn find(&self, text: &str, source: Option<&str>) -> Result<&SnapshotEntry> {
        Ok(self.listed().find(text, source)?)
    }

    /// Finds the snapshot that `text` names to be forgotten, be it one that cannot be read.
    pub fn find_to_forget(&self, text: &str, source: Option<&str>) -> Result<SnapshotId> {
        Ok(self.listed().find_to_forget(text, source)?)
    }

    /// Makes sure that a source that was named has snapshots.
    pub fn require_source(&self, source: Option<&str>) -> Result<()> {
        Ok(self.listed().require_source(source)?)
    }

    /// Tells of the snapshots that cannot be read, and of those that were there.
    pub fn warn(&self, output: &Output) {
        self.rewinds.warn(output);
        for lost in &self.lost {
            let failure = Failure::damaged(&lost.error);
            match output.is_json() {
                true => output.warning_message(&lost.name, &failure.message),
                false => output.warn_by_code(&failure),
            }
        }
    }

    /// How a command ends that did what was asked.
    pub fn exit_code(&self, asked: Asked, otherwise: ExitCode) -> ExitCode {
        self.rewinds.exit_code(match otherwise {
            ExitCode::Success if asked == Asked::All && !self.lost.is_empty() => ExitCode::Incomplete,
            other => other,
        })
    }

    fn listed(&self) -> Listed<'_> {
        Listed { repository: self.repository, entries: &self.entries, lost: &self.lost }
    }
}

impl std::ops::Deref for Listing<'_> {
    type Target = mainstay_repo::Listing;

    fn deref(&self) -> &Self::Target {
        &self.listed
    }
}

/// Runs a query over the snapshots, after its warnings.
pub fn query(
    opened: &Opened,
    output: &Output,
    asked: Asked,
    run: impl FnOnce(&Listing<'_>) -> Result<ExitCode>,
) -> Result<ExitCode> {
    let listing = Listing::read(opened)?;
    listing.warn(output);
    match run(&listing) {
        // A reader that went away takes nothing back of how the run ended.
        Err(failure) if failure.is_silent() => Ok(listing.exit_code(asked, ExitCode::Success)),
        ended => ended.map(|code| listing.exit_code(asked, code)),
    }
}
