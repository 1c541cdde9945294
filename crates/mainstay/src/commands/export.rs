//! `mainstay export`: a snapshot, or a part of it, as a tar or zip archive.
//!
//! Owns where the archive goes, its compression, and that a file of it is whole or not there; `mainstay-jobs` writes it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::Path;

use mainstay_jobs::export::{ExportReport, Exported, export, export_zip};
use mainstay_jobs::select;
use mainstay_repo::{NodeKind, Right, SnapshotEntry, TreeReader};
use serde::Serialize;

use super::long_run::LongRun;
use super::selection::Selection;
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result};
use crate::listing::{Asked, query};
use crate::location::quoted;
use crate::output::units;

const EXAMPLES: &str = "\
Examples:
  mainstay export latest home.tar.zst
  mainstay export latest:/etc - | tar -x -C /tmp/etc
  mainstay export 1a2b3c4d:/srv - --format tar.zst | ssh host 'cat > srv.tar.zst'
  mainstay export latest:/srv/reports reports.zip";

/// Bytes that are gathered before they are written.
const BUFFER_LEN: usize = 1 << 20;
/// As in a repository: fast, and smaller than most of what is stored.
const ZSTD_LEVEL: i32 = 3;

/// Write a snapshot as a tar or zip archive
///
/// Every tar reads it. What the oldest form of the archive cannot hold stands in records of POSIX.1-2001 (pax): long names, nanoseconds, extended
/// attributes and access lists, holes. Names begin beneath the directory that is exported. Sockets are left out. A zip archive is for those who
/// have no tar: it holds files, directories and symbolic links with modes, times in seconds and owners by number, and files with several names once for each.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// A file that is not there yet, or `-` for standard output
    #[arg(value_name = "FILE")]
    file: OsString,
    /// tar, tar.zst or zip; by default what the name of FILE ends in, else tar
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    format: Option<Format>,
}

/// How an archive is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Tar,
    #[value(name = "tar.zst")]
    TarZst,
    Zip,
}

impl Format {
    fn of(name: &OsStr) -> Self {
        match name.to_string_lossy() {
            name if name.ends_with(".tar.zst") || name.ends_with(".tzst") => Self::TarZst,
            name if name.ends_with(".zip") => Self::Zip,
            _ => Self::Tar,
        }
    }
}

#[derive(Serialize)]
struct Summary {
    message_type: &'static str,
    snapshot: String,
    file: String,
    entries: u64,
    /// Of the archive, before it is compressed as a whole.
    archive_bytes: u64,
    left_out: u64,
    seconds_elapsed: f64,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let is_stream = arguments.file == "-";
    if is_stream && context.output.is_json() {
        return Err(Failure::usage("export: with --json name a FILE: the archive goes to standard output".to_owned()));
    }
    if is_stream && io::stdout().is_terminal() {
        return Err(Failure::usage("export: an archive does not belong on a terminal".to_owned())
            .with_hint("name a FILE, or pipe the output into another program"));
    }
    let (text, path) = arguments.selection.split()?;
    let opened = context.open_near_to(Right::Restore, "export")?;
    query(&opened, &context.output, Asked::Named, |listing| {
        let entry = listing.find(text, arguments.selection.source.name())?;
        let mut long_run = LongRun::begin(context);
        let format = arguments.format.unwrap_or(Format::of(&arguments.file));
        let written = write((&arguments.file, format), &opened, (entry, &path.unwrap_or_default()), &mut long_run);
        let report = written?;
        tell(arguments, context, (entry, &report), &long_run)
    })
}

/// Writes what is named of a snapshot into a file that is not there yet.
pub fn write(
    (file, format): (&OsStr, Format),
    opened: &Opened,
    (entry, path): (&SnapshotEntry, &[u8]),
    long_run: &mut LongRun,
) -> Result<ExportReport> {
    let index = opened.repository.index()?;
    let trees = TreeReader::new(opened.repository.block_reader(&index));
    let found = select::find_with_owners(&trees, entry, path)?;
    let what = match &found {
        None => Exported::Beneath(&entry.snapshot.root),
        Some((node, _)) if node.kind == NodeKind::Directory => Exported::Beneath(&node.content),
        Some((node, owners)) => Exported::Entry(node, owners),
    };
    let mut output = Output::open(file, format)?;
    let (monitor, cancel) = (&long_run.monitor, &long_run.requests.cancel);
    let exported = match format {
        Format::Tar | Format::TarZst => export(&trees, &what, &mut output, monitor, cancel),
        Format::Zip => export_zip(&trees, &what, &mut output, monitor, cancel),
    };
    let report = long_run.end(exported)?;
    output.finish()?;
    Ok(report)
}

fn tell(
    arguments: &Arguments,
    context: &Context,
    (entry, report): (&SnapshotEntry, &ExportReport),
    long_run: &LongRun,
) -> Result<ExitCode> {
    let file = Path::new(&arguments.file);
    if context.output.is_json() {
        context.output.message(&Summary {
            message_type: "summary",
            snapshot: entry.id.to_string(),
            file: file.to_string_lossy().into_owned(),
            entries: report.entries,
            archive_bytes: report.bytes,
            left_out: report.left_out,
            seconds_elapsed: long_run.elapsed().as_secs_f64(),
        })?;
    } else if arguments.file != "-" {
        let entries = units::counted(report.entries, "entry", "entries");
        let (size, id, elapsed) = (units::size(report.bytes), entry.id.short(), units::duration(long_run.elapsed()));
        let line = format!("exported {entries}, {size}, of snapshot {id} to {} · {elapsed}\n", quoted(file));
        context.output.outcome(&line)?;
    }
    Ok(if report.left_out > 0 { ExitCode::Incomplete } else { ExitCode::Success })
}

/// A file that is being written, or standard output.
struct Output<'a> {
    /// None once it was finished.
    sink: Option<Sink>,
    file: Option<&'a Path>,
}

enum Sink {
    Plain(BufWriter<Target>),
    Compressed(zstd::stream::write::Encoder<'static, BufWriter<Target>>),
}

enum Target {
    File(File),
    Stream(io::Stdout),
}

impl<'a> Output<'a> {
    fn open(name: &'a OsStr, format: Format) -> Result<Self> {
        let file = (name != "-").then(|| Path::new(name));
        let target = match file {
            Some(path) => Target::File(File::create_new(path).map_err(|error| Failure::file("create", path, &error))?),
            None => Target::Stream(io::stdout()),
        };
        let buffered = BufWriter::with_capacity(BUFFER_LEN, target);
        let sink = match format {
            Format::Tar | Format::Zip => Sink::Plain(buffered),
            Format::TarZst => {
                let mut encoder = zstd::stream::write::Encoder::new(buffered, ZSTD_LEVEL)?;
                encoder.include_checksum(true)?;
                Sink::Compressed(encoder)
            }
        };
        Ok(Self { sink: Some(sink), file })
    }

    /// Ends the compression and makes a file last.
    fn finish(mut self) -> Result<()> {
        let flush = |sink: Sink| -> io::Result<()> {
            let mut buffered = match sink {
                Sink::Plain(buffered) => buffered,
                Sink::Compressed(encoder) => encoder.finish()?,
            };
            buffered.flush()?;
            match buffered.get_ref() {
                Target::File(file) => file.sync_all(),
                Target::Stream(_) => Ok(()),
            }
        };
        let Some(sink) = self.sink.take() else { return Ok(()) };
        let Err(error) = flush(sink) else { return Ok(()) };
        match self.file {
            Some(path) => {
                discard(path);
                Err(Failure::file("write", path, &error))
            }
            None => Err(error.into()),
        }
    }
}

impl Drop for Output<'_> {
    /// What was not finished is no archive.
    fn drop(&mut self) {
        if let (Some(_), Some(path)) = (self.sink.take(), self.file) {
            discard(path);
        }
    }
}

fn discard(path: &Path) {
    // It was created here; if it cannot be removed, the error that is told says that it is not whole.
    let _ = std::fs::remove_file(path);
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.sink {
            Some(Sink::Plain(buffered)) => buffered.write(bytes),
            Some(Sink::Compressed(encoder)) => encoder.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// The archive ends when it is finished.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stream(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stream(stream) => stream.flush(),
        }
    }
}
