//! A file system in memory that forgets what was not synced, as a power cut makes a real one do.
//!
//! Owns what POSIX promises and no more: the content of a file is durable once the file was synced, a name once its
//! directory was; a rename is a name that goes and one that comes, each on its own. Every operation is kept as a state, from
//! which [`crate::sim_states`] makes what may be found after a power cut there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use mainstay_repo::store::{Disk, DiskEntry, EntryKind, NewFile, StoredFile};

/// A name in a directory: what it stands for after a power cut, and all that it has stood for since it was synced.
#[derive(Clone, Debug, Default)]
pub struct Slot {
    pub durable: Option<usize>,
    pub later: Vec<Option<usize>>,
}

impl Slot {
    pub fn now(&self) -> Option<usize> {
        self.later.last().copied().unwrap_or(self.durable)
    }
}

#[derive(Clone, Debug)]
pub enum Node {
    Directory(Arc<BTreeMap<OsString, Slot>>),
    File {
        durable: Arc<Vec<u8>>,
        /// The content now, where it is not synced.
        later: Option<Arc<Vec<u8>>>,
    },
}

/// All files and directories; the first is the root. Clones are cheap.
#[derive(Clone, Debug)]
pub struct State {
    pub nodes: Vec<Node>,
}

impl State {
    fn find(&self, path: &Path) -> io::Result<usize> {
        let mut at = 0;
        for part in path.components().skip(1) {
            let Some(Node::Directory(slots)) = self.nodes.get(at) else { return Err(ErrorKind::NotADirectory.into()) };
            at = slots.get(part.as_os_str()).and_then(Slot::now).ok_or(ErrorKind::NotFound)?;
        }
        Ok(at)
    }

    fn slots(&mut self, directory: usize) -> io::Result<&mut BTreeMap<OsString, Slot>> {
        match self.nodes.get_mut(directory) {
            Some(Node::Directory(slots)) => Ok(Arc::make_mut(slots)),
            _ => Err(ErrorKind::NotADirectory.into()),
        }
    }

    /// The slot of a name, in the directory that is there for it.
    fn slot(&mut self, path: &Path) -> io::Result<&mut Slot> {
        let parent = self.find(path.parent().ok_or(ErrorKind::NotFound)?)?;
        let name = path.file_name().ok_or(ErrorKind::NotFound)?;
        Ok(self.slots(parent)?.entry(name.to_owned()).or_default())
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<usize> {
        let number = self.nodes.len();
        let slot = self.slot(path)?;
        if slot.now().is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        slot.later.push(Some(number));
        self.nodes.push(node);
        Ok(number)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        let slot = self.slot(path)?;
        slot.now().ok_or(ErrorKind::NotFound)?;
        slot.later.push(None);
        Ok(())
    }

    fn sync_dir(&mut self, path: &Path) -> io::Result<()> {
        let directory = self.find(path)?;
        let slots = self.slots(directory)?;
        for slot in slots.values_mut() {
            slot.durable = slot.now();
            slot.later.clear();
        }
        slots.retain(|_, slot| slot.durable.is_some());
        Ok(())
    }

    /// Makes durable what has stood unsynced for long in one directory: the kernel writes everything back in the end.
    pub fn settle(&mut self, path: &Path) {
        let _ = self.sync_dir(path);
    }
}

/// How far a disk keeps its promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Honesty {
    Honest,
    /// Says that a file is synced, and does nothing.
    SyncsNoFile,
    /// Says that a directory is synced, and does nothing.
    SyncsNoDirectory,
}

#[derive(Debug)]
struct Inner {
    state: State,
    honesty: Honesty,
    /// The state after each operation that changed something.
    history: Vec<State>,
}

/// Clones share everything.
#[derive(Clone, Debug)]
pub struct SimDisk(Arc<Mutex<Inner>>);

impl SimDisk {
    pub fn new(honesty: Honesty) -> Self {
        Self::with(State { nodes: vec![Node::Directory(Arc::default())] }, honesty)
    }

    pub fn with(state: State, honesty: Honesty) -> Self {
        Self(Arc::new(Mutex::new(Inner { state, honesty, history: Vec::new() })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("a gate begins with what is healthy")
    }

    pub fn state(&self) -> State {
        self.inner().state.clone()
    }

    /// The states since the last time they were taken, one for each operation that changed something.
    pub fn take_history(&self) -> Vec<State> {
        std::mem::take(&mut self.inner().history)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State, Honesty) -> io::Result<T>) -> io::Result<T> {
        let mut inner = self.inner();
        let honesty = inner.honesty;
        let result = change(&mut inner.state, honesty)?;
        let state = inner.state.clone();
        inner.history.push(state);
        Ok(result)
    }
}

impl Disk for SimDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let empty = Node::File { durable: Arc::default(), later: None };
        let number = self.change(|state, _| state.add(path, empty))?;
        Ok(Box::new(SimFile { disk: self.clone(), number, bytes: Vec::new() }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        let inner = self.inner();
        match inner.state.nodes.get(inner.state.find(path)?) {
            Some(Node::File { durable, later }) => Ok(Box::new(Opened(later.as_ref().unwrap_or(durable).clone()))),
            _ => Err(ErrorKind::InvalidData.into()),
        }
    }

    fn status(&self, path: &Path) -> io::Result<(EntryKind, u64)> {
        let inner = self.inner();
        match inner.state.nodes.get(inner.state.find(path)?) {
            Some(Node::File { durable, later }) => {
                Ok((EntryKind::File, later.as_ref().unwrap_or(durable).len() as u64))
            }
            _ => Ok((EntryKind::Directory, 0)),
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DiskEntry>> {
        let inner = self.inner();
        let Some(Node::Directory(slots)) = inner.state.nodes.get(inner.state.find(path)?) else {
            return Err(ErrorKind::NotADirectory.into());
        };
        let kind = |number| match inner.state.nodes.get(number) {
            Some(Node::Directory(_)) => EntryKind::Directory,
            _ => EntryKind::File,
        };
        let present = slots.iter().filter_map(|(name, slot)| Some((name, slot.now()?)));
        Ok(present.map(|(name, number)| DiskEntry { name: name.clone(), kind: kind(number) }).collect())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.change(|state, _| state.add(path, Node::Directory(Arc::default())).map(drop))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.change(|state, honesty| match honesty {
            Honesty::SyncsNoDirectory => state.find(path).map(drop),
            _ => state.sync_dir(path),
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change(|state, _| {
            let number = state.find(from)?;
            let slot = state.slot(to)?;
            if slot.now().is_some() {
                return Err(ErrorKind::AlreadyExists.into());
            }
            slot.later.push(Some(number));
            state.remove(from)
        })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.change(|state, _| state.remove(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.change(|state, _| {
            let number = state.find(path)?;
            if state.slots(number)?.values().any(|slot| slot.now().is_some()) {
                return Err(ErrorKind::DirectoryNotEmpty.into());
            }
            state.remove(path)
        })
    }
}

struct SimFile {
    disk: SimDisk,
    number: usize,
    bytes: Vec<u8>,
}

impl NewFile for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        let written = Arc::new(self.bytes.clone());
        self.disk.change(|state, _| {
            if let Some(Node::File { later, .. }) = state.nodes.get_mut(self.number) {
                *later = Some(written);
            }
            Ok(())
        })
    }

    fn finish(&mut self) -> io::Result<()> {
        self.disk.change(|state, honesty| {
            if let (Some(Node::File { durable, later }), false) =
                (state.nodes.get_mut(self.number), honesty == Honesty::SyncsNoFile)
            {
                *durable = later.take().unwrap_or_else(|| durable.clone());
            }
            Ok(())
        })
    }
}

struct Opened(Arc<Vec<u8>>);

impl StoredFile for Opened {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let range = usize::try_from(offset).ok().and_then(|start| self.0.get(start..start.checked_add(buffer.len())?));
        buffer.copy_from_slice(range.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
