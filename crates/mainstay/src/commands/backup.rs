//! `mainstay backup`: files, or a stream, become a snapshot.
//!
//! Owns the options, the first run on a fresh machine, and the summary; `mainstay-jobs` does the work.

mod input;

use std::cell::{OnceCell, RefCell};

use mainstay_jobs::backup::{BackupOptions, BackupReport, BackupRun, Mode, Requested, backup};
use mainstay_repo::{Error, Repository, Right, Sharing, SnapshotEntry};
use mainstay_sources::files::Owners;
use serde::Serialize;

use super::init::{self, Created, CreatedFields};
use super::long_run::{LongRun, conclude};
use super::snapshots::{SnapshotFields, StatisticsFields};
use crate::arguments::not_empty;
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::location::{Choice, quoted};
use crate::machine::{self, SystemClock};
use crate::memory::{Memory, Rewinds};
use crate::output::{escape, units};

const EXAMPLES: &str = "\
Examples:
  mainstay backup ~/Documents
  mainstay backup /etc /srv --exclude '*.tmp' --exclude-caches --tag nightly
  mainstay backup --type full --one-file-system /
  mainstay backup --files-from list.txt --source projects
  pg_dumpall | mainstay backup --stdin-name dump.sql --source web01:postgres";

/// Back up files and directories
///
/// Without any repository named, the default one is created at the first run, with a generated key and a recovery kit.
/// Every snapshot restores by itself, whatever its type.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    input: input::InputArguments,
    /// What to read: all (full), what changed since the last snapshot of the source, or since its last full one
    #[arg(long = "type", value_name = "TYPE", default_value = "incremental", hide_default_value = true)]
    #[arg(
        hide_possible_values = true,
        help = "full: read everything; incremental (default): what changed since the last snapshot; differential: since the last full one"
    )]
    requested: Type,
    /// Share no pack with earlier snapshots: a second physical copy
    #[arg(long)]
    independent: bool,
    /// Name of the source [default: HOST:PATH,…]
    #[arg(long, value_name = "NAME", value_parser = not_empty())]
    source: Option<String>,
    /// Mark the snapshot; several tags with commas between them, or by several --tag
    #[arg(long, value_name = "TAG", value_delimiter = ',', value_parser = not_empty())]
    tag: Vec<String>,
    /// Walk and decide, store nothing; with --verbose name each entry and what would become of it
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// The types of a backup.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Type {
    Full,
    Incremental,
    Differential,
}

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
enum Ready {
    Opened(Opened),
    /// The first run on this machine.
    Created(Created),
}

impl Ready {
    fn opened(&self) -> &Opened {
        match self {
            Self::Opened(opened) => opened,
            Self::Created(created) => &created.opened,
        }
    }

    fn created(&self) -> Option<&Created> {
        match self {
            Self::Opened(_) => None,
            Self::Created(created) => Some(created),
        }
    }
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let mut input = input::open(&arguments.input, context)?;
    let ready = open_or_create(arguments, context)?;
    if let Some(created) = ready.created() {
        context.output.say(&created.line());
        created.explain(context);
    }
    if let Some(path) = ready.opened().location.path()
        && input.leave_out(path)?
    {
        context.output.detail(&format!("leaving out the repository itself: {}", quoted(path)));
    }
    let options = options(arguments, &input);
    let repository = &ready.opened().repository;
    // What was seen comes before what is there now.
    let memory = RefCell::new(Memory::open(repository));
    let looked = OnceCell::new();
    let mut long_run = LongRun::begin(context);
    let report = long_run.end(backup(&BackupRun {
        repository,
        source: &*input.source,
        options: &options,
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
        true => context.output.message(&summary(arguments, &report, &ready, &long_run)),
        false => show(context, &options, &report, (&ready, &long_run)),
    };
    conclude(printed, Ok(rewinds.exit_code(finish(context, &report))))
}

/// Opens the repository; the default one is created if nobody named another and it is not there.
fn open_or_create(arguments: &Arguments, context: &Context) -> Result<Ready> {
    let location = context.location()?;
    let is_absent = || matches!(Repository::identify(&*location.store()), Err(Error::NoRepository { .. }));
    if location.choice == Choice::Named || arguments.dry_run || !is_absent() {
        // A full backup believes nothing that was there before.
        let opened = if matches!(arguments.requested, Type::Full) { context.open() } else { context.open_near() };
        return opened.map(Ready::Opened);
    }
    let secret = context.named_secret()?.map(|named| named.read()).transpose()?;
    init::create(location, secret).map(Ready::Created)
}

fn options(arguments: &Arguments, input: &input::Input) -> BackupOptions {
    let host = machine::host_name();
    let owner_names = Owners::load();
    let number = rustix::process::getuid().as_raw();
    let user = owner_names.user_name(number).map_or_else(|| number.to_string(), str::to_owned);
    let source = arguments.source.clone().unwrap_or_else(|| format!("{host}:{}", input.name));
    BackupOptions {
        source,
        host,
        user,
        paths: input.paths.clone(),
        tags: arguments.tag.clone(),
        requested: match arguments.requested {
            Type::Full => Requested::Full,
            Type::Incremental => Requested::Incremental,
            Type::Differential => Requested::Differential,
        },
        sharing: if arguments.independent { Sharing::Independent } else { Sharing::Shared },
        mode: if arguments.dry_run { Mode::DryRun } else { Mode::Store },
        program: concat!("mainstay ", env!("CARGO_PKG_VERSION")).to_owned(),
        owner_names,
        copied: None,
    }
}

fn summary<'a>(arguments: &Arguments, report: &'a BackupReport, ready: &Ready, long_run: &LongRun) -> Summary<'a> {
    Summary {
        message_type: "summary",
        dry_run: arguments.dry_run,
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
fn finish(context: &Context, report: &BackupReport) -> ExitCode {
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
    let count = units::counted(count, "entry", "entries");
    let message = format!("{count} could not be read, or changed while being read");
    let failure = Failure::new(&catalogue::INCOMPLETE_BACKUP, message);
    context.output.warn_by_code(&failure);
    failure.exit_code()
}
