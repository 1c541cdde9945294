//! A rotation that dies at any call of the store, and another one that comes between.

use super::*;
use crate::fixtures::{FailingStore, Failure};

const KEPT: [u64; 2] = [1, 2];

fn expected() -> BTreeMap<u64, Files> {
    KEPT.map(|number| (number, some_files(number))).into()
}

/// Two snapshots of the main domain, one rotation behind them, an agent, and two more keys.
fn before_the_rotation() -> (MemoryStore, [String; 3]) {
    let store = MemoryStore::default();
    let full = create(store.clone());
    back_up(&full, 1, &some_files(1)).unwrap();
    let (full, _) = rotate(&store);
    back_up(&full, 2, &some_files(2)).unwrap();
    let (laptop, left_out) = (code(), code());
    full.add_key(&Secret::from_text(&laptop), "laptop", 1).unwrap();
    full.add_key(&Secret::from_text(&left_out), "left out", 2).unwrap();
    (store, [laptop, left_out, add_writer(&full, WriterMay::List)])
}

fn rotate_over(store: &FailingStore, laptop: &str) -> Result<RotationReport> {
    let repository = Repository::open(Arc::new(store.clone()), &secret(), alive())?;
    repository.rotate(&secret(), &[Secret::from_text(laptop)], OtherKeys::Remove)
}

fn crash_everywhere(failure: impl Fn(u64) -> Failure) {
    let (original, [laptop, _, writer]) = before_the_rotation();
    let healthy = FailingStore::new(copy_of(&original), Failure::Never);
    let report = rotate_over(&healthy, &laptop).unwrap();
    assert_eq!((report.generation, report.rewrapped, report.kept.len(), report.removed.len()), (2, 2, 2, 1));
    for number in 0..healthy.calls() {
        let at = format!("{:?} of {}", failure(number), healthy.calls());
        let store = copy_of(&original);
        if let Err(error) = rotate_over(&FailingStore::new(store.clone(), failure(number)), &laptop) {
            assert_eq!(error.kind(), Kind::Unavailable, "{at}: {error}");
        }
        assert_snapshots(&open(store.clone(), restarted()), &expected());
        back_up(&open_with(&store, &writer).unwrap(), 1, &some_files(5)).unwrap();
        // A prune finishes what was begun.
        let pruned = copy_of(&store);
        open(pruned.clone(), restarted()).prune().unwrap_or_else(|error| panic!("{at}, prune: {error}"));
        let repository = open(pruned.clone(), restarted());
        let generation = format!(".{}", repository.keys.generation());
        assert!(named(&pruned, names::DATA_KEYS).iter().all(|name| name.ends_with(&generation)), "{at}");
        assert_eq!(repository.snapshots().unwrap().len(), 3, "{at}");
        // So does the next rotation.
        let repository = open(store.clone(), restarted());
        let report = repository.rotate(&secret(), &[Secret::from_text(&laptop)], OtherKeys::Remove);
        let report = report.unwrap_or_else(|error| panic!("{at}, second rotation: {error}"));
        assert_eq!((report.kept.len(), report.left, report.damaged.len()), (2, 0, 0), "{at}");
        let generation = format!(".{}", report.generation);
        assert!(named(&store, names::DATA_KEYS).iter().all(|name| name.ends_with(&generation)), "{at}");
        for text in [crate::fixtures::CODE, &laptop] {
            let repository = open_with(&store, text).unwrap();
            for entry in repository.snapshots().unwrap() {
                let is_own = repository.is_own(&entry.snapshot);
                let files = some_files(if is_own { entry.snapshot.sequence } else { 5 });
                assert_eq!(read_back(&repository, &entry).unwrap(), files, "{at}");
            }
        }
        let slots = repository.key_slots().unwrap().slots.len();
        assert_eq!((slots, named(&store, names::KEY_SLOTS).len()), (3, 3), "{at}: no slot of before is left");
        assert!(repository.damaged_small_objects().is_ok(), "{at}");
    }
}

#[test]
fn a_rotation_that_fails_at_any_one_call_loses_nothing_and_the_next_one_finishes() {
    crash_everywhere(Failure::Once);
}

#[test]
fn a_rotation_that_is_killed_at_any_call_loses_nothing_and_the_next_one_finishes() {
    crash_everywhere(Failure::From);
}

#[test]
fn a_rotation_whose_last_reply_is_lost_loses_nothing_and_the_next_one_finishes() {
    crash_everywhere(Failure::Lost);
}

#[test]
fn of_two_rotations_at_once_one_reads_everything_wherever_the_other_comes_between() {
    let (original, [laptop, _, _]) = before_the_rotation();
    let rotate_by = |store: Arc<dyn Store>, text: &str| {
        let secret = Secret::from_text(text);
        Repository::open(store, &secret, alive())?.rotate(&secret, &[], OtherKeys::Remove)
    };
    let healthy = FailingStore::new(copy_of(&original), Failure::Never);
    rotate_by(Arc::new(healthy.clone()), crate::fixtures::CODE).unwrap();
    let mut won = [0, 0];
    for call in 0..healthy.calls() {
        let store = copy_of(&original);
        let failing = FailingStore::new(store.clone(), Failure::Never);
        let (beside, text) = (store.clone(), laptop.clone());
        failing.before(call, move || drop(rotate_by(Arc::new(beside), &text)));
        let first = rotate_by(Arc::new(failing), crate::fixtures::CODE);
        let reads = |text: &str| {
            let opened = open_with(&store, text).and_then(|repository| repository.snapshots());
            opened.is_ok_and(|entries| entries.len() == KEPT.len())
        };
        let readers = [reads(crate::fixtures::CODE), reads(&laptop)];
        assert_ne!(readers, [false, false], "call {call}: {first:?}");
        let reader = if readers[0] { crate::fixtures::CODE } else { &laptop };
        assert_snapshots(&open_with(&store, reader).unwrap(), &expected());
        won[usize::from(!readers[0])] += 1;
    }
    assert!(won[0] > 0 && won[1] > 0, "{won:?}");
}
