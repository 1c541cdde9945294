//! `mainstay sync`: bring another copy of the repository up to date, or this one from another.
//!
//! Owns which of the two is brought up to date, creating a copy where there is none, and the presentation; the engine synchronises.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use mainstay_jobs::watch::Watch;
use mainstay_repo::{Error, Repository, SnapshotPlace, SyncReport};
use serde::Serialize;

use super::key;
use super::long_run::{LongRun, conclude};
use crate::arguments::reach::StorageClass;
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::location::Location;
use crate::output::progress::Counted;
use crate::output::{escape, units};
use crate::{memory, places};

const EXAMPLES: &str = "\
Examples:
  mainstay sync --to /mnt/disk/copy            keep a second copy; the first time it is created
  mainstay sync --from /mnt/disk/copy          bring what the copy has and the repository lacks
  mainstay sync --to /mnt/disk/copy --dry-run";

/// A collector that took the sync for gone did so once; twice is another matter.
const ATTEMPTS: u32 = 3;

/// Keep another copy of the repository up to date
///
/// Both have the same keys; each is backed up to, pruned and repaired by itself, and both may be in use meanwhile. Brought are the snapshots that
/// the other one lacks, whole, every block of them checked; what both have is looked through, and blocks that are gone come again. Nothing is
/// deleted: what was forgotten or pruned in one stays in the other, and what a prune has removed is not brought back. A sync that was
/// interrupted is continued by the next one. It needs a key that may do everything.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
#[group(skip)]
#[command(group(clap::ArgGroup::new("other").required(true).args(["to", "from"])))]
pub struct Arguments {
    /// Bring what this repository has to the copy in REPO, which is created where nothing is
    #[arg(long, value_name = "REPO")]
    to: Option<OsString>,
    /// Bring what the copy in REPO has to this repository
    #[arg(long, value_name = "REPO")]
    from: Option<OsString>,
    /// Create the copy even where this machine has seen one that is not there any more
    #[arg(long, requires = "to")]
    create: bool,
    /// Show what would be done
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
    /// The copy was not there.
    created: bool,
    brought: Vec<String>,
    present: u64,
    /// Snapshots that were there, and blocks of them were not.
    completed: Vec<String>,
    /// Snapshots that a prune has removed where they would come to.
    removed: Vec<String>,
    /// Snapshots that are forgotten where they would come from.
    forgotten: u64,
    left_out: Vec<LeftOut>,
    blocks: u64,
    written_bytes: u64,
    seconds_elapsed: f64,
}

#[derive(Serialize)]
struct LeftOut {
    snapshot: String,
    problem: String,
}

/// Both copies, in the direction of the sync.
struct Both {
    from: Opened,
    /// None where a copy would be created.
    to: Option<Opened>,
    place: Location,
    created: bool,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    // With --from it is this repository that is written.
    let own = match &arguments.from {
        Some(_) => context.writing_into(&arguments.storage_class).open()?,
        None => context.open()?,
    };
    own.repository.require_all("synchronise")?;
    let both = open_both(arguments, own, context)?;
    let mut rewinds = memory::look(&both.from, &context.output);
    let mut long_run = LongRun::counting(context, Counted::Snapshots);
    let done = match (&both.to, arguments.dry_run) {
        (Some(to), true) => to.repository.plan_sync(&both.from.repository),
        (None, _) => everything(&both.from.repository),
        (Some(to), false) => synchronise(&to.repository, &both.from.repository, &long_run),
    };
    let report = long_run.end(done.map_err(mainstay_jobs::Error::from))?;
    let printed = print(context, &report, (&both, arguments.dry_run, &long_run));
    if !arguments.dry_run
        && let Some(to) = &both.to
    {
        // Afterwards: what was seen there and has come again is no rewind, and what has come is remembered.
        rewinds.0.extend(memory::look(to, &context.output).0);
        // A place that cannot be listed now is not remembered.
        let _ = places::note_copies(&both.from.repository, &to.repository);
    }
    conclude(printed, ended(&report).map(|code| rewinds.exit_code(code)))
}

fn open_both(arguments: &Arguments, own: Opened, context: &Context) -> Result<Both> {
    let named = |place: &OsStr| -> Result<Location> {
        let location = context.find(Some(place))?;
        let problem = match (location.is_same(&own.location), own.location.holds(&location)) {
            (true, _) => "both names are of the same place",
            (_, true) => "it lies in the repository itself",
            _ if location.holds(&own.location) => "the repository lies in it",
            _ => return Ok(location),
        };
        let message = format!("synchronise {}: {problem}", location.quoted());
        Err(Failure::new(&catalogue::USAGE, message).with_hint("name another place, best on another disk"))
    };
    match (&arguments.to, &arguments.from) {
        (Some(place), _) => {
            let place = named(place)?.in_storage_class(&arguments.storage_class)?;
            let (to, created) = match open_copy(&own.repository, &place, context) {
                Err(failure) if failure.code.number == catalogue::NO_REPOSITORY.number => {
                    if !arguments.create
                        && memory::path_of(&own.repository, Path::new(&place.store().location()))?.exists()
                    {
                        return Err(gone(&place));
                    }
                    let created = !arguments.dry_run;
                    (created.then(|| create(&own.repository, &place, context)).transpose()?, created)
                }
                opened => (Some(opened?), false),
            };
            Ok(Both { from: own, to, place, created })
        }
        (None, place) => {
            let place = named(place.as_deref().unwrap_or_default())?;
            let from = open_copy(&own.repository, &place, context)?;
            Ok(Both { place: own.location.clone(), from, to: Some(own), created: false })
        }
    }
}

/// A copy that this machine has seen is more likely unplugged than to be made anew.
fn gone(place: &Location) -> Failure {
    let message = format!("synchronise with {}: this machine has seen a copy there, and there is none", place.quoted());
    Failure::new(&catalogue::NO_REPOSITORY, message)
        .with_hint("mount the disk; if the copy is gone for good, make a new one with --create")
}

/// Opens another copy with its own keys: it may have been rotated by itself.
fn open_copy(own: &Repository, location: &Location, context: &Context) -> Result<Opened> {
    let id = Repository::identify(&*location.store())?;
    if id != own.id() {
        let message = format!(
            "synchronise with {}: it is repository {}, and no copy of {}",
            location.quoted(),
            id.short(),
            own.id().short()
        );
        return Err(Failure::new(&catalogue::INVALID, message));
    }
    Ok(Opened { repository: context.open_at(location)?, location: location.clone() })
}

fn create(own: &Repository, location: &Location, context: &Context) -> Result<Opened> {
    let repository = own.create_copy(location.store())?;
    key::warn_of_damage(&own.key_slots()?.damaged, context);
    // What was seen there before is no measure for a new copy.
    let _ = std::fs::remove_file(memory::path(&repository)?);
    context.output.detail(&format!("created a copy at {}", location.quoted()));
    Ok(Opened { repository, location: location.clone() })
}

fn synchronise(to: &Repository, from: &Repository, long_run: &LongRun) -> mainstay_repo::Result<SyncReport> {
    let watch = Watch::of_sync(&long_run.monitor, &long_run.requests.cancel);
    let mut attempt = 1;
    loop {
        match to.sync_from(from, &watch) {
            Err(Error::Fenced { .. }) if attempt < ATTEMPTS => attempt += 1,
            done => return done,
        }
    }
}

/// What would come to a copy that is not there.
fn everything(from: &Repository) -> mainstay_repo::Result<SyncReport> {
    let listing = from.list_snapshots()?;
    let (forgotten, kept): (Vec<_>, Vec<_>) = listing.entries.iter().partition(|entry| entry.forgotten);
    let brought = kept.into_iter().map(|entry| from.place_of(entry)).collect();
    Ok(SyncReport { brought, forgotten: forgotten.len() as u64, ..SyncReport::default() })
}

fn ended(report: &SyncReport) -> Result<ExitCode> {
    if report.left_out.is_empty() {
        return Ok(ExitCode::Success);
    }
    let count = units::counted(report.left_out.len() as u64, "snapshot", "snapshots");
    Err(Failure::new(&catalogue::INCOMPLETE_SYNC, format!("not everything could be brought: {count} left out")))
}

fn print(context: &Context, report: &SyncReport, (both, dry_run, long_run): (&Both, bool, &LongRun)) -> Result<()> {
    let ids = |places: &[SnapshotPlace]| places.iter().map(|place| place.id.to_string()).collect();
    let output = &context.output;
    if output.is_json() {
        let left_out = report.left_out.iter();
        return output.message(&Summary {
            message_type: "summary",
            dry_run,
            from: &both.from.location.text().to_string_lossy(),
            to: &both.place.text().to_string_lossy(),
            created: both.created,
            brought: ids(&report.brought),
            present: report.present,
            completed: ids(&report.completed),
            removed: ids(&report.removed),
            forgotten: report.forgotten,
            left_out: left_out
                .map(|(place, error)| LeftOut { snapshot: place.id.to_string(), problem: error.to_string() })
                .collect(),
            blocks: report.blocks,
            written_bytes: report.bytes,
            seconds_elapsed: long_run.elapsed().as_secs_f64(),
        });
    }
    for (place, error) in &report.left_out {
        output.warn(&format!("snapshot {} was left out: {}", place.id.short(), escape::message(&error.to_string())));
    }
    if !report.completed.is_empty() {
        let count = units::counted(report.completed.len() as u64, "snapshot lacked", "snapshots lacked");
        output.say(&format!("{count} blocks in {}, which were brought", both.place.quoted()));
    }
    if !report.removed.is_empty() {
        let count = units::counted(report.removed.len() as u64, "snapshot stays", "snapshots stay");
        output.say(&format!("{count} away: removed by a prune in {}", both.place.quoted()));
    }
    if report.forgotten > 0 {
        let count = units::counted(report.forgotten, "forgotten snapshot", "forgotten snapshots");
        output.say(&format!("{count} did not come"));
    }
    let line = line(report, (both, dry_run, long_run));
    if dry_run { output.result(&line) } else { output.outcome(&line) }
}

fn line(report: &SyncReport, (both, dry_run, long_run): (&Both, bool, &LongRun)) -> String {
    let place = both.place.quoted();
    let count = units::counted(report.brought.len() as u64, "snapshot", "snapshots");
    let were_there = format!("{} there already", units::count(report.present));
    if dry_run {
        let created = if both.to.is_none() { ", which would be created" } else { "" };
        return format!("would bring {count} to {place}{created} · {were_there}\n");
    }
    let verb = if both.created { "created a copy and brought" } else { "brought" };
    let written = units::size(report.bytes);
    format!("{verb} {count} to {place} · {were_there} · {written} written · {}\n", units::duration(long_run.elapsed()))
}
