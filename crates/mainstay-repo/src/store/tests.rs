//! One conformance suite: what every store promises, run over each of them.

use super::*;

type MakeStore = fn(&tempfile::TempDir) -> Box<dyn Store>;

/// Every store of this crate, new and empty.
const STORES: [(&str, MakeStore); 2] = [
    ("local", |directory| Box::new(LocalStore::new(directory.path().join("repository")))),
    ("memory", |_| Box::new(MemoryStore::default())),
];

/// Runs a check on each store, after it was made ready for a repository.
fn on_every_store(check: fn(&str, &dyn Store)) {
    for (name, make) in STORES {
        let directory = tempfile::tempdir().unwrap();
        let store = make(&directory);
        assert_eq!(store.prepare().unwrap(), Vacancy::Empty, "{name}");
        check(name, &*store);
    }
}

fn listed(store: &dyn Store, prefix: &str) -> Vec<(String, u64)> {
    let mut objects: Vec<_> = store.list(prefix).unwrap().into_iter().map(|object| (object.name, object.len)).collect();
    objects.sort();
    objects
}

#[test]
fn an_object_is_read_back_as_it_was_put() {
    on_every_store(|store_name, store| {
        for (name, bytes) in
            [("refs/a", &b"bytes"[..]), ("packs/aa/deep-er", b""), ("coord/leases/x/000001", &[0; 70_000])]
        {
            store.put(name, bytes).unwrap();
            assert_eq!(store.len(name).unwrap(), bytes.len() as u64, "{store_name}");
            assert_eq!(store.read(name, 1 << 20).unwrap(), bytes, "{store_name}");
        }
    });
}

#[test]
fn a_published_name_is_never_published_again() {
    on_every_store(|store_name, store| {
        store.put("refs/a", b"first").unwrap();
        let error = store.put("refs/a", b"second").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{store_name}");
        assert_eq!(store.read("refs/a", 100).unwrap(), b"first", "{store_name}");
    });
}

#[test]
fn nothing_is_visible_before_it_is_published() {
    on_every_store(|store_name, store| {
        let mut upload = store.upload().unwrap();
        upload.write(b"one ").unwrap();
        upload.write(b"two").unwrap();
        for prefix in ["refs/", "packs/", "index/", "keys/", "coord/"] {
            assert_eq!(listed(store, prefix), [], "{store_name}");
        }
        upload.publish("refs/a").unwrap();
        assert_eq!(store.read("refs/a", 100).unwrap(), b"one two", "{store_name}");
        assert_eq!(listed(store, "refs/"), [("refs/a".to_owned(), 7)], "{store_name}");
    });
}

#[test]
fn an_upload_that_is_given_up_leaves_nothing() {
    on_every_store(|store_name, store| {
        let mut upload = store.upload().unwrap();
        upload.write(b"unfinished").unwrap();
        drop(upload);
        store.put("refs/a", b"").unwrap();
        assert_eq!(listed(store, "refs/"), [("refs/a".to_owned(), 0)], "{store_name}");
    });
}

#[test]
fn two_uploads_at_once_do_not_mix() {
    on_every_store(|store_name, store| {
        let (mut one, mut two) = (store.upload().unwrap(), store.upload().unwrap());
        for _ in 0..100 {
            one.write(b"1").unwrap();
            two.write(b"22").unwrap();
        }
        two.publish("refs/two").unwrap();
        one.publish("refs/one").unwrap();
        assert_eq!(store.read("refs/one", 1000).unwrap(), [b'1'; 100], "{store_name}");
        assert_eq!(store.read("refs/two", 1000).unwrap(), [b'2'; 200], "{store_name}");
    });
}

#[test]
fn a_folder_lists_everything_beneath_it_and_nothing_beside_it() {
    on_every_store(|store_name, store| {
        for name in ["packs/aa/one", "packs/ab/two", "packsnot/three", "index/four", "coord/leases/s/000000"] {
            store.put(name, name.as_bytes()).unwrap();
        }
        let expected = [("packs/aa/one".to_owned(), 12), ("packs/ab/two".to_owned(), 12)];
        assert_eq!(listed(store, "packs/"), expected, "{store_name}");
        assert_eq!(listed(store, "packs/ab/"), expected[1..], "{store_name}");
        assert_eq!(listed(store, "coord/").len(), 1, "{store_name}");
        assert_eq!(listed(store, "refs/"), [], "{store_name}: a folder that was never written to");
    });
}

#[test]
fn a_range_is_read_exactly_or_not_at_all() {
    on_every_store(|store_name, store| {
        store.put("refs/a", b"0123456789").unwrap();
        let read = |offset, len| {
            let mut buffer = vec![0; len];
            store.read_at("refs/a", offset, &mut buffer).map(|()| buffer).map_err(|error| error.kind())
        };
        assert_eq!(read(0, 10), Ok(b"0123456789".to_vec()), "{store_name}");
        assert_eq!(read(3, 4), Ok(b"3456".to_vec()), "{store_name}");
        assert_eq!(read(10, 0), Ok(Vec::new()), "{store_name}");
        for (offset, len) in [(0, 11), (9, 2), (10, 1), (1000, 1), (1 << 40, 1)] {
            assert_eq!(read(offset, len), Err(io::ErrorKind::UnexpectedEof), "{store_name}: {len} at {offset}");
        }
    });
}

#[test]
fn an_object_longer_than_the_limit_is_not_read() {
    on_every_store(|store_name, store| {
        store.put("refs/a", &[7; 100]).unwrap();
        assert!(store.read("refs/a", 100).is_ok(), "{store_name}");
        let kind = store.read("refs/a", 99).map_err(|error| error.kind());
        assert_eq!(kind, Err(io::ErrorKind::InvalidData), "{store_name}");
    });
}

#[test]
fn an_absent_object_is_known_to_be_absent() {
    on_every_store(|store_name, store| {
        for name in ["refs/a", "packs/aa/b"] {
            let absent = io::ErrorKind::NotFound;
            assert_eq!(store.len(name).map_err(|error| error.kind()), Err(absent), "{store_name}");
            assert_eq!(store.read(name, 10).map_err(|error| error.kind()), Err(absent), "{store_name}");
            assert_eq!(store.read_at(name, 0, &mut [0]).map_err(|error| error.kind()), Err(absent), "{store_name}");
        }
    });
}

#[test]
fn a_deleted_object_is_gone_and_may_be_deleted_again() {
    on_every_store(|store_name, store| {
        store.put("refs/a", b"bytes").unwrap();
        store.put("refs/b", b"bytes").unwrap();
        store.delete("refs/a").unwrap();
        store.delete("refs/a").unwrap();
        assert_eq!(listed(store, "refs/"), [("refs/b".to_owned(), 5)], "{store_name}");
        assert_eq!(store.read("refs/a", 10).unwrap_err().kind(), io::ErrorKind::NotFound, "{store_name}");
    });
}

#[test]
fn many_threads_publish_and_read_at_once() {
    on_every_store(|store_name, store| {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    for number in 0..20 {
                        let name = format!("packs/{number:02x}/{thread}");
                        store.put(&name, name.as_bytes()).unwrap();
                        assert_eq!(store.read(&name, 100).unwrap(), name.as_bytes());
                    }
                });
            }
        });
        assert_eq!(listed(store, "packs/").len(), 80, "{store_name}");
    });
}

#[test]
fn one_of_many_threads_that_publish_a_name_wins() {
    on_every_store(|store_name, store| {
        let won: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0u8..8)
                .map(|thread| scope.spawn(move || usize::from(store.put("refs/a", &[thread; 1000]).is_ok())))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(won, 1, "{store_name}");
        let bytes = store.read("refs/a", 1000).unwrap();
        assert!(bytes.len() == 1000 && bytes.iter().all(|byte| *byte == bytes[0]), "{store_name}");
    });
}

#[test]
fn a_store_says_whether_a_new_repository_may_go_into_it() {
    on_every_store(|store_name, store| {
        assert_eq!(store.prepare().unwrap(), Vacancy::Empty, "{store_name}: asked twice");
        store.put("keys/slots/a", b"an interrupted creation").unwrap();
        assert_eq!(store.prepare().unwrap(), Vacancy::Empty, "{store_name}: key slots alone");
        store.put("packs/aa/b", b"pack").unwrap();
        assert_eq!(store.prepare().unwrap(), Vacancy::Foreign, "{store_name}: something without a configuration");
        store.put("mainstay.json", b"{}").unwrap();
        assert_eq!(store.prepare().unwrap(), Vacancy::Repository, "{store_name}");
    });
}

#[test]
fn a_reserve_is_kept_once_and_given_free_once() {
    on_every_store(|name, store| {
        store.keep_reserve().unwrap();
        store.keep_reserve().unwrap();
        assert!(store.release_reserve().unwrap(), "{name}");
        assert!(!store.release_reserve().unwrap(), "{name}");
    });
}

#[test]
fn a_reserve_on_a_disk_takes_its_space_and_is_no_object() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path().join("repository"));
    store.prepare().unwrap();
    store.keep_reserve().unwrap();
    assert_eq!(std::fs::metadata(folder.path().join("repository/reserve")).unwrap().len(), RESERVE_LEN);
}

#[test]
fn a_damaged_object_can_be_replaced_and_one_that_is_gone_put_back() {
    on_every_store(|store_name, store| {
        store.put("refs/a", b"first").unwrap();
        for name in ["refs/a", "refs/b"] {
            store.replace(name, b"second").unwrap();
            assert_eq!(store.read(name, 100).unwrap(), b"second", "{store_name}");
        }
        assert_eq!(listed(store, "refs/").len(), 2, "{store_name}");
    });
}
