//! `mainstay store`: the place where a repository lies, or could lie.
//!
//! Owns the list of its verbs; each has a file of its own.

mod ground;
mod speed;
mod validate;

use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::Result;

const EXAMPLES: &str = "\
Examples:
  mainstay store validate /mnt/disk
  mainstay store validate /mnt/share --json";

/// Look at a place for repositories: what it guarantees, and how fast it is
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Validate(validate::Arguments),
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    match &arguments.verb {
        Verb::Validate(arguments) => validate::run(arguments, context),
    }
}
