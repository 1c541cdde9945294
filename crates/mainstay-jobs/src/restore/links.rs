//! Names of files that have several: the first is restored, the others become hard links when all files are there.
//!
//! Owns knowing the first name. Numbers of inodes and devices may come from different times, so one file is only what has
//! the same content as well.

use std::collections::HashMap;

use mainstay_repo::{Content, Node, NodeKind};

use super::SharedPath;

/// One more name for a file.
pub struct Link {
    pub directory: SharedPath,
    pub name: Vec<u8>,
    /// The first name, a path relative to the target.
    pub first: Vec<u8>,
}

/// The first names of files that have several, by device and inode.
#[derive(Default)]
pub struct FirstNames(HashMap<(u64, u64), FirstName>);

impl FirstNames {
    /// The name under which the same file is restored already.
    pub fn find(&self, node: &Node) -> Option<&[u8]> {
        if node.links < 2 {
            return None;
        }
        let first = self.0.get(&(node.device, node.inode))?;
        first.is_same_file(node).then_some(&first.path)
    }

    pub fn insert(&mut self, first: FirstName) {
        self.0.insert(first.inode, first);
    }
}

/// The first name of a file that has several.
pub struct FirstName {
    inode: (u64, u64),
    path: Vec<u8>,
    kind: NodeKind,
    size: u64,
    modified: (i64, u32),
    content: Content,
}

impl FirstName {
    /// `None` for what has one name only.
    pub fn of(node: &Node, path: &[u8]) -> Option<Self> {
        if node.links < 2 || node.kind == NodeKind::Directory {
            return None;
        }
        Some(Self {
            inode: (node.device, node.inode),
            path: path.to_vec(),
            kind: node.kind,
            size: node.size,
            modified: node.modified,
            content: node.content.clone(),
        })
    }

    fn is_same_file(&self, node: &Node) -> bool {
        (self.kind, self.size, self.modified) == (node.kind, node.size, node.modified) && self.content == node.content
    }
}
