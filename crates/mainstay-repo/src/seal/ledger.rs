//! The nonce ledger: which (key, nonce) pairs were used to seal, in repositories that a test watches.
//!
//! Compiled for tests only. Every seal of this crate passes here, whichever thread makes it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use crate::id::RepositoryId;

type Pair = ([u8; 32], [u8; 12]);

/// What was sealed in one repository.
#[derive(Default)]
pub struct Ledger {
    pub pairs: HashSet<Pair>,
    /// How often a pair was used that had been used already.
    pub repeated: usize,
}

static WATCHED: Mutex<Option<HashMap<[u8; 16], Ledger>>> = Mutex::new(None);

/// Begins to write down what is sealed in a repository.
pub fn watch(repository: RepositoryId) {
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    watched.get_or_insert_default().insert(repository.0, Ledger::default());
}

/// Everything that was sealed there since.
pub fn take(repository: RepositoryId) -> Ledger {
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    watched.as_mut().and_then(|watched| watched.remove(&repository.0)).unwrap_or_default()
}

/// Associated data says the repository after `mainstay-1` and the kind.
pub(super) fn record(key: &[u8; 32], nonce: [u8; 12], associated: &[u8]) {
    let mut watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    let repository: Option<[u8; 16]> = associated.get(11..27).and_then(|id| id.try_into().ok());
    let ledger = watched.as_mut().zip(repository).and_then(|(watched, id)| watched.get_mut(&id));
    if let Some(ledger) = ledger
        && !ledger.pairs.insert((*key, nonce))
    {
        ledger.repeated += 1;
    }
}
