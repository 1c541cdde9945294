//! Tests of leases: whose process is gone, who is silent, and who waits for whom.

use super::*;
use crate::fence::{put_fence, put_settlement};
use crate::fixtures::{after, alive, holder, process, restarted, session_id};
use crate::format::coord::{Fence, Settlement};
use crate::store::MemoryStore;

/// Publishes a writer's lease as one process and looks at it as another.
fn is_gone(publisher: &Liveness, observer: &Liveness) -> bool {
    let (store, keys) = (MemoryStore::default(), holder());
    let judge = Judge::new(keys.config().repository);
    let leases = |liveness| Leases { store: &store, keys: &keys, judge: &judge, liveness };
    leases(publisher).publish(session_id(1), Role::Writer).unwrap();
    let open = leases(observer).open_leases(session_id(9)).unwrap();
    let [lease] = &open.known[..] else { panic!("{} leases are open", open.known.len()) };
    assert_eq!((lease.session, lease.role), (session_id(1), Role::Writer));
    lease.gone
}

#[test]
fn the_lease_of_a_living_process_is_open() {
    assert!(!is_gone(&process(7, Some(100)), &process(8, Some(100))));
}

#[test]
fn the_lease_of_a_dead_process_is_gone() {
    assert!(is_gone(&process(7, Some(100)), &process(8, None)));
}

#[test]
fn the_same_number_with_another_start_time_is_another_process() {
    assert!(is_gone(&process(7, Some(100)), &process(8, Some(101))));
}

#[test]
fn the_lease_from_before_the_machine_was_restarted_is_gone() {
    assert!(is_gone(&alive(), &restarted()));
}

#[test]
fn the_lease_of_another_machine_is_never_judged() {
    let elsewhere = Liveness { machine: b"another machine".to_vec(), ..restarted() };
    assert!(!is_gone(&alive(), &elsewhere));
    let elsewhere = Liveness { machine: b"another machine".to_vec(), ..process(1, None) };
    assert!(!is_gone(&alive(), &elsewhere));
}

#[test]
fn a_process_asks_about_the_number_in_the_lease() {
    let observer = Liveness { process_start: Arc::new(|number| (number == 7).then_some(100)), ..process(8, None) };
    assert!(!is_gone(&process(7, Some(100)), &observer));
    assert!(is_gone(&process(6, Some(100)), &observer));
}

#[test]
fn an_ended_lease_is_not_open_and_may_be_ended_again() {
    let (store, keys, liveness) = (MemoryStore::default(), holder(), alive());
    let judge = Judge::new(keys.config().repository);
    let leases = Leases { store: &store, keys: &keys, judge: &judge, liveness: &liveness };
    for session in 1..=3 {
        leases.publish(session_id(session), Role::Writer).unwrap();
    }
    leases.end(session_id(2)).unwrap();
    leases.end(session_id(2)).unwrap();
    let open = leases.open_leases(session_id(1)).unwrap();
    let sessions: Vec<SessionId> = open.known.iter().map(|lease| lease.session).collect();
    assert_eq!(sessions, [session_id(3)], "one's own lease is left out");
}

#[test]
fn the_lease_with_the_highest_number_counts() {
    let (store, keys, liveness) = (MemoryStore::default(), holder(), alive());
    let judge = Judge::new(keys.config().repository);
    let leases = Leases { store: &store, keys: &keys, judge: &judge, liveness: &liveness };
    let mut own = leases.publish(session_id(1), Role::Writer).unwrap();
    for list in 0..12 {
        leases.acknowledge(&mut own, vec![TableId([list; 16])]).unwrap();
    }
    let open = leases.open_leases(session_id(9)).unwrap();
    assert!(matches!(&open.known[..], [lease] if lease.seen == [TableId([11; 16])]));
}

#[test]
fn a_session_is_silent_a_week_after_it_renewed_its_lease() {
    let (store, keys) = (MemoryStore::default(), holder());
    let judge = Judge::new(keys.config().repository);
    let (start, early, late) = (after(0), after(RENEWAL - 1), after(RENEWAL));
    let leases = |liveness| Leases { store: &store, keys: &keys, judge: &judge, liveness };
    let mut own = leases(&start).publish(session_id(1), Role::Writer).unwrap();
    let is_silent = |time: i64| {
        let observer = after(time);
        let observed = Leases { store: &store, keys: &keys, judge: &judge, liveness: &observer };
        observed.open_leases(session_id(9)).unwrap().known[0].silent
    };
    assert!(!is_silent(SILENCE) && is_silent(SILENCE + 1) && is_silent(-SILENCE - 1));
    let objects = store.names().len();
    leases(&early).renew_in_time(&mut own).unwrap();
    assert_eq!(store.names().len(), objects, "it was renewed less than an hour ago");
    leases(&late).renew_in_time(&mut own).unwrap();
    assert!(!is_silent(SILENCE + 1));
}

#[test]
fn a_list_waits_for_those_who_did_not_know_it() {
    let (store, keys, liveness) = (MemoryStore::default(), holder(), alive());
    let judge = Judge::new(keys.config().repository);
    let leases = Leases { store: &store, keys: &keys, judge: &judge, liveness: &liveness };
    let list = TableId([7; 16]);
    let mut own = leases.publish(session_id(1), Role::Reader).unwrap();
    let awaited = || leases.open_leases(session_id(9)).unwrap().awaited_by(list);
    assert_eq!(awaited(), Some(session_id(1)));
    leases.acknowledge(&mut own, vec![list]).unwrap();
    assert_eq!(awaited(), None);
    store.damage(&names::lease(session_id(1), 1), |bytes| bytes[30] ^= 1);
    assert_eq!(awaited(), Some(session_id(1)), "of a lease that is damaged the one before counts");
}

#[test]
fn a_session_that_is_settled_is_not_open() {
    let (store, keys, liveness) = (MemoryStore::default(), holder(), alive());
    let judge = Judge::new(keys.config().repository);
    let leases = Leases { store: &store, keys: &keys, judge: &judge, liveness: &liveness };
    leases.publish(session_id(1), Role::Writer).unwrap();
    let (session, collector) = (session_id(1), session_id(0xcc));
    put_fence(&store, &keys, &Fence { session, collector }).unwrap();
    assert_eq!(leases.open_leases(session_id(9)).unwrap().known.len(), 1, "a fence alone says nothing yet");
    put_settlement(&store, &keys, &Settlement { session, collector, survivors: Vec::new() }).unwrap();
    assert!(leases.open_leases(session_id(9)).unwrap().is_empty());
}

#[test]
fn a_session_whose_lease_cannot_be_read_is_at_work_until_it_is_fenced() {
    let (store, keys, liveness) = (MemoryStore::default(), holder(), alive());
    let judge = Judge::new(keys.config().repository);
    let leases = Leases { store: &store, keys: &keys, judge: &judge, liveness: &liveness };
    leases.publish(session_id(1), Role::Writer).unwrap();
    store.damage(&names::lease(session_id(1), 0), |bytes| bytes[30] ^= 1);
    let open = leases.open_leases(session_id(9)).unwrap();
    assert!(open.known.is_empty() && open.may_write());
    assert_eq!(open.at_work(), HashSet::from([session_id(1)]));
    assert_eq!(open.to_fence(), [session_id(1)]);
    assert_eq!(open.awaited_by(TableId([7; 16])), Some(session_id(1)));
}

#[test]
fn a_lease_is_unreadable_whatever_is_wrong_with_its_object() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [Damage; 4] = [Vec::clear, |bytes| bytes.truncate(20), |bytes| bytes.fill(7), |bytes| bytes.push(0)];
    let (keys, liveness, name) = (holder(), alive(), names::lease(session_id(1), 0));
    let judge = Judge::new(keys.config().repository);
    for damage in damages {
        let store = MemoryStore::default();
        let leases = Leases { store: &store, keys: &keys, judge: &judge, liveness: &liveness };
        leases.publish(session_id(1), Role::Writer).unwrap();
        store.damage(&name, damage);
        let open = leases.open_leases(session_id(9)).unwrap();
        assert_eq!(open.unknown.iter().map(|lease| &lease.name).collect::<Vec<_>>(), [&name]);
        leases.end(session_id(1)).unwrap();
        assert!(leases.open_leases(session_id(9)).unwrap().unknown.is_empty(), "an end needs no lease");
    }
}

#[test]
fn a_name_that_is_none_of_a_lease_belongs_to_no_session() {
    let (store, keys, liveness) = (MemoryStore::default(), holder(), alive());
    let judge = Judge::new(keys.config().repository);
    let leases = Leases { store: &store, keys: &keys, judge: &judge, liveness: &liveness };
    let session = session_id(1);
    for name in ["note".to_owned(), format!("{session}/1"), format!("{session}/000000.swp")] {
        let name = format!("{}{name}", names::LEASES);
        store.put(&name, b"bytes").unwrap();
        let open = leases.open_leases(session_id(9)).unwrap();
        assert!(matches!(&open.unknown[..], [lease] if lease.name == name), "{:?}", open.unknown);
        assert!(open.to_fence().is_empty() && open.awaited_by(TableId([7; 16])).is_none());
        store.delete(&name).unwrap();
    }
}

#[test]
fn nothing_that_tells_machines_apart_is_readable_in_a_lease() {
    let (store, keys) = (MemoryStore::default(), holder());
    let judge = Judge::new(keys.config().repository);
    let liveness = Liveness { machine: b"0123456789abcdef".to_vec(), ..alive() };
    let leases = Leases { store: &store, keys: &keys, judge: &judge, liveness: &liveness };
    leases.publish(session_id(1), Role::Writer).unwrap();
    let bytes = store.read(&names::lease(session_id(1), 0), 1000).unwrap();
    assert!(!bytes.windows(16).any(|part| part == b"0123456789abcdef"));
}
