//! `mainstay prune`: free the space of what was forgotten.
//!
//! Owns the presentation; the engine plans and acts. `forget --prune` shares all of it.

mod giving_up;

use jiff::{Span, Zoned};
use mainstay_jobs::retention::parse_span;
use mainstay_jobs::watch::Watch;
use mainstay_repo::{PrunePlan, Repository, Right};
use serde::Serialize;

use super::long_run::{LongRun, conclude};
use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::memory;
use crate::output::progress::Counted;
use crate::output::units;

const EXAMPLES: &str = "\
Examples:
  mainstay prune --dry-run
  mainstay prune
  mainstay prune --hold 0d
  mainstay prune --accept-loss 1a2b3c4d";

/// Free the space of forgotten snapshots
///
/// Packs that no snapshot needs are deleted; packs of which little is needed are rewritten without the rest. Backups, restores and other
/// prunes may run meanwhile: what they may still need is deleted by a later prune. An interrupted prune loses nothing, and the next one
/// finishes its work. A listing that lacks a snapshot which another was made after is not believed: nothing is deleted then (exit code
/// 15).
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Show what would be done
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Give up a snapshot that is neither there nor recorded as removed; may be given several times
    #[arg(long, value_name = "ID", conflicts_with = "dry_run")]
    accept_loss: Vec<String>,
    #[command(flatten)]
    pub hold: Hold,
}

/// How long a forgotten snapshot can be taken back.
#[derive(clap::Args)]
pub struct Hold {
    /// Keep what was forgotten less than TIME ago, so that `undelete` brings it back; 0d removes it now
    #[arg(long, value_name = "TIME", default_value = "7d", env = "MAINSTAY_HOLD", value_parser = hold)]
    hold: Span,
}

impl Hold {
    fn nanoseconds(&self) -> Result<i64> {
        nanoseconds("hold", self.hold)
    }
}

/// Reads a time such as 30d; 0, with a unit or without, is none.
fn hold(text: &str) -> std::result::Result<Span, String> {
    let is_none = ["0", "0h", "0d", "0w", "0m", "0y"].contains(&text);
    if is_none { Ok(Span::new()) } else { span(text) }
}

/// Reads a time such as 30d.
pub fn span(text: &str) -> std::result::Result<Span, String> {
    parse_span(text).map_err(|error| error.to_string())
}

/// How long a time that ends now is, in nanoseconds; `what` it is, for the error.
pub fn nanoseconds(what: &str, span: Span) -> Result<i64> {
    let now = Zoned::now();
    let invalid = |error| Failure::new(&catalogue::INVALID, format!("{what} of {span:#}: {error}"));
    let then = now.checked_sub(span).map_err(invalid)?;
    let nanoseconds = now.timestamp().as_nanosecond() - then.timestamp().as_nanosecond();
    Ok(i64::try_from(nanoseconds).unwrap_or(i64::MAX))
}

/// What `--json` prints, and `forget --prune` within its own document.
#[derive(Serialize)]
pub struct PruneFields {
    dry_run: bool,
    snapshots_removed: u64,
    /// Forgotten snapshots that can be taken back still.
    snapshots_held: u64,
    packs_deleted: u64,
    packs_rewritten: u64,
    packs_kept: u64,
    freed_bytes: u64,
    tolerated_bytes: u64,
    rewritten_bytes: u64,
    objects_deleted: u64,
    /// Packs that a later prune deletes, since a session at work may need them, and that session.
    packs_waiting: u64,
    waiting_for: Option<String>,
    /// Why packs were kept that should have been rewritten.
    pub left: Vec<String>,
}

/// The last line of a run with `--json`.
#[derive(Serialize)]
struct Summary {
    message_type: &'static str,
    #[serde(flatten)]
    fields: PruneFields,
}

impl PruneFields {
    fn new(plan: &PrunePlan) -> Self {
        Self {
            dry_run: true,
            snapshots_removed: plan.snapshots.len() as u64,
            snapshots_held: plan.held_snapshots,
            packs_deleted: plan.delete.len() as u64,
            packs_rewritten: plan.repack.len() as u64,
            packs_kept: plan.keep.len() as u64,
            freed_bytes: plan.freed_bytes(),
            tolerated_bytes: plan.tolerated_bytes,
            rewritten_bytes: plan.repack.iter().map(|pack| pack.live_bytes).sum(),
            objects_deleted: 0,
            packs_waiting: 0,
            waiting_for: None,
            left: Vec::new(),
        }
    }

    pub fn exit_code(&self) -> ExitCode {
        if self.left.is_empty() { ExitCode::Success } else { ExitCode::Incomplete }
    }

    /// Warnings and one line, for people.
    pub fn show(&self, context: &Context) -> Result<()> {
        self.left.iter().for_each(|reason| context.output.warn(&format!("a pack was left as it is: {reason}")));
        if self.snapshots_held > 0 {
            let held = units::counted(self.snapshots_held, "forgotten snapshot is", "forgotten snapshots are");
            context.output.say(&format!("{held} held for now: see `mainstay undelete`, or remove with --hold 0d"));
        }
        if self.packs_waiting > 0 {
            let packs = units::counted(self.packs_waiting, "pack waits", "packs wait");
            let session = self.waiting_for.as_ref().map_or("another prune".to_owned(), |id| format!("session {id}"));
            context.output.say(&format!("{packs} for {session} to end: the next prune deletes them"));
        }
        let line = format!("{}\n", self.line());
        if self.dry_run { context.output.result(&line) } else { context.output.outcome(&line) }
    }

    fn line(&self) -> String {
        let (removed, freed) = match self.dry_run {
            true => ("would remove", "would free"),
            false => ("removed", "freed"),
        };
        format!(
            "{removed} {}, {freed} {}: {} deleted, {} rewritten, {} kept",
            units::counted(self.snapshots_removed, "snapshot", "snapshots"),
            units::size(self.freed_bytes),
            units::counted(self.packs_deleted, "pack", "packs"),
            units::count(self.packs_rewritten),
            units::count(self.packs_kept),
        )
    }
}

/// Prunes and says what was done.
pub fn prune(repository: &Repository, hold: &Hold, mut long_run: LongRun) -> Result<PruneFields> {
    let hold = hold.nanoseconds()?;
    let watch = Watch::of_prune(&long_run.monitor, &long_run.requests.cancel);
    let pruned = repository.prune_observed(hold, &watch);
    let report = long_run.end(pruned.map_err(mainstay_jobs::Error::from))?;
    let left = report.left.len() as u64;
    let planned = PruneFields::new(&report.plan);
    Ok(PruneFields {
        dry_run: false,
        packs_rewritten: planned.packs_rewritten.saturating_sub(left),
        packs_kept: planned.packs_kept + left,
        freed_bytes: report.freed_bytes(),
        rewritten_bytes: report.repacked_bytes,
        objects_deleted: report.deleted_objects,
        packs_waiting: report.waiting.packs,
        waiting_for: report.waiting.session.map(|session| session.short()),
        left: report.reasons.iter().map(ToString::to_string).collect(),
        ..planned
    })
}

fn plan(repository: &Repository, hold: &Hold, mut long_run: LongRun) -> Result<PruneFields> {
    let hold = hold.nanoseconds()?;
    let watch = Watch::of_prune(&long_run.monitor, &long_run.requests.cancel);
    let planned = repository.plan_prune_observed(hold, &watch);
    let plan = long_run.end(planned.map_err(mainstay_jobs::Error::from))?;
    Ok(PruneFields::new(&plan))
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let opened = context.open_to(Right::Maintain, "prune")?;
    giving_up::accept_loss(&opened, &arguments.accept_loss)?;
    memory::refuse_rewound(&opened, "prune")?;
    let fields = match arguments.dry_run {
        true => plan(&opened.repository, &arguments.hold, LongRun::counting(context, Counted::Packs))?,
        false => prune(&opened.repository, &arguments.hold, LongRun::counting(context, Counted::Packs))?,
    };
    let exit_code = fields.exit_code();
    let has_more = fields.dry_run && fields.packs_deleted + fields.packs_rewritten + fields.snapshots_removed > 0;
    let printed = match context.output.is_json() {
        true => context.output.message(&Summary { message_type: "summary", fields }),
        false => fields.show(context),
    };
    if has_more {
        context.output.say("next: the same without --dry-run");
    }
    conclude(printed, Ok(exit_code))
}

#[cfg(test)]
mod tests;
