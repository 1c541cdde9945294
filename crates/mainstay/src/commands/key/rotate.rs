//! `mainstay key rotate`: new secrets, which holders who were removed do not have.
//!
//! Owns what is said of it. The engine owns the order of the steps.

use std::path::PathBuf;

use mainstay_repo::{Error, KeySlot, OtherKeys, Repository, RotationReport};
use serde::Serialize;

use super::{HEAL_OR_REMOVE, KeyFields, fields};
use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::output::{escape, units};
use crate::secrets;

const EXAMPLES: &str = "\
Examples:
  mainstay key remove 1a2b3c4d && mainstay key rotate     after a full key was lost or somebody left
  mainstay key rotate --take-along kit.txt                the recovery kit goes on opening the repository
  mainstay key rotate --remove-others                     other keys that read have to be added again";

/// Draw new secrets, which removed keys do not have, and wrap every data key by them
///
/// Whoever had a full key may have kept the secrets behind it. After a rotation they open nothing that is wrapped from then on: no
/// later backup, and no earlier one in the repository as it is then. They still open what was copied before. No data is written anew.
///
/// Other keys that read can be taken along only by what opens them, so each is named by --take-along or removed.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Keep another key: a file with its passphrase, code or kit, or a recipient's private half (repeatable)
    #[arg(long, value_name = "FILE")]
    take_along: Vec<PathBuf>,
    /// Remove the other keys that read; they have to be added again
    #[arg(long)]
    remove_others: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct RotationFields {
    generation: u32,
    data_keys: u64,
    old_wraps_left: u64,
    damaged: Vec<String>,
    kept: Vec<KeyFields>,
    removed: Vec<KeyFields>,
    stayed: Vec<KeyFields>,
    writers: Vec<KeyFields>,
}

pub fn rotate(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let (opened, own) = context.open_with_secret()?;
    opened.repository.require_all("rotate secrets")?;
    let others = arguments.take_along.iter().map(|path| secrets::read_file(path)).collect::<Result<Vec<_>>>()?;
    let rest = if arguments.remove_others { OtherKeys::Remove } else { OtherKeys::Refuse };
    let report = opened.repository.rotate(&own, &others, rest).map_err(|error| match error {
        // Nobody can tell whose it is, and whether a rotation would shut him out.
        Error::Damaged { .. } => Failure::from(error).with_hint(HEAL_OR_REMOVE),
        error => error.into(),
    })?;
    if context.output.is_json() {
        context.output.document(&document(&report, &opened.repository))?;
    } else {
        context.output.result(&text(&report))?;
    }
    for error in &report.damaged {
        context.output.warn_by_code(&Failure::new(&catalogue::DAMAGED, error.to_string()));
    }
    say_what_it_does(&report, context);
    Ok(if report.damaged.is_empty() { ExitCode::Success } else { ExitCode::Damage })
}

fn document(report: &RotationReport, repository: &Repository) -> RotationFields {
    let all = |slots: &[KeySlot]| slots.iter().map(|slot| fields(slot, repository)).collect();
    RotationFields {
        generation: report.generation,
        data_keys: report.rewrapped,
        old_wraps_left: report.left,
        damaged: report.damaged.iter().map(ToString::to_string).collect(),
        kept: all(&report.kept),
        removed: all(&report.removed),
        stayed: all(&report.stayed),
        writers: all(&report.writers),
    }
}

fn text(report: &RotationReport) -> String {
    let sessions = units::counted(report.rewrapped, "session", "sessions");
    let mut text = format!("rotated the secrets: the data keys of {sessions} are wrapped anew\n");
    for (what, slots) in [
        ("kept", &report.kept),
        ("removed", &report.removed),
        ("not removed", &report.stayed),
        ("unchanged writer", &report.writers),
    ] {
        for slot in slots {
            text.push_str(&format!("  {what}: {} ({})\n", slot.id.short(), escape::text(&slot.label)));
        }
    }
    text
}

/// What was taken away from removed holders, what cannot be, and what is left to do.
fn say_what_it_does(report: &RotationReport, context: &Context) {
    context.output.say(
        "keys that were removed, now or before, open no later backup, and no earlier one in the repository as it is from now on. \
         Whoever kept their secrets still opens what was copied before, can tell by the ids of chunks whether known content is \
         there, and can sign, add and delete if the store lets them in",
    );
    if report.left > 0 {
        let wraps = units::counted(report.left, "data key is", "data keys are");
        context.output.say(&format!(
            "sessions are at work, so {wraps} still there as wrapped before too: the next prune deletes those"
        ));
    }
    if !report.stayed.is_empty() {
        context.output.say(
            "the other keys stay for now: what is damaged may open by theirs. Next: mainstay repair, then rotate once more, or remove them by \
             mainstay key remove",
        );
    }
    if !report.removed.is_empty() {
        context.output.say(
            "next: add the removed keys again that should open the repository: mainstay key add, key export-kit, key \
             add-recipient",
        );
    }
    if !report.writers.is_empty() {
        context.output.say(
            "next: create the writers anew (mainstay key create-writer), remove the old ones, and rotate once more: until then \
             they seal what they back up to the old secrets, and those that may list keep names and sizes wrapped by them",
        );
    }
}
