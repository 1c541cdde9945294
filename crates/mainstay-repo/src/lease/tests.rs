//! Tests of leases: whose process is gone, and who stands in whose way.

use super::*;
use crate::error::Kind;
use crate::fixtures::{alive, keys, process, restarted, session_id};
use crate::store::MemoryStore;

/// Publishes a writer's lease as one process and looks at it as another.
fn is_gone(publisher: &Liveness, observer: &Liveness) -> bool {
    let (store, keys) = (MemoryStore::default(), keys());
    let leases = |liveness| Leases { store: &store, keys: &keys, liveness };
    leases(publisher).publish(session_id(1), 0, Role::Writer, Vec::new()).unwrap();
    let open = leases(observer).open_leases(session_id(9)).unwrap();
    let [lease] = &open[..] else { panic!("{} leases are open", open.len()) };
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
    let (store, keys, liveness) = (MemoryStore::default(), keys(), alive());
    let leases = Leases { store: &store, keys: &keys, liveness: &liveness };
    for session in 1..=3 {
        leases.publish(session_id(session), 0, Role::Writer, Vec::new()).unwrap();
    }
    leases.end(session_id(2)).unwrap();
    leases.end(session_id(2)).unwrap();
    let open: Vec<SessionId> = leases.open_leases(session_id(1)).unwrap().iter().map(|lease| lease.session).collect();
    assert_eq!(open, [session_id(3)], "one's own lease is left out");
}

#[test]
fn the_lease_with_the_highest_number_counts() {
    let (store, keys, liveness) = (MemoryStore::default(), keys(), alive());
    let leases = Leases { store: &store, keys: &keys, liveness: &liveness };
    for (number, role) in [(0, Role::Reader), (12, Role::Collector), (3, Role::Writer)] {
        leases.publish(session_id(1), number, role, Vec::new()).unwrap();
    }
    let open = leases.open_leases(session_id(9)).unwrap();
    assert!(matches!(&open[..], [lease] if lease.role == Role::Collector));
}

#[test]
fn a_damaged_lease_is_reported_and_not_passed_over() {
    let (store, keys, liveness) = (MemoryStore::default(), keys(), alive());
    let leases = Leases { store: &store, keys: &keys, liveness: &liveness };
    leases.publish(session_id(1), 0, Role::Writer, Vec::new()).unwrap();
    store.damage(&names::lease(session_id(1), 0), |bytes| bytes[30] ^= 1);
    assert_eq!(leases.open_leases(session_id(9)).map(drop).map_err(|error| error.kind()), Err(Kind::Corrupt));
}

#[test]
fn a_collector_and_others_exclude_each_other() {
    let refused = |other, role, gone| {
        let open = [OpenLease { session: session_id(1), role: other, gone }];
        refuse_conflict(&open, role, "work").map_err(|error| error.kind()) == Err(Kind::Busy)
    };
    for (other, role, expected) in [
        (Role::Writer, Role::Writer, false),
        (Role::Writer, Role::Reader, false),
        (Role::Writer, Role::Collector, true),
        (Role::Reader, Role::Writer, false),
        (Role::Reader, Role::Reader, false),
        (Role::Reader, Role::Collector, true),
        (Role::Collector, Role::Writer, true),
        (Role::Collector, Role::Reader, true),
        (Role::Collector, Role::Collector, true),
    ] {
        assert_eq!(refused(other, role, false), expected, "{role:?} meets {other:?}");
        assert!(!refused(other, role, true), "{role:?} meets a {other:?} that is gone");
    }
}

#[test]
fn nothing_that_tells_machines_apart_is_readable_in_a_lease() {
    let (store, keys) = (MemoryStore::default(), keys());
    let liveness = Liveness { machine: b"0123456789abcdef".to_vec(), ..alive() };
    let leases = Leases { store: &store, keys: &keys, liveness: &liveness };
    leases.publish(session_id(1), 0, Role::Writer, Vec::new()).unwrap();
    let bytes = store.read(&names::lease(session_id(1), 0), 1000).unwrap();
    assert!(!bytes.windows(16).any(|part| part == b"0123456789abcdef"));
}
