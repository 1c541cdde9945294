//! Doors for the fuzzer: every target of the workspace, and what people type.
//!
//! Owns the whole list, because only this crate knows all the others. Hidden from the documentation; used by `fuzz/` and by
//! the tests that replay its corpus.

use mainstay_repo::fuzzing::Target;

use crate::browse::{Case, Pattern};
use crate::retention::parse_span;
use crate::select::{find_snapshot, normalise, split_path};

/// Every target: those of stored bytes, and those of text from a person or a script.
pub fn targets() -> Vec<Target> {
    let own: [Target; 3] = [
        ("exclude-rules", mainstay_sources::fuzzing::exclude_rules),
        ("snapshot-path", snapshot_path),
        ("find-pattern", find_pattern),
    ];
    mainstay_repo::fuzzing::TARGETS.into_iter().chain(own).collect()
}

/// `latest~2:/etc`, or a length of time.
fn snapshot_path(input: &[u8]) -> bool {
    let split = split_path(input);
    if let Ok((snapshot, path)) = &split {
        let _ = find_snapshot(&[], snapshot, None);
        if let Some(path) = path {
            assert!(normalise(path).is_ok_and(|again| again == *path), "a path was not normal after all");
        }
    }
    let span = std::str::from_utf8(input).is_ok_and(|text| parse_span(text).is_ok());
    split.is_ok() || span
}

/// A pattern up to the first NUL, and the path that it is compared with.
fn find_pattern(input: &[u8]) -> bool {
    let (pattern, path) = input.split_at(input.iter().position(|byte| *byte == 0).unwrap_or(input.len()));
    let Ok(text) = std::str::from_utf8(pattern) else { return false };
    let path = path.get(1..).unwrap_or_default();
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let matches = |case| Pattern::parse(text, case).map(|pattern| pattern.matches(path, name));
    [Case::Sensitive, Case::Ignored].map(matches).iter().any(Result::is_ok)
}

#[cfg(test)]
mod tests;
