//! Tests of key commands beside each other: whatever comes between, somebody still opens everything.

use std::sync::Arc;

use super::*;
use crate::fixtures::{
    CODE, FailingStore, Failure, Files, alive, assert_snapshots, back_up, copy_of, create, files_of, named, open,
    process, secret,
};
use crate::id::SlotId;
use crate::keys::{RecoveryCode, Secret};
use crate::lease::Liveness;
use crate::repository::OtherKeys;
use crate::store::{MemoryStore, Store};

fn files() -> Files {
    files_of(&[("a", 1, 3000), ("b", 2, 200_000)])
}

fn code() -> String {
    RecoveryCode::generate().unwrap().to_text().to_string()
}

/// Another process on the same machine.
fn beside() -> Liveness {
    process(2, Some(1))
}

/// A repository with a snapshot and two full keys: the fixture's, and one more with its secret.
fn with_two_keys() -> (MemoryStore, [SlotId; 2], String) {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    back_up(&repository, 1, &files()).unwrap();
    let other = code();
    let slot = repository.add_key(&Secret::from_text(&other), "other", 1).unwrap().id;
    (store, [repository.own_slot(), slot], other)
}

fn opened(store: impl Store + 'static, text: &str) -> Result<Repository> {
    Repository::open(Arc::new(store), &Secret::from_text(text), beside())
}

/// What a holder does, knowing the slot of the other.
type Act = fn(&Repository, &str, SlotId) -> Result<()>;

fn remove(repository: &Repository, _: &str, other: SlotId) -> Result<()> {
    repository.remove_key(other)
}

fn rotate(repository: &Repository, own: &str, _: SlotId) -> Result<()> {
    repository.rotate(&Secret::from_text(own), &[], OtherKeys::Remove).map(drop)
}

/// The fixture's key does one thing, and before each call of that in turn the other key does another: whoever has not been removed reads
/// everything, and somebody has not.
fn one_beside_the_other(one: Act, other: Act) {
    let (original, [first, second], text) = with_two_keys();
    let healthy = FailingStore::new(copy_of(&original), Failure::Never);
    one(&open(healthy.clone(), alive()), CODE, second).unwrap();
    let mut ended = [0, 0];
    for call in 0..healthy.calls() {
        let store = copy_of(&original);
        let failing = FailingStore::new(store.clone(), Failure::Never);
        let (place, own) = (store.clone(), text.clone());
        failing.before(call, move || {
            let _ = opened(place, &own).and_then(|repository| other(&repository, &own, first));
        });
        let done = Repository::open(Arc::new(failing), &secret(), alive())
            .and_then(|repository| one(&repository, CODE, second));
        ended[usize::from(done.is_ok())] += 1;
        let readers: Vec<Repository> =
            [CODE, &text].iter().filter_map(|text| opened(store.clone(), text).ok()).collect();
        assert!(!readers.is_empty(), "before call {call} of {}: nobody opens it", healthy.calls());
        for reader in &readers {
            assert_snapshots(reader, &[(1, files())].into());
        }
        assert_eq!(named(&store, names::KEY_CHANGES), [""; 0], "before call {call}");
    }
    assert!(ended[0] > 0 && ended[1] > 0, "{ended:?}");
}

#[test]
fn two_holders_who_remove_each_other_do_not_both_do_so() {
    one_beside_the_other(remove, remove);
}

#[test]
fn a_rotation_and_a_removal_beside_it_leave_one_who_reads_everything() {
    one_beside_the_other(rotate, remove);
    one_beside_the_other(remove, rotate);
}

#[test]
fn a_change_of_keys_that_died_stands_in_nobodys_way_and_a_prune_clears_it_away() {
    let (store, [_, second], _) = with_two_keys();
    let repository = open(store.clone(), alive());
    std::mem::forget(repository.begin_changing_keys("remove key").unwrap());
    assert_eq!(named(&store, names::KEY_CHANGES).len(), 1);
    let refused = open(store.clone(), beside()).remove_key(second).unwrap_err();
    assert!(refused.to_string().contains("is changing keys"), "{refused}");
    let later = open(store.clone(), Liveness { boot: b"later".to_vec(), ..alive() });
    later.remove_key(second).unwrap();
    later.prune().unwrap();
    assert_eq!(named(&store, names::KEY_CHANGES), [""; 0]);
    assert_eq!(later.damaged_small_objects().unwrap().len(), 0);
}

#[test]
fn what_a_stranger_says_of_changing_keys_keeps_nobody_from_it() {
    let (store, [_, second], _) = with_two_keys();
    let repository = open(store.clone(), alive());
    let lease = repository.begin_reading().unwrap();
    let session = lease.published.unwrap();
    // Signed by somebody of another repository, and nothing at all.
    let other = create(MemoryStore::default());
    let said = encode_key_change(&KeyChange { session });
    let forged = sign_object(other.keys.signer(), other.id(), (ObjectKind::KeyChange, &said)).unwrap();
    for said in [&forged[..], b"", b"stray"] {
        let store = copy_of(&store);
        store.put(&names::key_change(session), said).unwrap();
        open(store, beside()).remove_key(second).unwrap();
    }
}

#[test]
fn a_key_is_not_added_by_secrets_that_were_rotated_since_they_were_opened() {
    let (store, _, _) = with_two_keys();
    let early = open(store.clone(), alive());
    open(store.clone(), beside()).rotate(&secret(), &[], OtherKeys::Remove).unwrap();
    let before = store.names();
    let refused = early.add_key(&Secret::from_text(&code()), "kit", 2).unwrap_err();
    assert!(refused.to_string().contains("were rotated"), "{refused}");
    assert_eq!(store.names(), before);
}

#[test]
fn a_key_with_older_secrets_does_not_remove_the_only_one_with_newer_ones() {
    let (store, [first, _], text) = with_two_keys();
    // Killed once its own slot is there: both are listed, and only one has the new secrets.
    let own = names::key_slot(first, 1);
    for call in 0.. {
        let trial = copy_of(&store);
        let failing = FailingStore::new(trial.clone(), Failure::From(call));
        let taken = [Secret::from_text(&text)];
        let _ = Repository::open(Arc::new(failing), &secret(), alive())
            .and_then(|repository| repository.rotate(&secret(), &taken, OtherKeys::Refuse));
        if trial.names().contains(&own) {
            back_up(&open(trial.clone(), alive()), 2, &files()).unwrap();
            let old = opened(trial.clone(), &text).unwrap();
            assert!(matches!(old.remove_key(first), Err(Error::Invalid(_))), "call {call}");
            assert_eq!(open(trial, alive()).snapshots().unwrap().len(), 2);
            break;
        }
    }
}
