//! Carrying out a backup, whatever its input, and saying what it came to.
//!
//! Owns the summary, and the warnings that stand behind it. Knows no options of a command.

use std::cell::{OnceCell, RefCell};

use mainstay_jobs::backup::{BackupOptions, BackupReport, BackupRun, Input, Mode, Requested, backup};
use mainstay_repo::{Right, Sharing, SnapshotEntry};
use mainstay_sources::files::Owners;
use serde::Serialize;

use crate::commands::init::{Created, CreatedFields};
use crate::commands::long_run::{LongRun, conclude};
use crate::commands::snapshots::{SnapshotFields, StatisticsFields};
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::machine::{self, SystemClock};
use crate::memory::{Memory, Rewinds};
use crate::output::{escape, units};

/// The last line of a run with `--json`.
#[derive(Serialize)]
struct Summary<'a> {
    message_type: &'static str,
    dry_run: bool,
    #[serde(rename = "type")]
    backup_type: &'static str,
    parent: Option<String>,
    snapshot: Option<SnapshotFields<'a>>,
    statistics: StatisticsFields,
    packs: u64,
    stored_bytes: u64,
    /// Unknown after a dry run, as the next, since it reads no content.
    new_bytes: Option<u64>,
    duplicate_bytes: Option<u64>,
    /// Damage of the repository that was met.
    repository_problems: u64,
    /// The clock is behind the times of snapshots that are there.
    clock_is_behind: bool,
    seconds_elapsed: f64,
    created_repository: Option<CreatedFields>,
}

/// A repository for this run.
pub enum Ready {
    Opened(Opened),
    /// The first run on this machine.
    Created(Created),
}

impl Ready {
    pub fn opened(&self) -> &Opened {
        match self {
            Self::Opened(opened) => opened,
            Self::Created(created) => &created.opened,
        }
    }

    pub fn created(&self) -> Option<&Created> {
        match self {
            Self::Opened(_) => None,
            Self::Created(created) => Some(created),
        }
    }
}

/// What a user says of a backup, and what it is called otherwise.
pub struct Named<'a> {
    /// Name of the source, where the user gave one.
    pub source: Option<&'a str>,
    /// What it is called else, behind the name of the host.
    pub name: &'a str,
    /// The roots, for the record.
    pub paths: Vec<Vec<u8>>,
    pub tags: &'a [String],
    pub mode: Mode,
}

impl Named<'_> {
    /// A full backup that shares what is there.
    pub fn options(self) -> BackupOptions {
        let host = machine::host_name();
        let owner_names = Owners::load();
        let number = rustix::process::getuid().as_raw();
        let user = owner_names.user_name(number).map_or_else(|| number.to_string(), str::to_owned);
        let source = self.source.map_or_else(|| format!("{host}:{}", self.name), str::to_owned);
        BackupOptions {
            source,
            host,
            user,
            paths: self.paths,
            tags: self.tags.to_vec(),
            requested: Requested::Full,
            sharing: Sharing::Shared,
            mode: self.mode,
            program: concat!("mainstay ", env!("CARGO_PKG_VERSION")).to_owned(),
            owner_names,
            copied: None,
        }
    }
}

/// Backs up, and prints the result.
pub fn carry_out(context: &Context, ready: &Ready, input: Input<'_>, options: &BackupOptions) -> Result<ExitCode> {
    let repository = &ready.opened().repository;
    // What was seen comes before what is there now.
    let memory = RefCell::new(Memory::open(repository));
    let looked = OnceCell::new();
    let mut long_run = LongRun::begin(context);
    let report = long_run.end(backup(&BackupRun {
        repository,
        input,
        options,
        clock: &SystemClock,
        progress: &long_run.monitor,
        cancel: &long_run.requests.cancel,
        // What cannot be compared now is told of by the backup, in its way.
        listed: &|listing| drop(looked.set(memory.borrow_mut().look(listing))),
    }));
    let rewinds = looked.into_inner().and_then(Result::ok).unwrap_or(Rewinds(Vec::new()));
    rewinds.warn(&context.output);
    let report = report.map_err(|failure| failure.if_stopped("run the command again: what was stored is used"))?;
    if let Some(entry) = &report.entry {
        Memory::open(repository).note(entry, &rewinds);
    }
    let printed = match context.output.is_json() {
        true => context.output.message(&summary(options, &report, ready, &long_run)),
        false => show(context, options, &report, (ready, &long_run)),
    };
    conclude(printed, Ok(rewinds.exit_code(finish(context, input, &report))))
}

fn summary<'a>(options: &BackupOptions, report: &'a BackupReport, ready: &Ready, long_run: &LongRun) -> Summary<'a> {
    Summary {
        message_type: "summary",
        dry_run: options.mode == Mode::DryRun,
        backup_type: report.backup_type.name(),
        parent: report.parent.map(|id| id.to_string()),
        snapshot: report.entry.as_ref().map(SnapshotFields::new),
        statistics: StatisticsFields::new(&report.statistics),
        packs: report.packs,
        stored_bytes: report.stored_bytes,
        new_bytes: report.entry.as_ref().map(|_| report.new_bytes),
        duplicate_bytes: report.entry.as_ref().map(|_| report.duplicate_bytes),
        repository_problems: report.repository_problems,
        clock_is_behind: report.clock_is_behind,
        seconds_elapsed: long_run.elapsed().as_secs_f64(),
        created_repository: ready.created().map(Created::fields),
    }
}

fn show(
    context: &Context,
    options: &BackupOptions,
    report: &BackupReport,
    (ready, long_run): (&Ready, &LongRun),
) -> Result<()> {
    let statistics = &report.statistics;
    let elapsed = units::duration(long_run.elapsed());
    let content =
        format!("{}, {}", units::counted(statistics.files, "file", "files"), units::size(statistics.content_bytes));
    let read = format!(
        "{} read, {} unchanged",
        units::size(statistics.read_bytes),
        units::counted(statistics.files_believed, "file", "files")
    );
    let Some(entry) = &report.entry else {
        let source = escape::text(&options.source);
        let kind = report.backup_type.name();
        context.output.result(&format!("would back up {source} ({kind}): {content}; {read} · {elapsed}\n"))?;
        context.output.say("next: the same without --dry-run");
        return Ok(());
    };
    context.output.outcome(&format!(
        "snapshot {id} of {source} #{sequence} ({kind}): {content}; {read}; {new} new, {stored} stored · {elapsed}\n",
        id = entry.id.short(),
        source = escape::text(&entry.snapshot.source),
        sequence = entry.snapshot.sequence,
        kind = report.backup_type.name(),
        new = units::size(report.new_bytes),
        stored = units::size(report.stored_bytes),
    ))?;
    context.output.say(&next_step(ready.opened(), entry));
    if ready.created().is_some_and(|created| created.files.is_some()) {
        context.output.say("next: print the recovery kit named above and keep it elsewhere");
    }
    Ok(())
}

/// What to do with a new snapshot; whoever cannot read it cannot prove it either.
fn next_step(opened: &Opened, entry: &SnapshotEntry) -> String {
    if opened.repository.rights().has(Right::Restore) {
        return format!("next: mainstay restore{} {} --verify", opened.location.flag(), entry.id.short());
    }
    "next: verify and restore it with a key that may; this one cannot read it".to_owned()
}

/// A backup that could not read everything is finished, and says so.
fn finish(context: &Context, input: Input<'_>, report: &BackupReport) -> ExitCode {
    let problems = report.repository_problems;
    if problems > 0 {
        let message = format!("{} of the repository met", units::counted(problems, "problem", "problems"));
        let hint = "this snapshot is whole; run `mainstay check` to see what else is affected, and do not prune";
        context.output.warn_by_code(&Failure::new(&catalogue::DAMAGED, message).with_hint(hint));
    }
    if report.clock_is_behind {
        let message = "the clock of this machine is behind the times of snapshots that are there";
        context.output.warn_by_code(&Failure::new(&catalogue::CLOCK_BEHIND, message));
    }
    let count = report.statistics.warnings;
    if count == 0 {
        let is_whole = problems == 0 && !report.clock_is_behind;
        return if is_whole { ExitCode::Success } else { ExitCode::Incomplete };
    }
    let failure = match input {
        Input::Tree(_) => {
            let count = units::counted(count, "entry", "entries");
            let message = format!("{count} could not be read, or changed while being read");
            Failure::new(&catalogue::INCOMPLETE_BACKUP, message)
        }
        Input::Tar(_) => {
            let count = units::counted(count, "member", "members");
            let message = format!("{count} of the archive could not be kept as written");
            let hint = "the snapshot holds everything else; check what is named above";
            Failure::new(&catalogue::INCOMPLETE_BACKUP, message).with_hint(hint)
        }
    };
    context.output.warn_by_code(&failure);
    failure.exit_code()
}
