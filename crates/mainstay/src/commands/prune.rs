//! `mainstay prune`: free the space of what was forgotten.
//!
//! Owns the presentation, and telling the engine's steps as phases of a run; the engine plans and acts. `forget --prune`
//! shares all of it.

mod giving_up;

use mainstay_jobs::{Cancel, Phase, Progress};
use mainstay_repo::{PruneObserver, PrunePhase, PrunePlan, Repository};
use serde::Serialize;

use super::long_run::{LongRun, conclude};
use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::Result;
use crate::memory;
use crate::output::progress::Counted;
use crate::output::units;

const EXAMPLES: &str = "\
Examples:
  mainstay prune --dry-run
  mainstay prune
  mainstay prune --accept-loss 1a2b3c4d";

/// Free the space of forgotten snapshots
///
/// Packs that no snapshot needs are deleted; packs of which little is needed are rewritten without the rest. An interrupted prune loses
/// nothing, and the next one finishes its work. A listing that lacks a snapshot which another was made after is not believed: nothing is
/// deleted then (exit code 15).
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Show what would be done
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Give up a snapshot that is neither there nor recorded as removed; may be given several times
    #[arg(long, value_name = "ID", conflicts_with = "dry_run")]
    accept_loss: Vec<String>,
}

/// What `--json` prints, and `forget --prune` within its own document.
#[derive(Serialize)]
pub struct PruneFields {
    dry_run: bool,
    snapshots_removed: u64,
    packs_deleted: u64,
    packs_rewritten: u64,
    packs_kept: u64,
    freed_bytes: u64,
    tolerated_bytes: u64,
    rewritten_bytes: u64,
    objects_deleted: u64,
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
            packs_deleted: plan.delete.len() as u64,
            packs_rewritten: plan.repack.len() as u64,
            packs_kept: plan.keep.len() as u64,
            freed_bytes: plan.freed_bytes(),
            tolerated_bytes: plan.tolerated_bytes,
            rewritten_bytes: plan.repack.iter().map(|pack| pack.live_bytes).sum(),
            objects_deleted: 0,
            left: Vec::new(),
        }
    }

    pub fn exit_code(&self) -> ExitCode {
        if self.left.is_empty() { ExitCode::Success } else { ExitCode::Incomplete }
    }

    /// Warnings and one line, for people.
    pub fn show(&self, context: &Context) -> Result<()> {
        self.left.iter().for_each(|reason| context.output.warn(&format!("a pack was left as it is: {reason}")));
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

/// A run, as the engine sees it.
struct Watch<'r> {
    progress: &'r dyn Progress,
    cancel: &'r Cancel,
}

impl PruneObserver for Watch<'_> {
    fn phase(&self, phase: PrunePhase) {
        self.progress.phase(match phase {
            PrunePhase::Plan => Phase::Plan,
            PrunePhase::Rewrite => Phase::Prune,
            PrunePhase::Finish => Phase::Finish,
        });
    }

    fn expect(&self, packs: u64, bytes: u64) {
        self.progress.expect(packs, bytes);
    }

    fn advance(&self, packs: u64, bytes: u64) {
        self.progress.advance(packs, bytes);
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_requested()
    }
}

/// Prunes and says what was done.
pub fn prune(repository: &Repository, mut long_run: LongRun) -> Result<PruneFields> {
    let watch = Watch { progress: &long_run.monitor, cancel: &long_run.requests.cancel };
    let pruned = repository.prune_observed(&watch);
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
        left: report.reasons.iter().map(ToString::to_string).collect(),
        ..planned
    })
}

fn plan(repository: &Repository, mut long_run: LongRun) -> Result<PruneFields> {
    let watch = Watch { progress: &long_run.monitor, cancel: &long_run.requests.cancel };
    let planned = repository.plan_prune_observed(&watch);
    let plan = long_run.end(planned.map_err(mainstay_jobs::Error::from))?;
    Ok(PruneFields::new(&plan))
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let opened = context.open()?;
    giving_up::accept_loss(&opened, &arguments.accept_loss)?;
    memory::refuse_rewound(&opened, "prune")?;
    let fields = match arguments.dry_run {
        true => plan(&opened.repository, LongRun::counting(context, Counted::Packs))?,
        false => prune(&opened.repository, LongRun::counting(context, Counted::Packs))?,
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
