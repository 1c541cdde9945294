//! Tests of data keys that are lost: they stop a prune until somebody gives up by name what went with them, and no longer.

use super::*;
use crate::fixtures::beside::another;
use crate::fixtures::{Files, back_up, create, files_of, named, open, process, read_back, restarted};
use crate::prune::Unobserved;
use crate::repair::{Means, OnLoss, RepairMode, RepairOptions};
use crate::repository::SnapshotEntry;
use crate::session::{Session, Sharing};
use crate::store::{MemoryStore, Store as _};

const ACCEPT: RepairOptions = RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Accept };

/// What becomes of the only wrap of a data key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Gone,
    Rotten,
}

const FATES: [Fate; 2] = [Fate::Gone, Fate::Rotten];

/// Three snapshots, the second of which shares a file with the first, and nothing else opens without the key of that.
fn three() -> (MemoryStore, Vec<SnapshotEntry>, Files) {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    back_up(&repository, 1, &files_of(&[("shared", 1, 200_000), ("a", 2, 50_000)])).unwrap();
    back_up(&repository, 2, &files_of(&[("shared", 1, 200_000), ("b", 3, 50_000)])).unwrap();
    let third = files_of(&[("c", 4, 60_000)]);
    back_up(&repository, 3, &third).unwrap();
    (store, repository.snapshots().unwrap(), third)
}

fn lose(store: &MemoryStore, session: SessionId, fate: Fate) -> String {
    let key = names::data_key(session, 0);
    match fate {
        Fate::Gone => store.delete(&key).unwrap(),
        Fate::Rotten => store.damage(&key, |bytes| bytes[60] ^= 1),
    }
    key
}

fn place(repository: &Repository, entry: &SnapshotEntry) -> SnapshotPlace {
    let source = repository.source_id(&entry.snapshot.source);
    SnapshotPlace { source, sequence: entry.snapshot.sequence, id: entry.id }
}

fn later(store: &MemoryStore) -> Repository {
    open(store.clone(), restarted())
}

fn sequences(repository: &Repository) -> Vec<u64> {
    repository.snapshots().unwrap().iter().map(|entry| entry.snapshot.sequence).collect()
}

fn assert_third_is_whole(store: &MemoryStore, third: &Files) {
    let repository = later(store);
    let entries = repository.snapshots().unwrap();
    assert!(read_back(&repository, entries.last().unwrap()).unwrap() == *third);
}

#[test]
fn a_lost_data_key_stops_a_prune_until_its_snapshot_and_blocks_are_given_up_and_no_longer() {
    for fate in FATES {
        let (store, entries, third) = three();
        let key = lose(&store, entries[0].snapshot.session, fate);
        assert!(later(&store).prune().is_err(), "{fate:?}: nothing is given up by silence");
        let report = later(&store).repair(ACCEPT).unwrap();
        assert!(
            store
                .names()
                .iter()
                .any(|name| name.starts_with(names::SNAPSHOTS) && name.contains(&entries[0].id.to_string()))
        );
        let lost = report.lost.iter().find(|loss| loss.object == key).unwrap();
        assert!(lost.is_accepted && lost.blocks.iter().all(|block| block.session == entries[0].snapshot.session));
        let repository = later(&store);
        repository.accept_loss(place(&repository, &entries[0])).unwrap();
        assert_eq!(sequences(&later(&store)), [2, 3], "{fate:?}");
        assert!(later(&store).removed().unwrap().contains(entries[0].id));
        let report = later(&store).prune().unwrap();
        assert!(report.left.is_empty(), "{fate:?}: {:?}", report.reasons);
        let report = later(&store).repair(ACCEPT).unwrap();
        let given_up = report.repaired.iter().any(|one| one.object == key && one.means == Means::GivenUp);
        assert_eq!(given_up, fate == Fate::Rotten, "{report:?}");
        assert!(
            report.lost.iter().all(|loss| loss.is_accepted)
                && later(&store).damaged_small_objects().unwrap().is_empty()
        );
        assert_third_is_whole(&store, &third);
        // When the last one is gone that needed its blocks, nothing is lost any more.
        later(&store).forget(entries[1].id, 0).unwrap();
        later(&store).prune().unwrap();
        assert_eq!(later(&store).repair(ACCEPT).unwrap().lost, [], "{fate:?}");
        assert_third_is_whole(&store, &third);
    }
}

#[test]
fn a_snapshot_whose_data_key_is_lost_goes_once_it_is_forgotten_by_name_and_others_can_be_forgotten_beside_it() {
    for fate in FATES {
        let (store, entries, third) = three();
        lose(&store, entries[0].snapshot.session, fate);
        let lost = later(&store).list_snapshots().unwrap().lost;
        assert!(later(&store).proves_itself(&lost[0]).unwrap());
        later(&store).forget(entries[1].id, 0).unwrap();
        assert!(later(&store).prune().is_err(), "{fate:?}: the lost one was not named");
        later(&store).forget(entries[0].id, crate::fixtures::CREATED).unwrap();
        // While it is held, it and what it needs stay: its key may come back.
        later(&store).prune_observed(i64::MAX, &Unobserved).unwrap();
        assert!(
            named(&store, names::SNAPSHOTS).len() == 3 && later(&store).list_snapshots().unwrap().lost[0].forgotten
        );
        later(&store).prune().unwrap();
        assert_eq!((named(&store, names::SNAPSHOTS).len(), sequences(&later(&store))), (1, vec![3]), "{fate:?}");
        assert!(later(&store).removed().unwrap().contains(entries[0].id));
        assert_third_is_whole(&store, &third);
    }
}

#[test]
fn a_forgotten_snapshot_whose_data_key_comes_back_while_it_is_held_comes_back_whole() {
    let (store, entries, _) = three();
    let key = names::data_key(entries[0].snapshot.session, 0);
    let kept = store.read(&key, u64::MAX).unwrap();
    store.delete(&key).unwrap();
    let before = files_of(&[("shared", 1, 200_000), ("a", 2, 50_000)]);
    later(&store).forget(entries[0].id, crate::fixtures::CREATED).unwrap();
    later(&store).prune_observed(i64::MAX, &Unobserved).unwrap();
    store.put(&key, &kept).unwrap();
    later(&store).undelete(entries[0].id).unwrap();
    later(&store).prune().unwrap();
    assert!(read_back(&later(&store), &entries[0]).unwrap() == before);
}

#[test]
fn no_snapshot_is_given_up_whose_key_has_a_second_copy_or_that_a_writer_may_rely_on() {
    for fate in FATES {
        let (store, entries, _) = three();
        later(&store).add_parity(None, 3, &Unobserved).unwrap();
        let key = lose(&store, entries[0].snapshot.session, fate);
        let gone = place(&later(&store), &entries[0]);
        assert!(matches!(later(&store).accept_loss(gone), Err(Error::Invalid(_))), "{fate:?}: its copy opens");
        store.delete(&names::second_copy(&key)).unwrap();
        let elsewhere = another(&store);
        let session = Session::begin(&elsewhere, Sharing::Shared).unwrap();
        let beside = || open(store.clone(), process(1, Some(1)));
        assert!(matches!(beside().accept_loss(gone), Err(Error::Invalid(_))), "{fate:?}: beside a writer");
        let given_up = |report: &crate::repair::RepairReport| report.repaired.iter().any(|one| one.object == key);
        assert!(!given_up(&beside().repair(ACCEPT).unwrap()), "{fate:?}");
        drop(session);
        assert_eq!(named(&store, names::SNAPSHOTS).len(), 3);
        later(&store).accept_loss(gone).unwrap();
        assert_eq!(sequences(&later(&store)), [2, 3]);
    }
}

#[test]
fn a_snapshot_that_newer_secrets_open_is_not_given_up_by_a_key_with_older_ones() {
    let (store, entries, _) = three();
    let kit = crate::keys::RecoveryCode::generate().unwrap().to_text();
    let kit = || crate::keys::Secret::from_text(&kit);
    later(&store).add_key(&kit(), "kit", 1).unwrap();
    let older = named(&store, names::KEY_SLOTS);
    let kept: Vec<_> = older.iter().map(|name| (name.clone(), store.read(name, u64::MAX).unwrap())).collect();
    later(&store).rotate(&crate::fixtures::secret(), &[], crate::repository::OtherKeys::Remove).unwrap();
    for (name, bytes) in kept {
        let _ = store.put(&name, &bytes);
    }
    let old = Repository::open(std::sync::Arc::new(store.clone()), &kit(), restarted()).unwrap();
    assert!(!old.is_key_lost(entries[0].snapshot.session).unwrap());
    assert!(old.accept_loss(place(&old, &entries[0])).is_err());
    assert_eq!(named(&store, names::SNAPSHOTS).len(), 3);
}
