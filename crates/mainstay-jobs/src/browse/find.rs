//! Finding names in many snapshots.
//!
//! Owns the meaning of a pattern, and remembering which directories hold no match, so that what snapshots share is
//! searched once.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};
use mainstay_repo::{Content, Extent, Node, NodeKind, Owners, SnapshotEntry, TreeReader};
use mainstay_sources::shortened;

use super::Each;
use super::walk::{Descend, Visitor, walk};
use crate::{Error, Result};

/// Whether `a` finds `A`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    Sensitive,
    Ignored,
}

/// A glob: without a slash it is compared with names; with one, with paths, from the root on if it begins with it and
/// else at any depth. `*` and `?` match no slash, `**` does.
#[derive(Clone, Debug)]
pub struct Pattern {
    matcher: GlobMatcher,
    on_paths: bool,
}

impl Pattern {
    /// # Errors
    /// [`Error::Invalid`] when the text is no glob.
    pub fn parse(text: &str, case: Case) -> Result<Self> {
        let on_paths = text.contains('/');
        let glob = match text.strip_prefix('/') {
            Some(anchored) => anchored.to_owned(),
            None if on_paths => format!("**/{text}"),
            None => text.to_owned(),
        };
        let glob = GlobBuilder::new(glob.trim_end_matches('/'))
            .literal_separator(true)
            .backslash_escape(true)
            .case_insensitive(case == Case::Ignored)
            .build()
            .map_err(|error| {
                let reason = shortened(&error.kind().to_string());
                Error::Invalid(format!("read pattern {:?}: {reason}", shortened(text)))
            })?;
        Ok(Self { matcher: glob.compile_matcher(), on_paths })
    }

    /// Whether the entry at `path`, called `name`, is meant.
    pub fn matches(&self, path: &[u8], name: &[u8]) -> bool {
        let subject = if self.on_paths { path } else { name };
        self.matcher.is_match(Path::new(std::ffi::OsStr::from_bytes(subject)))
    }
}

/// A directory and, where the pattern asks for it, its path; 128 bits never meet by chance.
type Key = [u8; 16];

/// What is told of a match: the snapshot, the path, the node and the names of owners.
pub type Found<'f> = dyn FnMut(&SnapshotEntry, &[u8], &Node, &Owners) -> Result<()> + 'f;

/// Calls `each` with every entry that a pattern means, snapshot after snapshot in the order given: hand them over newest
/// first.
pub fn find(trees: &TreeReader, entries: &[&SnapshotEntry], pattern: &Pattern, each: &mut Found<'_>) -> Result<()> {
    let mut barren = HashSet::new();
    for entry in entries {
        let mut found = |path: &[u8], node: &Node, owners: &Owners| each(entry, path, node, owners);
        let mut search = Search { pattern, barren: &mut barren, matches: 0, before: vec![0], each: &mut found };
        if !search.is_barren(b"", &entry.snapshot.root) {
            walk(trees, b"", &entry.snapshot.root, &mut search)?;
        }
    }
    Ok(())
}

struct Search<'a> {
    pattern: &'a Pattern,
    /// Directories without a match in them, from any snapshot.
    barren: &'a mut HashSet<Key>,
    matches: u64,
    /// For each directory on the way down, the matches before it.
    before: Vec<u64>,
    each: &'a mut Each<'a>,
}

impl Search<'_> {
    fn key(&self, path: &[u8], directory: &Content) -> Key {
        let mut hasher = blake3::Hasher::new();
        if self.pattern.on_paths {
            hasher.update(&(path.len() as u64).to_le_bytes()).update(path);
        }
        hasher.update(&(directory.lists.len() as u64).to_le_bytes());
        for extent in directory.lists.iter().chain(&directory.extents) {
            if let Extent::Data { block, offset, len } = extent {
                hasher.update(&block.session.0).update(&block.serial.to_le_bytes());
                hasher.update(&offset.to_le_bytes()).update(&len.to_le_bytes());
            }
        }
        let mut key = [0; 16];
        hasher.finalize_xof().fill(&mut key);
        key
    }

    fn is_barren(&self, path: &[u8], directory: &Content) -> bool {
        self.barren.contains(&self.key(path, directory))
    }
}

impl Visitor for Search<'_> {
    fn node(&mut self, path: &[u8], node: &Node, owners: &Owners) -> Result<Descend> {
        if self.pattern.matches(path, &node.name) {
            self.matches += 1;
            (self.each)(path, node, owners)?;
        }
        if node.kind != NodeKind::Directory || self.is_barren(path, &node.content) {
            return Ok(Descend::Past);
        }
        self.before.push(self.matches);
        Ok(Descend::Into)
    }

    fn leave(&mut self, path: &[u8], directory: &Content) -> Result<()> {
        if self.before.pop() == Some(self.matches) {
            let key = self.key(path, directory);
            self.barren.insert(key);
        }
        Ok(())
    }
}
