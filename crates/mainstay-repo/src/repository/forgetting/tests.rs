//! Tests of marks: what nobody has confirmed counts as confirmed by no other command, kill, damage or moment of looking.

use std::sync::Arc;

use super::*;
use crate::fixtures::bad_sectors::{BadSectors, Sector};
use crate::fixtures::beside::{another, within};
use crate::fixtures::keeping::Keeping;
use crate::fixtures::{
    FailingStore, Failure, alive, back_up, copy_files, copy_of, create, files_of, holder, make_void, named, open,
    process, restarted, secret, session_id,
};
use crate::format::signed;
use crate::repair::{Means, OnLoss, RepairMode, RepairOptions};
use crate::repository::{Repository, SnapshotEntry};
use crate::session::{Session, Sharing};
use crate::store::{Call, MemoryStore, Store as _};

const APPLY: RepairOptions = RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Keep };

/// A repository of two snapshots, the second of which a sync has brought that did not come to its end.
fn with_an_unconfirmed_snapshot() -> (MemoryStore, SnapshotId) {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    back_up(&repository, 1, &files_of(&[("a", 1, 50_000)])).unwrap();
    let id = back_up(&repository, 2, &files_of(&[("b", 2, 50_000)])).unwrap().entry.id;
    repository.begin_to_count(id, Some(session_id(0x5e))).unwrap();
    (store, id)
}

/// Takes away a pack that only the second snapshot needs.
fn lose_its_content(store: &MemoryStore, id: SnapshotId) {
    let repository = open(store.clone(), alive());
    let entry = entry_of(&repository, id).unwrap();
    let packs = named(store, names::PACKS).into_iter();
    let own = packs.filter(|pack| names::parse_pack(pack).is_ok_and(|(_, session)| session == entry.snapshot.session));
    own.for_each(|pack| store.delete(&pack).unwrap());
}

fn entry_of(repository: &Repository, id: SnapshotId) -> Option<SnapshotEntry> {
    repository.list_snapshots().unwrap().entries.into_iter().find(|entry| entry.id == id)
}

#[test]
fn what_nobody_has_confirmed_is_not_confirmed_by_being_forgotten_and_taken_back() {
    for is_whole in [true, false] {
        let (store, id) = with_an_unconfirmed_snapshot();
        if !is_whole {
            lose_its_content(&store, id);
        }
        let repository = another(&store);
        repository.forget(id, 0).unwrap();
        let entry = entry_of(&repository, id).unwrap();
        assert!(entry.forgotten && entry.unconfirmed);
        let came = repository.undelete(id);
        let entry = entry_of(&repository, id).unwrap();
        match is_whole {
            true => assert!(came.is_ok() && !entry.forgotten && !entry.unconfirmed, "{came:?}"),
            false => assert!(matches!(came, Err(Error::BlockMissing { .. })) && entry.unconfirmed, "{came:?}"),
        }
    }
}

#[test]
fn a_damaged_mark_that_is_forgotten_over_says_that_nobody_has_confirmed_the_snapshot() {
    let (store, id) = with_an_unconfirmed_snapshot();
    store.damage(&names::trash(id), |bytes| bytes[60] ^= 1);
    let repository = another(&store);
    repository.forget(id, 0).unwrap();
    let entry = entry_of(&repository, id).unwrap();
    assert!(entry.forgotten && entry.unconfirmed);
}

#[test]
fn forgetting_is_killed_at_any_call_and_nothing_is_confirmed_by_it() {
    let (original, id) = with_an_unconfirmed_snapshot();
    let mut calls = 0;
    loop {
        let store = copy_of(&original);
        let opening = FailingStore::new(store.clone(), Failure::Never);
        Repository::open(Arc::new(opening.clone()), &secret(), alive()).unwrap();
        let failing = FailingStore::new(store.clone(), Failure::From(opening.calls() + calls));
        let forgot = Repository::open(Arc::new(failing), &secret(), alive()).unwrap().forget(id, 0);
        let entry = entry_of(&another(&store), id).unwrap();
        assert!(entry.unconfirmed, "call {calls}: {forgot:?}");
        if forgot.is_ok() {
            break;
        }
        calls += 1;
    }
    assert!(calls >= 3, "only {calls} calls");
}

#[test]
fn by_a_damaged_mark_nobody_counts_as_confirmed_until_a_repair_has_looked() {
    for is_whole in [true, false] {
        let (store, id) = with_an_unconfirmed_snapshot();
        let mark = names::trash(id);
        if !is_whole {
            lose_its_content(&store, id);
        }
        store.damage(&mark, |bytes| bytes[60] ^= 1);
        let repository = open(store.clone(), restarted());
        let entry = entry_of(&repository, id).unwrap();
        assert!(entry.unconfirmed && !entry.forgotten);
        let report = repository.repair(APPLY).unwrap();
        let means: Vec<_> = report.repaired.iter().map(|repaired| (&*repaired.object, repaired.means)).collect();
        assert_eq!(means, [(&*mark, Means::Derived)]);
        assert!(repository.damaged_small_objects().unwrap().is_empty());
        let entry = entry_of(&repository, id).unwrap();
        assert_eq!((entry.unconfirmed, entry.forgotten), (!is_whole, false));
    }
}

#[test]
fn the_damaged_mark_of_a_snapshot_that_has_not_come_stays_in_a_prune() {
    let (store, id) = with_an_unconfirmed_snapshot();
    let entry = entry_of(&another(&store), id).unwrap();
    store.delete(&another(&store).place_of(&entry).name()).unwrap();
    store.damage(&names::trash(id), |bytes| bytes[60] ^= 1);
    open(store.clone(), restarted()).prune().unwrap();
    assert_eq!(named(&store, names::TRASH), [names::trash(id)]);
}

#[test]
fn a_mark_of_a_stranger_says_nothing() {
    let (store, id) = with_an_unconfirmed_snapshot();
    store.delete(&names::trash(id)).unwrap();
    let (stranger, kind, repository) = (holder(), ObjectKind::Trash, another(&store).id());
    let said = coord::encode_trash(&coord::Trash { snapshot: id, forgotten: 0, void: Some(true), session: None });
    let signature = stranger.signer().sign(&signed::signed(kind, repository, &said));
    let bytes = signed::encode(kind, repository, &said, (stranger.signer().certificates(), signature));
    store.put(&names::trash(id), &bytes).unwrap();
    let entry = entry_of(&another(&store), id).unwrap();
    assert!(!entry.unconfirmed && !entry.forgotten);
}

#[test]
fn whoever_lists_while_a_snapshot_comes_sees_that_nobody_has_confirmed_it() {
    let (original, id) = with_an_unconfirmed_snapshot();
    let place = another(&original).place_of(&entry_of(&another(&original), id).unwrap()).name();
    let bytes = original.read(&place, u64::MAX).unwrap();
    original.delete(&place).unwrap();
    original.delete(&names::trash(id)).unwrap();
    for call in 0.. {
        let store = copy_of(&original);
        let (place, bytes) = (place.clone(), bytes.clone());
        let bring = move |store: &MemoryStore| {
            another(store).begin_to_count(id, Some(session_id(0x5e))).unwrap();
            store.put(&place, &bytes).unwrap();
        };
        let (seen, brought) = within(&store, call, |repository| entry_of(repository, id), bring);
        assert!(seen.is_none_or(|entry| entry.unconfirmed), "call {call}");
        if brought.is_none() {
            assert!(call > 5, "only {call} calls");
            break;
        }
    }
}

#[test]
fn a_backup_goes_on_from_nothing_that_was_removed_and_is_there_again() {
    let (store, _) = with_an_unconfirmed_snapshot();
    let repository = open(store.clone(), alive());
    let first = repository.list_snapshots().unwrap().entries.remove(0);
    let before = copy_of(&store);
    repository.forget(first.id, 0).unwrap();
    repository.prune().unwrap();
    copy_files(&store, &before);
    let repository = open(store.clone(), process(3, Some(1)));
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let again = session.listing().entries.iter().find(|entry| entry.id == first.id).unwrap();
    assert!(again.unconfirmed);
}

#[test]
fn a_mark_that_the_disk_does_not_give_at_this_moment_is_read_again_and_one_that_it_never_gives_is_damaged() {
    for sector in [Sector::UnreadableUntil(1), Sector::Unreadable] {
        let (store, id) = with_an_unconfirmed_snapshot();
        another(&store).forget(id, 0).unwrap();
        let disk = BadSectors::new(store.clone(), &names::trash(id), 60..61, sector);
        let entry = entry_of(&open(disk.clone(), alive()), id).unwrap();
        let is_lost = sector == Sector::Unreadable;
        assert_eq!((entry.forgotten, entry.unconfirmed), (!is_lost, true), "{sector:?}");
        // Nothing waits for it.
        assert_eq!(
            back_up(&open(disk.clone(), alive()), 3, &files_of(&[("c", 3, 1000)])).unwrap().entry.snapshot.sequence,
            3
        );
        open(disk.clone(), alive()).prune().unwrap();
        assert_eq!(store.names().contains(&names::trash(id)), is_lost);
        let report = open(disk.clone(), alive()).repair(APPLY).unwrap();
        assert_eq!(report.repaired.iter().any(|repaired| repaired.object == names::trash(id)), is_lost);
        assert!(open(store, alive()).damaged_small_objects().unwrap().is_empty());
    }
}

#[test]
fn a_snapshot_that_counts_by_what_cannot_be_read_is_one_that_nobody_has_confirmed() {
    for is_settlement in [true, false] {
        let store = MemoryStore::default();
        let repository = create(store.clone());
        let entry = back_up(&repository, 1, &files_of(&[("a", 1, 50_000)])).unwrap().entry;
        make_void(&repository, &entry);
        let settlement = named(&store, names::FENCES).into_iter().find(|name| name.contains("settle")).unwrap();
        match is_settlement {
            true => store.damage(&settlement, |bytes| bytes[60] ^= 1),
            false => store.put(&names::acquittal(entry.snapshot.session, session_id(0x77)), b"garbage").unwrap(),
        }
        let reader = open(store.clone(), alive());
        assert!(entry_of(&reader, entry.id).unwrap().unconfirmed, "{is_settlement}");
        let session = Session::begin(&reader, Sharing::Shared).unwrap();
        assert!(session.listing().entries.iter().all(|entry| entry.unconfirmed));
        drop(session);
        // A repair finds that all of it is here, and says so.
        open(store.clone(), restarted()).repair(APPLY).unwrap();
        assert!(!entry_of(&open(store, restarted()), entry.id).unwrap().unconfirmed, "{is_settlement}");
    }
}

#[test]
fn whoever_brings_a_snapshot_that_is_forgotten_does_not_make_it_look_confirmed() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let first = back_up(&repository, 1, &files_of(&[("a", 1, 50_000)])).unwrap().entry.id;
    repository.forget(first, 7).unwrap();
    repository.begin_to_count(first, Some(session_id(0x5e))).unwrap();
    let entry = entry_of(&repository, first).unwrap();
    assert!(entry.forgotten && entry.unconfirmed);
    let mark = repository.mark(first).unwrap().unwrap();
    assert_eq!((mark.forgotten, mark.session), (7, Some(session_id(0x5e))));
    // The next one to forget it takes nothing of that away.
    repository.forget(first, 9).unwrap();
    assert_eq!(repository.mark(first).unwrap().unwrap(), mark);
    lose_its_content(&store, first);
    assert!(matches!(repository.undelete(first), Err(Error::BlockMissing { .. })));
}

/// How often marks were read since this was asked last.
fn reads_of_marks(store: &MemoryStore) -> usize {
    store
        .take_calls()
        .iter()
        .filter(|call| matches!(call, Call::Read { name, .. } if name.starts_with(names::TRASH)))
        .count()
}

#[test]
fn a_snapshot_that_stays_forgotten_costs_whoever_keeps_copies_no_request() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let back_up = |seed| back_up(&repository, seed, &files_of(&[("a", seed, 50_000)])).unwrap().entry.id;
    let ids: Vec<_> = (1..=9).map(back_up).collect();
    ids[..8].iter().for_each(|id| repository.forget(*id, 0).unwrap());
    let reader = open(Keeping::over(&store), alive());
    let forgotten = || reader.list_snapshots().unwrap().entries.iter().filter(|entry| entry.forgotten).count();
    store.take_calls();
    assert_eq!((forgotten(), reads_of_marks(&store)), (8, 8));
    assert_eq!((forgotten(), reads_of_marks(&store)), (8, 0));
    // Whoever deletes looks for himself.
    assert_eq!((reader.marks().unwrap().forgotten.len(), reads_of_marks(&store)), (8, 8));
    repository.undelete(ids[0]).unwrap();
    assert_eq!(forgotten(), 7, "a mark counts as long as it is listed");
}

#[test]
fn of_marks_nothing_is_kept_but_that_a_user_has_forgotten() {
    let (store, id) = with_an_unconfirmed_snapshot();
    let (repository, reader) = (another(&store), open(Keeping::over(&store), alive()));
    let entry = || entry_of(&reader, id).unwrap();
    assert!(entry().unconfirmed && !entry().forgotten);
    repository.forget(id, 0).unwrap();
    assert!(entry().forgotten && entry().unconfirmed);
    // Being undeleted: in the eyes of who keeps the first mark it is forgotten still, and nothing that anybody relies on.
    repository.take_back_mark(id).unwrap();
    let entry = entry();
    assert!(entry.forgotten || entry.unconfirmed);
    assert!(!reader.marks().unwrap().forgotten.contains(&id), "whoever deletes is told what is so");
    repository.confirm_counting(id).unwrap();
    let entry = entry_of(&reader, id).unwrap();
    assert!(!entry.forgotten && !entry.unconfirmed);
}

#[test]
fn a_mark_of_a_stranger_or_a_damaged_one_is_kept_by_nobody() {
    let (store, id) = with_an_unconfirmed_snapshot();
    let (repository, reader) = (another(&store), open(Keeping::over(&store), alive()));
    let mark = names::trash(id);
    repository.forget(id, 0).unwrap();
    store.damage(&mark, |bytes| bytes[60] ^= 1);
    let entry = || entry_of(&reader, id).unwrap();
    assert!(!entry().forgotten && entry().unconfirmed);
    store.damage(&mark, |bytes| bytes[60] ^= 1);
    assert!(entry().forgotten && entry().unconfirmed);
}
