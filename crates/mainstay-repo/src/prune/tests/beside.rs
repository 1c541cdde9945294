//! A prune beside other sessions: who waits for whom, and what a race must not do.

use std::io;
use std::sync::{Arc, Mutex};

use super::*;
use crate::store::{Object, Upload, Vacancy};

#[test]
fn a_prune_refuses_beside_an_open_session() {
    let (store, repository, kept) = half_dead();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let before = named(&store, "packs/");
    let error = repository.prune().map(drop).unwrap_err();
    assert_eq!(error.kind(), Kind::Busy);
    assert!(error.to_string().contains("writer"), "{error}");
    assert_eq!(named(&store, "packs/"), before);
    let (root, blocks) = crate::fixtures::store_files(&session, &kept).unwrap();
    session.commit(crate::fixtures::draft("data", 3, root, blocks)).unwrap();
    repository.prune().unwrap();
    assert_snapshots(&repository, &[(2, kept.clone()), (3, kept)].into());
}

#[test]
fn a_refused_prune_leaves_no_lease_open() {
    let (_store, repository, _) = half_dead();
    let lease = repository.begin_reading().unwrap();
    assert!(repository.prune().is_err());
    let open = repository.leases().open_leases(session_id(0)).unwrap().known;
    assert!(open.iter().all(|lease| lease.role == Role::Reader));
    drop(lease);
    assert!(Session::begin(&repository, Sharing::Shared).is_ok());
}

#[test]
fn a_prune_goes_on_beside_a_session_whose_process_is_gone() {
    let (store, repository, kept) = half_dead();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    session.store_small_file(b"never committed").unwrap();
    let later = open(store.clone(), restarted());
    later.prune().unwrap();
    assert_snapshots(&later, &[(2, kept)].into());
    drop(session);
}

#[test]
fn a_prune_refuses_beside_a_session_on_another_machine() {
    let (store, repository, _) = half_dead();
    let _session = Session::begin(&repository, Sharing::Shared).unwrap();
    let elsewhere = open(store, crate::Liveness { machine: b"another machine".to_vec(), ..restarted() });
    assert_eq!(elsewhere.prune().map(drop).map_err(|error| error.kind()), Err(Kind::Busy));
}

/// Something that happens in the middle of another's listing.
type Event = Box<dyn FnOnce(&MemoryStore) + Send>;

/// A store in which something happens just before a folder is listed for the n-th time.
struct Interrupted {
    objects: MemoryStore,
    prefix: &'static str,
    event: Mutex<(u32, Option<Event>)>,
}

impl Store for Interrupted {
    fn location(&self) -> String {
        self.objects.location()
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        self.objects.upload()
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.objects.len(name)
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.objects.read_at(name, offset, buffer)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        let mut event = self.event.lock().unwrap();
        if prefix == self.prefix {
            event.0 = event.0.saturating_sub(1);
            if event.0 == 0
                && let Some(event) = event.1.take()
            {
                event(&self.objects);
            }
        }
        self.objects.list(prefix)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.objects.delete(name)
    }

    fn prepare(&self) -> io::Result<Vacancy> {
        self.objects.prepare()
    }
}

/// Prunes; just before the n-th listing of leases a writer publishes its lease and pauses.
fn prune_while_a_writer_begins(listing: u32) -> MemoryStore {
    let (store, _, _) = half_dead();
    let writer = open(store.clone(), alive());
    let publish: Event = Box::new(move |_| {
        writer.leases().publish(session_id(0x77), Role::Writer).unwrap();
    });
    let event = Mutex::new((listing, Some(publish)));
    let interrupted = Arc::new(Interrupted { objects: store.clone(), prefix: names::LEASES, event });
    let repository = Repository::open(interrupted, &crate::fixtures::secret(), alive()).unwrap();
    let pruned = repository.prune().map(drop).map_err(|error| error.kind());
    assert_eq!(pruned, if listing == 1 { Err(Kind::Busy) } else { Ok(()) });
    store
}

#[test]
fn a_writer_that_publishes_its_lease_during_a_prune_keeps_it() {
    for listing in [1, 2] {
        let store = prune_while_a_writer_begins(listing);
        // The prune is over. The writer now lists the leases, finds no collector, and goes on.
        let lease = names::lease(session_id(0x77), 0);
        assert!(store.names().contains(&lease), "listing {listing}: the writer goes on without a lease");
        let next = open(store, alive()).prune().map(drop).map_err(|error| error.kind());
        assert_eq!(next, Err(Kind::Busy), "listing {listing}: a second prune does not see the writer");
    }
}
