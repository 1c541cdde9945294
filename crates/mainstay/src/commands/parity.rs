//! `mainstay parity`: what makes damage to packs repairable.
//!
//! Owns the three verbs and their presentation; the engine makes parity.

use mainstay_jobs::watch::Watch;
use mainstay_repo::{DEFAULT_PERCENT, PERCENTS, ParityCoverage, SnapshotEntry};
use serde::Serialize;

use super::long_run::{LongRun, conclude};
use super::selection::OfSource;
use crate::arguments::not_empty;
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::listing::Listing;
use crate::output::progress::Counted;
use crate::output::{escape, units};

const EXAMPLES: &str = "\
Examples:
  mainstay parity add
  mainstay parity add --percent 10 latest
  mainstay parity status
  mainstay parity drop";

/// Add, drop or show parity, by which damaged packs are repaired
///
/// Parity takes a few percent of the space and undoes damage of as much, wherever in a pack it is. It needs no place in backups: add it
/// at any time, to all packs or to those that a snapshot needs. Packs that are written later have none until it is added again.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Add(Add),
    Drop(Drop),
    Status(Status),
}

/// The packs that are meant.
#[derive(clap::Args)]
struct Part {
    /// Only the packs that this snapshot needs
    #[arg(value_name = "SNAP", value_parser = not_empty())]
    snapshot: Option<String>,
    #[command(flatten)]
    source: OfSource,
}

const ADD_EXAMPLES: &str = "\
Examples:
  mainstay parity add
  mainstay parity add --percent 10
  mainstay parity add latest             only for what the last snapshot needs";

/// Make parity of packs that have none, or another percentage
#[derive(clap::Args)]
#[command(after_help = ADD_EXAMPLES)]
struct Add {
    #[command(flatten)]
    part: Part,
    /// How much of a pack may be lost, 1 to 30
    #[arg(long, value_name = "N", default_value_t = DEFAULT_PERCENT, value_parser = percents())]
    percent: u8,
}

const DROP_EXAMPLES: &str = "\
Examples:
  mainstay parity drop";

/// Remove parity; packs are not touched
#[derive(clap::Args)]
#[command(after_help = DROP_EXAMPLES)]
struct Drop {
    #[command(flatten)]
    part: Part,
}

const STATUS_EXAMPLES: &str = "\
Examples:
  mainstay parity status
  mainstay parity status latest --json";

/// Show how much has parity
#[derive(clap::Args)]
#[command(after_help = STATUS_EXAMPLES)]
struct Status {
    #[command(flatten)]
    part: Part,
}

/// The last line of `add --json`.
#[derive(Serialize)]
struct AddedFields {
    message_type: &'static str,
    packs_added: u64,
    packs_present: u64,
    parity_bytes: u64,
    damaged: Vec<String>,
}

#[derive(Serialize)]
struct DroppedFields {
    packs_dropped: u64,
    freed_bytes: u64,
}

#[derive(Serialize)]
struct CoverageFields {
    packs: u64,
    pack_bytes: u64,
    covered_packs: u64,
    covered_bytes: u64,
    parity_bytes: u64,
    damaged: Vec<String>,
    leftovers: u64,
}

fn percents() -> impl clap::builder::TypedValueParser<Value = u8> {
    clap::value_parser!(u8).range(i64::from(*PERCENTS.start())..=i64::from(*PERCENTS.end()))
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    match &arguments.verb {
        Verb::Add(add) => run_add(add, context),
        Verb::Drop(drop) => run_drop(drop, context),
        Verb::Status(status) => run_status(status, context),
    }
}

impl Part {
    fn find(&self, opened: &Opened) -> Result<Option<SnapshotEntry>> {
        let Some(snapshot) = &self.snapshot else { return Ok(None) };
        let listing = Listing::read(opened)?;
        listing.find(snapshot, self.source.name()).map(|entry| Some(entry.clone()))
    }
}

fn run_add(add: &Add, context: &Context) -> Result<ExitCode> {
    let opened = context.open()?;
    let snapshot = add.part.find(&opened)?;
    let mut long_run = LongRun::counting(context, Counted::Packs);
    let watch = Watch::of_repair(&long_run.monitor, &long_run.requests.cancel);
    let added = opened.repository.add_parity(snapshot.as_ref(), add.percent, &watch);
    let added = long_run.end(added.map_err(mainstay_jobs::Error::from))?;
    let damaged: Vec<String> = added.damaged.iter().map(ToString::to_string).collect();
    let count = damaged.len() as u64;
    let printed = if context.output.is_json() {
        context.output.message(&AddedFields {
            message_type: "summary",
            packs_added: added.packs,
            packs_present: added.present,
            parity_bytes: added.bytes,
            damaged,
        })
    } else {
        damaged.iter().for_each(|problem| context.output.warn(problem));
        context.output.outcome(&format!(
            "made parity of {} ({}), {} had it already\n",
            units::counted(added.packs, "pack", "packs"),
            units::size(added.bytes),
            units::count(added.present),
        ))
    };
    let ended = match count {
        0 => Ok(ExitCode::Success),
        _ => {
            let packs = units::counted(count, "damaged pack", "damaged packs");
            Err(Failure::new(&catalogue::NO_PARITY_OF_DAMAGE, format!("no parity was made of {packs}")))
        }
    };
    conclude(printed, ended)
}

fn run_drop(drop: &Drop, context: &Context) -> Result<ExitCode> {
    let opened = context.open()?;
    let snapshot = drop.part.find(&opened)?;
    let dropped = opened.repository.drop_parity(snapshot.as_ref())?;
    if context.output.is_json() {
        context.output.document(&DroppedFields { packs_dropped: dropped.packs, freed_bytes: dropped.bytes })?;
    } else {
        let packs = units::counted(dropped.packs, "pack", "packs");
        context.output.outcome(&format!("dropped the parity of {packs}, freed {}\n", units::size(dropped.bytes)))?;
    }
    Ok(ExitCode::Success)
}

fn run_status(status: &Status, context: &Context) -> Result<ExitCode> {
    let opened = context.open()?;
    let snapshot = status.part.find(&opened)?;
    let coverage = opened.repository.parity_coverage(snapshot.as_ref())?;
    if context.output.is_json() {
        context.output.document(&coverage_fields(&coverage))?;
    } else {
        context.output.result(&text(&coverage))?;
    }
    Ok(ExitCode::Success)
}

fn coverage_fields(coverage: &ParityCoverage) -> CoverageFields {
    CoverageFields {
        packs: coverage.packs,
        pack_bytes: coverage.pack_bytes,
        covered_packs: coverage.covered_packs,
        covered_bytes: coverage.covered_bytes,
        parity_bytes: coverage.parity_bytes,
        damaged: coverage.damaged.clone(),
        leftovers: coverage.leftovers,
    }
}

fn text(coverage: &ParityCoverage) -> String {
    let share = coverage.covered_bytes as f64 / coverage.pack_bytes.max(1) as f64 * 100.0;
    let mut text = format!(
        "{} of {} have parity: {} of {} ({share:.0} %), in {} of parity\n",
        units::count(coverage.covered_packs),
        units::counted(coverage.packs, "pack", "packs"),
        units::size(coverage.covered_bytes),
        units::size(coverage.pack_bytes),
        units::size(coverage.parity_bytes),
    );
    for name in &coverage.damaged {
        text.push_str(&format!("damaged: {}; `mainstay repair` makes it anew\n", escape::text(name)));
    }
    if coverage.leftovers > 0 {
        let parts = units::counted(coverage.leftovers, "sidecar belongs", "sidecars belong");
        text.push_str(&format!("{parts} to packs that are gone; the next prune removes them\n"));
    }
    text
}
