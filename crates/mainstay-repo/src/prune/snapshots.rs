//! The snapshots that stay, and those that go.
//!
//! Owns reading snapshots, as far as they are clear, and marks. Opens none, and changes nothing.

use std::collections::HashSet;

use crate::error::Result;
use crate::format::coord::CondemnedSnapshot;
use crate::id::{SessionId, SnapshotId};
use crate::repository::{AllSnapshots, ProvedSnapshot, Repository};

/// Every snapshot.
#[derive(Default)]
pub struct Snapshots {
    /// Those that go, void ones among them.
    pub forgotten: Vec<ProvedSnapshot>,
    pub kept: Vec<ProvedSnapshot>,
    /// Those that came after the fence of their session, and stay for now with what is here of their blocks: nobody was told that they are
    /// there, but where the files of a repository were copied they may be what somebody relies on.
    pub void: Vec<ProvedSnapshot>,
    /// Those that cannot be read, for a repair that keeps all blocks that may be theirs; a prune goes on without none.
    pub unreadable: HashSet<SnapshotId>,
}

impl Snapshots {
    /// Reads them; one that was forgotten less than `hold` nanoseconds ago stays, and so does one that was forgotten in the
    /// future. Void ones go likewise, by the mark that the first prune puts which meets them.
    pub fn read(repository: &Repository, hold: i64) -> Result<Self> {
        let every = repository.every_snapshot()?;
        repository.confirm_history(&every)?;
        let now = (repository.liveness.now)();
        // It goes for good only by a mark that is whole, names it, and was signed by somebody who may forget.
        let is_over = |entry: &ProvedSnapshot| -> Result<bool> {
            let mark = repository.mark(entry.id())?;
            Ok(mark.is_some_and(|mark| now.saturating_sub(mark.forgotten) >= hold))
        };
        let mut snapshots = Self::default();
        for entry in every.entries {
            let goes = entry.forgotten && is_over(&entry)?;
            if goes { snapshots.forgotten.push(entry) } else { snapshots.kept.push(entry) }
        }
        for entry in every.void {
            let goes = hold <= 0 || is_over(&entry)?;
            if goes { snapshots.forgotten.push(entry) } else { snapshots.void.push(entry) }
        }
        Ok(snapshots)
    }

    /// All of them to stay, forgotten ones and those that cannot be read among them, but for those that a collector has
    /// `condemned` already.
    ///
    /// # Errors
    /// Also when one vanishes meanwhile: another collector removes it.
    pub fn all_kept(repository: &Repository, condemned: &HashSet<SnapshotId>) -> Result<Self> {
        let AllSnapshots { entries, void, lost, vanished } = repository.proved_snapshots()?;
        if let Some(vanished) = vanished {
            return Err(vanished);
        }
        let unreadable = lost.iter().filter_map(|lost| lost.place).map(|place| place.id).collect();
        let is_condemned = |entry: &ProvedSnapshot| condemned.contains(&entry.id());
        let goes = |entry: &ProvedSnapshot| entry.forgotten && is_condemned(entry);
        let (mut forgotten, kept): (Vec<_>, _) = entries.into_iter().partition(goes);
        let (doomed, void): (Vec<_>, _) = void.into_iter().partition(is_condemned);
        forgotten.extend(doomed);
        Ok(Self { forgotten, kept, void, unreadable })
    }

    pub fn kept_ids(&self) -> HashSet<SnapshotId> {
        let kept = self.kept.iter().chain(&self.void).map(ProvedSnapshot::id);
        kept.chain(self.unreadable.iter().copied()).collect()
    }

    /// Whether a snapshot stands elsewhere than a condemned list says.
    pub fn stands_elsewhere(&self, named: &CondemnedSnapshot) -> bool {
        let mut listed = self.kept.iter().chain(&self.forgotten).chain(&self.void);
        let place = (named.source, named.sequence);
        listed.any(|entry| entry.id() == named.id && (entry.signed.place.source, entry.signed.place.sequence) != place)
    }

    /// Every snapshot that was listed.
    pub fn every_id(&self) -> HashSet<SnapshotId> {
        self.forgotten.iter().map(ProvedSnapshot::id).chain(self.kept_ids()).collect()
    }

    /// Sessions whose blocks share no pack with those of others.
    pub fn independent(&self) -> HashSet<SessionId> {
        let independent = self.kept.iter().filter(|entry| entry.signed.independent);
        independent.map(|entry| entry.signed.session).collect()
    }
}
