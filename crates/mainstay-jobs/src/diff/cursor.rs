//! Reading a directory entry by entry, a page at a time.
//!
//! Owns the place in the directory. A page is read only when an entry of it is asked for, so that pages which two
//! directories share can be skipped unread.

use std::vec::IntoIter;

use mainstay_repo::{Content, Extent, Node, TreeReader};

use crate::Result;

pub struct Cursor<'t> {
    trees: &'t TreeReader,
    pages: IntoIter<Extent>,
    /// The page that the nodes are from.
    page: Option<Extent>,
    nodes: IntoIter<Node>,
}

impl<'t> Cursor<'t> {
    pub fn open(trees: &'t TreeReader, directory: &Content) -> Result<Self> {
        let pages = trees.extents(directory)?.into_iter();
        Ok(Self { trees, pages, page: None, nodes: Vec::new().into_iter() })
    }

    /// The page that comes next, unless part of the one before is still to be taken.
    pub fn next_page(&self) -> Option<&Extent> {
        if self.nodes.as_slice().is_empty() { self.pages.as_slice().first() } else { None }
    }

    /// The page that entries are being taken from.
    pub fn page(&self) -> Option<&Extent> {
        self.page.as_ref()
    }

    pub fn unread_pages(&self) -> &[Extent] {
        self.pages.as_slice()
    }

    pub fn skip_page(&mut self) {
        self.pages.next();
    }

    pub fn peek(&mut self) -> Result<Option<&Node>> {
        while self.nodes.as_slice().is_empty() {
            let Some(page) = self.pages.next() else { return Ok(None) };
            self.nodes = self.trees.page(&page)?.nodes.into_iter();
            self.page = Some(page);
        }
        Ok(self.nodes.as_slice().first())
    }

    pub fn next(&mut self) -> Result<Option<Node>> {
        self.peek()?;
        Ok(self.nodes.next())
    }
}
