//! What a command is given: the global options, the output, and the door to the repository.
//!
//! Owns the rules by which a repository is found and opened. Never prints a result.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mainstay_repo::{Error, Locked, Repository, Right, Secret};
use mainstay_stores::{Ahead, Cached, Near};

use crate::arguments::Global;
use crate::arguments::reach::{StorageClass, Way};
use crate::failure::{Failure, Result, catalogue};
use crate::location::Location;
use crate::output::{Output, Shape, Talk};
use crate::requests::Told;
use crate::{defaults, key_file, machine, secrets};

/// How often a passphrase may be mistyped.
const ATTEMPTS: usize = 3;

/// The surroundings of a command.
pub struct Context {
    pub global: Global,
    pub output: Output,
    /// Where the repository's packs go, in a bucket.
    storage_class: StorageClass,
}

/// What a command believes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Believing {
    /// What the store holds now: those who check, mend or delete.
    Store,
    /// The same, read by long stretches.
    StoreByStretches,
    /// Copies of objects that are written once.
    Copies,
}

/// An open repository and where it is.
pub struct Opened {
    pub repository: Repository,
    pub location: Location,
}

impl Context {
    pub fn new(global: Global) -> Self {
        let output = global.output();
        Self { global, output, storage_class: StorageClass::default() }
    }

    /// The same for a command that prints JSON in this shape.
    pub fn printing(mut self, shape: Shape) -> Self {
        self.output.shape = shape;
        self
    }

    /// The same, with the repository's packs going into a storage class where one is named.
    pub fn writing_into(&self, class: &StorageClass) -> Self {
        Self { global: self.global.clone(), output: self.output, storage_class: class.clone() }
    }

    pub fn location(&self) -> Result<Location> {
        self.find(self.global.repo.as_deref())?.in_storage_class(&self.storage_class)
    }

    /// Any place, reached as the global options say, or else its address; `None` is the default one.
    pub fn find(&self, place: Option<&OsStr>) -> Result<Location> {
        let split = place.map(Way::split).transpose();
        let split = split.map_err(|why| Failure::new(&catalogue::ADDRESS, format!("open repository: {why}")))?;
        let (place, named) = split.unzip();
        let way = self.global.reach.way.or(named.unwrap_or_default());
        let mut location = Location::find(place.as_deref(), way.patience())?;
        if let Some(limits) = way.limits() {
            location = location.surrounded_by(limits);
        }
        Ok(if self.output.talk == Talk::Requests { location.surrounded_by(Told::new()) } else { location })
    }

    /// The password that the user named, if any.
    pub fn named_secret(&self) -> Result<Option<secrets::Named>> {
        secrets::Named::find(self.global.password_file.as_deref())
    }

    /// Opens the repository with the secret that the user named, the key file, or a passphrase that is asked for.
    pub fn open(&self) -> Result<Opened> {
        self.open_believing(Believing::Store)
    }

    fn open_believing(&self, believing: Believing) -> Result<Opened> {
        let location = self.location()?;
        let (repository, _) = self.unlock_at(&location, believing)?;
        self.output.detail(&format!("repository {} at {}", repository.id().short(), location.quoted()));
        Ok(Opened { repository, location })
    }

    /// The same for what seals a new slot to the secret that opened it.
    pub fn open_with_secret(&self) -> Result<(Opened, Secret)> {
        let location = self.location()?;
        let (repository, secret) = self.unlock_at(&location, Believing::Store)?;
        Ok((Opened { repository, location }, secret))
    }

    /// Opens the repository for those who read all packs: by long stretches where each request takes its time.
    pub fn open_ahead_to(&self, right: Right, verb: &'static str) -> Result<Opened> {
        let opened = self.open_believing(Believing::StoreByStretches)?;
        opened.repository.require(right, verb)?;
        Ok(opened)
    }

    /// Opens the repository for what needs a right, before anything is done.
    pub fn open_to(&self, right: Right, verb: &'static str) -> Result<Opened> {
        let opened = self.open()?;
        opened.repository.require(right, verb)?;
        Ok(opened)
    }

    pub fn open_at(&self, location: &Location) -> Result<Repository> {
        self.unlock_at(location, Believing::Store).map(|(repository, _)| repository)
    }

    /// Opens the repository for a backup: what was read or written before may be read again on this machine.
    pub fn open_near(&self) -> Result<Opened> {
        self.open_believing(Believing::Copies)
    }

    /// The same for those who only read, with a right.
    pub fn open_near_to(&self, right: Right, verb: &'static str) -> Result<Opened> {
        let opened = self.open_near()?;
        opened.repository.require(right, verb)?;
        Ok(opened)
    }

    /// The way to a store by the copies of its objects on this machine; a store that is here itself needs none.
    fn by_copies(&self, locked: Locked, location: &Location) -> Locked {
        let is_here = location.path().is_some();
        let directory = defaults::cache_directory().ok().filter(|_| !is_here && self.global.reach.cache_limit > 0);
        // Copies of a repository have its identifier: each of them has its own, since one may lack what another holds.
        let name = format!("{}-{:016x}", locked.id(), fnv(location.text().as_bytes()));
        let near = directory.and_then(|path| Near::open(&path.join(name), self.global.reach.cache_limit));
        match near {
            Some(near) => locked.through(|store| Arc::new(Cached::over(store, near))),
            None => locked,
        }
    }

    /// Opens a repository in another place with the secret that is named, or a key of this machine.
    pub fn open_place(&self, location: &Location) -> Result<Opened> {
        Ok(Opened { repository: self.open_at(location)?, location: location.clone() })
    }

    /// The same where it serves without a key, too: nobody is asked for one.
    pub fn open_if_key(&self, location: &Location) -> Result<Option<Opened>> {
        match unlock_unasked(&Locked::find(location.store())?, self.named_secret()?)? {
            Unasked::Unlocked(unlocked) => {
                self.tell_despite(&unlocked.0, location);
                Ok(Some(Opened { repository: unlocked.0, location: location.clone() }))
            }
            Unasked::Refused(_) => Ok(None),
        }
    }

    /// Opens a second repository, which has a key of its own: the secret that is named for it, its key file, or a passphrase that is
    /// asked for. What is named for the first one says nothing of it.
    pub fn open_other(&self, location: &Location, password_file: Option<&Path>) -> Result<Opened> {
        let named = secrets::Named::find_for_other(password_file)?;
        let (repository, _) = unlock(&Locked::find(location.store())?, location, named)?;
        self.tell_despite(&repository, location);
        self.output.detail(&format!("repository {} at {}", repository.id().short(), location.quoted()));
        Ok(Opened { repository, location: location.clone() })
    }

    /// Warns of what was damaged when a repository was opened.
    fn tell_despite(&self, repository: &Repository, location: &Location) {
        for damage in repository.opened_despite() {
            let advice = "opened by a second copy; run `mainstay repair`";
            match self.output.is_json() {
                true => self.output.warning_message(&location.quoted(), &format!("{damage}: {advice}")),
                false => self.output.warn(&format!("{damage}: {advice}")),
            }
        }
    }

    fn unlock_at(&self, location: &Location, believing: Believing) -> Result<(Repository, Secret)> {
        let named = self.named_secret()?;
        let locked = Locked::find(location.store())?;
        let locked = match believing {
            Believing::Copies => self.by_copies(locked, location),
            Believing::StoreByStretches if location.path().is_none() => {
                locked.through(|store| Arc::new(Ahead::over(store)))
            }
            Believing::Store | Believing::StoreByStretches => locked,
        };
        let unlocked = unlock(&locked, location, named)?;
        self.tell_despite(&unlocked.0, location);
        Ok(unlocked)
    }
}

fn unlock(locked: &Locked, location: &Location, named: Option<secrets::Named>) -> Result<(Repository, Secret)> {
    let is_named = named.is_some();
    let refused = match unlock_unasked(locked, named)? {
        Unasked::Unlocked(unlocked) => return Ok(*unlocked),
        Unasked::Refused(refused) => refused,
    };
    // A damaged configuration may name another repository, of which there is no key.
    if !is_named
        && let Some(other) = locked.by_second_copy()?
        && let Unasked::Unlocked(unlocked) = unlock_unasked(&other, None)?
    {
        return Ok(*unlocked);
    }
    if secrets::can_ask() {
        return ask(location, locked);
    }
    match refused {
        Some((error, path)) => {
            let hint = format!(
                "the key file {} is not the key of this repository; use the recovery kit by --password-file",
                path.display()
            );
            Err(Failure::from(error).with_hint(hint))
        }
        None => Err(no_key(location, &key_file::path(locked.id())?)),
    }
}

/// What came of the keys that nobody needs to be asked for.
enum Unasked {
    Unlocked(Box<(Repository, Secret)>),
    /// The key file that should have opened it and did not, if there is one.
    Refused(Option<(Error, PathBuf)>),
}

/// Tries the secret that is named or, where none is, the keys of this machine. A password is not asked for before it is clear that
/// there is something to open.
fn unlock_unasked(locked: &Locked, named: Option<secrets::Named>) -> Result<Unasked> {
    if let Some(named) = named {
        let secret = named.read()?;
        let repository = try_secret(locked, &secret).map_err(|error| refusal(error, &secret))?;
        return Ok(Unasked::Unlocked(Box::new((repository, secret))));
    }
    let mut refused = None;
    for key in key_file::find(locked.id())? {
        match try_secret(locked, &key.secret) {
            Ok(repository) => {
                key.settle(locked.id())?;
                return Ok(Unasked::Unlocked(Box::new((repository, key.secret))));
            }
            Err(error @ Error::WrongKey { slots: 1.., .. }) => refused = Some((error, key.path)),
            Err(error) => return Err(error.into()),
        }
    }
    if !locked.is_archive() {
        return Ok(Unasked::Refused(refused));
    }
    // An archive may have been made with the key of any repository of this machine.
    for key in key_file::all()? {
        match try_secret(locked, &key.secret) {
            Ok(repository) => return Ok(Unasked::Unlocked(Box::new((repository, key.secret)))),
            Err(Error::WrongKey { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Unasked::Refused(refused))
}

/// A number for a text, the same in every build (FNV-1a of 64 bits, RFC 9923).
fn fnv(text: &[u8]) -> u64 {
    text.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

fn ask(location: &Location, locked: &Locked) -> Result<(Repository, Secret)> {
    let question = format!("passphrase or recovery code of {}", location.quoted());
    let mut attempt = 1;
    loop {
        let secret = secrets::ask(&question)?;
        match try_secret(locked, &secret) {
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

fn try_secret(locked: &Locked, secret: &Secret) -> mainstay_repo::Result<Repository> {
    locked.unlock(secret, machine::liveness())
}

fn no_key(location: &Location, key_file: &std::path::Path) -> Failure {
    let message = format!(
        "open repository {}: there is no key file {}, and no password is named",
        location.quoted(),
        key_file.display()
    );
    Failure::new(&catalogue::NO_KEY, message)
}
