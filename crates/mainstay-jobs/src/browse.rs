//! Looking into snapshots: listing, finding, the history of a path, and printing a file.
//!
//! Owns what each of these verbs visits and in which order. Reads tree pages, and content only to print or compare it;
//! never prints and never changes anything.

mod content;
mod find;
mod walk;

use std::io::Write;

use mainstay_repo::{Content, Node, NodeKind, Owners, SnapshotEntry, SnapshotId, TreeReader};

use crate::diff::{self, Difference};
use crate::select::{self, Lookup};
use crate::{Error, Result};

pub(crate) use content::{BlockBuffer, extents};
pub use find::{Case, Found, Pattern, find};
pub(crate) use walk::push_name;
pub use walk::{Descend, Visitor, walk};

#[cfg(test)]
mod tests;

/// How far a listing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The directory's own entries.
    Children,
    /// Everything beneath the directory.
    Everything,
}

/// What is told of an entry: its path, its node, and names of users and groups, its own among them where the snapshot
/// knows them.
pub type Each<'e> = dyn FnMut(&[u8], &Node, &Owners) -> Result<()> + 'e;

/// Calls `each` with every entry of a directory, in order of names, a directory before what is in
/// it. Paths begin with `path`, the directory's own.
pub fn list(trees: &TreeReader, path: &[u8], directory: &Content, reach: Reach, each: &mut Each<'_>) -> Result<()> {
    struct Listing<'a, 'e> {
        reach: Reach,
        each: &'a mut Each<'e>,
    }
    impl Visitor for Listing<'_, '_> {
        fn node(&mut self, path: &[u8], node: &Node, owners: &Owners) -> Result<Descend> {
            (self.each)(path, node, owners)?;
            Ok(match self.reach {
                Reach::Children => Descend::Past,
                Reach::Everything => Descend::Into,
            })
        }
    }
    walk(trees, path, directory, &mut Listing { reach, each })
}

/// One step in the life of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub snapshot: SnapshotId,
    /// Begin of that backup, nanoseconds since the Unix epoch.
    pub started: i64,
    pub step: Step,
    /// The entry as it is from here on; none once it has vanished.
    pub node: Option<Node>,
    /// Names of users and groups, as for [`Each`].
    pub owners: Owners,
}

/// What happened to a path from one snapshot to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Appeared,
    Changed(Difference),
    Vanished,
}

/// Follows a normalised path through snapshots, given oldest first; snapshots in which nothing changed give no event.
/// A directory changes with its own metadata only.
///
/// # Errors
/// [`Error::Invalid`] for the root, which has no history.
pub fn history(trees: &TreeReader, entries: &[&SnapshotEntry], path: &[u8]) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    let mut last: Option<Node> = None;
    let mut last_root: Option<&Content> = None;
    for entry in entries {
        let root = &entry.snapshot.root;
        if last_root.replace(root) == Some(root) {
            continue;
        }
        let (found, owners) = match select::look_up(trees, root, path)? {
            Lookup::Found(node, owners) => (Some(*node), owners),
            Lookup::Absent => (None, Owners::default()),
            Lookup::Root => return Err(Error::Invalid("show history: the root itself has none".to_owned())),
        };
        let step = match (&last, &found) {
            (None, Some(_)) => Some(Step::Appeared),
            (Some(_), None) => Some(Step::Vanished),
            (Some(old), Some(new)) => diff::compare(trees, old, new)?.map(Step::Changed),
            (None, None) => None,
        };
        if let Some(step) = step {
            let (snapshot, started) = (entry.id, entry.snapshot.started);
            events.push(Event { snapshot, started, step, node: found.clone(), owners });
        }
        last = found;
    }
    Ok(events)
}

/// Zeros for holes.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Writes the content of a file, block by block; memory is that of two blocks, however large the file.
///
/// # Errors
/// [`Error::Invalid`] for anything but a file.
pub fn cat(trees: &TreeReader, node: &Node, out: &mut dyn Write) -> Result<()> {
    if node.kind != NodeKind::File {
        let name = String::from_utf8_lossy(&node.name);
        return Err(Error::Invalid(format!("print {name:?}: it is not a file")));
    }
    let failed = |source| mainstay_repo::Error::Store { verb: "write", name: "the output".to_owned(), source };
    let mut buffer = BlockBuffer::new(trees);
    let mut written = 0;
    for extent in extents(trees, &node.content) {
        let extent = extent?;
        written += extent.content_len();
        match extent {
            mainstay_repo::Extent::Data { block, offset, len } => {
                out.write_all(buffer.read(block, offset, len)?).map_err(failed)?;
            }
            mainstay_repo::Extent::Hole { len } => write_zeros(out, len).map_err(failed)?,
        }
    }
    if written != node.size {
        let problem = format!("expected {} bytes, got {written}", node.size);
        return Err(mainstay_repo::Error::damaged("print", String::from_utf8_lossy(&node.name), problem).into());
    }
    Ok(())
}

fn write_zeros(out: &mut dyn Write, len: u64) -> std::io::Result<()> {
    let mut left = len;
    while left > 0 {
        let part = left.min(ZEROS.len() as u64);
        out.write_all(ZEROS.get(..part as usize).unwrap_or_default())?;
        left -= part;
    }
    Ok(())
}
