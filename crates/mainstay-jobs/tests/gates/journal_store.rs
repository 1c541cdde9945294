//! A store in memory that keeps a journal: what was published and deleted, in order.
//!
//! Owns the store's contract at its weakest: an object appears whole or not at all, and a crash leaves what the operations
//! before it left. Copies of its objects are cheap.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

use mainstay_repo::store::{Object, Upload, Vacancy};
use mainstay_repo::{Store, names};

pub type Objects = BTreeMap<Arc<str>, Arc<[u8]>>;

/// What changed the store.
#[derive(Clone)]
pub enum Operation {
    Put(Arc<str>, Arc<[u8]>),
    Delete(Arc<str>),
}

impl Operation {
    pub fn apply(&self, objects: &mut Objects) {
        match self {
            Self::Put(name, bytes) => drop(objects.insert(name.clone(), bytes.clone())),
            Self::Delete(name) => drop(objects.remove(name)),
        }
    }
}

#[derive(Default)]
struct Journal {
    objects: Objects,
    operations: Vec<Operation>,
}

/// Clones share objects and journal.
#[derive(Clone, Default)]
pub struct JournalStore(Arc<Mutex<Journal>>);

impl JournalStore {
    pub fn with(objects: Objects) -> Self {
        Self(Arc::new(Mutex::new(Journal { objects, operations: Vec::new() })))
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.0.lock().expect("a gate begins with what is healthy")
    }

    pub fn objects(&self) -> Objects {
        self.journal().objects.clone()
    }

    /// The operations since the last time they were taken.
    pub fn take_operations(&self) -> Vec<Operation> {
        std::mem::take(&mut self.journal().operations)
    }

    /// Exchanges an object's bytes behind the repository's back; none deletes it.
    pub fn exchange(&self, name: &str, bytes: Option<Arc<[u8]>>) {
        let mut journal = self.journal();
        match bytes {
            Some(bytes) => drop(journal.objects.insert(name.into(), bytes)),
            None => drop(journal.objects.remove(name)),
        }
    }
}

impl Store for JournalStore {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        Ok(Box::new(JournalUpload { store: self.clone(), bytes: Vec::new() }))
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.journal().objects.get(name).map(|bytes| bytes.len() as u64).ok_or_else(absent)
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = self.journal().objects.get(name).cloned().ok_or_else(absent)?;
        let range = usize::try_from(offset).ok().and_then(|start| bytes.get(start..start.checked_add(buffer.len())?));
        buffer.copy_from_slice(range.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        let journal = self.journal();
        let found = journal
            .objects
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(name, _)| name.starts_with(prefix));
        Ok(found.map(|(name, bytes)| Object { name: name.to_string(), len: bytes.len() as u64 }).collect())
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        let mut journal = self.journal();
        if journal.objects.remove(name).is_some() {
            journal.operations.push(Operation::Delete(name.into()));
        }
        Ok(())
    }

    fn prepare(&self) -> io::Result<Vacancy> {
        let journal = self.journal();
        if journal.objects.contains_key(names::CONFIG) {
            return Ok(Vacancy::Repository);
        }
        let is_foreign = journal.objects.keys().any(|name| !name.starts_with(names::KEY_SLOTS));
        Ok(if is_foreign { Vacancy::Foreign } else { Vacancy::Empty })
    }
}

struct JournalUpload {
    store: JournalStore,
    bytes: Vec<u8>,
}

impl Upload for JournalUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn publish(self: Box<Self>, name: &str) -> io::Result<()> {
        let mut journal = self.store.journal();
        if journal.objects.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let operation = Operation::Put(name.into(), self.bytes.into());
        operation.apply(&mut journal.objects);
        journal.operations.push(operation);
        Ok(())
    }
}

fn absent() -> io::Error {
    io::ErrorKind::NotFound.into()
}
