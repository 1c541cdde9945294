//! A source of files that counts what is read and lets a test act in between.
//!
//! Owns wrapping a [`FileSource`]; its root is the directory itself, so that what changes around it, such as the times of
//! `/tmp`, is no part of a snapshot.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use mainstay_sources::files::{FileOptions, FileSource};
use mainstay_sources::{Content, Details, Directory, Entry, Listing, Result, Run, Source};

/// When a test acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A file was listed and is not open.
    BeforeOpening,
    /// It is open, and nothing was read.
    BeforeReading,
    /// Some of it was read.
    AfterReading,
}

/// What a test does at a moment of a file, given by its name.
type Act = Box<dyn Fn(&[u8], Moment) + Send + Sync>;

/// A directory as a source.
pub struct Watched {
    inner: FileSource,
    path: PathBuf,
    watch: Arc<Watch>,
}

struct Watch {
    act: Act,
    opened: Mutex<Vec<Vec<u8>>>,
    read_bytes: AtomicU64,
}

impl Watched {
    pub fn new(path: &Path) -> Self {
        Self::acting(path, |_, _| {})
    }

    pub fn acting(path: &Path, act: impl Fn(&[u8], Moment) + Send + Sync + 'static) -> Self {
        let path = path.canonicalize().unwrap();
        let inner = FileSource::new(&[&path], &FileOptions::everything()).unwrap();
        let watch = Watch { act: Box::new(act), opened: Mutex::default(), read_bytes: AtomicU64::new(0) };
        Self { inner, path, watch: Arc::new(watch) }
    }

    /// The names of the files that were opened, sorted.
    pub fn opened(&self) -> Vec<Vec<u8>> {
        let mut opened = self.watch.opened.lock().unwrap().clone();
        opened.sort();
        opened
    }

    pub fn read_bytes(&self) -> u64 {
        self.watch.read_bytes.load(Ordering::Relaxed)
    }
}

impl Source for Watched {
    fn root(&self) -> Result<Arc<dyn Directory>> {
        let mut directory = self.inner.root()?;
        for name in self.path.iter().skip(1) {
            directory = directory.open_dir(name.as_bytes())?;
        }
        Ok(Arc::new(WatchedDirectory { inner: directory, watch: Arc::clone(&self.watch) }))
    }
}

struct WatchedDirectory {
    inner: Arc<dyn Directory>,
    watch: Arc<Watch>,
}

impl Directory for WatchedDirectory {
    fn display_path(&self) -> String {
        self.inner.display_path()
    }

    fn list(&self) -> Result<Listing> {
        self.inner.list()
    }

    fn open_dir(&self, name: &[u8]) -> Result<Arc<dyn Directory>> {
        let inner = self.inner.open_dir(name)?;
        Ok(Arc::new(Self { inner, watch: Arc::clone(&self.watch) }))
    }

    fn details(&self, entry: &Entry) -> Result<Details> {
        self.inner.details(entry)
    }

    fn open_file(&self, entry: &Entry) -> Result<Box<dyn Content>> {
        (self.watch.act)(&entry.name, Moment::BeforeOpening);
        let inner = self.inner.open_file(entry)?;
        self.watch.opened.lock().unwrap().push(entry.name.clone());
        (self.watch.act)(&entry.name, Moment::BeforeReading);
        Ok(Box::new(WatchedContent { inner, name: entry.name.clone(), watch: Arc::clone(&self.watch) }))
    }
}

struct WatchedContent {
    inner: Box<dyn Content>,
    name: Vec<u8>,
    watch: Arc<Watch>,
}

impl Content for WatchedContent {
    fn next_run(&mut self) -> Result<Option<Run>> {
        self.inner.next_run()
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let read = self.inner.read(buffer)?;
        self.watch.read_bytes.fetch_add(read as u64, Ordering::Relaxed);
        (self.watch.act)(&self.name, Moment::AfterReading);
        Ok(read)
    }

    fn entry_now(&mut self) -> Result<Entry> {
        self.inner.entry_now()
    }

    fn details(&mut self) -> Result<Option<Details>> {
        self.inner.details()
    }
}
