//! `mainstay key create-writer`: a key for an agent that backs up and cannot read.
//!
//! Owns the file that is carried to the agent. The key is durable before the repository knows it.

use std::path::PathBuf;

use mainstay_repo::{RecoveryCode, Secret, WriterMay};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{KeyFields, fields, free_name, new_file};
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result};
use crate::location::quoted;
use crate::{machine, private_file};

const EXAMPLES: &str = "\
Examples:
  mainstay key create-writer --label web01
  mainstay key create-writer --label web01 --may-list     its backups need not read what did not change
  mainstay key create-writer --label web01 web01.key

On the agent:
  mainstay --repo PATH --password-file web01.key backup /etc";

/// Create a key that can back up and cannot read, not even what it backed up
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// What the list shows for it
    #[arg(long, value_name = "TEXT", default_value = "writer")]
    label: String,
    /// Let it list its own snapshots, with names, sizes and times, so that its backups can be incremental
    #[arg(long)]
    may_list: bool,
    /// Where to write it; an existing file is not replaced [default: a new file in the working directory]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct WriterFields {
    #[serde(flatten)]
    key: KeyFields,
    key_file: String,
}

pub fn create(arguments: &Arguments, context: &Context, opened: &Opened) -> Result<ExitCode> {
    let repository = &opened.repository;
    repository.require(mainstay_repo::Right::Maintain, "create writer")?;
    let name = || free_name(&format!("mainstay-writer-{}.key", repository.id().short()));
    let path = new_file(&arguments.file.clone().unwrap_or_else(name), "write key file")?;
    let code = RecoveryCode::generate()?;
    let text = Zeroizing::new(format!(
        "# A Mainstay key for one agent. Whoever has it can add snapshots to the repository, and read no file in it.\n{}\n",
        code.to_text().as_str()
    ));
    private_file::create(&path, &text).map_err(|error| Failure::file("write key file", &path, &error))?;
    let may = if arguments.may_list { WriterMay::List } else { WriterMay::Nothing };
    let added = repository.add_writer(&Secret::Code(code), &arguments.label, machine::now(), may);
    let slot = added.inspect_err(|_| {
        // A key that opens nothing would only be mistaken for one that does.
        let _ = std::fs::remove_file(&path);
    })?;
    if context.output.is_json() {
        let key_file = path.to_string_lossy().into_owned();
        context.output.document(&WriterFields { key: fields(&slot, repository), key_file })?;
        return Ok(ExitCode::Success);
    }
    context.output.result(&format!("created writer {}: {}\n", slot.id.short(), quoted(&path)))?;
    context.output.say("next: move the file to the agent, and name it there by --password-file");
    Ok(ExitCode::Success)
}
