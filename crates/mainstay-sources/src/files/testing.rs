//! What the tests of this module share: trees on the real file system, and walks that assert as they go.
//!
//! For tests only. A walk fails the test at the first warning, so that none goes unseen.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags};

use crate::files::{FileOptions, FileSource};
use crate::{Content, Directory, Entry, Kind, Run, Source as _};

/// An access ACL that lets user 12345 read; layout: version 2, then tag, permissions and id of each entry, little-endian
/// (Linux `posix_acl_xattr.h`).
pub(super) fn acl() -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    let none = u32::MAX;
    for (tag, permissions, id) in [(1_u16, 6_u16, none), (2, 4, 12345), (4, 4, none), (16, 4, none), (32, 0, none)] {
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&permissions.to_le_bytes());
        bytes.extend_from_slice(&id.to_le_bytes());
    }
    bytes
}

/// Says whether attributes of users can be written where the tests work.
pub(super) fn has_attributes(directory: &Path) -> bool {
    let probe = directory.join("attribute-probe");
    std::fs::write(&probe, b"").unwrap();
    let set = rustix::fs::setxattr(&probe, "user.probe", b"1", rustix::fs::XattrFlags::empty());
    std::fs::remove_file(probe).unwrap();
    set.is_ok()
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A source of one root with options.
pub(super) fn source(root: &Path, options: &FileOptions) -> FileSource {
    FileSource::new(&[root], options).unwrap()
}

/// The directory at an absolute path of a source, opened name by name.
pub(super) fn open(source: &FileSource, path: &Path) -> Arc<dyn Directory> {
    let mut directory = source.root().unwrap();
    for name in path.iter().skip(1) {
        directory = directory.open_dir(name.as_encoded_bytes()).unwrap();
    }
    directory
}

/// The only root's directory, with nothing left out.
pub(super) fn open_everything(root: &Path) -> Arc<dyn Directory> {
    let root = root.canonicalize().unwrap();
    open(&source(&root, &FileOptions::everything()), &root)
}

pub(super) fn entry(directory: &dyn Directory, name: &str) -> Entry {
    let listing = directory.list().unwrap();
    assert_eq!(listing.warnings, []);
    listing.entries.into_iter().find(|entry| entry.name == name.as_bytes()).expect("the entry is listed")
}

/// The paths beneath a directory, in the order of a walk, directories with a slash at the end.
pub(super) fn paths_beneath(directory: &Arc<dyn Directory>) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = vec![(String::new(), Arc::clone(directory))];
    while let Some((prefix, directory)) = pending.pop() {
        let listing = directory.list().unwrap();
        assert_eq!(listing.warnings, []);
        for entry in listing.entries {
            let name = String::from_utf8_lossy(&entry.name).into_owned();
            if entry.kind == Kind::Directory {
                let path = format!("{prefix}{name}/");
                found.push(path.clone());
                pending.push((path, directory.open_dir(&entry.name).unwrap()));
            } else {
                found.push(format!("{prefix}{name}"));
            }
        }
    }
    found.sort_unstable();
    found
}

/// Reads all runs; holes become zeros.
pub(super) fn read_everything(content: &mut dyn Content) -> (Vec<Run>, Vec<u8>) {
    let (mut runs, mut bytes) = (Vec::new(), Vec::new());
    let mut buffer = vec![0_u8; 10_000];
    while let Some(run) = content.next_run().unwrap() {
        runs.push(run);
        match run {
            Run::Hole { len } => bytes.resize(bytes.len() + usize::try_from(len).unwrap(), 0),
            Run::Data { .. } => loop {
                let read = content.read(&mut buffer).unwrap();
                if read == 0 {
                    break;
                }
                bytes.extend_from_slice(&buffer[..read]);
            },
        }
    }
    (runs, bytes)
}

/// Makes a chain of directories through descriptors, as deep and long as wanted; returns the last.
pub(super) fn make_chain(root: &Path, name: &str, depth: usize) -> OwnedFd {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = rustix::fs::openat(CWD, root, flags, Mode::empty()).unwrap();
    for _ in 0..depth {
        rustix::fs::mkdirat(&at, name, Mode::RWXU).unwrap();
        at = rustix::fs::openat(&at, name, flags, Mode::empty()).unwrap();
    }
    at
}

/// Writes a small file into a directory that may be too deep for a path.
pub(super) fn write_at(directory: &OwnedFd, name: &str, bytes: &[u8]) {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory.as_fd(), name, flags, Mode::RUSR | Mode::WUSR).unwrap();
    assert_eq!(rustix::io::write(&file, bytes).unwrap(), bytes.len());
}

/// A directory whose removal at the end of the test works at any depth.
pub(super) struct DeepDirectory(Option<tempfile::TempDir>);

impl DeepDirectory {
    pub(super) fn new() -> Self {
        Self(Some(tempfile::tempdir().unwrap()))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.as_ref().expect("only drop takes it").path()
    }
}

impl Drop for DeepDirectory {
    fn drop(&mut self) {
        let Some(directory) = self.0.take() else {
            return;
        };
        let path = directory.keep();
        let parent = crate::files::TargetTree::open_or_create(path.parent().unwrap()).unwrap();
        parent.top().remove_tree(path.file_name().unwrap().as_encoded_bytes()).unwrap();
    }
}
