//! The tree pages of all snapshots, each read once.
//!
//! Owns what is kept of a page: which blocks its entries lie in, and which pages hold its subdirectories. Snapshots share
//! most of their pages, so that comparing one more with its reference map costs a walk over numbers in memory.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use mainstay_repo::{BlockId, BlockKind, Content, Extent, Node, NodeKind, TreeReader};

use super::inventory::Rows;
use crate::{Cancel, Result};

/// Something wrong with a page or a list, or with what it says, and where that is: a range of a block.
pub struct Problem {
    pub place: Place,
    pub text: String,
}

pub type Place = (BlockId, Range<u32>);

/// What a snapshot's trees need.
pub struct Needed {
    pub blocks: Vec<BlockId>,
    /// Whether every page could be read.
    pub is_complete: bool,
}

/// One page as numbers of blocks and of pages.
#[derive(Default)]
struct Page {
    blocks: Box<[u32]>,
    pages: Box<[u32]>,
    is_damaged: bool,
}

/// A page that is known and was not read yet.
struct Unread {
    number: u32,
    extent: Extent,
    place: Place,
    /// Whether other pages belong to the same directory.
    has_neighbours: bool,
}

/// Two pages that follow each other in a directory, and where the second one is.
struct Neighbours {
    first: u32,
    second: u32,
    place: Place,
}

pub struct Pages<'t> {
    trees: &'t TreeReader,
    rows: &'t Rows,
    blocks: Numbers,
    /// Page by number of its block and offset.
    known: HashMap<(u32, u32), u32>,
    pages: Vec<Page>,
    unread: Vec<Unread>,
    /// First and last name of pages of directories that have several.
    names: HashMap<u32, (Vec<u8>, Vec<u8>)>,
    neighbours: Vec<Neighbours>,
    problems: Vec<Problem>,
    nodes: u64,
}

/// Blocks by number, so that a page takes four bytes for each.
#[derive(Default)]
struct Numbers {
    by_block: HashMap<BlockId, u32>,
    blocks: Vec<BlockId>,
    /// By number: whether it was needed as content, and as a tree.
    needed_as: Vec<[bool; 2]>,
}

impl Numbers {
    /// The number of a block, and whether it is needed as this kind for the first time.
    fn number(&mut self, block: BlockId, kind: BlockKind) -> (u32, bool) {
        let next = self.blocks.len() as u32;
        let number = *self.by_block.entry(block).or_insert(next);
        if number == next {
            self.blocks.push(block);
            self.needed_as.push([false; 2]);
        }
        let known = self.needed_as.get_mut(number as usize).map(|[content, tree]| match kind {
            BlockKind::Content => content,
            BlockKind::Tree => tree,
        });
        (number, known.is_some_and(|known| !std::mem::replace(known, true)))
    }
}

/// A root: its own lists and its pages.
pub struct Roots(Page);

impl<'t> Pages<'t> {
    pub fn new(trees: &'t TreeReader, rows: &'t Rows) -> Self {
        Self {
            trees,
            rows,
            blocks: Numbers::default(),
            known: HashMap::new(),
            pages: Vec::new(),
            unread: Vec::new(),
            names: HashMap::new(),
            neighbours: Vec::new(),
            problems: Vec::new(),
            nodes: 0,
        }
    }

    pub fn len(&self) -> u64 {
        self.pages.len() as u64
    }

    pub fn nodes(&self) -> u64 {
        self.nodes
    }

    pub fn take_problems(&mut self) -> Vec<Problem> {
        std::mem::take(&mut self.problems)
    }

    /// Reads every page beneath a root that was not read before.
    pub fn read(&mut self, root: &Content, cancel: &Cancel) -> Result<Roots> {
        // A root stands on no page; what is wrong with it is put to the block that it begins in.
        let mut reading = Reading::at(root.lists.iter().chain(&root.extents).find_map(place));
        self.add_directory(root, &mut reading);
        self.problems.append(&mut reading.problems);
        while let Some(next) = self.unread.pop() {
            cancel.check()?;
            let page = self.read_page(&next);
            if let Some(slot) = self.pages.get_mut(next.number as usize) {
                *slot = page;
            }
        }
        self.compare_neighbours();
        Ok(Roots(reading.finish()))
    }

    /// Names must ascend from page to page: finding a name relies on it, and so does restoring.
    fn compare_neighbours(&mut self) {
        for pair in std::mem::take(&mut self.neighbours) {
            let (first, second) = (self.names.get(&pair.first), self.names.get(&pair.second));
            if let (Some((_, last)), Some((next, _))) = (first, second)
                && last >= next
            {
                let text = "its names do not follow those of the page before".to_owned();
                self.problems.push(Problem { place: pair.place, text });
            }
        }
    }

    fn read_page(&mut self, unread: &Unread) -> Page {
        let mut reading = Reading::at(Some(unread.place.clone()));
        let first_found = self.unread.len();
        match self.trees.page(&unread.extent) {
            Ok(page) => {
                self.nodes += page.nodes.len() as u64;
                if let (true, Some(first), Some(last)) = (unread.has_neighbours, page.nodes.first(), page.nodes.last())
                {
                    self.names.insert(unread.number, (first.name.clone(), last.name.clone()));
                }
                for node in &page.nodes {
                    self.add_node(node, &mut reading);
                }
            }
            Err(error) => reading.add_unreadable(&error),
        }
        // The page to read next is the first that was found: trees are stored in the order of their names.
        if let Some(found) = self.unread.get_mut(first_found..) {
            found.reverse();
        }
        self.problems.append(&mut reading.problems);
        reading.finish()
    }

    fn add_node(&mut self, node: &Node, reading: &mut Reading) {
        match node.kind {
            NodeKind::Directory => self.add_directory(&node.content, reading),
            NodeKind::File => self.add_file(node, reading),
            _ if node.content == Content::default() => {}
            _ => reading.add_problem(format!("{} has content and is no file", show(node))),
        }
    }

    fn add_directory(&mut self, directory: &Content, reading: &mut Reading) {
        let Some(pages) = self.extents(directory, reading) else { return };
        let has_neighbours = pages.len() > 1;
        let mut before = None;
        for extent in pages.iter() {
            let Some(place) = place(extent) else {
                reading.add_problem("a page of a directory is a hole".to_owned());
                continue;
            };
            let number = self.add_block(place.0, BlockKind::Tree, reading);
            let next = self.pages.len() as u32;
            let page = *self.known.entry((number, place.1.start)).or_insert(next);
            if let Some(first) = before.replace(page) {
                self.neighbours.push(Neighbours { first, second: page, place: place.clone() });
            }
            if page == next {
                self.pages.push(Page::default());
                self.unread.push(Unread { number: page, extent: *extent, place, has_neighbours });
            }
            reading.pages.push(page);
        }
    }

    fn add_file(&mut self, node: &Node, reading: &mut Reading) {
        let Some(extents) = self.extents(&node.content, reading) else { return };
        let mut len = 0u64;
        for extent in extents.iter() {
            len = len.saturating_add(extent.content_len());
            if let Extent::Data { block, .. } = extent {
                self.add_block(*block, BlockKind::Content, reading);
            }
        }
        if len != node.size {
            reading.add_problem(format!("{}: expected {} bytes of content, got {len}", show(node), node.size));
        }
    }

    /// The extents of a content; `None`, with the problem noted, if one of its lists cannot be read.
    fn extents<'c>(&mut self, content: &'c Content, reading: &mut Reading) -> Option<Cow<'c, [Extent]>> {
        if content.lists.is_empty() {
            return Some(Cow::Borrowed(&content.extents));
        }
        let mut all = Vec::new();
        let before = reading.problems.len();
        for list in &content.lists {
            let at = place(list);
            if let Some((block, _)) = &at {
                self.add_block(*block, BlockKind::Tree, reading);
            }
            match self.trees.extents(&Content { extents: Vec::new(), lists: vec![*list] }) {
                Ok(extents) => all.extend(extents),
                Err(error) => {
                    let page = std::mem::replace(&mut reading.place, at);
                    reading.add_unreadable(&error);
                    reading.place = page;
                }
            }
        }
        (reading.problems.len() == before).then_some(Cow::Owned(all))
    }

    fn add_block(&mut self, block: BlockId, kind: BlockKind, reading: &mut Reading) -> u32 {
        let (number, is_new) = self.blocks.number(block, kind);
        reading.blocks.push(number);
        if is_new && self.rows.holds_any(block) && !self.rows.holds(block, kind) {
            reading.add_problem(format!("block {block} is needed as {kind:?} and is of the other kind"));
        }
        number
    }

    /// Every block that the pages beneath a root need, their own included.
    pub fn needed(&self, roots: &Roots) -> Needed {
        let mut is_seen = vec![false; self.pages.len()];
        let mut is_needed = vec![false; self.blocks.blocks.len()];
        let mut needed = Needed { blocks: Vec::new(), is_complete: true };
        let mut stack = vec![&roots.0];
        while let Some(page) = stack.pop() {
            needed.is_complete &= !page.is_damaged;
            for block in &page.blocks {
                let is_new = is_needed.get_mut(*block as usize).is_some_and(|seen| !std::mem::replace(seen, true));
                if is_new && let Some(block) = self.blocks.blocks.get(*block as usize) {
                    needed.blocks.push(*block);
                }
            }
            for page in &page.pages {
                let is_new = is_seen.get_mut(*page as usize).is_some_and(|seen| !std::mem::replace(seen, true));
                if is_new && let Some(page) = self.pages.get(*page as usize) {
                    stack.push(page);
                }
            }
        }
        needed
    }
}

/// What is gathered while a page is read.
struct Reading {
    /// Where the page is.
    place: Option<Place>,
    blocks: Vec<u32>,
    pages: Vec<u32>,
    problems: Vec<Problem>,
    is_damaged: bool,
}

impl Reading {
    fn at(place: Option<Place>) -> Self {
        Self { place, blocks: Vec::new(), pages: Vec::new(), problems: Vec::new(), is_damaged: false }
    }

    fn add_problem(&mut self, text: String) {
        if let Some(place) = &self.place {
            self.problems.push(Problem { place: place.clone(), text });
        }
    }

    fn add_unreadable(&mut self, error: &mainstay_repo::Error) {
        self.is_damaged = true;
        self.add_problem(format!("a tree cannot be read: {error}"));
    }

    fn finish(mut self) -> Page {
        self.blocks.sort_unstable();
        self.blocks.dedup();
        Page { blocks: self.blocks.into(), pages: self.pages.into(), is_damaged: self.is_damaged }
    }
}

fn place(extent: &Extent) -> Option<Place> {
    match extent {
        Extent::Data { block, offset, len } => Some((*block, *offset..offset.saturating_add(*len))),
        Extent::Hole { .. } => None,
    }
}

fn show(node: &Node) -> String {
    format!("{:?}", String::from_utf8_lossy(&node.name))
}
