//! Doors for the fuzzer: every target of the workspace, and what people type.
//!
//! Owns the whole list, because only this crate knows all the others. Hidden from the documentation; used by `fuzz/` and by
//! the tests that replay its corpus.

use mainstay_repo::fuzzing::Target;

use mainstay_sources::{Kind, Run};

use crate::browse::{Case, Pattern};
use crate::import::{Archive, Numbers};
use crate::retention::parse_span;
use crate::select::{find_snapshot, normalise, split_path};

/// Every target: those of stored bytes, and those of text from a person or a script.
pub fn targets() -> Vec<Target> {
    let own: [Target; 4] = [
        ("exclude-rules", mainstay_sources::fuzzing::exclude_rules),
        ("snapshot-path", snapshot_path),
        ("find-pattern", find_pattern),
        ("tar-archive", tar_archive),
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

/// An archive of tar; headers get the checksum without which nothing behind them would be looked at.
fn tar_archive(input: &[u8]) -> bool {
    let mut bytes = input.to_vec();
    for block in bytes.chunks_exact_mut(512).filter(|block| block.get(257..262) == Some(b"ustar")) {
        let sum = block.iter().enumerate().filter(|(place, _)| !(148..156).contains(place));
        let sum = sum.map(|(_, byte)| u32::from(*byte)).sum::<u32>() + 8 * u32::from(b' ');
        if let Some(field) = block.get_mut(148..156) {
            field.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
    let mut archive = Archive::new("archive".to_owned(), Box::new(std::io::Cursor::new(bytes)));
    let mut members = 0;
    loop {
        match archive.next_member(&NoNumbers) {
            Ok(Some(member)) if member.entry.kind == Kind::File => {
                let len = |run: &Run| match run {
                    Run::Data { len } | Run::Hole { len } => *len,
                };
                let runs: u64 = member.runs.iter().map(len).sum();
                assert_eq!(runs, member.entry.size, "a file is not as long as what it is made of");
            }
            Ok(Some(_)) => {}
            Ok(None) => return members > 0,
            Err(_) => return false,
        }
        members += 1;
        let mut buffer = [0; 100];
        // What is cut short is told by the next member, too.
        while archive.read(&mut buffer).is_ok_and(|read| read > 0) {}
    }
}

/// Nobody has a number.
struct NoNumbers;

impl Numbers for NoNumbers {
    fn user(&self, _: &str) -> Option<u32> {
        None
    }

    fn group(&self, _: &str) -> Option<u32> {
        None
    }
}

#[cfg(test)]
mod tests;
