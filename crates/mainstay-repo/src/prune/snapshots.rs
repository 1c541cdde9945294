//! The snapshots that stay, and those that go.
//!
//! Owns reading snapshots, as far as they are clear, and marks. Opens none, and changes nothing.

use std::collections::HashSet;

use crate::error::Result;
use crate::format::coord::CondemnedSnapshot;
use crate::id::{SessionId, SnapshotId};
use crate::repository::{AllSnapshots, ProvedSnapshot, Repository};

/// Every snapshot.
pub struct Snapshots {
    pub forgotten: Vec<ProvedSnapshot>,
    pub kept: Vec<ProvedSnapshot>,
    /// Those that came after the fence of their session: nobody was told that they are there.
    pub void: Vec<ProvedSnapshot>,
    /// Those that cannot be read, for a repair that keeps all blocks that may be theirs; a prune goes on without none.
    pub unreadable: HashSet<SnapshotId>,
}

impl Snapshots {
    /// Reads them; one that was forgotten less than `hold` nanoseconds ago stays, and so does one that was forgotten in the
    /// future.
    pub fn read(repository: &Repository, hold: i64) -> Result<Self> {
        let every = repository.every_snapshot()?;
        repository.confirm_history(&every)?;
        let now = (repository.liveness.now)();
        let (mut forgotten, mut kept) = (Vec::new(), Vec::new());
        for entry in every.entries {
            // It goes for good only by a mark that is whole, names it, and was signed by somebody who may forget.
            let mark = if entry.forgotten { repository.mark(entry.id())? } else { None };
            let goes = mark.is_some_and(|mark| now.saturating_sub(mark.forgotten) >= hold);
            if goes { forgotten.push(entry) } else { kept.push(entry) }
        }
        Ok(Self { forgotten, kept, void: every.void, unreadable: HashSet::new() })
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
        let goes = |entry: &ProvedSnapshot| entry.forgotten && condemned.contains(&entry.id());
        let (forgotten, kept) = entries.into_iter().partition(goes);
        Ok(Self { forgotten, kept, void, unreadable })
    }

    pub fn kept_ids(&self) -> HashSet<SnapshotId> {
        self.kept.iter().map(ProvedSnapshot::id).chain(self.unreadable.iter().copied()).collect()
    }

    /// Whether a snapshot stands elsewhere than a condemned list says.
    pub fn stands_elsewhere(&self, named: &CondemnedSnapshot) -> bool {
        let mut listed = self.kept.iter().chain(&self.forgotten).chain(&self.void);
        let place = (named.source, named.sequence);
        listed.any(|entry| entry.id() == named.id && (entry.signed.place.source, entry.signed.place.sequence) != place)
    }

    /// Every snapshot that was listed.
    pub fn every_id(&self) -> HashSet<SnapshotId> {
        let listed = self.forgotten.iter().chain(&self.void).map(ProvedSnapshot::id);
        listed.chain(self.kept_ids()).collect()
    }

    /// Sessions whose blocks share no pack with those of others.
    pub fn independent(&self) -> HashSet<SessionId> {
        let independent = self.kept.iter().filter(|entry| entry.signed.independent);
        independent.map(|entry| entry.signed.session).collect()
    }
}
