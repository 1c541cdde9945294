//! `mainstay prune`: free the space of what was forgotten.
//!
//! Owns the presentation; the engine plans and acts. `forget --prune` shares both.

use mainstay_repo::{PrunePlan, Repository};
use serde::Serialize;

use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::Result;
use crate::output::units;

const EXAMPLES: &str = "\
Examples:
  mainstay prune --dry-run
  mainstay prune";

/// Free the space of forgotten snapshots
///
/// Packs that no snapshot needs are deleted; packs of which little is needed are rewritten without the rest. An interrupted prune loses
/// nothing, and the next one finishes its work.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Show what would be done
    #[arg(long, short = 'n')]
    dry_run: bool,
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

/// Prunes and says what was done.
pub fn prune(repository: &Repository) -> Result<PruneFields> {
    let report = repository.prune()?;
    Ok(PruneFields {
        dry_run: false,
        rewritten_bytes: report.repacked_bytes,
        objects_deleted: report.deleted_objects,
        left: report.left.iter().map(ToString::to_string).collect(),
        ..PruneFields::new(&report.plan)
    })
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let opened = context.open()?;
    let fields = match arguments.dry_run {
        true => PruneFields::new(&opened.repository.plan_prune()?),
        false => prune(&opened.repository)?,
    };
    let exit_code = fields.exit_code();
    if context.output.is_json() {
        context.output.message(&Summary { message_type: "summary", fields })?;
        return Ok(exit_code);
    }
    fields.show(context)?;
    if arguments.dry_run && fields.packs_deleted + fields.packs_rewritten + fields.snapshots_removed > 0 {
        context.output.say("next: the same without --dry-run");
    }
    Ok(exit_code)
}
