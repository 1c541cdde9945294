//! Tests of leases: whose process is gone, and who stands in whose way.

use super::*;
use crate::error::Kind;
use crate::fixtures::{alive, keys, process, restarted, session_id};
use crate::store::MemoryStore;

/// Publishes a writer's lease as one process and looks at it as another.
fn is_gone(publisher: &Liveness, observer: &Liveness) -> bool {
    let (store, keys) = (MemoryStore::default(), keys());
    let leases = |liveness| Leases { store: &store, keys: &keys, liveness };
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
    let (store, keys, liveness) = (MemoryStore::default(), keys(), alive());
    let leases = Leases { store: &store, keys: &keys, liveness: &liveness };
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
    let (store, keys, liveness) = (MemoryStore::default(), keys(), alive());
    let leases = Leases { store: &store, keys: &keys, liveness: &liveness };
    for (number, role) in [(0, Role::Reader), (12, Role::Collector), (3, Role::Writer)] {
        leases.publish_claim(session_id(1), number, role).unwrap();
    }
    let open = leases.open_leases(session_id(9)).unwrap();
    assert!(matches!(&open.known[..], [lease] if lease.role == Role::Collector));
}

/// What there is to know of a lease when its claims of these numbers are damaged.
fn damaged(role: Role, numbers: &[u32]) -> OpenLeases {
    let (store, keys, liveness) = (MemoryStore::default(), keys(), alive());
    let leases = Leases { store: &store, keys: &keys, liveness: &liveness };
    leases.publish(session_id(1), role).unwrap();
    for number in numbers {
        store.damage(&names::lease(session_id(1), *number), |bytes| bytes[30] ^= 1);
    }
    leases.open_leases(session_id(9)).unwrap()
}

fn refused(open: &OpenLeases, role: Role) -> bool {
    refuse_conflict(open, role, "work").map_err(|error| error.kind()) == Err(Kind::Busy)
}

#[test]
fn a_lease_that_cannot_be_read_stops_a_collector_and_nobody_else() {
    for role in [Role::Writer, Role::Reader] {
        let open = damaged(role, &[0]);
        assert!(open.known.is_empty());
        assert_eq!(open.at_work(), HashSet::from([session_id(1)]));
        let error = refuse_conflict(&open, Role::Collector, "prune").unwrap_err();
        assert_eq!(error.kind(), Kind::Busy);
        assert!(error.to_string().contains(&names::lease(session_id(1), 0)), "{error}");
        assert!(!refused(&open, Role::Writer) && !refused(&open, Role::Reader));
    }
}

#[test]
fn a_lease_is_unreadable_whatever_is_wrong_with_its_object() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [Damage; 4] = [Vec::clear, |bytes| bytes.truncate(20), |bytes| bytes.fill(7), |bytes| bytes.push(0)];
    let (keys, liveness, name) = (keys(), alive(), names::lease(session_id(1), 0));
    for damage in damages {
        let store = MemoryStore::default();
        let leases = Leases { store: &store, keys: &keys, liveness: &liveness };
        leases.publish(session_id(1), Role::Writer).unwrap();
        store.damage(&name, damage);
        let open = leases.open_leases(session_id(9)).unwrap();
        assert_eq!(open.unknown.iter().map(|lease| &lease.name).collect::<Vec<_>>(), [&name]);
        leases.end(session_id(1)).unwrap();
        assert!(leases.open_leases(session_id(9)).unwrap().unknown.is_empty(), "an end needs no lease");
    }
}

#[test]
fn a_name_that_is_none_of_a_lease_stops_a_collector_and_nobody_else() {
    let (store, keys, liveness) = (MemoryStore::default(), keys(), alive());
    let leases = Leases { store: &store, keys: &keys, liveness: &liveness };
    let session = session_id(1);
    for name in ["note".to_owned(), format!("{session}/1"), format!("{session}/000000.swp")] {
        let name = format!("{}{name}", names::LEASES);
        store.put(&name, b"bytes").unwrap();
        let open = leases.open_leases(session_id(9)).unwrap();
        assert!(matches!(&open.unknown[..], [lease] if lease.name == name), "{:?}", open.unknown);
        assert!(refused(&open, Role::Collector) && !refused(&open, Role::Writer) && !refused(&open, Role::Reader));
        store.delete(&name).unwrap();
    }
}

#[test]
fn a_collector_is_known_as_long_as_one_of_its_claims_can_be_read() {
    for numbers in [&[][..], &[0], &[1]] {
        let open = damaged(Role::Collector, numbers);
        assert!(open.unknown.is_empty() && refused(&open, Role::Writer), "{numbers:?}");
    }
    let open = damaged(Role::Collector, &[0, 1]);
    assert!(refused(&open, Role::Writer) && refused(&open, Role::Collector) && !refused(&open, Role::Reader));
}

#[test]
fn a_collector_and_others_exclude_each_other() {
    let meets = |other, role, gone| {
        let known = vec![OpenLease { session: session_id(1), role: other, gone }];
        refused(&OpenLeases { known, unknown: Vec::new() }, role)
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
        assert_eq!(meets(other, role, false), expected, "{role:?} meets {other:?}");
        assert!(!meets(other, role, true), "{role:?} meets a {other:?} that is gone");
    }
}

#[test]
fn nothing_that_tells_machines_apart_is_readable_in_a_lease() {
    let (store, keys) = (MemoryStore::default(), keys());
    let liveness = Liveness { machine: b"0123456789abcdef".to_vec(), ..alive() };
    let leases = Leases { store: &store, keys: &keys, liveness: &liveness };
    leases.publish(session_id(1), Role::Writer).unwrap();
    let bytes = store.read(&names::lease(session_id(1), 0), 1000).unwrap();
    assert!(!bytes.windows(16).any(|part| part == b"0123456789abcdef"));
}
