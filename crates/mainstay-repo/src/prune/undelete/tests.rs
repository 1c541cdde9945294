//! Tests of undeleting. What happens beside a prune is tested there.

use crate::error::{Error, Kind};
use crate::fixtures::beside::{another, at_each_call, within};
use crate::fixtures::{
    Files, after, alive, assert_snapshots, back_up, copy_of, create, files_of, make_void, named, open, process, seeded,
    session_id,
};
use crate::format::history::RemovedSnapshot;
use crate::format::names;
use crate::prune::Unobserved;
use crate::repair::{OnLoss, RepairMode, RepairOptions};
use crate::repository::{Repository, SnapshotPlace};
use crate::session::take_lease;
use crate::session::tests::strangers::forge;
use crate::store::{MemoryStore, Store};

const APPLY: RepairOptions = RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Keep };
const DAY: i64 = 24 * 3600 * 1_000_000_000;

#[test]
fn a_forgotten_snapshot_comes_back() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let files = files_of(&[("a", 1, 1000), ("b", 2, 600_000)]);
    let id = back_up(&repository, 1, &files).unwrap().entry.id;
    repository.forget(id, 0).unwrap();
    repository.undelete(id).unwrap();
    assert_snapshots(&repository, &[(1, files)].into());
    assert!(named(&store, "trash/").is_empty());
    let again = repository.undelete(id).map_err(|error| error.kind());
    assert_eq!(again, Err(Kind::Invalid), "it is not forgotten any more");
}

#[test]
fn what_is_not_there_cannot_come_back() {
    let repository = create(MemoryStore::default());
    let id = back_up(&repository, 1, &files_of(&[("a", 1, 1000)])).unwrap().entry.id;
    repository.forget(id, 0).unwrap();
    repository.prune().unwrap();
    assert!(matches!(repository.undelete(id), Err(Error::Missing { .. })));
}

#[test]
fn a_snapshot_that_a_prune_has_condemned_stays_forgotten() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let id = back_up(&repository, 1, &files_of(&[("a", 1, 1000)])).unwrap().entry.id;
    repository.forget(id, 0).unwrap();
    let reader = repository.begin_reading().unwrap();
    assert!(repository.prune().unwrap().waiting.packs > 0);
    assert!(matches!(repository.undelete(id), Err(Error::Condemned { .. })));
    drop(reader);
}

#[test]
fn a_snapshot_stays_until_its_hold_is_over() {
    const HOLD: i64 = 7 * 24 * 3600 * 1_000_000_000;
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let files = files_of(&[("a", 1, 1000)]);
    let id = back_up(&repository, 1, &files).unwrap().entry.id;
    repository.forget(id, crate::fixtures::CREATED).unwrap();
    let prune_at = |time| open(store.clone(), after(time)).prune_observed(HOLD, &Unobserved).unwrap();
    for time in [-HOLD, 0, HOLD - 1] {
        let plan = prune_at(time).plan;
        assert_eq!((plan.held_snapshots, plan.snapshots.len()), (1, 0), "{time} ns later");
    }
    repository.undelete(id).unwrap();
    assert_snapshots(&repository, &[(1, files)].into());
    repository.forget(id, crate::fixtures::CREATED).unwrap();
    assert_eq!(prune_at(HOLD).plan.snapshots, [id]);
}

#[test]
fn what_a_prune_has_recorded_as_removed_stays_forgotten() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let entry = back_up(&repository, 1, &files_of(&[("a", 1, 1000)])).unwrap().entry;
    let id = entry.id;
    repository.forget(id, 0).unwrap();
    // A prune that was killed then, and whose list was lost.
    let SnapshotPlace { source, sequence, id } = repository.place_of(&entry);
    repository.record(vec![RemovedSnapshot { source, sequence, id, previous: None, elsewhere: None }]).unwrap();
    assert!(matches!(repository.undelete(id), Err(Error::Condemned { .. })));
    repository.prune().unwrap();
    assert!(repository.snapshots().unwrap().is_empty());
}

#[test]
fn a_void_snapshot_of_which_everything_is_here_comes_back_and_stays() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let files = files_of(&[("a", 1, 1000), ("b", 2, 600_000)]);
    let entry = back_up(&repository, 1, &files).unwrap().entry;
    make_void(&repository, &entry);
    // A prune that meets it holds it as if it had been forgotten.
    repository.prune_observed(7 * DAY, &Unobserved).unwrap();
    assert_eq!(named(&store, "trash/").len(), 1);
    repository.undelete(entry.id).unwrap();
    for _ in 0..2 {
        assert_snapshots(&open(store.clone(), after(8 * DAY)), &[(1, files.clone())].into());
        open(store.clone(), after(8 * DAY)).prune().unwrap();
    }
    assert_snapshots(&repository, &[(1, files)].into());
    assert!(named(&store, "trash/").is_empty());
}

#[test]
fn a_void_snapshot_goes_when_its_hold_is_over() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let entry = back_up(&repository, 1, &files_of(&[("a", 1, 600_000)])).unwrap().entry;
    make_void(&repository, &entry);
    let prune_at = |time| open(store.clone(), after(time)).prune_observed(7 * DAY, &Unobserved).unwrap();
    for time in [0, 7 * DAY - 1] {
        assert!(prune_at(time).plan.snapshots.is_empty(), "{time} ns later");
        assert_eq!(named(&store, "snapshots/").len(), 1, "{time} ns later");
    }
    assert_eq!(prune_at(7 * DAY).plan.snapshots, [entry.id]);
    assert_eq!((named(&store, "snapshots/").len(), named(&store, "packs/").len()), (0, 0));
    assert!(matches!(repository.undelete(entry.id), Err(Error::Missing { .. })));
}

#[test]
fn a_void_snapshot_that_lacks_a_block_stays_void_and_stops_no_prune() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let entry = back_up(&repository, 1, &files_of(&[("a", 1, 600_000)])).unwrap().entry;
    make_void(&repository, &entry);
    let pack = named(&store, "packs/").into_iter().next().unwrap();
    store.delete(&pack).unwrap();
    repository.prune_observed(7 * DAY, &Unobserved).unwrap();
    let error = repository.undelete(entry.id).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    assert!(repository.snapshots().unwrap().is_empty());
    repository.prune().unwrap();
    assert!(named(&store, "snapshots/").is_empty());
}

#[test]
fn a_void_snapshot_of_which_something_was_thinned_away_stays_void() {
    let small = |seeds: std::iter::StepBy<std::ops::Range<u64>>| -> Files {
        seeds.map(|seed| (format!("{seed:04}"), seeded(seed, 4000))).collect()
    };
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let entry = back_up(&repository, 1, &small((0..24).step_by(1))).unwrap().entry;
    back_up(&repository, 2, &small((0..24).step_by(2))).unwrap();
    let before = copy_of(&store);
    // A mirror of the files in which it was not there yet, and where it comes when half of its block is gone.
    store.delete(&repository.place_of(&entry).name()).unwrap();
    make_void(&repository, &entry);
    repository.prune().unwrap();
    for name in [repository.place_of(&entry).name(), names::refs(entry.id)] {
        let _ = store.put(&name, &before.read(&name, u64::MAX).unwrap());
    }
    let error = repository.undelete(entry.id).unwrap_err();
    assert!(matches!(error, Error::BlockMissing { .. }), "{error}");
    assert!(repository.snapshots().unwrap().iter().all(|other| other.id != entry.id));
}

#[test]
fn a_list_that_waited_takes_nothing_of_what_a_later_collector_saw_as_void() {
    let original = MemoryStore::default();
    let repository = create(original.clone());
    let (first, second) = (files_of(&[("a", 1, 1000)]), files_of(&[("b", 2, 600_000)]));
    back_up(&repository, 1, &first).unwrap();
    let entry = back_up(&repository, 2, &second).unwrap().entry;
    make_void(&repository, &entry);
    let mut has_come_back = 0;
    at_each_call(|call| {
        let store = copy_of(&original);
        let (undeleting, session) = (another(&store), session_id(0xdd));
        let (_lease, condemned) = take_lease(&undeleting, session).unwrap();
        let secured = undeleting.secure_forgotten((session, condemned), entry.id).unwrap();
        // Its list has the void snapshot and its packs, and waits for the undeletion.
        assert!(open(store.clone(), process(3, Some(1))).prune().unwrap().waiting.packs > 0);
        let undelete = move |_: &MemoryStore| {
            let undeleted = undeleting.take_back(session, &secured);
            undeleting.leases().end(session).unwrap();
            undeleted
        };
        let hold = |prune: &Repository| prune.prune_observed(7 * DAY, &Unobserved).map(drop);
        let (pruned, undeleted) = within(&store, call, hold, undelete);
        let Some(undeleted) = undeleted else { return false };
        for days in [1, 9, 30] {
            let later = open(store.clone(), after(days * DAY));
            if undeleted.is_ok() {
                let snapshots = later.snapshots().unwrap();
                assert_eq!(snapshots.len(), 2, "before call {call}, {days} days later: {pruned:?}");
                assert_snapshots(&later, &[(1, first.clone()), (2, second.clone())].into());
            }
            later.prune_observed(7 * DAY, &Unobserved).unwrap();
        }
        has_come_back += u32::from(undeleted.is_ok());
        true
    });
    assert!(has_come_back > 0);
}

#[test]
fn a_void_snapshot_whose_trees_cannot_be_read_stays_void() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let entry = back_up(&repository, 1, &files_of(&[("a", 1, 600_000)])).unwrap().entry;
    make_void(&repository, &entry);
    for pack in named(&store, "packs/") {
        store.damage(&pack, |bytes| bytes[40..120].fill(0));
    }
    let error = open(store.clone(), alive()).undelete(entry.id).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt, "{error}");
    assert!(repository.snapshots().unwrap().is_empty());
}

#[test]
fn no_copy_that_a_stranger_has_put_confirms_a_snapshot() {
    for is_void in [true, false] {
        let store = MemoryStore::default();
        let repository = create(store.clone());
        back_up(&repository, 1, &files_of(&[("kept", 1, 1000)])).unwrap();
        let before = named(&store, names::PACKS);
        let entry = back_up(&repository, 2, &files_of(&[("b", 2, 600_000)])).unwrap().entry;
        match is_void {
            true => make_void(&repository, &entry),
            false => repository.begin_to_count(entry.id, Some(session_id(0x5e))).unwrap(),
        }
        let whole = copy_of(&store);
        let packs = repository.list_packs().unwrap().into_iter().filter(|pack| !before.contains(&pack.name));
        for pack in packs {
            let bytes = store.read(&pack.name, u64::MAX).unwrap();
            store.delete(&pack.name).unwrap();
            forge(&store, &open(whole.clone(), alive()), &pack, &bytes, true);
        }
        let undeleted = open(store.clone(), alive()).undelete(entry.id);
        assert!(matches!(undeleted, Err(Error::BlockMissing { .. })), "{undeleted:?}");
        open(store.clone(), alive()).repair(APPLY).unwrap();
        let listed = open(store.clone(), alive()).list_snapshots().unwrap().entries;
        assert!(listed.iter().all(|other| other.id != entry.id || other.unconfirmed), "{is_void}");
    }
}
