//! `mainstay import`: what other programs have written becomes a snapshot.
//!
//! Owns the list of forms; each has a file of its own.

mod packed;
mod tar;

use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::Result;

/// Make a snapshot of what another program has written
#[derive(clap::Args)]
#[command(after_help = tar::EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    form: Form,
}

#[derive(clap::Subcommand)]
enum Form {
    Tar(tar::Arguments),
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    match &arguments.form {
        Form::Tar(arguments) => tar::run(arguments, context),
    }
}
