//! `mainstay man`: manual pages, made of the same definitions as the help.
//!
//! Owns the pages' order of sections and their names.

use std::path::{Path, PathBuf};

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use serde::Serialize;

use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};

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
            let command = find(&definition, &arguments.command)?;
            let page = page(command)?;
            match context.output.is_json() {
                true => context.output.document(&page)?,
                false => context.output.result(&page.page)?,
            }
        }
    }
    Ok(ExitCode::Success)
}

/// The command that words name.
pub fn find<'c>(definition: &'c clap::Command, words: &[String]) -> Result<&'c clap::Command> {
    let mut command = definition;
    for word in words {
        command = command.find_subcommand(word).ok_or_else(|| {
            Failure::new(&catalogue::UNKNOWN_TOPIC, format!("find the command {:?}: no such one", words.join(" ")))
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
    let examples = command.get_after_help().map(ToString::to_string);
    let man = Man::new(command.clone()).title(name.to_uppercase()).manual("Mainstay");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    if let Some(examples) = examples {
        examples_section(&examples).to_writer(&mut text)?;
    }
    if command.get_arguments().next().is_some() {
        man.render_options_section(&mut text)?;
    }
    if command.get_subcommands().next().is_some() {
        man.render_subcommands_section(&mut text)?;
    }
    see_also_section(&name).to_writer(&mut text)?;
    Ok(Page { name: format!("{name}.1"), page: String::from_utf8_lossy(&text).into_owned() })
}

fn examples_section(examples: &str) -> Roff {
    let mut section = Roff::new();
    section.control("SH", ["EXAMPLES"]).control("nf", []);
    for line in examples.lines().skip(1) {
        section.text([roman(line.trim_start())]);
    }
    section.control("fi", []);
    section
}

fn see_also_section(name: &str) -> Roff {
    let mut section = Roff::new();
    section.control("SH", ["EXIT STATUS"]).control("nf", []);
    for line in crate::exit_code::ExitCode::table().lines() {
        section.text([roman(line)]);
    }
    section.control("fi", []);
    if name != "mainstay" {
        section.control("SH", ["SEE ALSO"]).text([bold("mainstay"), roman("(1)")]);
    }
    section
}
