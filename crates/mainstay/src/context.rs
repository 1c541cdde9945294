//! What a command is given: the global options, the output, and the door to the repository.
//!
//! Owns the rules by which a repository is found and opened. Never prints a result.

use mainstay_repo::{Error, Repository, Secret, SnapshotEntry};

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

impl Opened {
    /// The snapshots that can be read; of the others the user is told, and they hide nothing.
    pub fn snapshots(&self, output: &Output) -> Result<Vec<SnapshotEntry>> {
        let (entries, damaged) = self.repository.readable_snapshots()?;
        damaged.into_iter().for_each(|error| output.warn_by_code(&Failure::from(error)));
        Ok(entries)
    }
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
        self.output.detail(&format!(
            "repository {} at {}",
            repository.id().short(),
            crate::location::quoted(&location.path)
        ));
        Ok(Opened { repository, location })
    }

    pub fn open_at(&self, location: &Location) -> Result<Repository> {
        if let Some(named) = self.named_secret()? {
            // A password is not asked for before it is clear that there is something to open.
            Repository::identify(&*location.store())?;
            return try_secret(location, &named.read()?).map_err(Failure::from);
        }
        let id = Repository::identify(&*location.store())?;
        let found = key_file::find(id)?;
        let mut refused = None;
        for key in &found {
            match try_secret(location, &key.secret) {
                Ok(repository) => {
                    key.settle(id)?;
                    return Ok(repository);
                }
                Err(error @ Error::WrongKey { slots: 1.., .. }) => refused = Some((error, &key.path)),
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
}

fn ask(location: &Location) -> Result<Repository> {
    let question = format!("passphrase or recovery code of {}", crate::location::quoted(&location.path));
    let mut attempt = 1;
    loop {
        match try_secret(location, &secrets::ask(&question)?) {
            Err(Error::WrongKey { .. }) if attempt < ATTEMPTS => {
                attempt += 1;
                crate::output::line_to_stderr("it does not open the repository; try again");
            }
            other => return other.map_err(Failure::from),
        }
    }
}

fn try_secret(location: &Location, secret: &Secret) -> mainstay_repo::Result<Repository> {
    Repository::open(location.store(), secret, machine::liveness())
}

fn no_key(location: &Location, key_file: &std::path::Path) -> Failure {
    let message = format!(
        "open repository {}: there is no key file {}, and no password is named",
        location.path.display(),
        key_file.display()
    );
    Failure::new(&catalogue::NO_KEY, message)
}
