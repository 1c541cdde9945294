//! What is not there.
//!
//! Owns when that is believed. Clients of services take "no such page" for an empty folder, and a server in between says it of
//! everything: so an empty answer is held against what the place tells of itself, from its root on, and against an object that
//! this process has seen there. What contradicts itself is asked again, and is an error in the end.

use std::io;
use std::sync::{MutexGuard, PoisonError};

use mainstay_repo::store::Object;

use super::Inner;
use super::remote::{Depth, Listing};
use crate::repeat::Trouble;

/// More objects beneath one folder than any repository has: 160 TB in packs of 16 MiB.
pub const MOST_LISTED: usize = 10_000_000;

impl Inner {
    fn witness(&self) -> MutexGuard<'_, Option<String>> {
        self.witness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object was there.
    pub(super) fn saw(&self, name: &str) {
        self.witness().get_or_insert_with(|| name.to_owned());
    }

    /// An object is being deleted.
    pub(super) fn forget(&self, name: &str) {
        self.witness().take_if(|witness| witness == name);
    }

    /// What to say of a name of which the service says that nothing has it.
    pub(super) fn confirm_absence(&self, name: &str) -> Trouble {
        let root = match self.root() {
            Ok(root) => root,
            Err(trouble) => return trouble,
        };
        if root.entries.iter().any(|entry| entry.name == name) {
            return Trouble::passing(format!("{name} is listed, and is said not to be there"));
        }
        Trouble::lasting(io::Error::new(io::ErrorKind::NotFound, "there is no such object"))
    }

    /// What is at the root, which is not empty once an object was seen.
    fn root(&self) -> Result<Listing, Trouble> {
        let root = self.remote.list("", Depth::Children)?;
        match &*self.witness() {
            Some(witness) if root.entries.is_empty() => {
                Err(Trouble::passing(format!("the place is listed as empty, and {witness} was in it")))
            }
            _ => Ok(root),
        }
    }

    pub(super) fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        let mut objects = self.repeat(|| {
            let objects = self.gather(prefix)?;
            if objects.is_empty() { self.confirm_empty(prefix).map(|()| objects) } else { Ok(objects) }
        })?;
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        objects.dedup();
        Ok(objects)
    }

    /// Every object beneath a folder.
    pub(super) fn gather(&self, prefix: &str) -> Result<Vec<Object>, Trouble> {
        let depth = if self.remote.lists_whole() { Depth::Whole } else { Depth::Children };
        let mut listing = self.remote.list(prefix, depth)?;
        let mut folders = Vec::new();
        let mut objects = Vec::new();
        loop {
            for entry in listing.entries {
                match entry.is_folder() {
                    true => folders.push(entry.name),
                    false => objects.push(Object { name: entry.name, len: entry.len }),
                }
            }
            if objects.len() + folders.len() > MOST_LISTED {
                let message = format!("a listing of {prefix} has more than {MOST_LISTED} objects");
                return Err(Trouble::lasting(io::Error::other(message)));
            }
            let Some(folder) = folders.pop() else { return Ok(objects) };
            listing = self.remote.list(&folder, depth)?;
            if listing.is_doubtful() {
                // It was told to be there.
                listing = self.remote.list(&folder, depth)?;
            }
        }
    }

    /// Nothing was listed in a folder: either what leads to it tells that it is not there, or it holds nothing.
    fn confirm_empty(&self, prefix: &str) -> Result<(), Trouble> {
        let mut listing = self.root()?;
        let mut above = String::new();
        for part in prefix.split_inclusive('/') {
            above.push_str(part);
            if !listing.entries.iter().any(|entry| entry.name == above) {
                return Ok(());
            }
            listing = self.remote.list(&above, Depth::Children)?;
        }
        let is_bare = listing.entries.iter().all(super::remote::Entry::is_folder);
        if prefix.is_empty() || listing.tells_itself && is_bare || is_bare && !self.remote.lists_whole() {
            return Ok(());
        }
        Err(Trouble::passing(format!("nothing is listed in {prefix}, and something is there")))
    }
}
