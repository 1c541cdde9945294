//! `mainstay init`: a new repository and its first keys.
//!
//! Owns the order that makes a crash harmless: the key is durable, then the repository is created, then the recovery kit
//! is written. `backup` uses it for the default repository.

use std::path::{Path, PathBuf};

use mainstay_repo::{Repository, Secret};
use serde::Serialize;

use crate::context::{Context, Opened};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::location::{Location, quoted};
use crate::{key_file, machine, recovery_kit, secrets};

const EXAMPLES: &str = "\
Examples:
  mainstay init                                   the default repository, with a generated key
  mainstay init --repo /mnt/disk/backup           a repository elsewhere
  mainstay init --repo /mnt/disk/backup --ask-passphrase
  mainstay init --password-file secret.txt        a passphrase from a file";

/// Create a repository and its keys
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Ask for a passphrase instead of generating a key file and a recovery kit
    #[arg(long)]
    ask_passphrase: bool,
}

/// A repository that was just created.
pub struct Created {
    pub opened: Opened,
    pub files: Option<KeyFiles>,
}

/// What stands for a passphrase where there is none.
pub struct KeyFiles {
    pub key_file: PathBuf,
    pub recovery_kit: PathBuf,
}

/// What `--json` prints.
#[derive(Serialize)]
pub struct CreatedFields {
    repository: String,
    location: String,
    key_file: Option<String>,
    recovery_kit: Option<String>,
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<ExitCode> {
    let location = context.location()?;
    let secret = passphrase(arguments, context)?;
    let created = create(location, secret)?;
    let output = &context.output;
    if output.is_json() {
        output.document(&created.fields())?;
        return Ok(ExitCode::Success);
    }
    output.result(&format!("{}\n", created.line()))?;
    created.explain(context);
    output.say(&format!("next: mainstay backup{} PATH", created.opened.location.flag()));
    Ok(ExitCode::Success)
}

/// The passphrase that the user chose, if that is what the user wants.
fn passphrase(arguments: &Arguments, context: &Context) -> Result<Option<Secret>> {
    if let Some(named) = context.named_secret()? {
        return named.read().map(Some);
    }
    if !arguments.ask_passphrase {
        return Ok(None);
    }
    if !secrets::can_ask() {
        let message = "ask for a passphrase: standard input is not a terminal";
        return Err(Failure::new(&catalogue::NO_KEY, message));
    }
    secrets::ask_twice("new passphrase").map(Some)
}

/// Creates a repository; without a secret, a key and a recovery kit are generated.
pub fn create(location: Location, secret: Option<Secret>) -> Result<Created> {
    let Some(secret) = secret else { return create_with_key_file(location) };
    let repository = create_repository(&location, &secret, "passphrase")?;
    Ok(Created { opened: Opened { repository, location }, files: None })
}

fn create_with_key_file(location: Location) -> Result<Created> {
    let key = key_file::generate()?;
    let repository = match create_repository(&location, &key.secret, "key file") {
        Ok(repository) => repository,
        Err(failure) => {
            if is_certainly_absent(&location, &failure) {
                key.discard();
            }
            return Err(failure);
        }
    };
    let key_file = key.settle(repository.id())?;
    let recovery_kit = recovery_kit::default_path(&repository)?;
    recovery_kit::create(&repository, &location, &recovery_kit)?;
    let files = Some(KeyFiles { key_file, recovery_kit });
    Ok(Created { opened: Opened { repository, location }, files })
}

/// Whether nothing was created that a key is needed for. The last step may have failed after the repository was there, and
/// a key that opens nothing does no harm.
fn is_certainly_absent(location: &Location, failure: &Failure) -> bool {
    let is_of_another = failure.code.number == catalogue::OCCUPIED.number;
    is_of_another || matches!(Repository::identify(&*location.store()), Err(mainstay_repo::Error::NoRepository { .. }))
}

fn create_repository(location: &Location, secret: &Secret, label: &str) -> Result<Repository> {
    let label = format!("{label} on {}", machine::host_name());
    Ok(Repository::create(location.store(), secret, &label, machine::liveness(), machine::now())?)
}

impl Created {
    pub fn line(&self) -> String {
        let Opened { repository, location } = &self.opened;
        format!("created repository {} at {}", repository.id().short(), location.quoted())
    }

    /// Says where the keys are and what to do with them.
    pub fn explain(&self, context: &Context) {
        let Some(files) = &self.files else {
            context.output.say("key: the passphrase; without it nothing can be restored");
            return;
        };
        context.output.say(&format!("key: {}", quoted(&files.key_file)));
        context.output.say(&format!(
            "recovery kit: {}: print it and keep it away from this machine; without the key or the kit nothing can be restored",
            quoted(&files.recovery_kit)
        ));
    }

    pub fn fields(&self) -> CreatedFields {
        let Opened { repository, location } = &self.opened;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        CreatedFields {
            repository: repository.id().to_string(),
            location: location.text().to_string_lossy().into_owned(),
            key_file: self.files.as_ref().map(|files| text(&files.key_file)),
            recovery_kit: self.files.as_ref().map(|files| text(&files.recovery_kit)),
        }
    }
}
