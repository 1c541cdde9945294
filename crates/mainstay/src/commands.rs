//! The commands: one file each, and the table that leads from a word to its file.
//!
//! Owns the table only.

pub mod archive;
pub mod backup;
pub mod cat;
pub mod check;
pub mod completions;
pub mod copy;
pub mod diff;
pub mod doctor;
pub mod export;
pub mod find;
mod findings;
pub mod forget;
pub mod help;
pub mod history;
pub mod import;
pub mod init;
pub mod key;
mod long_run;
pub mod ls;
pub mod man;
mod node;
pub mod parity;
pub mod prune;
pub mod repair;
pub mod repo;
pub mod restore;
mod selection;
pub mod snapshots;
pub mod stats;
pub mod status;
pub mod store;
pub mod sync;
pub mod undelete;
pub mod verify;

use crate::arguments::Command;
use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::Result;
use crate::output::Shape;

/// How a command prints JSON: what takes its time prints lines, everything else a document.
pub fn shape(command: &Command) -> Shape {
    match command {
        Command::Backup(_)
        | Command::Restore(_)
        | Command::Export(_)
        | Command::Import(_)
        | Command::Prune(_)
        | Command::Check(_)
        | Command::Verify(_)
        | Command::Repair(_)
        | Command::Sync(_)
        | Command::Copy(_) => Shape::Lines,
        Command::Archive(arguments) => arguments.shape(),
        Command::Parity(arguments) => arguments.shape(),
        _ => Shape::Document,
    }
}

/// Runs a command.
pub fn run(command: &Command, context: &Context) -> Result<ExitCode> {
    match command {
        Command::Init(arguments) => init::run(arguments, context),
        Command::Backup(arguments) => backup::run(arguments, context),
        Command::Status(arguments) => status::run(arguments, context),
        Command::Snapshots(arguments) => snapshots::run(arguments, context),
        Command::Ls(arguments) => ls::run(arguments, context),
        Command::Find(arguments) => find::run(arguments, context),
        Command::History(arguments) => history::run(arguments, context),
        Command::Diff(arguments) => diff::run(arguments, context),
        Command::Cat(arguments) => cat::run(arguments, context),
        Command::Restore(arguments) => restore::run(arguments, context),
        Command::Export(arguments) => export::run(arguments, context),
        Command::Import(arguments) => import::run(arguments, context),
        Command::Forget(arguments) => forget::run(arguments, context),
        Command::Prune(arguments) => prune::run(arguments, context),
        Command::Doctor(arguments) => doctor::run(arguments, context),
        Command::Repo(arguments) => repo::run(arguments, context),
        Command::Store(arguments) => store::run(arguments, context),
        Command::Undelete(arguments) => undelete::run(arguments, context),
        Command::Check(arguments) => check::run(arguments, context),
        Command::Verify(arguments) => verify::run(arguments, context),
        Command::Repair(arguments) => repair::run(arguments, context),
        Command::Sync(arguments) => sync::run(arguments, context),
        Command::Copy(arguments) => copy::run(arguments, context),
        Command::Archive(arguments) => archive::run(arguments, context),
        Command::Parity(arguments) => parity::run(arguments, context),
        Command::Stats(arguments) => stats::run(arguments, context),
        Command::Key(arguments) => key::run(arguments, context),
        Command::Completions(arguments) => completions::run(arguments, context),
        Command::Man(arguments) => man::run(arguments, context),
        Command::Help(arguments) => help::run(arguments, context),
    }
}
