//! The parent snapshot's nodes of a directory, taken beside its listing.
//!
//! Owns the place in the directory's pages. Never holds more nodes than one page and those of the entries it was asked
//! for, however many the parent has.

use std::vec::IntoIter;

use mainstay_repo::{Content, Extent, Kind, Node, TreeReader};
use mainstay_sources::Entry;

use crate::Result;

/// What the parent has in a directory, as far as nobody asked for it yet.
#[derive(Default)]
pub struct Previous {
    pages: IntoIter<Extent>,
    nodes: IntoIter<Node>,
    last_name: Vec<u8>,
    /// The rest cannot be read.
    is_lost: bool,
}

/// What the parent has beside some entries.
#[derive(Default)]
pub struct Beside {
    /// Nodes of the entries' names, sorted.
    pub nodes: Vec<Node>,
    /// Whether the parent has other names there, or cannot be read.
    pub is_changed: bool,
}

impl Previous {
    /// # Errors
    /// When the store fails. What the parent lost is lost: it will be read from the source again.
    pub fn open(trees: &TreeReader, content: &Content) -> Result<Self> {
        match trees.extents(content) {
            Ok(extents) => Ok(Self { pages: extents.into_iter(), ..Self::default() }),
            Err(error) if error.kind() == Kind::Corrupt => Ok(Self { is_lost: true, ..Self::default() }),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the nodes of these entries and passes over those before and between them.
    ///
    /// # Errors
    /// When the store fails.
    pub fn take_beside(&mut self, trees: &TreeReader, entries: &[Entry]) -> Result<Beside> {
        let mut beside = Beside::default();
        for entry in entries {
            while let Some(node) = self.peek(trees)? {
                if node.name > entry.name {
                    break;
                }
                let is_gone = node.name < entry.name;
                match self.nodes.next() {
                    Some(node) if !is_gone => beside.nodes.push(node),
                    _ => beside.is_changed = true,
                }
            }
        }
        beside.is_changed |= self.is_lost;
        Ok(beside)
    }

    /// Whether the parent has anything that was not taken.
    pub fn is_at_end(&self) -> bool {
        self.nodes.as_slice().is_empty() && self.pages.as_slice().is_empty()
    }

    fn peek(&mut self, trees: &TreeReader) -> Result<Option<&Node>> {
        while self.nodes.as_slice().is_empty() {
            let Some(extent) = self.pages.next() else { return Ok(None) };
            match trees.page(&extent) {
                Ok(page) if page.nodes.first().is_none_or(|node| node.name > self.last_name) => {
                    self.last_name = page.nodes.last().map(|node| node.name.clone()).unwrap_or_default();
                    self.nodes = page.nodes.into_iter();
                }
                Err(error) if error.kind() != Kind::Corrupt => return Err(error.into()),
                _ => *self = Self { is_lost: true, ..Self::default() },
            }
        }
        Ok(self.nodes.as_slice().first())
    }
}
