//! The command line: global options, the list of commands, and how help is laid out.
//!
//! Owns what is the same for all commands; each command's own options stand in its file. Never runs anything.

pub mod layout;
pub mod reach;
pub mod words;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{NonEmptyStringValueParser, TypedValueParser};
use clap::{ArgAction, Args, FromArgMatches as _, Parser, Subcommand};

use crate::commands::{
    archive, backup, cat, check, completions, copy, diff, doctor, export, find, forget, help, history, import, init,
    key, ls, man, parity, prune, repair, repo, restore, snapshots, stats, status, store, sync, undelete, verify,
};
use crate::failure::{Failure, Result, catalogue};
use crate::output::color::Choice;
use crate::output::progress::Wish;
use crate::output::{Format, Output, Talk};
use reach::Reach;

/// Everything on the command line.
#[derive(Parser)]
#[command(
    name = "mainstay",
    version,
    about = "Backs up files into an encrypted, deduplicated repository, and brings them back",
    disable_help_subcommand = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Args, Clone)]
pub struct Global {
    /// The repository: a directory, sqlite:///FILE, sftp://USER@HOST/PATH, s3://BUCKET/PREFIX, gs://…, az://…, webdavs://HOST/PATH or postgresql://HOST/DATABASE [default: a directory of the user's]
    #[arg(long, global = true, value_name = "PATH-OR-URL", env = "MAINSTAY_REPO", hide_env_values = true)]
    #[arg(help_heading = "Global options")]
    pub repo: Option<OsString>,
    /// Read the password, or a recovery code, from a file (- for standard input)
    #[arg(long, global = true, value_name = "FILE", env = "MAINSTAY_PASSWORD_FILE", hide_env_values = true)]
    #[arg(help_heading = "Global options")]
    pub password_file: Option<PathBuf>,
    /// Print JSON: one document, or one line per event for long runs
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// Print only what was asked for, warnings and errors
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub quiet: bool,
    /// Show no progress
    #[arg(long, global = true, help_heading = "Global options")]
    pub no_progress: bool,
    /// Colour the output
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Global options")]
    #[arg(hide_possible_values = true, help = "Colour the output: auto, always or never")]
    pub color: Choice,
    /// Say more: list every warning, and in a backup every entry; -vv every request to the store
    #[arg(long, short, global = true, action = ArgAction::Count, help_heading = "Global options")]
    pub verbose: u8,
    #[command(flatten)]
    pub reach: Reach,
}

impl Global {
    pub fn output(&self) -> Output {
        let format = if self.json { Format::Json } else { Format::Text };
        let talk = match (self.quiet, self.verbose) {
            (true, _) => Talk::Quiet,
            (false, 0) => Talk::Normal,
            (false, 1) => Talk::Verbose,
            (false, _) => Talk::Requests,
        };
        Output::new(format, talk, self.color)
    }

    pub fn progress(&self) -> Wish {
        if self.no_progress { Wish::Hidden } else { Wish::Shown }
    }
}

/// The commands, in the order of help texts and of manual pages.
#[derive(Subcommand)]
pub enum Command {
    Init(init::Arguments),
    Backup(backup::Arguments),
    Status(status::Arguments),
    Snapshots(snapshots::Arguments),
    Ls(ls::Arguments),
    Find(find::Arguments),
    History(history::Arguments),
    Diff(diff::Arguments),
    Cat(cat::Arguments),
    Restore(restore::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
    Forget(forget::Arguments),
    Prune(prune::Arguments),
    Undelete(undelete::Arguments),
    Check(check::Arguments),
    Verify(verify::Arguments),
    Repair(repair::Arguments),
    Sync(sync::Arguments),
    Copy(copy::Arguments),
    Archive(archive::Arguments),
    Parity(parity::Arguments),
    Stats(stats::Arguments),
    Doctor(doctor::Arguments),
    Repo(repo::Arguments),
    Store(store::Arguments),
    Key(key::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
    Help(help::Arguments),
}

/// Reads a name that something is found by; an empty one is a variable that a script did not set.
pub fn not_empty() -> impl TypedValueParser<Value = String> {
    NonEmptyStringValueParser::new()
}

/// What the parser made of a command line.
pub enum Parsed {
    Command(Box<Arguments>),
    /// Help or the version was asked for.
    Text(String),
}

/// The definition of the command line, with the layout of its help.
pub fn definition() -> clap::Command {
    layout::arrange(<Arguments as clap::CommandFactory>::command())
}

/// Parses a command line; the first word is the program's name.
pub fn parse(words: Vec<OsString>) -> Result<Parsed> {
    let early = Early::look(&words);
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let definition = definition().color(early.color.for_parser(is_terminal));
    let parsed = definition.try_get_matches_from(words).and_then(|matches| Arguments::from_arg_matches(&matches));
    match parsed {
        Ok(arguments) => Ok(Parsed::Command(Box::new(arguments))),
        Err(error) if !error.use_stderr() => {
            let text = error.render();
            let is_coloured = early.color.for_parser(is_terminal) == clap::ColorChoice::Always;
            Ok(Parsed::Text(if is_coloured { text.ansi().to_string() } else { text.to_string() }))
        }
        Err(error) => Err(usage_failure(&error)),
    }
}

/// What must be known of a command line before it is parsed, since it may not be parsable.
pub struct Early {
    pub json: bool,
    pub color: Choice,
}

impl Early {
    pub fn look(words: &[OsString]) -> Self {
        let mut early = Self { json: false, color: Choice::Auto };
        let mut words = words.iter().skip(1).take_while(|word| *word != "--").peekable();
        while let Some(word) = words.next() {
            early.json |= word == "--json";
            let color = match word.to_str() {
                Some("--color") => words.peek().and_then(|next| next.to_str()),
                Some(word) => word.strip_prefix("--color="),
                None => None,
            };
            let known = color.and_then(|text| <Choice as clap::ValueEnum>::from_str(text, false).ok());
            early.color = known.unwrap_or(early.color);
        }
        early
    }

    pub fn output(&self) -> Output {
        let format = if self.json { Format::Json } else { Format::Text };
        Output::new(format, Talk::Normal, self.color)
    }
}

/// The parser's error in the grammar of this program: its first paragraphs as the message, the usage as the hint.
fn usage_failure(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Failure::usage("no command is given").with_help(text);
    }
    let mut message = Vec::new();
    let mut hint = None;
    for paragraph in text.split("\n\n") {
        let line = paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        if let Some(usage) = line.strip_prefix("Usage: ") {
            hint = Some(format!("{usage}; see --help"));
        } else if !line.starts_with("For more information") && !line.trim().is_empty() {
            message.push(line.trim().trim_start_matches("error: ").to_owned());
        }
    }
    let failure = Failure::new(&catalogue::USAGE, message.join("; "));
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

#[cfg(test)]
mod tests;
