//! Copy: snapshots of one repository become snapshots of another one, which has other keys.
//!
//! Owns which of them have a copy already, the order, and that a snapshot is copied whole or not at all. A copy is a backup of which the
//! source is a snapshot: what makes a backup parallel, deduplicated, resumable and safe beside others is the same here. In the
//! repository that is read it is a reader.

mod content;
mod pages;
mod source;

use std::collections::HashMap;

use mainstay_repo::{
    Error as RepositoryError, Kind, Origin, Repository, RepositoryId, Sharing, SnapshotEntry, SnapshotId, TreeReader,
};
use mainstay_sources::files::Owners;

use crate::backup::{BackupOptions, BackupReport, BackupRun, Copied, Input, Mode, Requested, backup};
use crate::select::in_order;
use crate::{Cancel, Clock, Error, Progress, Result, reading};
use source::SnapshotSource;

/// A collector that took the session for gone did so once; twice is another matter.
const ATTEMPTS: u32 = 3;

/// Everything that a run works with.
pub struct CopyRun<'a> {
    pub from: &'a Repository,
    pub to: &'a Repository,
    pub clock: &'a dyn Clock,
    pub progress: &'a dyn Progress,
    pub cancel: &'a Cancel,
    /// Program and version, for the record.
    pub program: String,
}

/// What is to be done.
#[derive(Debug, Default)]
pub struct CopyPlan<'e> {
    /// Snapshots without a copy, in the order in which they are copied.
    pub missing: Vec<&'e SnapshotEntry>,
    /// Those with one, and which that is.
    pub present: Vec<(&'e SnapshotEntry, SnapshotId)>,
}

/// A snapshot that was copied.
pub struct CopiedSnapshot {
    pub original: SnapshotId,
    pub copy: SnapshotEntry,
    pub stored_bytes: u64,
    pub new_bytes: u64,
}

/// What a run did.
#[derive(Default)]
pub struct CopyReport {
    pub copied: Vec<CopiedSnapshot>,
    /// Snapshots that could not be read whole, and why.
    pub left_out: Vec<(SnapshotId, Error)>,
    /// Damage of the repository that was written to, as the copies met it; they are whole without it.
    pub problems: u64,
}

/// Where a snapshot was made, by itself or by what it is a copy of.
pub fn origin_of(repository: RepositoryId, entry: &SnapshotEntry) -> Origin {
    entry.snapshot.origin.unwrap_or(Origin { repository, snapshot: entry.id })
}

/// Decides which of the `wanted` snapshots, of the repository `from`, have no copy among what `to` holds. One that was forgotten
/// there counts as no copy when `forgotten` says so.
pub fn plan_copy<'e>(
    (from, wanted): (RepositoryId, Vec<&'e SnapshotEntry>),
    (to, held): (RepositoryId, &[SnapshotEntry]),
    forgotten: Forgotten,
) -> CopyPlan<'e> {
    let counts = |entry: &&SnapshotEntry| match entry.forgotten {
        true => forgotten == Forgotten::StaysAway,
        // Nobody says that it is whole.
        false => !entry.unconfirmed,
    };
    let copies: HashMap<Origin, SnapshotId> =
        held.iter().filter(counts).map(|entry| (origin_of(to, entry), entry.id)).collect();
    let mut plan = CopyPlan::default();
    for entry in in_order(wanted) {
        match copies.get(&origin_of(from, entry)) {
            Some(copy) => plan.present.push((entry, *copy)),
            None => plan.missing.push(entry),
        }
    }
    plan
}

/// What becomes of a snapshot whose copy was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgotten {
    StaysAway,
    /// It was asked for by name.
    IsCopiedAgain,
}

/// Those of the snapshots that a repository holds of which every block is in a pack that is listed with its length: a copy whose
/// content is gone is none.
///
/// # Errors
/// When the store does not answer.
pub fn standing(to: &Repository, mut held: Vec<SnapshotEntry>) -> Result<Vec<SnapshotEntry>> {
    to.removed()?.doubt_what_came_back(&mut held);
    // Packs before the index, as a session does it.
    let packs = to.list_packs()?;
    let index = to.index()?;
    let gone = index.packs_beside(&packs);
    let is_there = |block| Ok(index.find_block(block)?.is_some_and(|place| !gone.contains(&place.pack)));
    let mut standing = Vec::with_capacity(held.len());
    for entry in held {
        // What was forgotten may be about to go.
        if entry.forgotten {
            standing.push(entry);
            continue;
        }
        let looked = to
            .references(&entry)
            .and_then(|blocks| blocks.iter().try_fold(true, |all, block| Ok(all && is_there(block)?)));
        match looked {
            Ok(true) => standing.push(entry),
            Ok(false) => {}
            Err(error) if error.kind() == Kind::Corrupt => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(standing)
}

/// Copies what a plan says; `all` are the snapshots of the repository that is read.
///
/// # Errors
/// Those that the next snapshot would meet as well: a store that fails, a key that may not, a stop. What cannot be read of a
/// snapshot leaves that one out. What was copied until then is there.
pub fn copy(run: &CopyRun<'_>, plan: &CopyPlan<'_>, all: &[SnapshotEntry]) -> Result<CopyReport> {
    let _lease = reading::begin(run.from, run.progress)?;
    let index = run.from.index()?;
    let held = standing(run.to, run.to.list_snapshots()?.entries)?;
    let mut copies: HashMap<Origin, SnapshotId> = held
        .iter()
        .filter(|entry| !entry.forgotten && !entry.unconfirmed && run.to.is_own(&entry.snapshot))
        .map(|entry| (origin_of(run.to.id(), entry), entry.id))
        .collect();
    let mut report = CopyReport::default();
    for entry in &plan.missing {
        let before = before(run.from, entry, all, &copies);
        let trees = || TreeReader::new(run.from.block_reader(&index));
        match copy_one(run, entry, before, &trees) {
            Ok(done) => {
                let Some(copy) = done.entry else { continue };
                copies.insert(origin_of(run.from.id(), entry), copy.id);
                report.problems = report.problems.max(done.repository_problems);
                let (stored_bytes, new_bytes) = (done.stored_bytes, done.new_bytes);
                report.copied.push(CopiedSnapshot { original: entry.id, copy, stored_bytes, new_bytes });
            }
            Err(error) if is_of_snapshot(&error) => report.left_out.push((entry.id, error)),
            Err(error) => return Err(error),
        }
    }
    Ok(report)
}

/// Whether an error says something of one snapshot only.
fn is_of_snapshot(error: &Error) -> bool {
    match error {
        Error::Repository(error) => error.kind() == Kind::Corrupt,
        Error::NotWhole { .. } | Error::Source(_) => true,
        _ => false,
    }
}

/// The last snapshot of the same source before this one that has a copy, and that copy: what is the same in both is not read.
fn before<'e>(
    from: &Repository,
    entry: &SnapshotEntry,
    all: &'e [SnapshotEntry],
    copies: &HashMap<Origin, SnapshotId>,
) -> Option<(&'e SnapshotEntry, SnapshotId)> {
    let source = from.source_id_of(&entry.snapshot);
    let is_before = |other: &&SnapshotEntry| {
        other.snapshot.sequence < entry.snapshot.sequence && from.source_id_of(&other.snapshot) == source
    };
    let with_copy = |other: &'e SnapshotEntry| Some((other, *copies.get(&origin_of(from.id(), other))?));
    let candidates = all.iter().filter(is_before).filter_map(with_copy);
    candidates.max_by_key(|(other, _)| other.snapshot.sequence)
}

fn copy_one(
    run: &CopyRun<'_>,
    entry: &SnapshotEntry,
    before: Option<(&SnapshotEntry, SnapshotId)>,
    trees: &dyn Fn() -> TreeReader,
) -> Result<BackupReport> {
    let mut attempt = 1;
    loop {
        let root_before = before.map(|(other, _)| other.snapshot.root.clone());
        let source = SnapshotSource::new(trees(), entry.snapshot.root.clone(), root_before);
        let names = source.names();
        let before = before.map(|(_, copy)| copy);
        let origin = origin_of(run.from.id(), entry);
        let copied = Copied { original: entry.snapshot.clone(), origin, before, names };
        let done = backup(&BackupRun {
            repository: run.to,
            input: Input::Tree(&source),
            options: &options(run, copied),
            clock: run.clock,
            progress: run.progress,
            cancel: run.cancel,
            listed: &|_| {},
        });
        // The reason is told by whoever met it, and not by whoever was told of it.
        match (done, source.take_failure()) {
            (Err(Error::NotWhole { .. } | Error::Source(_) | Error::Cancelled), Some(failure))
                if !run.cancel.is_requested() =>
            {
                return Err(failure.into());
            }
            (Err(Error::Repository(RepositoryError::Fenced { .. })), _) if attempt < ATTEMPTS => attempt += 1,
            (done, _) => return done,
        }
    }
}

fn options(run: &CopyRun<'_>, copied: Copied) -> BackupOptions {
    let original = &copied.original;
    BackupOptions {
        source: original.source.clone(),
        host: original.host.clone(),
        user: original.user.clone(),
        paths: original.paths.iter().map(|path| path.to_vec()).collect(),
        tags: original.tags.clone(),
        requested: Requested::Incremental,
        sharing: Sharing::Shared,
        mode: Mode::Store,
        program: run.program.clone(),
        owner_names: Owners::default(),
        copied: Some(copied),
    }
}

#[cfg(test)]
mod tests;
