//! What a command is given: the global options, the output, and the door to the repository.
//!
//! Owns the rules by which a repository is found and opened. Never prints a result.

use std::path::Path;

use mainstay_repo::{Error, Repository, Right, Secret};

use crate::arguments::Global;
use crate::failure::{Failure, Result, catalogue};
use crate::location::Location;
use crate::output::Output;
use crate::{key_file, machine, secrets};

/// How often a passphrase may be mistyped.
const ATTEMPTS: usize = 3;

/// The surroundings of a command.
pub struct Context {
    pub global: Global,
    pub output: Output,
}

/// An open repository and where it is.
pub struct Opened {
    pub repository: Repository,
    pub location: Location,
}

impl Context {
    pub fn new(global: Global) -> Self {
        let output = global.output();
        Self { global, output }
    }

    pub fn location(&self) -> Result<Location> {
        Location::find(self.global.repo.as_deref())
    }

    /// The password that the user named, if any.
    pub fn named_secret(&self) -> Result<Option<secrets::Named>> {
        secrets::Named::find(self.global.password_file.as_deref())
    }

    /// Opens the repository with the secret that the user named, the key file, or a passphrase that is asked for.
    pub fn open(&self) -> Result<Opened> {
        let location = self.location()?;
        let repository = self.open_at(&location)?;
        self.output.detail(&format!("repository {} at {}", repository.id().short(), location.quoted()));
        Ok(Opened { repository, location })
    }

    /// The same for what seals a new slot to the secret that opened it.
    pub fn open_with_secret(&self) -> Result<(Opened, Secret)> {
        let location = self.location()?;
        let (repository, secret) = self.unlock_at(&location)?;
        Ok((Opened { repository, location }, secret))
    }

    /// Opens the repository for what needs a right, before anything is done.
    pub fn open_to(&self, right: Right, verb: &'static str) -> Result<Opened> {
        let opened = self.open()?;
        opened.repository.require(right, verb)?;
        Ok(opened)
    }

    pub fn open_at(&self, location: &Location) -> Result<Repository> {
        self.unlock_at(location).map(|(repository, _)| repository)
    }

    /// Opens a second repository, which has a key of its own: the secret that is named for it, its key file, or a passphrase that is
    /// asked for. What is named for the first one says nothing of it.
    pub fn open_other(&self, location: &Location, password_file: Option<&Path>) -> Result<Opened> {
        let named = secrets::Named::find_for_other(password_file)?;
        let (repository, _) = unlock(location, named)?;
        self.output.detail(&format!("repository {} at {}", repository.id().short(), location.quoted()));
        Ok(Opened { repository, location: location.clone() })
    }

    fn unlock_at(&self, location: &Location) -> Result<(Repository, Secret)> {
        unlock(location, self.named_secret()?)
    }
}

fn unlock(location: &Location, named: Option<secrets::Named>) -> Result<(Repository, Secret)> {
    if let Some(named) = named {
        // A password is not asked for before it is clear that there is something to open.
        Repository::identify(&*location.store())?;
        let secret = named.read()?;
        let repository = try_secret(location, &secret).map_err(|error| refusal(error, &secret))?;
        return Ok((repository, secret));
    }
    let id = Repository::identify(&*location.store())?;
    let found = key_file::find(id)?;
    let mut refused = None;
    for key in found {
        match try_secret(location, &key.secret) {
            Ok(repository) => {
                key.settle(id)?;
                return Ok((repository, key.secret));
            }
            Err(error @ Error::WrongKey { slots: 1.., .. }) => refused = Some((error, key.path)),
            Err(error) => return Err(error.into()),
        }
    }
    if secrets::can_ask() {
        return ask(location);
    }
    match refused {
        Some((error, path)) => {
            let hint = format!(
                "the key file {} is not the key of this repository; use the recovery kit by --password-file",
                path.display()
            );
            Err(Failure::from(error).with_hint(hint))
        }
        None => Err(no_key(location, &key_file::path(id)?)),
    }
}

fn ask(location: &Location) -> Result<(Repository, Secret)> {
    let question = format!("passphrase or recovery code of {}", location.quoted());
    let mut attempt = 1;
    loop {
        let secret = secrets::ask(&question)?;
        match try_secret(location, &secret) {
            Err(Error::WrongKey { .. }) if attempt < ATTEMPTS => {
                attempt += 1;
                let reason = if secret.is_like_a_code() { MISTYPED } else { "it does not open the repository" };
                crate::output::line_to_stderr(&format!("{reason}; try again"));
            }
            Err(error) => return Err(refusal(error, &secret)),
            Ok(repository) => return Ok((repository, secret)),
        }
    }
}

const MISTYPED: &str = "it looks like a recovery code, and its check digits do not match";

/// Why a secret opened nothing: a passphrase may look like a code, so that it is tried before anything is said.
fn refusal(error: Error, secret: &Secret) -> Failure {
    let is_mistyped = matches!(error, Error::WrongKey { .. }) && secret.is_like_a_code();
    let mut failure = Failure::from(error);
    if !is_mistyped {
        return failure;
    }
    failure.message.push_str(&format!(": {MISTYPED}"));
    failure.with_hint("a character of the recovery code is wrong, missing or too many: compare it with the kit")
}

fn try_secret(location: &Location, secret: &Secret) -> mainstay_repo::Result<Repository> {
    Repository::open(location.store(), secret, machine::liveness())
}

fn no_key(location: &Location, key_file: &std::path::Path) -> Failure {
    let message = format!(
        "open repository {}: there is no key file {}, and no password is named",
        location.quoted(),
        key_file.display()
    );
    Failure::new(&catalogue::NO_KEY, message)
}
