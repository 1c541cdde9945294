//! Tests of packs that are published beside one another.

use std::io;
use std::sync::{Arc, Barrier};

use super::*;
use crate::fixtures::{Files, alive, assert_snapshots, back_up, create, files_of, open, seeded};
use crate::format::names;
use crate::id::{RepositoryId, SessionId};
use crate::pack_writer::PackWriter;
use crate::store::{MemoryStore, Object, Store, Upload, Vacancy};

/// A store that takes several objects at once; what happens before a pack is published is said from outside.
#[derive(Clone)]
struct Wide {
    objects: MemoryStore,
    before_pack: Arc<dyn Fn() -> io::Result<()> + Send + Sync>,
}

impl Store for Wide {
    fn location(&self) -> String {
        "wide".to_owned()
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        Ok(Box::new(WideUpload { store: self.clone(), upload: self.objects.upload()? }))
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.objects.len(name)
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.objects.read_at(name, offset, buffer)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        self.objects.list(prefix)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.objects.delete(name)
    }

    fn publishes_at_once(&self) -> usize {
        3
    }

    fn prepare(&self) -> io::Result<Vacancy> {
        self.objects.prepare()
    }
}

struct WideUpload {
    store: Wide,
    upload: Box<dyn Upload>,
}

impl Upload for WideUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.upload.write(bytes)
    }

    fn publish(self: Box<Self>, name: &str) -> io::Result<()> {
        if name.starts_with(names::PACKS) {
            (self.store.before_pack)()?;
        }
        self.upload.publish(name)
    }
}

fn closed(store: &Wide, session: u8) -> ClosedPack {
    PackWriter::begin(store, RepositoryId([1; 16]), SessionId([session; 16])).unwrap().close().unwrap()
}

#[test]
fn packs_are_published_at_once_and_come_back_in_order() {
    let together = Arc::new(Barrier::new(3));
    let waits = move || {
        together.wait();
        Ok(())
    };
    let store = Wide { objects: MemoryStore::default(), before_pack: Arc::new(waits) };
    let mut under_way = UnderWay::new(3);
    for session in 0..3 {
        assert!(under_way.send(closed(&store, session)).unwrap().is_empty(), "none is waited for while there is room");
    }
    let arrived: Vec<u8> = std::iter::from_fn(|| under_way.next().unwrap()).map(|pack| pack.session.0[0]).collect();
    assert_eq!(arrived, [0, 1, 2]);
    assert_eq!(store.objects.names().len(), 3);
}

#[test]
fn whoever_sends_more_waits_for_the_first() {
    let store = Wide { objects: MemoryStore::default(), before_pack: Arc::new(|| Ok(())) };
    let mut under_way = UnderWay::new(3);
    let arrived: Vec<usize> = (0..6).map(|session| under_way.send(closed(&store, session)).unwrap().len()).collect();
    assert_eq!(arrived, [0, 0, 0, 1, 1, 1]);
    let mut alone = UnderWay::new(1);
    assert_eq!(alone.send(closed(&store, 9)).unwrap().len(), 1, "nothing runs beside one that goes alone");
}

#[test]
fn a_backup_over_a_store_that_takes_many_at_once_is_whole() {
    let store = Wide { objects: MemoryStore::default(), before_pack: Arc::new(|| Ok(())) };
    let repository = create(store.clone());
    // Three packs and more.
    let files: Files = (0..54).map(|seed| (format!("file {seed}"), seeded(seed, 1 << 20))).collect();
    back_up(&repository, 1, &files).unwrap();
    assert_snapshots(&open(store.clone(), alive()), &[(1, files)].into());
    assert!(store.list(names::PACKS).unwrap().len() > 3);
}

#[test]
fn a_pack_that_does_not_arrive_ends_the_session_before_its_snapshot() {
    let objects = MemoryStore::default();
    drop(create(objects.clone()));
    let refuses = || Err(io::Error::from(io::ErrorKind::TimedOut));
    let store = Wide { objects: objects.clone(), before_pack: Arc::new(refuses) };
    assert!(back_up(&open(store, alive()), 1, &files_of(&[("file", 1, 100)])).is_err());
    assert_eq!(objects.list(names::SNAPSHOTS).unwrap(), [], "no snapshot needs what is not there");
    assert_eq!(objects.list(names::INDEX).unwrap(), [], "and no table names it");
}
