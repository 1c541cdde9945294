//! `mainstay doctor`: is everything around backups as it should be?
//!
//! Owns the order of the checks and their presentation; each group has a file. Changes nothing.

mod checkup;
mod contents;
mod keys;
mod machine;
mod store;

use serde::Serialize;

use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::Result;
use crate::output::color::Style;
use crate::output::{escape, units};
use checkup::{Checkup, Finding, State};

const EXAMPLES: &str = "\
Examples:
  mainstay doctor
  mainstay doctor --repo /mnt/disk/backup
  mainstay doctor --json";

/// Check the machine, the store, the keys and the history, and say how to mend what is wrong
///
/// Nothing is changed, and no data is read: that is for `check` and `verify`. Each line says ok, warn or fail; beneath the latter
/// two stands the fix. Exit code 0 if all is well, 3 with warnings, otherwise that of the first failure (`mainstay help exit-codes`).
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {}

/// What `--json` prints.
#[derive(Serialize)]
struct Fields<'a> {
    ok: u64,
    warnings: u64,
    failures: u64,
    checks: &'a [Finding],
}

pub fn run(_: &Arguments, context: &Context) -> Result<ExitCode> {
    let mut checkup = Checkup::default();
    machine::check(&mut checkup);
    examine(&mut checkup, context);
    let (ok, warnings, failures) = (State::Ok, State::Warn, State::Fail);
    let (ok, warnings, failures) = (checkup.count(ok), checkup.count(warnings), checkup.count(failures));
    if context.output.is_json() {
        context.output.document(&Fields { ok, warnings, failures, checks: &checkup.findings })?;
        return Ok(checkup.exit_code());
    }
    context.output.result(&text(context, &checkup))?;
    let counted = [
        format!("{} ok", units::count(ok)),
        units::counted(warnings, "warning", "warnings"),
        units::counted(failures, "failure", "failures"),
    ];
    context.output.result(&format!("\n{}\n", counted.join(", ")))?;
    Ok(checkup.exit_code())
}

/// The checks of the repository, as far as each makes sense after those before it.
fn examine(checkup: &mut Checkup, context: &Context) {
    let location = match context.location() {
        Ok(location) => location,
        Err(failure) => {
            checkup.group("store");
            return checkup.fail("repository", &failure);
        }
    };
    if !store::check(checkup, &location) {
        return;
    }
    if let Some(opened) = keys::opened(checkup, context) {
        keys::check(checkup, &opened);
        contents::check(checkup, &opened);
    }
}

/// One line a check, in groups; beneath what is not well its fix.
fn text(context: &Context, checkup: &Checkup) -> String {
    let width = checkup.findings.iter().map(|finding| finding.check.len()).max().unwrap_or_default();
    let mut lines = String::new();
    let mut group = "";
    for finding in &checkup.findings {
        if finding.group != group {
            let gap = if group.is_empty() { "" } else { "\n" };
            group = finding.group;
            lines.push_str(&format!("{gap}{}\n", context.output.paint(Style::Heading, &group.to_uppercase())));
        }
        let (word, style) = match finding.state {
            State::Ok => ("ok  ", Style::Good),
            State::Warn => ("warn", Style::Warning),
            State::Fail => ("fail", Style::Error),
        };
        let detail = escape::message(&finding.detail);
        lines.push_str(&format!("  {}  {:<width$}  {detail}\n", context.output.paint(style, word), finding.check));
        if let Some(fix) = &finding.fix {
            let label = context.output.paint(Style::Hint, "fix:");
            lines.push_str(&format!("  {:<4}  {:<width$}  {label} {}\n", "", "", escape::message(fix)));
        }
    }
    lines
}
