//! `mainstay import tar`: a tar archive becomes a snapshot.
//!
//! Owns the options, and where the archive comes from; `mainstay-jobs` reads it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use mainstay_jobs::backup::{Input, Mode, TarInput};

use super::packed;
use crate::arguments::not_empty;
use crate::arguments::reach::StorageClass;
use crate::commands::backup::input::require_free_input;
use crate::commands::backup::{Named, Ready, carry_out};
use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result};

pub const EXAMPLES: &str = "\
Examples:
  mainstay import tar old.tar.zst
  mainstay import tar site-2024.tar.gz --source old:site --tag legacy
  tar -c --xattrs --acls /srv | mainstay import tar - --source web01:/srv
  xz -dc old.tar.xz | mainstay import tar - --source old";

/// What standard input is called in messages.
const STREAM: &str = "standard input";

/// Make a snapshot of a tar archive
///
/// All that tar carries is kept: long names, nanoseconds, owners by number and name, extended attributes and access lists, hard and symbolic
/// links, devices, holes. Names begin beneath the root, and one that is there twice is what comes last. Content is read once, and shares chunks with
/// what the repository has. An archive that is damaged or cut short makes no snapshot. zstd and gzip are unpacked on the way.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The archive, or `-` for standard input
    #[arg(value_name = "FILE")]
    file: OsString,
    /// Name of the source [default: HOST:FILE]
    #[arg(long, value_name = "NAME", value_parser = not_empty())]
    source: Option<String>,
    /// Mark the snapshot; several tags with commas between them, or by several --tag
    #[arg(long, value_name = "TAG", value_delimiter = ',', value_parser = not_empty())]
    tag: Vec<String>,
    /// Read and decide, store nothing; with --verbose name each entry
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    storage_class: StorageClass,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let (name, reader) = open(arguments, context)?;
    let input = TarInput::new(name.clone(), packed::unpacked(&name, reader)?);
    let ready = Ready::Opened(context.writing_into(&arguments.storage_class).open()?);
    let options = Named {
        source: arguments.source.as_deref(),
        name: &name,
        paths: vec![path(arguments).as_os_str().as_bytes().to_vec()],
        tags: &arguments.tag,
        mode: if arguments.dry_run { Mode::DryRun } else { Mode::Store },
    };
    carry_out(context, &ready, Input::Tar(&input), &options.options())
}

/// Where the archive comes from, and what it is called.
fn open(arguments: &Arguments, context: &Context) -> Result<(String, Box<dyn Read + Send>)> {
    if arguments.file != "-" {
        let name = path(arguments).to_string_lossy().into_owned();
        let opened = File::open(&arguments.file);
        let failed = |source| mainstay_sources::Error::Io { verb: "open", path: name.clone(), source };
        let file = opened.map_err(failed)?;
        return Ok((name, Box::new(file)));
    }
    if arguments.source.is_none() {
        return Err(Failure::usage("import tar: what comes from standard input has no name")
            .with_hint("name the source by --source NAME"));
    }
    require_free_input(context)?;
    if io::stdin().is_terminal() {
        return Err(Failure::usage("import tar: an archive does not come from a terminal")
            .with_hint("name a FILE, or pipe the output of another program into this one"));
    }
    Ok((STREAM.to_owned(), Box::new(io::stdin())))
}

/// The archive, wherever the user stands.
fn path(arguments: &Arguments) -> std::path::PathBuf {
    let file = Path::new(&arguments.file);
    let absolute = if arguments.file == "-" { None } else { std::path::absolute(file).ok() };
    absolute.unwrap_or_else(|| file.to_owned())
}
