//! Tests of a store whose lasting objects are kept near.

use mainstay_repo::MemoryStore;
use mainstay_repo::store::Call;

use super::*;

struct Both {
    far: MemoryStore,
    store: Layered<Cached>,
    _directory: tempfile::TempDir,
}

fn both() -> Both {
    let directory = tempfile::tempdir().unwrap();
    let far = MemoryStore::default();
    let near = Near::open(directory.path(), 1 << 30).unwrap();
    Both { store: Cached::over(Arc::new(far.clone()), near), far, _directory: directory }
}

impl Both {
    fn reads(&self) -> usize {
        self.far.take_calls().iter().filter(|call| matches!(call, Call::Read { .. })).count()
    }
}

#[test]
fn what_lasts_is_asked_for_once() {
    let both = both();
    both.far.put("refs/1", b"map").unwrap();
    both.far.take_calls();
    assert_eq!(both.store.read("refs/1", 10).unwrap(), b"map");
    assert_eq!(both.reads(), 1);
    assert_eq!(both.store.read("refs/1", 10).unwrap(), b"map");
    assert_eq!(both.reads(), 0);
    assert!(both.store.read("refs/1", 2).is_err(), "the limit of the reader counts");
}

#[test]
fn what_was_written_need_not_be_asked_for() {
    let both = both();
    both.store.put("snapshots/1", b"snapshot").unwrap();
    let mut upload = both.store.upload_kept().unwrap();
    (0..3).for_each(|_| upload.write(&vec![5; 200_000]).unwrap());
    upload.publish("packs/aa/1").unwrap();
    both.far.take_calls();
    assert_eq!(both.store.read("snapshots/1", 10).unwrap(), b"snapshot");
    let mut buffer = [0; 500];
    both.store.read_kept_at("packs/aa/1", 262_000, &mut buffer).unwrap();
    assert_eq!((buffer, both.reads()), ([5; 500], 0));
}

#[test]
fn leases_marks_and_key_slots_are_asked_for_each_time() {
    let both = both();
    for name in ["coord/leases/1/0", "trash/1", "keys/slots/1", "mainstay.json", "coord/fences/1/2", "losses/1"] {
        both.store.put(name, b"first").unwrap();
        both.far.damage(name, |bytes| *bytes = b"second".to_vec());
        assert_eq!(both.store.read(name, 10).unwrap(), b"second", "{name}");
        let mut buffer = [0; 6];
        both.store.read_at(name, 0, &mut buffer).unwrap();
        assert_eq!(&buffer, b"second");
    }
}

#[test]
fn what_is_true_for_good_is_kept_for_whoever_asks_for_that() {
    let both = both();
    both.store.put("coord/fences/1/2", b"first").unwrap();
    both.far.take_calls();
    for _ in 0..2 {
        assert_eq!(both.store.read_kept("coord/fences/1/2", 10).unwrap(), b"first");
    }
    assert_eq!(both.reads(), 1);
    both.far.damage("coord/fences/1/2", |bytes| *bytes = b"second".to_vec());
    assert_eq!(both.store.read("coord/fences/1/2", 10).unwrap(), b"second");
    assert_eq!(both.store.read_kept("coord/fences/1/2", 10).unwrap(), b"first");
    assert!(both.store.forget_kept("coord/fences/1/2"));
    assert_eq!(both.store.read_kept("coord/fences/1/2", 10).unwrap(), b"second");
}

#[test]
fn ranges_of_packs_are_kept_only_where_that_is_asked_for() {
    let both = both();
    both.far.put("packs/aa/1", &vec![9; 1 << 20]).unwrap();
    both.far.take_calls();
    let mut buffer = [0; 10];
    for _ in 0..2 {
        both.store.read_at("packs/aa/1", 5, &mut buffer).unwrap();
    }
    assert_eq!(both.reads(), 2);
    for offset in [5, 100_000, 262_140] {
        both.store.read_kept_at("packs/aa/1", offset, &mut buffer).unwrap();
    }
    assert_eq!(both.reads(), 2, "the first cell, then the first two");
}

#[test]
fn an_object_that_is_not_there_or_shorter_is_said_by_the_store() {
    let both = both();
    both.far.put("index/c-1", b"short").unwrap();
    let mut buffer = [0; 6];
    let kind = |result: io::Result<()>| result.unwrap_err().kind();
    assert_eq!(kind(both.store.read_at("index/c-1", 0, &mut buffer)), io::ErrorKind::UnexpectedEof);
    assert_eq!(kind(both.store.read_at("index/c-2", 0, &mut buffer)), io::ErrorKind::NotFound);
    assert_eq!(kind(both.store.read("refs/1", 9).map(drop)), io::ErrorKind::NotFound);
}

#[test]
fn what_was_deleted_or_mended_is_kept_no_more() {
    let both = both();
    both.store.put("refs/1", b"map").unwrap();
    both.store.replace("refs/1", b"new").unwrap();
    assert_eq!(both.store.read("refs/1", 9).unwrap(), b"new");
    both.store.delete("refs/1").unwrap();
    assert!(both.store.read("refs/1", 9).is_err());
    assert!(both.store.len("refs/1").is_err());
}

#[test]
fn a_key_that_the_store_has_lost_is_not_there_though_its_copy_is() {
    let both = both();
    both.store.put("keys/data/1", b"wrapped").unwrap();
    both.far.delete("keys/data/1").unwrap();
    assert_eq!(both.store.read("keys/data/1", 9).map_err(|error| error.kind()), Err(io::ErrorKind::NotFound));
    both.far.put("keys/data/2", b"wrapped").unwrap();
    assert_eq!(both.store.read("keys/data/2", 9).unwrap(), b"wrapped");
}

#[test]
fn a_copy_that_is_forgotten_is_read_again() {
    let both = both();
    both.store.put("refs/1", b"map").unwrap();
    both.far.damage("refs/1", |bytes| *bytes = b"new".to_vec());
    assert_eq!(both.store.read("refs/1", 9).unwrap(), b"map");
    assert!(both.store.forget_kept("refs/1") && !both.store.forget_kept("refs/1"));
    assert_eq!(both.store.read("refs/1", 9).unwrap(), b"new");
}
