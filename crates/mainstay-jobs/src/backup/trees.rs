//! Directories on their way into the repository.
//!
//! Owns the directories that are not complete yet: each waits for its files and subdirectories, is then cut into pages
//! and stored, and gives its node to the directory above. A directory whose nodes are all as they were is not encoded:
//! its old pages serve again.

use std::collections::{HashMap, HashSet};

use mainstay_repo::{BlockSet, Content, Extent, Node, Owners, Session, TreePage, TreeReader, limits};
use mainstay_sources::files::Owners as OwnerNames;

use super::queue::Slot;
use super::store_file::{Stored, spill};
use crate::Result;

/// A directory that waits for parts of it.
struct Pending {
    /// Nodes in the order of the listing; `None` while a node is awaited, or for good when it could not be read.
    nodes: Vec<Option<Node>>,
    awaited: usize,
    /// Whether all of its entries are known.
    is_listed: bool,
    /// The pages of the same directory in the parent snapshot, while every node so far is the same.
    unchanged: Option<Content>,
    /// Where this directory's own node belongs, and the node without content; `None` for the root.
    above: Option<Above>,
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
    session: Option<&'a Session<'a>>,
    reader: Option<&'a TreeReader>,
    owner_names: &'a OwnerNames,
    pending: HashMap<u64, Pending>,
    next: u64,
    pub blocks: BlockSet,
    root: Option<Content>,
}

impl<'a> Trees<'a> {
    /// `reader` reads the parent snapshot's trees, where there is a parent.
    pub fn new(session: Option<&'a Session<'a>>, reader: Option<&'a TreeReader>, owner_names: &'a OwnerNames) -> Self {
        Self { session, reader, owner_names, pending: HashMap::new(), next: 0, blocks: BlockSet::default(), root: None }
    }

    /// Opens a directory; `previous` is its content in the parent snapshot, `above` its node and place (none for the root).
    pub fn open(&mut self, entries: usize, previous: Option<Content>, above: Option<Above>) -> u64 {
        let id = self.next;
        self.next += 1;
        let pending =
            Pending { nodes: Vec::with_capacity(entries), awaited: 0, is_listed: false, unchanged: previous, above };
        self.pending.insert(id, pending);
        id
    }

    /// Adds a node whose content is that of the parent snapshot; `change` says whether all else is, too.
    ///
    /// # Errors
    /// When the node's extents are in lists and those cannot be read.
    pub fn add_believed(&mut self, directory: u64, node: Node, change: Change) -> Result<()> {
        self.refer_to_believed(&node.content)?;
        if let Some(pending) = self.pending.get_mut(&directory) {
            pending.nodes.push(Some(node));
            if change == Change::Changed {
                pending.unchanged = None;
            }
        }
        Ok(())
    }

    /// Adds a node without content that is new or changed.
    pub fn add_changed(&mut self, directory: u64, node: Node) {
        if let Some(pending) = self.pending.get_mut(&directory) {
            pending.nodes.push(Some(node));
            pending.unchanged = None;
        }
    }

    /// Keeps a place for a node that will come.
    pub fn await_node(&mut self, directory: u64) -> Slot {
        let Some(pending) = self.pending.get_mut(&directory) else { return Slot { directory, position: 0 } };
        pending.nodes.push(None);
        pending.awaited += 1;
        Slot { directory, position: pending.nodes.len() - 1 }
    }

    /// Says that an entry of the parent snapshot is no longer there.
    pub fn mark_changed(&mut self, directory: u64) {
        if let Some(pending) = self.pending.get_mut(&directory) {
            pending.unchanged = None;
        }
    }

    /// Fills the place of a file that was read, or could not be.
    pub fn fill(&mut self, stored: Stored) -> Result<()> {
        self.blocks.extend(stored.blocks.into_iter());
        if let Some(node) = &stored.node {
            self.refer(&node.content.lists);
        }
        self.fill_place(stored.slot, stored.node, Change::Changed);
        self.complete(stored.slot.directory)
    }

    /// Says that all entries of a directory are known.
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

    fn fill_place(&mut self, slot: Slot, node: Option<Node>, change: Change) {
        let Some(pending) = self.pending.get_mut(&slot.directory) else { return };
        if let Some(place) = pending.nodes.get_mut(slot.position) {
            *place = node;
        }
        pending.awaited -= 1;
        if change == Change::Changed {
            pending.unchanged = None;
        }
    }

    /// Stores a directory that waits for nothing any more, and then perhaps the one above.
    fn complete(&mut self, directory: u64) -> Result<()> {
        let mut current = directory;
        loop {
            let is_complete =
                self.pending.get(&current).is_some_and(|pending| pending.is_listed && pending.awaited == 0);
            if !is_complete {
                return Ok(());
            }
            let Some(pending) = self.pending.remove(&current) else { return Ok(()) };
            let (content, pages) = match pending.unchanged {
                Some(content) => {
                    self.refer_to_believed(&content)?;
                    (content, Change::Same)
                }
                None => (self.store(pending.nodes)?, Change::Changed),
            };
            let Some(above) = pending.above else {
                self.root = Some(content);
                return Ok(());
            };
            let change = if pages == Change::Same { above.metadata } else { Change::Changed };
            self.fill_place(above.slot, Some(Node { content, ..above.node }), change);
            current = above.slot.directory;
        }
    }

    fn store(&mut self, nodes: Vec<Option<Node>>) -> Result<Content> {
        let Some(session) = self.session else { return Ok(Content::default()) };
        let mut content = Content::default();
        for page in pages(nodes.into_iter().flatten()) {
            let page = TreePage { owners: self.owners(&page), nodes: page };
            content.extents.push(session.store_tree_page(&page.encode())?);
        }
        self.refer(&content.extents);
        spill(session, &mut content)?;
        self.refer(&content.lists);
        Ok(content)
    }

    fn owners(&self, nodes: &[Node]) -> Owners {
        let mut owners = Owners::default();
        let (mut users, mut groups) = (HashSet::new(), HashSet::new());
        for node in nodes {
            if users.insert(node.user)
                && let Some(name) = self.owner_names.user_name(node.user)
            {
                owners.users.push((node.user, name.to_owned()));
            }
            if groups.insert(node.group)
                && let Some(name) = self.owner_names.group_name(node.group)
            {
                owners.groups.push((node.group, name.to_owned()));
            }
        }
        owners
    }

    /// Refers to every block of a content of the parent snapshot, those that only its lists name included.
    fn refer_to_believed(&mut self, content: &Content) -> Result<()> {
        self.refer(&content.extents);
        self.refer(&content.lists);
        if let (Some(reader), false) = (self.reader, content.lists.is_empty()) {
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

/// Whether something is as in the parent snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Same,
    Changed,
}

/// Cuts a directory into pages. A page ends after a name whose hash says so, once the page is long enough, so that an
/// entry that comes or goes changes one page and not all that follow.
fn pages(nodes: impl Iterator<Item = Node>) -> Vec<Vec<Node>> {
    let mut pages = Vec::new();
    let (mut page, mut len) = (Vec::new(), 0);
    for node in nodes {
        len += encoded_len(&node);
        let ends_here = len >= limits::TREE_PAGE_TARGET / 2 && ends_page(&node.name);
        let is_full = len >= limits::TREE_PAGE_TARGET * 2 || page.len() + 1 >= limits::TREE_PAGE_NODES;
        page.push(node);
        if ends_here || is_full {
            pages.push(std::mem::take(&mut page));
            len = 0;
        }
    }
    if !page.is_empty() {
        pages.push(page);
    }
    pages
}

/// FNV-1a; one name in 256.
fn ends_page(name: &[u8]) -> bool {
    let hash = name.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    (hash >> 16) & 0xff == 0
}

fn encoded_len(node: &Node) -> usize {
    let attributes: usize = node.attributes.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
    let extents = node.content.extents.len() + node.content.lists.len();
    let target = node.link_target.as_ref().map_or(0, Vec::len);
    64 + node.name.len() + extents * 14 + attributes + target
}
