//! A store whose lasting objects are kept near.
//!
//! Owns what is kept: snapshots, reference maps, tables of the index, wrapped keys, and what is asked for as something to keep:
//! trees, and what was signed and is true for good, as a fence is. A copy of them is as good as the object; whether an object is there is asked of the
//! store itself. Never keeps key slots or leases. For backups and those who read; whoever looks whether objects are
//! sound goes to the store.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, OnceLock};

use mainstay_repo::store::{Layer, Layered, Upload};
use mainstay_repo::{Store, names};

use crate::near::{CELL, Near};

#[cfg(test)]
mod tests;

/// What is longer is not worth its place: a pack of trees has 16 MiB.
const LONGEST: u64 = 64 << 20;
/// Whose objects are kept whoever reads them.
const LASTING: [&str; 5] = [names::SNAPSHOTS, names::REFS, names::INDEX, names::DATA_KEYS, names::HISTORY];

fn is_lasting(name: &str) -> bool {
    LASTING.iter().any(|folder| name.starts_with(folder))
}

/// A store, and what of it is near.
pub struct Cached {
    store: Arc<dyn Store>,
    near: Arc<Near>,
    /// The wrapped keys that the store lists, by length: of all else that is kept a command lists the folder itself, or reads it
    /// only because something that it listed leads there. Without its key nobody opens what a session stored.
    keys: OnceLock<HashMap<String, u64>>,
}

impl Cached {
    pub fn over(store: Arc<dyn Store>, near: Near) -> Layered<Self> {
        Layered(Self { store, near: Arc::new(near), keys: OnceLock::new() })
    }

    /// The length of an object of which the copy counts: it is there, as far as this command has looked.
    fn known(&self, name: &str) -> Option<u64> {
        let len = self.near.len(name)?;
        if !name.starts_with(names::DATA_KEYS) {
            return Some(len);
        }
        let listed = || self.store.list(names::DATA_KEYS).unwrap_or_default();
        let keys = self.keys.get_or_init(|| listed().into_iter().map(|object| (object.name, object.len)).collect());
        (keys.get(name) == Some(&len)).then_some(len)
    }

    /// Reads the cells of a range, and keeps them.
    fn fetch(&self, name: &str, len: u64, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let first = offset / CELL;
        let start = first * CELL;
        let end = (offset + buffer.len() as u64).next_multiple_of(CELL).min(len);
        let mut cells = vec![0; (end - start) as usize];
        self.store.read_at(name, start, &mut cells)?;
        self.near.keep(name, len, first, &cells);
        let within = (offset - start) as usize;
        buffer.copy_from_slice(&cells[within..within + buffer.len()]);
        Ok(())
    }
}

impl Layer for Cached {
    fn beneath(&self) -> &dyn Store {
        &*self.store
    }

    fn upload_kept(&self) -> io::Result<Box<dyn Upload>> {
        let upload = self.store.upload_kept()?;
        Ok(Box::new(KeptUpload { upload, near: Arc::clone(&self.near), bytes: Vec::new(), is_too_long: false }))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.store.put(name, bytes)?;
        if is_lasting(name) {
            self.near.keep(name, bytes.len() as u64, 0, bytes);
        }
        Ok(())
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if is_lasting(name) {
            self.read_kept_at(name, offset, buffer)
        } else {
            self.store.read_at(name, offset, buffer)
        }
    }

    fn read_kept_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        if buffer.is_empty() || buffer.len() as u64 > LONGEST {
            return self.store.read_kept_at(name, offset, buffer);
        }
        let known = self.known(name);
        if known.is_some() && self.near.read_at(name, offset, buffer) {
            return Ok(());
        }
        let len = known.map_or_else(|| self.store.len(name), Ok)?;
        match offset.checked_add(buffer.len() as u64) {
            Some(end) if end <= len => self.fetch(name, len, offset, buffer).or_else(|_| {
                // The length may be what is wrong.
                self.near.forget(name);
                self.store.read_kept_at(name, offset, buffer)
            }),
            // The store says what is wrong with that.
            _ => {
                self.near.forget(name);
                self.store.read_kept_at(name, offset, buffer)
            }
        }
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        if is_lasting(name) { self.read_kept(name, limit) } else { self.store.read(name, limit) }
    }

    fn read_kept(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        if let Some(len) = self.known(name).filter(|len| *len <= limit.min(LONGEST)) {
            let mut bytes = vec![0; len as usize];
            if self.near.read_at(name, 0, &mut bytes) {
                return Ok(bytes);
            }
        }
        let bytes = self.store.read_kept(name, limit)?;
        self.near.keep(name, bytes.len() as u64, 0, &bytes);
        Ok(bytes)
    }

    fn forget_kept(&self, name: &str) -> bool {
        let is_kept = self.near.len(name).is_some();
        self.near.forget(name);
        is_kept
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.near.forget(name);
        self.store.delete(name)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.near.forget(name);
        self.store.replace(name, bytes)
    }
}

/// An object that is kept once it is published.
struct KeptUpload {
    upload: Box<dyn Upload>,
    near: Arc<Near>,
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl Upload for KeptUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.is_too_long |= (self.bytes.len() + bytes.len()) as u64 > LONGEST;
        match self.is_too_long {
            true => self.bytes = Vec::new(),
            false => self.bytes.extend_from_slice(bytes),
        }
        self.upload.write(bytes)
    }

    fn publish(self: Box<Self>, name: &str) -> io::Result<()> {
        let Self { upload, near, bytes, is_too_long } = *self;
        upload.publish(name)?;
        if !is_too_long {
            near.keep(name, bytes.len() as u64, 0, &bytes);
        }
        Ok(())
    }
}
