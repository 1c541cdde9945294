//! Carrying out a restore's plan, batch by batch.
//!
//! Owns the order within a batch: deletions, directories, links and nodes, files; and what is done last: hard links, then
//! the metadata of directories, deepest first. A problem with one entry is a warning.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mainstay_repo::{NodeKind, TreeReader};
use mainstay_sources::files::{Metadata, TargetDirectory, TargetTree};
use mainstay_sources::{Kind, Warning};

use super::links::Link;
use super::plan::{Action, Batch, PlannedNode};
use super::write::WriteFiles;
use super::{RestoreRun, SharedPath, join};
use crate::backup::Warnings;
use crate::{Result, convert};

/// What applies batches.
pub struct Apply<'a> {
    run: &'a RestoreRun<'a>,
    trees: &'a TreeReader,
    target: &'a TargetTree,
    warnings: &'a Warnings,
    /// Directories whose metadata is set at the end, parents first.
    directories: Mutex<Vec<(SharedPath, Vec<u8>, Metadata)>>,
    written: AtomicU64,
    lost: AtomicU64,
}

impl<'a> Apply<'a> {
    pub fn new(run: &'a RestoreRun<'a>, trees: &'a TreeReader, target: &'a TargetTree, warnings: &'a Warnings) -> Self {
        Self {
            run,
            trees,
            target,
            warnings,
            directories: Mutex::new(Vec::new()),
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }
    }

    /// Bytes written, and bytes compared and found equal.
    pub fn written_bytes(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub fn lost_files(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Applies one batch.
    pub fn batch(&self, batch: Batch) -> Result<()> {
        for (directory, name) in &batch.deletions {
            self.or_warn(directory, name, self.remove(directory, name));
        }
        for planned in batch.directories {
            self.make_directory(planned);
        }
        for planned in &batch.others {
            self.run.cancel.check()?;
            self.or_warn(&planned.directory, &planned.node.name, self.make_other(planned));
        }
        let written = WriteFiles {
            run: self.run,
            blocks: self.trees.blocks(),
            warnings: self.warnings,
            lost: &self.lost,
            open_directory: &|path| self.open_directory(path),
        }
        .write(batch.files)?;
        self.written.fetch_add(written, Ordering::Relaxed);
        Ok(())
    }

    /// Gives files their further names.
    pub fn link(&self, links: &[Link]) -> Result<()> {
        for link in links {
            self.run.cancel.check()?;
            self.or_warn(&link.directory, &link.name, self.make_link(link));
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
                .and_then(|parent| parent.set_metadata(&name, &metadata, &self.run.options.preserve));
            match set {
                Ok(warnings) => self.pass_on(warnings),
                Err(error) => self.or_warn(&parent, &name, Err(error)),
            }
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
            let parent = self.open_directory(&directory)?;
            if action == Action::Replace {
                parent.remove(&node.name)?;
            }
            parent.create_directory(&node.name)
        };
        match make() {
            Ok(_) => {
                let entry = (directory, node.name.clone(), convert::metadata(&node));
                self.directories.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
            }
            Err(error) => self.or_warn(&directory, &node.name, Err(error)),
        }
    }

    fn make_other(&self, planned: &PlannedNode) -> mainstay_sources::Result<()> {
        let node = &planned.node;
        let metadata = convert::metadata(node);
        let parent = self.open_directory(&planned.directory)?;
        if planned.action == Action::Replace {
            parent.remove(&node.name)?;
        }
        match node.kind {
            NodeKind::Symlink => parent.symlink(&node.name, node.link_target.as_deref().unwrap_or_default())?,
            _ => parent.make_node(&node.name, metadata.kind, &self.run.options.preserve)?,
        }
        self.pass_on(parent.set_metadata(&node.name, &metadata, &self.run.options.preserve)?);
        Ok(())
    }

    fn make_link(&self, link: &Link) -> mainstay_sources::Result<()> {
        let (first_directory, first_name) = split(&link.first);
        let from = self.target.directory(first_directory)?;
        let to = self.open_directory(&link.directory)?;
        if let Some(existing) = to.stat(&link.name)? {
            let first = from.stat(first_name)?;
            if first.is_some_and(|first| (first.device, first.inode) == (existing.device, existing.inode)) {
                return Ok(());
            }
            if existing.kind != Kind::Directory {
                to.remove(&link.name)?;
            }
        }
        to.hard_link(&link.name, &from, first_name)
    }

    fn remove(&self, directory: &SharedPath, name: &[u8]) -> mainstay_sources::Result<()> {
        self.target.directory(directory)?.remove_tree(name)
    }

    fn or_warn(&self, directory: &[u8], name: &[u8], result: mainstay_sources::Result<()>) {
        if let Err(error) = result {
            let path = String::from_utf8_lossy(&join(directory, name)).into_owned();
            self.warnings.add(self.run.progress, Warning { path, message: error.to_string() });
        }
    }

    fn pass_on(&self, warnings: Vec<Warning>) {
        for warning in warnings {
            self.warnings.add(self.run.progress, warning);
        }
    }
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (path.get(..slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default()),
        None => (b"", path),
    }
}
