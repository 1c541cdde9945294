//! `mainstay parity`: what makes damage repairable: parity of packs, second copies of small objects.
//!
//! Owns the three verbs and their presentation; the engine makes parity.

use mainstay_jobs::watch::Watch;
use mainstay_repo::{
    AddedParity, CopyCoverage, DEFAULT_PERCENT, DroppedParity, PERCENTS, ParityCoverage, SnapshotEntry,
};
use serde::Serialize;

use super::long_run::{LongRun, conclude};
use super::selection::OfSource;
use crate::arguments::not_empty;
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::listing::Listing;
use crate::output::progress::Counted;
use crate::output::{Shape, escape, units};

const EXAMPLES: &str = "\
Examples:
  mainstay parity add
  mainstay parity add --percent 10 latest
  mainstay parity status
  mainstay parity drop";

/// Add, drop or show parity and second copies, by which damage is repaired
///
/// Keys, snapshots, records of what was removed and the configuration are small, and get second copies. For packs there is parity. It takes a few percent of the space and undoes damage of as much, wherever in a pack it is. It needs no place in backups: add it
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

/// Make parity of packs that have none, or another percentage, and second copies of keys and snapshots
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

/// Remove parity, and with that of all packs the second copies; what they are of is not touched
///
/// Each pack is read first. Of one that is damaged the parity stays, since it may be all that heals it: run `mainstay repair`, and drop again.
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

/// Show how much has parity and second copies
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
    copies_added: u64,
    copies_present: u64,
    copy_bytes: u64,
    damaged: Vec<String>,
}

/// The last line of `drop --json`.
#[derive(Serialize)]
struct DroppedFields {
    message_type: &'static str,
    packs_dropped: u64,
    /// Damaged packs whose parity stays.
    packs_kept: u64,
    copies_dropped: u64,
    /// Second copies of what is damaged or gone.
    copies_kept: u64,
    freed_bytes: u64,
    damaged: Vec<String>,
}

#[derive(Serialize)]
struct CoverageFields {
    packs: u64,
    pack_bytes: u64,
    covered_packs: u64,
    covered_bytes: u64,
    parity_bytes: u64,
    /// Keys, snapshots, records and the configuration.
    small_objects: u64,
    copied_objects: u64,
    copy_bytes: u64,
    /// Second copies of what is not there.
    orphaned_copies: u64,
    damaged: Vec<String>,
    leftovers: u64,
}

fn percents() -> impl clap::builder::TypedValueParser<Value = u8> {
    clap::value_parser!(u8).range(i64::from(*PERCENTS.start())..=i64::from(*PERCENTS.end()))
}

impl Arguments {
    /// How the verb prints JSON.
    pub fn shape(&self) -> Shape {
        match self.verb {
            Verb::Add(_) | Verb::Drop(_) => Shape::Lines,
            Verb::Status(_) => Shape::Document,
        }
    }
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
    let printed = print_added(context, &added);
    let packs = units::counted(added.damaged.len() as u64, "damaged pack", "damaged packs");
    let small = units::counted(added.copies.damaged.len() as u64, "damaged object", "damaged objects");
    let without = match (added.damaged.is_empty(), added.copies.damaged.is_empty()) {
        (true, true) => return conclude(printed, Ok(ExitCode::Success)),
        (false, true) => format!("no parity was made of {packs}"),
        (true, false) => format!("no second copy was made of {small}"),
        (false, false) => format!("no parity was made of {packs}, and no second copy of {small}"),
    };
    conclude(printed, Err(Failure::new(&catalogue::NO_PARITY_OF_DAMAGE, without)))
}

fn print_added(context: &Context, added: &AddedParity) -> Result<()> {
    let damaged: Vec<String> = added.damaged.iter().chain(&added.copies.damaged).map(ToString::to_string).collect();
    if context.output.is_json() {
        return context.output.message(&AddedFields {
            message_type: "summary",
            packs_added: added.packs,
            packs_present: added.present,
            parity_bytes: added.bytes,
            copies_added: added.copies.objects,
            copies_present: added.copies.present,
            copy_bytes: added.copies.bytes,
            damaged,
        });
    }
    damaged.iter().for_each(|problem| context.output.warn(problem));
    context.output.outcome(&format!(
        "made parity of {} ({}), {} had it already\nmade second copies of {} ({}), {} had one already\n",
        units::counted(added.packs, "pack", "packs"),
        units::size(added.bytes),
        units::count(added.present),
        small_objects(added.copies.objects),
        units::size(added.copies.bytes),
        units::count(added.copies.present),
    ))
}

/// Keys, snapshots, records of removal, and the configuration.
fn small_objects(count: u64) -> String {
    units::counted(count, "small object", "small objects")
}

fn run_drop(drop: &Drop, context: &Context) -> Result<ExitCode> {
    let opened = context.open()?;
    let snapshot = drop.part.find(&opened)?;
    let mut long_run = LongRun::counting(context, Counted::Packs);
    let watch = Watch::of_repair(&long_run.monitor, &long_run.requests.cancel);
    let dropped = opened.repository.drop_parity(snapshot.as_ref(), &watch);
    let dropped = long_run.end(dropped.map_err(mainstay_jobs::Error::from))?;
    let printed = print_dropped(context, &dropped);
    if dropped.damaged.is_empty() {
        return conclude(printed, Ok(ExitCode::Success));
    }
    let packs = units::counted(dropped.damaged.len() as u64, "damaged pack", "damaged packs");
    let kept = format!("kept the parity of {packs}, which may be all that heals what is there");
    conclude(printed, Err(Failure::new(&catalogue::PARITY_KEPT, kept)))
}

fn print_dropped(context: &Context, dropped: &DroppedParity) -> Result<()> {
    let damaged: Vec<String> = dropped.damaged.iter().map(ToString::to_string).collect();
    if context.output.is_json() {
        return context.output.message(&DroppedFields {
            message_type: "summary",
            packs_dropped: dropped.packs,
            packs_kept: damaged.len() as u64,
            copies_dropped: dropped.copies.objects,
            copies_kept: dropped.copies.kept,
            freed_bytes: dropped.bytes + dropped.copies.bytes,
            damaged,
        });
    }
    damaged.iter().for_each(|problem| context.output.warn(problem));
    context.output.outcome(&dropped_text(dropped))
}

fn dropped_text(dropped: &DroppedParity) -> String {
    let (packs, copies) = (units::counted(dropped.packs, "pack", "packs"), small_objects(dropped.copies.objects));
    let freed = units::size(dropped.bytes + dropped.copies.bytes);
    let mut text = format!("dropped the parity of {packs} and the second copies of {copies}, freed {freed}\n");
    if dropped.copies.kept > 0 {
        let kept = units::counted(dropped.copies.kept, "second copy", "second copies");
        text.push_str(&format!("kept {kept} of what is damaged or gone: run `mainstay repair`\n"));
    }
    text
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
        small_objects: coverage.copies.objects,
        copied_objects: coverage.copies.covered,
        copy_bytes: coverage.copies.bytes,
        orphaned_copies: coverage.copies.orphans,
        damaged: coverage.damaged.iter().chain(&coverage.copies.damaged).cloned().collect(),
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
    text.push_str(&copies_text(&coverage.copies));
    for name in coverage.damaged.iter().chain(&coverage.copies.damaged) {
        text.push_str(&format!("damaged: {}; `mainstay repair` makes it anew\n", escape::text(name)));
    }
    if coverage.leftovers > 0 {
        let parts = units::counted(coverage.leftovers, "sidecar belongs", "sidecars belong");
        text.push_str(&format!("{parts} to packs that are gone; the next prune removes them\n"));
    }
    text
}

fn copies_text(copies: &CopyCoverage) -> String {
    let CopyCoverage { objects, covered, bytes, orphans, .. } = copies;
    let (of, size) = (small_objects(*objects), units::size(*bytes));
    let mut text =
        format!("second copies of {} of {of}, in {size}: keys, snapshots and the like\n", units::count(*covered));
    if *orphans > 0 {
        let copies = units::counted(*orphans, "second copy is", "second copies are");
        text.push_str(&format!("{copies} of what is not there: see `mainstay check`\n"));
    }
    text
}
