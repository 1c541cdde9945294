//! What is written back of an entry besides its content, and how much of it is wanted; plain data.

use crate::files::attributes::DEFAULT_ACL;
use crate::{Details, Entry, Kind, Owner, Timestamp, Warning};

/// The metadata of one entry as a snapshot recorded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    pub kind: Kind,
    /// Permission bits including set-uid, set-gid and sticky; other bits are ignored.
    pub mode: u32,
    pub owner: Owner,
    pub modified: Timestamp,
    /// Extended attributes and ACLs by name.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
    pub link_target: Option<Vec<u8>>,
    pub size: u64,
}

impl Metadata {
    /// Takes everything from what a source says about an entry.
    pub fn new(entry: &Entry, details: Details) -> Self {
        Self {
            kind: entry.kind,
            mode: entry.mode,
            owner: entry.owner,
            modified: entry.modified,
            attributes: details.attributes,
            link_target: details.link_target,
            size: entry.size,
        }
    }

    /// The value of an attribute.
    pub(super) fn attribute(&self, name: &[u8]) -> Option<&Vec<u8>> {
        self.attributes.iter().find_map(|(own, value)| (own == name).then_some(value))
    }

    /// Says whether new entries of this directory get a group or an ACL from it.
    pub(super) fn hands_on(&self) -> bool {
        let has_default = || self.attributes.iter().any(|(name, _)| name == DEFAULT_ACL);
        self.kind == Kind::Directory && (self.mode & 0o2000 != 0 || has_default())
    }
}

/// One part of what an entry is besides its content.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    Kind,
    LinkTarget,
    Owner,
    Mode,
    /// An extended attribute or ACL, by name.
    Attribute(Vec<u8>),
    Modified,
}

/// What came of giving an entry its metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// What did not work and should have.
    pub warnings: Vec<Warning>,
    /// What could not be set: that of the warnings, and an owner whose refusal is normal.
    pub unset: Vec<Part>,
}

/// Whether entries are given to their recorded owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Never: they belong to whoever restores.
    Skip,
    /// Where the system permits it; for anyone but root a refusal is normal and no warning.
    WhenPermitted,
    /// A refusal is a warning.
    Required,
}

/// How much of the metadata is written back. Modes, times, `user.*` attributes and ACLs always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preserve {
    pub owner: Ownership,
    /// Set-user-id and set-group-id bits of files. Even then they are dropped when the owner is not the recorded one:
    /// a program must not run with the rights of someone it never belonged to.
    pub set_id: bool,
    /// Character and block devices may be made.
    pub devices: bool,
    /// `security.*` (capabilities of programs, labels) and `trusted.*` attributes.
    pub privileged_attributes: bool,
}

impl Preserve {
    /// Everything as it was, which only root can have: for the recovery of a whole machine.
    pub fn as_recorded() -> Self {
        Self { owner: Ownership::Required, set_id: true, devices: true, privileged_attributes: true }
    }

    /// What is safe and possible: owners where permitted, nothing that grants rights.
    pub fn as_permitted() -> Self {
        Self { owner: Ownership::WhenPermitted, set_id: false, devices: false, privileged_attributes: false }
    }

    /// Everything belongs to whoever restores.
    pub fn as_own() -> Self {
        Self { owner: Ownership::Skip, ..Self::as_permitted() }
    }

    /// Says whether an attribute is wanted.
    pub fn wants_attribute(&self, name: &[u8]) -> bool {
        let is_privileged = name.starts_with(b"security.") || name.starts_with(b"trusted.");
        self.privileged_attributes || !is_privileged
    }
}
