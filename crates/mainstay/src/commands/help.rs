//! `mainstay help`: commands, topics and errors.
//!
//! Owns the topics. The pages of errors are the sections of `docs/errors.md`, built in.

use std::ffi::OsString;

use serde::Serialize;

use super::man;
use crate::arguments::Parsed;
use crate::arguments::words::Words;
use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};

const EXAMPLES: &str = "\
Examples:
  mainstay help restore
  mainstay help exit-codes
  mainstay help environment
  mainstay help errors
  mainstay help MS-1101";

const ERRORS: &str = include_str!("../../../../docs/errors.md");

pub const ENVIRONMENT: &str = "\
MAINSTAY_REPO              the repository, as --repo
MAINSTAY_PASSWORD_FILE     a file with the password or a recovery code, as --password-file
MAINSTAY_PASSWORD_COMMAND  a program and its arguments that prints the password; no shell is asked
MAINSTAY_TO_PASSWORD_FILE, MAINSTAY_TO_PASSWORD_COMMAND
                           the same for the repository that `copy` writes to
XDG_DATA_HOME              where the default repository is: $XDG_DATA_HOME/mainstay/repository
                           [default: ~/.local/share]
XDG_CONFIG_HOME            where generated keys and recovery kits are: $XDG_CONFIG_HOME/mainstay
                           [default: ~/.config]
XDG_STATE_HOME             where this machine remembers which snapshots it has seen: $XDG_STATE_HOME/mainstay
                           [default: ~/.local/state]; before it STATE_DIRECTORY, which systemd sets for services
XDG_CACHE_HOME             where copies of repositories in other places are: $XDG_CACHE_HOME/mainstay
                           [default: ~/.cache]; before it CACHE_DIRECTORY, which systemd sets for services
MAINSTAY_CACHE_LIMIT       how much of them is kept, as --cache-limit; so for MAINSTAY_LIMIT_UPLOAD,
                           MAINSTAY_LIMIT_DOWNLOAD, MAINSTAY_CONNECTIONS, MAINSTAY_TIMEOUT, MAINSTAY_RETRIES
NO_COLOR, FORCE_COLOR      no colours, or colours even where there is no terminal; --color beats both
TERM                       `dumb` means neither colours nor a redrawn progress line
MAINSTAY_HOLD              how long forgotten snapshots can be taken back, as by --hold
TZ                         the time zone of times that are shown, and of days and weeks in `forget`
";

/// Explain a command, a topic or an error
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// A command, exit-codes, environment, errors, or the code of an error such as MS-1101
    #[arg(value_name = "TOPIC", value_parser = Words::Topics, hide_possible_values = true)]
    topic: Vec<String>,
}

#[derive(Serialize)]
struct ExitCodeFields {
    number: u8,
    meaning: &'static str,
}

#[derive(Serialize)]
struct TopicFields {
    topic: String,
    text: String,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let topic = arguments.topic.join(" ");
    if topic == "exit-codes" && context.output.is_json() {
        let code = |code: &ExitCode| ExitCodeFields { number: code.number(), meaning: code.meaning() };
        context.output.document(&ExitCode::ALL.iter().map(code).collect::<Vec<_>>())?;
        return Ok(ExitCode::Success);
    }
    let text = match topic.as_str() {
        "exit-codes" => ExitCode::table(),
        "environment" => ENVIRONMENT.to_owned(),
        "errors" => error_list(),
        code if code.to_ascii_uppercase().starts_with("MS-") => {
            error_page(&code.to_ascii_uppercase()).ok_or_else(|| {
                Failure::new(&catalogue::UNKNOWN_TOPIC, format!("explain {code}: no error has this code"))
            })?
        }
        _ => command_help(&arguments.topic)?,
    };
    match context.output.is_json() {
        true => context.output.document(&TopicFields { topic, text })?,
        false => context.output.result(&text)?,
    }
    Ok(ExitCode::Success)
}

/// The codes with the titles of their sections.
fn error_list() -> String {
    let title = |code: &&catalogue::Code| error_page(code.number)?.lines().next().map(str::to_owned);
    let lines: Vec<String> = catalogue::ALL.iter().filter_map(title).collect();
    format!("{}\n", lines.join("\n"))
}

/// The section of an error in `docs/errors.md`.
pub fn error_page(code: &str) -> Option<String> {
    let start = ERRORS.find(&format!("\n## {code} "))? + 1;
    let section = ERRORS.get(start..)?;
    let end = section.find("\n## ").unwrap_or(section.len());
    let section = section.get(..end)?.trim_start_matches("## ");
    Some(format!("{}\n", section.trim_end()))
}

fn command_help(words: &[String]) -> Result<String> {
    man::find(&crate::arguments::definition(), words, Words::Topics)?;
    // The parser's own answer, so that it is the same as that of the flag.
    let flag = if words.is_empty() { "-h" } else { "--help" };
    let line = ["mainstay"].into_iter().chain(words.iter().map(String::as_str)).chain([flag]);
    match crate::arguments::parse(line.map(OsString::from).collect())? {
        Parsed::Text(text) => Ok(text),
        Parsed::Command(_) => Ok(String::new()),
    }
}
