//! Tests of sessions: what they store, what they share, and what they leave when they end badly.

mod abandoning;
mod adopting;
mod confirming;
mod failing;
mod healing;
mod ledger;
mod losing;
mod overflowing;
mod sharing;
mod signing;
mod storing;
pub(crate) mod strangers;
mod writers;

use super::*;
use crate::error::Kind;
use crate::fixtures::{
    Files, alive, assert_snapshots, back_up, back_up_as, create, draft, files_of, named, open, read_back, restarted,
    seeded, store_files,
};
use crate::store::Call;
use crate::store::{MemoryStore, Store};

/// A new repository and the store beneath it.
fn new_repository() -> (MemoryStore, Repository) {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    (store, repository)
}

/// What was put since the calls were last taken, with identifiers cut off.
fn puts(store: &MemoryStore) -> Vec<String> {
    let shorten = |name: String| {
        name.split('/').map(|part| if part.len() > 12 { "…" } else { part }).collect::<Vec<_>>().join("/")
    };
    let calls = store.take_calls().into_iter();
    calls.filter_map(|call| if let Call::Put(name) = call { Some(shorten(name)) } else { None }).collect()
}

/// Stores a buffer as the content of a large file, cut like one.
fn store_large(session: &Session<'_>, data: &[u8]) -> Result<Vec<Extent>> {
    let mut extents = Vec::new();
    for run in data.chunks(limits::BLOCK_TARGET) {
        extents.extend(session.store_run(run, &[run.len() / 2, run.len() - run.len() / 2], Effort::Fast)?);
    }
    Ok(extents)
}

fn blocks_of(extents: &[Extent]) -> std::collections::BTreeSet<BlockId> {
    let data = |extent: &Extent| if let Extent::Data { block, .. } = extent { Some(*block) } else { None };
    extents.iter().filter_map(data).collect()
}
