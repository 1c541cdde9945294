//! The repository that is read is not written into, wherever it lies, and what opens it is not deleted.
//!
//! Owns knowing them: the repository by its path beneath the target and, since the same directory may be mounted at another path, by its
//! device and inode; what is spared by its path. Changes nothing.

use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use mainstay_sources::Entry;

use super::RestoreRun;
use crate::{Error, Result};

/// Where the repository lies, as seen from the target.
#[derive(Default)]
pub struct Guard {
    /// Relative to the target; none when it lies elsewhere.
    path: Option<Vec<u8>>,
    /// The same of the journal that a file of SQLite has beside it: without it a transaction that was interrupted is lost.
    journal: Option<Vec<u8>>,
    /// Device and inode of its directory, or of its file and the journal.
    identities: Vec<(u64, u64)>,
    /// Relative to the target: what is not deleted, and nothing beneath it.
    spared: Vec<Vec<u8>>,
}

impl Guard {
    /// Looks where the repository of a run is.
    ///
    /// # Errors
    /// When the target lies in it.
    pub fn find(run: &RestoreRun<'_>) -> Result<Self> {
        let target = run.target.canonicalize().ok();
        let beneath = |path: &Path| {
            let beneath = target.as_ref().and_then(|target| path.strip_prefix(target).ok());
            beneath.map(|path| path.to_owned().into_os_string().into_vec())
        };
        let spared = run.options.spared.iter().filter_map(|path| beneath(&path.canonicalize().ok()?)).collect();
        let Ok(repository) = Path::new(&run.repository.location()).canonicalize() else {
            return Ok(Self { spared, ..Self::default() });
        };
        if existing_part(run.target).is_some_and(|part| part.starts_with(&repository)) {
            return Err(Error::Invalid(format!("restore into {}: the repository lies there", run.target.display())));
        }
        let path = beneath(&repository);
        let mut beside = repository.clone().into_os_string();
        beside.push("-journal");
        let journal = repository.is_file().then(|| PathBuf::from(beside));
        let places = std::iter::once(&repository).chain(&journal);
        Ok(Self {
            journal: path.as_ref().filter(|_| journal.is_some()).map(|path| [path, &b"-journal"[..]].concat()),
            path,
            spared,
            identities: places.filter_map(|path| path.metadata().ok()).map(|data| (data.dev(), data.ino())).collect(),
        })
    }

    /// Whether the entry at a path of the target is the repository.
    pub fn is_repository(&self, path: &[u8], existing: Option<&Entry>) -> bool {
        self.path.as_deref() == Some(path)
            || self.journal.as_deref() == Some(path)
            || existing.is_some_and(|entry| self.identities.contains(&(entry.device, entry.inode)))
    }

    /// Whether the repository is at a path of the target or beneath it.
    pub fn lies_in(&self, path: &[u8], existing: &Entry) -> bool {
        self.path.as_ref().is_some_and(|repository| is_beneath(repository, path))
            || self.is_repository(path, Some(existing))
    }

    /// Why the entry at a path of the target is not deleted, if it is not.
    pub fn keeps(&self, path: &[u8], existing: &Entry) -> Option<&'static str> {
        let is_spared = |spared: &Vec<u8>| is_beneath(spared, path) || is_beneath(path, spared);
        match self.lies_in(path, existing) {
            true => Some("the repository lies in it"),
            false => self.spared.iter().any(is_spared).then_some("keys of repositories lie in it"),
        }
    }
}

/// Whether a path is another one or beneath it.
fn is_beneath(path: &[u8], above: &[u8]) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// The nearest directory above a path that is there, or the path itself, without links.
fn existing_part(path: &Path) -> Option<PathBuf> {
    path.ancestors().find_map(|path| match path.as_os_str().is_empty() {
        true => Path::new(".").canonicalize().ok(),
        false => path.canonicalize().ok(),
    })
}
