//! Directories on their way into the repository.
//!
//! Owns the directories that are not complete yet: each waits for its files and subdirectories and then gives its node to
//! the directory above. A node goes to its directory's pages once all before it are known. A directory whose nodes are
//! all as they were is not encoded: its old pages serve again.

use std::collections::{HashMap, VecDeque};

use mainstay_repo::{BlockSet, Content, Extent, Node};

use super::pages::{Change, Finished, HELD_NODES, Pages, Shelf};
use super::queue::Slot;
use super::store_file::{Stored, spill};
use crate::Result;

/// A directory that waits for parts of it.
struct Pending {
    /// Nodes that wait for nothing, those before them included.
    pages: Pages,
    /// From the first node that is awaited on, in the order of the listing.
    places: VecDeque<Place>,
    /// The position of the first place.
    first: usize,
    /// Whether all of its entries are known.
    is_listed: bool,
    /// Where this directory's own node belongs, and the node without content; `None` for the root.
    above: Option<Above>,
}

enum Place {
    Awaited,
    /// Apart, so that the many that are awaited take little.
    Known(Box<Node>),
    /// It could not be read.
    LeftOut,
}

/// A directory's own node while its content is not known.
pub struct Above {
    pub slot: Slot,
    pub node: Node,
    /// Whether the node, its content aside, is as in the parent snapshot.
    pub metadata: Change,
}

/// All directories that are not complete, and the blocks that complete ones refer to.
pub struct Trees<'a> {
    shelf: Shelf<'a>,
    pending: HashMap<u64, Pending>,
    next: u64,
    waiting: usize,
    pub blocks: BlockSet,
    root: Option<Content>,
}

impl<'a> Trees<'a> {
    pub fn new(shelf: Shelf<'a>) -> Self {
        Self { shelf, pending: HashMap::new(), next: 0, waiting: 0, blocks: BlockSet::default(), root: None }
    }

    /// Opens a directory; `previous` is its content in the parent snapshot, `above` its node and place (none for the root).
    pub fn open(&mut self, previous: Option<Content>, above: Option<Above>) -> u64 {
        let id = self.next;
        self.next += 1;
        let pages = Pages::new(previous);
        self.pending.insert(id, Pending { pages, places: VecDeque::new(), first: 0, is_listed: false, above });
        id
    }

    /// Nodes that are awaited, or known and behind one that is.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Adds a node whose content is that of the parent snapshot; `change` says whether all else is, too.
    ///
    /// # Errors
    /// When the node's extents are in lists and those cannot be read, or the store fails.
    pub fn add_believed(&mut self, directory: u64, node: Node, change: Change) -> Result<()> {
        self.refer_to_believed(&node.content)?;
        self.add(directory, node, change)
    }

    /// Adds a node without content that is new or changed.
    ///
    /// # Errors
    /// When the store fails.
    pub fn add_changed(&mut self, directory: u64, node: Node) -> Result<()> {
        self.add(directory, node, Change::Changed)
    }

    fn add(&mut self, directory: u64, node: Node, change: Change) -> Result<()> {
        let Some(pending) = self.pending.get_mut(&directory) else { return Ok(()) };
        pending.pages.mark(change);
        if !pending.places.is_empty() {
            pending.places.push_back(Place::Known(Box::new(node)));
            self.waiting += 1;
            return Ok(());
        }
        pending.first += 1;
        pending.pages.push(node);
        settle(pending, &self.shelf)
    }

    /// Keeps a place for a node that will come.
    pub fn await_node(&mut self, directory: u64) -> Slot {
        let Some(pending) = self.pending.get_mut(&directory) else { return Slot { directory, position: 0 } };
        let position = pending.first + pending.places.len();
        pending.places.push_back(Place::Awaited);
        self.waiting += 1;
        Slot { directory, position }
    }

    /// Says that an entry of the parent snapshot is no longer there.
    pub fn mark_changed(&mut self, directory: u64) {
        if let Some(pending) = self.pending.get_mut(&directory) {
            pending.pages.mark(Change::Changed);
        }
    }

    /// Fills the place of a file that was read, or could not be.
    ///
    /// # Errors
    /// When the store fails.
    pub fn fill(&mut self, stored: Stored) -> Result<()> {
        self.blocks.extend(stored.blocks.into_iter());
        if let Some(node) = &stored.node {
            self.refer(&node.content.lists);
        }
        self.fill_place(stored.slot, stored.node, Change::Changed)?;
        self.complete(stored.slot.directory)
    }

    /// Says that all entries of a directory are known.
    ///
    /// # Errors
    /// When the store fails.
    pub fn listed(&mut self, directory: u64) -> Result<()> {
        if let Some(pending) = self.pending.get_mut(&directory) {
            pending.is_listed = true;
        }
        self.complete(directory)
    }

    /// The root's pages, once everything is complete.
    pub fn take_root(&mut self) -> Option<Content> {
        self.root.take()
    }

    /// Fills a place; the nodes that waited for nothing else go on.
    fn fill_place(&mut self, slot: Slot, node: Option<Node>, change: Change) -> Result<()> {
        let Some(pending) = self.pending.get_mut(&slot.directory) else { return Ok(()) };
        pending.pages.mark(change);
        let place = slot.position.checked_sub(pending.first).and_then(|position| pending.places.get_mut(position));
        if let Some(place) = place {
            *place = node.map_or(Place::LeftOut, |node| Place::Known(Box::new(node)));
        }
        while let Some(place) = pending.places.pop_front_if(|place| !matches!(place, Place::Awaited)) {
            pending.first += 1;
            self.waiting -= 1;
            if let Place::Known(node) = place {
                pending.pages.push(*node);
                settle(pending, &self.shelf)?;
            }
        }
        Ok(())
    }

    /// Stores a directory that waits for nothing any more, and then perhaps the one above.
    fn complete(&mut self, directory: u64) -> Result<()> {
        let mut current = directory;
        loop {
            let is_complete =
                self.pending.get(&current).is_some_and(|pending| pending.is_listed && pending.places.is_empty());
            if !is_complete {
                return Ok(());
            }
            let Some(pending) = self.pending.remove(&current) else { return Ok(()) };
            let (content, pages) = match pending.pages.finish(&self.shelf)? {
                Finished::Same(content) => {
                    self.refer_to_believed(&content)?;
                    (content, Change::Same)
                }
                Finished::Stored(extents) => (self.refer_to_stored(extents)?, Change::Changed),
            };
            let Some(above) = pending.above else {
                self.root = Some(content);
                return Ok(());
            };
            let change = if pages == Change::Same { above.metadata } else { Change::Changed };
            self.fill_place(above.slot, Some(Node { content, ..above.node }), change)?;
            current = above.slot.directory;
        }
    }

    /// Refers to the pages of a directory, and moves their extents to lists if there are too many.
    fn refer_to_stored(&mut self, extents: Vec<Extent>) -> Result<Content> {
        self.refer(&extents);
        let mut content = Content { extents, ..Content::default() };
        if let Some(session) = self.shelf.session {
            spill(session, &mut content)?;
        }
        self.refer(&content.lists);
        Ok(content)
    }

    /// Refers to every block of a content of the parent snapshot, those that only its lists name included.
    fn refer_to_believed(&mut self, content: &Content) -> Result<()> {
        self.refer(&content.extents);
        self.refer(&content.lists);
        if let (Some(reader), false) = (self.shelf.reader, content.lists.is_empty()) {
            self.refer(&reader.extents(content)?);
        }
        Ok(())
    }

    fn refer(&mut self, extents: &[Extent]) {
        for extent in extents {
            if let Extent::Data { block, .. } = extent {
                self.blocks.insert(*block);
            }
        }
    }
}

fn settle(pending: &mut Pending, shelf: &Shelf<'_>) -> Result<()> {
    if pending.pages.held() < HELD_NODES { Ok(()) } else { pending.pages.settle(shelf) }
}

#[cfg(test)]
mod tests;
