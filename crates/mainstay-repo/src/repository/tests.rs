//! Tests of creating and opening, keys, snapshots and forgetting.

mod damage;
mod snapshots;

use super::*;
use crate::error::Kind;
use crate::fixtures::{
    CREATED, FailingStore, Failure, Files, alive, assert_snapshots, back_up, copy_of, create, files_of, named, open,
    read_back, restarted, secret,
};
use crate::keys::RecoveryCode;
use crate::session::{Session, Sharing};
use crate::store::MemoryStore;

pub(super) fn new_repository() -> (MemoryStore, Repository) {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    (store, repository)
}

fn try_create(store: impl Store + 'static) -> Result<Repository> {
    Repository::create(Arc::new(store), &secret(), "test", alive(), CREATED)
}

fn try_open(store: &MemoryStore, secret: &Secret) -> Result<Repository, Kind> {
    Repository::open(Arc::new(store.clone()), secret, alive()).map_err(|error| error.kind())
}

fn another_code() -> RecoveryCode {
    RecoveryCode::generate().unwrap()
}

#[test]
fn a_new_repository_is_a_slot_and_a_configuration() {
    let (store, repository) = new_repository();
    let names = store.names();
    assert_eq!(names.len(), 2);
    assert!(names[0].starts_with("keys/slots/") && names[1] == "mainstay.json");
    let opened = try_open(&store, &secret()).unwrap();
    assert_eq!((opened.id(), opened.own_slot()), (repository.id(), repository.own_slot()));
    assert_eq!(Repository::identify(&store).unwrap(), repository.id());
    assert!(opened.snapshots().unwrap().is_empty());
}

#[test]
fn a_place_that_is_taken_takes_no_repository() {
    let (store, repository) = new_repository();
    assert_eq!(try_create(store.clone()).map(drop).map_err(|error| error.kind()), Err(Kind::Invalid));
    assert_eq!(try_open(&store, &secret()).unwrap().id(), repository.id(), "the repository is as it was");
    let foreign = MemoryStore::default();
    foreign.put("letters/one", b"dear").unwrap();
    assert_eq!(try_create(foreign.clone()).map(drop).map_err(|error| error.kind()), Err(Kind::Invalid));
    assert_eq!(foreign.names(), ["letters/one"]);
}

/// A creation that dies before its configuration is there, and the next one that dies behind its own.
#[test]
fn the_slot_of_a_creation_that_was_interrupted_is_no_damage() {
    let (interrupted, _) = new_repository();
    let slot = interrupted.names().remove(0);
    let (store, repository) = new_repository();
    let bytes = interrupted.read(&slot, 1 << 20).unwrap();
    store.put(&slot, &bytes).unwrap();
    let opened = try_open(&store, &secret()).unwrap();
    assert_eq!(opened.id(), repository.id());
    assert_eq!(opened.key_slots().unwrap().slots.len(), 1);
    assert!(opened.damaged_small_objects().unwrap().is_empty());
    assert_eq!(
        try_open(&store, &Secret::Code(another_code())).err(),
        Some(Kind::Denied),
        "it is the key that is wrong"
    );
    // Under the name of another slot, or with a flipped bit, it is damage.
    store.damage(&slot, |held| held[30] ^= 1);
    assert_eq!(opened.damaged_small_objects().unwrap().len(), 1);
    let own = names::key_slot(opened.own_slot(), 0);
    store.damage(&own, |held| *held = bytes);
    assert_eq!(opened.damaged_small_objects().unwrap().len(), 2);
}

#[test]
fn a_creation_that_fails_at_any_call_can_be_tried_again() {
    for failure in [Failure::Once as fn(u64) -> Failure, Failure::From, Failure::Lost] {
        let healthy = FailingStore::new(MemoryStore::default(), Failure::Never);
        try_create(healthy.clone()).unwrap();
        for number in 0..healthy.calls() {
            let store = MemoryStore::default();
            let created = try_create(FailingStore::new(store.clone(), failure(number)));
            assert_eq!(created.map(drop).map_err(|error| error.kind()), Err(Kind::Unavailable));
            // A reply that was lost may have been that of the last call: then the repository is there.
            if Repository::identify(&store).is_err() {
                try_create(store.clone()).unwrap();
            }
            let repository = try_open(&store, &secret()).unwrap();
            assert_eq!(repository.key_slots().unwrap().slots.len(), 1, "a slot of the first try is left");
        }
    }
}

#[test]
fn of_two_creations_at_once_one_has_the_place_and_the_other_leaves_nothing() {
    let healthy = FailingStore::new(MemoryStore::default(), Failure::Never);
    try_create(healthy.clone()).unwrap();
    for call in 0..healthy.calls() {
        let (store, first) = (MemoryStore::default(), another_code());
        let second = FailingStore::new(store.clone(), Failure::Never);
        let (place, secret) = (store.clone(), Secret::from_text(&first.to_text()));
        second.before(call, move || {
            Repository::create(Arc::new(place), &secret, "first", alive(), CREATED).unwrap();
        });
        let refused = try_create(second).map(drop);
        assert!(matches!(refused, Err(Error::Occupied { .. })), "call {call}: {refused:?}");
        let opened = try_open(&store, &Secret::Code(first)).unwrap();
        assert_eq!(opened.key_slots().unwrap().slots.len(), 1, "call {call}: a slot of the second one is left");
    }
}

#[test]
fn a_store_without_a_repository_says_so() {
    assert_eq!(try_open(&MemoryStore::default(), &secret()).map(drop), Err(Kind::NotFound));
    let directory = tempfile::tempdir().unwrap();
    let store = crate::store::LocalStore::new(directory.path().join("absent"));
    let error = Repository::open(Arc::new(store), &secret(), alive()).map(drop).unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound, "{error}");
}

#[test]
fn a_store_that_cannot_be_read_is_not_an_empty_one() {
    let (store, _) = new_repository();
    for number in 0..4 {
        let failing = FailingStore::new(store.clone(), Failure::From(number));
        let opened = Repository::open(Arc::new(failing), &secret(), alive());
        assert_eq!(opened.map(drop).map_err(|error| error.kind()), Err(Kind::Unavailable), "call {number}");
    }
}

#[test]
fn a_newer_format_is_refused_with_its_number() {
    let (store, _) = new_repository();
    store.damage(names::CONFIG, |bytes| {
        *bytes = String::from_utf8_lossy(bytes).replace("\"format\": 5", "\"format\": 7").into_bytes();
    });
    let error = Repository::open(Arc::new(store), &secret(), alive()).map(drop).unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(error.to_string().contains("format 7"), "{error}");
}

#[test]
fn a_wrong_secret_is_denied() {
    let (store, _) = new_repository();
    assert_eq!(try_open(&store, &Secret::Code(another_code())).map(drop), Err(Kind::Denied));
    assert_eq!(try_open(&store, &Secret::from_text("guess")).map(drop), Err(Kind::Denied));
}

#[test]
fn a_key_that_was_added_opens_until_it_is_removed() {
    let (store, repository) = new_repository();
    let (first, other) = (repository.own_slot(), Secret::Code(another_code()));
    let slot = repository.add_key(&other, "other", CREATED + 1).unwrap();
    assert_eq!((slot.label.as_str(), slot.created), ("other", CREATED + 1));
    let listed: Vec<SlotId> = repository.key_slots().unwrap().slots.iter().map(|slot| slot.id).collect();
    assert_eq!(listed, [first, slot.id], "in the order of their creation");
    let opened = try_open(&store, &other).unwrap();
    assert_eq!(opened.own_slot(), slot.id);
    opened.remove_key(first).unwrap();
    assert_eq!(try_open(&store, &secret()).map(drop), Err(Kind::Denied));
    assert!(try_open(&store, &other).is_ok());
}

#[test]
fn the_last_key_and_an_unknown_key_are_not_removed() {
    let (store, repository) = new_repository();
    assert_eq!(repository.remove_key(repository.own_slot()).map_err(|error| error.kind()), Err(Kind::Invalid));
    assert!(repository.remove_key(SlotId([9; 8])).is_err());
    assert!(try_open(&store, &secret()).is_ok());
}

#[test]
fn keys_that_were_added_read_what_was_backed_up_before_and_after() {
    let (store, repository) = new_repository();
    let files = files_of(&[("a", 1, 1000)]);
    back_up(&repository, 1, &files).unwrap();
    let other = Secret::Code(another_code());
    repository.add_key(&other, "other", CREATED).unwrap();
    back_up(&repository, 2, &files).unwrap();
    let opened = try_open(&store, &other).unwrap();
    for entry in opened.snapshots().unwrap() {
        assert_eq!(read_back(&opened, &entry).unwrap(), files);
    }
}

#[test]
fn statistics_count_what_is_there() {
    let (store, repository) = new_repository();
    let report = back_up(&repository, 1, &files_of(&[("a", 1, 1000), ("b", 2, 600_000)])).unwrap();
    let second = back_up(&repository, 2, &files_of(&[("a", 1, 1000)])).unwrap();
    repository.forget(report.entry.id, CREATED).unwrap();
    let statistics = repository.statistics().unwrap();
    assert_eq!((statistics.snapshots, statistics.forgotten_snapshots), (1, 1));
    assert_eq!((statistics.packs, statistics.blocks, statistics.chunks), (3, 4, 4));
    assert_eq!(statistics.pack_bytes, report.stored_bytes + second.stored_bytes);
    assert_eq!(statistics.objects, store.names().len() as u64);
    let all: u64 = store.names().iter().map(|name| store.len(name).unwrap()).sum();
    assert_eq!(statistics.pack_bytes + statistics.other_bytes, all);
}

#[test]
fn a_reader_keeps_its_lease_until_it_is_dropped() {
    let (store, repository) = new_repository();
    let lease = repository.begin_reading().unwrap();
    assert_eq!(named(&store, names::LEASES).len(), 1);
    repository.prune().unwrap();
    assert_eq!(named(&store, names::LEASES).len(), 3, "its own, and two objects of the prune");
    drop(lease);
    repository.prune().unwrap();
    assert_eq!(named(&store, names::LEASES).len(), 2);
}

#[test]
fn a_reader_of_a_store_that_takes_no_object_goes_on_without_a_lease() {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull, TimedOut};
    let (store, repository) = new_repository();
    back_up(&repository, 1, &files_of(&[("a", 1, 1000)])).unwrap();
    for kind in [PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull] {
        let refusing = FailingStore::with_kind(store.clone(), Failure::Writes, kind);
        let reader = open(refusing, alive());
        let lease = reader.begin_reading().unwrap();
        assert!(!lease.is_published(), "{kind}");
        assert_eq!(read_back(&reader, &reader.snapshots().unwrap()[0]).unwrap().len(), 1, "{kind}");
    }
    let broken = open(FailingStore::with_kind(store.clone(), Failure::Writes, TimedOut), alive());
    assert_eq!(broken.begin_reading().map(drop).map_err(|error| error.kind()), Err(Kind::Unavailable));
}

#[test]
fn a_session_whose_lease_cannot_be_read_is_fenced_and_begins_again() {
    let (store, repository) = new_repository();
    let files = files_of(&[("a", 1, 1000), ("b", 2, 600_000)]);
    back_up(&repository, 1, &files).unwrap();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let lease = names::lease(session.id(), 0);
    store.damage(&lease, |bytes| bytes.truncate(10));
    drop(repository.begin_reading().unwrap());
    back_up(&repository, 2, &files).unwrap();
    assert!(repository.has_open_writer().unwrap());
    assert_eq!(repository.unknown_leases().unwrap().into_iter().map(|lease| lease.name).collect::<Vec<_>>(), [&*lease]);
    repository.prune().unwrap();
    assert!(repository.unknown_leases().unwrap().is_empty());
    let (root, blocks) = crate::fixtures::store_files(&session, &files).unwrap();
    let error = session.commit(crate::fixtures::draft("data", 3, root, blocks)).map(drop).unwrap_err();
    assert!(matches!(error, Error::Fenced { .. }) && error.kind() == Kind::Busy, "{error}");
    assert_snapshots(&repository, &[(1, files.clone()), (2, files)].into());
}

#[test]
fn a_prune_that_cannot_publish_all_of_its_lease_leaves_none_open() {
    let (store, repository) = new_repository();
    back_up(&repository, 1, &files_of(&[("a", 1, 1000)])).unwrap();
    for number in 0..12 {
        let failing = FailingStore::new(store.clone(), Failure::Once(number));
        let Ok(over) = Repository::open(Arc::new(failing), &secret(), alive()) else { continue };
        let _ = over.prune();
        assert!(repository.begin_reading().is_ok(), "after call {number} failed");
    }
}
