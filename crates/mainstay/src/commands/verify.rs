//! `mainstay verify`: does the data decrypt, and is it what it was?
//!
//! Owns the presentation and the choice of a sample's seed; `mainstay-jobs` verifies.

mod rolling;

use jiff::Span;
use mainstay_jobs::verify::{Covered, VerifyOptions, VerifyReport, verify, verify_rolling};
use mainstay_repo::Right;
use serde::Serialize;

use super::findings::{self, FindingFields};
use super::long_run::{LongRun, conclude};
use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::Result;
use crate::output::progress::Counted;
use crate::output::units;
use crate::{machine, memory};
use rolling::{Rolling, RollingFields};

const EXAMPLES: &str = "\
Examples:
  mainstay verify
  mainstay verify --rolling 30d          every day, from cron or a timer
  mainstay verify --sample 5%
  mainstay verify --sample 5% --seed 12 --json";

/// Numbers beyond 53 bits are not safe in JSON (RFC 8259 §6).
const SEED_MAX: u64 = (1 << 53) - 1;

/// Read the data back: every block must open and every chunk be what it was
///
/// With `--rolling` each run reads what is due, so that within the period every byte is read at least once; what was read is remembered on
/// this machine. However often it runs, the period is kept: a run each day reads a thirtieth of what there is, one each week a quarter.
/// Parity of the packs that are read is read as well. Damage is told in every run until it is mended.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Read only this part of the data, chosen anew each time
    #[arg(long, value_name = "PERCENT", value_parser = units::parse_percent)]
    sample: Option<f64>,
    /// Read what is due so that within TIME all of it is read
    #[arg(long, value_name = "TIME", conflicts_with = "sample", value_parser = super::prune::span)]
    rolling: Option<Span>,
    /// Choose the same sample as another run with this seed
    #[arg(long, value_name = "N", requires = "sample", value_parser = clap::value_parser!(u64).range(..=SEED_MAX))]
    seed: Option<u64>,
}

/// The last line of a run with `--json`.
#[derive(Serialize)]
struct Summary<'a> {
    message_type: &'static str,
    sound: bool,
    leased: bool,
    sample_percent: Option<f64>,
    /// Only with `--rolling`.
    rolling: Option<RollingFields>,
    seed: u64,
    packs: u64,
    pack_bytes: u64,
    all_packs: u64,
    all_pack_bytes: u64,
    blocks: u64,
    chunks: u64,
    plain_bytes: u64,
    seconds_elapsed: f64,
    findings: Vec<FindingFields<'a>>,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let opened = context.open_ahead_to(Right::Restore, "verify")?;
    let rewinds = memory::look(&opened, &context.output);
    let seed = arguments.seed.unwrap_or(machine::now().unsigned_abs() & SEED_MAX);
    let options = VerifyOptions { sample: arguments.sample, seed };
    let mut long_run = LongRun::counting(context, Counted::Packs);
    let mut rolling = arguments.rolling.map(|period| Rolling::open(&opened.repository, period)).transpose()?;
    let (monitor, cancel) = (&long_run.monitor, &long_run.requests.cancel);
    let verified = match &mut rolling {
        Some(Rolling { coverage, when, .. }) => verify_rolling(&opened.repository, coverage, *when, monitor, cancel)
            .map(|(report, covered)| (report, Some(covered))),
        None => verify(&opened.repository, &options, monitor, cancel).map(|report| (report, None)),
    };
    let (report, covered) = long_run.end(verified)?;
    if let Some(rolling) = &rolling {
        rolling.save(&context.output);
    }
    let rolled = rolling.as_ref().zip(covered.as_ref());
    let printed = print(context, &report, (&options, &long_run, rolled));
    let ended = match findings::damage(&report.findings) {
        Some(failure) => Err(failure),
        None => Ok(rewinds.exit_code(ExitCode::Success)),
    };
    conclude(printed, ended)
}

/// How a run was asked for, how long it took, and what a rolling one has covered.
type Asked<'a> = (&'a VerifyOptions, &'a LongRun, Option<(&'a Rolling, &'a Covered)>);

fn print(context: &Context, report: &VerifyReport, asked: Asked<'_>) -> Result<()> {
    let (_, long_run, rolled) = asked;
    if context.output.is_json() {
        return context.output.message(&summary(report, asked));
    }
    findings::show(context, &report.findings)?;
    context.output.outcome(&format!("{}\n", line(report, long_run)))?;
    match rolled {
        Some((rolling, covered)) => context.output.outcome(&format!("{}\n", rolling.line(covered))),
        None => Ok(()),
    }
}

fn summary<'a>(report: &'a VerifyReport, (options, long_run, rolled): Asked<'_>) -> Summary<'a> {
    Summary {
        message_type: "summary",
        sound: report.is_sound(),
        leased: report.is_leased,
        sample_percent: options.sample,
        rolling: rolled.map(|(rolling, covered)| rolling.fields(covered)),
        seed: options.seed,
        packs: report.packs,
        pack_bytes: report.pack_bytes,
        all_packs: report.all_packs,
        all_pack_bytes: report.all_pack_bytes,
        blocks: report.blocks,
        chunks: report.chunks,
        plain_bytes: report.plain_bytes,
        seconds_elapsed: long_run.elapsed().as_secs_f64(),
        findings: findings::fields(&report.findings),
    }
}

fn line(report: &VerifyReport, long_run: &LongRun) -> String {
    format!(
        "{}: {} of {} in {} read back, {} of content · {}",
        if report.is_sound() { "sound" } else { "not sound" },
        units::size(report.pack_bytes),
        units::size(report.all_pack_bytes),
        units::counted(report.packs, "pack", "packs"),
        units::size(report.plain_bytes),
        units::duration(long_run.elapsed()),
    )
}
