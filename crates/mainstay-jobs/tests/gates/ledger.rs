//! What a repository must hold, kept beside it: the model that every gate compares with.
//!
//! Owns what was confirmed, what was under way, and the two looks at a store: is everything confirmed there, and does the
//! next command succeed alone. Knows nothing of how a store came into its state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mainstay_jobs::check::{Severity, check};
use mainstay_jobs::{Cancel, NoProgress};
use mainstay_repo::{Error, Kind, Repository, SnapshotEntry, SnapshotId, Store};

use crate::commands::{Process, back_up, heal, secret};
use crate::tree::{Reader, Tree};

/// Why a look failed, in words.
pub type Verdict = Result<(), String>;

/// What is known of a repository.
#[derive(Clone, Default)]
pub struct Ledger {
    /// Its creation was confirmed.
    pub exists: bool,
    /// Snapshots that were confirmed and not forgotten.
    pub kept: BTreeMap<SnapshotId, Tree>,
    /// Snapshots that are forgotten, or may be.
    pub leaving: BTreeMap<SnapshotId, Tree>,
    /// Those whose forgetting was confirmed: they are not shown as kept again.
    pub forgotten: BTreeSet<SnapshotId>,
    /// Those that a prune has confirmed to have removed: they do not come back.
    pub removed: BTreeSet<SnapshotId>,
    /// Trees whose backup was not confirmed: a snapshot of one may be there, whole.
    pub under_way: Vec<Tree>,
    /// Codes that open it, by label; the first is never removed.
    pub codes: Vec<(String, String)>,
    /// Codes that must not open it any more.
    pub removed_codes: Vec<String>,
    /// Parity was made of every pack that was there.
    pub has_parity: bool,
    /// A pack is damaged as far as its parity can undo it, and nobody has said that it is whole again.
    pub is_damaged: bool,
    /// What the source holds.
    pub tree: Tree,
    /// Commands so far: labels and seeds come from it.
    pub step: u64,
}

impl Ledger {
    /// A forgotten snapshot that no prune has confirmed to have removed.
    pub fn undeletable(&self) -> Option<SnapshotId> {
        self.forgotten.iter().find(|id| !self.removed.contains(*id) && self.leaving.contains_key(id)).copied()
    }

    /// Looks whether everything confirmed is there: every key opens, every snapshot restores to the bytes that it had, and
    /// what was under way is there whole or not at all.
    pub fn look(&self, store: &Arc<dyn Store>, process: &Process) -> Verdict {
        let Some(repository) = self.open(store, process)? else { return Ok(()) };
        self.look_at_keys(store, process)?;
        if self.is_damaged {
            heal(&repository).map_err(|error| format!("the next repair: {error}"))?;
        }
        self.look_at_snapshots(&repository)
    }

    fn open(&self, store: &Arc<dyn Store>, process: &Process) -> Result<Option<Repository>, String> {
        match Repository::open(Arc::clone(store), &secret(&self.codes[0].1), process.liveness()) {
            Ok(repository) => Ok(Some(repository)),
            Err(Error::NoRepository { .. }) if !self.exists => Ok(None),
            // Not even its directory is there.
            Err(error) if !self.exists && error.kind() == Kind::Unavailable => Ok(None),
            Err(error) => Err(format!("open: {error}")),
        }
    }

    /// Whether there is a repository that opens.
    pub fn look_whether_it_exists(&self, store: &Arc<dyn Store>, process: Process) -> bool {
        self.open(store, &process).is_ok_and(|repository| repository.is_some())
    }

    fn look_at_keys(&self, store: &Arc<dyn Store>, process: &Process) -> Verdict {
        let opens = |code: &String| Repository::open(Arc::clone(store), &secret(code), process.liveness()).map(drop);
        for (label, code) in &self.codes[1..] {
            opens(code).map_err(|error| format!("open with key {label}: {error}"))?;
        }
        match self.removed_codes.iter().find(|code| opens(code).is_ok()) {
            Some(_) => Err("a key that was removed opens the repository".to_owned()),
            None => Ok(()),
        }
    }

    fn look_at_snapshots(&self, repository: &Repository) -> Verdict {
        let entries = repository.snapshots().map_err(|error| format!("list snapshots: {error}"))?;
        // A crash leaves no gap: what is removed was recorded before.
        repository.require_whole_history().map_err(|error| format!("look at the history: {error}"))?;
        let reader = Reader::new(repository).map_err(|error| format!("open the index: {error}"))?;
        if let Some(back) = entries.iter().find(|entry| self.removed.contains(&entry.id)) {
            return Err(format!("snapshot {} was pruned and is back", back.id));
        }
        for entry in entries.iter().filter(|entry| !entry.forgotten) {
            if self.forgotten.contains(&entry.id) {
                return Err(format!("snapshot {} was forgotten and is kept again", entry.id));
            }
            let tree = reader.read(entry).map_err(|error| format!("restore {}: {error}", entry.id))?;
            let is_right = match self.kept.get(&entry.id).or_else(|| self.leaving.get(&entry.id)) {
                Some(expected) => tree == *expected,
                None => self.under_way.contains(&tree),
            };
            if !is_right {
                return Err(format!("snapshot {} restores to something else", entry.id));
            }
        }
        let is_there = |id: &SnapshotId| entries.iter().any(|entry| entry.id == *id && !entry.forgotten);
        match self.kept.keys().find(|id| !is_there(id)) {
            Some(lost) => Err(format!("snapshot {lost} was confirmed and is lost")),
            None => Ok(()),
        }
    }

    /// Goes on by itself: creates what there is not, backs up, prunes and checks, and loses nothing by it.
    pub fn go_on(&self, store: &Arc<dyn Store>, process: &Process) -> Verdict {
        let repository = match self.open(store, process)? {
            Some(repository) => repository,
            None => Repository::create(Arc::clone(store), &secret(&self.codes[0].1), "again", process.liveness(), 1)
                .map_err(|error| format!("create again: {error}"))?,
        };
        let mut after = self.clone();
        let entry = self.back_up_next(&repository)?;
        after.kept.insert(entry.id, self.next_tree());
        after.look_at_snapshots(&repository).map_err(|why| format!("after the next backup: {why}"))?;
        repository.prune().map_err(|error| format!("the next prune: {error}"))?;
        after.look_at_snapshots(&repository).map_err(|why| format!("after the next prune: {why}"))?;
        let report = check(&repository, &NoProgress, &Cancel::default()).map_err(|error| format!("check: {error}"))?;
        match report.findings.iter().find(|finding| finding.severity == Severity::Damage) {
            Some(finding) => Err(format!("check finds {}: {}", finding.object, finding.problem)),
            None => Ok(()),
        }
    }

    /// The tree that [`Ledger::go_on`] backs up.
    pub fn next_tree(&self) -> Tree {
        self.tree.later(self.step + 1000)
    }

    fn back_up_next(&self, repository: &Repository) -> Result<SnapshotEntry, String> {
        back_up(repository, &self.next_tree()).map_err(|error| format!("the next backup: {error}"))
    }
}
