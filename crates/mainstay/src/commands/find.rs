//! `mainstay find`: a name in all snapshots.
//!
//! Owns the options and lines of the search.

use mainstay_jobs::browse::{Case, Pattern, find};
use mainstay_jobs::select;
use mainstay_repo::{Right, SnapshotEntry, TreeReader};
use serde::Serialize;

use super::node::{self, NodeFields};
use super::selection::OfSource;
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::Result;
use crate::listing::{Asked, Listing, query};
use crate::output::stream::{Relay, Stream};
use crate::output::{time, units};

const EXAMPLES: &str = "\
Examples:
  mainstay find '*.odt'
  mainstay find 'projects/*/notes.md' --source laptop:/home/me
  mainstay find --ignore-case readme.txt --snapshot latest";

/// Search the snapshots for names, newest first
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// A name with * ? [..], or a path with slashes, where ** spans directories
    #[arg(value_name = "PATTERN")]
    pattern: String,
    /// Only in this snapshot; may be given several times
    #[arg(long, value_name = "SNAP")]
    snapshot: Vec<String>,
    #[command(flatten)]
    source: OfSource,
    /// Take a for A
    #[arg(long, short)]
    ignore_case: bool,
    /// Also mode, owner, size and time
    #[arg(long, short)]
    long: bool,
}

/// A match in `--json` output.
#[derive(Serialize)]
struct MatchFields<'a> {
    snapshot: String,
    started: String,
    #[serde(flatten)]
    node: NodeFields<'a>,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let case = if arguments.ignore_case { Case::Ignored } else { Case::Sensitive };
    let pattern = Pattern::parse(&arguments.pattern, case)?;
    let opened = context.open_near_to(Right::List, "find")?;
    let asked = if arguments.snapshot.is_empty() { Asked::All } else { Asked::Named };
    query(&opened, &context.output, asked, |listing| {
        listing.require_source(arguments.source.name())?;
        search(arguments, context, &opened, (&searched(arguments, listing)?, &pattern))
    })
}

fn search(
    arguments: &Arguments,
    context: &Context,
    opened: &Opened,
    (searched, pattern): (&[&SnapshotEntry], &Pattern),
) -> Result<ExitCode> {
    let index = opened.repository.index()?;
    let trees = TreeReader::new(opened.repository.block_reader(&index));
    let mut stream = Stream::begin(context.output.format);
    let mut relay = Relay::default();
    let found = find(&trees, searched, pattern, &mut |entry, path, found, owners| {
        let path = node::absolute(path);
        let shown = || if arguments.long { node::long(&path, found, owners) } else { node::short(&path, found) };
        let line = || format!("{}  {}  {}", entry.id.short(), time::local(entry.snapshot.started), shown());
        let fields = MatchFields {
            snapshot: entry.id.to_string(),
            started: time::utc(entry.snapshot.started),
            node: NodeFields::new(&path, found, owners),
        };
        relay.pass(stream.push(line, &fields))
    });
    relay.finish(found)?;
    if stream.finish()? == 0 {
        let count = units::counted(searched.len() as u64, "snapshot", "snapshots");
        context.output.say(&format!("nothing found in {count}"));
    }
    Ok(ExitCode::Success)
}

fn searched<'e>(arguments: &Arguments, listing: &'e Listing<'_>) -> Result<Vec<&'e SnapshotEntry>> {
    let source = arguments.source.name();
    let mut searched = Vec::new();
    for text in &arguments.snapshot {
        searched.push(listing.find(text, source)?);
    }
    if arguments.snapshot.is_empty() {
        searched = select::history(&listing.entries, source);
        searched.reverse();
    }
    Ok(searched)
}
