//! The binary `mainstay`: from the command line to an exit code.
//!
//! Owns the first and the last step only.

mod arguments;
mod commands;
mod context;
mod defaults;
mod exit_code;
mod failure;
mod key_file;
mod list_file;
mod listing;
mod location;
mod machine;
mod memory;
mod output;
mod places;
mod private_file;
mod recovery_kit;
mod requests;
mod secrets;
mod signals;

use arguments::{Early, Parsed};
use context::Context;
use exit_code::ExitCode;

fn main() -> std::process::ExitCode {
    mainstay_sources::files::raise_open_files();
    let words: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let early = Early::look(&words).output();
    let ended = match arguments::parse(words) {
        Ok(Parsed::Text(text)) => early.result(&text).map(|()| ExitCode::Success).map_err(|error| (early, error)),
        Ok(Parsed::Command(arguments)) => {
            let context = Context::new(arguments.global).printing(commands::shape(&arguments.command));
            commands::run(&arguments.command, &context).map_err(|error| (context.output, error))
        }
        Err(error) => Err((early, error)),
    };
    let exit_code = ended.unwrap_or_else(|(output, failure)| {
        output.failure(&failure);
        failure.exit_code()
    });
    exit_code.into()
}
