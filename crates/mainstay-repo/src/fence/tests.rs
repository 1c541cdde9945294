//! Tests of fences: who counts, and what of theirs.

use super::*;
use crate::fixtures::keeping::Keeping;
use crate::fixtures::{holder, session_id};
use crate::store::MemoryStore;

fn snapshot(number: u8) -> SnapshotId {
    SnapshotId([number; 32])
}

fn settle((store, keys): (&MemoryStore, &Keys), collector: u8, survivors: &[u8]) {
    let survivors = survivors.iter().map(|number| snapshot(*number)).collect();
    let settled = Settlement { session: session_id(1), collector: session_id(collector), survivors };
    put_settlement(store, keys, &settled).unwrap();
}

#[test]
fn nothing_of_a_session_without_a_settlement_is_void() {
    let (store, keys) = (MemoryStore::default(), holder());
    let judge = Judge::new(keys.config().repository);
    let fence = Fence { session: session_id(1), collector: session_id(2) };
    put_fence(&store, &keys, &fence).unwrap();
    put_fence(&store, &keys, &fence).unwrap();
    assert!(is_fenced(&store, &judge, session_id(1)).unwrap() && !is_fenced(&store, &judge, session_id(3)).unwrap());
    let fences = Fences::read(&store, &judge).unwrap();
    assert!(!fences.is_settled(session_id(1)) && !fences.is_void(session_id(1), snapshot(9)));
}

#[test]
fn only_what_all_settlements_name_counts() {
    let (store, keys) = (MemoryStore::default(), holder());
    let judge = Judge::new(keys.config().repository);
    settle((&store, &keys), 2, &[7, 8]);
    settle((&store, &keys), 3, &[8, 9]);
    let fences = Fences::read(&store, &judge).unwrap();
    assert!(fences.is_settled(session_id(1)));
    let is_void = |number| fences.is_void(session_id(1), snapshot(number));
    assert_eq!([7, 8, 9, 10].map(is_void), [true, false, true, true]);
    assert!(!fences.is_void(session_id(4), snapshot(7)), "another session is not concerned");
}

#[test]
fn a_damaged_settlement_counts_as_not_made() {
    let (store, keys) = (MemoryStore::default(), holder());
    let judge = Judge::new(keys.config().repository);
    settle((&store, &keys), 2, &[]);
    store.damage(&names::settlement(session_id(1), session_id(2)), |bytes| bytes[30] ^= 1);
    assert!(!Fences::read(&store, &judge).unwrap().is_settled(session_id(1)));
}

#[test]
fn what_a_stranger_says_of_a_session_says_nothing() {
    let (store, keys) = (MemoryStore::default(), holder());
    let judge = Judge::new(keys.config().repository);
    // Somebody who holds keys of another repository, and knows this one's id.
    let stranger = holder();
    for (kind, name, said) in [
        (
            ObjectKind::Fence,
            names::fence(session_id(1), session_id(2)),
            encode_fence(&Fence { session: session_id(1), collector: session_id(2) }),
        ),
        (
            ObjectKind::Settlement,
            names::settlement(session_id(1), session_id(2)),
            encode_settlement(&Settlement { session: session_id(1), collector: session_id(2), survivors: Vec::new() }),
        ),
        (
            ObjectKind::Acquittal,
            names::acquittal(session_id(1), session_id(2)),
            encode_acquittal(&Acquittal { session: session_id(1), by: session_id(2), snapshot: snapshot(7) }),
        ),
    ] {
        let repository = keys.config().repository;
        let signature = stranger.signer().sign(&crate::format::signed::signed(kind, repository, &said));
        let bytes =
            crate::format::signed::encode(kind, repository, &said, (stranger.signer().certificates(), signature));
        store.put(&name, &bytes).unwrap();
        let fences = Fences::read(&store, &judge).unwrap();
        assert!(!fences.is_settled(session_id(1)) && !fences.is_fenced(session_id(1)), "{name}");
        assert!(!fences.is_void(session_id(1), snapshot(7)) && !is_fenced(&store, &judge, session_id(1)).unwrap());
        assert!(!fences.needs_acquittal(session_id(1), snapshot(7)), "{name}");
    }
}

#[test]
fn a_fence_that_is_damaged_is_a_fence_for_whom_it_is_about() {
    let (store, keys) = (MemoryStore::default(), holder());
    let judge = Judge::new(keys.config().repository);
    put_fence(&store, &keys, &Fence { session: session_id(1), collector: session_id(2) }).unwrap();
    store.damage(&names::fence(session_id(1), session_id(2)), |bytes| bytes[30] ^= 1);
    assert!(is_fenced(&store, &judge, session_id(1)).unwrap());
}

fn acquit((store, keys): (&MemoryStore, &Keys), by: u8, number: u8) {
    let acquittal = Acquittal { session: session_id(1), by: session_id(by), snapshot: snapshot(number) };
    put_acquittal(store, keys, &acquittal).unwrap();
}

#[test]
fn an_acquitted_snapshot_counts_whatever_settlements_say() {
    let (store, keys) = (MemoryStore::default(), holder());
    let judge = Judge::new(keys.config().repository);
    acquit((&store, &keys), 5, 7);
    settle((&store, &keys), 2, &[]);
    settle((&store, &keys), 3, &[8]);
    let fences = Fences::read(&store, &judge).unwrap();
    let is_void = |number| fences.is_void(session_id(1), snapshot(number));
    assert_eq!([7, 8, 9].map(is_void), [false, true, true]);
    assert!(!fences.needs_acquittal(session_id(1), snapshot(7)) && fences.needs_acquittal(session_id(1), snapshot(8)));
    assert!(fences.is_settled(session_id(1)) && is_fenced(&store, &judge, session_id(1)).unwrap());
}

#[test]
fn an_acquittal_counts_by_its_second_copy_as_it_does_itself() {
    let (store, keys) = (MemoryStore::default(), holder());
    let judge = Judge::new(keys.config().repository);
    settle((&store, &keys), 2, &[]);
    acquit((&store, &keys), 5, 7);
    let name = names::acquittal(session_id(1), session_id(5));
    let (copy, bytes) = (names::second_copy(&name), store.read(&name, u64::MAX).unwrap());
    let is_void = |number| Fences::read(&store, &judge).unwrap().is_void(session_id(1), snapshot(number));
    store.put(&copy, &bytes).unwrap();
    store.damage(&name, |bytes| bytes[30] ^= 1);
    assert_eq!([7, 8].map(is_void), [false, true], "its copy tells what it was about");
    store.delete(&name).unwrap();
    assert_eq!([7, 8].map(is_void), [false, true], "it is lost");
    store.damage(&copy, |bytes| bytes[30] ^= 1);
    assert_eq!([7, 8].map(is_void), [false, false], "nobody knows what it was about");
    store.put(&name, &bytes).unwrap();
    assert_eq!([7, 8].map(is_void), [false, true], "a damaged copy of what is whole says nothing");
}

#[test]
fn an_acquittal_gets_its_second_copy_at_once_where_there_are_copies() {
    let (store, keys) = (MemoryStore::default(), holder());
    let copy_of = |by| names::second_copy(&names::acquittal(session_id(1), session_id(by)));
    acquit((&store, &keys), 5, 7);
    assert!(!store.names().contains(&copy_of(5)), "nobody has asked for copies");
    store.put(&names::second_copy(names::CONFIG), b"{}").unwrap();
    acquit((&store, &keys), 6, 8);
    assert!(store.names().contains(&copy_of(6)));
}

#[test]
fn a_damaged_acquittal_makes_nothing_void_and_makes_nothing_count() {
    let (store, keys) = (MemoryStore::default(), holder());
    let judge = Judge::new(keys.config().repository);
    settle((&store, &keys), 2, &[]);
    acquit((&store, &keys), 5, 7);
    store.damage(&names::acquittal(session_id(1), session_id(5)), |bytes| bytes[30] ^= 1);
    let fences = Fences::read(&store, &judge).unwrap();
    assert!(!fences.is_void(session_id(1), snapshot(7)) && !fences.is_void(session_id(1), snapshot(9)));
    assert!(fences.needs_acquittal(session_id(1), snapshot(7)));
}

#[test]
fn what_a_fence_says_is_read_once_by_whoever_keeps_it() {
    let (store, keys) = (MemoryStore::default(), holder());
    let judge = Judge::new(keys.config().repository);
    put_fence(&store, &keys, &Fence { session: session_id(1), collector: session_id(2) }).unwrap();
    settle((&store, &keys), 2, &[7]);
    let near = Keeping::over(&store);
    store.take_calls();
    let read = || {
        assert!(Fences::read(&near, &judge).unwrap().is_void(session_id(1), snapshot(8)));
        store.take_calls().iter().filter(|call| matches!(call, crate::store::Call::Read { .. })).count()
    };
    assert_eq!([read(), read()], [2, 0]);
}

#[test]
fn what_is_said_under_the_name_of_another_is_not_kept_in_the_place_of_the_true_word() {
    let (store, keys) = (MemoryStore::default(), holder());
    let judge = Judge::new(keys.config().repository);
    settle((&store, &keys), 2, &[]);
    let (true_word, name) =
        (names::settlement(session_id(1), session_id(2)), names::settlement(session_id(3), session_id(2)));
    store.put(&name, &store.read(&true_word, 1000).unwrap()).unwrap();
    let near = Keeping::over(&store);
    assert!(!Fences::read(&near, &judge).unwrap().is_settled(session_id(3)));
    store.delete(&name).unwrap();
    let settled = Settlement { session: session_id(3), collector: session_id(2), survivors: Vec::new() };
    put_settlement(&store, &keys, &settled).unwrap();
    assert!(Fences::read(&near, &judge).unwrap().is_settled(session_id(3)));
}
