//! What is here and was not recorded as having come, what was here and is lost, and what comes back by a copying of files.

use super::*;
use crate::fixtures::beside::{another, at_each_call, within};
use crate::fixtures::{FailingStore, Failure, copy_files};

#[test]
fn an_arrival_that_was_not_recorded_is_recorded_by_the_next_sync() {
    let (there, original, _) = with_copy();
    let archive = copy_of(&there);
    let first = open(there.clone(), alive()).snapshots().unwrap()[0].id;
    forget_and_prune(&there, first);
    sync(&original, &there).unwrap();
    for call in 0.. {
        let here = copy_of(&original);
        let dying = FailingStore::new(here.clone(), Failure::From(call));
        let died = Repository::open(Arc::new(dying.clone()), &secret(), restarted())
            .and_then(|here| here.sync_from(&open(archive.clone(), alive()), &Unobserved));
        sync(&here, &archive).unwrap();
        assert!(
            !open(here, alive()).removed().unwrap().contains(first),
            "killed at call {call}: its loss would be none"
        );
        if died.is_ok() {
            assert!(call > 20);
            return;
        }
    }
}

#[test]
fn a_sync_that_says_of_a_snapshot_that_it_is_elsewhere_finds_that_another_one_has_brought_it() {
    let (there, original, _) = with_copy();
    let archive = copy_of(&there);
    let first = open(there.clone(), alive()).snapshots().unwrap()[0].id;
    forget_and_prune(&there, first);
    at_each_call(|call| {
        let here = copy_of(&original);
        let (from, archive) = (open(there.clone(), alive()), archive.clone());
        let brings = move |store: &MemoryStore| another(store).sync_from(&open(archive, alive()), &Unobserved).is_ok();
        let (synced, brought) = within(&here, call, |here| here.sync_from(&from, &Unobserved).map(drop), brings);
        assert!(synced.is_ok() && brought != Some(false), "call {call}: {synced:?}, {brought:?}");
        let is_there = brought.is_some();
        assert_eq!(open(here, alive()).removed().unwrap().contains(first), !is_there, "call {call}");
        is_there
    });
}

#[test]
fn a_snapshot_that_is_lost_here_is_not_said_to_be_elsewhere() {
    let (there, here, mut kept) = with_copy();
    sync(&here, &there).unwrap();
    let second = open(there.clone(), alive()).snapshots().unwrap()[1].clone();
    let repository = open(here.clone(), alive());
    repository.add_copies(|| Ok(())).unwrap();
    here.delete(&names::snapshot(repository.source_id_of(&second.snapshot), 2, second.id)).unwrap();
    repository.prune().unwrap_err();
    back_up_next(&there, 3, &small(0..3));
    forget_and_prune(&there, second.id);
    let report = sync(&here, &there).unwrap();
    assert_eq!((report.brought.len(), report.left_out.len()), (0, 1), "{report:?}");
    open(here.clone(), alive()).prune().unwrap_err();
    let apply = RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Keep };
    assert_eq!(open(here.clone(), alive()).repair(apply).unwrap().lost, []);
    assert_eq!(sync(&here, &there).unwrap().brought.len(), 1);
    kept.insert(3, small(0..3));
    open(here.clone(), alive()).prune().unwrap();
    assert_snapshots(&open(here, restarted()), &kept);
}

#[test]
fn the_map_of_a_snapshot_that_is_here_comes_where_it_is_gone() {
    let (there, here, kept) = with_copy();
    sync(&here, &there).unwrap();
    let first = open(there.clone(), alive()).snapshots().unwrap()[0].id;
    here.delete(&names::refs(first)).unwrap();
    assert_eq!(ids(&sync(&here, &there).unwrap()), [first]);
    open(here.clone(), alive()).prune().unwrap();
    assert_snapshots(&open(here, restarted()), &kept);
}

/// A mirror of files that was cut short, in which a prune took away packs whose snapshot came with the rest of the files; and names of packs that a
/// collector deletes once more which has slept since.
fn with_returned_packs() -> (MemoryStore, MemoryStore, BTreeMap<u64, Files>, Vec<String>) {
    let (there, _, kept) = with_copy();
    let here = copy_of(&there);
    for folder in [names::SNAPSHOTS, names::REFS, names::LEASES] {
        named(&here, folder).iter().for_each(|name| here.delete(name).unwrap());
    }
    open(here.clone(), alive()).prune().unwrap();
    assert_eq!(named(&here, names::PACKS), [""; 0]);
    copy_files(&here, &there);
    let returned = named(&here, names::PACKS);
    (there, here, kept, returned)
}

#[test]
fn packs_that_were_removed_and_come_back_are_relied_on_by_no_sync() {
    let (there, here, kept, returned) = with_returned_packs();
    let report = sync(&here, &there).unwrap();
    assert_eq!(report.left_out.len(), 0, "{report:?}");
    returned.iter().for_each(|name| here.delete(name).unwrap());
    assert_snapshots(&open(here.clone(), restarted()), &kept);
    open(here.clone(), alive()).prune().unwrap();
    assert_snapshots(&open(here, restarted()), &kept);
}

#[test]
fn packs_that_were_removed_and_come_back_are_relied_on_by_no_backup_and_no_prune() {
    for is_pruned in [false, true] {
        let (_, here, mut kept, returned) = with_returned_packs();
        let repository = open(here.clone(), alive());
        if is_pruned {
            repository.prune().unwrap();
        } else {
            // A backup that believes the snapshot before it.
            let entry = repository.snapshots().unwrap()[1].clone();
            let blocks = repository.references(&entry).unwrap();
            let session = Session::begin(&repository, Sharing::Shared).unwrap();
            session.commit(draft("data", 3, entry.snapshot.root.clone(), blocks)).unwrap();
            kept.insert(3, kept[&2].clone());
            kept.remove(&1);
            repository.forget(repository.snapshots().unwrap()[0].id, 0).unwrap();
        }
        for name in &returned {
            let _ = here.delete(name);
        }
        assert_snapshots(&open(here.clone(), restarted()), &kept);
        open(here.clone(), alive()).prune().unwrap();
        assert_snapshots(&open(here, restarted()), &kept);
    }
}

#[test]
fn packs_that_came_back_go_though_somebody_is_always_reading() {
    let (_, here, kept, returned) = with_returned_packs();
    let reader = |number| open(here.clone(), process(number, Some(1)));
    let (first, second, third) = (reader(11), reader(12), reader(13));
    let before = first.begin_reading().unwrap();
    assert!(open(here.clone(), alive()).prune().unwrap().waiting.packs > 0);
    assert!(returned.iter().all(|pack| here.len(pack).is_ok()), "who reads may have found them");
    // By now a list names them, and whoever begins names that.
    let meanwhile = second.begin_reading().unwrap();
    drop(before);
    let _always = third.begin_reading().unwrap();
    open(here.clone(), alive()).prune().unwrap();
    drop(meanwhile);
    assert!(returned.iter().all(|pack| here.len(pack).is_err()), "{:?}", named(&here, names::PACKS));
    assert_eq!(named(&here, names::CONDEMNED), [""; 0]);
    assert_snapshots(&open(here, restarted()), &kept);
}

#[test]
fn a_backup_beside_packs_that_came_back_reads_none_of_them_once_a_list_names_them() {
    let (_, here, _, returned) = with_returned_packs();
    let reader = open(here.clone(), process(11, Some(1)));
    let _lease = reader.begin_reading().unwrap();
    open(here.clone(), alive()).prune().unwrap();
    let repository = open(here.clone(), alive());
    let entry = repository.snapshots().unwrap()[1].clone();
    let blocks = repository.references(&entry).unwrap();
    here.take_calls();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let mut draft = draft("data", 3, entry.snapshot.root.clone(), blocks);
    draft.snapshot.parent = Some(entry.id);
    session.commit(draft).unwrap();
    let read = here
        .take_calls()
        .into_iter()
        .filter(|call| matches!(call, crate::store::Call::Read { name, .. } if returned.contains(name)));
    assert_eq!(read.count(), 0);
}

#[test]
fn a_repair_saves_what_only_packs_that_came_back_have() {
    let (there, here, kept, returned) = with_returned_packs();
    sync(&here, &there).unwrap();
    // What was stored anew rots, and nothing else has it.
    for pack in named(&here, names::PACKS).iter().filter(|pack| !returned.contains(pack)) {
        here.damage(pack, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        });
    }
    let apply = |mode| RepairOptions { mode, on_loss: OnLoss::Keep };
    assert_eq!(open(here.clone(), restarted()).repair(apply(RepairMode::Show)).unwrap().lost, []);
    assert_eq!(open(here.clone(), restarted()).repair(apply(RepairMode::Apply)).unwrap().lost, []);
    returned.iter().for_each(|name| drop(here.delete(name)));
    assert_snapshots(&open(here.clone(), restarted()), &kept);
    open(here.clone(), alive()).prune().unwrap();
    assert_snapshots(&open(here, restarted()), &kept);
}
