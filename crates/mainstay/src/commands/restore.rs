//! `mainstay restore`: a snapshot, or a part of it, is written back.
//!
//! Owns the options, the choice of a safe target, and the summary; `mainstay-jobs` plans and writes. Invariant: nothing is
//! written in place unless the user names the target and says what to do with what is there.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use mainstay_jobs::restore::{
    Extent, Extra, LeftOut, Overwrite, PlannedEntry, RestoreOptions, RestoreReport, RestoreRun, restore,
};
use mainstay_repo::{Right, SnapshotEntry};
use mainstay_sources::files::{Ownership, Preserve};
use serde::Serialize;

use super::long_run::{LongRun, conclude};
use super::node;
use super::selection::Selection;
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::listing::{Asked, Listing};
use crate::location::quoted;
use crate::output::encode::PathFields;
use crate::output::{Output, escape, units};

const EXAMPLES: &str = "\
Examples:
  mainstay restore latest --verify                          into a new directory ./restored-…
  mainstay restore latest:/home/me/notes --target notes
  mainstay restore latest~2 --target /srv --overwrite if-changed --dry-run
  mainstay restore 1a2b3c4d --include '*.odt' --target documents
  sudo mainstay restore latest --target / --overwrite always --preserve all";

/// Bring a snapshot, or a path of it, back
///
/// Without --target a new directory is made in the working directory. A target that is not empty is refused unless
/// --overwrite says what to do with files that exist.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    how: How,
}

/// Where to, and what of it.
#[derive(clap::Args)]
pub struct How {
    /// The directory to write into; it is created if need be
    #[arg(long, value_name = "DIR")]
    target: Option<PathBuf>,
    /// What to do with files that exist: always (compare every byte), if-changed (trust size and time), if-newer, never
    #[arg(long, value_name = "WHEN", hide_possible_values = true)]
    overwrite: Option<When>,
    /// Delete what is in the target and not in the snapshot
    #[arg(long)]
    delete: bool,
    /// Restore only what matches a pattern in .gitignore syntax; may be given several times
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    include: Vec<String>,
    /// Leave out what matches; may be given several times
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    exclude: Vec<String>,
    /// What to insist on: owner, set-id, devices, security, all; or none, not even owners where permitted
    #[arg(long, value_name = "WHAT", value_delimiter = ',', hide_possible_values = true)]
    preserve: Vec<Keep>,
    /// Show what would be done
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Read everything back afterwards and compare it with the repository
    #[arg(long, conflicts_with = "dry_run")]
    verify: bool,
}

/// The words of `--overwrite`.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum When {
    Always,
    IfChanged,
    IfNewer,
    Never,
}

/// The words of `--preserve`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Keep {
    Owner,
    SetId,
    Devices,
    Security,
    All,
    None,
}

/// One planned entry with `--dry-run --json`.
#[derive(Serialize)]
struct PlanMessage<'a> {
    message_type: &'static str,
    action: String,
    #[serde(flatten)]
    path: PathFields<'a>,
    kind: Option<&'static str>,
    size: u64,
}

/// The last line of a run with `--json`.
#[derive(Serialize)]
struct Summary {
    message_type: &'static str,
    dry_run: bool,
    leased: bool,
    snapshot: String,
    target: String,
    files: u64,
    files_lost: u64,
    directories: u64,
    others: u64,
    bytes: u64,
    files_unchanged: u64,
    entries_skipped: u64,
    entries_deleted: u64,
    written_bytes: u64,
    verified_bytes: u64,
    set_id_dropped: u64,
    security_dropped: u64,
    warnings: u64,
    seconds_elapsed: f64,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let (text, path) = arguments.selection.split()?;
    // What proves that a backup can be restored reads nothing but the store.
    let opened = match arguments.how.verify {
        true => context.open_to(Right::Restore, "restore")?,
        false => context.open_near_to(Right::Restore, "restore")?,
    };
    bring_back(&opened, (text, arguments.selection.source.name(), path), &arguments.how, context)
}

/// Brings back what is named of a repository: a snapshot, of a source, and a path in it.
pub fn bring_back(
    opened: &Opened,
    (text, source, path): (&str, Option<&str>, Option<Vec<u8>>),
    arguments: &How,
    context: &Context,
) -> Result<ExitCode> {
    let listing = Listing::read(opened)?;
    listing.warn(&context.output);
    let entry = listing.find(text, source)?;
    let target = arguments.target.clone().unwrap_or_else(|| default_target(arguments, entry));
    require_safe(arguments, &target)?;
    let is_new = !target.exists();
    let options = options(arguments);
    let plan = Plan { output: context.output, lines: Mutex::default() };
    let mut long_run = LongRun::begin(context);
    let report = long_run.end(restore(&RestoreRun {
        repository: &opened.repository,
        entry,
        path: path.as_deref(),
        target: &target,
        options: &options,
        planned: &|planned| {
            if arguments.dry_run {
                plan.push(planned)
            }
        },
        progress: &long_run.monitor,
        cancel: &long_run.requests.cancel,
    }));
    let report = report.map_err(|failure| failure.if_stopped(&how_to_go_on(&target)))?;
    require_match(arguments, entry, &report).inspect_err(|_| {
        if is_new {
            // Whatever is in it by now is not of this run, and stays.
            let _ = std::fs::remove_dir(&target);
        }
    })?;
    let outcome = Outcome { entry, target: &target, report: &report, dry_run: arguments.dry_run };
    let printed = plan.print().and_then(|()| match context.output.is_json() {
        true => context.output.message(&outcome.summary(&long_run)),
        false => outcome.show(context, &long_run),
    });
    conclude(printed, Ok(listing.exit_code(Asked::Named, finish(context, &report))))
}

/// The same command again would refuse the target, which has something in it by now.
fn how_to_go_on(target: &Path) -> String {
    format!(
        "run the command again with --target {} --overwrite if-changed: what is whole stays as it is",
        quoted(target)
    )
}

/// A new directory in the working directory, named after what is restored; a number tells it from others of the name.
fn default_target(arguments: &How, entry: &SnapshotEntry) -> PathBuf {
    let is_kept = |character: char| character.is_alphanumeric() || "._-".contains(character);
    let source: String =
        entry.snapshot.source.chars().map(|character| if is_kept(character) { character } else { '-' }).collect();
    let parts: Vec<&str> = source.split('-').filter(|part| !part.is_empty()).collect();
    let source: String = parts.join("-").chars().take(40).collect();
    let name = format!("./restored-{source}-{}", entry.id.short());
    if arguments.overwrite.is_some() {
        return PathBuf::from(name);
    }
    let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.clone()).chain(numbered).map(PathBuf::from);
    names.find(|path| path.symlink_metadata().is_err()).unwrap_or_else(|| PathBuf::from(&name))
}

/// Refuses to mix a restore with files that somebody may need.
fn require_safe(arguments: &How, target: &Path) -> Result<()> {
    let refused = |problem: &dyn std::fmt::Display| {
        let target = escape::bytes(target.as_os_str().as_bytes());
        Failure::new(&catalogue::TARGET, format!("restore into {target}: {problem}"))
    };
    if std::fs::metadata(target).is_ok_and(|metadata| !metadata.is_dir()) {
        return Err(refused(&"it is not a directory"));
    }
    if arguments.overwrite.is_some() {
        return Ok(());
    }
    match std::fs::read_dir(target).map(|mut entries| entries.next().is_some()) {
        Ok(false) => Ok(()),
        Ok(true) => {
            Err(mainstay_jobs::Error::TargetNotEmpty { path: escape::bytes(target.as_os_str().as_bytes()) }.into())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(refused(&error)),
    }
}

/// Patterns that match nothing were meant otherwise.
fn require_match(arguments: &How, entry: &SnapshotEntry, report: &RestoreReport) -> Result<()> {
    let entries = report.files + report.directories + report.others + report.skipped + report.warning_count;
    if arguments.include.is_empty() || entries > 0 {
        return Ok(());
    }
    let excluded = if arguments.exclude.is_empty() { "" } else { " that --exclude leaves in" };
    let message = format!("restore {}: no entry{excluded} matches --include", entry.id.short());
    Err(Failure::new(&catalogue::NO_MATCH, message))
}

fn options(arguments: &How) -> RestoreOptions {
    RestoreOptions {
        overwrite: match arguments.overwrite {
            Some(When::Always) => Overwrite::Always,
            Some(When::IfChanged) | None => Overwrite::IfChanged,
            Some(When::IfNewer) => Overwrite::IfNewer,
            Some(When::Never) => Overwrite::Never,
        },
        extra: if arguments.delete { Extra::Delete } else { Extra::Keep },
        include: arguments.include.clone(),
        exclude: arguments.exclude.clone(),
        preserve: preserve(&arguments.preserve),
        extent: match (arguments.dry_run, arguments.verify) {
            (true, _) => Extent::Plan,
            (false, true) => Extent::WriteAndVerify,
            (false, false) => Extent::Write,
        },
        spared: crate::defaults::config_directory().into_iter().collect(),
    }
}

fn preserve(wanted: &[Keep]) -> Preserve {
    if wanted.contains(&Keep::All) {
        return Preserve::as_recorded();
    }
    let default = if wanted.contains(&Keep::None) { Preserve::as_own() } else { Preserve::as_permitted() };
    Preserve {
        owner: if wanted.contains(&Keep::Owner) { Ownership::Required } else { default.owner },
        set_id: wanted.contains(&Keep::SetId),
        devices: wanted.contains(&Keep::Devices),
        privileged_attributes: wanted.contains(&Keep::Security),
    }
}

/// The lines of a dry run, printed in large pieces.
struct Plan {
    output: Output,
    lines: Mutex<String>,
}

const PIECE_LEN: usize = 64 << 10;

impl Plan {
    fn push(&self, planned: &PlannedEntry<'_>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if self.output.is_json() {
            let message = PlanMessage {
                message_type: "plan",
                action: planned.action.name().replace(' ', "_"),
                path: PathFields(planned.path),
                kind: planned.kind.map(node::kind),
                size: planned.size,
            };
            // Plain data always becomes JSON.
            lines.push_str(&serde_json::to_string(&message).unwrap_or_default());
        } else {
            lines.push_str(&format!("{:<12}  {}", planned.action.name(), escape::bytes(planned.path)));
        }
        lines.push('\n');
        if lines.len() >= PIECE_LEN {
            // A reader that went away is noticed at the end.
            let _ = self.output.result(&std::mem::take(&mut *lines));
        }
    }

    fn print(&self) -> Result<()> {
        self.output.result(&self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What came of a run.
struct Outcome<'a> {
    entry: &'a SnapshotEntry,
    target: &'a Path,
    report: &'a RestoreReport,
    dry_run: bool,
}

impl Outcome<'_> {
    fn summary(&self, long_run: &LongRun) -> Summary {
        let report = self.report;
        Summary {
            message_type: "summary",
            dry_run: self.dry_run,
            leased: report.is_leased,
            snapshot: self.entry.id.to_string(),
            target: self.target.to_string_lossy().into_owned(),
            files: report.files.saturating_sub(report.lost_files),
            files_lost: report.lost_files,
            directories: report.directories,
            others: report.others,
            bytes: report.bytes.saturating_sub(report.lost_bytes),
            files_unchanged: report.files_unchanged,
            entries_skipped: report.skipped,
            entries_deleted: report.deleted,
            written_bytes: report.written_bytes,
            verified_bytes: report.verified_bytes,
            set_id_dropped: report.left_out.set_id,
            security_dropped: report.left_out.security,
            warnings: report.warning_count,
            seconds_elapsed: long_run.elapsed().as_secs_f64(),
        }
    }

    fn show(&self, context: &Context, long_run: &LongRun) -> Result<()> {
        let report = self.report;
        let verb = if self.dry_run { "would restore" } else { "restored" };
        let mut parts = vec![format!(
            "{verb} {}, {} of snapshot {} into {}",
            units::counted(report.files.saturating_sub(report.lost_files), "file", "files"),
            units::size(report.bytes.saturating_sub(report.lost_bytes)),
            self.entry.id.short(),
            quoted(self.target)
        )];
        let mut add = |count: u64, what: &str| {
            if count > 0 {
                parts.push(format!("{} {what}", units::count(count)));
            }
        };
        add(report.lost_files, "not whole");
        add(report.files_unchanged, "unchanged");
        add(report.skipped, "left alone");
        add(report.deleted, "deleted");
        if !self.dry_run {
            parts.push(format!("{} written", units::size(report.written_bytes)));
        }
        if report.verified_bytes > 0 {
            parts.push(format!("{} verified", units::size(report.verified_bytes)));
        }
        context.output.result(&format!("{} · {}\n", parts.join("; "), units::duration(long_run.elapsed())))?;
        context.output.say(&match self.dry_run {
            true => "next: the same without --dry-run".to_owned(),
            false => format!("next: ls {}", quoted(self.target)),
        });
        self.tell_left_out(context);
        Ok(())
    }

    /// What was not asked for, once and not for each entry.
    fn tell_left_out(&self, context: &Context) {
        let LeftOut { set_id, security } = self.report.left_out;
        let mut left_out = Vec::new();
        if set_id > 0 {
            let files = units::counted(set_id, "file", "files");
            left_out.push(format!("set-uid and set-gid bits of {files} (--preserve set-id)"));
        }
        if security > 0 {
            let entries = units::counted(security, "entry", "entries");
            left_out.push(format!("security attributes of {entries} (--preserve security)"));
        }
        if !left_out.is_empty() {
            let verb = if self.dry_run { "would leave out" } else { "left out" };
            context.output.say(&format!("note: {verb} {}", left_out.join(", ")));
        }
    }
}

/// A restore with warnings is finished, and says so.
fn finish(context: &Context, report: &RestoreReport) -> ExitCode {
    if report.warning_count == 0 {
        return ExitCode::Success;
    }
    let count = units::counted(report.warning_count, "entry", "entries");
    let message = format!("{count} could not be restored as recorded");
    let failure = Failure::new(&catalogue::INCOMPLETE_RESTORE, message);
    context.output.warn_by_code(&failure);
    failure.exit_code()
}

#[cfg(test)]
mod tests;
