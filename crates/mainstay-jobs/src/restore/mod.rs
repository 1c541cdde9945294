//! Restore: a snapshot's tree is written back beneath a target.
//!
//! Owns the order of a run: plan, apply, metadata of directories last. The plan is pure data, made in batches so that
//! memory is bounded, and each batch is applied while the next is planned. Invariant: what cannot be restored is a warning
//! that names it; a damaged or missing block loses only what was in it.

mod apply;
mod choose;
mod compare;
mod file;
mod filter;
mod guard;
mod left_out;
mod links;
mod owners;
mod passed_over;
mod plan;
mod planner;
mod ranges;
mod telling;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mainstay_repo::{Content, NodeKind, Repository, SnapshotEntry, TreeReader};
use mainstay_sources::Warning;
use mainstay_sources::files::{InTheWay, Preserve, TargetTree};

use crate::backup::Warnings;
use crate::{Cancel, Error, Outlook, Phase, Progress, Result, reading};
use apply::Apply;
use guard::Guard;
pub use left_out::LeftOut;
use plan::Batch;
pub use plan::{Action, PlannedEntry};
use planner::{Planned, Planner, Purpose};
use telling::Telling;

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

impl Extra {
    /// What may go where something of the snapshot belongs.
    fn in_the_way(self) -> InTheWay {
        match self {
            Self::Keep => InTheWay::AllButEntries,
            Self::Delete => InTheWay::Everything,
        }
    }
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
    /// Directories of which nothing is deleted, wherever they lie: what opens repositories.
    pub spared: Vec<PathBuf>,
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
    /// Whether prune was kept away meanwhile.
    pub is_leased: bool,
    /// Files by their names: one with two names counts twice, as in the snapshot's own statistics.
    pub files: u64,
    pub directories: u64,
    /// Symbolic links, devices, FIFOs and sockets.
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
    /// The sizes of those files.
    pub lost_bytes: u64,
    /// Content that was read back and compared.
    pub verified_bytes: u64,
    pub left_out: LeftOut,
    pub warnings: Vec<Warning>,
    pub warning_count: u64,
}

/// Runs a restore.
///
/// # Errors
/// When the snapshot has no such path, the target cannot be used, the repository fails, or the run is cancelled.
pub fn restore(run: &RestoreRun<'_>) -> Result<RestoreReport> {
    restore_tree(run).map_err(|error| match error {
        // The target is all that a restore touches; a rule is on the command line.
        Error::Source(error) if !matches!(error, mainstay_sources::Error::Rule { .. }) => Error::Target(error),
        other => other,
    })
}

fn restore_tree(run: &RestoreRun<'_>) -> Result<RestoreReport> {
    Guard::find(run)?;
    run.progress.phase(Phase::Plan);
    let lease = reading::begin_to_restore(run.repository, run.progress)?;
    let index = run.repository.index()?;
    let trees = TreeReader::new(run.repository.block_reader(&index));
    let start = Start::find(run, &trees)?;
    if let (Start::Entry(_), Extra::Delete, Some(path)) = (&start, run.options.extra, run.path) {
        return Err(Error::DeleteBesideFile { path: crate::select::display_path(path) });
    }
    let target = match run.options.extent {
        Extent::Plan if !run.target.exists() => None,
        _ => Some(TargetTree::open_or_create(run.target)?),
    };
    let warnings = Warnings::default();
    let telling = Telling::new(run, &warnings);
    let shared = Shared { run, trees: &trees, telling: &telling };
    let purpose = Purpose::Write { target: target.as_ref(), guard: Guard::find(run)? };
    let planner = Planner::new(shared, purpose)?;
    let mut report = match target.as_ref().filter(|_| run.options.extent != Extent::Plan) {
        None => plan_only(planner, start)?,
        Some(target) => write_and_verify(shared, planner, start, target)?,
    };
    report.is_leased = lease.is_some();
    (report.warnings, report.warning_count) = warnings.take();
    Ok(report)
}

/// What planning and applying share.
#[derive(Clone, Copy)]
struct Shared<'a> {
    run: &'a RestoreRun<'a>,
    trees: &'a TreeReader,
    telling: &'a Telling<'a>,
}

fn plan_only(mut planner: Planner<'_>, start: Start) -> Result<RestoreReport> {
    planner.plan(start, &mut |_| Ok(()))?;
    Ok(planner.finish().report)
}

fn write_and_verify(
    shared: Shared<'_>,
    planner: Planner<'_>,
    start: Start,
    target: &TargetTree,
) -> Result<RestoreReport> {
    let run = shared.run;
    let apply = Apply::new(shared, target);
    run.progress.phase(Phase::Restore);
    let Planned { mut report, links } = plan_and_apply(run, planner, start.clone(), &apply)?;
    run.progress.phase(Phase::Finish);
    apply.link(&links)?;
    apply.finish_directories()?;
    target.sync()?;
    report.written_bytes = apply.written_bytes();
    if run.options.extent == Extent::WriteAndVerify {
        run.progress.phase(Phase::Verify);
        let planner = Planner::new(shared, Purpose::Compare)?;
        let Planned { links, .. } = plan_and_apply(run, planner, start, &apply)?;
        apply.compare_links(&links)?;
        report.verified_bytes = apply.written_bytes() - report.written_bytes;
    }
    let (lost_files, lost_bytes) = apply.lost();
    report.lost_files += lost_files;
    report.lost_bytes += lost_bytes;
    Ok(report)
}

/// Plans on this thread and applies the batches on another.
fn plan_and_apply(run: &RestoreRun<'_>, mut planner: Planner<'_>, start: Start, apply: &Apply<'_>) -> Result<Planned> {
    // One batch is written, one is ready and one is being planned.
    let (sender, receiver) = crossbeam_channel::bounded::<Batch>(0);
    std::thread::scope(|scope| {
        let applying = scope.spawn(move || apply.batches(receiver));
        // A receiver that is gone has failed; its error is the one that counts.
        run.progress.outlook(Outlook::AtLeast);
        let planned = planner.plan(start, &mut |batch| sender.send(batch).map_err(|_| Error::Cancelled));
        run.progress.outlook(Outlook::InAll);
        drop(sender);
        match applying.join() {
            Ok(applied) => applied.and(planned)?,
            Err(_) => return Err(Error::Invalid("internal error: a restore thread panicked".to_owned())),
        }
        Ok(planner.finish())
    })
}

/// What is restored: the content of a directory, or one entry.
#[derive(Clone)]
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
