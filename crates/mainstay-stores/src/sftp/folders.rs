//! The directories of a repository on a server.
//!
//! Owns which of them are there, and which are known to survive a power cut of the server. A server that does not sync directories
//! is found out once, and from then on order and durability of names rest on it alone.

use std::collections::HashSet;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mainstay_repo::names;

use super::channel::{Channel, Kind};

/// Where objects are written before they have their names.
pub const STAGING: &str = "tmp";

pub struct Folders {
    root: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Those that were synced with all that lead to them. That one is there says nothing: whoever created it may have died.
    durable: HashSet<String>,
    /// Whether the server syncs directories, once it was tried.
    syncs: Option<bool>,
}

impl Folders {
    pub fn new(root: String) -> Self {
        Self { root, state: Mutex::default() }
    }

    pub fn root(&self) -> &str {
        &self.root
    }

    /// The path of what has a name in the repository; of `""`, the repository's own.
    pub fn path(&self, name: &str) -> String {
        match (self.root.as_str(), name) {
            (root, "") => root.to_owned(),
            ("/", name) => format!("/{name}"),
            (root, name) => format!("{root}/{name}"),
        }
    }

    /// Whether names are durable once they are published; `None` before one was.
    pub fn syncs(&self) -> Option<bool> {
        self.state().syncs
    }

    /// Syncs a directory where the server can. A server that refuses the first cannot; one that did it before and does not now
    /// has failed.
    pub async fn sync(&self, channel: &Channel, path: &str) -> io::Result<()> {
        let syncs = self.state().syncs;
        if syncs == Some(false) {
            return Ok(());
        }
        match channel.sync_directory(path).await {
            Ok(()) => self.state().syncs = Some(true),
            Err(error)
                if syncs.is_none() && matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::Other) =>
            {
                self.state().syncs = Some(false);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// An absent object is known to be absent only in a repository: its disk may not be mounted there.
    pub async fn require_repository(&self, channel: &Channel) -> io::Result<()> {
        for name in [names::CONFIG, STAGING, names::COPIES.trim_end_matches('/')] {
            match channel.look(&self.path(name)).await {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("the directory of the server holds no repository: is its disk mounted there?"))
    }

    /// Turns "not found" into doubt where the repository itself is not there.
    pub async fn absence(&self, channel: &Channel, error: io::Error) -> io::Error {
        match error.kind() {
            io::ErrorKind::NotFound => self.require_repository(channel).await.err().unwrap_or(error),
            _ => error,
        }
    }

    /// Creates the root and what leads to it.
    pub async fn create_root(&self, channel: &Channel) -> io::Result<()> {
        let mut missing = Vec::new();
        let mut path = self.root.as_str();
        // From the end: what lies above may be hidden from the user.
        loop {
            match channel.look_through(path).await {
                Ok(entry) if entry.kind == Kind::Directory => break,
                Ok(_) => return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{path} is no directory"))),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Err(error) => missing.push(Some(path).filter(|path| !path.is_empty()).ok_or(error)?),
            }
            path = match path.rsplit_once('/') {
                Some(("", _)) => "/",
                Some((above, _)) => above,
                None => ".",
            };
            if missing.last() == Some(&path) {
                return Err(io::Error::new(io::ErrorKind::NotFound, format!("the server has no {path}")));
            }
        }
        for path in missing.into_iter().rev() {
            self.create(channel, path).await?;
            self.sync(channel, above(path)).await?;
        }
        // Whoever created it may have been killed a moment later. What lies above may not be ours to open.
        match self.sync(channel, above(&self.root)).await {
            Err(error) if error.kind() != io::ErrorKind::PermissionDenied => Err(error),
            _ => Ok(()),
        }
    }

    /// Creates a directory unless it is there.
    pub async fn create(&self, channel: &Channel, path: &str) -> io::Result<()> {
        let Err(error) = channel.create_directory(path).await else { return Ok(()) };
        // The protocol has no word for "it is there".
        match channel.look_through(path).await {
            Ok(entry) if entry.kind == Kind::Directory => Ok(()),
            _ => Err(error),
        }
    }

    /// Makes a folder of the repository and all above it durable, and creates what is missing of them.
    pub async fn make_durable(&self, channel: &Channel, folder: &str) -> io::Result<()> {
        let mut name = String::new();
        for part in folder.split('/').filter(|part| !part.is_empty()) {
            let parent = self.path(&name);
            if !name.is_empty() {
                name.push('/');
            }
            name.push_str(part);
            if self.state().durable.contains(&name) {
                continue;
            }
            self.create(channel, &self.path(&name)).await?;
            self.sync(channel, &parent).await?;
            // Folders of sessions come and go, by the hands of others too.
            if name != folder || !format!("{folder}/").starts_with(names::COORD) {
                self.state().durable.insert(name.clone());
            }
        }
        Ok(())
    }

    /// Forgets what was known of a folder that turned out to be gone.
    pub fn forget(&self, folder: &str) {
        self.state().durable.retain(|known| known != folder && !known.starts_with(&format!("{folder}/")));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The directory that a path lies in.
fn above(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((above, _)) => above,
        None => ".",
    }
}
