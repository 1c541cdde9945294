//! `mainstay man`: manual pages, made of the same definitions as the help.
//!
//! Owns the pages' order of sections and their names.

use std::path::{Path, PathBuf};

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};
use serde::Serialize;

use super::help;
use crate::arguments::layout;
use crate::arguments::words::Words;
use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};

const PROGRAM: &str = "mainstay";

const EXAMPLES: &str = "\
Examples:
  mainstay man | man -l -
  mainstay man restore | man -l -
  mainstay man --directory ~/.local/share/man/man1";

/// Print or write the manual pages
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The command whose page is printed [default: the overview]
    #[arg(value_name = "COMMAND", conflicts_with = "directory")]
    #[arg(value_parser = Words::Commands, hide_possible_values = true)]
    command: Vec<String>,
    /// Write all pages into this directory, which is created
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// A page in `--json` output.
#[derive(Serialize)]
struct Page {
    name: String,
    page: String,
}

#[derive(Serialize)]
struct Written {
    directory: String,
    pages: Vec<String>,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let mut definition = crate::arguments::definition();
    definition.build();
    match &arguments.directory {
        Some(directory) => write_all(&definition, directory, context)?,
        None => {
            let command = find(&definition, &arguments.command, Words::Commands)?;
            let page = page(command)?;
            match context.output.is_json() {
                true => context.output.document(&page)?,
                false => context.output.result(&page.page)?,
            }
        }
    }
    Ok(ExitCode::Success)
}

/// The command that words name; `known` are the words among which the one that was meant may be.
pub fn find<'c>(definition: &'c clap::Command, words: &[String], known: Words) -> Result<&'c clap::Command> {
    let mut command = definition;
    for word in words {
        command = command.find_subcommand(word).ok_or_else(|| {
            let message = format!("find the command {:?}: no such one", words.join(" "));
            let failure = Failure::new(&catalogue::UNKNOWN_TOPIC, message);
            match known.nearest(word) {
                Some(nearest) => failure.with_hint(format!("did you mean {nearest:?}?")),
                None => failure,
            }
        })?;
    }
    Ok(command)
}

fn write_all(definition: &clap::Command, directory: &Path, context: &Context) -> Result<()> {
    let failed = |error: std::io::Error| Failure::file("write manual pages into", directory, &error);
    std::fs::create_dir_all(directory).map_err(failed)?;
    let mut names = Vec::new();
    let mut commands = vec![definition];
    while let Some(command) = commands.pop() {
        let page = page(command)?;
        std::fs::write(directory.join(&page.name), page.page).map_err(failed)?;
        names.push(page.name);
        commands.extend(command.get_subcommands());
    }
    names.sort();
    match context.output.is_json() {
        true => context.output.document(&Written { directory: directory.to_string_lossy().into_owned(), pages: names }),
        false => {
            let place = crate::location::quoted(directory);
            context.output.result(&format!("wrote {} manual pages into {place}\n", names.len()))
        }
    }
}

fn page(command: &clap::Command) -> Result<Page> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let is_program = name == PROGRAM;
    // The help of the program has its examples in its template.
    let examples = match is_program {
        true => Some(layout::EXAMPLES.to_owned()),
        false => command.get_after_help().map(ToString::to_string),
    };
    let man = Man::new(command.clone()).title(name.to_uppercase()).manual("Mainstay");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    synopsis_section(command).to_writer(&mut text)?;
    man.render_description_section(&mut text)?;
    if let Some(examples) = examples {
        verbatim_section("EXAMPLES", examples.lines().skip(1).map(str::trim_start)).to_writer(&mut text)?;
    }
    if command.get_arguments().next().is_some() {
        man.render_options_section(&mut text)?;
    }
    if command.get_subcommands().next().is_some() {
        man.render_subcommands_section(&mut text)?;
    }
    if is_program {
        verbatim_section("ENVIRONMENT", help::ENVIRONMENT.lines()).to_writer(&mut text)?;
    }
    see_also_section(&name).to_writer(&mut text)?;
    Ok(Page { name: format!("{name}.1"), page: String::from_utf8_lossy(&text).into_owned() })
}

/// How the command is written, each option with the name of its value.
fn synopsis_section(command: &clap::Command) -> Roff {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let mut words = vec![bold(name)];
    for option in command.get_arguments().filter(|argument| !argument.is_positional() && !argument.is_hide_set()) {
        let flag = match (option.get_long(), option.get_short()) {
            (Some(long), _) => format!("--{long}"),
            (None, Some(short)) => format!("-{short}"),
            (None, None) => continue,
        };
        words.extend([roman(" ["), bold(flag)]);
        if option.get_action().takes_values() {
            words.extend([roman(" "), italic(value_name(option))]);
        }
        words.push(roman("]"));
    }
    for positional in command.get_positionals() {
        let (open, close) = if positional.is_required_set() { (" ", "") } else { (" [", "]") };
        let is_list = positional.get_num_args().is_some_and(|range| range.max_values() > 1);
        words.extend([
            roman(open),
            italic(value_name(positional)),
            roman(if is_list { "…" } else { "" }),
            roman(close),
        ]);
    }
    if command.has_subcommands() {
        words.extend([roman(" "), italic("COMMAND")]);
    }
    let mut section = Roff::new();
    section.control("SH", ["SYNOPSIS"]).text(words);
    section
}

fn value_name(argument: &clap::Arg) -> String {
    match argument.get_value_names() {
        Some(names) => names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" "),
        None => argument.get_id().as_str().to_uppercase(),
    }
}

/// A section whose lines stay as they are.
fn verbatim_section<'l>(title: &str, lines: impl Iterator<Item = &'l str>) -> Roff {
    let mut section = Roff::new();
    section.control("SH", [title]).control("nf", []);
    for line in lines {
        section.text([roman(line)]);
    }
    section.control("fi", []);
    section
}

fn see_also_section(name: &str) -> Roff {
    let mut section = verbatim_section("EXIT STATUS", ExitCode::table().lines());
    if name != PROGRAM {
        section.control("SH", ["SEE ALSO"]).text([bold(PROGRAM), roman("(1)")]);
    }
    section
}
