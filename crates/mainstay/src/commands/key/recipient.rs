//! `mainstay key create-recipient` and `add-recipient`: a restore key whose private half stays offline.
//!
//! Owns the two files of a recipient. The private half is written for its owner only, and read only where it was left alone.

use std::path::{Path, PathBuf};

use mainstay_repo::{Recipient, RecipientCode};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{fields, new_file};
use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result};
use crate::location::quoted;
use crate::{machine, private_file, secrets};

const CREATE_EXAMPLES: &str = "\
Examples:
  mainstay key create-recipient                     writes mainstay-recipient.key and mainstay-recipient.pub
  mainstay key create-recipient /media/stick/safe   writes safe.key and safe.pub there";

/// Create a restore key that can stay offline: a private file, and a public one to add to repositories
#[derive(clap::Args)]
#[command(after_help = CREATE_EXAMPLES)]
pub struct CreateArguments {
    /// The names of both files, without .key and .pub; existing files are not replaced
    #[arg(value_name = "NAME", default_value = "mainstay-recipient")]
    name: PathBuf,
}

const ADD_EXAMPLES: &str = "\
Examples:
  mainstay key add-recipient mainstay-recipient.pub --label safe
  mainstay --password-file mainstay-recipient.key restore latest --target restored    with the private half";

/// Add the public half of a recipient: whoever has the private half can do everything
#[derive(clap::Args)]
#[command(after_help = ADD_EXAMPLES)]
pub struct AddArguments {
    /// The file that create-recipient wrote with .pub (- for standard input)
    #[arg(value_name = "PUBLIC")]
    public: PathBuf,
    /// What the list shows for it
    #[arg(long, value_name = "TEXT", default_value = "recipient")]
    label: String,
}

/// What `create-recipient --json` prints.
#[derive(Serialize)]
struct RecipientFields {
    private_file: String,
    public_file: String,
}

pub fn create(arguments: &CreateArguments, context: &Context) -> Result<ExitCode> {
    let with_end = |end: &str| {
        let mut name = arguments.name.clone().into_os_string();
        name.push(end);
        PathBuf::from(name)
    };
    let (private, public) = (with_end(".key"), with_end(".pub"));
    let public = new_file(&public, "write recipient")?;
    let code = match left_alone(&private) {
        Some(code) => code,
        None => create_private(&new_file(&private, "write recipient")?)?,
    };
    let private = std::path::absolute(&private).map_err(|error| Failure::file("write recipient", &private, &error))?;
    let text = format!(
        "# The public half of a Mainstay recipient: for `mainstay key add-recipient`. It opens nothing.\n{}\n",
        code.recipient().to_text()
    );
    write(&public, &text)?;
    if context.output.is_json() {
        let shown = |path: &Path| path.to_string_lossy().into_owned();
        context.output.document(&RecipientFields { private_file: shown(&private), public_file: shown(&public) })?;
        return Ok(ExitCode::Success);
    }
    context.output.result(&format!("private half: {}\npublic half: {}\n", quoted(&private), quoted(&public)))?;
    context.output.say("next: mainstay key add-recipient with the public half; keep the private one offline");
    Ok(ExitCode::Success)
}

/// The private half where whoever wrote it was stopped before the public one was there.
fn left_alone(private: &Path) -> Option<RecipientCode> {
    let text = secrets::read_text(private, "read recipient").ok()?;
    text.lines().find_map(RecipientCode::parse)
}

fn create_private(path: &Path) -> Result<RecipientCode> {
    let code = RecipientCode::generate()?;
    let text = Zeroizing::new(format!(
        "# The private half of a Mainstay recipient. Whoever has it can read every repository to which its public half was \
         added.\n# Keep it away from the machines that back up.\n{}\n",
        code.to_text().as_str()
    ));
    write(path, &text)?;
    Ok(code)
}

fn write(path: &Path, text: &str) -> Result<()> {
    private_file::create(path, text).map_err(|error| Failure::file("write recipient", path, &error))
}

pub fn add(arguments: &AddArguments, context: &Context, opened: &Opened) -> Result<ExitCode> {
    let text = secrets::read_text(&arguments.public, "read recipient")?;
    let recipient = Recipient::parse(&text).ok_or_else(|| {
        let error = std::io::Error::new(std::io::ErrorKind::InvalidData, "it holds no public half of a recipient");
        let failure = Failure::file("read recipient", &arguments.public, &error);
        failure.with_hint("the public half begins with MSP1 and is in the file that ends in .pub")
    })?;
    let slot = opened.repository.add_recipient(&recipient, &arguments.label, machine::now())?;
    match context.output.is_json() {
        true => context.output.document(&fields(&slot, &opened.repository))?,
        false => context.output.result(&format!("added recipient {}\n", slot.id.short()))?,
    }
    Ok(ExitCode::Success)
}
