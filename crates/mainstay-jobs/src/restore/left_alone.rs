//! Entries of the target that the overwrite rule left alone: they are not what was restored, so nobody compares them.
//!
//! Owns remembering them from the writing to the comparing, by hashes of their paths: a million of them take 30 MiB.

use std::collections::HashSet;

#[derive(Default)]
pub struct LeftAlone(HashSet<[u8; 16]>);

impl LeftAlone {
    pub fn insert(&mut self, path: &[u8]) {
        self.0.insert(key(path));
    }

    pub fn contains(&self, path: &[u8]) -> bool {
        !self.0.is_empty() && self.0.contains(&key(path))
    }
}

/// 128 bits never meet by chance.
fn key(path: &[u8]) -> [u8; 16] {
    let mut key = [0; 16];
    blake3::Hasher::new().update(path).finalize_xof().fill(&mut key);
    key
}
