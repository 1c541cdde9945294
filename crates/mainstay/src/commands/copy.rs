//! `mainstay copy`: snapshots into a repository with other keys.
//!
//! Owns which snapshots and which repository are meant, and the presentation; `mainstay-jobs` copies.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::PathBuf;

use mainstay_jobs::copy::{CopiedSnapshot, CopyPlan, CopyReport, CopyRun, Forgotten, copy, plan_copy, standing};
use mainstay_jobs::select;
use mainstay_repo::{Right, SnapshotEntry};
use serde::Serialize;

use super::long_run::{LongRun, conclude};
use super::selection::OfSource;
use super::snapshots::SnapshotFields;
use crate::arguments::reach::StorageClass;
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::listing::{Asked, Listing, query};
use crate::machine::SystemClock;
use crate::memory::{self, Memory, Rewinds};
use crate::output::{escape, units};
use crate::places;

const EXAMPLES: &str = "\
Examples:
  mainstay copy --to /mnt/disk/other               every snapshot that has no copy there
  mainstay copy latest --to s3://bucket/other      one
  mainstay copy --to /mnt/disk/other --to-password-file other.txt --dry-run";

/// Copy snapshots into a repository with other keys
///
/// Content is cut and sealed anew by the keys of the other repository, so that it shares chunks with what is backed up there. Source, host, paths,
/// times, type and tags are kept, and where the copy is from. What was copied already is known again; a copy that was interrupted is continued by
/// the next one. Without SNAP each snapshot is copied that has no copy, also no forgotten one; a pruned copy comes again. `sync` keeps a second copy
/// with the same keys.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Snapshots [default: all that have no copy]
    #[arg(value_name = "SNAP")]
    snapshots: Vec<String>,
    #[command(flatten)]
    source: OfSource,
    /// The repository to copy into, which `init` has created
    #[arg(long, value_name = "REPO")]
    to: OsString,
    /// Read the password of that repository, or a recovery code, from a file
    #[arg(long, value_name = "FILE", env = "MAINSTAY_TO_PASSWORD_FILE", hide_env_values = true)]
    to_password_file: Option<PathBuf>,
    /// Show what would be copied
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    storage_class: StorageClass,
}

/// The last line of a run with `--json`.
#[derive(Serialize)]
struct Summary<'a> {
    message_type: &'static str,
    dry_run: bool,
    from: &'a str,
    to: &'a str,
    copied: Vec<CopiedFields<'a>>,
    /// Snapshots that a dry run would copy.
    missing: Vec<String>,
    present: Vec<Pair>,
    left_out: Vec<LeftOut>,
    stored_bytes: u64,
    new_bytes: u64,
    seconds_elapsed: f64,
}

#[derive(Serialize)]
struct CopiedFields<'a> {
    snapshot: String,
    copy: SnapshotFields<'a>,
}

/// A snapshot and its copy.
#[derive(Serialize)]
struct Pair {
    snapshot: String,
    copy: String,
}

#[derive(Serialize)]
struct LeftOut {
    snapshot: String,
    problem: String,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let from = context.open_to(Right::Restore, "copy")?;
    let to = open_target(arguments, &from, context)?;
    let rewinds = memory::look(&to, &context.output);
    let asked = if arguments.snapshots.is_empty() { Asked::All } else { Asked::Named };
    query(&from, &context.output, asked, |listing| {
        let wanted = wanted(arguments, listing)?;
        let held = standing(&to.repository, to.repository.list_snapshots()?.entries)?;
        let forgotten = match arguments.snapshots.is_empty() {
            true => Forgotten::StaysAway,
            false => Forgotten::IsCopiedAgain,
        };
        let plan = plan_copy((from.repository.id(), wanted), (to.repository.id(), &held), forgotten);
        let mut long_run = LongRun::begin(context);
        let report = match arguments.dry_run {
            true => Ok(CopyReport::default()),
            false => copy(&copy_run(&from, &to, &long_run), &plan, &listing.entries),
        };
        let report = long_run.end(report);
        let report = report.map_err(|failure| failure.if_stopped("run the command again: what was copied is used"))?;
        remember(&to, &report, &rewinds);
        if !arguments.dry_run {
            let copied: HashSet<_> = report.copied.iter().map(|copied| copied.original).collect();
            let present = plan.present.iter().map(|(entry, _)| *entry);
            let copied = listing.entries.iter().filter(|entry| copied.contains(&entry.id));
            places::note_copied(&from.repository, &to.repository, present.chain(copied));
        }
        let printed = print(arguments, context, (&from, &to), (&plan, &report, &long_run));
        conclude(printed, ended(&report, context).map(|code| rewinds.exit_code(code)))
    })
}

/// Opens the repository that is written, which must be another one.
fn open_target(arguments: &Arguments, from: &Opened, context: &Context) -> Result<Opened> {
    let location = context.find(Some(&arguments.to))?.in_storage_class(&arguments.storage_class)?;
    let refused = |problem: &str| {
        let message = format!("copy to {}: {problem}", location.quoted());
        Failure::new(&catalogue::USAGE, message)
            .with_hint("name another repository; `sync` keeps copies with the same keys")
    };
    if location.is_same(&from.location) {
        return Err(refused("it is the repository that is read"));
    }
    let to = context.open_other(&location, arguments.to_password_file.as_deref()).map_err(|failure| {
        match failure.code.number == catalogue::NO_REPOSITORY.number {
            true => failure.with_hint(format!("create it first: mainstay init --repo {}", location.quoted())),
            false if failure.code.number == catalogue::NO_KEY.number => failure.with_hint(
                "give its password by --to-password-file FILE, MAINSTAY_TO_PASSWORD_FILE or MAINSTAY_TO_PASSWORD_COMMAND",
            ),
            false => failure,
        }
    })?;
    if to.repository.id() == from.repository.id() {
        return Err(refused("it is a copy of the repository that is read, with the same keys"));
    }
    // Without it no copy would be known again.
    to.repository.require(Right::List, "copy")?;
    Ok(to)
}

/// The snapshots that are meant, each once.
fn wanted<'l>(arguments: &Arguments, listing: &'l Listing<'_>) -> Result<Vec<&'l SnapshotEntry>> {
    let source = arguments.source.name();
    listing.require_source(source)?;
    if arguments.snapshots.is_empty() {
        return Ok(select::history(&listing.entries, source));
    }
    let mut wanted: Vec<&SnapshotEntry> = Vec::new();
    for text in &arguments.snapshots {
        let entry = listing.find(text, source)?;
        if !wanted.iter().any(|other| other.id == entry.id) {
            wanted.push(entry);
        }
    }
    Ok(wanted)
}

pub fn copy_run<'a>(from: &'a Opened, to: &'a Opened, long_run: &'a LongRun) -> CopyRun<'a> {
    CopyRun {
        from: &from.repository,
        to: &to.repository,
        clock: &SystemClock,
        progress: &long_run.monitor,
        cancel: &long_run.requests.cancel,
        program: concat!("mainstay ", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

fn remember(to: &Opened, report: &CopyReport, rewinds: &Rewinds) {
    let mut memory = Memory::open(&to.repository);
    report.copied.iter().for_each(|copied| memory.note(&copied.copy, rewinds));
}

fn ended(report: &CopyReport, context: &Context) -> Result<ExitCode> {
    if report.left_out.is_empty() && report.problems == 0 {
        return Ok(ExitCode::Success);
    }
    if report.left_out.is_empty() {
        let message = format!("{} of the repository met", units::counted(report.problems, "problem", "problems"));
        let hint = "the copies are whole; run `mainstay check` there to see what else is affected, and do not prune";
        context.output.warn_by_code(&Failure::new(&catalogue::DAMAGED, message).with_hint(hint));
        return Ok(ExitCode::Incomplete);
    }
    let count = units::counted(report.left_out.len() as u64, "snapshot", "snapshots");
    Err(Failure::new(&catalogue::INCOMPLETE_COPY, format!("not everything could be copied: {count} left out")))
}

fn print(
    arguments: &Arguments,
    context: &Context,
    (from, to): (&Opened, &Opened),
    (plan, report, long_run): (&CopyPlan<'_>, &CopyReport, &LongRun),
) -> Result<()> {
    let sum = |bytes: &dyn Fn(&CopiedSnapshot) -> u64| report.copied.iter().map(bytes).sum();
    let stored: u64 = sum(&|copied| copied.stored_bytes);
    let output = &context.output;
    if output.is_json() {
        let missing = plan.missing.iter().filter(|_| arguments.dry_run).map(|entry| entry.id.to_string());
        let copied = report.copied.iter();
        let present = plan.present.iter();
        let left_out = report.left_out.iter();
        return output.message(&Summary {
            message_type: "summary",
            dry_run: arguments.dry_run,
            from: &from.location.text().to_string_lossy(),
            to: &to.location.text().to_string_lossy(),
            copied: copied
                .map(|copied| CopiedFields {
                    snapshot: copied.original.to_string(),
                    copy: SnapshotFields::new(&copied.copy),
                })
                .collect(),
            missing: missing.collect(),
            present: present
                .map(|(entry, copy)| Pair { snapshot: entry.id.to_string(), copy: copy.to_string() })
                .collect(),
            left_out: left_out
                .map(|(id, error)| LeftOut { snapshot: id.to_string(), problem: error.to_string() })
                .collect(),
            stored_bytes: stored,
            new_bytes: sum(&|copied| copied.new_bytes),
            seconds_elapsed: long_run.elapsed().as_secs_f64(),
        });
    }
    for (id, error) in &report.left_out {
        output.warn(&format!("snapshot {} was left out: {}", id.short(), escape::message(&error.to_string())));
    }
    let place = to.location.quoted();
    let were_there = format!("{} there already", units::count(plan.present.len() as u64));
    if arguments.dry_run {
        let count = units::counted(plan.missing.len() as u64, "snapshot", "snapshots");
        return output.result(&format!("would copy {count} to {place} · {were_there}\n"));
    }
    for copied in &report.copied {
        output.detail(&format!("snapshot {} is {} there", copied.original.short(), copied.copy.id.short()));
    }
    let count = units::counted(report.copied.len() as u64, "snapshot", "snapshots");
    let (stored, elapsed) = (units::size(stored), units::duration(long_run.elapsed()));
    output.outcome(&format!("copied {count} to {place} · {were_there} · {stored} stored · {elapsed}\n"))
}
