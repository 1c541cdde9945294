//! Entries that a restore left as they were, and that verifying must therefore not compare.
//!
//! Owns remembering them in a few bytes each: a million of them is what `--overwrite never` over a full target gives.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

/// Paths, by a hash of 64 bits under a key of this run: one of 2⁴⁴ pairs of a million by a million is taken for another, and
/// then one file is not compared.
#[derive(Default)]
pub struct LeftAlone {
    state: RandomState,
    paths: HashSet<u64>,
}

impl LeftAlone {
    pub fn insert(&mut self, path: &[u8]) {
        self.paths.insert(self.state.hash_one(path));
    }

    pub fn contains(&self, path: &[u8]) -> bool {
        !self.paths.is_empty() && self.paths.contains(&self.state.hash_one(path))
    }
}
