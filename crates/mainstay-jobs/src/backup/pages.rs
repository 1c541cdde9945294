//! One directory on its way into pages.
//!
//! Owns the nodes of a directory that wait for nothing any more, and never holds more than [`HELD_NODES`] of them: beyond
//! that they are stored as pages or, as long as all of them are as in the parent snapshot, let go. Should one that comes
//! later have changed, they are read from the parent's pages again.

use std::collections::HashSet;

use mainstay_repo::{Content, Extent, Node, Owners, Session, TreePage, TreeReader, limits};
use mainstay_sources::files::Owners as MachineOwners;

use crate::{Error, Result};

/// Nodes of one directory that are held: several pages, so that most directories are stored at their end.
pub const HELD_NODES: usize = 8 * 1024;

/// Whether something is as in the parent snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Same,
    Changed,
}

/// Where pages are stored and read.
pub struct Shelf<'a> {
    /// None in a dry run.
    pub session: Option<&'a Session<'a>>,
    /// Reads the parent snapshot's trees, where there is a parent.
    pub reader: Option<&'a TreeReader>,
    pub owner_names: &'a dyn OwnerNames,
}

/// Names for the numbers of users and groups.
pub trait OwnerNames: Sync {
    fn user(&self, number: u32) -> Option<String>;
    fn group(&self, number: u32) -> Option<String>;
}

impl OwnerNames for MachineOwners {
    fn user(&self, number: u32) -> Option<String> {
        self.user_name(number).map(str::to_owned)
    }

    fn group(&self, number: u32) -> Option<String> {
        self.group_name(number).map(str::to_owned)
    }
}

/// What a directory came to.
pub enum Finished {
    /// The parent's pages serve again.
    Same(Content),
    Stored(Vec<Extent>),
}

/// The nodes of one directory, in order.
pub struct Pages {
    /// Those in no page yet.
    nodes: Vec<Node>,
    stored: Vec<Extent>,
    /// The same directory in the parent snapshot.
    previous: Option<Content>,
    /// Whether all nodes so far are the first ones of `previous`.
    change: Change,
    /// How many nodes were let go.
    let_go: usize,
}

impl Pages {
    pub fn new(previous: Option<Content>) -> Self {
        let change = if previous.is_some() { Change::Same } else { Change::Changed };
        Self { nodes: Vec::new(), stored: Vec::new(), previous, change, let_go: 0 }
    }

    pub fn mark(&mut self, change: Change) {
        if change == Change::Changed {
            self.change = change;
        }
    }

    pub fn push(&mut self, node: Node) {
        self.nodes.push(node);
    }

    pub fn held(&self) -> usize {
        self.nodes.len()
    }

    /// Stores what is in whole pages, or lets it go.
    ///
    /// # Errors
    /// When the store fails.
    pub fn settle(&mut self, shelf: &Shelf<'_>) -> Result<()> {
        match (shelf.session, self.change) {
            (None, _) => self.nodes.clear(),
            (Some(_), Change::Same) => {
                self.let_go += self.nodes.len();
                self.nodes.clear();
            }
            (Some(session), Change::Changed) => {
                self.take_back(shelf, session)?;
                self.store(shelf, session, End::Open)?;
            }
        }
        Ok(())
    }

    /// Stores what is left.
    ///
    /// # Errors
    /// When the store fails.
    pub fn finish(mut self, shelf: &Shelf<'_>) -> Result<Finished> {
        if self.change == Change::Same
            && let Some(previous) = self.previous
        {
            return Ok(Finished::Same(previous));
        }
        if let Some(session) = shelf.session {
            self.take_back(shelf, session)?;
            self.store(shelf, session, End::Reached)?;
        }
        Ok(Finished::Stored(self.stored))
    }

    /// Brings back the nodes that were let go, and stores them.
    fn take_back(&mut self, shelf: &Shelf<'_>, session: &Session<'_>) -> Result<()> {
        if self.let_go == 0 {
            return Ok(());
        }
        let lost =
            || Error::Invalid("internal error: nodes that were let go are not in the parent snapshot".to_owned());
        let (reader, previous) = (shelf.reader.ok_or_else(lost)?, self.previous.take().ok_or_else(lost)?);
        let later = std::mem::take(&mut self.nodes);
        for extent in reader.extents(&previous)? {
            if self.let_go == 0 {
                break;
            }
            let mut nodes = reader.page(&extent)?.nodes;
            nodes.truncate(self.let_go);
            self.let_go -= nodes.len();
            self.nodes.append(&mut nodes);
            self.store(shelf, session, End::Open)?;
        }
        if self.let_go > 0 {
            return Err(lost());
        }
        self.nodes.extend(later);
        Ok(())
    }

    fn store(&mut self, shelf: &Shelf<'_>, session: &Session<'_>, end: End) -> Result<()> {
        for page in cut(&mut self.nodes, end) {
            let page = TreePage { owners: shelf.owners(&page), nodes: page };
            self.stored.push(session.store_tree_page(&page.encode())?);
        }
        Ok(())
    }
}

impl Shelf<'_> {
    fn owners(&self, nodes: &[Node]) -> Owners {
        let mut owners = Owners::default();
        let (mut users, mut groups) = (HashSet::new(), HashSet::new());
        for node in nodes {
            if users.insert(node.user)
                && let Some(name) = self.owner_names.user(node.user)
            {
                owners.users.push((node.user, name));
            }
            if groups.insert(node.group)
                && let Some(name) = self.owner_names.group(node.group)
            {
                owners.groups.push((node.group, name));
            }
        }
        owners
    }
}

/// Whether more nodes will come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Reached,
}

/// Cuts nodes into pages; those that fill none stay, unless no more will come. A page ends after a name whose hash says
/// so, once the page is long enough, so that an entry that comes or goes changes one page and not all that follow.
fn cut(nodes: &mut Vec<Node>, end: End) -> Vec<Vec<Node>> {
    let mut pages = Vec::new();
    let (mut page, mut len) = (Vec::new(), 0);
    for node in nodes.drain(..) {
        len += encoded_len(&node);
        let ends_here = len >= limits::TREE_PAGE_TARGET / 2 && ends_page(&node.name);
        let is_full = len >= limits::TREE_PAGE_TARGET * 2 || page.len() + 1 >= limits::TREE_PAGE_NODES;
        page.push(node);
        if ends_here || is_full {
            pages.push(std::mem::take(&mut page));
            len = 0;
        }
    }
    match end {
        End::Open => *nodes = page,
        End::Reached if page.is_empty() => {}
        End::Reached => pages.push(page),
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
