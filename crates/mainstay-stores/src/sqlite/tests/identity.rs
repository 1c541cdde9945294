//! Files that are missing, somebody else's, or of another version.

use std::fs;

use super::*;

/// Every call that needs a repository, by the kind of its error.
fn kinds(store: &SqliteStore) -> [Option<io::ErrorKind>; 8] {
    [
        kind(store.len("refs/a")),
        kind(store.read("refs/a", 10)),
        kind(store.read_at("refs/a", 0, &mut [0])),
        kind(store.list("refs/")),
        kind(store.put("refs/a", b"bytes")),
        kind(store.delete("refs/a")),
        kind(store.make_durable("refs/a")),
        kind(store.keep_reserve()),
    ]
}

#[test]
fn a_file_that_is_not_there_is_doubt_and_is_not_created() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("repository");
    let store = SqliteStore::new(&path);
    assert_eq!(kinds(&store), [Some(io::ErrorKind::Other); 8]);
    assert_eq!(kind(store.read(names::CONFIG, 10)), Some(io::ErrorKind::NotFound), "no repository at all");
    assert!(!path.exists());
    assert!(store.list("refs/").unwrap_err().to_string().contains("mounted"));
}

#[test]
fn the_folder_of_a_file_is_not_created() {
    let folder = tempfile::tempdir().unwrap();
    assert!(SqliteStore::new(folder.path().join("stick/repository")).prepare().is_err());
    assert!(!folder.path().join("stick").exists());
}

#[test]
fn a_file_that_is_moved_away_is_never_written_to() {
    let fixture = Fixture::new();
    fixture.store.put("refs/a", b"bytes").unwrap();
    fs::rename(fixture.path(), fixture.folder.path().join("moved")).unwrap();
    assert_eq!(kind(fixture.store.put("refs/b", b"bytes")), Some(io::ErrorKind::Other));
    assert_eq!(kind(fixture.store.list("refs/")), Some(io::ErrorKind::Other));
}

#[test]
fn a_foreign_file_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("short", &b"x"[..]), ("text", &[b'x'; 5000]), ("page", &[0; 4096])] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let store = SqliteStore::new(&path);
        assert_eq!(store.prepare().unwrap(), Vacancy::Foreign, "{name}");
        assert_eq!(kinds(&store), [Some(io::ErrorKind::Other); 8], "{name}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "{name}");
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for mode in ["DELETE", "WAL"] {
        let path = folder.path().join(mode);
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute_batch(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE music (title TEXT);")).unwrap();
        drop(connection);
        let before = fs::read(&path).unwrap();
        let store = SqliteStore::new(&path);
        assert_eq!(store.prepare().unwrap(), Vacancy::Foreign, "{mode}");
        assert_eq!(kinds(&store), [Some(io::ErrorKind::Other); 8], "{mode}");
        drop(store);
        assert!(fs::read(&path).unwrap() == before, "{mode}");
    }
}

#[test]
fn a_newer_version_is_refused_with_what_was_expected() {
    let fixture = Fixture::new();
    fixture.sql("PRAGMA user_version = 2");
    let store = fixture.beside();
    assert_eq!(kinds(&store), [Some(io::ErrorKind::Unsupported); 8]);
    let message = store.prepare().unwrap_err().to_string();
    assert!(message.contains("expected version 1") && message.contains("got 2"), "{message}");
}

#[test]
fn an_empty_file_is_none_until_it_is_prepared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("repository");
    fs::write(&path, b"").unwrap();
    let store = SqliteStore::new(&path);
    assert_eq!(kinds(&store), [Some(io::ErrorKind::Other); 8]);
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    assert_eq!(store.prepare().unwrap(), Vacancy::Empty);
    store.put("refs/a", b"bytes").unwrap();
}

#[test]
fn names_that_mean_something_to_sqlite_are_files_like_others() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["file:a?mode=memory", ":memory:"] {
        let path = folder.path().join(name);
        assert_eq!(SqliteStore::new(&path).prepare().unwrap(), Vacancy::Empty);
        assert!(fs::metadata(&path).unwrap().len() > 0, "{name}");
    }
}

#[test]
fn a_file_is_made_with_the_pages_and_the_vacuum_that_were_chosen() {
    let fixture = Fixture::new();
    for (pragma, expected) in [("page_size", 16384), ("auto_vacuum", 2), ("synchronous", 2), ("cache_size", -5120)] {
        assert_eq!(fixture.count(&format!("PRAGMA {pragma}")), expected, "{pragma}");
    }
}

#[test]
fn a_file_that_can_only_be_read_is_read() {
    let fixture = Fixture::new();
    fixture.store.put("refs/a", b"bytes").unwrap();
    let store = SqliteStore::with_access(fixture.path(), Access::ReadOnly);
    assert_eq!(store.read("refs/a", 10).unwrap(), b"bytes");
    assert_eq!(listed(&store, "refs/").len(), 1);
    for answer in [store.put("refs/b", b"bytes"), store.delete("refs/a"), store.make_durable("refs/a")] {
        assert_eq!(kind(answer), Some(io::ErrorKind::PermissionDenied));
    }
}
