//! `mainstay key create-writer` and `create-maintainer`: keys for machines that do one thing and cannot read.
//!
//! Owns the file that is carried to the machine. The key is durable before the repository knows it.

use std::path::PathBuf;

use mainstay_repo::{KeySlot, RecoveryCode, Repository, Secret, WriterMay};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{KeyFields, fields, free_name, new_file};
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result};
use crate::location::quoted;
use crate::{machine, private_file};

const WRITER_EXAMPLES: &str = "\
Examples:
  mainstay key create-writer --label web01
  mainstay key create-writer --label web01 --may-list     its backups need not read what did not change
  mainstay key create-writer --label web01 web01.key

On the agent:
  mainstay --repo PATH --password-file web01.key backup /etc";

/// Create a key that can back up and cannot read, not even what it backed up
#[derive(clap::Args)]
#[command(after_help = WRITER_EXAMPLES)]
pub struct WriterArguments {
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

const MAINTAINER_EXAMPLES: &str = "\
Examples:
  mainstay key create-maintainer --label janitor
  mainstay key create-maintainer --label janitor janitor.key

Where it prunes:
  mainstay --repo PATH --password-file janitor.key prune";

/// Create a key that can prune and cannot read, not even which snapshots there are of what
#[derive(clap::Args)]
#[command(after_help = MAINTAINER_EXAMPLES)]
pub struct MaintainerArguments {
    /// What the list shows for it
    #[arg(long, value_name = "TEXT", default_value = "maintainer")]
    label: String,
    /// Where to write it; an existing file is not replaced [default: a new file in the working directory]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct AgentFields {
    #[serde(flatten)]
    key: KeyFields,
    key_file: String,
}

/// A key that is to be created.
struct Agent<'a> {
    /// What it is called, in file names and messages.
    kind: &'static str,
    /// What its file says of it.
    remark: &'static str,
    /// Where the file belongs.
    place: &'static str,
    file: Option<&'a PathBuf>,
}

pub fn create_writer(arguments: &WriterArguments, context: &Context, opened: &Opened) -> Result<ExitCode> {
    opened.repository.require_all("create writer")?;
    let writer = Agent {
        kind: "writer",
        remark: "A Mainstay key for one agent. Whoever has it can add snapshots to the repository, and read no file in it.",
        place: "the agent",
        file: arguments.file.as_ref(),
    };
    let may = if arguments.may_list { WriterMay::List } else { WriterMay::Nothing };
    writer.create(context, &opened.repository, |repository, secret| {
        repository.add_writer(secret, &arguments.label, machine::now(), may)
    })
}

pub fn create_maintainer(arguments: &MaintainerArguments, context: &Context, opened: &Opened) -> Result<ExitCode> {
    opened.repository.require_all("create maintainer")?;
    let maintainer = Agent {
        kind: "maintainer",
        remark: "A Mainstay key that prunes. Whoever has it can delete snapshots from the repository, and read no file in it.",
        place: "the machine that prunes",
        file: arguments.file.as_ref(),
    };
    maintainer.create(context, &opened.repository, |repository, secret| {
        repository.add_maintainer(secret, &arguments.label, machine::now())
    })
}

impl Agent<'_> {
    fn create(
        &self,
        context: &Context,
        repository: &Repository,
        add: impl FnOnce(&Repository, &Secret) -> mainstay_repo::Result<KeySlot>,
    ) -> Result<ExitCode> {
        let kind = self.kind;
        let name = || free_name(&format!("mainstay-{kind}-{}.key", repository.id().short()));
        let path = new_file(&self.file.cloned().unwrap_or_else(name), "write key file")?;
        let code = RecoveryCode::generate()?;
        let text = Zeroizing::new(format!("# {}\n{}\n", self.remark, code.to_text().as_str()));
        private_file::create(&path, &text).map_err(|error| Failure::file("write key file", &path, &error))?;
        let slot = add(repository, &Secret::Code(code)).inspect_err(|_| {
            // A key that opens nothing would only be mistaken for one that does.
            let _ = std::fs::remove_file(&path);
        })?;
        if context.output.is_json() {
            let key_file = path.to_string_lossy().into_owned();
            context.output.document(&AgentFields { key: fields(&slot, repository), key_file })?;
            return Ok(ExitCode::Success);
        }
        context.output.result(&format!("created {kind} {}: {}\n", slot.id.short(), quoted(&path)))?;
        context.output.say(&format!("next: move the file to {}, and name it there by --password-file", self.place));
        Ok(ExitCode::Success)
    }
}
