//! `mainstay archive`: one snapshot in a bundle of its own, sealed, held until a date, and opened without the repository.
//!
//! Owns the list of its verbs; each has a file of its own.

mod create;
mod hold;
mod list;
mod places;
mod restore;
mod show;
mod verify;

use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::Result;
use crate::output::Shape;

const EXAMPLES: &str = "\
Examples:
  mainstay archive create latest --to /mnt/vault --hold 7y --kit vault-kit.txt
  mainstay archive create latest --to s3://vault/archives --hold-until 2033-12-31 --recipient safe.pub
  mainstay archive create latest --to /mnt/vault --format tar.zst
  mainstay archive list /mnt/vault
  mainstay archive verify /mnt/vault/20260301-1a2b3c4d
  mainstay archive restore /mnt/vault/20260301-1a2b3c4d --target out
  mainstay archive extend-hold /mnt/vault/20260301-1a2b3c4d --hold-until 2040-12-31";

/// Keep one snapshot for years: in a sealed bundle of its own, held until a date
///
/// A bundle is a small repository that holds one snapshot and has keys of its own; whatever reads repositories reads it by `--repo`. It needs nothing
/// of the repository that it was made from. Before the end of its hold no command deletes anything of it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(clap::Subcommand)]
enum Verb {
    Create(create::Arguments),
    List(list::Arguments),
    Show(show::Arguments),
    Verify(verify::Arguments),
    Restore(restore::Arguments),
    ExtendHold(hold::Arguments),
}

impl Arguments {
    /// How the verb prints JSON.
    pub fn shape(&self) -> Shape {
        match self.verb {
            Verb::Create(_) | Verb::Verify(_) | Verb::Restore(_) => Shape::Lines,
            Verb::List(_) | Verb::Show(_) | Verb::ExtendHold(_) => Shape::Document,
        }
    }
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    match &arguments.verb {
        Verb::Create(arguments) => create::run(arguments, context),
        Verb::List(arguments) => list::run(arguments, context),
        Verb::Show(arguments) => show::run(arguments, context),
        Verb::Verify(arguments) => verify::run(arguments, context),
        Verb::Restore(arguments) => restore::run(arguments, context),
        Verb::ExtendHold(arguments) => hold::run(arguments, context),
    }
}
