//! What verifying passes over: what a restore left as it was, and what it told of already.
//!
//! Owns remembering it in a few bytes each: a million of them is what `--overwrite never` over a full target gives.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use mainstay_sources::files::Part;

use super::Extent;

/// How much of an entry is passed over.
#[derive(Clone, Copy, Hash)]
pub enum Scope<'a> {
    /// All of it, with everything in it.
    Entry,
    /// All but its content.
    Metadata,
    Part(&'a Part),
    /// What is lost of its content.
    Loss,
}

/// Paths and parts, by a hash of 64 bits under a key of this run: one of 2⁴⁴ pairs of a million by a million is taken for
/// another, and then one entry is not compared.
pub struct PassedOver {
    /// None where nothing is verified and nothing need be remembered.
    hashes: Option<Mutex<HashSet<u64>>>,
    state: RandomState,
}

impl PassedOver {
    pub fn new(extent: Extent) -> Self {
        let hashes = (extent == Extent::WriteAndVerify).then(Mutex::default);
        Self { hashes, state: RandomState::new() }
    }

    pub fn insert(&self, path: &[u8], scope: Scope<'_>) {
        if let Some(hashes) = &self.hashes {
            hashes.lock().unwrap_or_else(PoisonError::into_inner).insert(self.state.hash_one((path, scope)));
        }
    }

    pub fn contains(&self, path: &[u8], scope: Scope<'_>) -> bool {
        self.hashes.as_ref().is_some_and(|hashes| {
            let hashes = hashes.lock().unwrap_or_else(PoisonError::into_inner);
            !hashes.is_empty() && hashes.contains(&self.state.hash_one((path, scope)))
        })
    }
}
