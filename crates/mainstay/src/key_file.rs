//! The key that Mainstay generates when nobody names a password: one file per repository, for its owner only.
//!
//! Owns `$XDG_CONFIG_HOME/mainstay/keys`. Invariant: a key is durable before the repository that needs it exists; until
//! the repository's id is known the file has a provisional name, under which it is found again after a crash.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use mainstay_repo::{RecoveryCode, RepositoryId, Secret};
use zeroize::Zeroizing;

use crate::defaults;
use crate::failure::{Failure, Result, catalogue};
use crate::private_file;

const PROVISIONAL: &str = "unfinished-";
const KEY_FILE_LEN_MAX: u64 = 4096;

/// A key that was written for a repository which may not exist yet.
pub struct ProvisionalKey {
    path: PathBuf,
    pub secret: Secret,
}

/// A key found on this machine.
pub struct FoundKey {
    pub path: PathBuf,
    pub secret: Secret,
}

/// Where the key of a repository is, or would be.
pub fn path(repository: RepositoryId) -> Result<PathBuf> {
    Ok(folder()?.join(format!("{repository}.key")))
}

/// Draws a new key and writes it down.
pub fn generate() -> Result<ProvisionalKey> {
    let code = RecoveryCode::generate()?;
    // Only the name of the file, so that two commands at once do not meet.
    let name = format!("{PROVISIONAL}{}-{:x}.key", std::process::id(), crate::machine::now());
    let path = folder()?.join(name);
    let text = Zeroizing::new(format!(
        "# The key of a Mainstay repository. Whoever has it can read everything in the repository.\n{}\n",
        code.to_text().as_str()
    ));
    private_file::create(&path, &text).map_err(|error| Failure::file("write key file", &path, &error))?;
    Ok(ProvisionalKey { path, secret: Secret::Code(code) })
}

impl ProvisionalKey {
    /// Gives the file the name of its repository.
    pub fn settle(self, repository: RepositoryId) -> Result<PathBuf> {
        settle(&self.path, repository)
    }

    /// Takes the key back: its repository was not created.
    pub fn discard(self) {
        // A key that opens nothing does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

impl FoundKey {
    /// Gives a key that proved to fit the name of its repository.
    pub fn settle(&self, repository: RepositoryId) -> Result<()> {
        if self.path == path(repository)? || !is_provisional(&self.path) {
            return Ok(());
        }
        settle(&self.path, repository).map(drop)
    }
}

/// The keys of this machine that may open a repository: its own, else those whose repository was not known yet.
pub fn find(repository: RepositoryId) -> Result<Vec<FoundKey>> {
    let own = path(repository)?;
    if let Some(secret) = read(&own)? {
        return Ok(vec![FoundKey { path: own, secret }]);
    }
    let mut found = Vec::new();
    for path in provisional(&folder()?) {
        found.extend(read(&path)?.map(|secret| FoundKey { path, secret }));
    }
    Ok(found)
}

/// Every key of this machine.
pub fn all() -> Result<Vec<FoundKey>> {
    let mut found = Vec::new();
    for path in keys_in(&folder()?) {
        found.extend(read(&path)?.map(|secret| FoundKey { path, secret }));
    }
    Ok(found)
}

fn provisional(folder: &Path) -> Vec<PathBuf> {
    keys_in(folder).into_iter().filter(|path| is_provisional(path)).collect()
}

fn is_provisional(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PROVISIONAL))
}

fn keys_in(folder: &Path) -> Vec<PathBuf> {
    // A directory that cannot be read holds nothing that could be read.
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(io::Result::ok);
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "key")).collect()
}

fn settle(from: &Path, repository: RepositoryId) -> Result<PathBuf> {
    let to = path(repository)?;
    private_file::rename(from, &to).map_err(|error| Failure::file("name key file", &to, &error))?;
    Ok(to)
}

fn folder() -> Result<PathBuf> {
    Ok(defaults::config_directory()?.join("keys"))
}

fn read(path: &Path) -> Result<Option<Secret>> {
    let failed = |error: io::Error| Failure::file("read key file", path, &error);
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    let mode = file.metadata().map_err(failed)?.mode();
    if mode & 0o077 != 0 {
        let message = format!("read key file {}: others may use it (mode {:o})", path.display(), mode & 0o7777);
        return Err(Failure::new(&catalogue::KEY_FILE_OPEN, message));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(KEY_FILE_LEN_MAX).read_to_string(&mut text).map_err(failed)?;
    match text.lines().find_map(RecoveryCode::parse) {
        Some(code) => Ok(Some(Secret::Code(code))),
        None => Err(failed(io::Error::new(io::ErrorKind::InvalidData, "it holds no key"))),
    }
}
