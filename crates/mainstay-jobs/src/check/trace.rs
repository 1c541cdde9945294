//! From broken blocks to the snapshots and paths that they break.
//!
//! Owns the walk that happens only when something is broken: over the trees of the snapshots whose reference maps name a
//! broken block, newest first. Goes on behind what cannot be read.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use mainstay_repo::{BlockId, Error as RepositoryError, Extent, Node, NodeKind, Owners, SnapshotId, TreeReader};

use super::finding::Finding;
use super::inventory::Held;
use crate::browse::{Descend, Visitor, walk};
use crate::select::display_path;
use crate::{Cancel, Result};

/// All of a block.
const WHOLE: Range<u32> = 0..u32::MAX;

/// Parts of blocks that a finding is about.
pub struct Breakage {
    /// Position of the finding.
    finding: usize,
    parts: Vec<(BlockId, Range<u32>)>,
    /// The one snapshot that it is about.
    only: Option<SnapshotId>,
}

impl Breakage {
    pub fn blocks(finding: usize, blocks: impl IntoIterator<Item = BlockId>) -> Self {
        Self { finding, parts: blocks.into_iter().map(|block| (block, WHOLE)).collect(), only: None }
    }

    /// Parts of blocks; `None` is all of a block.
    pub fn parts(finding: usize, parts: impl IntoIterator<Item = (BlockId, Option<Range<u32>>)>) -> Self {
        let parts = parts.into_iter().map(|(block, range)| (block, range.unwrap_or(WHOLE)));
        Self { finding, parts: parts.collect(), only: None }
    }

    /// The blocks that are broken for every snapshot.
    pub fn broken_blocks(&self) -> impl Iterator<Item = BlockId> + '_ {
        self.parts.iter().filter(|_| self.only.is_none()).map(|(block, _)| *block)
    }

    pub fn only_in(self, snapshot: SnapshotId) -> Self {
        Self { only: Some(snapshot), ..self }
    }
}

/// Names in each finding the snapshots and paths that its breakage touches. Snapshots are given newest first.
pub fn trace(
    trees: &TreeReader,
    snapshots: &[Held],
    breakages: &[Breakage],
    findings: &mut [Finding],
    cancel: &Cancel,
) -> Result<()> {
    let mut shared_pages = HashSet::new();
    let mut told = HashSet::new();
    for held in snapshots {
        let broken = broken_in(held, breakages, findings);
        if broken.parts.is_empty() {
            continue;
        }
        // What pages of this snapshot touch was told with an earlier one only if both looked for the same.
        let mut own_pages = HashSet::new();
        let pages = if broken.is_by_map { &mut shared_pages } else { &mut own_pages };
        let snapshot = held.entry.id;
        let mut tracing = Tracing { trees, cancel, snapshot, broken, findings, pages, told: &mut told };
        let root = &held.entry.snapshot.root;
        tracing.look_at(&root.lists, b"", "");
        walk(trees, b"", root, &mut tracing)?;
    }
    Ok(())
}

/// The broken parts that a snapshot's trees may lie in.
struct Broken<'b> {
    /// By block: ranges, and the findings that they belong to.
    parts: HashMap<BlockId, Vec<(&'b Range<u32>, usize)>>,
    /// Whether they are just those that the snapshot's reference map names.
    is_by_map: bool,
}

/// Gathers the broken parts of a snapshot, and names it in the findings that its reference map shows to touch it.
fn broken_in<'b>(held: &Held, breakages: &'b [Breakage], findings: &mut [Finding]) -> Broken<'b> {
    let mut broken = Broken { parts: HashMap::new(), is_by_map: held.references.is_some() };
    for breakage in breakages {
        if breakage.only.is_some_and(|only| only != held.entry.id) {
            continue;
        }
        broken.is_by_map &= breakage.only.is_none();
        let references = held.references.as_ref().filter(|_| breakage.only.is_none());
        for (block, range) in &breakage.parts {
            if references.is_some_and(|references| !references.contains(*block)) {
                continue;
            }
            broken.parts.entry(*block).or_default().push((range, breakage.finding));
            if references.is_some() {
                name_snapshot(findings, breakage.finding, held.entry.id);
            }
        }
    }
    broken
}

fn name_snapshot(findings: &mut [Finding], finding: usize, snapshot: SnapshotId) {
    if let Some(finding) = findings.get_mut(finding)
        && finding.snapshots.last() != Some(&snapshot)
    {
        finding.snapshots.push(snapshot);
    }
}

struct Tracing<'a> {
    trees: &'a TreeReader,
    cancel: &'a Cancel,
    snapshot: SnapshotId,
    broken: Broken<'a>,
    findings: &'a mut [Finding],
    /// Pages that were looked at, by hash of path and place.
    pages: &'a mut HashSet<u64>,
    /// Paths that were told, by hash of finding and path. A hash that meets another by chance leaves one path out.
    told: &'a mut HashSet<u64>,
}

impl Tracing<'_> {
    /// Tells the path if one of the extents lies in a broken part; a directory's path ends in `/`.
    fn look_at(&mut self, extents: &[Extent], path: &[u8], end: &str) {
        for extent in extents {
            let Extent::Data { block, offset, len } = extent else { continue };
            let Some(parts) = self.broken.parts.get(block) else { continue };
            let end_offset = offset.saturating_add(*len);
            for (_, finding) in parts.iter().filter(|(range, _)| range.start < end_offset && *offset < range.end) {
                name_snapshot(self.findings, *finding, self.snapshot);
                if !self.told.insert(hash((finding, path, end))) {
                    continue;
                }
                if let Some(finding) = self.findings.get_mut(*finding) {
                    finding.add_path(|| format!("{}{end}", display_path(path)));
                }
            }
        }
    }
}

impl Visitor for Tracing<'_> {
    fn page(&mut self, path: &[u8], page: &Extent) -> Result<Descend> {
        self.cancel.check()?;
        if !self.pages.insert(hash((path, page))) {
            return Ok(Descend::Past);
        }
        self.look_at(std::slice::from_ref(page), path, if path.is_empty() { "" } else { "/" });
        Ok(Descend::Into)
    }

    fn node(&mut self, path: &[u8], node: &Node, _: &Owners) -> Result<Descend> {
        let end = if node.kind == NodeKind::Directory { "/" } else { "" };
        self.look_at(&node.content.lists, path, end);
        if node.kind != NodeKind::File {
            return Ok(Descend::Into);
        }
        if node.content.lists.is_empty() {
            self.look_at(&node.content.extents, path, end);
        } else if let Ok(extents) = self.trees.extents(&node.content) {
            self.look_at(&extents, path, end);
        }
        Ok(Descend::Into)
    }

    /// What cannot be read is broken, and was told when its page or list was looked at.
    fn unreadable(&mut self, _: &[u8], _: RepositoryError) -> Result<()> {
        Ok(())
    }
}

fn hash(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
