//! A place of its own for a validation, beneath the one that is examined.
//!
//! Owns its making and its removal, the only code of the command that knows kinds of stores. Touches nothing that it has not made:
//! a repository in the place that is examined is neither read nor written.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use mainstay_repo::{Error, Store};

use crate::failure::{Failure, Result};
use crate::location::Location;

/// A new and empty store beneath a place.
pub struct Ground {
    pub store: Arc<dyn Store>,
    location: Location,
}

/// Makes the store in which a location is examined.
///
/// # Errors
/// The location is not there or cannot be written to; a directory is not created, since its disk may not be mounted.
pub fn beneath(location: &Location) -> Result<Ground> {
    let own = location.beneath(&format!("mainstay-validate-{:016x}", random()))?;
    if let Some(path) = own.directory() {
        let create = || std::fs::DirBuilder::new().mode(0o700).create(path);
        create().map_err(|error| failure("create a directory in", location, error))?;
    }
    let ground = Ground { store: own.store(), location: own };
    match ground.store.prepare() {
        Ok(_) => Ok(ground),
        Err(error) => {
            // What the preparation failed of is what there is to tell.
            let _ = ground.remove();
            Err(failure("prepare a store in", location, error))
        }
    }
}

impl Ground {
    /// Removes the store with all that is in it.
    pub fn remove(self) -> Result<()> {
        let removed = match (self.location.directory(), self.location.path()) {
            (Some(directory), _) => std::fs::remove_dir_all(directory),
            (None, Some(file)) => remove_file(file),
            (None, None) => self.remove_objects(),
        };
        removed.map_err(|error| failure("remove", &self.location, error))
    }

    fn remove_objects(&self) -> io::Result<()> {
        self.store.list("")?.iter().try_for_each(|object| self.store.delete(&object.name))?;
        self.store.remove_emptied()
    }
}

/// Removes a file of SQLite, its journal first: alone it would be taken for that of the next file of the name.
fn remove_file(file: &Path) -> io::Result<()> {
    let mut journal = file.as_os_str().to_owned();
    journal.push("-journal");
    [Path::new(&journal), file].into_iter().try_for_each(|path| match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    })
}

/// Differs from what other runs draw; that nobody else has made this directory is for its creation to find out.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

fn failure(verb: &'static str, location: &Location, source: io::Error) -> Failure {
    Error::Store { verb, name: location.quoted(), source }.into()
}
