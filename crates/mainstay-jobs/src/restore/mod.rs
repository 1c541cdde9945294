//! Restore: a snapshot's tree is written back beneath a target.
//!
//! Owns the order of a run: plan, apply, metadata of directories last. The plan is pure data, made in batches so that
//! memory is bounded, and each batch is applied while the next is planned. Invariant: what cannot be restored is a warning
//! that names it; a damaged or missing block loses only what was in it.

mod apply;
mod filter;
mod links;
mod owners;
mod plan;
mod planner;
mod write;

use std::path::Path;
use std::sync::Arc;

use mainstay_repo::{Content, NodeKind, Repository, SnapshotEntry, TreeReader};
use mainstay_sources::Warning;
use mainstay_sources::files::{Preserve, TargetTree};

use crate::backup::Warnings;
use crate::{Cancel, Error, Phase, Progress, Result};
use apply::Apply;
use plan::Batch;
pub use plan::{Action, PlannedEntry};
use planner::{Planner, Purpose};

/// What is done with an entry that exists in the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// Every byte is compared and what differs is rewritten.
    Always,
    /// A file of the same size and modification time is taken for the same.
    IfChanged,
    /// Only what is older in the target than in the snapshot.
    IfNewer,
    /// What exists stays as it is.
    Never,
}

/// What is done with entries of the target that the snapshot does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    Keep,
    Delete,
}

/// How far a restore goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Only the plan, told to the listener.
    Plan,
    Write,
    /// Writes, then reads everything back and compares it with the repository.
    WriteAndVerify,
}

/// What a restore is to do.
pub struct RestoreOptions {
    pub overwrite: Overwrite,
    pub extra: Extra,
    /// Patterns in gitignore syntax; none means everything.
    pub include: Vec<String>,
    pub exclude: Vec<String>,
    pub preserve: Preserve,
    pub extent: Extent,
}

/// Everything that a run works with.
pub struct RestoreRun<'a> {
    pub repository: &'a Repository,
    pub entry: &'a SnapshotEntry,
    /// A path in the snapshot whose content is restored; none for everything.
    pub path: Option<&'a [u8]>,
    pub target: &'a Path,
    pub options: &'a RestoreOptions,
    /// Is told every planned entry, in order.
    pub planned: &'a (dyn Fn(&PlannedEntry<'_>) + Sync),
    pub progress: &'a dyn Progress,
    pub cancel: &'a Cancel,
}

/// What a run did.
#[derive(Clone, Debug, Default)]
pub struct RestoreReport {
    pub files: u64,
    pub directories: u64,
    /// Links, devices, FIFOs, sockets and further names of files.
    pub others: u64,
    /// Files that were as they should be.
    pub files_unchanged: u64,
    /// Existing entries that the overwrite rule left alone.
    pub skipped: u64,
    pub deleted: u64,
    /// Content of the restored files.
    pub bytes: u64,
    /// Content that was written; less than `bytes` where files were updated in place.
    pub written_bytes: u64,
    /// Files of which something could not be read from the repository; warnings name them.
    pub lost_files: u64,
    /// Content that was read back and compared.
    pub verified_bytes: u64,
    pub warnings: Vec<Warning>,
    pub warning_count: u64,
}

/// Runs a restore.
///
/// # Errors
/// When the snapshot has no such path, the target cannot be used, the repository fails, or the run is cancelled.
pub fn restore(run: &RestoreRun<'_>) -> Result<RestoreReport> {
    refuse_repository(run)?;
    run.progress.phase(Phase::Plan);
    let _lease = match run.repository.begin_reading() {
        Err(error) if error.kind() == mainstay_repo::Kind::Busy => return Err(error.into()),
        // Without the right to write, reading still works; only a collector does not see it.
        lease => lease.ok(),
    };
    let index = run.repository.index()?;
    let trees = TreeReader::new(run.repository.block_reader(&index));
    let start = Start::find(run, &trees)?;
    let target = match run.options.extent {
        Extent::Plan if !run.target.exists() => None,
        _ => Some(TargetTree::open_or_create(run.target)?),
    };
    let warnings = Warnings::default();
    let planner = Planner::new(run, &trees, target.as_ref(), &warnings, Purpose::Write)?;
    let apply = target.as_ref().map(|target| Apply::new(run, &trees, target, &warnings));
    let mut report = write_back(planner, start, run, apply.as_ref())?;
    if let (Some(target), Extent::Write | Extent::WriteAndVerify) = (&target, run.options.extent) {
        run.progress.phase(Phase::Finish);
        target.sync()?;
    }
    if let Some(apply) = &apply {
        report.written_bytes = apply.written_bytes();
    }
    if let (Some(apply), Extent::WriteAndVerify) = (&apply, run.options.extent) {
        run.progress.phase(Phase::Verify);
        let start = Start::find(run, &trees)?;
        verify(run, &trees, start, apply)?;
        report.verified_bytes = apply.written_bytes() - report.written_bytes;
    }
    if let Some(apply) = &apply {
        report.lost_files = apply.lost_files();
    }
    (report.warnings, report.warning_count) = warnings.take();
    Ok(report)
}

/// Plans everything and applies each batch while the next one is planned.
fn write_back(
    mut planner: Planner<'_>,
    start: Start,
    run: &RestoreRun<'_>,
    apply: Option<&Apply<'_>>,
) -> Result<RestoreReport> {
    let Some(apply) = apply.filter(|_| run.options.extent != Extent::Plan) else {
        planner.plan(start, &mut |_| Ok(()))?;
        return Ok(planner.finish().0);
    };
    run.progress.phase(Phase::Restore);
    apply_while_planning(apply, |give| planner.plan(start, give))?;
    run.progress.phase(Phase::Finish);
    let (report, links) = planner.finish();
    apply.link(&links)?;
    apply.finish_directories()?;
    Ok(report)
}

/// Reads back what was restored and compares it.
fn verify(run: &RestoreRun<'_>, trees: &TreeReader, start: Start, apply: &Apply<'_>) -> Result<()> {
    let warnings = Warnings::default();
    let mut planner = Planner::new(run, trees, None, &warnings, Purpose::Compare)?;
    apply_while_planning(apply, |give| planner.plan(start, give))
}

/// Runs `plan` on this thread and applies its batches on another, one batch ahead.
fn apply_while_planning(
    apply: &Apply<'_>,
    plan: impl FnOnce(&mut dyn FnMut(Batch) -> Result<()>) -> Result<()>,
) -> Result<()> {
    let (sender, receiver) = crossbeam_channel::bounded::<Batch>(1);
    std::thread::scope(|scope| {
        let applying = scope.spawn(move || receiver.iter().try_for_each(|batch| apply.batch(batch)));
        // A receiver that is gone has failed; its error is the one that counts.
        let planned = plan(&mut |batch| sender.send(batch).map_err(|_| Error::Cancelled));
        drop(sender);
        match applying.join() {
            Ok(applied) => applied.and(planned),
            Err(_) => Err(Error::Invalid("internal error: a restore thread panicked".to_owned())),
        }
    })
}

/// A repository must not be restored into.
fn refuse_repository(run: &RestoreRun<'_>) -> Result<()> {
    let Ok(repository) = Path::new(&run.repository.location()).canonicalize() else { return Ok(()) };
    match run.target.canonicalize() {
        Ok(target) if target.starts_with(&repository) => {
            Err(Error::Invalid(format!("restore into {}: the repository lies there", run.target.display())))
        }
        _ => Ok(()),
    }
}

/// What is restored: the content of a directory, or one entry.
enum Start {
    Directory(Content),
    Entry(Box<mainstay_repo::Node>),
}

impl Start {
    fn find(run: &RestoreRun<'_>, trees: &TreeReader) -> Result<Self> {
        let root = || Self::Directory(run.entry.snapshot.root.clone());
        let Some(path) = run.path else { return Ok(root()) };
        Ok(match crate::select::find_in_snapshot(trees, run.entry, path)? {
            None => root(),
            Some(node) if node.kind == NodeKind::Directory => Self::Directory(node.content),
            Some(node) => Self::Entry(Box::new(node)),
        })
    }
}

/// A path in the target, shared by all entries of its directory.
type SharedPath = Arc<[u8]>;

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}

#[cfg(test)]
mod tests;
