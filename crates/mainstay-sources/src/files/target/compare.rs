//! What an entry is, beside what it was restored to be.
//!
//! Owns the comparison, from plain data alone. Only what a restore sets is compared, by the rules by which it is set.

use std::fmt;

use super::apply::{SET_ID, is_removed, wanted_mode};
use super::metadata::{Metadata, Ownership, Part, Preserve};
use crate::files::paths;
use crate::{Kind, Owner, Timestamp};

/// A part of an entry that is not as it was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub part: Part,
    expected: String,
    got: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, expected, got } = self;
        match part {
            Part::Kind => write!(formatter, "expected {expected}, got {got}"),
            Part::LinkTarget => write!(formatter, "expected a link to {expected}, got one to {got}"),
            Part::Owner => write!(formatter, "expected owner {expected}, got {got}"),
            Part::Mode => write!(formatter, "expected mode {expected}, got {got}"),
            Part::Attribute(name) => {
                write!(formatter, "expected attribute {}: {expected}, got {got}", paths::shown(name))
            }
            Part::Modified => write!(formatter, "expected modification time {expected}, got {got}"),
        }
    }
}

/// Compares what was found with what was to be restored; of another kind of entry nothing else is told.
pub fn compare(wanted: &Metadata, found: &Metadata, preserve: &Preserve) -> Vec<Difference> {
    if wanted.kind != found.kind {
        return vec![Difference { part: Part::Kind, expected: kind(wanted.kind), got: kind(found.kind) }];
    }
    let mut differences = Vec::new();
    let mut add = |part, expected, got| differences.push(Difference { part, expected, got });
    if wanted.kind == Kind::Symlink && wanted.link_target != found.link_target {
        add(Part::LinkTarget, link_target(wanted), link_target(found));
    }
    let is_owners = wanted.owner == found.owner;
    if !is_owners && preserve.owner != Ownership::Skip {
        add(Part::Owner, owner(wanted.owner), owner(found.owner));
    }
    if let Some((expected, got)) = modes(wanted, found, preserve) {
        add(Part::Mode, format!("{expected:04o}"), format!("{got:04o}"));
    }
    compare_attributes(wanted, found, preserve, &mut add);
    if wanted.modified != found.modified {
        add(Part::Modified, time(wanted.modified), time(found.modified));
    }
    differences
}

/// The mode that was to be set and the one that is there, where they differ.
pub(super) fn modes(wanted: &Metadata, found: &Metadata, preserve: &Preserve) -> Option<(u32, u32)> {
    let is_owners = wanted.owner == found.owner;
    let expected = wanted_mode(wanted, preserve, is_owners);
    // The system takes the set-group-id bit of a directory from who is not in its group, and says nothing.
    let ignored = if wanted.kind == Kind::Directory && !is_owners { SET_ID } else { 0 };
    let differs = wanted.kind != Kind::Symlink && (expected ^ found.mode) & !ignored != 0;
    differs.then_some((expected, found.mode))
}

fn compare_attributes(
    wanted: &Metadata,
    found: &Metadata,
    preserve: &Preserve,
    add: &mut dyn FnMut(Part, String, String),
) {
    for (name, expected) in wanted.attributes.iter().filter(|(name, _)| preserve.wants_attribute(name)) {
        let got = found.attribute(name);
        if got != Some(expected) {
            let got = match got {
                Some(got) if got.len() == expected.len() => "as many others".to_owned(),
                Some(got) => format!("{} bytes", got.len()),
                None => "none".to_owned(),
            };
            add(Part::Attribute(name.clone()), format!("{} bytes", expected.len()), got);
        }
    }
    if wanted.kind == Kind::Symlink {
        return;
    }
    for (name, got) in found.attributes.iter().filter(|(name, _)| is_removed(name)) {
        if wanted.attribute(name).is_none() {
            add(Part::Attribute(name.clone()), "none".to_owned(), format!("{} bytes", got.len()));
        }
    }
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::File => "a file".to_owned(),
        Kind::Directory => "a directory".to_owned(),
        Kind::Symlink => "a symbolic link".to_owned(),
        Kind::CharacterDevice { major, minor } => format!("the character device {major}:{minor}"),
        Kind::BlockDevice { major, minor } => format!("the block device {major}:{minor}"),
        Kind::Fifo => "a FIFO".to_owned(),
        Kind::Socket => "a socket".to_owned(),
    }
}

fn link_target(metadata: &Metadata) -> String {
    paths::shown(metadata.link_target.as_deref().unwrap_or_default())
}

fn owner(owner: Owner) -> String {
    format!("{}:{}", owner.user, owner.group)
}

/// Seconds since the epoch, as `stat --format=%.9Y` has them.
fn time(time: Timestamp) -> String {
    format!("{}.{:09}", time.seconds, time.nanoseconds)
}

#[cfg(test)]
mod tests;
