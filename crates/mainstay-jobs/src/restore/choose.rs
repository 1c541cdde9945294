//! What is done with an entry, no directory, whose name is taken in the target.
//!
//! Owns the overwrite rules. Looks and warns, and changes nothing.

use mainstay_repo::{Node, NodeKind};
use mainstay_sources::files::{Ownership, TargetTree};
use mainstay_sources::{Entry, Kind, Listing};

use super::guard::Guard;
use super::plan::Action;
use super::{Extra, Overwrite, Shared};
use crate::convert;

/// What a choice needs to know.
pub struct Choosing<'a> {
    pub shared: Shared<'a>,
    pub target: Option<&'a TargetTree>,
    pub guard: &'a Guard,
}

impl Choosing<'_> {
    pub fn choose(&self, node: &Node, existing: &Entry, path: &[u8]) -> Action {
        let options = self.shared.run.options;
        let is_older = (existing.modified.seconds, existing.modified.nanoseconds) < node.modified;
        if options.overwrite == Overwrite::Never || (options.overwrite == Overwrite::IfNewer && !is_older) {
            return Action::Skip;
        }
        let is_device = matches!(node.kind, NodeKind::CharacterDevice | NodeKind::BlockDevice);
        if is_device && !options.preserve.devices {
            return self.skip(path, "devices are not restored unless asked for");
        }
        match existing.kind {
            Kind::Directory => self.over_directory(existing, path),
            // A file with other names may be reached from outside the target: it is left and a new one is made.
            _ if existing.links > 1 && !self.looks_same(node, existing) => Action::Replace,
            Kind::File if node.kind == NodeKind::File => self.over_file(node, existing),
            Kind::Symlink if node.kind == NodeKind::Symlink => Action::Update,
            kind if kind == convert::kind(node) => Action::SetMetadata,
            _ => Action::Replace,
        }
    }

    fn over_file(&self, node: &Node, existing: &Entry) -> Action {
        if !self.looks_same(node, existing) {
            return Action::Update;
        }
        let owner_differs = self.shared.run.options.preserve.owner != Ownership::Skip
            && (existing.owner.user, existing.owner.group) != (node.user, node.group);
        if existing.mode != node.mode || owner_differs { Action::SetMetadata } else { Action::Keep }
    }

    /// Whether a file's size and time are believed, and are the snapshot's.
    fn looks_same(&self, node: &Node, existing: &Entry) -> bool {
        self.shared.run.options.overwrite == Overwrite::IfChanged
            && (existing.kind, node.kind) == (Kind::File, NodeKind::File)
            && existing.size == node.size
            && (existing.modified.seconds, existing.modified.nanoseconds) == node.modified
    }

    /// A directory makes way when nothing is in it, or when what the snapshot does not have is to be deleted.
    fn over_directory(&self, existing: &Entry, path: &[u8]) -> Action {
        if let Some(why) = self.guard.keeps(path, existing) {
            return self.skip(path, &format!("a directory has its name, and {why}"));
        }
        let is_empty = || {
            let listed = self.target.map(|target| target.directory(path).and_then(|directory| directory.list()));
            let has_nothing =
                |found: Listing| found.entries.is_empty() && found.warnings.is_empty() && found.rest.is_none();
            listed.is_some_and(|listed| listed.is_ok_and(has_nothing))
        };
        if self.shared.run.options.extra == Extra::Delete || is_empty() {
            return Action::Replace;
        }
        self.skip(path, "a directory with entries has its name; remove it, or restore elsewhere")
    }

    fn skip(&self, path: &[u8], message: &str) -> Action {
        self.shared.telling.about(path, message);
        Action::Skip
    }
}
