//! `mainstay history`: what happened to one path from snapshot to snapshot.
//!
//! Owns the options and lines.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use mainstay_jobs::browse::{Event, Step, history};
use mainstay_jobs::select;
use mainstay_repo::{Right, SnapshotEntry, TreeReader};
use serde::Serialize;

use super::diff::{DifferenceFields, difference_text};
use super::node::{self, NodeFields};
use super::selection::OfSource;
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::listing::{Asked, Listing, query};
use crate::output::table::{Align, Table};
use crate::output::{escape, time, units};

const EXAMPLES: &str = "\
Examples:
  mainstay history ~/notes.md
  mainstay history /etc/hosts --source web01:/etc
  mainstay history /var/lib/app --json";

/// Show the versions of a file over all snapshots
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The path in the snapshots; a relative one counts from the working directory
    #[arg(value_name = "PATH")]
    path: OsString,
    #[command(flatten)]
    source: OfSource,
}

/// A step in `--json` output.
#[derive(Serialize)]
struct EventFields<'a> {
    snapshot: String,
    started: String,
    step: &'static str,
    difference: Option<DifferenceFields>,
    node: Option<NodeFields<'a>>,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let path =
        std::path::absolute(&arguments.path).map_err(|error| Failure::file("find", arguments.path.as_ref(), &error))?;
    let path = select::normalise(path.as_os_str().as_bytes())?;
    let opened = context.open_near_to(Right::List, "history")?;
    query(&opened, &context.output, Asked::All, |listing| {
        listing.require_source(arguments.source.name())?;
        show(arguments, context, &opened, (listing, &path))
    })
}

fn show(
    arguments: &Arguments,
    context: &Context,
    opened: &Opened,
    (listing, path): (&Listing<'_>, &[u8]),
) -> Result<ExitCode> {
    let entries = &listing.entries;
    let index = opened.repository.index()?;
    let trees = TreeReader::new(opened.repository.block_reader(&index));
    let mut events = Vec::new();
    // Snapshots of different sources do not follow each other.
    for source in sources(entries, arguments.source.name()) {
        events.extend(history(&trees, &select::history(entries, Some(source)), path)?);
    }
    let shown = node::absolute(path);
    if events.is_empty() {
        let message = format!("show history of {}: no snapshot holds it", escape::bytes(&shown));
        return Err(Failure::new(&catalogue::NO_PATH, message));
    }
    if context.output.is_json() {
        let fields: Vec<_> = events.iter().map(|event| fields(event, &shown)).collect();
        context.output.document(&fields)?;
        return Ok(ExitCode::Success);
    }
    context.output.table(&table(&events))?;
    context.output.say(&format!("next: mainstay restore{} SNAP:{}", opened.location.flag(), escape::bytes(&shown)));
    Ok(ExitCode::Success)
}

fn sources<'e>(entries: &'e [SnapshotEntry], wanted: Option<&str>) -> Vec<&'e str> {
    let names = entries.iter().map(|entry| entry.snapshot.source.as_str());
    let mut names: Vec<&str> = names.filter(|name| wanted.is_none_or(|wanted| wanted == *name)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn fields<'a>(event: &'a Event, path: &'a [u8]) -> EventFields<'a> {
    let difference = match &event.step {
        Step::Changed(difference) => Some(DifferenceFields::new(difference)),
        Step::Appeared | Step::Vanished => None,
    };
    EventFields {
        snapshot: event.snapshot.to_string(),
        started: time::utc(event.started),
        step: word(&event.step),
        difference,
        node: event.node.as_ref().map(|node| NodeFields::new(path, node, &event.owners)),
    }
}

fn word(step: &Step) -> &'static str {
    match step {
        Step::Appeared => "appeared",
        Step::Changed(_) => "changed",
        Step::Vanished => "vanished",
    }
}

fn table(events: &[Event]) -> Table {
    let mut table = Table::new(&[
        ("SNAPSHOT", Align::Left),
        ("TIME", Align::Left),
        ("SIZE", Align::Right),
        ("MODIFIED", Align::Left),
        ("WHAT HAPPENED", Align::Left),
    ]);
    for event in events {
        let node = event.node.as_ref();
        let what = match &event.step {
            Step::Changed(difference) => format!("changed: {}", difference_text(difference)),
            step => word(step).to_owned(),
        };
        table.push(vec![
            event.snapshot.short(),
            time::local(event.started),
            node.map_or("-".to_owned(), |node| units::size(node.size)),
            node.map_or("-".to_owned(), |node| time::local_of(node.modified.0, node.modified.1)),
            what,
        ]);
    }
    table
}
