//! From a set of absolute paths to the directories that lead to them; pure.
//!
//! Invariant: every path given is reachable by exactly one way, as a root or beneath another root.

use std::collections::BTreeMap;

use super::paths;

/// Number of a node in [`Roots`].
pub(super) type NodeId = usize;

/// What a name of a leading directory leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Another directory of which only the way to roots is shown.
    Spine(NodeId),
    /// A path the user named.
    Root,
}

/// A directory that leads to roots.
#[derive(Debug)]
struct Node {
    path: Vec<u8>,
    children: BTreeMap<Vec<u8>, Way>,
}

/// The roots of a backup and the directories above them.
#[derive(Debug)]
pub(super) struct Roots {
    /// The first is `/`. A node that a root has taken the place of stays, unreachable.
    nodes: Vec<Node>,
    /// The whole file system is a root.
    is_whole: bool,
}

impl Roots {
    /// Arranges absolute paths without `.`, `..` and empty parts; a root beneath another root is part of it.
    pub(super) fn arrange<'a>(roots: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut arranged =
            Self { nodes: vec![Node { path: b"/".to_vec(), children: BTreeMap::new() }], is_whole: false };
        for root in roots {
            arranged.add(root);
        }
        arranged
    }

    /// Says whether `/` itself is a root.
    pub(super) fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The node of `/`.
    pub(super) fn top(&self) -> NodeId {
        0
    }

    /// The names of a leading directory that lead to roots, sorted.
    pub(super) fn children(&self, node: NodeId) -> impl Iterator<Item = (&[u8], Way)> {
        self.nodes
            .get(node)
            .into_iter()
            .flat_map(|node| node.children.iter().map(|(name, way)| (name.as_slice(), *way)))
    }

    /// Where one name of a leading directory leads.
    pub(super) fn child(&self, node: NodeId, name: &[u8]) -> Option<Way> {
        self.nodes.get(node)?.children.get(name).copied()
    }

    /// The absolute path of each root, in no particular order.
    pub(super) fn paths(&self) -> Vec<Vec<u8>> {
        if self.is_whole {
            return vec![b"/".to_vec()];
        }
        let mut found = Vec::new();
        let mut pending = vec![self.top()];
        while let Some(node) = pending.pop().and_then(|id| self.nodes.get(id)) {
            for (name, way) in &node.children {
                match way {
                    Way::Spine(id) => pending.push(*id),
                    Way::Root => found.push(paths::join(&node.path, name)),
                }
            }
        }
        found
    }

    /// Whether a path is a root or lies beneath one.
    pub(super) fn hold(&self, path: &[u8]) -> bool {
        let mut node = self.top();
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            match self.child(node, name) {
                Some(Way::Root) => return true,
                Some(Way::Spine(next)) => node = next,
                None => return self.is_whole,
            }
        }
        self.is_whole
    }

    fn add(&mut self, root: &[u8]) {
        let mut names = root.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).peekable();
        if names.peek().is_none() {
            self.is_whole = true;
        }
        let mut node = self.top();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                self.set(node, name, Way::Root);
                return;
            }
            match self.child(node, name) {
                Some(Way::Root) => return,
                Some(Way::Spine(next)) => node = next,
                None => node = self.grow(node, name),
            }
        }
    }

    fn grow(&mut self, parent: NodeId, name: &[u8]) -> NodeId {
        let id = self.nodes.len();
        let path = self.nodes.get(parent).map(|node| paths::join(&node.path, name));
        self.nodes.push(Node { path: path.unwrap_or_default(), children: BTreeMap::new() });
        self.set(parent, name, Way::Spine(id));
        id
    }

    fn set(&mut self, node: NodeId, name: &[u8], way: Way) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.children.insert(name.to_vec(), way);
        }
    }
}

#[cfg(test)]
mod tests;
