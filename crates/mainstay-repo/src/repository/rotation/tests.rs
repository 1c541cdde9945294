//! Tests of rotation: what it takes away from whom, and what it leaves to everybody else.

mod crash;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::fixtures::{
    Files, alive, assert_snapshots, back_up, copy_of, create, draft, files_of, named, open, read_back, restarted,
    secret, store_files,
};
use crate::format::keys::{Purpose, StoredDataKey, WrappedKey};
use crate::keys::{Recipient, RecipientCode, RecoveryCode};
use crate::repository::WriterMay;
use crate::session::{Session, Sharing};
use crate::store::{MemoryStore, Store};

/// A code that was not used before.
fn code() -> String {
    RecoveryCode::generate().unwrap().to_text().to_string()
}

fn open_with(store: &MemoryStore, text: &str) -> Result<Repository> {
    Repository::open(Arc::new(store.clone()), &Secret::from_text(text), alive())
}

fn add_writer(repository: &Repository, may: WriterMay) -> String {
    let text = code();
    repository.add_writer(&Secret::from_text(&text), "agent", 1, may).unwrap();
    text
}

/// Rotates by the first key, and opens the repository anew.
fn rotate(store: &MemoryStore) -> (Repository, RotationReport) {
    let report = open(store.clone(), alive()).rotate(&secret(), &[], OtherKeys::Remove).unwrap();
    (open(store.clone(), alive()), report)
}

fn some_files(seed: u64) -> Files {
    files_of(&[("a", seed, 1000), ("b", seed + 1, 300_000), ("c", seed + 2, 10)])
}

/// Each wrapped key that is in the store, as an object of its own that says it is of the first generation.
fn wraps(store: &MemoryStore, repository: &Repository) -> Vec<(String, StoredDataKey)> {
    let mut wraps = Vec::new();
    for name in named(store, names::DATA_KEYS) {
        let bytes = store.read(&name, u64::MAX).unwrap();
        let place = names::parse_data_key(&name).unwrap();
        let stored = stored_keys::decode_data_key(repository.id(), (place.session, place.generation), &bytes).unwrap();
        for key in &stored.keys {
            let keys = vec![WrappedKey { generation: None, ..key.clone() }];
            wraps.push((name.clone(), StoredDataKey { keys, ..stored.clone() }));
        }
    }
    wraps
}

/// How many of them a removed holder opens by the secrets that it kept.
fn opened_by(kept: &Repository, wraps: &[(String, StoredDataKey)]) -> Vec<(String, u8)> {
    let opens = |wrap: &StoredDataKey| {
        let purpose = if wrap.keys[0].purpose == 1 { Purpose::Content } else { Purpose::Tree };
        kept.keys.opens(wrap, purpose)
    };
    wraps.iter().filter(|(_, wrap)| opens(wrap)).map(|(name, wrap)| (name.clone(), wrap.keys[0].purpose)).collect()
}

#[test]
fn the_secrets_of_a_removed_holder_open_nothing_that_was_wrapped_anew_or_made_after() {
    let store = MemoryStore::default();
    let full = create(store.clone());
    let gone = code();
    let slot = full.add_key(&Secret::from_text(&gone), "gone", 1).unwrap().id;
    let kept = open_with(&store, &gone).unwrap();
    back_up(&full, 1, &some_files(1)).unwrap();
    let writer = add_writer(&full, WriterMay::Nothing);
    back_up(&open_with(&store, &writer).unwrap(), 1, &some_files(4)).unwrap();
    let before = wraps(&store, &full);
    assert_eq!(opened_by(&kept, &before).len(), 4, "what it had before it has for ever");
    full.remove_key(slot).unwrap();
    let (full, report) = rotate(&store);
    assert_eq!((report.generation, report.rewrapped, report.left, report.removed.len()), (1, 2, 0, 0));
    back_up(&full, 2, &some_files(7)).unwrap();
    let writer = add_writer(&full, WriterMay::List);
    back_up(&open_with(&store, &writer).unwrap(), 1, &some_files(9)).unwrap();
    let after = wraps(&store, &full);
    assert_eq!(after.len(), 8, "two sessions before, two after");
    assert_eq!(opened_by(&kept, &after), []);
    assert_eq!(full.snapshots().unwrap().len(), 4);
    // Nor does it open what it sees, as it is there.
    let listing = kept.list_snapshots().unwrap();
    assert_eq!((listing.entries.len(), listing.lost.len(), listing.hidden.len()), (0, 4, 0));
    assert!(listing.lost.iter().all(|lost| lost.error.to_string().contains("they were rotated since")));
    assert!(open_with(&store, &gone).is_err_and(|error| error.kind() == Kind::Denied));
}

#[test]
fn everything_restores_after_a_rotation_and_after_three() {
    let store = MemoryStore::default();
    create(store.clone());
    let mut expected = BTreeMap::new();
    for round in 1..=3 {
        let files = some_files(round * 10);
        let repository = open(store.clone(), alive());
        back_up(&repository, round, &files).unwrap();
        expected.insert(round, files);
        let (repository, report) = rotate(&store);
        assert_eq!((report.generation, report.rewrapped), (round as u32, round));
        assert_snapshots(&repository, &expected);
        let suffix = format!(".{round}");
        assert!(named(&store, "keys/").iter().all(|name| name.ends_with(&suffix)), "{:?}", named(&store, "keys/"));
        assert_eq!(repository.key_slots().unwrap().slots.len(), 1);
    }
    let repository = open(store.clone(), restarted());
    back_up(&repository, 4, &some_files(10)).unwrap();
    expected.insert(4, some_files(10));
    let entries = repository.snapshots().unwrap();
    repository.forget(entries[0].id, 9).unwrap();
    repository.prune().unwrap();
    expected.remove(&1);
    assert_snapshots(&repository, &expected);
    assert!(repository.damaged_small_objects().unwrap().is_empty());
}

#[test]
fn nothing_is_stored_twice_because_the_secrets_were_rotated() {
    let store = MemoryStore::default();
    back_up(&create(store.clone()), 1, &some_files(1)).unwrap();
    let (repository, _) = rotate(&store);
    let before = named(&store, names::PACKS);
    back_up(&repository, 2, &some_files(1)).unwrap();
    assert_eq!(named(&store, names::PACKS), before, "chunk ids and tables are what they were");
}

#[test]
fn writers_go_on_after_a_rotation_and_what_they_write_restores() {
    let store = MemoryStore::default();
    let full = create(store.clone());
    let writers = [add_writer(&full, WriterMay::Nothing), add_writer(&full, WriterMay::List)];
    for writer in &writers {
        back_up(&open_with(&store, writer).unwrap(), 1, &some_files(1)).unwrap();
    }
    let (_, report) = rotate(&store);
    assert_eq!((report.writers.len(), report.rewrapped, report.kept.len()), (2, 2, 1));
    for writer in &writers {
        back_up(&open_with(&store, writer).unwrap(), 2, &some_files(2)).unwrap();
    }
    let listing = open_with(&store, &writers[1]).unwrap().list_snapshots().unwrap();
    assert_eq!((listing.entries.len(), listing.lost.len()), (2, 0), "a writer that may list still sees its past");
    let (full, report) = rotate(&store);
    assert_eq!(report.rewrapped, 4);
    let entries = full.snapshots().unwrap();
    assert_eq!(entries.len(), 4);
    for entry in &entries {
        assert_eq!(read_back(&full, entry).unwrap(), some_files(entry.snapshot.sequence), "{}", entry.id);
    }
    assert!(full.damaged_small_objects().unwrap().is_empty());
    let listing = open_with(&store, &writers[1]).unwrap().list_snapshots().unwrap();
    assert_eq!((listing.entries.len(), listing.lost.len()), (2, 0));
}

#[test]
fn what_a_writer_may_list_is_wrapped_anew_once_its_key_is_gone() {
    let store = MemoryStore::default();
    let full = create(store.clone());
    let gone = code();
    let slot = full.add_key(&Secret::from_text(&gone), "gone", 1).unwrap().id;
    let kept = open_with(&store, &gone).unwrap();
    let writer = add_writer(&full, WriterMay::List);
    let agent = open_with(&store, &writer).unwrap();
    back_up(&agent, 1, &some_files(1)).unwrap();
    full.remove_key(slot).unwrap();
    let (full, _) = rotate(&store);
    let opened = opened_by(&kept, &wraps(&store, &full));
    assert_eq!(opened.iter().map(|(_, purpose)| *purpose).collect::<Vec<_>>(), [2], "names, and no content");
    full.remove_key(agent.own_slot()).unwrap();
    let (full, _) = rotate(&store);
    assert_eq!(opened_by(&kept, &wraps(&store, &full)), []);
    assert_eq!(read_back(&full, &full.snapshots().unwrap()[0]).unwrap(), some_files(1));
}

#[test]
fn keys_that_were_not_given_are_not_shut_out_unasked() {
    let store = MemoryStore::default();
    let full = create(store.clone());
    back_up(&full, 1, &some_files(1)).unwrap();
    let (laptop, kit) = (code(), code());
    let slot = full.add_key(&Secret::from_text(&laptop), "laptop", 1).unwrap().id;
    full.add_key(&Secret::from_text(&kit), "kit", 2).unwrap();
    let before = store.names();
    let given = || [Secret::from_text(&kit)];
    let error = full.rotate(&secret(), &given(), OtherKeys::Refuse).unwrap_err();
    assert!(matches!(&error, Error::KeysLeftOut { keys } if *keys == format!("{} (laptop)", slot.short())), "{error}");
    assert_eq!(store.names(), before, "and nothing was done");
    let report = full.rotate(&secret(), &given(), OtherKeys::Remove).unwrap();
    assert_eq!(report.removed.iter().map(|slot| slot.id).collect::<Vec<_>>(), [slot]);
    assert_eq!(report.kept.len(), 2);
    assert!(open_with(&store, &laptop).is_err_and(|error| error.kind() == Kind::Denied));
    for text in [crate::fixtures::CODE, &kit] {
        let opened = open_with(&store, text).unwrap();
        assert_snapshots(&opened, &[(1, some_files(1))].into());
        opened.confirm_writer().unwrap();
    }
    let labels: Vec<String> = full.key_slots().unwrap().slots.into_iter().map(|slot| slot.label).collect();
    assert_eq!(labels, ["kit", "test"], "holders keep their names and their ids");
}

#[test]
fn a_recipient_is_taken_along_by_its_private_half_and_added_again_without_it() {
    let store = MemoryStore::default();
    let full = create(store.clone());
    back_up(&full, 1, &some_files(1)).unwrap();
    let private = RecipientCode::generate().unwrap().to_text().to_string();
    let public: Recipient = RecipientCode::parse(&private).unwrap().recipient();
    full.add_recipient(&public, "safe", 1).unwrap();
    full.rotate(&secret(), &[Secret::from_text(&private)], OtherKeys::Refuse).unwrap();
    assert_snapshots(&open_with(&store, &private).unwrap(), &[(1, some_files(1))].into());
    let (full, report) = rotate(&store);
    assert_eq!(report.removed.len(), 1);
    assert!(open_with(&store, &private).is_err());
    full.add_recipient(&public, "safe", 2).unwrap();
    let safe = open_with(&store, &private).unwrap();
    assert_snapshots(&safe, &[(1, some_files(1))].into());
    // It rotates as well.
    safe.rotate(&Secret::from_text(&private), &[secret()], OtherKeys::Refuse).unwrap();
    assert_snapshots(&open(store, alive()), &[(1, some_files(1))].into());
}

#[test]
fn a_writer_neither_rotates_nor_is_taken_along() {
    let store = MemoryStore::default();
    let full = create(store.clone());
    let writer = add_writer(&full, WriterMay::List);
    let before = store.names();
    let agent = open_with(&store, &writer).unwrap();
    let refused = agent.rotate(&Secret::from_text(&writer), &[], OtherKeys::Remove);
    assert!(matches!(refused, Err(Error::NotAllowed { .. })));
    let given = full.rotate(&secret(), &[Secret::from_text(&writer)], OtherKeys::Refuse);
    assert!(given.is_err_and(|error| error.kind() == Kind::Invalid));
    assert_eq!(store.names(), before);
}

#[test]
fn old_wraps_stay_for_a_session_at_work_and_the_next_prune_deletes_them() {
    let store = MemoryStore::default();
    let full = create(store.clone());
    back_up(&full, 1, &some_files(1)).unwrap();
    let session = Session::begin(&full, Sharing::Shared).unwrap();
    let (other, report) = rotate(&store);
    assert_eq!((report.rewrapped, report.left), (2, 2));
    // It goes on with what it has, and reads what was there when it began.
    assert_snapshots(&full, &[(1, some_files(1))].into());
    let (root, blocks) = store_files(&session, &some_files(2)).unwrap();
    session.commit(draft("data", 2, root, blocks)).unwrap();
    // And one that opened the repository before publishes its key by the old secrets even now.
    back_up(&full, 3, &some_files(3)).unwrap();
    let expected = BTreeMap::from([1, 2, 3].map(|number| (number, some_files(number))));
    assert_snapshots(&other, &expected);
    other.prune().unwrap();
    let left = named(&store, names::DATA_KEYS);
    assert!(left.len() == 3 && left.iter().all(|name| name.ends_with(".1")), "{left:?}");
    assert_snapshots(&open(store, alive()), &expected);
}

#[test]
fn of_two_wraps_the_one_that_is_good_opens() {
    let store = MemoryStore::default();
    let full = create(store.clone());
    back_up(&full, 1, &some_files(1)).unwrap();
    let session = Session::begin(&full, Sharing::Shared).unwrap();
    let (_, report) = rotate(&store);
    drop(session.abandon());
    assert_eq!(report.left, 2);
    for damaged in named(&store, names::DATA_KEYS) {
        let store = copy_of(&store);
        let bytes = store.read(&damaged, u64::MAX).unwrap();
        store.delete(&damaged).unwrap();
        store.put(&damaged, &bytes[..bytes.len() - 1]).unwrap();
        let repository = open(store.clone(), alive());
        assert_snapshots(&repository, &[(1, some_files(1))].into());
        let found: Vec<String> =
            repository.damaged_small_objects().unwrap().into_iter().map(|damage| damage.name).collect();
        assert_eq!(found, [damaged]);
    }
}

#[test]
fn a_data_key_that_nothing_opens_is_told_and_left_where_it_is() {
    let store = MemoryStore::default();
    let full = create(store.clone());
    back_up(&full, 1, &some_files(1)).unwrap();
    back_up(&full, 2, &some_files(2)).unwrap();
    let damaged = names::data_key(full.snapshots().unwrap()[0].snapshot.session, 0);
    let bytes = store.read(&damaged, u64::MAX).unwrap();
    store.delete(&damaged).unwrap();
    store.put(&damaged, &bytes[..bytes.len() - 1]).unwrap();
    let (full, report) = rotate(&store);
    assert_eq!((report.rewrapped, report.damaged.len()), (1, 1));
    assert!(store.names().contains(&damaged));
    let (entries, lost) = full.readable_snapshots().unwrap();
    assert_eq!((entries.len(), lost.len()), (1, 1));
    assert_eq!(read_back(&full, &entries[0]).unwrap(), some_files(2));
}

#[test]
fn a_key_slot_that_was_put_back_is_told() {
    let store = MemoryStore::default();
    let full = create(store.clone());
    back_up(&full, 1, &some_files(1)).unwrap();
    let name = names::key_slot(full.own_slot(), 0);
    let bytes = store.read(&name, u64::MAX).unwrap();
    let (_, _) = rotate(&store);
    store.put(&name, &bytes).unwrap();
    assert_snapshots(&open(store.clone(), alive()), &[(1, some_files(1))].into());
    store.delete(&names::key_slot(full.own_slot(), 1)).unwrap();
    let error = open(store.clone(), alive()).snapshots().unwrap_err();
    assert!(error.to_string().contains("or an old key slot was put back"), "{error}");
    // Nor under the name of another generation.
    store.delete(&name).unwrap();
    store.put(&names::key_slot(full.own_slot(), 1), &bytes).unwrap();
    assert!(Repository::open(Arc::new(store), &secret(), alive()).is_err_and(|error| error.kind() == Kind::Corrupt));
}

#[test]
fn while_a_data_key_is_damaged_nobody_else_is_shut_out() {
    let store = MemoryStore::default();
    let full = create(store.clone());
    back_up(&full, 1, &some_files(1)).unwrap();
    let (laptop, kit) = (code(), code());
    full.add_key(&Secret::from_text(&laptop), "laptop", 1).unwrap();
    full.add_key(&Secret::from_text(&kit), "kit", 2).unwrap();
    let key = named(&store, names::DATA_KEYS)[0].clone();
    let whole = store.read(&key, u64::MAX).unwrap();
    store.damage(&key, |bytes| bytes[40] ^= 1);
    let report = full.rotate(&secret(), &[Secret::from_text(&kit)], OtherKeys::Remove).unwrap();
    assert_eq!((report.damaged.len(), report.removed.len()), (1, 0));
    assert_eq!(report.stayed.iter().map(|slot| slot.label.as_str()).collect::<Vec<_>>(), ["laptop"]);
    // What can be read again opens by each of them.
    store.replace(&key, &whole).unwrap();
    for text in [crate::fixtures::CODE, &laptop, &kit] {
        assert_snapshots(&open_with(&store, text).unwrap(), &[(1, some_files(1))].into());
    }
    let (full, report) = rotate(&store);
    assert_eq!((report.damaged.len(), report.removed.len()), (0, 2));
    assert_snapshots(&full, &[(1, some_files(1))].into());
}

#[test]
fn a_holder_with_the_secrets_of_another_rotation_is_not_taken_along() {
    let store = MemoryStore::default();
    let full = create(store.clone());
    back_up(&full, 1, &some_files(1)).unwrap();
    let kit = code();
    let slot = full.add_key(&Secret::from_text(&kit), "kit", 1).unwrap().id;
    // Each rotated in a copy of its own, and the slot of one got into the other.
    let elsewhere = copy_of(&store);
    open_with(&elsewhere, &kit).unwrap().rotate(&Secret::from_text(&kit), &[], OtherKeys::Remove).unwrap();
    rotate(&store);
    let name = names::key_slot(slot, 1);
    store.put(&name, &elsewhere.read(&name, u64::MAX).unwrap()).unwrap();
    let full = open(store.clone(), alive());
    let before = store.names();
    let refused = full.rotate(&secret(), &[Secret::from_text(&kit)], OtherKeys::Refuse).unwrap_err();
    assert!(refused.to_string().contains("of another rotation"), "{refused}");
    let is_next = |name: &String| name.ends_with(".2");
    assert_eq!(
        store.names().into_iter().filter(|name| !is_next(name) && !name.starts_with(names::LEASES)).count(),
        before.iter().filter(|name| !name.starts_with(names::LEASES)).count()
    );
}

#[test]
fn what_a_writer_may_list_waits_while_its_slot_is_damaged() {
    let store = MemoryStore::default();
    let full = create(store.clone());
    let writer = add_writer(&full, WriterMay::List);
    let agent = open_with(&store, &writer).unwrap();
    back_up(&agent, 1, &some_files(1)).unwrap();
    let slot = names::key_slot(agent.own_slot(), 0);
    rotate(&store);
    let whole = store.read(&slot, u64::MAX).unwrap();
    store.damage(&slot, |bytes| bytes[40] ^= 1);
    open(store.clone(), restarted()).prune().unwrap();
    store.replace(&slot, &whole).unwrap();
    assert_eq!(open_with(&store, &writer).unwrap().snapshots().unwrap().len(), 1, "it lists its own past");
}
