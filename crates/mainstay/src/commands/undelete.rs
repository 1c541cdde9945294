//! `mainstay undelete`: take back that a snapshot was forgotten, or that it came too late to count.
//!
//! Owns finding the snapshot among those and the presentation; the engine makes sure that it is whole.

use mainstay_repo::{Error, Right, SnapshotEntry};
use serde::Serialize;

use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::listing::Listing;
use crate::output::table::{Align, Table};
use crate::output::{escape, time};

const EXAMPLES: &str = "\
Examples:
  mainstay undelete
  mainstay undelete 1a2b3c4d";

/// Bring a forgotten snapshot back
///
/// A snapshot that was forgotten can be taken back until a prune removes it, which is seven days later unless `--hold` says something
/// else. So can one that is void: it came after the backup that wrote it had been taken for dead, as in a copy of the repository's
/// files that was made meanwhile; it counts from now on if all that it needs is here. And so can one that nobody has confirmed, since
/// whoever brought it did not come to the end. Without SNAP those that can be taken back are listed.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The first digits of the snapshot's identifier
    #[arg(value_name = "SNAP")]
    snapshot: Option<String>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Fields {
    /// The snapshot that was brought back.
    undeleted: Option<String>,
    /// Those that are forgotten still.
    forgotten: Vec<ForgottenFields>,
}

#[derive(Serialize)]
struct ForgottenFields {
    snapshot: String,
    source: String,
    started: String,
    /// It was not forgotten: it came after the session that wrote it was fenced.
    void: bool,
    /// Nobody has confirmed that all that it needs is here.
    unconfirmed: bool,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let opened = context.open_to(Right::Maintain, "undelete")?;
    let listing = Listing::read(&opened)?;
    let can_be = |entry: &&SnapshotEntry| entry.forgotten || entry.unconfirmed;
    let listed = listing.entries.iter().filter(can_be).map(|entry| Candidate { entry, is_void: false });
    let void = listing.void.iter().map(|entry| Candidate { entry, is_void: true });
    let mut candidates: Vec<Candidate<'_>> = listed.chain(void).collect();
    let mut undeleted = None;
    if let Some(text) = &arguments.snapshot {
        let entry = find(&candidates, text)?;
        opened.repository.undelete(entry.id).map_err(|error| match error {
            Error::Missing { verb: "undelete snapshot", .. } => {
                let message = format!("undelete snapshot {}: a prune has removed it meanwhile", entry.id.short());
                Failure::new(&catalogue::NO_SNAPSHOT, message)
            }
            other => other.into(),
        })?;
        candidates.retain(|other| other.entry.id != entry.id);
        undeleted = Some(entry);
    }
    if context.output.is_json() {
        let fields = Fields {
            undeleted: undeleted.map(|entry| entry.id.to_string()),
            forgotten: candidates.iter().map(fields).collect(),
        };
        context.output.document(&fields)?;
        listing.rewinds.warn(&context.output);
        return Ok(listing.rewinds.exit_code(ExitCode::Success));
    }
    match undeleted {
        Some(entry) => context.output.outcome(&format!("brought back {}\n", line(entry)))?,
        None if candidates.is_empty() => context.output.say("no snapshot is forgotten"),
        None => {
            list(&candidates, context)?;
            context.output.say("next: mainstay undelete ID");
        }
    }
    listing.rewinds.warn(&context.output);
    Ok(listing.rewinds.exit_code(ExitCode::Success))
}

/// A snapshot that can be taken back.
struct Candidate<'e> {
    entry: &'e SnapshotEntry,
    is_void: bool,
}

/// The one of them whose identifier begins so.
fn find<'e>(candidates: &[Candidate<'e>], text: &str) -> Result<&'e SnapshotEntry> {
    let wanted = text.to_ascii_lowercase();
    let begins_so = |candidate: &&Candidate<'_>| candidate.entry.id.to_string().starts_with(&wanted);
    let matching: Vec<_> = candidates.iter().filter(begins_so).collect();
    match matching.as_slice() {
        [candidate] if !wanted.is_empty() => Ok(candidate.entry),
        found => {
            let problem = if found.is_empty() { "no forgotten snapshot begins so" } else { "several begin so" };
            let message = format!("find snapshot {}: {problem}", escape::message(text));
            Err(Failure::new(&catalogue::NO_SNAPSHOT, message)
                .with_hint("list those that can be brought back with `mainstay undelete`"))
        }
    }
}

fn line(entry: &SnapshotEntry) -> String {
    let snapshot = &entry.snapshot;
    format!("snapshot {} of {} #{}", entry.id.short(), escape::text(&snapshot.source), snapshot.sequence)
}

fn fields(candidate: &Candidate<'_>) -> ForgottenFields {
    let entry = candidate.entry;
    ForgottenFields {
        snapshot: entry.id.to_string(),
        source: entry.snapshot.source.clone(),
        started: time::utc(entry.snapshot.started),
        void: candidate.is_void,
        unconfirmed: entry.unconfirmed,
    }
}

fn list(candidates: &[Candidate<'_>], context: &Context) -> Result<()> {
    let mut table =
        Table::new(&[("ID", Align::Left), ("TIME", Align::Left), ("SOURCE", Align::Left), ("STATE", Align::Left)]);
    for Candidate { entry, is_void } in candidates {
        let state = match entry.forgotten {
            _ if *is_void => "void",
            true => "forgotten",
            false => "unconfirmed",
        };
        let source = format!("{} #{}", escape::text(&entry.snapshot.source), entry.snapshot.sequence);
        table.push(vec![entry.id.short(), time::local(entry.snapshot.started), source, state.to_owned()]);
    }
    context.output.table(&table)
}
