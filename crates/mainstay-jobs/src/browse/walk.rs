//! Walking a tree.
//!
//! Owns the order (names ascending, a directory before what is in it) and the bounds: no recursion, a limit on depth, no
//! directory within itself, names in order across pages. What is done with the nodes is the visitor's business.

use std::vec::IntoIter;

use mainstay_repo::{Content, Error as RepositoryError, Extent, Node, NodeKind, Owners, TreeReader, limits};

use crate::{Result, own_ancestor};

/// Whether a walk goes into a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descend {
    Into,
    Past,
}

/// What a walk shows on its way. Paths have no slash in front; that of the walk's own directory may be empty.
pub trait Visitor {
    /// Before a page of the directory at `path` is read; answers whether to read it.
    fn page(&mut self, _path: &[u8], _page: &Extent) -> Result<Descend> {
        Ok(Descend::Into)
    }

    /// An entry, with the names that its page has for users and groups; the answer counts for directories.
    fn node(&mut self, path: &[u8], node: &Node, owners: &Owners) -> Result<Descend>;

    /// After the last entry of a directory.
    fn leave(&mut self, _path: &[u8], _directory: &Content) -> Result<()> {
        Ok(())
    }

    /// Pages of the directory at `path` that cannot be read; an answer without error goes on behind them.
    fn unreadable(&mut self, _path: &[u8], error: RepositoryError) -> Result<()> {
        Err(error.into())
    }
}

/// A directory on the way down.
struct Frame {
    content: Content,
    path_len: usize,
    pages: IntoIter<Extent>,
    /// The page that the nodes are from.
    page: Option<Extent>,
    nodes: IntoIter<Node>,
    /// Those of the page that the nodes are from.
    owners: Owners,
    /// The last name of the page before.
    last_name: Option<Vec<u8>>,
}

/// Shows `visitor` everything beneath a directory.
pub fn walk(trees: &TreeReader, path: &[u8], directory: &Content, visitor: &mut dyn Visitor) -> Result<()> {
    let mut path = path.to_vec();
    let mut stack = vec![open(trees, &path, directory.clone(), visitor)?];
    while let Some(frame) = stack.last_mut() {
        path.truncate(frame.path_len);
        let Some(node) = frame.nodes.next() else {
            if !next_page(trees, &path, frame, visitor)? {
                visitor.leave(&path, &frame.content)?;
                stack.pop();
            }
            continue;
        };
        push_name(&mut path, &node.name);
        let descend = visitor.node(&path, &node, &frame.owners)?;
        if descend == Descend::Past || node.kind != NodeKind::Directory {
            continue;
        }
        if stack.len() >= limits::TREE_DEPTH {
            let limit = limits::TREE_DEPTH as u64;
            let error = RepositoryError::Limit { what: "depth of a tree".to_owned(), got: limit + 1, limit };
            visitor.unreadable(&path, error)?;
            continue;
        }
        let directory = open(trees, &path, node.content, visitor)?;
        let way = stack.iter().filter_map(|frame| frame.page.as_ref());
        match own_ancestor::refuse(directory.pages.as_slice(), way, &path) {
            Ok(()) => stack.push(directory),
            Err(error) => visitor.unreadable(&path, error)?,
        }
    }
    Ok(())
}

/// Appends a name to a path.
pub fn push_name(path: &mut Vec<u8>, name: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
}

fn open(trees: &TreeReader, path: &[u8], content: Content, visitor: &mut dyn Visitor) -> Result<Frame> {
    let pages = match trees.extents(&content) {
        Ok(pages) => pages,
        Err(error) => {
            visitor.unreadable(path, error)?;
            Vec::new()
        }
    };
    Ok(Frame {
        content,
        path_len: path.len(),
        pages: pages.into_iter(),
        page: None,
        nodes: Vec::new().into_iter(),
        owners: Owners::default(),
        last_name: None,
    })
}

/// Reads the next page of a directory; answers whether there was one.
fn next_page(trees: &TreeReader, path: &[u8], frame: &mut Frame, visitor: &mut dyn Visitor) -> Result<bool> {
    let Some(extent) = frame.pages.next() else { return Ok(false) };
    if visitor.page(path, &extent)? == Descend::Past {
        return Ok(true);
    }
    let page = match trees.page(&extent) {
        Ok(page) => page,
        Err(error) => {
            visitor.unreadable(path, error)?;
            return Ok(true);
        }
    };
    if let (Some(last), Some(first)) = (&frame.last_name, page.nodes.first())
        && *last >= first.name
    {
        let shown = crate::select::display_path(path);
        visitor.unreadable(path, RepositoryError::damaged("read tree", shown, "its pages are not in order"))?;
    }
    if let Some(last) = page.nodes.last() {
        frame.last_name = Some(last.name.clone());
    }
    frame.page = Some(extent);
    frame.nodes = page.nodes.into_iter();
    frame.owners = page.owners;
    Ok(true)
}
