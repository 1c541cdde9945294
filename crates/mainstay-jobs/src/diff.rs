//! What differs between two trees.
//!
//! Owns the walk over both at once and what counts as a difference. Subtrees and pages that are the same stored bytes
//! are not read. Content is read only to compare files of one length that lie in different blocks.

mod content;
mod cursor;

use mainstay_repo::{Content, Node, NodeKind, TreeReader, limits};

use crate::browse::BlockBuffer;
use crate::{Error, Result, own_ancestor};
use cursor::Cursor;

#[cfg(test)]
mod tests;

/// One entry that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// From the roots on, without a slash in front.
    pub path: Vec<u8>,
    pub kind: ChangeKind,
    /// What the entry is, or was if it is gone.
    pub node: NodeKind,
    pub old_size: Option<u64>,
    pub new_size: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    Removed,
    Modified(Difference),
}

/// In what two entries of one name differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// One is a file and the other a directory, for instance.
    pub kind: bool,
    /// Bytes of a file, target of a link, or numbers of a device. Never set for directories.
    pub content: bool,
    pub metadata: Vec<MetadataField>,
}

impl Difference {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataField {
    Mode,
    /// User or group, by number.
    Owner,
    Modified,
    /// Extended attributes, access control lists among them.
    Attributes,
}

impl MetadataField {
    pub fn name(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Modified => "modified",
            Self::Attributes => "attributes",
        }
    }
}

/// Compares two entries of one name; `None` when nothing differs that would be restored.
pub fn compare(trees: &TreeReader, old: &Node, new: &Node) -> Result<Option<Difference>> {
    Comparison::new(trees).compare(old, new)
}

/// Calls `each` with every entry that differs between the trees of two roots, in order of names, a directory before
/// what is in it.
pub fn diff(
    trees: &TreeReader,
    old: &Content,
    new: &Content,
    each: &mut dyn FnMut(Change) -> Result<()>,
) -> Result<()> {
    if old == new {
        return Ok(());
    }
    let mut walk = Walk { trees, comparison: Comparison::new(trees), path: Vec::new(), stack: Vec::new(), each };
    walk.push(Some(old), Some(new))?;
    while let Some(frame) = walk.stack.last_mut() {
        walk.path.truncate(frame.path_len);
        match frame.next()? {
            Some(pair) => walk.visit(pair)?,
            None => drop(walk.stack.pop()),
        }
    }
    Ok(())
}

/// The entries of one name: in the old directory, in the new one, or in both.
type Pair = (Option<Node>, Option<Node>);

/// A directory of each side on the way down; one of them may be absent.
struct Frame<'t> {
    old: Option<Cursor<'t>>,
    new: Option<Cursor<'t>>,
    path_len: usize,
}

impl Frame<'_> {
    /// The next name on either side.
    fn next(&mut self) -> Result<Option<Pair>> {
        let (old, new) = match (&mut self.old, &mut self.new) {
            (Some(old), Some(new)) => (old, new),
            (Some(old), None) => return Ok(old.next()?.map(|node| (Some(node), None))),
            (None, Some(new)) => return Ok(new.next()?.map(|node| (None, Some(node)))),
            (None, None) => return Ok(None),
        };
        while old.next_page().is_some() && old.next_page() == new.next_page() {
            old.skip_page();
            new.skip_page();
        }
        let order = match (old.peek()?, new.peek()?) {
            (None, None) => return Ok(None),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(old), Some(new)) => old.name.cmp(&new.name),
        };
        let old = if order.is_le() { old.next()? } else { None };
        let new = if order.is_ge() { new.next()? } else { None };
        Ok(Some((old, new)))
    }
}

struct Walk<'t, 'e> {
    trees: &'t TreeReader,
    comparison: Comparison<'t>,
    path: Vec<u8>,
    stack: Vec<Frame<'t>>,
    each: &'e mut dyn FnMut(Change) -> Result<()>,
}

impl Walk<'_, '_> {
    fn push(&mut self, old: Option<&Content>, new: Option<&Content>) -> Result<()> {
        if self.stack.len() >= limits::TREE_DEPTH {
            let limit = limits::TREE_DEPTH as u64;
            let what = "depth of a tree".to_owned();
            return Err(Error::Repository(mainstay_repo::Error::Limit { what, got: limit + 1, limit }));
        }
        let open = |content: Option<&Content>| content.map(|content| Cursor::open(self.trees, content)).transpose();
        let frame = Frame { old: open(old)?, new: open(new)?, path_len: self.path.len() };
        self.refuse_own_ancestor(&frame, |frame| frame.old.as_ref())?;
        self.refuse_own_ancestor(&frame, |frame| frame.new.as_ref())?;
        self.stack.push(frame);
        Ok(())
    }

    /// On one side; a directory of the other may well have moved into this one.
    fn refuse_own_ancestor<'f>(
        &'f self,
        frame: &'f Frame<'_>,
        side: fn(&'f Frame<'_>) -> Option<&'f Cursor<'f>>,
    ) -> Result<()> {
        let Some(cursor) = side(frame) else { return Ok(()) };
        let way = self.stack.iter().filter_map(|frame| side(frame)?.page());
        Ok(own_ancestor::refuse(cursor.unread_pages(), way, &self.path)?)
    }

    fn visit(&mut self, (old, new): Pair) -> Result<()> {
        let Some(node) = new.as_ref().or(old.as_ref()) else { return Ok(()) };
        crate::browse::push_name(&mut self.path, &node.name);
        let kind = match (&old, &new) {
            (Some(old), Some(new)) => self.comparison.compare(old, new)?.map(ChangeKind::Modified),
            (Some(_), None) => Some(ChangeKind::Removed),
            _ => Some(ChangeKind::Added),
        };
        if let Some(kind) = kind {
            let size = |node: &Option<Node>| node.as_ref().map(|node| node.size);
            let (old_size, new_size) = (size(&old), size(&new));
            (self.each)(Change { path: self.path.clone(), kind, node: node.kind, old_size, new_size })?;
        }
        let (old, new) = (directory(&old), directory(&new));
        if old != new { self.push(old, new) } else { Ok(()) }
    }
}

fn directory(node: &Option<Node>) -> Option<&Content> {
    node.as_ref().filter(|node| node.kind == NodeKind::Directory).map(|node| &node.content)
}

/// Compares entries, with buffers that serve all of them.
struct Comparison<'t> {
    trees: &'t TreeReader,
    old: BlockBuffer<'t>,
    new: BlockBuffer<'t>,
}

impl<'t> Comparison<'t> {
    fn new(trees: &'t TreeReader) -> Self {
        Self { trees, old: BlockBuffer::new(trees), new: BlockBuffer::new(trees) }
    }

    fn compare(&mut self, old: &Node, new: &Node) -> Result<Option<Difference>> {
        let kind = old.kind != new.kind;
        let content = match new.kind {
            _ if kind => false,
            NodeKind::Directory => false,
            NodeKind::File => {
                old.size != new.size
                    || !content::is_same(self.trees, (&old.content, &mut self.old), (&new.content, &mut self.new))?
            }
            _ => (&old.link_target, old.device_numbers) != (&new.link_target, new.device_numbers),
        };
        let difference = Difference { kind, content, metadata: metadata_differences(old, new) };
        Ok(Some(difference).filter(|difference| !difference.is_none()))
    }
}

fn metadata_differences(old: &Node, new: &Node) -> Vec<MetadataField> {
    [
        (MetadataField::Mode, old.mode != new.mode),
        (MetadataField::Owner, (old.user, old.group) != (new.user, new.group)),
        (MetadataField::Modified, old.modified != new.modified),
        (MetadataField::Attributes, old.attributes != new.attributes),
    ]
    .into_iter()
    .filter_map(|(field, differs)| differs.then_some(field))
    .collect()
}
