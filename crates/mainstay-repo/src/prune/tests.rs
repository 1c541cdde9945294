//! Tests of pruning: the plan, what is removed, and what never is.

mod beside;
mod blind;
mod chaos;
mod copies;
mod crash;
mod full;
mod history;
mod leftovers;
mod living;
mod once;
mod plan;
mod simulation;
mod stopping;
mod thinning;
mod void;

use std::collections::HashSet;

use super::*;
use crate::error::{Error, Kind};
use crate::fixtures::put_condemned;
use crate::fixtures::{
    Files, alive, assert_snapshots, back_up, copy_of, create, files_of, named, open, process, restarted, seeded,
    session_id,
};
use crate::format::coord::{Condemned, CondemnedPack};
use crate::format::names;
use crate::id::{PackId, SnapshotId, TableId};
use crate::session::{Session, Sharing};
use crate::store::{MemoryStore, Object, Store};

fn new_repository() -> (MemoryStore, Repository) {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    (store, repository)
}

fn forget(repository: &Repository, sequence: u64) {
    let entries = repository.snapshots().unwrap();
    let entry = entries.iter().find(|entry| entry.snapshot.sequence == sequence).unwrap();
    repository.forget(entry.id, 0).unwrap();
}

/// Two snapshots, the first of which is forgotten: of its pack one block lives on and two are dead.
fn half_dead() -> (MemoryStore, Repository, Files) {
    let (store, repository) = new_repository();
    let kept = files_of(&[("a", 1, 600_000), ("d", 4, 1000)]);
    back_up(&repository, 1, &files_of(&[("a", 1, 600_000), ("b", 2, 600_000), ("c", 3, 600_000)])).unwrap();
    back_up(&repository, 2, &kept).unwrap();
    forget(&repository, 1);
    (store, repository, kept)
}

/// Objects that no living snapshot needs, once everything was pruned by a process that is gone.
fn garbage(store: &MemoryStore) -> Vec<String> {
    let repository = open(store.clone(), restarted());
    let index = repository.index().unwrap();
    let mut needed: HashSet<String> =
        index.blocks.iter().map(|table| names::table(names::TableKind::Blocks, table.id())).collect();
    needed.extend(index.chunks.iter().map(|table| names::table(names::TableKind::Chunks, table.id())));
    needed.insert(names::CONFIG.to_owned());
    let mut sessions = HashSet::new();
    for entry in repository.snapshots().unwrap().iter().filter(|entry| !entry.forgotten) {
        let source = repository.source_id_of(&entry.snapshot);
        needed.extend([names::refs(entry.id), names::snapshot(source, entry.snapshot.sequence, entry.id)]);
        sessions.insert(entry.snapshot.session);
        for block in repository.references(entry).unwrap().iter() {
            let place = index.find_block(block).unwrap().expect("a block of a kept snapshot");
            // Thinned copies may complete each other.
            let copies = if place.thinned { index.copies(block).unwrap() } else { vec![place] };
            needed.extend(copies.iter().map(|place| names::pack(place.pack, place.pack_session)));
            sessions.insert(block.session);
        }
    }
    // A block that nothing needs may stay in a pack that something needs: it needs its key, too.
    index
        .for_each_block(|block, place| {
            if needed.contains(&names::pack(place.pack, place.pack_session)) {
                sessions.insert(block.session);
            }
        })
        .unwrap();
    let keys = named(store, names::DATA_KEYS).into_iter();
    needed.extend(keys.filter(|name| names::parse_data_key(name).is_ok_and(|key| sessions.contains(&key.session))));
    let packs: HashSet<PackId> = needed.iter().filter_map(|name| Some(names::parse_pack(name).ok()?.0)).collect();
    let sidecars = named(store, names::PARITY).into_iter();
    needed.extend(sidecars.filter(|name| names::parse_parity(name).is_ok_and(|(pack, _)| packs.contains(&pack))));
    // A session that was fenced may wake and go on writing under its key, and must find the fence.
    let fenced = store.names().into_iter().filter_map(|name| names::parse_fence(&name).ok());
    let fenced: HashSet<SessionId> = fenced.map(|(session, _)| session).collect();
    let keys = named(store, names::DATA_KEYS).into_iter();
    needed.extend(keys.filter(|name| names::parse_data_key(name).is_ok_and(|key| fenced.contains(&key.session))));
    // A mark that a prune had put for a snapshot that was void goes with the snapshot.
    let of_void = repository.snapshots().unwrap().into_iter().map(|entry| entry.id);
    let of_void = of_void.filter(|id| repository.mark(*id).unwrap().is_some_and(|mark| mark.is_of_void()));
    needed.extend(of_void.map(names::trash));
    // A list with a snapshot that was taken back stays as long as that snapshot.
    let kept: HashSet<SnapshotId> = repository.snapshots().unwrap().iter().map(|entry| entry.id).collect();
    let lists = repository.condemned().unwrap().lists.into_iter();
    let lists = lists.filter(|list| list.snapshots.iter().any(|snapshot| kept.contains(&snapshot.id)));
    needed.extend(lists.map(|list| names::condemned(list.id)));
    // The last prune's own lease is ended and goes with the next prune.
    let for_ever = [names::KEY_SLOTS, names::LEASES, names::FENCES, names::HISTORY];
    let kept = |name: &str| needed.contains(name) || for_ever.iter().any(|prefix| name.starts_with(prefix));
    let present: HashSet<String> = store.names().into_iter().collect();
    let is_copy = |name: &str| name.strip_prefix(names::COPIES).is_some_and(|of| present.contains(of) && kept(of));
    store.names().into_iter().filter(|name| !kept(name) && !is_copy(name)).collect()
}

#[test]
fn a_prune_removes_what_only_forgotten_snapshots_needed() {
    let (store, repository, kept) = half_dead();
    let before: u64 = store.names().iter().map(|name| store.len(name).unwrap()).sum();
    let report = repository.prune().unwrap();
    let after: u64 = store.names().iter().map(|name| store.len(name).unwrap()).sum();
    assert_eq!((report.plan.snapshots.len(), report.plan.repack.len(), report.plan.delete.len()), (1, 1, 1));
    assert!(before - after > 8_000, "only {} bytes were freed", before - after);
    assert_snapshots(&repository, &[(2, kept)].into());
    assert_eq!(garbage(&store), [""; 0]);
}

#[test]
fn a_dry_run_says_what_the_prune_does_and_changes_nothing() {
    let (store, repository, _) = half_dead();
    let before = store.names();
    let plan = repository.plan_prune().unwrap();
    assert_eq!(store.names(), before);
    assert_eq!(repository.prune().unwrap().plan, plan);
    assert!(repository.plan_prune().unwrap().is_empty());
}

#[test]
fn a_second_prune_finds_nothing_to_do() {
    let (store, repository, kept) = half_dead();
    repository.prune().unwrap();
    let packs = named(&store, "packs/");
    let report = repository.prune().unwrap();
    assert!(report.plan.is_empty() && report.repacked_bytes == 0);
    assert_eq!(named(&store, "packs/"), packs);
    assert_snapshots(&repository, &[(2, kept)].into());
}

#[test]
fn tiny_chunks_are_no_waste() {
    let (store, repository) = new_repository();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let files: Files = (0..3000).map(|number| (format!("{number:04}"), seeded(number, 20))).collect();
    let (root, blocks) = crate::fixtures::store_files(&session, &files).unwrap();
    session.commit(crate::fixtures::draft("data", 1, root, blocks)).unwrap();
    let packs = named(&store, "packs/");
    let plan = repository.plan_prune().unwrap();
    assert!(plan.is_empty(), "nothing was forgotten, yet {} packs would be rewritten", plan.repack.len());
    repository.prune().unwrap();
    assert_eq!(named(&store, "packs/"), packs);
}

#[test]
fn when_everything_is_forgotten_nothing_is_left() {
    let (store, repository, _) = half_dead();
    forget(&repository, 2);
    let report = repository.prune().unwrap();
    assert_eq!(report.plan.keep, []);
    assert_snapshots(&repository, &std::collections::BTreeMap::new());
    assert!(named(&store, "packs/").is_empty() && named(&store, "keys/data/").is_empty());
    assert_eq!(garbage(&store), [""; 0]);
    let files = files_of(&[("a", 1, 600_000)]);
    back_up(&repository, 3, &files).unwrap();
    assert_snapshots(&repository, &[(3, files)].into());
}

#[test]
fn what_was_pruned_is_stored_again_when_it_comes_back() {
    let (_store, repository, kept) = half_dead();
    repository.prune().unwrap();
    let files = files_of(&[("a", 1, 600_000), ("b", 2, 600_000), ("c", 3, 600_000)]);
    let report = back_up(&repository, 3, &files).unwrap();
    assert!(report.new_bytes > 1_200_000 && report.new_bytes < 1_300_000, "{}", report.new_bytes);
    assert_snapshots(&repository, &[(2, kept), (3, files)].into());
}

#[test]
fn a_block_that_moved_is_shared_as_before() {
    let (_store, repository, kept) = half_dead();
    repository.prune().unwrap();
    assert_eq!(back_up(&repository, 3, &kept).unwrap().new_bytes, 0);
    forget(&repository, 2);
    repository.prune().unwrap();
    assert_snapshots(&repository, &[(3, kept)].into());
}

#[test]
fn a_damaged_block_stays_where_it_is_and_stops_no_prune() {
    let (store, repository, kept) = half_dead();
    let plan = repository.plan_prune().unwrap();
    let pack = Object { name: names::pack(plan.repack[0].id, plan.repack[0].session), len: plan.repack[0].len };
    let needed = repository.references(&repository.snapshots().unwrap()[1]).unwrap();
    let rows = repository.read_pack_listing(&pack).unwrap().rows;
    let row = rows.into_iter().find(|row| needed.contains(row.block)).expect("one block of the pack lives on");
    // Codec and length in the header, ciphertext, tag; ciphertext of the chunk table.
    let header = [row.offset + 5, row.offset + 40];
    for at in header.into_iter().chain([row.offset + 100, row.offset + row.stored_len - 1, row.table_offset + 20]) {
        let copy = copy_of(&store);
        copy.damage(&pack.name, |bytes| bytes[at as usize] ^= 1);
        let report = open(copy.clone(), restarted()).prune().unwrap();
        assert_eq!(report.reasons.iter().map(Error::kind).collect::<Vec<_>>(), [Kind::Corrupt], "byte {at}");
        assert!(copy.names().contains(&pack.name), "the damaged pack stays for a repair");
        let whole = store.read(&pack.name, u64::MAX).unwrap();
        copy.damage(&pack.name, |bytes| *bytes = whole);
        assert_snapshots(&open(copy, restarted()), &[(2, kept.clone())].into());
    }
    repository.prune().unwrap();
    assert_snapshots(&repository, &[(2, kept)].into());
}

#[test]
fn an_independent_copy_stays_apart_when_packs_are_rewritten() {
    let (store, repository) = new_repository();
    let files = files_of(&[("a", 1, 600_000), ("b", 2, 600_000), ("c", 3, 600_000)]);
    let kept = files_of(&[("a", 1, 600_000)]);
    back_up(&repository, 1, &files).unwrap();
    back_up(&repository, 2, &kept).unwrap();
    let session = Session::begin(&repository, Sharing::Independent).unwrap();
    crate::fixtures::store_files(&session, &files).unwrap();
    let (root, blocks) = crate::fixtures::store_files(&session, &kept).unwrap();
    let mut draft = crate::fixtures::draft("data", 3, root, blocks);
    draft.snapshot.independent = true;
    session.commit(draft).unwrap();
    forget(&repository, 1);
    assert!(repository.prune().unwrap().plan.repack.len() >= 2, "packs of both copies are rewritten");
    let packs_of = |sequence: usize| -> HashSet<PackId> {
        let index = repository.index().unwrap();
        let entry = &repository.snapshots().unwrap()[sequence - 2];
        let blocks = repository.references(entry).unwrap();
        blocks.iter().map(|block| index.find_block(block).unwrap().unwrap().pack).collect()
    };
    assert!(packs_of(2).is_disjoint(&packs_of(3)));
    assert_snapshots(&repository, &[(2, kept.clone()), (3, kept)].into());
    assert_eq!(garbage(&store), [""; 0]);
}

#[test]
fn what_killed_writers_left_unfinished_is_cleared() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("repository");
    let repository = create(crate::store::LocalStore::new(&path));
    back_up(&repository, 1, &files_of(&[("a", 1, 1000)])).unwrap();
    std::fs::write(path.join("tmp").join("unfinished"), b"bytes").unwrap();
    repository.prune().unwrap();
    assert_eq!(std::fs::read_dir(path.join("tmp")).unwrap().count(), 0);
    assert_snapshots(&repository, &[(1, files_of(&[("a", 1, 1000)]))].into());
}
