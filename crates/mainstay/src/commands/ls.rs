//! `mainstay ls`: the entries of a directory in a snapshot.
//!
//! Owns the listing's options and lines.

use mainstay_jobs::browse::{Reach, list};
use mainstay_jobs::select;
use mainstay_repo::{Content, Node, NodeKind, Owners, Right, SnapshotEntry, TreeReader};

use super::node::{self, NodeFields};
use super::selection::Selection;
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::Result;
use crate::listing::{Asked, query};
use crate::output::stream::{Relay, Stream};

const EXAMPLES: &str = "\
Examples:
  mainstay ls latest
  mainstay ls latest~1:/home/me --long
  mainstay ls 1a2b3c4d:/etc --recursive --json";

/// List a directory of a snapshot
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// Also mode, owner, size and time
    #[arg(long, short)]
    long: bool,
    /// Also everything beneath
    #[arg(long, short = 'R')]
    recursive: bool,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let (text, path) = arguments.selection.split()?;
    let opened = context.open_near_to(Right::List, "ls")?;
    query(&opened, &context.output, Asked::Named, |listing| {
        let entry = listing.find(text, arguments.selection.source.name())?;
        show(arguments, context, &opened, (entry, &path.unwrap_or_default()))
    })
}

fn show(
    arguments: &Arguments,
    context: &Context,
    opened: &Opened,
    (entry, path): (&SnapshotEntry, &[u8]),
) -> Result<ExitCode> {
    let index = opened.repository.index()?;
    let trees = TreeReader::new(opened.repository.block_reader(&index));
    let found = select::find_with_owners(&trees, entry, path)?;
    let mut stream = Stream::begin(context.output.format);
    let mut relay = Relay::default();
    let mut show = |path: &[u8], found: &Node, owners: &Owners| {
        let path = node::absolute(path);
        let line = || if arguments.long { node::long(&path, found, owners) } else { node::short(&path, found) };
        relay.pass(stream.push(line, &NodeFields::new(&path, found, owners)))
    };
    let reach = if arguments.recursive { Reach::Everything } else { Reach::Children };
    let mut within = |content: &Content| list(&trees, path, content, reach, &mut show);
    let listed = match &found {
        None => within(&entry.snapshot.root),
        Some((node, _)) if node.kind == NodeKind::Directory => within(&node.content),
        Some((node, owners)) => show(path, node, owners),
    };
    relay.finish(listed)?;
    stream.finish()?;
    Ok(ExitCode::Success)
}
