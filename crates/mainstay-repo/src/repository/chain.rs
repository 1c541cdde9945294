//! The chain of each source's snapshots: which lead to its head, and where it is broken.
//!
//! Pure: knows places and what each snapshot named as the one before it. Never reads a store.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::id::{SnapshotId, SourceId};

/// A snapshot as a link of its source's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub source: SourceId,
    pub sequence: u64,
    pub id: SnapshotId,
    pub previous: Option<SnapshotId>,
    /// Recorded as removed, or void: it leads to what was before it, and is no head.
    pub is_removed: bool,
}

/// A snapshot that another one was made after, and that is neither there nor recorded as removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Break {
    /// The one that is missing.
    pub missing: SnapshotId,
    /// The one that names it.
    pub after: Link,
}

/// The chains of all sources.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    links: HashMap<SnapshotId, Link>,
    line: HashSet<SnapshotId>,
}

impl Chain {
    /// Of a snapshot that is there and recorded as removed, the one that is there counts.
    pub fn new(links: impl IntoIterator<Item = Link>) -> Self {
        let mut chain = Self::default();
        for link in links {
            let held = chain.links.entry(link.id).or_insert(link);
            if held.is_removed {
                *held = link;
            }
        }
        chain.line = chain.trace();
        chain
    }

    /// Whether the head of its source leads to a snapshot, by what each names as the one before it.
    pub fn is_in_line(&self, id: SnapshotId) -> bool {
        self.line.contains(&id)
    }

    pub fn knows(&self, id: SnapshotId) -> bool {
        self.links.contains_key(&id)
    }

    /// Every link, by source and sequence.
    pub fn links(&self) -> Vec<Link> {
        let mut links: Vec<Link> = self.links.values().copied().collect();
        links.sort_by_key(|link| (link.source, link.sequence, link.id));
        links
    }

    /// The breaks, by source and sequence of the snapshots after them.
    pub fn breaks(&self) -> Vec<Break> {
        let named = self.links().into_iter().filter_map(|after| Some(Break { missing: after.previous?, after }));
        named.filter(|gap| !self.knows(gap.missing)).collect()
    }

    /// The snapshot of the highest number of each source that is there.
    pub fn heads(&self) -> BTreeMap<SourceId, Link> {
        let there = self.links().into_iter().filter(|link| !link.is_removed);
        there.map(|link| (link.source, link)).collect()
    }

    fn trace(&self) -> HashSet<SnapshotId> {
        let mut line = HashSet::new();
        for head in self.heads().into_values() {
            let mut at = Some(head);
            while let Some(link) = at {
                line.insert(link.id);
                let before = link.previous.and_then(|id| self.links.get(&id)).copied();
                // Numbers descend, so that what a hostile writer linked in a circle ends.
                at = before.filter(|before| before.source == link.source && before.sequence < link.sequence);
            }
        }
        line
    }
}

#[cfg(test)]
mod tests;
