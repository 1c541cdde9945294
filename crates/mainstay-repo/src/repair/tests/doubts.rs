//! Tests of what a repair must not believe: disks that change their minds, strangers, tables that are gone, and others at work.

use std::sync::Arc;

use super::*;
use crate::fixtures::bad_sectors::{BadSectors, Sector};
use crate::fixtures::beside::another;
use crate::session::{Session, Sharing};

fn over(store: &BadSectors) -> Repository {
    Repository::open(Arc::new(store.clone()), &secret(), restarted()).unwrap()
}

#[test]
fn a_disk_that_reads_other_bytes_each_time_is_never_believed() {
    let mut reads = 0;
    for from in 0.. {
        let (store, _, files) = with_parity(30);
        let content = content_pack(&store);
        damage(&store, &content, 300_000, 30);
        let place = 500_000..500_010;
        let disk = BadSectors::new(store.clone(), &content, place, Sector::ChangesAt(from));
        // Whatever it came to, nothing wrong was written, and what is there is enough.
        drop(over(&disk).repair(APPLY));
        let report = open(store.clone(), restarted()).repair(APPLY).unwrap();
        assert_eq!(report.lost, [], "from reading {from} on");
        assert_snapshots(&open(store.clone(), restarted()), &snapshots(1, &files));
        if disk.reads() <= from {
            reads = from;
            break;
        }
    }
    assert!(reads > 4, "the place was read {reads} times");
}

#[test]
fn a_place_that_cannot_be_read_is_healed_and_stands_in_the_way_of_nobody() {
    for (from, to) in [(0, 60), (500_000, 500_500), (u64::MAX - 600, u64::MAX)] {
        let (store, _, files) = with_parity(30);
        let content = content_pack(&store);
        let len = store.len(&content).unwrap();
        let place = if from > len { len - 600..len } else { from..to };
        let disk = BadSectors::new(store.clone(), &content, place.clone(), Sector::Unreadable);
        // A reader keeps the damaged pack: prunes meet it.
        let elsewhere = another(&store);
        let reader = elsewhere.begin_reading().unwrap();
        let beside = Repository::open(Arc::new(disk.clone()), &secret(), alive()).unwrap();
        assert_eq!(means(&beside.repair(APPLY).unwrap()), [(content.as_str(), Means::Parity)], "{place:?}");
        beside.prune().unwrap_or_else(|error| panic!("{place:?}: prune: {error}"));
        drop(reader);
        beside.prune().unwrap_or_else(|error| panic!("{place:?}: prune: {error}"));
        assert!(!store.names().contains(&content), "{place:?}");
        assert_snapshots(&open(store, restarted()), &snapshots(1, &files));
    }
}

#[test]
fn index_tables_that_are_gone_are_made_anew_and_nothing_is_lost_with_them() {
    let (store, repository, files) = with_snapshot();
    for name in named(&store, "index/") {
        store.delete(&name).unwrap();
    }
    for options in [SHOW, RepairOptions { mode: RepairMode::Show, ..ACCEPT }, ACCEPT] {
        let report = repository.repair(options).unwrap();
        assert_eq!(report.lost, [], "{options:?}");
    }
    assert_eq!(named(&store, "losses/"), [""; 0]);
    let again = back_up(&open(store.clone(), restarted()), 2, &files).unwrap();
    assert_eq!(again.new_bytes, 0, "everything is known again");
}

#[test]
fn a_damaged_table_is_no_loss_for_who_only_looks() {
    let (store, repository, _) = with_snapshot();
    for table in named(&store, "index/") {
        damage(&store, &table, 100, 1);
    }
    assert_eq!(repository.repair(SHOW).unwrap().lost, []);
}

#[test]
fn nothing_is_given_up_beside_a_writer_that_may_rely_on_it() {
    let (store, _, files) = with_snapshot();
    let content = content_pack(&store);
    damage(&store, &content, 5000, 10);
    let elsewhere = another(&store);
    let session = Session::begin(&elsewhere, Sharing::Shared).unwrap();
    let beside = open(store.clone(), alive());
    let report = beside.repair(ACCEPT).unwrap();
    assert!(report.lost.iter().all(|loss| !loss.is_accepted) && !report.lost.is_empty(), "{report:?}");
    assert!(store.names().contains(&content) && beside.known_losses().unwrap().accepted.is_empty());
    // It goes on and relies on what it found when it began.
    let (root, blocks) = crate::fixtures::store_files(&session, &files).unwrap();
    session.commit(crate::fixtures::draft("data", 2, root, blocks)).unwrap();
    // What its source has is stored again by the next one, and heals both.
    let later = open(store.clone(), restarted());
    back_up(&later, 3, &files).unwrap();
    assert_eq!(later.repair(ACCEPT).unwrap().lost, []);
    let expected = (1..=3).map(|sequence| (sequence, files.clone())).collect();
    assert_snapshots(&open(store, restarted()), &expected);
}

#[test]
fn a_doomed_pack_stays_while_something_needed_of_it_cannot_be_opened() {
    let (store, repository, files) = with_snapshot();
    let content = content_pack(&store);
    // Condemned by a collector that knew no snapshot.
    let (id, session) = names::parse_pack(&content).unwrap();
    let list = crate::format::coord::Condemned {
        id: crate::id::TableId([7; 16]),
        packs: vec![crate::format::coord::CondemnedPack { id, session }],
        snapshots: Vec::new(),
        considered: Vec::new(),
        keys: Vec::new(),
    };
    crate::fixtures::put_condemned(&store, &repository, &list);
    let key = named(&store, "keys/data/").remove(0);
    let kept = store.read(&key, 10_000).unwrap();
    store.delete(&key).unwrap();
    let report = open(store.clone(), restarted()).repair(APPLY).unwrap();
    assert!(report.lost.iter().any(|loss| loss.object == content), "{report:?}");
    assert!(store.names().contains(&content), "it may be opened again");
    store.put(&key, &kept).unwrap();
    let repository = open(store.clone(), restarted());
    assert_eq!(repository.repair(APPLY).unwrap().lost, []);
    repository.prune().unwrap();
    assert_snapshots(&open(store, restarted()), &snapshots(1, &files));
}

#[test]
fn a_list_of_losses_that_a_stranger_has_put_or_that_cannot_be_read_says_nothing() {
    let (store, repository, files) = with_snapshot();
    let entry = repository.snapshots().unwrap().remove(0);
    let blocks = repository.references(&entry).unwrap();
    let losses = crate::format::losses::Losses { id: crate::id::TableId([7; 16]), accepted: blocks.clone(), blocks };
    let (said, stranger) = (crate::format::losses::encode_losses(&losses), crate::fixtures::holder());
    let kind = crate::format::envelope::ObjectKind::Losses;
    let signature = stranger.signer().sign(&crate::format::signed::signed(kind, repository.id(), &said));
    let signed = (stranger.signer().certificates(), signature);
    let forged = crate::format::signed::encode(kind, repository.id(), &said, signed);
    for bytes in [forged, b"nonsense".to_vec()] {
        store.put(&names::losses(losses.id), &bytes).unwrap();
        let known = repository.known_losses().unwrap();
        assert!(known.blocks.is_empty() && known.accepted.is_empty());
        assert_eq!(back_up(&repository, 2, &files).unwrap().new_bytes, 0);
        repository.prune().unwrap();
        repository.repair(APPLY).unwrap();
        assert_eq!(named(&store, "losses/"), [""; 0], "a repair makes them anew");
        let last = crate::fixtures::named(&store, "snapshots/").pop().unwrap();
        store.delete(&last).unwrap();
    }
    assert_snapshots(&repository, &snapshots(1, &files));
}

#[test]
fn a_copy_of_a_pack_under_the_name_of_another_session_takes_nobody_in() {
    let (store, _, files) = with_parity(30);
    for pack in named(&store, "packs/") {
        let (id, _) = names::parse_pack(&pack).unwrap();
        for session in [[0; 16], [0xff; 16]] {
            let copy = names::pack(id, crate::id::SessionId(session));
            store.put(&copy, &store.read(&pack, u64::MAX).unwrap()).unwrap();
        }
    }
    let repository = open(store.clone(), restarted());
    repository.prune().unwrap();
    repository.prune().unwrap();
    assert_snapshots(&repository, &snapshots(1, &files));
    let content = repository.list_packs().unwrap();
    let is_true = |name: &str| !name.ends_with(&"0".repeat(32)) && !name.ends_with(&"f".repeat(32));
    let content = content.into_iter().filter(|pack| is_true(&pack.name)).max_by_key(|pack| pack.len).unwrap().name;
    damage(&store, &content, 5000, 30);
    let report = repository.repair(APPLY).unwrap();
    assert_eq!((means(&report), report.strangers.len()), (vec![(content.as_str(), Means::Parity)], 4));
    assert_snapshots(&open(store, restarted()), &snapshots(1, &files));
}

#[test]
fn the_better_parity_of_a_damaged_pack_is_not_dropped_for_a_worse_one() {
    let (store, repository, files) = with_parity(30);
    let content = content_pack(&store);
    let (id, _) = names::parse_pack(&content).unwrap();
    let better = sidecar_of(&store, id);
    let bytes = store.read(&better, u64::MAX).unwrap();
    // As a change of the percentage leaves it that was killed before its end.
    repository.add_parity(None, 3, &Unobserved).unwrap();
    store.put(&better, &bytes).unwrap();
    damage(&store, &content, 5000, 150_000);
    assert_eq!(repository.add_parity(None, 3, &Unobserved).unwrap().damaged.len(), 1);
    assert!(store.names().contains(&better));
    assert_eq!(repository.repair(APPLY).unwrap().lost, []);
    assert_snapshots(&open(store, restarted()), &snapshots(1, &files));
}

#[test]
fn a_repair_that_finishes_what_a_killed_prune_condemned_leaves_no_table_that_names_it() {
    let mut finished = 0;
    for call in 0.. {
        let (store, repository, _) = with_snapshot();
        let kept = files_of(&[("other", 9, 4000)]);
        back_up(&repository, 2, &kept).unwrap();
        let first = repository.snapshots().unwrap().remove(0);
        repository.forget(first.id, 0).unwrap();
        let failing = crate::fixtures::FailingStore::new(store.clone(), crate::fixtures::Failure::From(call));
        let opened = Repository::open(Arc::new(failing), &secret(), alive());
        let is_done = opened.is_ok_and(|repository| repository.prune().is_ok());
        let had_list = !named(&store, names::CONDEMNED).is_empty();
        let later = open(store.clone(), restarted());
        later.repair(APPLY).unwrap_or_else(|error| panic!("call {call}: {error}"));
        finished += u64::from(had_list && named(&store, names::CONDEMNED).is_empty());
        if named(&store, names::CONDEMNED).is_empty() {
            let gone = later.index().unwrap().packs_beside(&later.list_packs().unwrap());
            assert!(gone.is_empty(), "call {call}: tables name {gone:?}");
        }
        assert_snapshots(&later, &snapshots(2, &kept));
        if is_done {
            break;
        }
    }
    assert!(finished > 3, "{finished} lists were finished");
}

#[test]
fn small_objects_that_nothing_needs_are_given_up_when_asked() {
    let (store, repository, files) = with_snapshot();
    let entry = back_up(&repository, 2, &files_of(&[("b", 9, 1000)])).unwrap().entry;
    repository.forget(entry.id, 0).unwrap();
    let mark = named(&store, names::TRASH)[0].clone();
    let fence = names::fence(crate::id::SessionId([7; 16]), crate::id::SessionId([8; 16]));
    store.put(&fence, b"rot").unwrap();
    store.damage(&mark, |bytes| bytes[60] ^= 1);
    let repository = open(store.clone(), restarted());
    // A mark whose snapshot is here needs nobody's word.
    let report = repository.repair(APPLY).unwrap();
    assert_eq!(means(&report), [(&*mark, Means::Derived)]);
    assert_eq!(repository.damaged_small_objects().unwrap().len(), 1);
    repository.repair(ACCEPT).unwrap();
    assert_eq!(repository.damaged_small_objects().unwrap().len(), 0);
    assert_snapshots(&repository, &[(1, files), (2, files_of(&[("b", 9, 1000)]))].into());
}
