//! The exclude rules of one root, ready to be asked for each entry.
//!
//! Pure but for the reading of cache tags. Every rule is rewritten to match absolute paths, so that one ordered set
//! decides and `!` works across both kinds of patterns.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::{Mode, OFlags, StatxAttributes};

use super::options::FileOptions;
use super::paths;
use crate::{Entry, Error, Kind, Result};

/// Name and first bytes of a cache directory tag (Cache Directory Tagging Specification, bford.info/cachedir).
const CACHE_TAG: &[u8] = b"CACHEDIR.TAG";
const CACHE_SIGNATURE: &[u8; 43] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// What is left out beneath one root.
pub(super) struct Rules {
    /// `None` when there is no rule: the fast path.
    patterns: Option<Gitignore>,
    caches: bool,
    markers: Vec<Vec<u8>>,
    larger_than: Option<u64>,
    /// The file systems that may be entered; `None` when all may.
    devices: Option<Vec<u64>>,
    names_left_out: bool,
}

impl Rules {
    /// Prepares the rules for what lies beneath `root`, an absolute path.
    ///
    /// # Errors
    /// When a pattern cannot be understood.
    pub(super) fn new(options: &FileOptions, root: &[u8], devices: &[u64]) -> Result<Self> {
        Ok(Self {
            patterns: compile(&options.excludes, root)?,
            caches: options.exclude_caches,
            markers: options.exclude_if_present.clone(),
            larger_than: options.exclude_larger_than,
            devices: options.one_file_system.then(|| devices.to_vec()),
            names_left_out: options.name_left_out,
        })
    }

    /// Says whether a listing names what it leaves out.
    pub(super) fn names_left_out(&self) -> bool {
        self.names_left_out
    }

    /// Says whether names must be shown to [`Rules::path_rule`] at all.
    pub(super) fn has_patterns(&self) -> bool {
        self.patterns.is_some()
    }

    /// The pattern, if any, that leaves out the entry with this absolute path.
    pub(super) fn path_rule(&self, path: &[u8], is_directory: bool) -> Option<&str> {
        let path = Path::new(OsStr::from_bytes(path));
        match self.patterns.as_ref()?.matched(path, is_directory) {
            Match::Ignore(pattern) => Some(pattern.original()),
            Match::None | Match::Whitelist(_) => None,
        }
    }

    /// The option, if any, that leaves out an entry for its size, or as a file mounted from another file system.
    pub(super) fn entry_rule(&self, entry: &Entry, attributes: StatxAttributes) -> Option<&'static str> {
        if entry.kind == Kind::Directory {
            return None;
        }
        // Only mounted files are judged by their device: on an overlay every file may show another device than its directory.
        let foreign = attributes.contains(StatxAttributes::MOUNT_ROOT) && self.is_foreign(entry.device);
        if foreign {
            return Some("--one-file-system");
        }
        self.larger_than.is_some_and(|limit| entry.size > limit).then_some("--exclude-larger-than")
    }

    /// Says whether each directory's file system must be looked up.
    pub(super) fn bounds_devices(&self) -> bool {
        self.devices.is_some()
    }

    /// Says whether a file system must not be entered.
    pub(super) fn is_foreign(&self, device: u64) -> bool {
        self.devices.as_ref().is_some_and(|devices| !devices.contains(&device))
    }

    /// Says whether a name may be a marker that empties its directory.
    pub(super) fn may_be_marker(&self, name: &[u8]) -> bool {
        (self.caches && name == CACHE_TAG) || self.markers.iter().any(|marker| marker == name)
    }

    /// Says whether any name may be a marker.
    pub(super) fn has_markers(&self) -> bool {
        self.caches || !self.markers.is_empty()
    }

    /// Says whether this entry of the directory leaves out everything beside it.
    pub(super) fn is_marker(&self, directory: BorrowedFd<'_>, name: &[u8]) -> bool {
        self.markers.iter().any(|marker| marker == name)
            || (self.caches && name == CACHE_TAG && has_signature(directory))
    }
}

fn compile(lines: &[String], root: &[u8]) -> Result<Option<Gitignore>> {
    let mut builder = GitignoreBuilder::new("/");
    builder.allow_unclosed_class(false);
    for line in lines {
        builder.add_line(None, &absolute(line, root)).map_err(|error| Error::rule(line, &error))?;
    }
    let patterns = builder.build().map_err(|error| Error::rule(&lines.join("\n"), &error))?;
    Ok((!patterns.is_empty()).then_some(patterns))
}

/// Rewrites a pattern with a slash in its middle, which gitignore takes as relative, to start at the root.
fn absolute(line: &str, root: &[u8]) -> String {
    let (sign, pattern) = match line.strip_prefix('!') {
        Some(pattern) => ("!", pattern),
        None => ("", line),
    };
    let trimmed = pattern.trim_end().trim_end_matches('/');
    let relative = trimmed.contains('/') && !pattern.starts_with('/');
    if line.starts_with('#') || !relative || pattern.starts_with("**/") {
        return line.to_owned();
    }
    // An escaped first character keeps its escape, which is as good in the middle of a pattern.
    let root = escaped(root);
    format!("{sign}{}/{pattern}", root.trim_end_matches('/'))
}

/// The path as a pattern that matches it alone; bytes that are not UTF-8, which a pattern cannot hold, match any byte.
fn escaped(root: &[u8]) -> String {
    let mut pattern = String::with_capacity(root.len());
    for chunk in root.utf8_chunks() {
        for character in chunk.valid().chars() {
            if r"\*?[]{}!#".contains(character) {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.extend(chunk.invalid().iter().map(|_| '?'));
    }
    pattern
}

fn has_signature(directory: BorrowedFd<'_>) -> bool {
    // Without `O_NONBLOCK` a FIFO of that name would stop the backup.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::openat(directory, CACHE_TAG, flags, Mode::empty()) else {
        return false;
    };
    let mut start = [0_u8; CACHE_SIGNATURE.len()];
    matches!(rustix::io::pread(&file, &mut start, 0), Ok(read) if read == start.len()) && start == *CACHE_SIGNATURE
}

/// The path of an entry, built in a buffer that is used again for the next one.
pub(super) struct PathBuffer {
    path: Vec<u8>,
    directory: usize,
}

impl PathBuffer {
    /// Starts with the path of the directory.
    pub(super) fn new(directory: &[u8]) -> Self {
        Self { path: directory.to_vec(), directory: directory.len() }
    }

    /// The path of one of its entries.
    pub(super) fn of(&mut self, name: &[u8]) -> &[u8] {
        self.path.truncate(self.directory);
        paths::push(&mut self.path, name);
        &self.path
    }
}

#[cfg(test)]
mod tests;
