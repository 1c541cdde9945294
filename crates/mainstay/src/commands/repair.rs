//! `mainstay repair`: make damaged objects whole again.
//!
//! Owns the presentation; `mainstay-jobs` and the engine repair.

use std::ffi::{OsStr, OsString};

use mainstay_jobs::check::Severity;
use mainstay_jobs::repair::{RepairOutcome, repair};
use mainstay_repo::{Means, OnLoss, RepairMode, RepairOptions, Repaired, Repository};
use serde::Serialize;

use super::findings::{self, FindingFields};
use super::long_run::{LongRun, conclude};
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::output::progress::Counted;
use crate::output::{escape, units};

const EXAMPLES: &str = "\
Examples:
  mainstay repair --dry-run
  mainstay repair
  mainstay repair --from /mnt/copy       take what is lost from another copy of the repository
  mainstay repair --accept-loss          give up what nothing brings back";

/// Make damaged objects whole: from parity, from second copies, from what was stored again
///
/// Reads every pack. What was damaged is put together in a new pack, and only then the damaged one goes. Backups, restores and prunes may run beside it; index tables, reference maps and
/// parity are made anew. What nothing brings back is named with its snapshots and paths, and stays as it is: the next backup stores again
/// what its source still has, and another repair then uses that. A repository that is whole is not changed.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Show what would be done
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Take what nothing here brings back from another copy of this repository, which is only read
    #[arg(long, value_name = "REPO")]
    from: Option<OsString>,
    /// Remove damaged packs of which something is lost for good, after moving what is whole; snapshots stay
    #[arg(long)]
    accept_loss: bool,
}

/// An object that was made whole.
#[derive(Serialize)]
struct RepairedFields<'a> {
    object: &'a str,
    by: &'static str,
}

/// The last line of a run with `--json`.
#[derive(Serialize)]
struct Summary<'a> {
    message_type: &'static str,
    dry_run: bool,
    sound: bool,
    packs: u64,
    pack_bytes: u64,
    repaired: Vec<RepairedFields<'a>>,
    written_bytes: u64,
    /// Damaged packs of sessions at work, left as they are.
    left: &'a [String],
    /// Damaged packs that are replaced, and go when sessions at work have ended.
    waiting_packs: u64,
    seconds_elapsed: f64,
    findings: Vec<FindingFields<'a>>,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let opened = context.open()?;
    let options = RepairOptions {
        mode: if arguments.dry_run { RepairMode::Show } else { RepairMode::Apply },
        on_loss: if arguments.accept_loss { OnLoss::Accept } else { OnLoss::Keep },
    };
    let sister = arguments.from.as_deref().map(|place| open_sister(&opened, place, context)).transpose()?;
    let mut long_run = LongRun::counting(context, Counted::Packs);
    let repaired = repair((&opened.repository, sister.as_ref()), options, &long_run.monitor, &long_run.requests.cancel);
    let outcome = long_run.end(repaired)?;
    let printed = print(context, &outcome, (arguments.dry_run, &long_run));
    if arguments.dry_run && !outcome.report.repaired.is_empty() {
        context.output.say("next: the same without --dry-run");
    }
    conclude(printed, ended(&outcome))
}

fn open_sister(opened: &Opened, place: &OsStr, context: &Context) -> Result<Repository> {
    let location = context.find(Some(place))?;
    if location.is_same(&opened.location) {
        let message = format!("repair from {}: it is the repository that is to be repaired", location.quoted());
        return Err(Failure::new(&catalogue::USAGE, message).with_hint("name another copy of it"));
    }
    Ok(opened.repository.open_sister(location.store())?)
}

fn ended(outcome: &RepairOutcome) -> Result<ExitCode> {
    let damage = outcome.findings.iter().filter(|finding| finding.severity == Severity::Damage).count() as u64;
    if damage == 0 {
        return Ok(ExitCode::Success);
    }
    let count = units::counted(damage, "object or structure", "objects or structures");
    let failure =
        Failure::new(&catalogue::UNREPAIRED, format!("something is damaged that nothing here mends: {count}"));
    Err(findings::with_cure(failure, &outcome.findings))
}

fn print(context: &Context, outcome: &RepairOutcome, (dry_run, long_run): (bool, &LongRun)) -> Result<()> {
    let report = &outcome.report;
    if context.output.is_json() {
        return context.output.message(&Summary {
            message_type: "summary",
            dry_run,
            sound: outcome.is_sound(),
            packs: report.packs,
            pack_bytes: report.bytes,
            repaired: report.repaired.iter().map(fields).collect(),
            written_bytes: report.written_bytes,
            left: &report.left,
            waiting_packs: report.waiting_packs,
            seconds_elapsed: long_run.elapsed().as_secs_f64(),
            findings: findings::fields(&outcome.findings),
        });
    }
    let verb = if dry_run { "would repair" } else { "repaired" };
    for repaired in &report.repaired {
        let line = format!("{verb}: {}: {}\n", escape::text(&repaired.object), words(repaired.means));
        context.output.result(&line)?;
    }
    for pack in &report.left {
        let line = format!("left: {}: its session is at work; repair again when it has ended\n", escape::text(pack));
        context.output.result(&line)?;
    }
    if report.waiting_packs > 0 {
        let packs = units::counted(report.waiting_packs, "damaged pack is", "damaged packs are");
        context
            .output
            .result(&format!("{packs} replaced, and removed by a prune once sessions at work have ended\n"))?;
    }
    findings::show(context, &outcome.findings)?;
    let whole = report.repaired.is_empty() && report.left.is_empty() && outcome.findings.is_empty();
    let line = format!(
        "{}: {} read ({}){} · {}\n",
        if whole { "whole, nothing to repair".to_owned() } else { tally(outcome, verb) },
        units::counted(report.packs, "pack", "packs"),
        units::size(report.bytes),
        if report.written_bytes > 0 {
            format!(", {} written", units::size(report.written_bytes))
        } else {
            String::new()
        },
        units::duration(long_run.elapsed()),
    );
    context.output.result(&line)
}

fn tally(outcome: &RepairOutcome, verb: &str) -> String {
    let repaired = units::counted(outcome.report.repaired.len() as u64, "object", "objects");
    let losses = units::counted(outcome.findings.len() as u64, "loss", "losses");
    format!("{verb} {repaired}, {losses}")
}

fn fields(repaired: &Repaired) -> RepairedFields<'_> {
    let by = match repaired.means {
        Means::Parity => "parity",
        Means::Copies => "copies",
        Means::Rest => "rest",
        Means::Chunks => "chunks",
        Means::Derived => "derived",
        Means::SecondCopy => "second_copy",
        Means::Sister => "other_copy",
        Means::GivenUp => "given_up",
    };
    RepairedFields { object: &repaired.object, by }
}

fn words(means: Means) -> &'static str {
    match means {
        Means::Parity => "from its parity",
        Means::Copies => "from other packs that hold the same",
        Means::Rest => "nothing was damaged in it that is needed",
        Means::Chunks => "from what was stored again since",
        Means::Derived => "made anew from what it is derived from",
        Means::SecondCopy => "from its second copy",
        Means::Sister => "from the other copy of the repository",
        Means::GivenUp => "given up; `mainstay repo history` shows what is missing without it",
    }
}
