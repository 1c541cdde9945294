//! The pages of a directory of a snapshot, read when they are needed.
//!
//! Owns finding a name among them, and that names ascend. Keeps some pages decoded, however many there are.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use mainstay_repo::{Content, Error, Extent, Node, Owners, Result, TreePage, TreeReader};

/// Pages that are listed together.
const PART: usize = 4;
/// Pages that stay decoded: those of a part that is listed, and of one whose files are still being read.
const KEPT: usize = 2 * PART;

/// A page by its place in the directory.
type Decoded = (usize, Arc<Vec<Node>>);

pub struct Pages {
    extents: Vec<Extent>,
    kept: Mutex<VecDeque<Decoded>>,
}

/// Entries of a directory that follow each other.
pub struct Part {
    pub nodes: Vec<Node>,
    pub owners: Owners,
    /// The page after them.
    pub next: Option<usize>,
    pub last_name: Option<Vec<u8>>,
}

impl Pages {
    pub fn open(trees: &TreeReader, content: &Content) -> Result<Self> {
        Ok(Self { extents: trees.extents(content)?, kept: Mutex::default() })
    }

    /// The nodes of a few pages, beginning with the one at `first`; all names come after `last_name`.
    ///
    /// # Errors
    /// When a page cannot be read, or is not in order.
    pub fn part(&self, trees: &TreeReader, first: usize, mut last_name: Option<Vec<u8>>) -> Result<Part> {
        let mut part = Part { nodes: Vec::new(), owners: Owners::default(), next: None, last_name: None };
        for (place, extent) in self.extents.iter().enumerate().skip(first).take(PART) {
            let TreePage { nodes, owners } = trees.page(extent)?;
            if let (Some(last), Some(node)) = (&last_name, nodes.first())
                && *last >= node.name
            {
                let name = String::from_utf8_lossy(&node.name);
                return Err(Error::damaged("read tree", name, "its pages are not in order"));
            }
            last_name = nodes.last().map(|node| node.name.clone()).or(last_name);
            part.owners.users.extend(owners.users);
            part.owners.groups.extend(owners.groups);
            part.nodes.extend(nodes.iter().cloned());
            self.keep(place, Arc::new(nodes));
        }
        let next = first.saturating_add(PART);
        Ok(Part { next: (next < self.extents.len()).then_some(next), last_name, ..part })
    }

    /// The node of a name, if there is one.
    pub fn find(&self, trees: &TreeReader, name: &[u8]) -> Result<Option<Node>> {
        if let Some(nodes) = self.kept_with(name) {
            return Ok(node_of(&nodes, name));
        }
        let (mut start, mut end) = (0, self.extents.len());
        while start < end {
            let middle = start + (end - start) / 2;
            let nodes = self.page(trees, middle)?;
            if nodes.first().is_some_and(|first| name < first.name.as_slice()) {
                end = middle;
            } else if nodes.last().is_none_or(|last| last.name.as_slice() < name) {
                start = middle + 1;
            } else {
                return Ok(node_of(&nodes, name));
            }
        }
        Ok(None)
    }

    fn kept_with(&self, name: &[u8]) -> Option<Arc<Vec<Node>>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let has = |nodes: &[Node]| {
            let (first, last) = (nodes.first()?, nodes.last()?);
            Some(first.name.as_slice() <= name && name <= last.name.as_slice())
        };
        kept.iter().find(|(_, nodes)| has(nodes) == Some(true)).map(|(_, nodes)| nodes.clone())
    }

    fn page(&self, trees: &TreeReader, place: usize) -> Result<Arc<Vec<Node>>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, nodes)) = kept.iter().find(|(number, _)| *number == place) {
            return Ok(nodes.clone());
        }
        drop(kept);
        let extent = self.extents.get(place).ok_or_else(|| Error::Bug("a page that is not there".to_owned()))?;
        let nodes = Arc::new(trees.page(extent)?.nodes);
        self.keep(place, nodes.clone());
        Ok(nodes)
    }

    fn keep(&self, place: usize, nodes: Arc<Vec<Node>>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(number, _)| *number != place);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back((place, nodes));
    }
}

fn node_of(nodes: &[Node], name: &[u8]) -> Option<Node> {
    let place = nodes.binary_search_by(|node| node.name.as_slice().cmp(name)).ok()?;
    nodes.get(place).cloned()
}
