//! A snapshot as a source: its tree is listed and read as a tree of files would be.
//!
//! Owns the way from nodes back to entries. A node and its entry say the same, so that what is backed up from here is the snapshot again.
//! Never leaves anything out: what cannot be read is kept as the reason why there will be no copy. Memory: some pages of each directory
//! that is open, and a block for each file that is being read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use mainstay_repo::{Content, Error as RepositoryError, Node, NodeKind, Owners, TreeReader};
use mainstay_sources::{Content as Reading, Details, Directory, Entry, Error, Listing, Owner, Rest, Result, Source};
use mainstay_sources::{Timestamp, Warning};

use super::content::SnapshotContent;
use super::pages::{Pages, Part};
use crate::backup::OwnerNames;
use crate::convert;

/// What all directories and files of one snapshot share.
pub struct Shared {
    pub trees: TreeReader,
    names: Arc<Names>,
    failure: Mutex<Option<RepositoryError>>,
}

impl Shared {
    /// Keeps why something cannot be read, and says it in the words of sources.
    pub fn fail(&self, path: &str, error: RepositoryError) -> Error {
        let source = std::io::Error::other(error.to_string());
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        Error::Io { verb: "copy", path: path.to_owned(), source }
    }
}

/// Names of users and groups, as far as they were listed.
#[derive(Default)]
pub struct Names {
    users: RwLock<HashMap<u32, String>>,
    groups: RwLock<HashMap<u32, String>>,
}

impl Names {
    fn add(&self, owners: &Owners) {
        for (known, more) in [(&self.users, &owners.users), (&self.groups, &owners.groups)] {
            let is_known = {
                let known = known.read().unwrap_or_else(PoisonError::into_inner);
                more.iter().all(|(number, name)| known.get(number) == Some(name))
            };
            if !is_known {
                known.write().unwrap_or_else(PoisonError::into_inner).extend(more.iter().cloned());
            }
        }
    }
}

impl OwnerNames for Names {
    fn user(&self, number: u32) -> Option<String> {
        self.users.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    fn group(&self, number: u32) -> Option<String> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }
}

/// A snapshot that is read, beside one before it of which there is a copy already.
pub struct SnapshotSource {
    shared: Arc<Shared>,
    root: Content,
    before: Option<Content>,
}

impl SnapshotSource {
    pub fn new(trees: TreeReader, root: Content, before: Option<Content>) -> Self {
        let shared = Shared { trees, names: Arc::default(), failure: Mutex::default() };
        Self { shared: Arc::new(shared), root, before }
    }

    pub fn names(&self) -> Arc<Names> {
        self.shared.names.clone()
    }

    /// Why something could not be read, if anything could not.
    pub fn take_failure(&self) -> Option<RepositoryError> {
        self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Source for SnapshotSource {
    fn root(&self) -> Result<Arc<dyn Directory>> {
        let path = "/".to_owned();
        Ok(Arc::new(SnapshotDirectory::open(self.shared.clone(), path, &self.root, self.before.as_ref())?))
    }
}

struct SnapshotDirectory {
    shared: Arc<Shared>,
    path: String,
    pages: Arc<Pages>,
    before: Before,
}

/// What the snapshot before has in the same place.
enum Before {
    Nothing,
    /// The same pages.
    Same,
    Other(Pages),
}

impl SnapshotDirectory {
    fn open(shared: Arc<Shared>, path: String, content: &Content, before: Option<&Content>) -> Result<Self> {
        let pages = Pages::open(&shared.trees, content).map_err(|error| shared.fail(&path, error))?;
        let before = match before {
            None => Before::Nothing,
            Some(before) if before == content => Before::Same,
            // What cannot be read of it is no help, and no harm.
            Some(before) => Pages::open(&shared.trees, before).map_or(Before::Nothing, Before::Other),
        };
        Ok(Self { shared, path, pages: Arc::new(pages), before })
    }

    fn path_of(&self, name: &[u8]) -> String {
        format!("{}/{}", self.path.trim_end_matches('/'), String::from_utf8_lossy(name))
    }

    fn node(&self, name: &[u8]) -> Result<Node> {
        let failed = |error| self.shared.fail(&self.path_of(name), error);
        let found = self.pages.find(&self.shared.trees, name).map_err(failed)?;
        found.ok_or_else(|| failed(RepositoryError::damaged("read tree", self.path_of(name), "it is not in its page")))
    }

    fn node_before(&self, name: &[u8]) -> Option<Node> {
        match &self.before {
            Before::Nothing => None,
            Before::Same => self.pages.find(&self.shared.trees, name).ok().flatten(),
            Before::Other(pages) => pages.find(&self.shared.trees, name).ok().flatten(),
        }
    }
}

impl Directory for SnapshotDirectory {
    fn display_path(&self) -> String {
        self.path.clone()
    }

    fn list(&self) -> Result<Listing> {
        let rest = RestOfPages { shared: self.shared.clone(), path: self.path.clone(), pages: self.pages.clone() };
        rest.part(0, None).map_err(|error| self.shared.fail(&self.path, error))
    }

    fn open_dir(&self, name: &[u8]) -> Result<Arc<dyn Directory>> {
        let (node, path) = (self.node(name)?, self.path_of(name));
        let before = self.node_before(name).filter(|node| node.kind == NodeKind::Directory);
        let before = before.as_ref().map(|node| &node.content);
        Ok(Arc::new(Self::open(self.shared.clone(), path, &node.content, before)?))
    }

    fn details(&self, entry: &Entry) -> Result<Details> {
        let node = self.node(&entry.name)?;
        Ok(Details { link_target: node.link_target, attributes: node.attributes })
    }

    fn is_unchanged(&self, entry: &Entry) -> Option<bool> {
        if matches!(self.before, Before::Same) {
            return Some(true);
        }
        let is_the_same = match (self.node(&entry.name), self.node_before(&entry.name)) {
            (Ok(node), Some(before)) if node.kind == NodeKind::Directory => {
                node == Node { content: node.content.clone(), ..before }
            }
            (Ok(node), Some(before)) => node == before,
            _ => false,
        };
        Some(is_the_same)
    }

    fn open_file(&self, entry: &Entry) -> Result<Box<dyn Reading>> {
        let (node, path) = (self.node(&entry.name)?, self.path_of(&entry.name));
        let details = Details { link_target: None, attributes: node.attributes };
        let content = SnapshotContent::open(self.shared.clone(), (path, entry.clone(), details), &node.content)?;
        Ok(Box::new(content))
    }
}

/// The pages of a directory that were not listed yet.
struct RestOfPages {
    shared: Arc<Shared>,
    path: String,
    pages: Arc<Pages>,
}

impl RestOfPages {
    fn part(self, first: usize, last_name: Option<Vec<u8>>) -> mainstay_repo::Result<Listing> {
        let Part { nodes, owners, next, last_name } = self.pages.part(&self.shared.trees, first, last_name)?;
        self.shared.names.add(&owners);
        let entries = nodes.iter().map(entry).collect();
        let rest = next.map(|next| Box::new(Later { rest: self, next, last_name }) as Box<dyn Rest>);
        Ok(Listing { entries, rest, ..Listing::default() })
    }
}

struct Later {
    rest: RestOfPages,
    next: usize,
    last_name: Option<Vec<u8>>,
}

impl Rest for Later {
    fn list(self: Box<Self>) -> Listing {
        let (shared, path) = (self.rest.shared.clone(), self.rest.path.clone());
        self.rest.part(self.next, self.last_name).unwrap_or_else(|error| {
            let message = shared.fail(&path, error).to_string();
            Listing { warnings: vec![Warning { path, message }], ..Listing::default() }
        })
    }
}

/// An entry that says what the node says: `convert::node` makes the node of it again.
fn entry(node: &Node) -> Entry {
    let timestamp = |(seconds, nanoseconds)| Timestamp { seconds, nanoseconds };
    Entry {
        name: node.name.clone(),
        kind: convert::kind(node),
        mode: node.mode,
        owner: Owner { user: node.user, group: node.group },
        size: node.size,
        modified: timestamp(node.modified),
        changed: timestamp(node.changed),
        inode: node.inode,
        device: node.device,
        links: node.links,
    }
}
