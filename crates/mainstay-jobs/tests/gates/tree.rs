//! Trees in memory: what is backed up, and what is compared with what comes back.
//!
//! Owns the model of a snapshot's content, a source that shows it, and reading a snapshot back block by block.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mainstay_repo::{BlockId, BlockKind, Content as Stored, Extent, NodeKind, Repository, SnapshotEntry, TreeReader};
use mainstay_sources::{Content, Details, Directory, Entry, Kind, Listing, Owner, Result, Run, Source, Timestamp};

use crate::effort::Draws;

/// Content by path; directories are what paths say.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tree(pub BTreeMap<String, Arc<[u8]>>);

/// Folders of a tree.
const FOLDERS: [&str; 3] = ["", "documents/", "documents/old/"];

impl Tree {
    /// A tree of a few small files.
    pub fn planted(seed: u64) -> Self {
        let mut tree = Self::default();
        (0..6).for_each(|number| tree.write(number, seed));
        tree
    }

    /// The same tree a while later: one file is new, one has changed, one is gone.
    pub fn later(&self, seed: u64) -> Self {
        let mut tree = self.clone();
        let mut draws = Draws::new(seed);
        let names: Vec<String> = tree.0.keys().cloned().collect();
        if names.len() > 4 {
            tree.0.remove(&names[draws.below(names.len())]);
        }
        tree.write(seed % 5, seed);
        tree.write(7 + seed % 4, seed);
        tree
    }

    /// Adds or replaces a file: most are small, one in five is long and compresses well.
    fn write(&mut self, number: u64, seed: u64) {
        let mut draws = Draws::new(seed ^ number << 40);
        let path = format!("{}file {number}", FOLDERS[number as usize % FOLDERS.len()]);
        let noise = 20 + draws.below(700);
        let len = if draws.below(5) == 0 { noise + 280_000 } else { noise };
        let mut bytes = vec![0; noise];
        blake3::Hasher::new().update(&draws.next().to_le_bytes()).finalize_xof().fill(&mut bytes);
        bytes.resize(len, 7);
        self.0.insert(path, bytes.into());
    }
}

impl Source for Tree {
    fn root(&self) -> Result<Arc<dyn Directory>> {
        Ok(Arc::new(Folder { tree: self.clone(), prefix: String::new() }))
    }
}

struct Folder {
    tree: Tree,
    /// Empty, or ends in `/`.
    prefix: String,
}

impl Directory for Folder {
    fn display_path(&self) -> String {
        format!("/{}", self.prefix)
    }

    fn list(&self) -> Result<Listing> {
        let mut entries = BTreeMap::new();
        for (path, bytes) in &self.tree.0 {
            let Some(rest) = path.strip_prefix(&self.prefix) else { continue };
            match rest.split_once('/') {
                Some((name, _)) => entries.insert(name, entry(name, Kind::Directory, &[])),
                None => entries.insert(rest, entry(rest, Kind::File, bytes)),
            };
        }
        Ok(Listing { entries: entries.into_values().collect(), ..Listing::default() })
    }

    fn open_dir(&self, name: &[u8]) -> Result<Arc<dyn Directory>> {
        let prefix = format!("{}{}/", self.prefix, String::from_utf8_lossy(name));
        Ok(Arc::new(Self { tree: self.tree.clone(), prefix }))
    }

    fn details(&self, _: &Entry) -> Result<Details> {
        Ok(Details::default())
    }

    fn open_file(&self, entry: &Entry) -> Result<Box<dyn Content>> {
        let path = format!("{}{}", self.prefix, String::from_utf8_lossy(&entry.name));
        let bytes = self.tree.0.get(&path).cloned().unwrap_or_default();
        Ok(Box::new(Reading { entry: entry.clone(), bytes, at: 0, told: false }))
    }
}

fn entry(name: &str, kind: Kind, bytes: &[u8]) -> Entry {
    let hash = blake3::hash(bytes);
    // What changed has another time, as on a disk.
    let seconds = 1_500_000_000 + i64::from(hash.as_bytes()[0]) * 1000 + i64::from(hash.as_bytes()[1]);
    let time = Timestamp { seconds, nanoseconds: hash.as_bytes()[2].into() };
    Entry {
        name: name.as_bytes().to_vec(),
        kind,
        mode: 0o640,
        owner: Owner::default(),
        size: bytes.len() as u64,
        modified: time,
        changed: time,
        inode: 1 + u64::from(blake3::hash(name.as_bytes()).as_bytes()[0]),
        device: 1,
        links: 1,
    }
}

struct Reading {
    entry: Entry,
    bytes: Arc<[u8]>,
    at: usize,
    told: bool,
}

impl Content for Reading {
    fn next_run(&mut self) -> Result<Option<Run>> {
        let is_first = !std::mem::replace(&mut self.told, true);
        Ok(is_first.then_some(Run::Data { len: self.bytes.len() as u64 }))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let rest = &self.bytes[self.at..];
        let len = buffer.len().min(rest.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        self.at += len;
        Ok(len)
    }

    fn entry_now(&mut self) -> Result<Entry> {
        Ok(self.entry.clone())
    }
}

/// What is done with a file and what came of reading it.
type EachFile<'f> = dyn FnMut(String, mainstay_repo::Result<Vec<u8>>) -> mainstay_repo::Result<()> + 'f;

/// Reads snapshots back, every byte through its seal.
pub struct Reader(TreeReader);

impl Reader {
    pub fn new(repository: &Repository) -> mainstay_repo::Result<Self> {
        let index = repository.index()?;
        Ok(Self(TreeReader::new(repository.block_reader(&index))))
    }

    pub fn read(&self, entry: &SnapshotEntry) -> mainstay_repo::Result<Tree> {
        let mut tree = Tree::default();
        self.read_directory(&entry.snapshot.root, "", &mut |path, read| {
            tree.0.insert(path, read?.into());
            Ok(())
        })?;
        Ok(tree)
    }

    /// The same, and the paths of those files that cannot be read.
    pub fn read_as_far_as_possible(&self, entry: &SnapshotEntry) -> mainstay_repo::Result<(Tree, Vec<String>)> {
        let (mut tree, mut failed) = (Tree::default(), Vec::new());
        self.read_directory(&entry.snapshot.root, "", &mut |path, read| {
            match read {
                Ok(bytes) => drop(tree.0.insert(path, bytes.into())),
                Err(_) => failed.push(path),
            }
            Ok(())
        })?;
        Ok((tree, failed))
    }

    fn read_directory(&self, directory: &Stored, prefix: &str, each: &mut EachFile<'_>) -> mainstay_repo::Result<()> {
        for node in self.0.directory(directory)?.nodes {
            let path = format!("{prefix}{}", String::from_utf8_lossy(&node.name));
            match node.kind {
                NodeKind::Directory => self.read_directory(&node.content, &format!("{path}/"), each)?,
                _ => {
                    let read = self.read_file(&node.content);
                    assert!(
                        read.as_ref().is_ok_and(|bytes| bytes.len() as u64 == node.size) || read.is_err(),
                        "{path}"
                    );
                    each(path, read)?;
                }
            }
        }
        Ok(())
    }

    /// The paths of the files that have bytes in each block of content.
    pub fn files_by_block(&self, entry: &SnapshotEntry) -> mainstay_repo::Result<BTreeMap<BlockId, BTreeSet<String>>> {
        let mut files = BTreeMap::<BlockId, BTreeSet<String>>::new();
        let mut open = vec![(entry.snapshot.root.clone(), String::new())];
        while let Some((directory, prefix)) = open.pop() {
            for node in self.0.directory(&directory)?.nodes {
                let path = format!("{prefix}/{}", String::from_utf8_lossy(&node.name));
                if node.kind == NodeKind::Directory {
                    open.push((node.content, path));
                    continue;
                }
                for extent in self.0.extents(&node.content)? {
                    if let Extent::Data { block, .. } = extent {
                        files.entry(block).or_default().insert(path.clone());
                    }
                }
            }
        }
        Ok(files)
    }

    fn read_file(&self, content: &Stored) -> mainstay_repo::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for extent in self.0.extents(content)? {
            match extent {
                Extent::Hole { len } => bytes.resize(bytes.len() + len as usize, 0),
                Extent::Data { block, offset, len } => {
                    let plain = self.0.blocks().read(block, BlockKind::Content, offset..offset.saturating_add(len))?;
                    bytes.extend_from_slice(plain.range(block, offset, len)?);
                }
            }
        }
        Ok(bytes)
    }
}
