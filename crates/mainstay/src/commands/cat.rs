//! `mainstay cat`: the content of one file.
//!
//! Owns what goes to standard output: the bytes as they are, or with `--json` a document that holds them.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;

use mainstay_jobs::{browse, select};
use mainstay_repo::{NodeKind, Right, SnapshotEntry, TreeReader};
use serde::Serialize;

use super::node::{self, NodeFields};
use super::selection::OfSource;
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::listing::{Asked, query};
use crate::output::encode::hex;
use crate::output::escape;

const EXAMPLES: &str = "\
Examples:
  mainstay cat latest:/etc/hosts
  mainstay cat latest~1:/srv/dump.sql > dump.sql
  mainstay cat 1a2b3c4d:/home/me/list.json --json";

/// A document is held in memory and read by programs that do the same.
const JSON_LEN_MAX: u64 = 16 << 20;

/// Print a file of a snapshot
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The snapshot and the path of a file in it
    #[arg(value_name = "SNAP:PATH")]
    file: OsString,
    #[command(flatten)]
    source: OfSource,
}

/// The file in `--json` output: `content` if it is text, else `content_hex`.
#[derive(Serialize)]
struct FileFields<'a> {
    snapshot: String,
    #[serde(flatten)]
    node: NodeFields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_hex: Option<String>,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let (text, path) = select::split_path(arguments.file.as_bytes())?;
    let path = path
        .filter(|path| !path.is_empty())
        .ok_or_else(|| Failure::usage(format!("print {}: expected SNAP:PATH", escape::text(text))))?;
    let opened = context.open_near_to(Right::Restore, "cat")?;
    query(&opened, &context.output, Asked::Named, |listing| {
        let entry = listing.find(text, arguments.source.name())?;
        print(context, &opened, entry, &path)
    })
}

fn print(context: &Context, opened: &Opened, entry: &SnapshotEntry, path: &[u8]) -> Result<ExitCode> {
    let index = opened.repository.index()?;
    let trees = TreeReader::new(opened.repository.block_reader(&index));
    let shown = node::absolute(path);
    let found = select::find_with_owners(&trees, entry, path)?.filter(|(node, _)| node.kind == NodeKind::File);
    let (found, owners) = found.ok_or_else(|| {
        let message = format!("print {}: it is not a file", escape::bytes(&shown));
        Failure::new(&catalogue::INVALID, message)
    })?;
    if !context.output.is_json() {
        let mut out = Sink { out: io::stdout().lock(), error: None };
        let printed = browse::cat(&trees, &found, &mut out);
        return out.finish(printed.map_err(Failure::from));
    }
    if found.size > JSON_LEN_MAX {
        let message = format!(
            "print {}: {} bytes are more than the {JSON_LEN_MAX} that --json takes; leave it out",
            escape::bytes(&shown),
            found.size
        );
        return Err(Failure::new(&catalogue::INVALID, message));
    }
    let mut content = Vec::new();
    browse::cat(&trees, &found, &mut content)?;
    let as_text = std::str::from_utf8(&content);
    context.output.document(&FileFields {
        snapshot: entry.id.to_string(),
        node: NodeFields::new(&shown, &found, &owners),
        content: as_text.ok(),
        content_hex: as_text.is_err().then(|| hex(&content)),
    })?;
    Ok(ExitCode::Success)
}

/// Standard output, whose own errors are told apart from those of the repository.
struct Sink<W> {
    out: W,
    error: Option<io::Error>,
}

impl<W: Write> Sink<W> {
    fn keep<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let kind = error.kind();
            // An interrupted call is made again by whoever writes.
            if kind != io::ErrorKind::Interrupted {
                self.error = Some(error);
            }
            io::Error::from(kind)
        })
    }

    fn finish(mut self, printed: Result<()>) -> Result<ExitCode> {
        let flushed = self.out.flush();
        match self.error.or(flushed.err()) {
            Some(error) => Err(error.into()),
            None => printed.map(|()| ExitCode::Success),
        }
    }
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes);
        self.keep(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.keep(flushed)
    }
}
