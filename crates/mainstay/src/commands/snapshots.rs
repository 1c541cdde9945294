//! `mainstay snapshots`: what there is to restore.
//!
//! Owns the list and the shape of a snapshot in `--json` output, which `backup` and `status` share.

use mainstay_jobs::select;
use mainstay_repo::{Right, SnapshotEntry, SnapshotStatistics};
use serde::Serialize;

use super::selection::OfSource;
use crate::arguments::not_empty;
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::Result;
use crate::listing::{Asked, query};
use crate::machine;
use crate::output::encode::PathFields;
use crate::output::table::{Align, Table};
use crate::output::{escape, time, units};

const EXAMPLES: &str = "\
Examples:
  mainstay snapshots
  mainstay snapshots --source web01:/etc
  mainstay snapshots --tag before-upgrade --json";

/// List the snapshots, with type, parent and base
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    source: OfSource,
    /// Only those with this tag
    #[arg(long, value_name = "TAG", value_parser = not_empty())]
    tag: Option<String>,
    /// Also those that were forgotten and not pruned yet
    #[arg(long)]
    all: bool,
}

/// A snapshot in `--json` output.
#[derive(Serialize)]
pub struct SnapshotFields<'a> {
    pub id: String,
    source: &'a str,
    sequence: u64,
    host: &'a str,
    user: &'a str,
    paths: Vec<PathFields<'a>>,
    started: String,
    ended: String,
    #[serde(rename = "type")]
    backup_type: &'static str,
    parent: Option<String>,
    base: Option<String>,
    previous: Option<String>,
    independent: bool,
    tags: &'a [String],
    program: &'a str,
    /// The snapshot of another repository that it is a copy of.
    origin: Option<OriginFields>,
    forgotten: bool,
    statistics: StatisticsFields,
}

/// Where a copied snapshot was made.
#[derive(Serialize)]
struct OriginFields {
    repository: String,
    snapshot: String,
}

/// What a backup did, in `--json` output.
#[derive(Serialize)]
pub struct StatisticsFields {
    files: u64,
    directories: u64,
    others: u64,
    content_bytes: u64,
    files_read: u64,
    read_bytes: u64,
    files_believed: u64,
    believed_bytes: u64,
    new_bytes: u64,
    stored_bytes: u64,
    excluded: u64,
    warnings: u64,
}

impl<'a> SnapshotFields<'a> {
    pub fn new(entry: &'a SnapshotEntry) -> Self {
        let snapshot = &entry.snapshot;
        Self {
            id: entry.id.to_string(),
            source: &snapshot.source,
            sequence: snapshot.sequence,
            host: &snapshot.host,
            user: &snapshot.user,
            paths: snapshot.paths.iter().map(|path| PathFields(path)).collect(),
            started: time::utc(snapshot.started),
            ended: time::utc(snapshot.ended),
            backup_type: snapshot.backup_type.name(),
            parent: snapshot.parent.map(|id| id.to_string()),
            base: snapshot.base.map(|id| id.to_string()),
            previous: snapshot.previous.map(|id| id.to_string()),
            independent: snapshot.independent,
            tags: &snapshot.tags,
            program: &snapshot.program,
            origin: snapshot.origin.map(|origin| OriginFields {
                repository: origin.repository.to_string(),
                snapshot: origin.snapshot.to_string(),
            }),
            forgotten: entry.forgotten,
            statistics: StatisticsFields::new(&snapshot.statistics),
        }
    }
}

impl StatisticsFields {
    pub fn new(statistics: &SnapshotStatistics) -> Self {
        Self {
            files: statistics.files,
            directories: statistics.directories,
            others: statistics.others,
            content_bytes: statistics.content_bytes,
            files_read: statistics.files_read,
            read_bytes: statistics.read_bytes,
            files_believed: statistics.files_believed,
            believed_bytes: statistics.believed_bytes,
            new_bytes: statistics.new_bytes,
            stored_bytes: statistics.stored_bytes,
            excluded: statistics.excluded,
            warnings: statistics.warnings,
        }
    }
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let opened = context.open_near_to(Right::List, "snapshots")?;
    query(&opened, &context.output, Asked::All, |listing| {
        let source = arguments.source.name();
        listing.require_source(source)?;
        let wanted = |entry: &&SnapshotEntry| {
            (arguments.all || !entry.forgotten)
                && source.is_none_or(|source| entry.snapshot.source == source)
                && arguments.tag.as_ref().is_none_or(|tag| entry.snapshot.tags.contains(tag))
        };
        let shown = select::in_order(listing.entries.iter().filter(wanted).collect());
        print(context, &opened, &shown).map(|()| ExitCode::Success)
    })
}

fn print(context: &Context, opened: &Opened, shown: &[&SnapshotEntry]) -> Result<()> {
    if context.output.is_json() {
        let fields: Vec<_> = shown.iter().map(|entry| SnapshotFields::new(entry)).collect();
        return context.output.document(&fields);
    }
    context.output.table(&table(shown))?;
    if shown.is_empty() {
        context.output.say("no snapshots");
        context.output.say(&format!("next: mainstay backup{} PATH", opened.location.flag()));
    }
    Ok(())
}

/// The snapshots, one in a row.
fn table(entries: &[&SnapshotEntry]) -> Table {
    let mut table = Table::new(&[
        ("ID", Align::Left),
        ("TIME", Align::Left),
        ("AGE", Align::Right),
        ("TYPE", Align::Left),
        ("PARENT", Align::Left),
        ("BASE", Align::Left),
        ("FILES", Align::Right),
        ("SIZE", Align::Right),
        ("ADDED", Align::Right),
        ("SOURCE", Align::Left),
    ]);
    let now = machine::now();
    for entry in entries {
        let snapshot = &entry.snapshot;
        let id = |id: Option<mainstay_repo::SnapshotId>| id.map_or("-".to_owned(), |id| id.short());
        table.push(vec![
            entry.id.short(),
            time::local(snapshot.started),
            time::ago(snapshot.started, now),
            type_text(entry),
            id(snapshot.parent),
            id(snapshot.base),
            units::count(snapshot.statistics.files),
            units::size(snapshot.statistics.content_bytes),
            units::size(snapshot.statistics.stored_bytes),
            source_text(entry),
        ]);
    }
    table
}

fn type_text(entry: &SnapshotEntry) -> String {
    let independent = if entry.snapshot.independent { ", independent" } else { "" };
    format!("{}{independent}", entry.snapshot.backup_type.name())
}

/// The source with the snapshot's place in its history, its tags, and what else should be known.
fn source_text(entry: &SnapshotEntry) -> String {
    let snapshot = &entry.snapshot;
    let mut text = format!("{} #{}", escape::text(&snapshot.source), snapshot.sequence);
    for tag in &snapshot.tags {
        text.push_str(&format!(" [{}]", escape::text(tag)));
    }
    if snapshot.statistics.warnings > 0 {
        text.push_str(&format!(", {}", units::counted(snapshot.statistics.warnings, "warning", "warnings")));
    }
    if entry.forgotten {
        text.push_str(", forgotten");
    }
    text
}
