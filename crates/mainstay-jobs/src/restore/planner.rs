//! Deciding what a restore will do: the snapshot's tree beside what the target holds.
//!
//! Owns every decision of a restore. Reads trees and the target's listings and changes nothing. Works in batches of
//! bounded size, so that a plan for a million files is never in memory at once.

use mainstay_repo::{Content, Extent as ContentExtent, Node, NodeKind, limits};
use mainstay_sources::files::{Part, TargetTree};
use mainstay_sources::{Entries, Entry, Kind};

use super::choose::Choosing;
use super::filter::{Decision, Filter};
use super::guard::Guard;
use super::links::{FirstName, FirstNames, Link};
use super::owners::OwnerNumbers;
use super::passed_over::Scope;
use super::plan::{Action, Batch, PlannedEntry, PlannedNode};
use super::{Extra, Overwrite, RestoreReport, Shared, SharedPath, Start, join};
use crate::{Result, own_ancestor};

/// Makes the plan.
pub struct Planner<'a> {
    shared: Shared<'a>,
    filter: Filter,
    owners: OwnerNumbers,
    purpose: Purpose<'a>,
    batch: Batch,
    first_names: FirstNames,
    planned: Planned,
}

/// What a plan is for.
pub enum Purpose<'a> {
    Write {
        /// Where it goes; none when that is not there yet.
        target: Option<&'a TargetTree>,
        guard: Guard,
    },
    /// Reading back what was written.
    Compare,
}

/// What a plan comes to, besides its batches.
#[derive(Default)]
pub struct Planned {
    pub report: RestoreReport,
    /// Further names of files, for when everything is written.
    pub links: Vec<Link>,
}

/// A directory being planned, a page at a time.
struct Frame {
    /// The path beneath the target, which is also what patterns match.
    path: SharedPath,
    decision: Decision,
    pages: std::vec::IntoIter<ContentExtent>,
    /// The page that the nodes are from.
    page: Option<ContentExtent>,
    nodes: std::vec::IntoIter<Node>,
    /// Part of the snapshot's directory could not be read: nothing in the target counts as extra then.
    is_incomplete: bool,
    last_name: Vec<u8>,
    /// Entries of the target that the snapshot's directory does not have, as far as it was read.
    extra: Vec<Entry>,
    /// What the target holds here, by name; `None` where the directory does not exist yet.
    existing: Option<Existing>,
}

type Existing = std::iter::Peekable<Entries>;

impl Frame {
    fn new(path: SharedPath, pages: Vec<ContentExtent>) -> Self {
        Self {
            path,
            decision: Decision::Take,
            pages: pages.into_iter(),
            page: None,
            nodes: Vec::new().into_iter(),
            is_incomplete: false,
            last_name: Vec::new(),
            extra: Vec::new(),
            existing: None,
        }
    }

    /// The target's entry of that name; entries before it are not in the snapshot.
    fn take_existing(&mut self, name: &[u8]) -> Option<Entry> {
        let existing = self.existing.as_mut()?;
        while let Some(entry) = existing.next_if(|entry| entry.name.as_slice() < name) {
            self.extra.push(entry);
        }
        existing.next_if(|entry| entry.name == name)
    }
}

impl<'a> Planner<'a> {
    pub fn new(shared: Shared<'a>, purpose: Purpose<'a>) -> Result<Self> {
        let options = shared.run.options;
        Ok(Self {
            shared,
            filter: Filter::new(&options.include, &options.exclude)?,
            owners: OwnerNumbers::new(options.preserve.owner),
            purpose,
            batch: Batch::default(),
            first_names: FirstNames::default(),
            planned: Planned::default(),
        })
    }

    pub fn finish(self) -> Planned {
        self.planned
    }

    /// Plans everything and gives it away batch by batch.
    pub fn plan(&mut self, start: Start, give: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        let mut frames = vec![self.top(start)?];
        while let Some(frame) = frames.last_mut() {
            self.shared.run.cancel.check()?;
            match self.next_node(frame)? {
                Some(node) => {
                    if let Some(child) = self.take(frame, node)? {
                        if frames.len() >= limits::TREE_DEPTH {
                            return Err(crate::Error::Invalid("restore: the tree is too deep".to_owned()));
                        }
                        let way = frames.iter().filter_map(|frame| frame.page.as_ref());
                        match own_ancestor::refuse(child.pages.as_slice(), way, &child.path) {
                            Ok(()) => frames.push(child),
                            Err(error) => {
                                self.warn(&child.path, &format!("what is in this directory is lost: {error}"))
                            }
                        }
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

    /// The target itself; one that cannot be listed ends the run.
    fn top(&self, start: Start) -> Result<Frame> {
        let path = SharedPath::from(&b""[..]);
        let existing = self.list(&path)?;
        Ok(match start {
            Start::Directory(content) => {
                let decision = self.filter.top();
                Frame { decision, existing, ..Frame::new(path, self.pages(&content)?) }
            }
            Start::Entry(node) => Frame { nodes: vec![*node].into_iter(), existing, ..Frame::new(path, Vec::new()) },
        })
    }

    fn pages(&self, content: &Content) -> Result<Vec<ContentExtent>> {
        Ok(self.shared.trees.extents(content)?)
    }

    /// What the target holds in a directory, where that counts.
    fn list(&self, path: &[u8]) -> mainstay_sources::Result<Option<Existing>> {
        match &self.purpose {
            Purpose::Write { target: Some(target), .. } => {
                Ok(Some(target.directory(path)?.list()?.into_entries().peekable()))
            }
            _ => Ok(None),
        }
    }

    fn next_node(&mut self, frame: &mut Frame) -> Result<Option<Node>> {
        loop {
            if let Some(mut node) = frame.nodes.next() {
                self.owners.apply(&mut node);
                return Ok(Some(node));
            }
            let Some(extent) = frame.pages.next() else { return Ok(None) };
            match self.shared.trees.page(&extent) {
                Ok(page) if page.nodes.first().is_some_and(|node| node.name <= frame.last_name) => {
                    frame.is_incomplete = true;
                    self.warn(&frame.path, "part of this directory is lost: its pages are not in order");
                }
                Ok(page) => {
                    self.owners.learn(&page.owners);
                    frame.last_name = page.nodes.last().map(|node| node.name.clone()).unwrap_or_default();
                    frame.nodes = page.nodes.into_iter();
                    frame.page = Some(extent);
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
        let existing = frame.take_existing(&node.name);
        if decision == Decision::Skip {
            return Ok(None);
        }
        let choosing = match &self.purpose {
            Purpose::Compare if self.shared.telling.passed_over.contains(&path, Scope::Entry) => return Ok(None),
            Purpose::Compare => None,
            Purpose::Write { guard, .. } if guard.is_repository(&path, existing.as_ref()) => {
                self.warn(&path, "the repository lies here: it is left alone");
                self.leave(&path);
                return Ok(None);
            }
            Purpose::Write { target, guard } => Some(Choosing { shared: self.shared, target: *target, guard }),
        };
        if is_directory {
            return self.take_directory(frame, node, existing, decision);
        }
        let action = match (choosing, existing) {
            (None, _) => Action::Compare,
            (Some(_), None) => Action::Create,
            (Some(choosing), Some(existing)) => choosing.choose(&node, &existing, &path),
        };
        if action != Action::Skip
            && let Some(first) = self.first_names.find(&node).map(<[u8]>::to_vec)
        {
            self.tell(Action::Link, &path, &node);
            let is_file = node.kind == NodeKind::File;
            let report = &mut self.planned.report;
            *if is_file { &mut report.files } else { &mut report.others } += 1;
            self.planned.links.push(Link { directory: frame.path.clone(), name: node.name, first });
            return Ok(None);
        }
        self.tell(action, &path, &node);
        let name = FirstName::of(&node, &path);
        if self.add(&frame.path, node, action, &path)?
            && let Some(name) = name
        {
            self.first_names.insert(name);
        }
        Ok(None)
    }

    fn take_directory(
        &mut self,
        frame: &Frame,
        mut node: Node,
        existing: Option<Entry>,
        decision: Decision,
    ) -> Result<Option<Frame>> {
        let path = join(&frame.path, &node.name);
        let overwrite = self.shared.run.options.overwrite;
        let kind = existing.as_ref().map(|entry| entry.kind);
        let action = match kind {
            None if !self.is_writing() => Action::Compare,
            None => Action::Create,
            Some(Kind::Directory) => Action::Update,
            Some(_) if overwrite == Overwrite::Never => {
                self.warn(&path, "something that is no directory has its name");
                self.leave(&path);
                return Ok(None);
            }
            Some(_) => Action::Replace,
        };
        let content = std::mem::take(&mut node.content);
        if decision == Decision::Take {
            self.planned.report.directories += 1;
            let keeps = action == Action::Update && overwrite == Overwrite::Never;
            self.tell(if keeps { Action::Skip } else { action }, &path, &node);
            self.batch.weight += 1;
            if keeps {
                self.shared.telling.passed_over.insert(&path, Scope::Metadata);
            } else {
                let planned = PlannedNode { directory: frame.path.clone(), node, extents: Vec::new(), action };
                self.batch.directories.push(planned);
            }
        }
        let existing = match kind {
            Some(Kind::Directory) => self.list(&path),
            _ => Ok(None),
        };
        let existing = match existing {
            Ok(existing) => existing,
            Err(error) => {
                self.warn(&path, &format!("what is in it is left alone: {error}"));
                self.leave(&path);
                return Ok(None);
            }
        };
        let mut child = Frame { decision, existing, ..Frame::new(path.into(), Vec::new()) };
        match self.shared.trees.extents(&content) {
            Ok(pages) => child.pages = pages.into_iter(),
            Err(error) if error.kind() == mainstay_repo::Kind::Corrupt => {
                child.is_incomplete = true;
                self.warn(&child.path, &format!("what is in this directory is lost: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Some(child))
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
        let Purpose::Write { guard, .. } = &self.purpose else { return };
        if self.shared.run.options.extra == Extra::Keep || decision != Decision::Take {
            return;
        }
        let path = join(directory, &entry.name);
        // What the patterns leave out of the restore is none of its business.
        if self.filter.decide(&path, entry.kind == Kind::Directory, decision) != Decision::Take {
            return;
        }
        if let Some(why) = guard.keeps(&path, &entry) {
            self.warn(&path, &format!("{why}: it is not deleted"));
            return;
        }
        let planned = PlannedEntry { action: Action::Delete, path: &path, kind: None, size: entry.size };
        (self.shared.run.planned)(&planned);
        self.planned.report.deleted += 1;
        self.batch.weight += 1;
        self.batch.deletions.push((directory.clone(), entry.name));
    }

    /// Adds an entry to the batch; answers whether it will be as the snapshot has it.
    fn add(&mut self, directory: &SharedPath, mut node: Node, action: Action, path: &[u8]) -> Result<bool> {
        let report = &mut self.planned.report;
        match (action, node.kind) {
            (Action::Skip, _) => {
                self.leave(path);
                return Ok(false);
            }
            (Action::Keep, _) => {
                report.files += 1;
                report.files_unchanged += 1;
                self.shared.run.progress.expect(1, node.size);
                self.shared.run.progress.advance(1, node.size);
                if node.mode & 0o6000 != 0 {
                    // It has the recorded mode already, with bits that are not set unless asked for.
                    self.shared.telling.passed_over.insert(path, Scope::Part(&Part::Mode));
                }
                return Ok(true);
            }
            (_, NodeKind::File) => {}
            _ => {
                report.others += 1;
                self.batch.weight += 1;
                let planned = PlannedNode { directory: directory.clone(), node, extents: Vec::new(), action };
                self.batch.others.push(planned);
                return Ok(true);
            }
        }
        let content = std::mem::take(&mut node.content);
        let extents = match action {
            Action::SetMetadata => Vec::new(),
            _ => match self.extents(content, node.size) {
                Ok(extents) => extents,
                Err(problem) => {
                    self.warn(path, &problem);
                    let report = &mut self.planned.report;
                    report.files += 1;
                    report.bytes += node.size;
                    report.lost_files += 1;
                    report.lost_bytes += node.size;
                    return Ok(false);
                }
            },
        };
        let report = &mut self.planned.report;
        report.files += 1;
        report.bytes += node.size;
        self.shared.run.progress.expect(1, node.size);
        self.batch.weight += 1 + extents.len();
        self.batch.files.push(PlannedNode { directory: directory.clone(), node, extents, action });
        Ok(true)
    }

    /// Where a file's content lies, or why that is not known.
    fn extents(&self, content: Content, size: u64) -> Result<Vec<ContentExtent>, String> {
        let extents = match content.lists.is_empty() {
            true => content.extents,
            false => self.shared.trees.extents(&content).map_err(|error| format!("its content is lost: {error}"))?,
        };
        match extents.iter().map(ContentExtent::content_len).sum::<u64>() {
            len if len == size => Ok(extents),
            len => Err(format!("its content has {len} bytes, its node says {size}")),
        }
    }

    /// Notes that an entry, with everything in it, stays as it is.
    fn leave(&mut self, path: &[u8]) {
        self.planned.report.skipped += 1;
        self.shared.telling.passed_over.insert(path, Scope::Entry);
    }

    fn is_writing(&self) -> bool {
        matches!(self.purpose, Purpose::Write { .. })
    }

    fn tell(&mut self, action: Action, path: &[u8], node: &Node) {
        if self.is_writing() {
            self.planned.report.left_out.count(node, action, &self.shared.run.options.preserve);
            (self.shared.run.planned)(&PlannedEntry { action, path, kind: Some(node.kind), size: node.size });
        }
    }

    /// Warns, but not a second time when what was written is compared.
    fn warn(&self, path: &[u8], message: &str) {
        if self.is_writing() {
            self.shared.telling.about(path, message);
        }
    }
}
