//! `mainstay repo`: the repository itself.
//!
//! Owns the list of its verbs; each has a file of its own.

mod history;

use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::Result;

const EXAMPLES: &str = "\
Examples:
  mainstay repo history
  mainstay repo history --source web01:/etc --json";

/// Look at the repository itself: the signed history of its snapshots
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    History(history::Arguments),
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    match &arguments.verb {
        Verb::History(arguments) => history::run(arguments, context),
    }
}
