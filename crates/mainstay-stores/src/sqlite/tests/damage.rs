//! Bytes that changed in the file, and writes that were cut short.

use std::fs;

use super::*;

const PAGE_LEN: usize = 16384;

#[test]
fn a_listing_of_a_damaged_file_is_an_error_or_complete() {
    let fixture = Fixture::new();
    for number in 0..400 {
        fixture.store.put(&format!("snapshots/{:04}/{number:060}", number / 10), b"bytes").unwrap();
    }
    let complete = listed(&fixture.store, "");
    let bytes = fs::read(fixture.path()).unwrap();
    let path = fixture.folder.path().join("damaged");
    let mut errors = 0;
    // The number of cells of each page, its kind, and a stretch in its middle.
    for (place, len, value) in [(3, 2, 0), (4, 1, 1), (0, 1, 0), (5000, 3000, 0), (5000, 3000, 0xa5), (0, PAGE_LEN, 0)]
    {
        for page in 1..bytes.len() / PAGE_LEN {
            let mut damaged = bytes.clone();
            damaged[page * PAGE_LEN + place..][..len].fill(value);
            fs::write(&path, damaged).unwrap();
            match SqliteStore::new(&path).list("") {
                Ok(mut objects) => {
                    objects.sort_by(|one, two| one.name.cmp(&two.name));
                    let got: Vec<_> = objects.into_iter().map(|object| (object.name, object.len)).collect();
                    assert_eq!(got, complete, "{value} at {place} of page {page}");
                }
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::Other, "{error}");
                    errors += 1;
                }
            }
        }
    }
    assert!(errors > 10, "{errors}: the damage was elsewhere");
}

#[test]
fn a_damaged_page_makes_no_object_a_leftover() {
    let fixture = Fixture::new();
    // So few that each index is one page: a root may be empty, a leaf may not.
    for number in 0..40 {
        fixture.store.put(&format!("packs/{number:060}"), &[7; 100]).unwrap();
    }
    let names: Vec<String> = listed(&fixture.store, "").into_iter().map(|(name, _)| name).collect();
    let bytes = fs::read(fixture.path()).unwrap();
    let path = fixture.folder.path().join("damaged");
    for page in 1..bytes.len() / PAGE_LEN {
        let mut damaged = bytes.clone();
        damaged[page * PAGE_LEN + 3..][..2].fill(0);
        fs::write(&path, damaged).unwrap();
        let readable = || {
            let store = SqliteStore::new(&path);
            names.iter().filter(|name| store.read(name, 1000).is_ok()).cloned().collect::<Vec<String>>()
        };
        let before = readable();
        // Whether it can is another matter.
        let _ = SqliteStore::new(&path).clear_staging();
        let after = readable();
        assert!(before.iter().all(|name| after.contains(name)), "page {page}: {} of {}", after.len(), before.len());
    }
}

#[test]
fn an_object_is_not_said_to_be_absent_where_its_folder_has_lost_some() {
    let fixture = Fixture::new();
    fixture.store.put("refs/a", b"bytes").unwrap();
    fixture.store.put("index/a", b"bytes").unwrap();
    fixture.sql("UPDATE folders SET objects = 2 WHERE name = 'refs/'");
    assert_eq!(kind(fixture.store.read("refs/b", 10)), Some(io::ErrorKind::Other));
    assert_eq!(kind(fixture.store.list("refs/")), Some(io::ErrorKind::Other));
    assert_eq!(kind(fixture.store.read("index/b", 10)), Some(io::ErrorKind::NotFound));
    assert_eq!(fixture.store.read("refs/a", 10).unwrap(), b"bytes");
}

#[test]
fn an_object_whose_part_is_missing_or_short_cannot_be_read() {
    let fixture = Fixture::new();
    for name in ["refs/a", "refs/b", "refs/c"] {
        fixture.store.put(name, &pattern(2_500_000)).unwrap();
    }
    let part =
        |name: &str, part| format!("upload = (SELECT upload FROM objects WHERE name = '{name}') AND part = {part}");
    fixture.sql(&format!("DELETE FROM parts WHERE {}", part("refs/a", 1)));
    fixture.sql(&format!("UPDATE parts SET bytes = zeroblob(5) WHERE {}", part("refs/b", 2)));
    for name in ["refs/a", "refs/b"] {
        assert_eq!(kind(fixture.store.read(name, 1 << 24)), Some(io::ErrorKind::InvalidData), "{name}");
        fixture.store.read_at(name, 0, &mut [0; 1000]).unwrap();
        fixture.store.replace(name, &pattern(2_500_000)).unwrap();
    }
    for name in ["refs/a", "refs/b", "refs/c"] {
        assert!(fixture.store.read(name, 1 << 24).unwrap() == pattern(2_500_000), "{name}");
    }
}

/// A copy of the file and its journal, as a power cut would leave them in the midst of a transaction.
fn cut_short(fixture: &Fixture) -> PathBuf {
    let connection = fixture.store.database.open_for_test();
    // With such a cache the transaction is in the file long before it is committed.
    connection.execute_batch("PRAGMA cache_size = 5; BEGIN IMMEDIATE; DELETE FROM parts; DELETE FROM objects").unwrap();
    for upload in 0..5 {
        objects::add_part(&connection, upload, 0, &pattern(1_000_000)).unwrap();
    }
    let path = fixture.folder.path().join("cut");
    fs::copy(fixture.path(), &path).unwrap();
    fs::copy(fixture.folder.path().join("repository-journal"), fixture.folder.path().join("cut-journal")).unwrap();
    path
}

#[test]
fn a_transaction_that_was_cut_short_is_undone() {
    let fixture = Fixture::new();
    for number in 0..50 {
        fixture.store.put(&format!("refs/{number}"), &pattern(20_000)).unwrap();
    }
    let complete = listed(&fixture.store, "");
    let path = cut_short(&fixture);
    let before = fs::read(&path).unwrap();
    let reading = SqliteStore::with_access(&path, Access::ReadOnly);
    let message = reading.list("").unwrap_err().to_string();
    assert!(message.contains("must be undone first"), "{message}");
    let store = SqliteStore::new(&path);
    assert_eq!(listed(&store, ""), complete);
    assert!(fs::read(&path).unwrap() != before, "the transaction was in the file");
    for number in 0..50 {
        assert!(store.read(&format!("refs/{number}"), 1 << 20).unwrap() == pattern(20_000));
    }
}
