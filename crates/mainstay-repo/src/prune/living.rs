//! What of each block the kept snapshots need, found by walking their trees.
//!
//! Owns the walk and the ranges that it finds. Each page is read once, however many snapshots share it. Knows nothing of
//! packs, and changes nothing. Memory: 16 bytes a block where few of its session are dead, 60 bytes and 8 to 16 for each
//! range more where it is needed in several ranges, and at most 57 bytes for each page of a tree.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::observer::PruneObserver;
use crate::error::Result;
use crate::format::refs::BlockSet;
use crate::format::tree::{Content, Extent, NodeKind};
use crate::id::{BlockId, SessionId};
use crate::tree_reader::TreeReader;

/// Blocks of a session that are kept together: their identifiers need not be repeated.
const GROUP: u32 = 64;

type Group = [Ranges; GROUP as usize];

/// The living ranges of blocks, by session and by serial without its last bits.
#[derive(Debug, Default)]
pub struct Living(HashMap<(SessionId, u32), Box<Group>>);

/// The living ranges of one block, ascending and none touching the next.
#[derive(Debug, Default)]
enum Ranges {
    #[default]
    None,
    /// Mostly the whole block.
    One(Range<u32>),
    Several(Box<Several>),
}

#[derive(Debug)]
struct Several(Vec<Range<u32>>);

impl Ranges {
    fn add(&mut self, range: Range<u32>) {
        match self {
            Self::None => *self = Self::One(range),
            Self::One(one) if touches(one, &range) => *one = one.start.min(range.start)..one.end.max(range.end),
            Self::One(one) => {
                let mut several = Several(vec![one.clone()]);
                several.add(range);
                *self = Self::Several(Box::new(several));
            }
            Self::Several(several) => several.add(range),
        }
    }

    fn as_slice(&self) -> &[Range<u32>] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => &several.0,
        }
    }
}

impl Several {
    fn add(&mut self, mut range: Range<u32>) {
        let from = self.0.partition_point(|known| known.end < range.start);
        let touching = self.0.iter().skip(from).take_while(|known| touches(known, &range)).count();
        for known in self.0.drain(from..from + touching) {
            range = range.start.min(known.start)..range.end.max(known.end);
        }
        self.0.insert(from, range);
    }
}

fn touches(one: &Range<u32>, other: &Range<u32>) -> bool {
    one.start <= other.end && other.start <= one.end
}

impl Living {
    /// Walks the trees under these roots.
    ///
    /// # Errors
    /// At the first page that cannot be read: what is behind it is not known.
    pub fn walk<'c>(
        trees: &TreeReader,
        roots: impl Iterator<Item = &'c Content>,
        observer: &dyn PruneObserver,
    ) -> Result<Self> {
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
                observer.check()?;
                for node in trees.page(&page)?.nodes {
                    let extents = living.add_content(trees, &node.content)?;
                    if node.kind == NodeKind::Directory {
                        open.extend(extents);
                    }
                }
            }
        }
        Ok(living)
    }

    /// Adds everything that a content is made of; answers its extents.
    fn add_content(&mut self, trees: &TreeReader, content: &Content) -> Result<Vec<Extent>> {
        let extents = trees.extents(content)?;
        for extent in content.lists.iter().chain(&extents) {
            if let Extent::Data { block, offset, len } = extent {
                self.add(*block, *offset..offset.saturating_add(*len));
            }
        }
        Ok(extents)
    }

    pub(super) fn add(&mut self, block: BlockId, range: Range<u32>) {
        let group = self.0.entry((block.session, block.serial / GROUP));
        let group = group.or_insert_with(|| Box::new(std::array::from_fn(|_| Ranges::None)));
        if let Some(ranges) = group.get_mut((block.serial % GROUP) as usize) {
            ranges.add(range);
        }
    }

    /// The living ranges of a block, ascending and apart; `None` if the walk never came to it, which says nothing.
    pub fn of(&self, block: BlockId) -> Option<&[Range<u32>]> {
        let group = self.0.get(&(block.session, block.serial / GROUP))?;
        let ranges = group.get((block.serial % GROUP) as usize)?.as_slice();
        (!ranges.is_empty()).then_some(ranges)
    }

    /// Adds every block that the walk came to.
    pub fn add_blocks(&self, blocks: &mut BlockSet) {
        for ((session, number), group) in &self.0 {
            let living = group.iter().zip(0..).filter(|(ranges, _)| !ranges.as_slice().is_empty());
            blocks.extend(living.map(|(_, rest)| BlockId { session: *session, serial: number * GROUP + rest }));
        }
    }
}
