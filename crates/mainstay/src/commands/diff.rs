//! `mainstay diff`: what differs between two snapshots.
//!
//! Owns the options and lines, and how a difference is put into words, which `history` shares.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use mainstay_jobs::diff::{Change, ChangeKind, Difference, diff};
use mainstay_jobs::select;
use mainstay_repo::{Content, NodeKind, Right, TreeReader};
use serde::Serialize;

use super::node;
use super::selection::OfSource;
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result};
use crate::listing::{Asked, Listing, query};
use crate::output::encode::PathFields;
use crate::output::stream::{Relay, Stream};
use crate::output::{escape, units};

const EXAMPLES: &str = "\
Examples:
  mainstay diff latest~1 latest
  mainstay diff 1a2b3c4d:/etc latest:/etc --json";

/// Show what differs between two snapshots
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The older snapshot, and a directory in it
    #[arg(value_name = "SNAP[:PATH]")]
    old: OsString,
    /// The newer snapshot, and a directory in it
    #[arg(value_name = "SNAP[:PATH]")]
    new: OsString,
    #[command(flatten)]
    source: OfSource,
}

/// One changed entry in `--json` output.
#[derive(Serialize)]
struct ChangeFields<'a> {
    #[serde(flatten)]
    path: PathFields<'a>,
    change: &'static str,
    kind: &'static str,
    old_size: Option<u64>,
    new_size: Option<u64>,
    difference: Option<DifferenceFields>,
}

/// In what two entries differ, in `--json` output.
#[derive(Serialize)]
pub struct DifferenceFields {
    kind: bool,
    content: bool,
    metadata: Vec<&'static str>,
}

impl DifferenceFields {
    pub fn new(difference: &Difference) -> Self {
        Self {
            kind: difference.kind,
            content: difference.content,
            metadata: difference.metadata.iter().map(|field| field.name()).collect(),
        }
    }
}

/// What differs, in words.
pub fn difference_text(difference: &Difference) -> String {
    let mut words = Vec::new();
    words.extend(difference.kind.then_some("kind"));
    words.extend(difference.content.then_some("content"));
    words.extend(difference.metadata.iter().map(|field| field.name()));
    words.join(", ")
}

/// Counts of a comparison.
#[derive(Default)]
struct Tally {
    added: u64,
    removed: u64,
    modified: u64,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let opened = context.open_near_to(Right::List, "diff")?;
    query(&opened, &context.output, Asked::Named, |listing| compare(arguments, context, &opened, listing))
}

fn compare(arguments: &Arguments, context: &Context, opened: &Opened, listing: &Listing<'_>) -> Result<ExitCode> {
    let index = opened.repository.index()?;
    let trees = TreeReader::new(opened.repository.block_reader(&index));
    let source = arguments.source.name();
    let find = |text: &OsString| find_directory(&trees, listing, text.as_bytes(), source);
    let (old, new) = (find(&arguments.old)?, find(&arguments.new)?);
    let mut stream = Stream::begin(context.output.format);
    let mut relay = Relay::default();
    let mut tally = Tally::default();
    let compared = diff(&trees, &old, &new, &mut |change| {
        tally.count(&change);
        let path = node::absolute(&change.path);
        relay.pass(stream.push(|| line(&path, &change), &fields(&path, &change)))
    });
    relay.finish(compared)?;
    stream.finish()?;
    context.output.say(&format!(
        "{} added, {} removed, {} modified",
        units::count(tally.added),
        units::count(tally.removed),
        units::count(tally.modified)
    ));
    Ok(ExitCode::Success)
}

fn find_directory(trees: &TreeReader, listing: &Listing<'_>, text: &[u8], source: Option<&str>) -> Result<Content> {
    let (snapshot, path) = select::split_path(text)?;
    let entry = listing.find(snapshot, source)?;
    match select::find_in_snapshot(trees, entry, &path.unwrap_or_default())? {
        None => Ok(entry.snapshot.root.clone()),
        Some(node) if node.kind == NodeKind::Directory => Ok(node.content),
        Some(_) => {
            let text = escape::bytes(text);
            Err(Failure::usage(format!("compare {text}: it is not a directory"))
                .with_hint("compare the directories that hold it, or see `mainstay history PATH`"))
        }
    }
}

impl Tally {
    fn count(&mut self, change: &Change) {
        match change.kind {
            ChangeKind::Added => self.added += 1,
            ChangeKind::Removed => self.removed += 1,
            ChangeKind::Modified(_) => self.modified += 1,
        }
    }
}

fn fields<'a>(path: &'a [u8], change: &Change) -> ChangeFields<'a> {
    let (word, difference) = match &change.kind {
        ChangeKind::Added => ("added", None),
        ChangeKind::Removed => ("removed", None),
        ChangeKind::Modified(difference) => ("modified", Some(DifferenceFields::new(difference))),
    };
    ChangeFields {
        path: PathFields(path),
        change: word,
        kind: node::kind(change.node),
        old_size: change.old_size,
        new_size: change.new_size,
        difference,
    }
}

fn line(path: &[u8], change: &Change) -> String {
    let slash = if change.node == NodeKind::Directory { "/" } else { "" };
    let path = format!("{}{slash}", escape::bytes(path));
    match &change.kind {
        ChangeKind::Added => format!("+ {path}"),
        ChangeKind::Removed => format!("- {path}"),
        ChangeKind::Modified(difference) => format!("M {path}  ({})", difference_text(difference)),
    }
}
