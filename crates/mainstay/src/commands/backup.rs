//! `mainstay backup`: files, or a stream, become a snapshot.
//!
//! Owns the options and the first run on a fresh machine; `mainstay-jobs` does the work.

mod carry_out;
pub mod input;

pub use carry_out::{Named, Ready, carry_out};
use mainstay_jobs::backup::{BackupOptions, Input, Mode, Requested};
use mainstay_repo::{Error, Repository, Sharing};

use super::init;
use crate::arguments::not_empty;
use crate::arguments::reach::StorageClass;
use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::Result;
use crate::location::{Choice, quoted};

const EXAMPLES: &str = "\
Examples:
  mainstay backup ~/Documents
  mainstay backup /etc /srv --exclude '*.tmp' --exclude-caches --tag nightly
  mainstay backup --type full --one-file-system /
  mainstay backup --files-from list.txt --source projects
  pg_dumpall | mainstay backup --stdin-name dump.sql --source web01:postgres";

/// Back up files and directories
///
/// Without any repository named, the default one is created at the first run, with a generated key and a recovery kit.
/// Every snapshot restores by itself, whatever its type.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    input: input::InputArguments,
    /// What to read: all (full), what changed since the last snapshot of the source, or since its last full one
    #[arg(long = "type", value_name = "TYPE", default_value = "incremental", hide_default_value = true)]
    #[arg(
        hide_possible_values = true,
        help = "full: read everything; incremental (default): what changed since the last snapshot; differential: since the last full one"
    )]
    requested: Type,
    /// Share no pack with earlier snapshots: a second physical copy
    #[arg(long)]
    independent: bool,
    /// Name of the source [default: HOST:PATH,…]
    #[arg(long, value_name = "NAME", value_parser = not_empty())]
    source: Option<String>,
    /// Mark the snapshot; several tags with commas between them, or by several --tag
    #[arg(long, value_name = "TAG", value_delimiter = ',', value_parser = not_empty())]
    tag: Vec<String>,
    /// Walk and decide, store nothing; with --verbose name each entry and what would become of it
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    storage_class: StorageClass,
}

/// The types of a backup.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Type {
    Full,
    Incremental,
    Differential,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let context = &context.writing_into(&arguments.storage_class);
    let mut input = input::open(&arguments.input, context)?;
    let ready = open_or_create(arguments, context)?;
    if let Some(created) = ready.created() {
        context.output.say(&created.line());
        created.explain(context);
    }
    if let Some(path) = ready.opened().location.path()
        && input.leave_out(path)?
    {
        context.output.detail(&format!("leaving out the repository itself: {}", quoted(path)));
    }
    let options = options(arguments, &input);
    carry_out(context, &ready, Input::Tree(&*input.source), &options)
}

/// Opens the repository; the default one is created if nobody named another and it is not there.
fn open_or_create(arguments: &Arguments, context: &Context) -> Result<Ready> {
    let location = context.location()?;
    let is_absent = || matches!(Repository::identify(&*location.store()), Err(Error::NoRepository { .. }));
    if location.choice == Choice::Named || arguments.dry_run || !is_absent() {
        // A full backup believes nothing that was there before.
        let opened = if matches!(arguments.requested, Type::Full) { context.open() } else { context.open_near() };
        return opened.map(Ready::Opened);
    }
    let secret = context.named_secret()?.map(|named| named.read()).transpose()?;
    init::create(location, secret).map(Ready::Created)
}

fn options(arguments: &Arguments, input: &input::Input) -> BackupOptions {
    let named = Named {
        source: arguments.source.as_deref(),
        name: &input.name,
        paths: input.paths.clone(),
        tags: &arguments.tag,
        mode: if arguments.dry_run { Mode::DryRun } else { Mode::Store },
    };
    BackupOptions {
        requested: match arguments.requested {
            Type::Full => Requested::Full,
            Type::Incremental => Requested::Incremental,
            Type::Differential => Requested::Differential,
        },
        sharing: if arguments.independent { Sharing::Independent } else { Sharing::Shared },
        ..named.options()
    }
}
