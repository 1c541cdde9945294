//! The directories above the roots: real metadata, but only the entries that lead to a root.
//!
//! They are opened for searching only, because a user may well not be allowed to list what lies above a home directory.

use std::collections::HashMap;
use std::sync::Arc;

use super::directory::FileDirectory;
use super::open_directory::{Access, OpenDirectory};
use super::roots::{NodeId, Roots, Way};
use super::rules::Rules;
use super::{paths, status};
use crate::{Content, Details, Directory, Entry, Listing, Result, Warning};

/// The arranged roots and the rules of each.
pub(super) struct Plan {
    pub(super) roots: Roots,
    /// By the root's absolute path.
    pub(super) rules: HashMap<Vec<u8>, Arc<Rules>>,
}

/// One directory that leads to roots.
pub(super) struct SpineDirectory {
    plan: Arc<Plan>,
    node: NodeId,
    open: OpenDirectory,
}

impl SpineDirectory {
    /// The virtual root of the tree, which is `/`.
    ///
    /// # Errors
    /// When `/` cannot be opened.
    pub(super) fn top(plan: Arc<Plan>) -> Result<Self> {
        let node = plan.roots.top();
        Ok(Self { plan, node, open: OpenDirectory::root(Access::Search)? })
    }
}

impl Directory for SpineDirectory {
    fn display_path(&self) -> String {
        paths::shown(&self.open.path)
    }

    fn list(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        for (name, _) in self.plan.roots.children(self.node) {
            let examined = status::of_bytes(self.open.borrow(), name).map_err(std::io::Error::from);
            let message = match examined.map(|status| status::entry(name.to_vec(), &status)) {
                Ok(Some(entry)) => {
                    listing.entries.push(entry);
                    continue;
                }
                Ok(None) => "it is of an unknown kind".to_owned(),
                // Unlike any other entry, one that the user named must not vanish without a word.
                Err(error) => error.to_string(),
            };
            listing.warnings.push(Warning {
                path: paths::shown(&paths::join(&self.open.path, name)),
                message: format!("examine entry: {message}"),
            });
        }
        Ok(listing)
    }

    fn open_dir(&self, name: &[u8]) -> Result<Arc<dyn Directory>> {
        match self.plan.roots.child(self.node, name) {
            Some(Way::Spine(node)) => Ok(Arc::new(Self {
                plan: Arc::clone(&self.plan),
                node,
                open: self.open.open_directory(name, Access::Search)?,
            })),
            Some(Way::Root) => {
                let open = self.open.open_directory(name, Access::Read)?;
                let path = paths::join(&self.open.path, name);
                let rules = self.plan.rules.get(&path).map(Arc::clone);
                let rules = rules.ok_or_else(|| not_part(&self.open.path, name))?;
                Ok(Arc::new(FileDirectory::new(open, rules)?))
            }
            None => Err(not_part(&self.open.path, name)),
        }
    }

    fn details(&self, entry: &Entry) -> Result<Details> {
        self.open.details(entry)
    }

    fn open_file(&self, entry: &Entry) -> Result<Box<dyn Content>> {
        match self.plan.roots.child(self.node, &entry.name) {
            Some(Way::Root) => Ok(Box::new(self.open.open_file(entry)?)),
            _ => Err(not_part(&self.open.path, &entry.name)),
        }
    }
}

fn not_part(directory: &[u8], name: &[u8]) -> crate::Error {
    paths::refused("open", directory, name, "it is not part of the source")
}
