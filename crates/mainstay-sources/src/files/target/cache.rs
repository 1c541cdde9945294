//! The directories opened last, so that many files in one directory cost one walk.
//!
//! Two generations: what was not asked for while a whole generation filled is dropped, and closed. Bounds the number of
//! descriptors a restore holds for this, whatever the tree.

use std::collections::HashMap;

/// Entries of one generation; there are two.
const GENERATION: usize = 128;

/// A bounded map from path to open directory.
pub(super) struct Cache<V> {
    young: HashMap<Vec<u8>, V>,
    old: HashMap<Vec<u8>, V>,
}

impl<V: Clone> Cache<V> {
    pub(super) fn new() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }

    /// What is known for the path; being asked for keeps it.
    pub(super) fn get(&mut self, path: &[u8]) -> Option<V> {
        if let Some(value) = self.young.get(path) {
            return Some(value.clone());
        }
        let (path, value) = self.old.remove_entry(path)?;
        self.make_room();
        self.young.insert(path, value.clone());
        Some(value)
    }

    pub(super) fn insert(&mut self, path: &[u8], value: V) {
        self.make_room();
        self.young.insert(path.to_vec(), value);
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    fn make_room(&mut self) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
    }
}

#[cfg(test)]
mod tests;
