//! A set of files and directories of this machine as one source.
//!
//! Owns how the paths a user types become roots. The tree has the virtual root `/`, below it the directories that lead
//! to the roots, and below those everything the rules do not leave out.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::CWD;
use rustix::io::Errno;

use super::directory::FileDirectory;
use super::open_directory::{Access, OpenDirectory};
use super::options::FileOptions;
use super::roots::Roots;
use super::rules::Rules;
use super::spine::{Plan, SpineDirectory};
use super::{paths, status};
use crate::{Directory, Error, Result, Source};

/// Files and directories of this machine.
pub struct FileSource {
    plan: Arc<Plan>,
}

impl FileSource {
    /// Takes the paths to back up, relative ones from the working directory.
    ///
    /// Links above a root are resolved. A root that is a link itself is backed up as a link, unless it is written with a
    /// slash at its end, which means the directory it leads to. Roots beneath other roots are part of those, and rules
    /// may exclude them there.
    ///
    /// Of several paths some may be missing: those are still roots, and the walk tells of them.
    ///
    /// # Errors
    /// When there is no path, none exists or one cannot be reached, or an exclude rule cannot be understood.
    pub fn new<P: AsRef<Path>>(paths: &[P], options: &FileOptions) -> Result<Self> {
        if paths.is_empty() {
            return Err(paths::refused("back up", b"", b"", "no path is given"));
        }
        let (mut absolute, mut devices, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for path in paths {
            match examine(path.as_ref()) {
                Ok((path, device)) => {
                    absolute.push(path);
                    devices.push(device);
                }
                Err(error) if error.is_vanished() => missing.push((path.as_ref(), error)),
                Err(error) => return Err(error),
            }
        }
        devices.sort_unstable();
        devices.dedup();
        let present = Roots::arrange(absolute.iter().map(|path| path.as_os_str().as_bytes()));
        for (path, error) in missing {
            match spell(path).filter(|path| !absolute.is_empty() && !present.hold(path.as_os_str().as_bytes())) {
                Some(path) => absolute.push(path),
                // Nothing is left to save, or nobody would tell that it is not there.
                None => return Err(error),
            }
        }
        let roots = Roots::arrange(absolute.iter().map(|path| path.as_os_str().as_bytes()));
        let mut rules = std::collections::HashMap::new();
        for root in roots.paths() {
            let for_root = Rules::new(options, &root, &devices)?;
            rules.insert(root, Arc::new(for_root));
        }
        Ok(Self { plan: Arc::new(Plan { roots, rules }) })
    }

    /// The absolute paths of the roots, sorted, those within others left out: what a snapshot says it holds.
    pub fn roots(&self) -> Vec<Vec<u8>> {
        let mut roots = self.plan.roots.paths();
        roots.sort_unstable();
        roots
    }
}

impl Source for FileSource {
    fn root(&self) -> Result<Arc<dyn Directory>> {
        if !self.plan.roots.is_whole() {
            return Ok(Arc::new(SpineDirectory::top(Arc::clone(&self.plan))?));
        }
        let open = OpenDirectory::root(Access::Read)?;
        let rules = self.plan.rules.get(b"/".as_slice()).map(Arc::clone);
        let rules = rules.ok_or_else(|| paths::refused("open", b"/", b"", "it is not part of the source"))?;
        Ok(Arc::new(FileDirectory::new(open, rules)?))
    }
}

/// The absolute path, and the number of the file system that it is on.
fn examine(path: &Path) -> Result<(PathBuf, u64)> {
    let path = resolve(path)?;
    let bytes = path.as_os_str().as_bytes();
    let status = status::of_bytes(CWD, bytes).map_err(|errno| paths::io_error("open", bytes, b"", errno))?;
    let device = status::device(&status);
    Ok((path, device))
}

/// The absolute path of what is not there, as it is spelled; none where that would not be its path.
fn spell(path: &Path) -> Option<PathBuf> {
    if let Ok(path) = resolve(path) {
        return Some(path);
    }
    let path: PathBuf = std::path::absolute(path).ok()?.components().collect();
    let is_plain = path.components().all(|part| part != std::path::Component::ParentDir);
    is_plain.then_some(path)
}

/// Makes a path absolute: everything above the last name is resolved, the last name is not.
fn resolve(path: &Path) -> Result<PathBuf> {
    let fault =
        |source: std::io::Error| Error::Io { verb: "open", path: paths::shown(path.as_os_str().as_bytes()), source };
    if path.as_os_str().is_empty() {
        return Err(fault(Errno::NOENT.into()));
    }
    let (parent, name) = split(path.as_os_str().as_bytes());
    // `x/`, `x/.` and `..` mean a directory, whatever leads to it.
    if matches!(name, b"" | b"." | b"..") {
        return path.canonicalize().map_err(fault);
    }
    let parent = if parent.is_empty() { b".".as_slice() } else { parent };
    let parent = Path::new(OsStr::from_bytes(parent)).canonicalize().map_err(fault)?;
    Ok(parent.join(OsStr::from_bytes(name)))
}

/// Splits behind the last slash.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let behind = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    path.split_at_checked(behind).unwrap_or((path, b""))
}

#[cfg(test)]
mod tests;
