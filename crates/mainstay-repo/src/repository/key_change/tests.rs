//! Tests of key commands beside each other: whatever comes between, somebody still opens everything.

use std::sync::Arc;

use super::*;
use crate::fixtures::beside::WEEKS;
use crate::fixtures::{
    CODE, CREATED, FailingStore, Failure, Files, alive, assert_snapshots, back_up, copy_of, create, files_of, named,
    open, process, secret,
};
use crate::format::signed;
use crate::id::SlotId;
use crate::keys::{RecoveryCode, Secret};
use crate::lease::Liveness;
use crate::repository::{OtherKeys, WriterMay};
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

/// What comes first when the one before has been silent for weeks: a prune that fences it.
fn prune_and_remove(repository: &Repository, own: &str, other: SlotId) -> Result<()> {
    repository.prune()?;
    remove(repository, own, other)
}

fn prune_and_rotate(repository: &Repository, own: &str, other: SlotId) -> Result<()> {
    repository.prune()?;
    rotate(repository, own, other)
}

/// Another process, weeks later.
fn weeks_later() -> Liveness {
    Liveness { now: Arc::new(|| CREATED + WEEKS), ..beside() }
}

/// A machine that is taken for the same one, on which no such process is.
fn on_a_clone() -> Liveness {
    process(2, None)
}

/// Those of the two holders who read everything.
fn who_reads_everything<'t>(store: &MemoryStore, texts: [&'t str; 2]) -> Vec<&'t str> {
    let reads = |text: &&str| {
        let opened = opened(store.clone(), text);
        opened.is_ok_and(|reader| reader.snapshots().is_ok_and(|found| found.len() == 1))
    };
    let readers: Vec<&str> = texts.into_iter().filter(reads).collect();
    for text in &readers {
        assert_snapshots(&opened(store.clone(), text).unwrap(), &[(1, files())].into());
    }
    readers
}

/// The fixture's key stands still before each of its calls in turn, while the other key takes it for gone and does something. Then each tries to
/// remove the other. Whatever comes of all that, somebody reads everything.
fn one_sleeps_beside_the_other(one: Act, (other, liveness): (Act, fn() -> Liveness)) {
    let (original, [first, second], text) = with_two_keys();
    let healthy = FailingStore::new(copy_of(&original), Failure::Never);
    one(&open(healthy.clone(), alive()), CODE, second).unwrap();
    for call in 0..healthy.calls() {
        let store = copy_of(&original);
        let failing = FailingStore::new(store.clone(), Failure::Never);
        let (place, own) = (store.clone(), text.clone());
        failing.before(call, move || {
            let _ = Repository::open(Arc::new(place), &Secret::from_text(&own), liveness())
                .and_then(|repository| other(&repository, &own, first));
        });
        let _ = Repository::open(Arc::new(failing), &secret(), alive())
            .and_then(|repository| one(&repository, CODE, second));
        assert!(!who_reads_everything(&store, [CODE, &text]).is_empty(), "before call {call} of {}", healthy.calls());
        for (own, removed) in [(CODE, second), (&*text, first), (CODE, second)] {
            let _ = opened(store.clone(), own).and_then(|repository| repository.remove_key(removed));
            assert!(!who_reads_everything(&store, [CODE, &text]).is_empty(), "before call {call}, and a removal later");
        }
        assert_eq!(named(&store, names::KEY_CHANGES), [""; 0], "before call {call}");
    }
}

#[test]
fn a_removal_that_slept_and_was_fenced_does_not_remove_the_last_key() {
    one_sleeps_beside_the_other(remove, (prune_and_remove, weeks_later));
    one_sleeps_beside_the_other(remove, (remove, on_a_clone));
}

#[test]
fn a_rotation_that_slept_and_was_fenced_leaves_one_who_reads_everything() {
    one_sleeps_beside_the_other(rotate, (prune_and_remove, weeks_later));
    one_sleeps_beside_the_other(rotate, (prune_and_rotate, weeks_later));
    one_sleeps_beside_the_other(remove, (prune_and_rotate, weeks_later));
    one_sleeps_beside_the_other(rotate, (remove, on_a_clone));
    one_sleeps_beside_the_other(remove, (rotate, on_a_clone));
}

/// The repository after the fixture's key has named the other one's slot, and before it deletes that: it sleeps, or is dead.
fn with_a_removal_that_stands() -> (MemoryStore, [SlotId; 2], String, String) {
    let (original, [first, second], text) = with_two_keys();
    for call in 0.. {
        let store = copy_of(&original);
        let failing = FailingStore::new(store.clone(), Failure::From(call));
        let died = Repository::open(Arc::new(failing), &secret(), alive())
            .and_then(|repository| repository.remove_key(second));
        assert!(died.is_err(), "no call is between");
        if let Some(change) = named(&store, names::KEY_CHANGES).into_iter().find(|name| name.ends_with("-removes")) {
            return (store, [first, second], text, change);
        }
    }
    unreachable!("every removal comes to its end")
}

fn weeks_later_by(store: &MemoryStore, text: &str) -> Repository {
    Repository::open(Arc::new(store.clone()), &Secret::from_text(text), weeks_later()).unwrap()
}

#[test]
fn who_is_named_by_a_removal_that_stands_removes_nobody_until_another_key_is_there() {
    let (store, [first, second], text, change) = with_a_removal_that_stands();
    let named_one = weeks_later_by(&store, &text);
    named_one.prune().unwrap();
    assert!(store.names().contains(&change), "whoever was fenced may wake");
    for _ in 0..2 {
        let refused = named_one.remove_key(first).unwrap_err().to_string();
        assert!(refused.contains("was not finished") && refused.contains(&second.short()), "{refused}");
    }
    let new = code();
    named_one.add_key(&Secret::from_text(&new), "new", 3).unwrap();
    named_one.remove_key(first).unwrap();
    // It wakes.
    store.delete(&names::key_slot(second, 0)).unwrap();
    let left = weeks_later_by(&store, &new);
    assert_snapshots(&left, &[(1, files())].into());
    left.prune().unwrap();
    assert!(!store.names().contains(&change), "what it names is gone");
}

#[test]
fn a_removal_that_was_interrupted_is_finished_by_the_same_once_more() {
    let (store, [_, second], _, change) = with_a_removal_that_stands();
    let again = weeks_later_by(&store, CODE);
    again.prune().unwrap();
    again.remove_key(second).unwrap();
    assert_eq!(named(&store, names::KEY_SLOTS).len(), 1);
    again.prune().unwrap();
    assert!(!store.names().contains(&change));
}

#[test]
fn a_removal_whose_lease_is_lost_stands_all_the_same() {
    let (store, [first, _], text, change) = with_a_removal_that_stands();
    named(&store, names::LEASES).iter().for_each(|name| store.delete(name).unwrap());
    let named_one = weeks_later_by(&store, &text);
    named_one.prune().unwrap();
    assert!(store.names().contains(&change));
    assert!(named_one.remove_key(first).is_err());
}

#[test]
fn a_removal_that_is_damaged_may_name_every_key_and_a_rotation_leads_out() {
    let (store, [first, _], text, change) = with_a_removal_that_stands();
    store.damage(&change, |bytes| bytes[60] ^= 1);
    let other = weeks_later_by(&store, &text);
    other.prune().unwrap();
    assert!(store.names().contains(&change));
    let new = code();
    let added = other.add_key(&Secret::from_text(&new), "new", 3).unwrap().id;
    let refused = other.remove_key(first).unwrap_err().to_string();
    assert!(refused.contains("key rotate") && refused.contains(&change), "{refused}");
    let taken = [Secret::from_text(&new)];
    other.rotate(&Secret::from_text(&text), &taken, OtherKeys::Remove).unwrap();
    assert!(!store.names().contains(&change), "all that it may name is gone");
    let other = weeks_later_by(&store, &text);
    other.remove_key(added).unwrap();
    assert_snapshots(&other, &[(1, files())].into());
}

#[test]
fn a_removal_that_a_stranger_names_slots_in_dooms_nobody() {
    let (store, [first, second], text) = with_two_keys();
    let session = crate::fixtures::session_id(0x5e);
    let slots = [first, second].map(|id| DoomedSlot { id, generation: 0 });
    let said = encode_key_change(&KeyChange { session, removes: Some(slots.to_vec()) });
    let other = create(MemoryStore::default());
    let holder = opened(store.clone(), &text).unwrap();
    let signer = other.keys.signer();
    let signature = signer.sign(&signed::signed(ObjectKind::KeyChange, holder.id(), &said));
    let forged = signed::encode(ObjectKind::KeyChange, holder.id(), &said, (signer.certificates(), signature));
    store.put(&names::key_removal(session), &forged).unwrap();
    holder.remove_key(first).unwrap();
}

#[test]
fn a_writer_is_removed_whatever_stands_among_the_changes() {
    let (store, _, _, change) = with_a_removal_that_stands();
    store.damage(&change, |bytes| bytes[60] ^= 1);
    let full = weeks_later_by(&store, CODE);
    let writer = full.add_writer(&Secret::from_text(&code()), "agent", 3, WriterMay::Nothing).unwrap().id;
    full.prune().unwrap();
    full.remove_key(writer).unwrap();
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
    let said = encode_key_change(&KeyChange { session, removes: None });
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
