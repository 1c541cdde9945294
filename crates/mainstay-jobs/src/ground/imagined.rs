//! A source that is on no disk: of any depth, without end, or broken.
//!
//! Owns the shape that every source has; what is in a directory and in a file, the test says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mainstay_sources::{
    Content, Details, Directory, Entry, Kind, Listing, Owner, Rest, Result, Run, Source, Timestamp,
};

/// What a directory holds, by its depth (the root's is 0).
type List = Box<dyn Fn(usize) -> Vec<Entry> + Send + Sync>;
/// What a file holds.
type Read = Box<dyn Fn(&Entry) -> Vec<u8> + Send + Sync>;

/// What is in it is made up when it is asked for.
pub struct Imagined(Arc<Mind>);

struct Mind {
    list: List,
    read: Read,
    /// Entries that are told at once.
    part: usize,
    told: Arc<AtomicUsize>,
}

impl Imagined {
    pub fn new(
        list: impl Fn(usize) -> Vec<Entry> + Send + Sync + 'static,
        read: impl Fn(&Entry) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self::in_parts(usize::MAX, Arc::default(), list, read)
    }

    /// Whose directories are told in parts of this length; `told` counts the entries that were.
    pub fn in_parts(
        part: usize,
        told: Arc<AtomicUsize>,
        list: impl Fn(usize) -> Vec<Entry> + Send + Sync + 'static,
        read: impl Fn(&Entry) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Mind { list: Box::new(list), read: Box::new(read), part, told }))
    }
}

/// An entry with plausible metadata.
pub fn listed(name: &str, kind: Kind, size: u64) -> Entry {
    Entry {
        name: name.as_bytes().to_vec(),
        kind,
        mode: 0o700,
        owner: Owner::default(),
        size,
        modified: Timestamp { seconds: 1_700_000_000, nanoseconds: 5 },
        changed: Timestamp { seconds: 1_700_000_000, nanoseconds: 6 },
        inode: 1,
        device: 1,
        links: 1,
    }
}

impl Source for Imagined {
    fn root(&self) -> Result<Arc<dyn Directory>> {
        Ok(Arc::new(ImaginedDirectory { mind: Arc::clone(&self.0), depth: 0 }))
    }
}

struct ImaginedDirectory {
    mind: Arc<Mind>,
    depth: usize,
}

impl Directory for ImaginedDirectory {
    fn display_path(&self) -> String {
        format!("/depth {}", self.depth)
    }

    fn list(&self) -> Result<Listing> {
        let rest = ImaginedRest { mind: Arc::clone(&self.mind), entries: (self.mind.list)(self.depth).into_iter() };
        Ok(Box::new(rest).list())
    }

    fn open_dir(&self, _: &[u8]) -> Result<Arc<dyn Directory>> {
        Ok(Arc::new(Self { mind: Arc::clone(&self.mind), depth: self.depth + 1 }))
    }

    fn details(&self, _: &Entry) -> Result<Details> {
        Ok(Details::default())
    }

    fn open_file(&self, entry: &Entry) -> Result<Box<dyn Content>> {
        Ok(Box::new(ImaginedContent { entry: entry.clone(), bytes: (self.mind.read)(entry), run_is_told: false }))
    }
}

struct ImaginedRest {
    mind: Arc<Mind>,
    entries: std::vec::IntoIter<Entry>,
}

impl Rest for ImaginedRest {
    fn list(mut self: Box<Self>) -> Listing {
        let entries: Vec<Entry> = self.entries.by_ref().take(self.mind.part).collect();
        self.mind.told.fetch_add(entries.len(), Ordering::Relaxed);
        let rest = if self.entries.as_slice().is_empty() { None } else { Some(self as Box<dyn Rest>) };
        Listing { entries, rest, ..Listing::default() }
    }
}

struct ImaginedContent {
    entry: Entry,
    bytes: Vec<u8>,
    run_is_told: bool,
}

impl Content for ImaginedContent {
    fn next_run(&mut self) -> Result<Option<Run>> {
        let is_first = !std::mem::replace(&mut self.run_is_told, true);
        Ok(is_first.then_some(Run::Data { len: self.bytes.len() as u64 }))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let len = buffer.len().min(self.bytes.len());
        buffer[..len].copy_from_slice(&self.bytes[..len]);
        self.bytes.drain(..len);
        Ok(len)
    }

    fn entry_now(&mut self) -> Result<Entry> {
        Ok(self.entry.clone())
    }
}
