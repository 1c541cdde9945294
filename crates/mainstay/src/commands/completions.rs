//! `mainstay completions`: scripts that complete commands and options in a shell.
//!
//! Owns nothing but the way from the definition to the script.

use clap_complete::Shell;
use serde::Serialize;

use crate::context::Context;
use crate::exit_code::ExitCode;
use crate::failure::Result;

const EXAMPLES: &str = "\
Examples:
  mainstay completions bash > ~/.local/share/bash-completion/completions/mainstay
  mainstay completions zsh > \"${fpath[1]}/_mainstay\"
  mainstay completions fish > ~/.config/fish/completions/mainstay.fish";

/// Print the completion script of a shell
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Fields {
    shell: String,
    script: String,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut crate::arguments::definition(), "mainstay", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match context.output.is_json() {
        true => context.output.document(&Fields { shell: arguments.shell.to_string(), script })?,
        false => context.output.result(&script)?,
    }
    Ok(ExitCode::Success)
}
