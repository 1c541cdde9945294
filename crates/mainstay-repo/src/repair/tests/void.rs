//! Tests of repairs beside snapshots that a fence makes void: somebody may take them back, so what is here of them stays.

use super::*;
use crate::fixtures::make_void;
use crate::id::SnapshotId;

/// The second of two snapshots is void, and one byte of a block rots that it alone needs.
fn rotten() -> (MemoryStore, String, SnapshotId) {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    back_up(&repository, 1, &files_of(&[("kept", 9, 30_000)])).unwrap();
    let before = named(&store, "packs/");
    let entry = back_up(&repository, 2, &many_files()).unwrap().entry;
    make_void(&repository, &entry);
    let is_new = |name: &String| !before.contains(name);
    let new = named(&store, "packs/").into_iter().filter(is_new);
    let pack = new.max_by_key(|name| store.len(name).unwrap()).unwrap();
    damage(&store, &pack, 400_000, 1);
    (store, pack, entry.id)
}

fn many_files() -> Files {
    let content = |seed, len| crate::fixtures::seeded(seed, len);
    (0..12).map(|number| (format!("file {number:02}"), content(100 + number, 900_000))).collect()
}

/// Takes the snapshot back; answers the names of its files that are whole.
fn taken_back(store: &MemoryStore, id: SnapshotId) -> Vec<String> {
    let repository = open(store.clone(), restarted());
    repository.undelete(id).unwrap();
    let entries = repository.snapshots().unwrap();
    let entry = entries.iter().find(|entry| entry.id == id).unwrap();
    let index = repository.index().unwrap();
    let reader = crate::tree_reader::TreeReader::new(repository.block_reader(&index));
    let nodes = reader.directory(&entry.snapshot.root).unwrap().nodes;
    let is_whole = |node: &&crate::format::tree::Node| {
        reader.extents(&node.content).unwrap().iter().all(|extent| {
            let crate::format::tree::Extent::Data { block, offset, len } = extent else { return true };
            let kind = crate::format::block::BlockKind::Content;
            reader.blocks().read(*block, kind, *offset..offset + len).is_ok()
        })
    };
    nodes.iter().filter(is_whole).map(|node| String::from_utf8(node.name.clone()).unwrap()).collect()
}

#[test]
fn a_repair_takes_nothing_of_a_void_snapshot_and_names_what_is_lost_of_it() {
    let (store, pack, id) = rotten();
    let before = taken_back(&copy_of(&store), id);
    assert!(!before.is_empty() && before.len() < many_files().len(), "{before:?}");
    for _ in 0..2 {
        let report = open(store.clone(), restarted()).repair(APPLY).unwrap();
        assert_eq!(report.lost.iter().map(|loss| loss.object.as_str()).collect::<Vec<_>>(), [pack.as_str()]);
        assert!(store.names().contains(&pack));
    }
    open(store.clone(), restarted()).prune_observed(i64::MAX, &Unobserved).unwrap();
    assert_eq!(taken_back(&store, id), before);
}

#[test]
fn what_is_lost_of_a_void_snapshot_goes_only_when_that_is_accepted_and_the_rest_of_it_still_comes_back() {
    let (store, pack, id) = rotten();
    let before = taken_back(&copy_of(&store), id);
    let report = open(store.clone(), restarted()).repair(ACCEPT).unwrap();
    assert!(report.lost.iter().all(|loss| loss.is_accepted && loss.object == pack) && !report.lost.is_empty());
    assert!(!store.names().contains(&pack));
    assert_whole(&store);
    assert_eq!(taken_back(&store, id), before);
}

#[test]
fn what_a_void_snapshot_never_had_here_is_no_loss() {
    let (store, pack, _) = rotten();
    store.delete(&pack).unwrap();
    assert_eq!(open(store, restarted()).repair(APPLY).unwrap().lost, []);
}

#[test]
fn damage_that_only_a_void_snapshot_had_is_none_when_that_has_gone() {
    let (store, pack, _) = rotten();
    open(store.clone(), restarted()).prune_observed(0, &Unobserved).unwrap();
    assert!(!store.names().contains(&pack));
    assert_eq!(open(store, restarted()).repair(APPLY).unwrap().lost, []);
}
