//! What a restore will do, as data: the snapshot's tree beside what the target holds.
//!
//! Owns every decision of a restore. Reads trees and the target's listings and changes nothing. Works in batches of
//! bounded size, so that a plan for a million files is never in memory at once.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use mainstay_repo::{Content, Extent as ContentExtent, Node, NodeKind, Owners, TreeReader, limits};
use mainstay_sources::files::{Owners as LocalOwners, Ownership, TargetTree};
use mainstay_sources::{Entry, Kind, Warning};

use super::apply::Apply;
use super::filter::{Decision, Filter};
use super::left_alone::LeftAlone;
use super::links::Link;
use super::{Extra, Overwrite, RestoreReport, RestoreRun, SharedPath, Start, join};
use crate::backup::Warnings;
use crate::{Phase, Result};

/// What is done with one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Create,
    /// What has the name is removed first.
    Replace,
    /// An existing file is compared and rewritten where it differs; an existing directory is filled.
    Update,
    /// Only mode, owner, times and attributes.
    SetMetadata,
    /// It is as it should be.
    Keep,
    /// The overwrite rule leaves it alone.
    Skip,
    /// One more name of a file that is restored.
    Link,
    Delete,
    /// Read back and compared; nothing is written.
    Compare,
}

impl Action {
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Update => "update",
            Self::SetMetadata => "set metadata",
            Self::Keep => "keep",
            Self::Skip => "skip",
            Self::Link => "link",
            Self::Delete => "delete",
            Self::Compare => "compare",
        }
    }
}

/// One line of a plan.
#[derive(Clone, Copy, Debug)]
pub struct PlannedEntry<'a> {
    pub action: Action,
    /// Relative to the target.
    pub path: &'a [u8],
    pub kind: Option<NodeKind>,
    pub size: u64,
}

/// An entry to be written.
pub struct PlannedNode {
    pub directory: SharedPath,
    pub node: Node,
    /// Where its content lies; empty for anything but files.
    pub extents: Vec<ContentExtent>,
    pub action: Action,
}

/// Work that is applied together.
#[derive(Default)]
pub struct Batch {
    pub deletions: Vec<(SharedPath, Vec<u8>)>,
    /// Directories to make or to finish, parents first.
    pub directories: Vec<PlannedNode>,
    pub files: Vec<PlannedNode>,
    /// Symbolic links and nodes.
    pub others: Vec<PlannedNode>,
    weight: usize,
}

/// Entries and extents of one batch: about 10 MiB of plan.
const BATCH_WEIGHT: usize = 24_000;

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
    first_names: HashMap<(u64, u64), FirstName>,
    links: Vec<Link>,
    left_alone: LeftAlone,
    report: RestoreReport,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Write,
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

/// Plans everything and hands each batch to `apply` while the next one is planned.
pub fn run(mut planner: Planner<'_>, start: Start, apply: Option<&Apply<'_>>) -> Result<(RestoreReport, LeftAlone)> {
    let is_writing = planner.run.options.extent != super::Extent::Plan;
    let progress = planner.run.progress;
    let Some(apply) = apply.filter(|_| is_writing) else {
        planner.plan(start, &mut |_| Ok(()))?;
        return Ok((planner.report, planner.left_alone));
    };
    progress.phase(Phase::Restore);
    apply_while_planning(apply, |give| planner.plan(start, give))?;
    progress.phase(Phase::Finish);
    apply.link(&planner.links)?;
    apply.finish_directories()?;
    Ok((planner.report, planner.left_alone))
}

/// Reads back what was restored and compares it.
pub fn verify(
    (run, trees): (&RestoreRun<'_>, &TreeReader),
    start: Start,
    apply: &Apply<'_>,
    left_alone: LeftAlone,
) -> Result<()> {
    let warnings = Warnings::default();
    let mut planner = Planner::new(run, trees, None, &warnings)?;
    planner.purpose = Purpose::Compare;
    planner.left_alone = left_alone;
    apply_while_planning(apply, |give| planner.plan(start, give))
}

/// Runs `plan` on this thread and applies its batches on another, one batch ahead.
fn apply_while_planning(
    apply: &Apply<'_>,
    plan: impl FnOnce(&mut dyn FnMut(Batch) -> Result<()>) -> Result<()>,
) -> Result<()> {
    let (sender, receiver) = crossbeam_channel::bounded::<Batch>(1);
    std::thread::scope(|scope| {
        let applying = scope.spawn(move || receiver.iter().try_for_each(|batch| apply.batch(batch)));
        // A receiver that is gone has failed; its error is the one that counts.
        let planned = plan(&mut |batch| sender.send(batch).map_err(|_| crate::Error::Cancelled));
        drop(sender);
        match applying.join() {
            Ok(applied) => applied.and(planned),
            Err(_) => Err(crate::Error::Invalid("internal error: a restore thread panicked".to_owned())),
        }
    })
}

impl<'a> Planner<'a> {
    pub fn new(
        run: &'a RestoreRun<'a>,
        trees: &'a TreeReader,
        target: Option<&'a TargetTree>,
        warnings: &'a Warnings,
    ) -> Result<Self> {
        Ok(Self {
            run,
            trees,
            target,
            warnings,
            filter: Filter::new(&run.options.include, &run.options.exclude)?,
            owners: OwnerNumbers::new(run.options.preserve.owner),
            purpose: Purpose::Write,
            batch: Batch::default(),
            first_names: HashMap::new(),
            links: Vec::new(),
            left_alone: LeftAlone::default(),
            report: RestoreReport::default(),
        })
    }

    fn plan(&mut self, start: Start, give: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
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
            if self.batch.weight >= BATCH_WEIGHT {
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
        if decision == Decision::Skip || (self.purpose == Purpose::Compare && self.left_alone.contains(&path)) {
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
        if action == Action::Skip {
            self.leave_alone(&path);
        } else if let Some(first) = self.first_name(&node) {
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
            && let Some((inode, name)) = name
        {
            self.first_names.insert(inode, name);
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
                self.leave_alone(&path);
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

    /// The name under which the same file is restored already. Numbers of inodes and devices may come from different times,
    /// so the content must be the same as well.
    fn first_name(&self, node: &Node) -> Option<Vec<u8>> {
        if node.links < 2 {
            return None;
        }
        let first = self.first_names.get(&(node.device, node.inode))?;
        first.is_same_file(node).then(|| first.path.clone())
    }

    fn leave_alone(&mut self, path: &[u8]) {
        if self.run.options.extent == super::Extent::WriteAndVerify {
            self.left_alone.insert(path);
        }
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

/// The first name of a file that has several.
struct FirstName {
    path: Vec<u8>,
    kind: NodeKind,
    size: u64,
    modified: (i64, u32),
    content: Content,
}

impl FirstName {
    fn of(node: &Node, path: Vec<u8>) -> Option<((u64, u64), Self)> {
        if node.links < 2 || node.kind == NodeKind::Directory {
            return None;
        }
        let content = node.content.clone();
        let name = Self { path, kind: node.kind, size: node.size, modified: node.modified, content };
        Some(((node.device, node.inode), name))
    }

    fn is_same_file(&self, node: &Node) -> bool {
        (self.kind, self.size, self.modified) == (node.kind, node.size, node.modified) && self.content == node.content
    }
}

/// Users and groups by name: a number of the source may belong to somebody else here.
struct OwnerNumbers {
    local: Option<LocalOwners>,
    users: HashMap<u32, u32>,
    groups: HashMap<u32, u32>,
}

impl OwnerNumbers {
    fn new(ownership: Ownership) -> Self {
        let local = (ownership != Ownership::Skip).then(LocalOwners::load);
        Self { local, users: HashMap::new(), groups: HashMap::new() }
    }

    fn learn(&mut self, owners: &Owners) {
        let Some(local) = &self.local else { return };
        for (number, name) in &owners.users {
            self.users.entry(*number).or_insert_with(|| local.user_number(name).unwrap_or(*number));
        }
        for (number, name) in &owners.groups {
            self.groups.entry(*number).or_insert_with(|| local.group_number(name).unwrap_or(*number));
        }
    }

    fn apply(&self, node: &mut Node) {
        node.user = self.users.get(&node.user).copied().unwrap_or(node.user);
        node.group = self.groups.get(&node.group).copied().unwrap_or(node.group);
    }
}
