//! Backup: a source goes in, a snapshot comes out.
//!
//! Owns the order of a run: choose the parent, open a session, walk and store, commit. Invariant: a problem with an entry
//! of the source is a warning and the run goes on; a problem with the repository ends the run and no snapshot is written.

mod arrivals;
mod buffers;
mod copied;
mod crew;
mod cutting;
mod history;
mod pages;
mod previous;
mod queue;
mod scan;
mod store_file;
mod trees;
mod walk;
mod warnings;

use mainstay_repo::{
    BackupType, Draft, Listing, Presence, Repository, Session, Sharing, Snapshot, SnapshotEntry, SnapshotId,
    SnapshotStatistics,
};
use mainstay_sources::files::Owners;
use mainstay_sources::{Source, Warning};

use crate::{Cancel, Clock, Error, Phase, Progress, Result};
pub use arrivals::TarInput;
pub use copied::Copied;
pub use history::CLOCK_TOLERANCE;
use history::History;
pub use pages::OwnerNames;
use walk::Walked;
pub(crate) use warnings::Warnings;

/// The type that was asked for; what a snapshot becomes depends on what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    Full,
    /// Becomes full when the source has no snapshot yet.
    Incremental,
    /// Becomes full when the source has no full snapshot yet.
    Differential,
}

/// Whether anything is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Store,
    /// The same walk and the same decisions; nothing is read but listings, nothing is written.
    DryRun,
}

/// What a backup is to do.
pub struct BackupOptions {
    /// Name of the source.
    pub source: String,
    pub host: String,
    pub user: String,
    /// The roots, for the record.
    pub paths: Vec<Vec<u8>>,
    pub tags: Vec<String>,
    pub requested: Requested,
    pub sharing: Sharing,
    pub mode: Mode,
    /// Program and version, for the record.
    pub program: String,
    /// Names for the numbers of users and groups.
    pub owner_names: Owners,
    /// What the source is, where it is a snapshot of another repository.
    pub copied: Option<Copied>,
}

impl BackupOptions {
    fn names(&self) -> &dyn OwnerNames {
        self.copied.as_ref().map_or(&self.owner_names as &dyn OwnerNames, |copied| &*copied.names)
    }
}

/// What becomes a snapshot.
#[derive(Clone, Copy)]
pub enum Input<'a> {
    Tree(&'a dyn Source),
    /// Read whole: nothing of a snapshot before is believed.
    Tar(&'a TarInput),
}

/// Everything that a run works with.
pub struct BackupRun<'a> {
    pub repository: &'a Repository,
    pub input: Input<'a>,
    pub options: &'a BackupOptions,
    pub clock: &'a dyn Clock,
    pub progress: &'a dyn Progress,
    pub cancel: &'a Cancel,
    /// Is told of the snapshots that are there before the new one.
    pub listed: &'a dyn Fn(&Listing),
}

/// What a run did.
#[derive(Clone, Debug)]
pub struct BackupReport {
    /// The snapshot; none after a dry run.
    pub entry: Option<SnapshotEntry>,
    pub backup_type: BackupType,
    pub parent: Option<SnapshotId>,
    pub statistics: SnapshotStatistics,
    pub packs: u64,
    pub stored_bytes: u64,
    pub new_bytes: u64,
    pub duplicate_bytes: u64,
    /// Damage of the repository that was met; the backup is whole without what is damaged.
    pub repository_problems: u64,
    /// A snapshot that is there was begun later than this run, by the clocks of those who made them.
    pub clock_is_behind: bool,
    /// The first warnings; `statistics.warnings` counts them all.
    pub warnings: Vec<Warning>,
}

/// Runs a backup.
///
/// # Errors
/// When the source's root cannot be listed, the repository fails, or the run is cancelled; no snapshot is written then,
/// and what was stored so far is used by the next run.
pub fn backup(run: &BackupRun<'_>) -> Result<BackupReport> {
    let started = run.clock.now();
    run.progress.phase(if run.options.copied.is_some() { Phase::Copy } else { Phase::BackUp });
    let session = match run.options.mode {
        Mode::Store => Some(Session::begin(run.repository, run.options.sharing)?),
        Mode::DryRun => None,
    };
    let history = History::read(run, session.as_ref())?;
    if run.options.copied.is_none() {
        history.tell(run, started);
    }
    let ancestry = Ancestry::choose(&history, run);
    let walked = match run.input {
        Input::Tree(source) => walk::walk(run, source, session.as_ref(), &ancestry),
        Input::Tar(archive) => arrivals::take_in(run, archive, session.as_ref(), &ancestry),
    };
    let walked = match walked.and_then(|walked| run.cancel.check().map(|()| walked)) {
        Ok(walked) => walked,
        Err(error) => return Err(give_up(session, error)),
    };
    run.progress.phase(Phase::Commit);
    let snapshot = ancestry.snapshot(run, &walked, started);
    let report = commit(session, snapshot, walked, run.options)?;
    let clock_is_behind = run.options.copied.is_none() && history.is_ahead_of(started);
    Ok(BackupReport { repository_problems: history.problems, clock_is_behind, ..report })
}

/// Ends a session that gets no snapshot. Where the store failed, its session knows the reason.
fn give_up(session: Option<Session<'_>>, error: Error) -> Error {
    match (session.and_then(Session::abandon), error) {
        (Some(cause), Error::Repository(mainstay_repo::Error::SessionFailed { .. })) => cause.into(),
        (_, error) => error,
    }
}

/// Where a new snapshot stands among those that are there.
struct Ancestry<'a> {
    backup_type: BackupType,
    /// The snapshot whose metadata is believed.
    believed: Option<&'a SnapshotEntry>,
    /// The last snapshot, as good a guess as there is of what the source holds now.
    expected: Option<&'a SnapshotEntry>,
    base: Option<SnapshotId>,
    previous: Option<SnapshotId>,
    sequence: u64,
}

impl<'a> Ancestry<'a> {
    fn choose(history: &'a History, run: &BackupRun<'_>) -> Self {
        let options = run.options;
        // What another domain says of a source of this name is neither believed nor built on.
        let is_own =
            |entry: &&SnapshotEntry| entry.snapshot.source == options.source && run.repository.is_own(&entry.snapshot);
        let own = || history.entries.iter().filter(is_own);
        let last = own().max_by_key(|entry| entry.snapshot.sequence);
        // One that nobody has confirmed may lack what it says.
        let kept = || own().filter(|entry| !entry.forgotten && !entry.unconfirmed);
        let last_kept = kept().max_by_key(|entry| entry.snapshot.sequence);
        let last_full = kept()
            .filter(|entry| entry.snapshot.backup_type == BackupType::Full)
            .max_by_key(|entry| entry.snapshot.sequence);
        let reads_all = options.sharing == Sharing::Independent;
        let (backup_type, believed) = match options.requested {
            _ if reads_all || matches!(run.input, Input::Tar(_)) => (BackupType::Full, None),
            Requested::Full => (BackupType::Full, None),
            Requested::Incremental => (BackupType::Incremental, last_kept),
            Requested::Differential => (BackupType::Differential, last_full),
        };
        let believed = match &options.copied {
            Some(copied) => kept().find(|entry| Some(entry.id) == copied.before),
            None => believed,
        };
        let last_sequence = last.map_or(0, |entry| entry.snapshot.sequence);
        let backup_type = if believed.is_none() { BackupType::Full } else { backup_type };
        Self {
            backup_type,
            believed,
            expected: last,
            base: if believed.is_some() { last_full.map(|entry| entry.id) } else { None },
            previous: last.map(|entry| entry.id).or(history.hidden),
            sequence: last_sequence.max(history.unread_sequence).saturating_add(1),
        }
    }

    /// The new snapshot, as far as it is known before its session ends.
    fn snapshot(&self, run: &BackupRun<'_>, walked: &Walked, started: i64) -> Snapshot {
        let options = run.options;
        let snapshot = Snapshot {
            source: options.source.clone(),
            sequence: self.sequence,
            host: options.host.clone(),
            user: options.user.clone(),
            paths: options.paths.iter().map(|path| path.clone().into()).collect(),
            started,
            ended: run.clock.now(),
            backup_type: self.backup_type,
            parent: self.believed.map(|entry| entry.id),
            base: self.base,
            previous: self.previous,
            independent: options.sharing == Sharing::Independent,
            root: walked.root.clone(),
            references: [0; 32],
            session: mainstay_repo::SessionId([0; 16]),
            tags: options.tags.clone(),
            statistics: walked.tally.statistics,
            program: options.program.clone(),
            origin: None,
        };
        match &options.copied {
            Some(copied) => copied.record(snapshot),
            None => snapshot,
        }
    }
}

fn commit(
    session: Option<Session<'_>>,
    snapshot: Snapshot,
    walked: Walked,
    options: &BackupOptions,
) -> Result<BackupReport> {
    let mut report = BackupReport {
        entry: None,
        backup_type: snapshot.backup_type,
        parent: snapshot.parent,
        statistics: snapshot.statistics,
        packs: 0,
        stored_bytes: 0,
        new_bytes: 0,
        duplicate_bytes: 0,
        repository_problems: 0,
        clock_is_behind: false,
        warnings: walked.tally.warnings,
    };
    let Some(session) = session else { return Ok(report) };
    let believes = snapshot.backup_type != BackupType::Full && options.sharing == Sharing::Shared;
    let believes = believes && options.copied.is_none();
    let presence = if believes { Presence::Believed } else { Presence::Confirmed };
    let done = session.commit(Draft { snapshot, blocks: walked.blocks, presence })?;
    report.statistics = done.entry.snapshot.statistics;
    report.entry = Some(done.entry);
    report.packs = done.packs;
    report.stored_bytes = done.stored_bytes;
    report.new_bytes = done.new_bytes;
    report.duplicate_bytes = done.duplicate_bytes;
    Ok(report)
}

#[cfg(test)]
mod tests;
