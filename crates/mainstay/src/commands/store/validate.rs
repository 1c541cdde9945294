//! `mainstay store validate`: does a place keep the promises that a repository needs?
//!
//! Owns the order and the presentation; the engine owns the promises, and `place` the store that is made for the trials and removed
//! afterwards, however they end.

use std::ffi::OsString;
use std::time::Instant;

use mainstay_repo::Store;
use mainstay_repo::store::conformance::{Broken, Ground, Need, TRIALS, Trial};
use serde::Serialize;

use super::ground;
use super::speed::{self, Speed};
use crate::commands::long_run::conclude;
use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::location::Location;
use crate::output::color::Style;
use crate::output::{Output, escape, units};
use crate::signals::Requests;

const EXAMPLES: &str = "\
Examples:
  mainstay store validate /mnt/disk
  mainstay store validate /mnt/share --objects 5000 --size 1G
  mainstay store validate /mnt/share --json";

/// Try every promise that a repository needs of a place, and measure how fast it is
///
/// Writes into a place of its own beneath it, named mainstay-validate-…, and removes that afterwards; a repository in the same place is not
/// touched. Bonus promises, marked yes or no, are not needed. Exit code 0 if the place is fit for a repository, 4 if it is not.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The place: a directory that is there, or an address as of --repo
    #[arg(value_name = "PLACE")]
    place: OsString,
    /// How many objects the longest listing has
    #[arg(long, value_name = "N", default_value_t = 1100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    objects: u32,
    /// How much is written and read to measure the speed
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = units::parse_size)]
    size: u64,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    place: String,
    fit: bool,
    broken: usize,
    listed_objects: u32,
    promises: Vec<Tried>,
    /// What the store cannot promise and others can.
    caveats: Vec<String>,
    /// What was measured, or why nothing could be.
    speed: Option<Speed>,
    speed_error: Option<String>,
}

/// How a trial ended.
#[derive(Serialize)]
struct Tried {
    name: &'static str,
    promise: &'static str,
    required: bool,
    kept: bool,
    expected: Option<String>,
    got: Option<String>,
    seconds: f64,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let location = context.find(Some(&arguments.place))?;
    let output = context.output;
    if arguments.size == 0 {
        return Err(Failure::new(
            &catalogue::INVALID,
            "validate a store: --size is 0, and nothing can be measured by it",
        ));
    }
    let ground = ground::beneath(&location)?;
    let requests = Requests::listen(output, || {});
    let examined = examine(arguments, &location, &*ground.store, &requests, output);
    let removed = ground.remove();
    let report = examined?;
    removed?;
    let printed = if output.is_json() { output.document(&report) } else { output.result(&verdict(&report, output)) };
    let broken = units::counted(report.broken as u64, "promise is", "promises are");
    let ended = match report.fit {
        true => Ok(ExitCode::Success),
        false => Err(Failure::new(&catalogue::UNFIT_STORE, format!("validate {}: {broken} broken", location.quoted()))),
    };
    conclude(printed, ended)
}

/// Makes the trials, each told as it ends, since a place far away takes minutes.
fn examine(
    arguments: &Arguments,
    location: &Location,
    store: &dyn Store,
    requests: &Requests,
    output: Output,
) -> Result<Report> {
    let tell = |text: &str| if output.is_json() { Ok(()) } else { output.result(text) };
    let ground = Ground::with_listed(arguments.objects);
    tell(&format!(
        "examining {}: {}\n\n",
        location.quoted(),
        units::counted(TRIALS.len() as u64, "promise", "promises")
    ))?;
    let mut promises = Vec::new();
    for trial in TRIALS {
        let tried = Tried::make(trial, store, &ground);
        tell(&tried.line(output, arguments.objects))?;
        promises.push(tried);
        require_going(requests)?;
    }
    let measured = speed::measure(store, arguments.size);
    require_going(requests)?;
    let broken = promises.iter().filter(|tried| tried.required && !tried.kept).count();
    let speed_error = measured.as_ref().err().map(ToString::to_string);
    Ok(Report {
        place: escape::message(&location.text().to_string_lossy()),
        fit: broken == 0,
        broken,
        listed_objects: arguments.objects,
        promises,
        caveats: store.caveats(),
        speed: measured.ok(),
        speed_error,
    })
}

fn require_going(requests: &Requests) -> Result<()> {
    if !requests.cancel.is_requested() {
        return Ok(());
    }
    let failure = Failure::new(&catalogue::STOPPED, "validate a store: stopped; what was written for it is removed");
    Err(failure.with_exit_code(requests.exit_code()))
}

impl Tried {
    fn make(trial: &Trial, store: &dyn Store, ground: &Ground) -> Self {
        let start = Instant::now();
        let broken = trial.run(store, ground).err();
        let seconds = start.elapsed().as_secs_f64();
        let (expected, got) = broken.map(|Broken { expected, got }| (expected, got)).unzip();
        let (name, promise, required) = (trial.name, trial.promise, trial.need == Need::Required);
        Self { name, promise, required, kept: expected.is_none(), expected, got, seconds }
    }

    fn line(&self, output: Output, objects: u32) -> String {
        let (word, style) = match (self.required, self.kept) {
            (true, true) => ("ok    ", Style::Good),
            (true, false) => ("BROKEN", Style::Error),
            (false, true) => ("yes   ", Style::Good),
            (false, false) => ("no    ", Style::Warning),
        };
        let counted = match self.name {
            "list-after-write" => format!(" ({})", units::counted(objects.into(), "object", "objects")),
            _ => String::new(),
        };
        let told = match (&self.expected, &self.got) {
            (Some(expected), Some(got)) => format!(": expected {expected}, got {got}"),
            _ => String::new(),
        };
        let text = escape::message(&format!("{}{counted}{told}", self.promise));
        format!("{}  {:<20}  {text}\n", output.paint(style, word), self.name)
    }
}

/// The figures, and what follows from all.
fn verdict(report: &Report, output: Output) -> String {
    let mut text = String::from("\n");
    for (name, figures) in report.speed.iter().flat_map(Speed::lines) {
        text.push_str(&format!("{name:<6}  {figures}\n"));
    }
    if let Some(error) = &report.speed_error {
        text.push_str(&format!("the speed could not be measured: {}\n", escape::message(error)));
    }
    for caveat in &report.caveats {
        text.push_str(&format!("{}  {}\n", output.paint(Style::Warning, "note  "), escape::message(caveat)));
    }
    let verdict = match report.broken {
        0 => output.paint(Style::Good, "fit for a repository"),
        1 => output.paint(Style::Error, "NOT fit: 1 promise is broken"),
        many => output.paint(Style::Error, &format!("NOT fit: {many} promises are broken")),
    };
    text.push_str(&format!("\n{verdict}\n"));
    text
}
