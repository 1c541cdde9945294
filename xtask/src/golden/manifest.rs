//! A tree written down as text: one line per entry, in the order of their paths.
//!
//! Owns the form, which `tests/golden/README.md` describes. Owners are left out, because whoever
//! runs a test may not be able to give files away.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

const ATTRIBUTE: &str = "user.golden";

/// Describes everything beneath `root`, and `root` itself as `.`.
pub fn describe(root: &Path) -> Result<String, String> {
    let mut lines = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(inner) = pending.pop() {
        let path = root.join(&inner);
        let line = line(&path, &inner).map_err(|error| format!("describe {}: {error}", path.display()))?;
        lines.push((inner.clone(), line));
        let metadata = path.symlink_metadata().map_err(|error| format!("{}: {error}", path.display()))?;
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).map_err(|error| format!("read {}: {error}", path.display()))?;
            for entry in entries {
                let entry = entry.map_err(|error| format!("read {}: {error}", path.display()))?;
                pending.push(inner.join(entry.file_name()));
            }
        }
    }
    lines.sort();
    Ok(lines.into_iter().map(|(_, line)| line + "\n").collect())
}

/// Succeeds when both are the same, and else names the first difference.
pub fn compare(expected: &str, found: &str) -> Result<(), String> {
    let mut found_lines = found.lines();
    for line in expected.lines() {
        let found = found_lines.next().unwrap_or("(nothing)");
        if line != found {
            return Err(format!("expected `{line}`, found `{found}`"));
        }
    }
    match found_lines.next() {
        Some(line) => Err(format!("expected nothing more, found `{line}`")),
        None => Ok(()),
    }
}

fn line(path: &Path, inner: &Path) -> std::io::Result<String> {
    let metadata = path.symlink_metadata()?;
    let name = match inner.as_os_str().is_empty() {
        true => ".".to_owned(),
        false => escape(inner.as_os_str()),
    };
    let kind = kind(&metadata);
    let mode = metadata.mode() & 0o7777;
    // The time of a directory whose entries were changed between snapshots depends on the clock.
    let time = match metadata.mtime() < 1_700_000_000 {
        true => format!("{}.{:09}", metadata.mtime(), metadata.mtime_nsec()),
        false => "-".to_owned(),
    };
    let mut line = format!("{kind} {mode:04o} {time} {name}");
    if metadata.is_file() {
        let content = blake3::hash(&fs::read(path)?);
        let _ = write!(line, " size={} links={} blake3={content}", metadata.len(), metadata.nlink());
    }
    if metadata.is_symlink() {
        let _ = write!(line, " to={}", escape(fs::read_link(path)?.as_os_str()));
    }
    let mut value = [0; 64];
    if metadata.is_file()
        && let Ok(len) = rustix::fs::getxattr(path, ATTRIBUTE, &mut value)
    {
        let value = OsStr::from_bytes(value.get(..len).unwrap_or_default());
        let _ = write!(line, " {ATTRIBUTE}={}", escape(value));
    }
    Ok(line)
}

fn kind(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    match () {
        () if kind.is_dir() => "directory",
        () if kind.is_file() => "file",
        () if kind.is_symlink() => "symlink",
        () => "special",
    }
}

/// Letters, digits and `/._-` as they are, every other byte as `%` and two hexadecimal digits.
fn escape(text: &OsStr) -> String {
    let mut escaped = String::new();
    for byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            escaped.push(char::from(*byte));
        } else {
            let _ = write!(escaped, "%{byte:02x}");
        }
    }
    escaped
}
