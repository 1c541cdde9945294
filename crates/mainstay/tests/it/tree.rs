//! What a tree on the disk looks like: everything that must come back, as plain data that compares.
//!
//! Owns looking, by the standard library and `rustix` alone: no code under test judges itself.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, SeekFrom, Timespec, Timestamps, UTIME_OMIT};

/// One entry of a tree.
#[derive(Clone, PartialEq, Eq)]
pub struct Seen {
    /// Kind and permission bits.
    pub mode: u32,
    pub owner: (u32, u32),
    pub modified: (i64, i64),
    pub content: Vec<u8>,
    /// Where a file holds data; all else is hole.
    pub data: Vec<(u64, u64)>,
    pub link_target: Option<PathBuf>,
    /// The first of all names of an entry that has several.
    pub first_name: Option<PathBuf>,
    pub device: u64,
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:o} {:?} {:?} {} bytes", self.mode, self.owner, self.modified, self.content.len())?;
        write!(formatter, " at {:?} to {:?} as {:?}", self.data, self.link_target, self.first_name)?;
        write!(formatter, " device {} attributes {:?}", self.device, self.attributes)
    }
}

/// Everything beneath a directory.
pub fn look(root: &Path) -> BTreeMap<PathBuf, Seen> {
    let mut first_names = HashMap::<u64, PathBuf>::new();
    let mut found = BTreeMap::new();
    for path in beneath(root) {
        let name = path.strip_prefix(root).expect("it is beneath").to_owned();
        let metadata = path.symlink_metadata().expect("it is there");
        let mut seen = see(&path, &metadata);
        if metadata.nlink() > 1 && !metadata.is_dir() {
            seen.first_name = Some(first_names.entry(metadata.ino()).or_insert_with(|| name.clone()).clone());
        }
        found.insert(name, seen);
    }
    found
}

/// Asserts that two trees are the same, entry by entry.
#[track_caller]
pub fn assert_same(found: &Path, wanted: &Path) {
    let (found, wanted) = (look(found), look(wanted));
    let names = |tree: &BTreeMap<PathBuf, Seen>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&wanted));
    for (name, seen) in &wanted {
        assert!(found[name] == *seen, "{}: found {:?}, wanted {seen:?}", name.display(), found[name]);
    }
}

fn beneath(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut pending) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.symlink_metadata().expect("it is there").is_dir() {
                pending.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    found
}

fn see(path: &Path, metadata: &Metadata) -> Seen {
    let is_file = metadata.is_file();
    Seen {
        mode: metadata.mode(),
        owner: (metadata.uid(), metadata.gid()),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        content: if is_file { std::fs::read(path).expect("a file") } else { Vec::new() },
        data: if is_file { data_of(path, metadata.len()) } else { Vec::new() },
        link_target: metadata.is_symlink().then(|| path.read_link().expect("a link")),
        first_name: None,
        device: metadata.rdev(),
        attributes: attributes(path),
    }
}

/// The stretches of a file that hold data, neighbours joined.
pub fn data_of(path: &Path, len: u64) -> Vec<(u64, u64)> {
    let file = File::open(path).expect("a file");
    let (mut stretches, mut at) = (Vec::new(), 0);
    while at < len {
        let Ok(start) = rustix::fs::seek(&file, SeekFrom::Data(at)) else { break };
        at = rustix::fs::seek(&file, SeekFrom::Hole(start)).expect("there is an end").min(len);
        stretches.push((start, at));
    }
    stretches
}

/// Extended attributes, ACLs among them, sorted; without labels that the system sets by itself.
pub fn attributes(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut names = vec![0_u8; 64 << 10];
    let len = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let names = names[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty() && *name != b"security.selinux");
    let mut attributes: Vec<_> = names
        .map(|name| {
            let mut value = vec![0_u8; 64 << 10];
            let len = rustix::fs::lgetxattr(path, name, &mut value[..]).expect("it was listed");
            (name.to_vec(), value[..len].to_vec())
        })
        .collect();
    attributes.sort();
    attributes
}

/// Sets the modification time of an entry, a link itself included.
pub fn set_time(path: &Path, seconds: i64, nanoseconds: i64) {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds },
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("it is ours");
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
