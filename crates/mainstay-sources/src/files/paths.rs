//! Paths as bytes: how they are joined, shown and put into errors.
//!
//! Never touches a file system. Shown paths are bounded, so that a tree a thousand levels deep cannot fill a log.

use rustix::io::Errno;

use crate::Error;

/// Longest path shown to a person, in bytes.
const SHOWN_MAX: usize = 4096;
/// Longest path a directory remembers, in bytes; beyond it the middle is left out. 16 times `PATH_MAX`: only trees that
/// no program could open by path are longer, and their directories must not cost a megabyte each.
const KEPT_MAX: usize = 64 * 1024;
/// What stands for the part of a path that is left out.
const GAP: &[u8] = "/…/".as_bytes();

/// Joins a directory's path and a name; `/` and `x` give `/x`, the empty path and `x` give `x`.
pub(super) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
    path.extend_from_slice(directory);
    push(&mut path, name);
    path
}

/// Appends a name to a path in place; the empty name changes nothing.
pub(super) fn push(path: &mut Vec<u8>, name: &[u8]) {
    if !path.is_empty() && !name.is_empty() && path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

/// Joins like [`join`] and drops the middle of what grows beyond the limit.
pub(super) fn join_bounded(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let path = join(directory, name);
    if path.len() <= KEPT_MAX { path } else { without_middle(&path, KEPT_MAX) }
}

/// The path as text for messages, at most a few kilobytes.
pub(super) fn shown(path: &[u8]) -> String {
    if path.len() <= SHOWN_MAX {
        return String::from_utf8_lossy(path).into_owned();
    }
    String::from_utf8_lossy(&without_middle(path, SHOWN_MAX)).into_owned()
}

/// Says that a system call on an entry of a directory failed.
pub(super) fn io_error(verb: &'static str, directory: &[u8], name: &[u8], errno: Errno) -> Error {
    Error::Io { verb, path: shown(&join(directory, name)), source: errno.into() }
}

/// Says that an entry of a directory is not what it was.
pub(super) fn replaced(verb: &'static str, directory: &[u8], name: &[u8], expected: &'static str) -> Error {
    Error::Replaced { verb, path: shown(&join(directory, name)), expected }
}

/// Says that an entry of a directory must not be touched.
pub(super) fn refused(verb: &'static str, directory: &[u8], name: &[u8], reason: impl Into<String>) -> Error {
    Error::Refused { verb, path: shown(&join(directory, name)), reason: reason.into() }
}

/// Says why a name cannot be the name of one entry, or `None` when it can.
pub(crate) fn fault_of_name(name: &[u8]) -> Option<&'static str> {
    /// `NAME_MAX` of every Linux file system that has a limit in bytes.
    const NAME_MAX: usize = 255;
    match name {
        b"" => Some("the name is empty"),
        b"." | b".." => Some("the name is not that of an entry"),
        _ if name.contains(&b'/') => Some("the name contains a slash"),
        _ if name.contains(&0) => Some("the name contains a zero byte"),
        _ if name.len() > NAME_MAX => Some("the name is longer than 255 bytes"),
        _ => None,
    }
}

fn without_middle(path: &[u8], max: usize) -> Vec<u8> {
    let head = max / 4;
    let tail = max - head - GAP.len();
    let mut short = path.get(..head).unwrap_or(path).to_vec();
    short.extend_from_slice(GAP);
    short.extend_from_slice(path.get(path.len().saturating_sub(tail)..).unwrap_or_default());
    short
}

#[cfg(test)]
mod tests;
