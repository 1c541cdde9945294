//! `mainstay repo history`: the chain of each source's snapshots, who signed them, and where it is broken.
//!
//! Owns the rows and their presentation. What is in the line of a source, removed or missing is decided by the engine.

use std::collections::BTreeMap;

use mainstay_repo::{
    Chain, Link, Removed, Repository, Right, SnapshotEntry, SnapshotId, SnapshotPlace, SourceId, names,
};
use serde::Serialize;

use super::super::selection::OfSource;
use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::listing::{Asked, Listing, query};
use crate::output::table::{Align, Table};
use crate::output::{escape, time};

const EXAMPLES: &str = "\
Examples:
  mainstay repo history
  mainstay repo history --source web01:/etc
  mainstay repo history --json";

/// Show the chain of snapshots of each source: who signed each, what was removed, and where it is broken
///
/// Every snapshot names the one before it, and is signed by the key that made it. One that is neither there nor recorded as
/// removed by a prune is missing: a listing is short, or somebody put back an older state. Exit code 15 then.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    source: OfSource,
}

/// A link of a chain.
#[derive(Serialize)]
struct Row {
    /// Null where no snapshot of the source can be read.
    source: Option<String>,
    source_id: String,
    /// Null for one that is missing and was never seen.
    sequence: Option<u64>,
    snapshot: String,
    previous: Option<String>,
    started: Option<String>,
    #[serde(rename = "type")]
    backup_type: Option<&'static str>,
    signer: Option<Signer>,
    state: State,
    in_line: bool,
    #[serde(skip)]
    time: Option<i64>,
}

#[derive(Serialize)]
struct Signer {
    key: String,
    label: String,
}

/// What became of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Kept,
    Forgotten,
    Removed,
    /// Made after the fence of its session: it counts for nothing, and the next prune removes it.
    Void,
    Damaged,
    /// Another one was made after it, and it is neither there nor recorded as removed.
    Missing,
    /// This machine saw it, and it is neither there nor recorded as removed.
    Rewound,
}

impl State {
    fn is_break(self) -> bool {
        matches!(self, Self::Missing | Self::Rewound)
    }

    fn text(self) -> &'static str {
        match self {
            Self::Kept => "",
            Self::Forgotten => "forgotten",
            Self::Removed => "removed",
            Self::Void => "void",
            Self::Damaged => "DAMAGED",
            Self::Missing => "MISSING",
            Self::Rewound => "MISSING, seen by this machine",
        }
    }
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let opened = context.open_to(Right::List, "show history")?;
    query(&opened, &context.output, Asked::All, |listing| {
        let wanted = arguments.source.name();
        listing.require_source(wanted)?;
        let removed = opened.repository.removed()?;
        let chain = opened.repository.chain(&listing.entries, listing.beside(), &removed);
        let mut rows = Rows::new(&opened.repository, listing).all(&chain)?;
        if let Some(wanted) = wanted {
            let wanted = opened.repository.source_id(wanted).to_string();
            rows.retain(|row| row.source_id == wanted);
        }
        match context.output.is_json() {
            true => context.output.document(&rows)?,
            false => context.output.table(&table(&rows))?,
        }
        tell(context, &removed, &rows);
        Ok(match (rows.iter().any(|row| row.state.is_break()), removed.damaged.is_empty()) {
            (true, _) => ExitCode::Rewound,
            (false, false) => ExitCode::Incomplete,
            (false, true) => ExitCode::Success,
        })
    })
}

/// Tells of records that cannot be believed, and of the first snapshot that is missing.
fn tell(context: &Context, removed: &Removed, rows: &[Row]) {
    for damage in &removed.damaged {
        let failure = Failure::damaged(damage);
        match context.output.is_json() {
            true => context.output.warning_message(names::HISTORY, &failure.message),
            false => context.output.warn_by_code(&failure),
        }
    }
    let missing = rows.iter().find(|row| row.state == State::Missing);
    if let Some(row) = missing.filter(|_| !context.output.is_json()) {
        let short = row.snapshot.get(..8).unwrap_or_default();
        let message =
            format!("snapshot {short} is neither there nor recorded as removed, and another was made after it");
        context.output.warn_by_code(&Failure::new(&catalogue::HISTORY_GAP, message));
    }
}

/// What is known to make rows of.
struct Rows<'a> {
    repository: &'a Repository,
    listing: &'a Listing<'a>,
    entries: BTreeMap<SnapshotId, &'a SnapshotEntry>,
    names: BTreeMap<SourceId, &'a str>,
}

impl<'a> Rows<'a> {
    fn new(repository: &'a Repository, listing: &'a Listing<'a>) -> Self {
        let source = |entry: &'a SnapshotEntry| entry.snapshot.source.as_str();
        Self {
            repository,
            listing,
            entries: listing.entries.iter().map(|entry| (entry.id, entry)).collect(),
            names: listing
                .entries
                .iter()
                .map(|entry| (repository.source_id_of(&entry.snapshot), source(entry)))
                .collect(),
        }
    }

    /// Every link, each break before the snapshot that names what is missing, by the names of sources.
    fn all(&self, chain: &Chain) -> Result<Vec<Row>> {
        let breaks: BTreeMap<SnapshotId, SnapshotId> =
            chain.breaks().into_iter().map(|gap| (gap.after.id, gap.missing)).collect();
        let mut rows = Vec::new();
        for link in chain.links() {
            if let Some(missing) = breaks.get(&link.id) {
                rows.push(self.missing((link.source, None, *missing), State::Missing));
            }
            rows.push(self.row(chain, &link)?);
        }
        for rewind in &self.listing.rewinds.0 {
            let SnapshotPlace { source, sequence, id } = rewind.seen;
            rows.push(self.missing((source, Some(sequence), id), State::Rewound));
        }
        rows.sort_by(|a, b| (&a.source, &a.source_id).cmp(&(&b.source, &b.source_id)));
        Ok(rows)
    }

    fn row(&self, chain: &Chain, link: &Link) -> Result<Row> {
        let entry = self.entries.get(&link.id).copied();
        let state = match entry {
            Some(entry) if entry.forgotten => State::Forgotten,
            Some(_) => State::Kept,
            None if self.listing.void.iter().any(|void| void.id == link.id) => State::Void,
            None if link.is_removed => State::Removed,
            None => State::Damaged,
        };
        let place = SnapshotPlace { source: link.source, sequence: link.sequence, id: link.id };
        let signed = entry.map(|_| self.repository.read_signed_snapshot(place)).transpose()?;
        let signer =
            signed.map(|(signed, _)| Signer { key: signed.signer.slot.to_string(), label: signed.signer.label });
        Ok(Row {
            previous: link.previous.map(|id| id.to_string()),
            started: entry.map(|entry| time::utc(entry.snapshot.started)),
            backup_type: entry.map(|entry| entry.snapshot.backup_type.name()),
            signer,
            in_line: chain.is_in_line(link.id),
            time: entry.map(|entry| entry.snapshot.started),
            ..self.missing((link.source, Some(link.sequence), link.id), state)
        })
    }

    /// A row of which nothing is known but where it stands.
    fn missing(&self, (source, sequence, id): (SourceId, Option<u64>, SnapshotId), state: State) -> Row {
        Row {
            source: self.names.get(&source).map(|name| (*name).to_owned()),
            source_id: source.to_string(),
            sequence,
            snapshot: id.to_string(),
            previous: None,
            started: None,
            backup_type: None,
            signer: None,
            state,
            in_line: false,
            time: None,
        }
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(&[
        ("SEQUENCE", Align::Right),
        ("ID", Align::Left),
        ("TIME", Align::Left),
        ("TYPE", Align::Left),
        ("SIGNED BY", Align::Left),
        ("SOURCE", Align::Left),
    ]);
    for row in rows {
        let source = row.source.as_deref().map_or_else(|| row.source_id.chars().take(8).collect(), escape::text);
        let aside = match row.state {
            State::Kept | State::Forgotten if !row.in_line => "not in the line",
            _ => "",
        };
        let notes = [row.state.text(), aside];
        let notes = notes.iter().filter(|note| !note.is_empty()).map(|note| format!(", {note}"));
        table.push(vec![
            row.sequence.map_or_else(|| "?".to_owned(), |sequence| format!("#{sequence}")),
            row.snapshot.chars().take(8).collect(),
            row.time.map_or_else(|| "-".to_owned(), time::local),
            row.backup_type.unwrap_or("-").to_owned(),
            row.signer.as_ref().map_or_else(|| "-".to_owned(), |signer| escape::text(&signer.label)),
            format!("{source}{}", notes.collect::<String>()),
        ]);
    }
    table
}
