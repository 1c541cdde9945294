//! A store in memory, for tests and for embedding: what a call sees is what the contract promises, and it counts.
//!
//! Owns nothing durable.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Object, RESERVE_LEN, Store, Upload, Vacancy};
use crate::format::names;

/// One call to a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Put(String),
    Read { name: String, offset: u64, len: u64 },
    List(String),
    Delete(String),
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    calls: Vec<Call>,
    /// Bytes that there is space for, if there is a limit, and bytes of it that are set aside.
    capacity: Option<u64>,
    reserve: u64,
}

impl State {
    fn require_space(&self, more: u64) -> io::Result<()> {
        let used: u64 = self.objects.values().map(|bytes| bytes.len() as u64).sum();
        match self.capacity {
            Some(capacity) if used + self.reserve + more > capacity => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

/// Objects in memory; clones share them.
#[derive(Clone, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calls since the last time they were taken.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.state().calls)
    }

    /// Changes an object's bytes behind the repository's back.
    pub fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(bytes) = self.state().objects.get_mut(name) {
            change(bytes);
        }
    }

    /// Leaves space for so many bytes more than there are, what is set aside included.
    pub fn leave_space(&self, bytes: u64) {
        let mut state = self.state();
        let used: u64 = state.objects.values().map(|bytes| bytes.len() as u64).sum();
        state.capacity = Some(used + bytes);
    }

    /// Every name.
    pub fn names(&self) -> Vec<String> {
        self.state().objects.keys().cloned().collect()
    }
}

impl Store for MemoryStore {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        Ok(Box::new(MemoryUpload { store: self.clone(), bytes: Vec::new() }))
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.state().objects.get(name).map(|bytes| bytes.len() as u64).ok_or_else(absent)
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut state = self.state();
        state.calls.push(Call::Read { name: name.to_owned(), offset, len: buffer.len() as u64 });
        let bytes = state.objects.get(name).ok_or_else(absent)?;
        let range = usize::try_from(offset).ok().and_then(|start| bytes.get(start..start.checked_add(buffer.len())?));
        buffer.copy_from_slice(range.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        let mut state = self.state();
        state.calls.push(Call::List(prefix.to_owned()));
        let found = state.objects.iter().filter(|(name, _)| name.starts_with(prefix));
        Ok(found.map(|(name, bytes)| Object { name: name.clone(), len: bytes.len() as u64 }).collect())
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.calls.push(Call::Put(name.to_owned()));
        let known = state.objects.get(name).map_or(0, Vec::len);
        state.require_space(bytes.len().saturating_sub(known) as u64)?;
        state.objects.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.calls.push(Call::Delete(name.to_owned()));
        state.objects.remove(name);
        Ok(())
    }

    fn keep_reserve(&self) -> io::Result<()> {
        let mut state = self.state();
        if state.reserve == 0 {
            state.require_space(RESERVE_LEN)?;
            state.reserve = RESERVE_LEN;
        }
        Ok(())
    }

    fn release_reserve(&self) -> io::Result<bool> {
        Ok(std::mem::take(&mut self.state().reserve) > 0)
    }

    fn prepare(&self) -> io::Result<Vacancy> {
        let state = self.state();
        if state.objects.contains_key(names::CONFIG) {
            return Ok(Vacancy::Repository);
        }
        // Key slots alone are what an interrupted creation leaves.
        let foreign = state.objects.keys().any(|name| !name.starts_with(names::KEY_SLOTS));
        Ok(if foreign { Vacancy::Foreign } else { Vacancy::Empty })
    }
}

struct MemoryUpload {
    store: MemoryStore,
    bytes: Vec<u8>,
}

impl Upload for MemoryUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn publish(self: Box<Self>, name: &str) -> io::Result<()> {
        let mut state = self.store.state();
        if state.objects.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.require_space(self.bytes.len() as u64)?;
        state.calls.push(Call::Put(name.to_owned()));
        state.objects.insert(name.to_owned(), self.bytes);
        Ok(())
    }
}

fn absent() -> io::Error {
    io::ErrorKind::NotFound.into()
}
