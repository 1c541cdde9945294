//! `mainstay forget`: drop snapshots by rules or by name.
//!
//! Owns the rules' flags and the presentation of the plan; the plan is made by `mainstay-jobs`.

use jiff::Span;
use jiff::tz::TimeZone;
use mainstay_jobs::retention::{ForgetPlan, Retention, plan_forget};
use mainstay_jobs::select;
use mainstay_repo::{Repository, Right, SnapshotEntry, SnapshotId};
use serde::Serialize;

use super::long_run::LongRun;
use super::prune::{self, Hold, PruneFields, span};
use super::selection::OfSource;
use crate::arguments::not_empty;
use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::Result;
use crate::listing::Listing;
use crate::machine;
use crate::output::table::{Align, Table};
use crate::output::{Talk, escape, time, units};

const EXAMPLES: &str = "\
Examples:
  mainstay forget --keep-daily 7 --keep-weekly 4 --keep-monthly 12 --dry-run
  mainstay forget --keep-last 3 --keep-within 30d --keep-tag release --prune
  mainstay forget 1a2b3c4d";

/// Drop snapshots; the space is freed by prune
///
/// A snapshot stays if one rule wants it, and the newest of each source always stays. Counts are per source. Snapshots
/// named on the command line are dropped whatever they are, one that cannot be read as well if its head proves where it stands.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Drop these snapshots instead of applying rules
    #[arg(value_name = "SNAP", conflicts_with = "rules")]
    snapshots: Vec<String>,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    source: OfSource,
    /// Show what would be done
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Prune afterwards
    #[arg(long)]
    prune: bool,
    #[command(flatten)]
    hold: Hold,
}

/// What to keep.
#[derive(clap::Args)]
#[group(id = "rules", multiple = true)]
struct Rules {
    /// Keep the newest N
    #[arg(long, value_name = "N")]
    keep_last: Option<u32>,
    /// Keep the newest of each of the last N hours that have one
    #[arg(long, value_name = "N")]
    keep_hourly: Option<u32>,
    /// Likewise for days
    #[arg(long, value_name = "N")]
    keep_daily: Option<u32>,
    /// Likewise for weeks, which begin on Monday
    #[arg(long, value_name = "N")]
    keep_weekly: Option<u32>,
    /// Likewise for months
    #[arg(long, value_name = "N")]
    keep_monthly: Option<u32>,
    /// Likewise for years
    #[arg(long, value_name = "N")]
    keep_yearly: Option<u32>,
    /// Keep all that are not older, such as 30d, 1y6m or PT12H
    #[arg(long, value_name = "TIME", value_parser = span)]
    keep_within: Option<Span>,
    /// Keep all with this tag; may be given several times
    #[arg(long, value_name = "TAG", value_parser = not_empty())]
    keep_tag: Vec<String>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Fields {
    dry_run: bool,
    keep: Vec<KeepFields>,
    forget: Vec<ForgetFields>,
    prune: Option<PruneFields>,
}

#[derive(Serialize)]
struct KeepFields {
    snapshot: String,
    reasons: Vec<String>,
}

#[derive(Serialize)]
struct ForgetFields {
    snapshot: String,
    /// Not known of one that cannot be read.
    source: Option<String>,
    started: Option<String>,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let opened = context.open_to(Right::Maintain, "forget")?;
    let listing = match arguments.snapshots.is_empty() {
        true => Listing::read_whole(&opened)?,
        false => Listing::read(&opened)?,
    };
    listing.rewinds.refuse("forget")?;
    let plan = plan(arguments, &opened.repository, &listing)?;
    let entries = &listing.entries;
    if !arguments.dry_run {
        apply(&opened.repository, &plan)?;
    }
    if !context.output.is_json() {
        show(arguments, context, entries, &plan)?;
    }
    let pruned = match (arguments.prune, arguments.dry_run) {
        (false, _) => None,
        (true, false) => {
            Some(prune::prune(&opened.repository, &arguments.hold, LongRun::prune_within_document(context))?)
        }
        // What the prune would free depends on marks that a dry run does not set.
        (true, true) => None,
    };
    let exit_code = pruned.as_ref().map_or(ExitCode::Success, prune::PruneFields::exit_code);
    if context.output.is_json() {
        context.output.document(&fields(arguments, entries, &plan, pruned))?;
        return Ok(exit_code);
    }
    match &pruned {
        Some(pruned) => pruned.show(context)?,
        None if plan.forget.is_empty() => {}
        None if arguments.dry_run => context.output.say("next: the same without --dry-run"),
        None => context.output.say(&format!("next: mainstay prune{}", opened.location.flag())),
    }
    Ok(exit_code)
}

fn plan(arguments: &Arguments, repository: &Repository, listing: &Listing<'_>) -> Result<ForgetPlan> {
    let entries = &listing.entries;
    let source = arguments.source.name();
    if let Some(source) = source {
        select::require_source(entries, source)?;
    }
    if !arguments.snapshots.is_empty() {
        let named = arguments.snapshots.iter();
        let mut forget = named.map(|text| listing.find_to_forget(text, source)).collect::<Result<Vec<SnapshotId>>>()?;
        forget.sort_unstable();
        forget.dedup();
        return Ok(ForgetPlan { keep: Vec::new(), forget });
    }
    let mut judged: Vec<SnapshotEntry> = select::history(entries, source).into_iter().cloned().collect();
    let removed = repository.removed()?;
    removed.doubt_what_came_back(&mut judged);
    let chain = repository.chain(entries, listing.beside(), &removed);
    Ok(plan_forget(&judged, &chain, &arguments.rules.retention(), machine::now(), &TimeZone::system())?)
}

impl Rules {
    fn retention(&self) -> Retention {
        Retention {
            last: self.keep_last,
            hourly: self.keep_hourly,
            daily: self.keep_daily,
            weekly: self.keep_weekly,
            monthly: self.keep_monthly,
            yearly: self.keep_yearly,
            within: self.keep_within,
            keep_tags: self.keep_tag.clone(),
        }
    }
}

fn apply(repository: &Repository, plan: &ForgetPlan) -> Result<()> {
    let now = machine::now();
    for id in &plan.forget {
        repository.forget(*id, now)?;
    }
    Ok(())
}

fn show(arguments: &Arguments, context: &Context, entries: &[SnapshotEntry], plan: &ForgetPlan) -> Result<()> {
    let mut table = Table::new(&[
        ("", Align::Left),
        ("ID", Align::Left),
        ("TIME", Align::Left),
        ("SOURCE", Align::Left),
        ("REASON", Align::Left),
    ]);
    for entry in select::history(entries, arguments.source.name()) {
        let kept = plan.keep.iter().find(|(id, _)| *id == entry.id);
        let (mark, reason) = match kept {
            Some((_, reasons)) => ("keep", escape::text(&reasons.join(", "))),
            None if plan.forget.contains(&entry.id) => ("forget", String::new()),
            None => continue,
        };
        let source = format!("{} #{}", escape::text(&entry.snapshot.source), entry.snapshot.sequence);
        table.push(vec![mark.to_owned(), entry.id.short(), time::local(entry.snapshot.started), source, reason]);
    }
    let is_read = |id: &SnapshotId| entries.iter().any(|entry| entry.id == *id);
    for id in plan.forget.iter().filter(|id| !is_read(id)) {
        let unknown = || "-".to_owned();
        table.push(vec!["forget".to_owned(), id.short(), unknown(), unknown(), "it cannot be read".to_owned()]);
    }
    if !arguments.dry_run && context.output.talk == Talk::Quiet {
        return Ok(());
    }
    context.output.table(&table)?;
    let verb = if arguments.dry_run { "would forget" } else { "forgot" };
    let count = units::counted(plan.forget.len() as u64, "snapshot", "snapshots");
    let kept = match plan.keep.len() as u64 {
        0 => String::new(),
        kept => format!(", {} kept", units::count(kept)),
    };
    context.output.result(&format!("{verb} {count}{kept}\n"))
}

fn fields(arguments: &Arguments, entries: &[SnapshotEntry], plan: &ForgetPlan, pruned: Option<PruneFields>) -> Fields {
    let keep = plan.keep.iter().map(|(id, reasons)| KeepFields { snapshot: id.to_string(), reasons: reasons.clone() });
    let forget = plan.forget.iter().map(|id| {
        let entry = entries.iter().find(|entry| entry.id == *id);
        ForgetFields {
            snapshot: id.to_string(),
            source: entry.map(|entry| entry.snapshot.source.clone()),
            started: entry.map(|entry| time::utc(entry.snapshot.started)),
        }
    });
    Fields { dry_run: arguments.dry_run, keep: keep.collect(), forget: forget.collect(), prune: pruned }
}
