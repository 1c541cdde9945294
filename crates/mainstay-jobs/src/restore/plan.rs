//! What a restore will do, as data.
//!
//! Owns the words of a plan and its batches; decides nothing and does nothing.

use mainstay_repo::{Extent as ContentExtent, Node, NodeKind};

use super::SharedPath;

/// What is done with one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Create,
    /// What has the name is removed first.
    Replace,
    /// An existing file is compared and rewritten where it differs; an existing directory is filled.
    Update,
    /// Only mode, owner, times and attributes.
    SetMetadata,
    /// It is as it should be.
    Keep,
    /// The overwrite rule leaves it alone.
    Skip,
    /// One more name of a file that is restored.
    Link,
    Delete,
    /// Read back and compared; nothing is written.
    Compare,
}

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Update => "update",
            Self::SetMetadata => "set metadata",
            Self::Keep => "keep",
            Self::Skip => "skip",
            Self::Link => "link",
            Self::Delete => "delete",
            Self::Compare => "compare",
        }
    }
}

/// One line of a plan.
#[derive(Clone, Copy, Debug)]
pub struct PlannedEntry<'a> {
    pub action: Action,
    /// Relative to the target.
    pub path: &'a [u8],
    pub kind: Option<NodeKind>,
    pub size: u64,
}

/// An entry to be written.
pub struct PlannedNode {
    pub directory: SharedPath,
    pub node: Node,
    /// Where its content lies; empty for anything but files.
    pub extents: Vec<ContentExtent>,
    pub action: Action,
}

/// Entries and extents of one batch: about 10 MiB of plan. Tests see several batches with fewer files.
const BATCH_WEIGHT: usize = if cfg!(test) { 1000 } else { 24_000 };

/// Work that is applied together.
#[derive(Default)]
pub struct Batch {
    pub deletions: Vec<(SharedPath, Vec<u8>)>,
    /// Directories to make or to finish, parents first.
    pub directories: Vec<PlannedNode>,
    pub files: Vec<PlannedNode>,
    /// Symbolic links and nodes.
    pub others: Vec<PlannedNode>,
    /// Entries and extents: what the plan itself takes in memory.
    pub weight: usize,
}

impl Batch {
    pub fn is_full(&self) -> bool {
        self.weight >= BATCH_WEIGHT
    }
}
