//! What of each block the kept snapshots need, found by walking their trees.
//!
//! Owns the walk and the ranges that it finds. Each page is read once, however many snapshots share it. Knows nothing of
//! packs, and changes nothing.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::error::Result;
use crate::format::refs::BlockSet;
use crate::format::tree::{Content, Extent, NodeKind};
use crate::id::BlockId;
use crate::tree_reader::TreeReader;

/// Ranges of a block are put in order when so many have come since the last time.
const UNSORTED_RANGES: usize = 256;

/// The living ranges of blocks.
#[derive(Debug, Default)]
pub struct Living(HashMap<BlockId, Ranges>);

#[derive(Debug, Default)]
struct Ranges {
    ranges: Vec<Range<u32>>,
    /// Length after the last sorting.
    sorted: usize,
}

impl Ranges {
    fn add(&mut self, range: Range<u32>) {
        match self.ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.ranges.push(range),
        }
        if self.ranges.len() >= self.sorted * 2 + UNSORTED_RANGES {
            self.sort();
        }
    }

    /// Ascending, and none touching the next.
    fn sort(&mut self) {
        self.ranges.sort_unstable_by_key(|range| range.start);
        self.ranges.dedup_by(|next, last| {
            let touches = next.start <= last.end;
            if touches {
                last.end = last.end.max(next.end);
            }
            touches
        });
        self.sorted = self.ranges.len();
    }
}

impl Living {
    /// Walks the trees under these roots.
    ///
    /// # Errors
    /// At the first page that cannot be read: what is behind it is not known.
    pub fn walk<'c>(trees: &TreeReader, roots: impl Iterator<Item = &'c Content>) -> Result<Self> {
        let mut living = Self::default();
        let mut seen = HashSet::new();
        let mut open = Vec::new();
        for root in roots {
            open.extend(living.add_content(trees, root)?.into_iter().rev());
            while let Some(page) = open.pop() {
                let Extent::Data { block, offset, .. } = page else { continue };
                if !seen.insert((block, offset)) {
                    continue;
                }
                for node in trees.page(&page)?.nodes {
                    let extents = living.add_content(trees, &node.content)?;
                    if node.kind == NodeKind::Directory {
                        open.extend(extents);
                    }
                }
            }
        }
        living.0.values_mut().for_each(Ranges::sort);
        Ok(living)
    }

    /// Adds everything that a content is made of; answers its extents.
    fn add_content(&mut self, trees: &TreeReader, content: &Content) -> Result<Vec<Extent>> {
        let extents = trees.extents(content)?;
        for extent in content.lists.iter().chain(&extents) {
            if let Extent::Data { block, offset, len } = extent {
                self.0.entry(*block).or_default().add(*offset..offset.saturating_add(*len));
            }
        }
        Ok(extents)
    }

    /// The living ranges of a block, ascending and apart; `None` if the walk never came to it, which says nothing.
    pub fn of(&self, block: BlockId) -> Option<&[Range<u32>]> {
        self.0.get(&block).map(|ranges| ranges.ranges.as_slice())
    }

    /// Every block that the walk came to.
    pub fn blocks(&self) -> BlockSet {
        let mut blocks = BlockSet::default();
        blocks.extend(self.0.keys().copied());
        blocks
    }
}
