//! Deciding what a restore will do: the snapshot's tree beside what the target holds.
//!
//! Owns every decision of a restore. Reads trees and the target's listings and changes nothing. Works in batches of
//! bounded size, so that a plan for a million files is never in memory at once.

use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use mainstay_repo::{Content, Extent as ContentExtent, Node, NodeKind, TreeReader, limits};
use mainstay_sources::files::{Ownership, TargetTree};
use mainstay_sources::{Entry, Kind, Warning};

use super::filter::{Decision, Filter};
use super::links::{FirstName, FirstNames, Link};
use super::owners::OwnerNumbers;
use super::plan::{Action, Batch, PlannedEntry, PlannedNode};
use super::{Extra, Overwrite, RestoreReport, RestoreRun, SharedPath, Start, join};
use crate::Result;
use crate::backup::Warnings;

/// Makes the plan.
pub struct Planner<'a> {
    run: &'a RestoreRun<'a>,
    trees: &'a TreeReader,
    target: Option<&'a TargetTree>,
    warnings: &'a Warnings,
    filter: Filter,
    owners: OwnerNumbers,
    purpose: Purpose,
    batch: Batch,
    first_names: FirstNames,
    links: Vec<Link>,
    report: RestoreReport,
}

/// What a plan is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Write,
    /// Reading back what was written.
    Compare,
}

/// A directory being planned, a page at a time.
struct Frame {
    path: SharedPath,
    /// The path in the snapshot, for patterns.
    decision: Decision,
    pages: std::vec::IntoIter<ContentExtent>,
    nodes: std::vec::IntoIter<Node>,
    /// Part of the snapshot's directory could not be read: nothing in the target counts as extra then.
    is_incomplete: bool,
    last_name: Vec<u8>,
    /// Entries of the target that the snapshot's directory does not have, as far as it was read.
    extra: Vec<Entry>,
    /// What the target holds here, by name; `None` where the directory does not exist yet.
    existing: Option<std::iter::Peekable<std::vec::IntoIter<Entry>>>,
}

impl<'a> Planner<'a> {
    pub fn new(
        run: &'a RestoreRun<'a>,
        trees: &'a TreeReader,
        target: Option<&'a TargetTree>,
        warnings: &'a Warnings,
        purpose: Purpose,
    ) -> Result<Self> {
        Ok(Self {
            run,
            trees,
            target,
            warnings,
            filter: Filter::new(&run.options.include, &run.options.exclude)?,
            owners: OwnerNumbers::new(run.options.preserve.owner),
            purpose,
            batch: Batch::default(),
            first_names: FirstNames::default(),
            links: Vec::new(),
            report: RestoreReport::default(),
        })
    }

    /// What the plan comes to, and the links to be made when everything is written.
    pub fn finish(self) -> (RestoreReport, Vec<Link>) {
        (self.report, self.links)
    }

    /// Plans everything and gives it away batch by batch.
    pub fn plan(&mut self, start: Start, give: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        let top = self.filter.top();
        let mut frames = match start {
            Start::Directory(content) => vec![self.open(Arc::from(&b""[..]), &content, top, self.target.is_some())?],
            Start::Entry(node) => {
                let mut frame =
                    self.open(Arc::from(&b""[..]), &Content::default(), Decision::Take, self.target.is_some())?;
                frame.nodes = vec![*node].into_iter();
                vec![frame]
            }
        };
        while let Some(frame) = frames.last_mut() {
            self.run.cancel.check()?;
            match self.next_node(frame)? {
                Some(node) => {
                    if let Some(child) = self.take(frame, node)? {
                        if frames.len() >= limits::TREE_DEPTH {
                            return Err(crate::Error::Invalid("restore: the tree is too deep".to_owned()));
                        }
                        frames.push(child);
                    }
                }
                None => {
                    if let Some(frame) = frames.pop() {
                        self.close(frame);
                    }
                }
            }
            if self.batch.is_full() {
                give(std::mem::take(&mut self.batch))?;
            }
        }
        give(std::mem::take(&mut self.batch))
    }

    fn open(&self, path: SharedPath, content: &Content, decision: Decision, exists: bool) -> Result<Frame> {
        let pages = self.trees.extents(content)?.into_iter();
        let existing = match (self.target, exists && self.purpose == Purpose::Write) {
            (Some(target), true) => Some(target.directory(&path)?.list()?.entries.into_iter().peekable()),
            _ => None,
        };
        let nodes = Vec::new().into_iter();
        Ok(Frame {
            path,
            decision,
            pages,
            nodes,
            is_incomplete: false,
            last_name: Vec::new(),
            extra: Vec::new(),
            existing,
        })
    }

    fn next_node(&mut self, frame: &mut Frame) -> Result<Option<Node>> {
        loop {
            if let Some(mut node) = frame.nodes.next() {
                self.owners.apply(&mut node);
                return Ok(Some(node));
            }
            let Some(extent) = frame.pages.next() else { return Ok(None) };
            match self.trees.page(&extent) {
                Ok(page) if page.nodes.first().is_some_and(|node| node.name <= frame.last_name) => {
                    frame.is_incomplete = true;
                    self.warn(&frame.path, "part of this directory is lost: its pages are not in order");
                }
                Ok(page) => {
                    self.owners.learn(&page.owners);
                    frame.last_name = page.nodes.last().map(|node| node.name.clone()).unwrap_or_default();
                    frame.nodes = page.nodes.into_iter();
                }
                // A page that is damaged loses its own entries and no others.
                Err(error) if error.kind() == mainstay_repo::Kind::Corrupt => {
                    frame.is_incomplete = true;
                    self.warn(&frame.path, &format!("part of this directory is lost: {error}"));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Plans one entry; a directory to go into is answered.
    fn take(&mut self, frame: &mut Frame, node: Node) -> Result<Option<Frame>> {
        let path = join(&frame.path, &node.name);
        let is_directory = node.kind == NodeKind::Directory;
        let decision = self.filter.decide(&path, is_directory, frame.decision);
        let existing = self.take_existing(frame, &node.name);
        if decision == Decision::Skip {
            return Ok(None);
        }
        if is_directory {
            return self.take_directory(frame, node, existing, decision);
        }
        let action = match (self.purpose, existing) {
            (Purpose::Compare, _) => Action::Compare,
            (Purpose::Write, None) => Action::Create,
            (Purpose::Write, Some(existing)) => self.choose(&node, &existing, &path),
        };
        if action != Action::Skip
            && let Some(first) = self.first_names.find(&node).map(<[u8]>::to_vec)
        {
            self.tell(Action::Link, &path, &node);
            self.report.others += 1;
            if self.purpose == Purpose::Write {
                self.links.push(Link { directory: frame.path.clone(), name: node.name, first });
            }
            return Ok(None);
        }
        self.tell(action, &path, &node);
        let name = FirstName::of(&node, path);
        if self.add(frame.path.clone(), node, action)?
            && let Some(name) = name
        {
            self.first_names.insert(name);
        }
        Ok(None)
    }

    fn take_directory(
        &mut self,
        frame: &Frame,
        node: Node,
        existing: Option<Entry>,
        decision: Decision,
    ) -> Result<Option<Frame>> {
        let path = join(&frame.path, &node.name);
        let kind = existing.as_ref().map(|entry| entry.kind);
        let action = match kind {
            None => Action::Create,
            Some(Kind::Directory) => Action::Update,
            Some(_) if self.run.options.overwrite == Overwrite::Never => {
                self.warn(&path, "something that is no directory has its name");
                self.report.skipped += 1;
                return Ok(None);
            }
            Some(_) => Action::Replace,
        };
        let content = node.content.clone();
        if decision == Decision::Take && self.purpose == Purpose::Write {
            self.report.directories += 1;
            self.tell(action, &path, &node);
            self.batch.weight += 1;
            let keeps = action == Action::Update && self.run.options.overwrite == Overwrite::Never;
            if !keeps {
                let planned = PlannedNode { directory: frame.path.clone(), node, extents: Vec::new(), action };
                self.batch.directories.push(planned);
            }
        }
        self.open(path.into(), &content, decision, kind == Some(Kind::Directory)).map(Some)
    }

    /// The target's entry of that name; entries before it are not in the snapshot.
    fn take_existing(&mut self, frame: &mut Frame, name: &[u8]) -> Option<Entry> {
        let existing = frame.existing.as_mut()?;
        let mut extra = Vec::new();
        while let Some(entry) = existing.next_if(|entry| entry.name.as_slice() < name) {
            extra.push(entry);
        }
        let found = existing.next_if(|entry| entry.name == name);
        frame.extra.extend(extra);
        found
    }

    fn close(&mut self, frame: Frame) {
        if frame.is_incomplete {
            return;
        }
        for entry in frame.extra.into_iter().chain(frame.existing.into_iter().flatten()) {
            self.take_extra(&frame.path, frame.decision, entry);
        }
    }

    fn take_extra(&mut self, directory: &SharedPath, decision: Decision, entry: Entry) {
        if self.run.options.extra == Extra::Keep || decision != Decision::Take {
            return;
        }
        let path = join(directory, &entry.name);
        // What the patterns leave out of the restore is none of its business.
        if self.filter.decide(&path, entry.kind == Kind::Directory, decision) != Decision::Take {
            return;
        }
        if self.holds_repository(&path) {
            self.warn(&path, "the repository lies in it: it is not deleted");
            return;
        }
        (self.run.planned)(&PlannedEntry { action: Action::Delete, path: &path, kind: None, size: entry.size });
        self.report.deleted += 1;
        self.batch.weight += 1;
        self.batch.deletions.push((directory.clone(), entry.name));
    }

    /// Whether the repository that is being read lies at a path of the target or beneath it.
    fn holds_repository(&self, path: &[u8]) -> bool {
        let Ok(repository) = std::path::Path::new(&self.run.repository.location()).canonicalize() else { return false };
        let path = self.run.target.join(std::ffi::OsStr::from_bytes(path));
        path.canonicalize().is_ok_and(|path| repository.starts_with(path))
    }

    /// Decides about an entry whose name is taken.
    fn choose(&mut self, node: &Node, existing: &Entry, path: &[u8]) -> Action {
        let overwrite = self.run.options.overwrite;
        let modified = (existing.modified.seconds, existing.modified.nanoseconds);
        if overwrite == Overwrite::Never || (overwrite == Overwrite::IfNewer && modified >= node.modified) {
            return Action::Skip;
        }
        if existing.kind == Kind::Directory {
            self.warn(path, "a directory has its name; remove it, or restore elsewhere");
            return Action::Skip;
        }
        let is_device = matches!(node.kind, NodeKind::CharacterDevice | NodeKind::BlockDevice);
        if is_device && !self.run.options.preserve.devices {
            self.warn(path, "devices are not restored unless asked for");
            return Action::Skip;
        }
        if existing.kind != Kind::File || node.kind != NodeKind::File {
            return Action::Replace;
        }
        let looks_same = existing.size == node.size && modified == node.modified;
        if overwrite != Overwrite::IfChanged || !looks_same {
            // A file with other names may be reached from outside the target: it is left and a new one is made.
            return if existing.links > 1 { Action::Replace } else { Action::Update };
        }
        let owner_differs = self.run.options.preserve.owner != Ownership::Skip
            && (existing.owner.user, existing.owner.group) != (node.user, node.group);
        if existing.mode != node.mode || owner_differs { Action::SetMetadata } else { Action::Keep }
    }

    /// Adds an entry to the batch; answers whether it will be as the snapshot has it.
    fn add(&mut self, directory: SharedPath, node: Node, action: Action) -> Result<bool> {
        let is_file = node.kind == NodeKind::File;
        match (action, is_file) {
            (Action::Skip, _) => {
                self.report.skipped += 1;
                return Ok(false);
            }
            (Action::Keep, _) => {
                self.report.files += 1;
                self.report.files_unchanged += 1;
                self.run.progress.advance(1, node.size);
                return Ok(true);
            }
            (Action::Compare, false) => return Ok(true),
            (_, false) => {
                self.report.others += 1;
                self.batch.weight += 1;
                self.batch.others.push(PlannedNode { directory, node, extents: Vec::new(), action });
                return Ok(true);
            }
            (_, true) => {}
        }
        let extents = match self.trees.extents(&node.content) {
            _ if action == Action::SetMetadata => Vec::new(),
            Ok(extents) => extents,
            Err(error) => {
                self.warn(&join(&directory, &node.name), &format!("its content is lost: {error}"));
                return Ok(false);
            }
        };
        let len: u64 = extents.iter().map(ContentExtent::content_len).sum();
        if action != Action::SetMetadata && len != node.size {
            self.warn(
                &join(&directory, &node.name),
                &format!("its content has {len} bytes, its node says {}", node.size),
            );
            return Ok(false);
        }
        self.report.files += 1;
        self.report.bytes += node.size;
        self.run.progress.expect(1, node.size);
        self.batch.weight += 1 + extents.len();
        self.batch.files.push(PlannedNode { directory, node, extents, action });
        Ok(true)
    }

    fn tell(&self, action: Action, path: &[u8], node: &Node) {
        if self.purpose == Purpose::Write {
            (self.run.planned)(&PlannedEntry { action, path, kind: Some(node.kind), size: node.size });
        }
    }

    fn warn(&self, path: &[u8], message: &str) {
        let path = String::from_utf8_lossy(path).into_owned();
        self.warnings.add(self.run.progress, Warning { path, message: message.to_owned() });
    }
}
