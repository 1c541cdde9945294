//! A store of which packs are read by long stretches.
//!
//! Owns what was read ahead, in memory, for those who read packs from one end to the other in short ranges: where each request
//! takes its time, a pack is one of them. Knows the lengths of packs from their listing; of others it reads what is asked
//! for. Nothing stays: every pack is read anew by every command.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use mainstay_repo::store::{Layer, Layered, Object};
use mainstay_repo::{Store, names};

#[cfg(test)]
mod tests;

/// Longer than most packs.
const STRETCH: u64 = 32 << 20;
/// Stretches in memory: one for each of the four threads that read at once, and those that they have just left.
const HELD: usize = 6;

/// A part of a pack.
struct Stretch {
    name: String,
    start: u64,
    bytes: Vec<u8>,
}

/// A store and what was read ahead of it.
pub struct Ahead {
    store: Arc<dyn Store>,
    lengths: Mutex<HashMap<String, u64>>,
    held: Mutex<VecDeque<Arc<Stretch>>>,
}

impl Ahead {
    pub fn over(store: Arc<dyn Store>) -> Layered<Self> {
        Layered(Self { store, lengths: Mutex::default(), held: Mutex::default() })
    }

    /// The stretch in which a range lies as a whole, if it is a range of a pack that was listed.
    fn stretch(&self, name: &str, offset: u64, len: u64) -> io::Result<Option<Arc<Stretch>>> {
        let known = self.lengths.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
        let start = offset / STRETCH * STRETCH;
        let Some(end) = known.map(|known| known.min(start + STRETCH)) else { return Ok(None) };
        if len == 0 || offset.checked_add(len).is_none_or(|last| last > end) {
            return Ok(None);
        }
        let held = || self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |stretch: &Arc<Stretch>| stretch.name == name && stretch.start == start;
        // What is in use stays.
        {
            let mut held = held();
            let at = held.iter().position(is_it);
            if let Some(stretch) = at.and_then(|at| held.remove(at)) {
                held.push_front(Arc::clone(&stretch));
                return Ok(Some(stretch));
            }
        }
        let mut bytes = vec![0; (end - start) as usize];
        self.store.read_at(name, start, &mut bytes)?;
        let stretch = Arc::new(Stretch { name: name.to_owned(), start, bytes });
        let mut held = held();
        held.truncate(HELD - 1);
        held.push_front(Arc::clone(&stretch));
        Ok(Some(stretch))
    }
}

impl Layer for Ahead {
    fn beneath(&self) -> &dyn Store {
        &*self.store
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        // Of a stretch that cannot be read a part may be.
        let Ok(Some(stretch)) = self.stretch(name, offset, buffer.len() as u64) else {
            return self.store.read_at(name, offset, buffer);
        };
        let start = (offset - stretch.start) as usize;
        buffer.copy_from_slice(&stretch.bytes[start..start + buffer.len()]);
        Ok(())
    }

    fn read_kept_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read_at(name, offset, buffer)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        let listed = self.store.list(prefix)?;
        if prefix == names::PACKS {
            let lengths = listed.iter().map(|object| (object.name.clone(), object.len)).collect();
            *self.lengths.lock().unwrap_or_else(PoisonError::into_inner) = lengths;
        }
        Ok(listed)
    }
}
