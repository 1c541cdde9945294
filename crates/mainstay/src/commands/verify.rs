//! `mainstay verify`: does the data decrypt, and is it what it was?
//!
//! Owns the presentation and the choice of a sample's seed; `mainstay-jobs` verifies.

use mainstay_jobs::verify::{VerifyOptions, VerifyReport, verify};
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

const EXAMPLES: &str = "\
Examples:
  mainstay verify
  mainstay verify --sample 5%
  mainstay verify --sample 5% --seed 12 --json";

/// Numbers beyond 53 bits are not safe in JSON (RFC 8259 §6).
const SEED_MAX: u64 = (1 << 53) - 1;

/// Read the data back: every block must open and every chunk be what it was
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Read only this part of the data, chosen anew each time
    #[arg(long, value_name = "PERCENT", value_parser = units::parse_percent)]
    sample: Option<f64>,
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
    let opened = context.open_to(Right::Restore, "verify")?;
    let rewinds = memory::look(&opened, &context.output);
    let seed = arguments.seed.unwrap_or(machine::now().unsigned_abs() & SEED_MAX);
    let options = VerifyOptions { sample: arguments.sample, seed };
    let mut long_run = LongRun::counting(context, Counted::Packs);
    let report = long_run.end(verify(&opened.repository, &options, &long_run.monitor, &long_run.requests.cancel))?;
    let printed = print(context, &report, (&options, &long_run));
    let ended = match findings::damage(&report.findings) {
        Some(failure) => Err(failure),
        None => Ok(rewinds.exit_code(ExitCode::Success)),
    };
    conclude(printed, ended)
}

fn print(context: &Context, report: &VerifyReport, (options, long_run): (&VerifyOptions, &LongRun)) -> Result<()> {
    if context.output.is_json() {
        return context.output.message(&summary(report, options, long_run));
    }
    findings::show(context, &report.findings)?;
    context.output.result(&format!("{}\n", line(report, long_run)))
}

fn summary<'a>(report: &'a VerifyReport, options: &VerifyOptions, long_run: &LongRun) -> Summary<'a> {
    Summary {
        message_type: "summary",
        sound: report.is_sound(),
        leased: report.is_leased,
        sample_percent: options.sample,
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
