//! Tests of parity in a repository and of repair: what is damaged, by what it becomes whole, and what is lost.

mod acquittals;
mod beside;
mod copies;
mod copies_beside;
mod copies_of_strangers;
mod crash;
mod doubts;
mod healing;
mod losing;
mod sidecars;
mod sister;
mod stored_again;
mod void;

use super::*;
use crate::error::Kind;
use crate::fixtures::{
    Files, alive, assert_snapshots, back_up, copy_of, create, files_of, named, open, read_back, restarted, secret,
};
use crate::id::PackId;
use crate::store::{MemoryStore, Store as _};

const APPLY: RepairOptions = RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Keep };
const SHOW: RepairOptions = RepairOptions { mode: RepairMode::Show, on_loss: OnLoss::Keep };
const ACCEPT: RepairOptions = RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Accept };

/// Files of several blocks, small and large, none of which compresses much.
fn some_files() -> Files {
    let content = |seed, len| crate::fixtures::seeded(seed, len);
    (0..5).map(|number| (format!("file {number}"), content(number, 300_000 + number as usize * 70_000))).collect()
}

/// A repository with one snapshot, opened as after a restart of the machine.
fn with_snapshot() -> (MemoryStore, Repository, Files) {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let files = some_files();
    back_up(&repository, 1, &files).unwrap();
    (store.clone(), open(store, restarted()), files)
}

/// The same with parity for everything.
fn with_parity(percent: u8) -> (MemoryStore, Repository, Files) {
    let (store, repository, files) = with_snapshot();
    let added = repository.add_parity(None, percent, &Unobserved).unwrap();
    assert!(added.packs == 2 && added.damaged.is_empty(), "{added:?}");
    (store, repository, files)
}

fn snapshots(sequence: u64, files: &Files) -> std::collections::BTreeMap<u64, Files> {
    [(sequence, files.clone())].into()
}

/// The pack with most bytes: that of content.
fn content_pack(store: &MemoryStore) -> String {
    let packs = named(store, "packs/");
    packs.into_iter().max_by_key(|name| store.len(name).unwrap()).unwrap()
}

fn tree_pack(store: &MemoryStore) -> String {
    let packs = named(store, "packs/");
    packs.into_iter().min_by_key(|name| store.len(name).unwrap()).unwrap()
}

fn sidecar_of(store: &MemoryStore, pack: PackId) -> String {
    let is_its = |name: &String| names::parse_parity(name).is_ok_and(|(id, _)| id == pack);
    named(store, "parity/").into_iter().find(is_its).unwrap()
}

fn damage(store: &MemoryStore, name: &str, from: usize, len: usize) {
    store.damage(name, |bytes| bytes[from..from + len].iter_mut().for_each(|byte| *byte ^= 0x5a));
}

/// Every pack is what its name says, and every sidecar belongs to one.
fn assert_whole(store: &MemoryStore) {
    for name in named(store, "packs/") {
        let (id, _) = names::parse_pack(&name).unwrap();
        assert_eq!(blake3::hash(&store.read(&name, u64::MAX).unwrap()).as_bytes(), &id.0, "{name}");
    }
    let packs: Vec<_> = named(store, "packs/").iter().map(|name| names::parse_pack(name).unwrap().0).collect();
    for name in named(store, "parity/") {
        assert!(packs.contains(&names::parse_parity(&name).unwrap().0), "{name} is left over");
    }
}

fn everything(store: &MemoryStore) -> Vec<(String, Vec<u8>)> {
    store.names().into_iter().map(|name| (name.clone(), store.read(&name, u64::MAX).unwrap())).collect()
}

fn means(report: &RepairReport) -> Vec<(&str, Means)> {
    report.repaired.iter().map(|repaired| (repaired.object.as_str(), repaired.means)).collect()
}
