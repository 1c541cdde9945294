//! `mainstay check`: is the repository's structure sound?
//!
//! Owns the presentation; `mainstay-jobs` checks.

use mainstay_jobs::check::{CheckReport, check};
use mainstay_repo::Right;
use serde::Serialize;

use super::findings::{self, FindingFields};
use super::long_run::{LongRun, conclude};
use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::Result;
use crate::memory;
use crate::output::progress::Counted;
use crate::output::units;

const EXAMPLES: &str = "\
Examples:
  mainstay check
  mainstay check --json";

/// Check that every snapshot can be restored, as far as the structure tells
///
/// Reads snapshots, index and trees, and compares them with the packs that are there. `verify` reads the data, too.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {}

/// The last line of a run with `--json`.
#[derive(Serialize)]
struct Summary<'a> {
    message_type: &'static str,
    sound: bool,
    leased: bool,
    snapshots: u64,
    packs: u64,
    blocks: u64,
    tree_pages: u64,
    nodes: u64,
    seconds_elapsed: f64,
    findings: Vec<FindingFields<'a>>,
}

pub fn run(_: &Arguments, context: &Context) -> Result<ExitCode> {
    let opened = context.open_ahead_to(Right::Maintain, "check")?;
    let rewinds = memory::look(&opened, &context.output);
    let mut long_run = LongRun::counting(context, Counted::Snapshots);
    let report = long_run.end(check(&opened.repository, &long_run.monitor, &long_run.requests.cancel))?;
    let printed = print(context, &report, &long_run);
    let ended = match findings::damage(&report.findings) {
        Some(failure) => Err(failure),
        None => {
            context.output.say(&format!("next: mainstay verify{}", opened.location.flag()));
            Ok(rewinds.exit_code(ExitCode::Success))
        }
    };
    conclude(printed, ended)
}

fn print(context: &Context, report: &CheckReport, long_run: &LongRun) -> Result<()> {
    if context.output.is_json() {
        return context.output.message(&summary(report, long_run));
    }
    findings::show(context, &report.findings)?;
    context.output.outcome(&format!("{}\n", line(report, long_run)))
}

fn summary<'a>(report: &'a CheckReport, long_run: &LongRun) -> Summary<'a> {
    Summary {
        message_type: "summary",
        sound: report.is_sound(),
        leased: report.is_leased,
        snapshots: report.snapshots,
        packs: report.packs,
        blocks: report.blocks,
        tree_pages: report.tree_pages,
        nodes: report.nodes,
        seconds_elapsed: long_run.elapsed().as_secs_f64(),
        findings: findings::fields(&report.findings),
    }
}

fn line(report: &CheckReport, long_run: &LongRun) -> String {
    format!(
        "{}: {}, {}, {} · {}",
        if report.is_sound() { "sound" } else { "not sound" },
        units::counted(report.snapshots, "snapshot", "snapshots"),
        units::counted(report.packs, "pack", "packs"),
        units::counted(report.nodes, "entry", "entries"),
        units::duration(long_run.elapsed()),
    )
}
