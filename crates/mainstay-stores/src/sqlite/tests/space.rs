//! A full disk, stood for by a limit of pages, and the length of the file.

use std::fs;

use super::*;
use mainstay_repo::store::RESERVE_LEN;

/// Lets the file become no longer than it is.
fn fill_disk(fixture: &Fixture) {
    let pages = fixture.count("PRAGMA page_count");
    fixture.sql(&format!("PRAGMA max_page_count = {pages}"));
}

#[test]
fn a_full_disk_is_said_to_be_full_and_nothing_is_half_visible() {
    let fixture = Fixture::new();
    fixture.store.put("refs/a", b"bytes").unwrap();
    fill_disk(&fixture);
    for len in [100_000, 5_000_000] {
        assert_eq!(kind(fixture.store.put("refs/b", &pattern(len))), Some(io::ErrorKind::StorageFull), "{len}");
    }
    assert_eq!(kind(fixture.store.replace("refs/a", &pattern(5_000_000))), Some(io::ErrorKind::StorageFull));
    assert_eq!(kind(fixture.store.keep_reserve()), Some(io::ErrorKind::StorageFull));
    assert_eq!(fixture.store.reserve_len().unwrap(), 0, "half a reserve is none");
    assert_eq!(listed(&fixture.store, ""), [("refs/a".to_owned(), 5)]);
    assert_eq!(fixture.store.read("refs/a", 10).unwrap(), b"bytes");
    assert_eq!(fixture.count("SELECT count(*) FROM parts"), 1);
}

#[test]
fn an_upload_is_given_up_after_an_error() {
    let fixture = Fixture::new();
    let mut upload = fixture.store.upload().unwrap();
    fill_disk(&fixture);
    assert_eq!(kind(upload.write(&pattern(5_000_000))), Some(io::ErrorKind::StorageFull));
    fixture.sql("PRAGMA max_page_count = 100000");
    assert_eq!(kind(upload.write(b"more")), Some(io::ErrorKind::Other));
    assert_eq!(kind(upload.publish("refs/a")), Some(io::ErrorKind::Other));
    assert_eq!(listed(&fixture.store, ""), []);
}

#[test]
fn what_frees_space_is_written_into_the_reserve() {
    let fixture = Fixture::new();
    fixture.store.keep_reserve().unwrap();
    for number in 0..10 {
        fixture.store.put(&format!("packs/aa/{number}"), &pattern(1_500_000)).unwrap();
    }
    fill_disk(&fixture);
    let journal = fixture.store.database.journal_len().unwrap();
    assert!(fixture.store.release_reserve().unwrap());
    for number in 0..10 {
        fixture.store.put(&format!("coord/leases/s/{number}"), &pattern(500)).unwrap();
        fixture.store.delete(&format!("packs/aa/{number}")).unwrap();
    }
    assert_eq!(listed(&fixture.store, "").len(), 10);
    assert!(journal >= RESERVE_LEN && fixture.store.database.journal_len().unwrap() <= journal, "it had its place");
}

#[test]
fn a_reserve_is_kept_once_and_given_free_once() {
    let fixture = Fixture::new();
    assert_eq!(fixture.store.reserve_len().unwrap(), 0);
    fixture.store.keep_reserve().unwrap();
    let len = fs::metadata(fixture.path()).unwrap().len();
    fixture.store.keep_reserve().unwrap();
    assert_eq!(fs::metadata(fixture.path()).unwrap().len(), len);
    assert_eq!(fixture.store.reserve_len().unwrap(), RESERVE_LEN);
    assert!(fixture.store.release_reserve().unwrap());
    assert!(!fixture.store.release_reserve().unwrap());
    assert_eq!(listed(&fixture.store, ""), []);
}

#[test]
fn a_journal_that_was_left_behind_gets_its_place_again() {
    let fixture = Fixture::new();
    fixture.store.keep_reserve().unwrap();
    let moved = fixture.folder.path().join("moved");
    fs::copy(fixture.path(), &moved).unwrap();
    let store = SqliteStore::new(&moved);
    store.keep_reserve().unwrap();
    assert!(store.database.journal_len().unwrap() >= RESERVE_LEN);
}

#[test]
fn the_journal_of_the_longest_object_fits_its_place() {
    let fixture = Fixture::new();
    let bytes = pattern(64 << 20);
    fixture.store.put("packs/aa/a", &bytes).unwrap();
    fixture.store.replace("packs/aa/a", &bytes).unwrap();
    fixture.store.delete("packs/aa/a").unwrap();
    let journal = fixture.store.database.journal_len().unwrap();
    assert!(journal < RESERVE_LEN, "{journal}");
}

#[test]
fn space_of_deleted_objects_is_given_back() {
    let fixture = Fixture::new();
    fixture.store.put("packs/aa/0", &pattern(30 << 20)).unwrap();
    for number in 1..4 {
        fixture.store.put(&format!("packs/aa/{number}"), &pattern(10 << 20)).unwrap();
    }
    let before = fs::metadata(fixture.path()).unwrap().len();
    fixture.store.delete("packs/aa/0").unwrap();
    let after = fs::metadata(fixture.path()).unwrap().len();
    assert!(before > 60 << 20 && after < 36 << 20, "{before} to {after}");
    for number in 1..4 {
        assert!(fixture.store.read(&format!("packs/aa/{number}"), 1 << 24).unwrap() == pattern(10 << 20));
    }
}
