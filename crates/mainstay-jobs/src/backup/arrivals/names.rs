//! The tree that members come to, in whatever order they come.
//!
//! Owns which member has which name: the last one, as where an archive is unpacked. Names never lead out of the tree, and
//! nothing has a name beneath what is no directory. Holds metadata and never content, without recursion.

use std::collections::BTreeMap;

use mainstay_repo::{BlockId, Node, NodeKind, limits};

/// What directories get that the archive does not have itself.
const MODE: u32 = 0o755;
/// Links to links to links: so many are followed, as by Linux.
const LINKS: usize = 40;

pub struct Names {
    directories: Vec<Directory>,
    files: Vec<File>,
    /// Links to what is not there yet.
    waiting: Vec<Link>,
}

/// A further name, whose other one has not come.
struct Link {
    path: Path,
    target: Path,
    /// What had the name when the link came: what has it later came after it.
    instead_of: Option<Place>,
}

type Path = Vec<Vec<u8>>;

pub type Entries = BTreeMap<Vec<u8>, Place>;

struct Directory {
    entries: Entries,
    node: Node,
}

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Directory(usize),
    /// Anything else; it may have several names.
    File(usize),
}

/// Something that is no directory.
#[derive(Default)]
pub struct File {
    /// None until it is stored.
    pub node: Option<Node>,
    /// Blocks that only the lists of its extents name.
    pub blocks: Vec<BlockId>,
    pub names: u64,
    /// What its names know each other by; 0 until that is given.
    pub inode: u64,
}

/// A path as names.
pub struct Parts<'p> {
    pub names: Vec<&'p [u8]>,
    pub is_absolute: bool,
}

/// Takes a path apart.
///
/// # Errors
/// Why nothing can have it.
pub fn parts(path: &[u8]) -> Result<Parts<'_>, String> {
    let names = path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    // A path may be much longer than what is kept.
    let names: Vec<&[u8]> = names.take(limits::TREE_DEPTH + 1).collect();
    let fault = |name: &&[u8]| match *name {
        b".." => Some("its name leads upwards by `..`: it is left out"),
        name if name.contains(&0) => Some("its name contains a zero byte: it is left out"),
        name if name.len() > limits::NAME_LEN => Some("its name is longer than 255 bytes: it is left out"),
        _ => None,
    };
    if let Some(fault) = names.iter().find_map(fault) {
        return Err(fault.to_owned());
    }
    if names.len() > limits::TREE_DEPTH {
        return Err(format!("it is left out: no directory deeper than {} is kept", limits::TREE_DEPTH));
    }
    Ok(Parts { names, is_absolute: path.starts_with(b"/") })
}

impl Names {
    pub fn new() -> Self {
        let root = Directory { entries: Entries::new(), node: empty() };
        Self { directories: vec![root], files: Vec::new(), waiting: Vec::new() }
    }

    /// Gives a name to a new file, and answers its number. Directories above that are not there are made like the file.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn add_file(&mut self, path: &[&[u8]], like: &Node) -> Result<usize, String> {
        let (directory, name) = self.free(path, like)?;
        let file = self.files.len();
        self.files.push(File { names: 1, ..File::default() });
        self.name(directory, name, Place::File(file));
        Ok(file)
    }

    /// Adds a directory, or what is known of one that is there. The root itself is no part of a snapshot.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn add_directory(&mut self, path: &[&[u8]], node: Node) -> Result<(), String> {
        let Some((last, above)) = path.split_last() else { return Ok(()) };
        let parent = self.reach(above, &node)?;
        match self.entry(parent, last) {
            Some(Place::Directory(there)) => {
                if let Some(directory) = self.directories.get_mut(there) {
                    directory.node = node;
                }
            }
            other => {
                self.let_go(other);
                let new = self.push_directory(node);
                self.name(parent, last, Place::Directory(new));
            }
        }
        Ok(())
    }

    /// Gives one more name to what has another one, now or at the end of the archive.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn add_link(&mut self, path: &[&[u8]], target: &[&[u8]], like: &Node) -> Result<(), String> {
        match self.find(target) {
            Some(Place::File(file)) => self.link(path, file, like),
            Some(Place::Directory(_)) => Err("a link to a directory: it is left out".to_owned()),
            None => {
                let owned = |path: &[&[u8]]| path.iter().map(|name| name.to_vec()).collect();
                self.waiting.push(Link { path: owned(path), target: owned(target), instead_of: self.find(path) });
                Ok(())
            }
        }
    }

    /// Tries the links again whose other name had not come. Answers those that lead nowhere: path, and why.
    pub fn settle_links(&mut self) -> Vec<(Vec<u8>, String)> {
        let (like, mut faults) = (empty(), Vec::new());
        for _ in 0..LINKS {
            let mut left = Vec::new();
            let before = self.waiting.len();
            // The last of a name is the first, and keeps those before it from having it.
            while let Some(link) = self.waiting.pop() {
                let (path, target) = (slices(&link.path), slices(&link.target));
                if self.find(&path) != link.instead_of {
                    // What came later has the name.
                    continue;
                }
                if self.find(&target).is_none() {
                    left.push(link);
                } else if let Err(fault) = self.add_link(&path, &target, &like) {
                    faults.push((link.path.join(&b'/'), fault));
                }
            }
            left.reverse();
            self.waiting = left;
            if self.waiting.is_empty() || self.waiting.len() == before {
                break;
            }
        }
        let lost = std::mem::take(&mut self.waiting).into_iter().map(|link| {
            let target = String::from_utf8_lossy(&link.target.join(&b'/')).into_owned();
            let shown = mainstay_sources::shortened(&target);
            (link.path.join(&b'/'), format!("a link to {shown}, which is not in the archive: it is left out"))
        });
        faults.extend(lost);
        faults
    }

    /// Keeps the node of a file, unless nothing has a name of it any more.
    pub fn fill(&mut self, file: usize, node: Node, blocks: Vec<BlockId>) {
        let Some(file) = self.files.get_mut(file).filter(|file| file.names > 0) else { return };
        // Others are told by the node.
        file.blocks = if node.content.lists.is_empty() { Vec::new() } else { blocks };
        // The name stands in the directory.
        file.node = Some(Node { name: Vec::new(), ..node });
    }

    pub fn file(&mut self, file: usize) -> Option<&mut File> {
        self.files.get_mut(file)
    }

    /// A directory, which is not in the tree any more then.
    pub fn take_directory(&mut self, directory: usize) -> (Node, Entries) {
        let Some(directory) = self.directories.get_mut(directory) else { return (empty(), Entries::new()) };
        let node = std::mem::replace(&mut directory.node, empty());
        (node, std::mem::take(&mut directory.entries))
    }

    fn link(&mut self, path: &[&[u8]], file: usize, like: &Node) -> Result<(), String> {
        // Before another name is let go, which may be its last one.
        self.count(file, 1);
        match self.free(path, like) {
            Ok((directory, name)) => {
                self.name(directory, name, Place::File(file));
                Ok(())
            }
            Err(fault) => {
                self.count(file, -1);
                Err(fault)
            }
        }
    }

    /// The directory and the name of a path that nothing has, or nothing any more.
    fn free<'p>(&mut self, path: &[&'p [u8]], like: &Node) -> Result<(usize, &'p [u8]), String> {
        let Some((last, above)) = path.split_last() else { return Err("it has no name: it is left out".to_owned()) };
        let directory = self.reach(above, like)?;
        let there = self.entry(directory, last);
        if let Some(Place::Directory(there)) = there
            && self.directories.get(there).is_some_and(|there| !there.entries.is_empty())
        {
            return Err("a directory that holds something has this name: it is left out".to_owned());
        }
        self.let_go(there);
        Ok((directory, last))
    }

    /// The directory of a path; it and those above it are made if they are not there.
    fn reach(&mut self, path: &[&[u8]], like: &Node) -> Result<usize, String> {
        let mut directory = 0;
        for name in path {
            directory = match self.entry(directory, name) {
                Some(Place::Directory(next)) => next,
                Some(Place::File(_)) => {
                    let name = mainstay_sources::shortened(&String::from_utf8_lossy(name));
                    return Err(format!("{name} above it is no directory: it is left out"));
                }
                None => {
                    let next = self.push_directory(implied(like));
                    self.name(directory, name, Place::Directory(next));
                    next
                }
            };
        }
        Ok(directory)
    }

    fn find(&self, path: &[&[u8]]) -> Option<Place> {
        path.iter().try_fold(Place::Directory(0), |place, name| match place {
            Place::Directory(directory) => self.entry(directory, name),
            Place::File(_) => None,
        })
    }

    fn entry(&self, directory: usize, name: &[u8]) -> Option<Place> {
        self.directories.get(directory)?.entries.get(name).copied()
    }

    fn name(&mut self, directory: usize, name: &[u8], place: Place) {
        if let Some(directory) = self.directories.get_mut(directory) {
            directory.entries.insert(name.to_vec(), place);
        }
    }

    fn push_directory(&mut self, node: Node) -> usize {
        self.directories.push(Directory { entries: Entries::new(), node });
        self.directories.len() - 1
    }

    fn let_go(&mut self, place: Option<Place>) {
        if let Some(Place::File(file)) = place {
            self.count(file, -1);
        }
    }

    fn count(&mut self, file: usize, names: i64) {
        let Some(file) = self.files.get_mut(file) else { return };
        file.names = file.names.saturating_add_signed(names);
        if file.names == 0 {
            (file.node, file.blocks) = (None, Vec::new());
        }
    }
}

fn slices(path: &Path) -> Vec<&[u8]> {
    path.iter().map(Vec::as_slice).collect()
}

/// A directory that only names tell of.
fn implied(like: &Node) -> Node {
    Node { mode: MODE, user: like.user, group: like.group, modified: like.modified, ..empty() }
}

fn empty() -> Node {
    Node::new("", NodeKind::Directory)
}

#[cfg(test)]
mod tests;
