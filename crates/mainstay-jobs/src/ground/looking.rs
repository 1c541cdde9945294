//! What a tree on the disk looks like: everything that a restore must bring back, as plain data that compares.
//!
//! Owns reading through the standard library and `rustix` alone, so that no code under test judges itself.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, Metadata};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::SeekFrom;

/// One entry of a tree.
#[derive(Clone, PartialEq, Eq)]
pub struct Seen {
    /// Kind and permission bits.
    pub mode: u32,
    pub owner: (u32, u32),
    pub modified: (i64, i64),
    pub size: u64,
    /// Hash of a file's content.
    pub content: Option<blake3::Hash>,
    /// Where a file holds data; all else is hole.
    pub data: Vec<(u64, u64)>,
    pub link_target: Option<Vec<u8>>,
    /// The first of all names of a file that has several.
    pub first_name: Option<Vec<u8>>,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let content = self.content.map(|hash| hash.to_hex()[..8].to_owned());
        write!(formatter, "{:o} {:?} {:?} {} bytes", self.mode, self.owner, self.modified, self.size)?;
        write!(formatter, " {content:?} at {:?}", self.data)?;
        write!(formatter, " to {:?} as {:?}", self.link_target, self.first_name)
    }
}

/// Where zeros may lie that are stored and those that are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holes {
    /// Exactly where they were.
    Exact,
    /// Every hole is one again, and there may be more: zeros that were written in place of a hole read the same.
    AtLeast,
}

/// The first entry in which two trees differ, and how.
pub fn difference(found: &Path, wanted: &Path, holes: Holes) -> Option<String> {
    let (mut found, wanted) = (look(found), look(wanted));
    for (name, wanted) in wanted {
        let mut found = found.remove(&name);
        if let (Some(found), Holes::AtLeast) = (&mut found, holes)
            && found.data.iter().all(|(start, end)| wanted.data.iter().any(|(from, to)| from <= start && end <= to))
        {
            found.data.clone_from(&wanted.data);
        }
        if found.as_ref() != Some(&wanted) {
            return Some(format!("{}: found {found:?}, wanted {wanted:?}", name.escape_ascii()));
        }
    }
    found.keys().next().map(|name| format!("{} is too much", name.escape_ascii()))
}

/// Everything beneath a directory by its path.
pub fn look(root: &Path) -> BTreeMap<Vec<u8>, Seen> {
    let mut found = BTreeMap::new();
    let mut first_names = HashMap::<u64, Vec<u8>>::new();
    let mut pending = vec![root.to_owned()];
    let mut paths = Vec::new();
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                pending.push(path.clone());
            }
            paths.push(path);
        }
    }
    paths.sort_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    for path in paths {
        let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
        let metadata = path.symlink_metadata().unwrap();
        let mut seen = see(&path, &metadata);
        if metadata.nlink() > 1 && !metadata.is_dir() {
            seen.first_name = Some(first_names.entry(metadata.ino()).or_insert_with(|| name.clone()).clone());
        }
        found.insert(name, seen);
    }
    found
}

fn see(path: &Path, metadata: &Metadata) -> Seen {
    let is_file = metadata.is_file();
    Seen {
        mode: metadata.mode(),
        owner: (metadata.uid(), metadata.gid()),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        // The size of a directory is its file system's business.
        size: if metadata.is_dir() { 0 } else { metadata.len() },
        content: is_file.then(|| blake3::hash(&std::fs::read(path).unwrap())),
        data: if is_file { data_of(path, metadata.len()) } else { Vec::new() },
        link_target: metadata.is_symlink().then(|| std::fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec()),
        first_name: None,
    }
}

/// The stretches of a file that hold data, neighbours joined.
fn data_of(path: &Path, len: u64) -> Vec<(u64, u64)> {
    let file = File::open(path).unwrap();
    let (mut stretches, mut at) = (Vec::new(), 0);
    while at < len {
        let Ok(start) = rustix::fs::seek(&file, SeekFrom::Data(at)) else { break };
        at = rustix::fs::seek(&file, SeekFrom::Hole(start)).unwrap().min(len);
        stretches.push((start, at));
    }
    stretches
}

/// A file's bytes.
pub fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}
