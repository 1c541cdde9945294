//! `mainstay undelete`: take back that a snapshot was forgotten.
//!
//! Owns finding the snapshot among the forgotten ones and the presentation; the engine makes sure that it is whole.

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
/// else. Without SNAP those that can be taken back are listed.
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
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let opened = context.open_to(Right::Maintain, "undelete")?;
    let listing = Listing::read(&opened)?;
    let mut forgotten: Vec<&SnapshotEntry> = listing.entries.iter().filter(|entry| entry.forgotten).collect();
    let mut undeleted = None;
    if let Some(text) = &arguments.snapshot {
        let entry = find(&forgotten, text)?;
        opened.repository.undelete(entry.id).map_err(|error| match error {
            Error::Missing { verb: "undelete snapshot", .. } => {
                let message = format!("undelete snapshot {}: a prune has removed it meanwhile", entry.id.short());
                Failure::new(&catalogue::NO_SNAPSHOT, message)
            }
            other => other.into(),
        })?;
        forgotten.retain(|other| other.id != entry.id);
        undeleted = Some(entry);
    }
    if context.output.is_json() {
        let fields = Fields {
            undeleted: undeleted.map(|entry| entry.id.to_string()),
            forgotten: forgotten.iter().map(|entry| fields(entry)).collect(),
        };
        context.output.document(&fields)?;
        listing.rewinds.warn(&context.output);
        return Ok(listing.rewinds.exit_code(ExitCode::Success));
    }
    match undeleted {
        Some(entry) => context.output.outcome(&format!("brought back {}\n", line(entry)))?,
        None if forgotten.is_empty() => context.output.say("no snapshot is forgotten"),
        None => {
            list(&forgotten, context)?;
            context.output.say("next: mainstay undelete ID");
        }
    }
    listing.rewinds.warn(&context.output);
    Ok(listing.rewinds.exit_code(ExitCode::Success))
}

/// The one forgotten snapshot whose identifier begins so.
fn find<'e>(forgotten: &[&'e SnapshotEntry], text: &str) -> Result<&'e SnapshotEntry> {
    let wanted = text.to_ascii_lowercase();
    let matching: Vec<_> = forgotten.iter().filter(|entry| entry.id.to_string().starts_with(&wanted)).collect();
    match matching.as_slice() {
        [entry] if !wanted.is_empty() => Ok(entry),
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

fn fields(entry: &SnapshotEntry) -> ForgottenFields {
    ForgottenFields {
        snapshot: entry.id.to_string(),
        source: entry.snapshot.source.clone(),
        started: time::utc(entry.snapshot.started),
    }
}

fn list(forgotten: &[&SnapshotEntry], context: &Context) -> Result<()> {
    let mut table = Table::new(&[("ID", Align::Left), ("TIME", Align::Left), ("SOURCE", Align::Left)]);
    for entry in forgotten {
        let source = format!("{} #{}", escape::text(&entry.snapshot.source), entry.snapshot.sequence);
        table.push(vec![entry.id.short(), time::local(entry.snapshot.started), source]);
    }
    context.output.table(&table)
}
