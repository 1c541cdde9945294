//! What every store promises, over one file; what is special here is in the modules beside this one.

mod damage;
mod identity;
mod sharing;
mod space;

use std::path::PathBuf;

use super::*;

/// A store that was made ready for a repository, in a folder that goes with it.
struct Fixture {
    folder: tempfile::TempDir,
    store: SqliteStore,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::new(folder.path().join("repository"));
        assert_eq!(store.prepare().unwrap(), Vacancy::Empty);
        Self { folder, store }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// The same file as another process has it.
    fn beside(&self) -> SqliteStore {
        SqliteStore::new(self.path())
    }

    /// Runs SQL past the store, on the connection that its next call will use.
    fn sql(&self, sql: &str) {
        let connection = self.store.database.open_for_test();
        connection.execute_batch(sql).unwrap();
        self.store.database.give_back_for_test(connection);
    }

    fn count(&self, sql: &str) -> i64 {
        self.store.database.read("count", |connection| Ok(connection.query_row(sql, (), |row| row.get(0))?)).unwrap()
    }
}

fn listed(store: &SqliteStore, prefix: &str) -> Vec<(String, u64)> {
    let mut objects: Vec<_> = store.list(prefix).unwrap().into_iter().map(|object| (object.name, object.len)).collect();
    objects.sort();
    objects
}

fn kind<T>(answer: io::Result<T>) -> Option<io::ErrorKind> {
    answer.err().map(|error| error.kind())
}

/// Bytes that differ from part to part.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|place| (place.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn an_object_is_read_back_as_it_was_put() {
    let fixture = Fixture::new();
    let lens = [0, 1, 70_000, schema::PART_LEN, upload::GATHERED_MAX, upload::GATHERED_MAX + 1, 5_000_000];
    for (number, len) in lens.into_iter().enumerate() {
        let (name, bytes) = (format!("packs/aa/{number}"), pattern(len));
        fixture.store.put(&name, &bytes).unwrap();
        assert_eq!(fixture.store.len(&name).unwrap(), len as u64);
        assert!(fixture.store.read(&name, 1 << 24).unwrap() == bytes, "{len}");
        assert!(fixture.beside().read(&name, 1 << 24).unwrap() == bytes, "{len}");
    }
}

#[test]
fn a_published_name_is_never_published_again() {
    let fixture = Fixture::new();
    fixture.store.put("refs/a", b"first").unwrap();
    let long = vec![0; upload::GATHERED_MAX + 1];
    for bytes in [&b"second"[..], &long] {
        assert_eq!(kind(fixture.store.put("refs/a", bytes)), Some(io::ErrorKind::AlreadyExists));
    }
    assert_eq!(fixture.store.read("refs/a", 100).unwrap(), b"first");
    assert_eq!(fixture.count("SELECT count(*) FROM parts"), 1, "what lost leaves nothing");
}

#[test]
fn nothing_is_visible_before_it_is_published() {
    let fixture = Fixture::new();
    let bytes = pattern(3 * upload::GATHERED_MAX);
    let mut upload = fixture.store.upload().unwrap();
    for piece in bytes.chunks(300_000) {
        upload.write(piece).unwrap();
    }
    assert_eq!(listed(&fixture.store, ""), []);
    assert_ne!(fixture.count("SELECT count(*) FROM parts"), 0, "memory is bounded");
    upload.publish("refs/a").unwrap();
    assert!(fixture.store.read("refs/a", 1 << 24).unwrap() == bytes);
}

#[test]
fn an_upload_that_is_given_up_leaves_nothing() {
    let fixture = Fixture::new();
    let mut upload = fixture.store.upload().unwrap();
    upload.write(&pattern(3 * upload::GATHERED_MAX)).unwrap();
    drop(upload);
    assert_eq!(fixture.count("SELECT count(*) FROM parts"), 0);
}

#[test]
fn two_uploads_at_once_do_not_mix() {
    let fixture = Fixture::new();
    let (mut one, mut two) = (fixture.store.upload().unwrap(), fixture.store.upload().unwrap());
    for _ in 0..100 {
        one.write(&[1; 50_000]).unwrap();
        two.write(&[2; 100_000]).unwrap();
    }
    two.publish("refs/two").unwrap();
    one.publish("refs/one").unwrap();
    assert!(fixture.store.read("refs/one", 1 << 24).unwrap() == vec![1; 5_000_000]);
    assert!(fixture.store.read("refs/two", 1 << 24).unwrap() == vec![2; 10_000_000]);
}

#[test]
fn a_folder_lists_everything_beneath_it_and_nothing_beside_it() {
    let fixture = Fixture::new();
    for name in
        ["packs/aa/one", "packs/ab/two", "packsnot/three", "index/four", "coord/leases/s/000000", "mainstay.json"]
    {
        fixture.store.put(name, name.as_bytes()).unwrap();
    }
    let expected = [("packs/aa/one".to_owned(), 12), ("packs/ab/two".to_owned(), 12)];
    assert_eq!(listed(&fixture.store, "packs/"), expected);
    assert_eq!(listed(&fixture.store, "packs/ab/"), expected[1..]);
    assert_eq!(listed(&fixture.store, "coord/").len(), 1);
    assert_eq!(listed(&fixture.store, "refs/"), [], "a folder that was never written to");
    assert_eq!(listed(&fixture.store, "").len(), 6);
}

#[test]
fn a_range_is_read_exactly_or_not_at_all() {
    let fixture = Fixture::new();
    let bytes = pattern(2 * schema::PART_LEN + 10);
    fixture.store.put("refs/a", &bytes).unwrap();
    let (part, len) = (schema::PART_LEN, bytes.len());
    for (offset, count) in [(0, len), (3, 4), (part - 1, 2), (part, part), (len - 10, 10), (len - 11, 11), (len, 0)] {
        let mut buffer = vec![0; count];
        fixture.store.read_at("refs/a", offset as u64, &mut buffer).unwrap();
        assert!(buffer == bytes[offset..offset + count], "{count} at {offset}");
    }
    let len = len as u64;
    for (offset, count) in [(0, len + 1), (len - 1, 2), (len, 1), (len + 1, 0), (1 << 40, 1), (u64::MAX, 1)] {
        let read = fixture.store.read_at("refs/a", offset, &mut vec![0; count as usize]);
        assert_eq!(kind(read), Some(io::ErrorKind::UnexpectedEof), "{count} at {offset}");
    }
    assert_eq!(kind(fixture.store.read("refs/a", len - 1)), Some(io::ErrorKind::InvalidData));
}

#[test]
fn an_absent_object_is_known_to_be_absent() {
    let fixture = Fixture::new();
    for name in ["refs/a", "packs/aa/b", "mainstay.json"] {
        assert_eq!(kind(fixture.store.len(name)), Some(io::ErrorKind::NotFound));
        assert_eq!(kind(fixture.store.read(name, 10)), Some(io::ErrorKind::NotFound));
        assert_eq!(kind(fixture.store.read_at(name, 0, &mut [0])), Some(io::ErrorKind::NotFound));
    }
}

#[test]
fn a_deleted_object_is_gone_and_may_be_deleted_again() {
    let fixture = Fixture::new();
    fixture.store.put("refs/a", b"bytes").unwrap();
    fixture.store.put("refs/b", b"bytes").unwrap();
    fixture.store.delete("refs/a").unwrap();
    fixture.store.delete("refs/a").unwrap();
    assert_eq!(listed(&fixture.store, "refs/"), [("refs/b".to_owned(), 5)]);
    assert_eq!(kind(fixture.store.read("refs/a", 10)), Some(io::ErrorKind::NotFound));
    assert_eq!(fixture.count("SELECT count(*) FROM parts"), 1);
}

#[test]
fn a_store_says_whether_a_new_repository_may_go_into_it() {
    let Fixture { store, .. } = &Fixture::new();
    assert_eq!(store.prepare().unwrap(), Vacancy::Empty, "asked twice");
    store.put("keys/slots/a", b"an interrupted creation").unwrap();
    assert_eq!(store.prepare().unwrap(), Vacancy::Empty, "key slots alone");
    store.put("packs/aa/b", b"pack").unwrap();
    assert_eq!(store.prepare().unwrap(), Vacancy::Foreign, "something without a configuration");
    store.put("mainstay.json", b"{}").unwrap();
    assert_eq!(store.prepare().unwrap(), Vacancy::Repository);
}

#[test]
fn a_damaged_object_can_be_replaced_and_one_that_is_gone_put_back() {
    let fixture = Fixture::new();
    fixture.store.put("refs/a", &pattern(3_000_000)).unwrap();
    let bytes = pattern(4_000_000);
    for name in ["refs/a", "refs/b"] {
        fixture.store.replace(name, &bytes).unwrap();
        assert!(fixture.store.read(name, 1 << 24).unwrap() == bytes);
    }
    assert_eq!(listed(&fixture.store, "refs/").len(), 2);
    assert_eq!(fixture.count("SELECT sum(length(bytes)) FROM parts"), 8_000_000);
}

#[test]
fn what_can_be_seen_is_made_durable_by_any_name() {
    let fixture = Fixture::new();
    fixture.store.put("refs/a", b"bytes").unwrap();
    for name in ["refs/a", "refs/", "snapshots/"] {
        fixture.store.make_durable(name).unwrap();
    }
}
