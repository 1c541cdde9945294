//! The repository that is read is not written into, wherever it lies.
//!
//! Owns knowing it: by its path beneath the target and, since the same directory may be mounted at another path, by its
//! device and inode. Changes nothing.

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
}

impl Guard {
    /// Looks where the repository of a run is.
    ///
    /// # Errors
    /// When the target lies in it.
    pub fn find(run: &RestoreRun<'_>) -> Result<Self> {
        let Ok(repository) = Path::new(&run.repository.location()).canonicalize() else { return Ok(Self::default()) };
        if existing_part(run.target).is_some_and(|part| part.starts_with(&repository)) {
            return Err(Error::Invalid(format!("restore into {}: the repository lies there", run.target.display())));
        }
        let target = run.target.canonicalize().ok();
        let beneath = target.and_then(|target| repository.strip_prefix(target).ok().map(Path::to_owned));
        let path = beneath.map(|path| path.into_os_string().into_vec());
        let mut beside = repository.clone().into_os_string();
        beside.push("-journal");
        let journal = repository.is_file().then(|| PathBuf::from(beside));
        let places = std::iter::once(&repository).chain(&journal);
        Ok(Self {
            journal: path.as_ref().filter(|_| journal.is_some()).map(|path| [path, &b"-journal"[..]].concat()),
            path,
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
        let rest = self.path.as_ref().and_then(|repository| repository.strip_prefix(path));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/")) || self.is_repository(path, Some(existing))
    }
}

/// The nearest directory above a path that is there, or the path itself, without links.
fn existing_part(path: &Path) -> Option<PathBuf> {
    path.ancestors().find_map(|path| match path.as_os_str().is_empty() {
        true => Path::new(".").canonicalize().ok(),
        false => path.canonicalize().ok(),
    })
}
