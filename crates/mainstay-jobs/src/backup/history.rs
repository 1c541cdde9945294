//! What is known of the snapshots before a new one, and what is wrong with them.
//!
//! Owns what a backup says about the repository that it writes to. Nothing of it keeps a source from being backed up.

use mainstay_repo::{Listing, Session, SnapshotEntry, SnapshotId, SnapshotPlace};

use super::BackupRun;
use crate::Result;

/// Clocks of machines that share a repository differ; a clock that is wrong differs by more. Nanoseconds.
pub const CLOCK_TOLERANCE: i64 = 600 * 1_000_000_000;

/// No source has so many snapshots. Nothing vouches for the name of an object that cannot be read.
const SEQUENCES: u64 = 100_000_000_000;

/// The snapshots before this one.
pub struct History {
    pub entries: Vec<SnapshotEntry>,
    /// The last number that a snapshot of the source has that cannot or may not be read.
    pub unread_sequence: u64,
    /// The last snapshot of the source that this key may not read and that proves itself: what is sealed in it is not known, so
    /// nothing is taken from it.
    pub hidden: Option<SnapshotId>,
    /// Objects of the repository that are damaged or gone.
    pub problems: u64,
}

impl History {
    /// Takes the snapshots as the session found them, and warns of the objects that it did not. What is chosen from them
    /// cannot be pruned while it is believed: the session's lease is older.
    pub fn read(run: &BackupRun<'_>, session: Option<&Session<'_>>) -> Result<Self> {
        let Some(session) = session else {
            return Self::new(run, &run.repository.list_snapshots()?);
        };
        let history = Self::new(run, session.listing())?;
        for pack in session.lost_packs() {
            run.progress.warn(pack, "the pack is gone or cut short: what it held is stored again if the source has it");
        }
        Ok(Self { problems: history.problems + session.lost_packs().len() as u64, ..history })
    }

    fn new(run: &BackupRun<'_>, listing: &Listing) -> Result<Self> {
        (run.listed)(listing);
        let Listing { entries, lost, hidden, .. } = listing;
        lost.iter().for_each(|lost| run.progress.warn(&lost.name, &lost.error.to_string()));
        let source = run.repository.own_source_id(&run.options.source);
        let is_own = |place: &SnapshotPlace| place.source == source && place.sequence < SEQUENCES;
        let hidden: Vec<SnapshotPlace> = hidden.iter().copied().filter(is_own).collect();
        let unread = lost.iter().filter_map(|lost| lost.place).filter(is_own).chain(hidden.iter().copied());
        let unread_sequence = unread.map(|place| place.sequence).max().unwrap_or(0);
        let hidden = run.repository.newest_proved(&hidden)?.map(|place| place.id);
        Ok(Self { entries: entries.clone(), unread_sequence, hidden, problems: lost.len() as u64 })
    }

    /// Warns of a clock that cannot be right.
    pub fn tell(&self, run: &BackupRun<'_>, now: i64) {
        let Some(newest) = self.newest().filter(|_| self.is_ahead_of(now)) else { return };
        // All moments of an i64 lie between 1677 and 2262.
        let moment = |time| jiff::Timestamp::from_nanosecond(i128::from(time)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let shown = |time| format!("{:.0}", moment(time));
        let message = format!(
            "it is {} by this machine, and snapshot {} of {} was begun at {}",
            shown(now),
            newest.id.short(),
            newest.snapshot.source,
            shown(newest.snapshot.started)
        );
        run.progress.warn("clock", &message);
    }

    /// Whether a snapshot was begun later than now.
    pub fn is_ahead_of(&self, now: i64) -> bool {
        self.newest().is_some_and(|newest| newest.snapshot.started.saturating_sub(CLOCK_TOLERANCE) > now)
    }

    fn newest(&self) -> Option<&SnapshotEntry> {
        // One with a wrong time is forgotten to be rid of it.
        self.entries.iter().filter(|entry| !entry.forgotten).max_by_key(|entry| entry.snapshot.started)
    }
}
