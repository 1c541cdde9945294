//! Carrying out a restore's plan, batch by batch.
//!
//! Owns the order within a batch: deletions, directories, links and nodes, files; and what is done last: hard links, then
//! the metadata of directories, deepest first. A problem with one entry is a warning.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mainstay_repo::NodeKind;
use mainstay_sources::files::{Applied, Metadata, TargetDirectory, TargetTree};

use super::compare::Comparing;
use super::file::{Files, Lost};
use super::links::Link;
use super::plan::{Action, Batch, PlannedNode};
use super::write::{FileBatch, WriteFiles};
use super::{Shared, SharedPath, join};
use crate::{Result, convert};

/// What applies batches.
pub struct Apply<'a> {
    shared: Shared<'a>,
    target: &'a TargetTree,
    /// Directories whose metadata is set at the end, parents first.
    directories: Mutex<Vec<(SharedPath, Vec<u8>, Metadata)>>,
    written: AtomicU64,
    lost: Lost,
    comparing: Comparing<'a>,
}

impl<'a> Apply<'a> {
    pub fn new(shared: Shared<'a>, target: &'a TargetTree) -> Self {
        let directories = Mutex::new(Vec::new());
        let comparing = Comparing::new(shared, target);
        Self { shared, target, directories, written: AtomicU64::new(0), lost: Lost::default(), comparing }
    }

    /// Bytes written, and bytes compared and found equal.
    pub fn written_bytes(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Files of which something is lost, and their sizes.
    pub fn lost(&self) -> (u64, u64) {
        (self.lost.files.load(Ordering::Relaxed), self.lost.bytes.load(Ordering::Relaxed))
    }

    /// Applies batches in order. The files of one are written when the directories of the next are there, because some of
    /// the next one's files are written with them.
    pub fn batches(&self, batches: impl IntoIterator<Item = Batch>) -> Result<()> {
        let files = WriteFiles {
            files: Files {
                run: self.shared.run,
                telling: self.shared.telling,
                open_directory: &|path| self.open_directory(path),
                written: &self.written,
                lost: &self.lost,
            },
            blocks: self.shared.trees.blocks(),
        };
        let mut current = None;
        for batch in batches {
            let mut next = FileBatch::new(self.prepare(batch)?);
            if let Some(current) = current.take() {
                files.write(current, Some(&mut next))?;
            }
            current = Some(next);
        }
        current.map_or(Ok(()), |last| files.write(last, None))
    }

    /// Applies all of a batch but the content of its files, and answers those that have some.
    fn prepare(&self, batch: Batch) -> Result<Vec<PlannedNode>> {
        for (directory, name) in &batch.deletions {
            self.shared.telling.failed(directory, name, self.remove(directory, name));
        }
        for planned in batch.directories {
            match planned.action {
                Action::Compare => _ = self.comparing.compare(&planned),
                _ => self.make_directory(planned),
            }
        }
        for planned in &batch.others {
            self.shared.run.cancel.check()?;
            match planned.action {
                Action::Compare => _ = self.comparing.compare(planned),
                _ => self.shared.telling.made(&planned.directory, &planned.node.name, self.make_other(planned)),
            }
        }
        let mut files = batch.files;
        files.retain(|planned| planned.action != Action::Compare || self.comparing.compare(planned));
        Ok(files)
    }

    /// Gives files their further names.
    pub fn link(&self, links: &[Link]) -> Result<()> {
        for link in links {
            self.shared.run.cancel.check()?;
            self.shared.telling.failed(&link.directory, &link.name, self.make_link(link));
        }
        Ok(())
    }

    /// Compares what names of one file lead to.
    pub fn compare_links(&self, links: &[Link]) -> Result<()> {
        for link in links {
            self.shared.run.cancel.check()?;
            match self.is_linked(link) {
                Ok(true) => {}
                Ok(false) => {
                    let first = String::from_utf8_lossy(&link.first);
                    let message = format!("it is not the same file as {first}");
                    self.shared.telling.about(&join(&link.directory, &link.name), &message);
                }
                Err(error) => self.shared.telling.failed(&link.directory, &link.name, Err(error)),
            }
        }
        Ok(())
    }

    /// Sets the metadata of directories, deepest first, since filling a directory changes its times.
    pub fn finish_directories(&self) -> Result<()> {
        let directories = std::mem::take(&mut *self.directories.lock().unwrap_or_else(PoisonError::into_inner));
        for (parent, name, metadata) in directories.into_iter().rev() {
            let set = self
                .target
                .directory(&parent)
                .and_then(|parent| parent.set_metadata(&name, &metadata, &self.shared.run.options.preserve));
            self.shared.telling.set(&parent, &name, set);
        }
        Ok(())
    }

    /// Opens a directory of the target; one that patterns passed over is made now.
    fn open_directory(&self, path: &SharedPath) -> mainstay_sources::Result<Arc<TargetDirectory>> {
        match self.target.directory(path) {
            Err(error) if error.is_vanished() => self.target.create_directories(path),
            other => other,
        }
    }

    fn make_directory(&self, planned: PlannedNode) {
        let PlannedNode { directory, node, action, .. } = planned;
        let make = || {
            // It is there already.
            if action == Action::Update {
                return Ok(());
            }
            let parent = self.open_directory(&directory)?;
            if action == Action::Replace {
                parent.remove(&node.name)?;
            }
            parent.create_directory(&node.name).map(|_| ())
        };
        match make() {
            Ok(()) => {
                let entry = (directory, node.name.clone(), convert::metadata(&node));
                self.directories.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
            }
            Err(error) => self.shared.telling.failed(&directory, &node.name, Err(error)),
        }
    }

    fn make_other(&self, planned: &PlannedNode) -> mainstay_sources::Result<Applied> {
        let PlannedNode { node, action, .. } = planned;
        let metadata = convert::metadata(node);
        let preserve = &self.shared.run.options.preserve;
        let parent = self.open_directory(&planned.directory)?;
        let link_target = node.link_target.as_deref().unwrap_or_default();
        let make = |name: &[u8]| match node.kind {
            NodeKind::Symlink => parent.symlink(name, link_target),
            _ => parent.make_node(name, metadata.kind, preserve),
        };
        match action {
            Action::SetMetadata => {}
            Action::Update if parent.read_link(&node.name)? == link_target => {}
            Action::Update | Action::Replace => {
                let staged = parent.stage(&node.name)?;
                make(staged.temporary())?;
                staged.publish(self.shared.run.options.extra.in_the_way())?;
            }
            _ => make(&node.name)?,
        }
        parent.set_metadata(&node.name, &metadata, preserve)
    }

    fn make_link(&self, link: &Link) -> mainstay_sources::Result<()> {
        let (first_directory, first_name) = split(&link.first);
        let from = self.target.directory(first_directory)?;
        let to = self.open_directory(&link.directory)?;
        if to.stat(&link.name)?.is_none() {
            return to.hard_link(&link.name, &from, first_name);
        }
        if self.is_linked(link)? {
            return Ok(());
        }
        let staged = to.stage(&link.name)?;
        to.hard_link(staged.temporary(), &from, first_name)?;
        staged.publish(self.shared.run.options.extra.in_the_way())
    }

    /// Whether both names are one file.
    fn is_linked(&self, link: &Link) -> mainstay_sources::Result<bool> {
        let (first_directory, first_name) = split(&link.first);
        let first = self.target.directory(first_directory)?.stat(first_name)?;
        let other = self.target.directory(&link.directory)?.stat(&link.name)?;
        let identity = |entry: mainstay_sources::Entry| (entry.device, entry.inode);
        Ok(first.is_some() && first.map(identity) == other.map(identity))
    }

    fn remove(&self, directory: &SharedPath, name: &[u8]) -> mainstay_sources::Result<()> {
        self.target.directory(directory)?.remove_tree(name)
    }
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (path.get(..slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default()),
        None => (b"", path),
    }
}
