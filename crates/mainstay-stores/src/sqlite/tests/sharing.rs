//! Two stores on one file stand for two processes: each has its own connections.

use super::*;

#[test]
fn one_of_two_stores_that_publish_a_name_wins() {
    let fixture = Fixture::new();
    let beside = fixture.beside();
    let (mut one, mut two) = (fixture.store.upload().unwrap(), beside.upload().unwrap());
    one.write(&vec![1; 3_000_000]).unwrap();
    two.write(&vec![2; 3_000_000]).unwrap();
    two.publish("refs/a").unwrap();
    assert_eq!(kind(one.publish("refs/a")), Some(io::ErrorKind::AlreadyExists));
    assert!(fixture.store.read("refs/a", 1 << 24).unwrap() == vec![2; 3_000_000]);
}

#[test]
fn one_of_many_threads_that_publish_a_name_wins() {
    let Fixture { store, .. } = &Fixture::new();
    let won: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0u8..8)
            .map(|thread| scope.spawn(move || usize::from(store.put("refs/a", &[thread; 1000]).is_ok())))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(won, 1);
    let bytes = store.read("refs/a", 1000).unwrap();
    assert!(bytes.len() == 1000 && bytes.iter().all(|byte| *byte == bytes[0]));
}

#[test]
fn many_threads_of_two_stores_publish_read_list_and_delete_at_once() {
    let fixture = Fixture::new();
    let beside = fixture.beside();
    std::thread::scope(|scope| {
        for (thread, store) in [&fixture.store, &beside, &fixture.store, &beside].into_iter().enumerate() {
            scope.spawn(move || {
                for number in 0..12 {
                    let (name, bytes) = (format!("packs/{number:02x}/{thread}"), pattern(number * 100_000 + thread));
                    store.put(&name, &bytes).unwrap();
                    assert!(store.read(&name, 1 << 24).unwrap() == bytes);
                    assert!(store.list("packs/").unwrap().iter().any(|object| object.name == name));
                    if number % 3 == 0 {
                        store.delete(&name).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(listed(&beside, "packs/").len(), 32);
}

#[test]
fn an_object_that_is_replaced_meanwhile_is_read_as_it_was_or_as_it_is() {
    let fixture = Fixture::new();
    let beside = fixture.beside();
    fixture.store.put("refs/a", &vec![0; 2_500_000]).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| (1..10).for_each(|byte| beside.replace("refs/a", &vec![byte; 2_500_000]).unwrap()));
        for _ in 0..20 {
            let bytes = fixture.store.read("refs/a", 1 << 24).unwrap();
            assert!(bytes.len() == 2_500_000 && bytes.iter().all(|byte| *byte == bytes[0]));
        }
    });
}

#[test]
fn what_a_killed_process_staged_is_cleared_away_and_nothing_else() {
    let fixture = Fixture::new();
    fixture.store.put("refs/a", &pattern(5_000_000)).unwrap();
    fixture.store.put("refs/empty", b"").unwrap();
    for _ in 0..3 {
        let mut upload = upload::SqliteUpload::begin(Arc::clone(&fixture.beside().database)).unwrap();
        upload.write(&pattern(5_000_000)).unwrap();
        std::mem::forget(upload);
    }
    assert_ne!(fixture.count("SELECT count(DISTINCT upload) FROM parts"), 1);
    fixture.store.clear_staging().unwrap();
    assert_eq!(fixture.count("SELECT count(DISTINCT upload) FROM parts"), 1);
    assert!(fixture.store.read("refs/a", 1 << 24).unwrap() == pattern(5_000_000));
}

#[test]
fn an_upload_whose_bytes_were_cleared_away_is_not_published() {
    let fixture = Fixture::new();
    let mut upload = fixture.store.upload().unwrap();
    upload.write(&pattern(5_000_000)).unwrap();
    fixture.beside().clear_staging().unwrap();
    assert_eq!(kind(upload.publish("refs/a")), Some(io::ErrorKind::Other));
    assert_eq!(listed(&fixture.store, ""), []);
}

#[test]
fn a_file_with_two_names_is_not_written_to() {
    let fixture = Fixture::new();
    fixture.store.put("refs/a", b"bytes").unwrap();
    std::fs::hard_link(fixture.path(), fixture.folder.path().join("other")).unwrap();
    let error = fixture.beside().put("refs/b", b"bytes").unwrap_err();
    assert!(error.to_string().contains("several names"), "{error}");
    std::fs::remove_file(fixture.folder.path().join("other")).unwrap();
    fixture.beside().put("refs/b", b"bytes").unwrap();
}
