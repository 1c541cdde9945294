//! What every store promises, over OpenSSH; how the server and we come to trust each other, and scripted faults, are in the
//! modules beside this one.

mod faults;
mod requests;
mod scripted;
mod sshd;
mod trust;

use std::path::PathBuf;
use std::time::Duration;

use mainstay_repo::store::conformance::{Ground, TRIALS};

use super::*;
use crate::address::Address;
use sshd::Sshd;

/// A store that was made ready for a repository on a server, in a folder that goes with it.
struct Fixture {
    folder: tempfile::TempDir,
    server: Sshd,
    store: SftpStore,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Sshd::start(&folder.path().join("server")).unwrap();
        server.befriend(folder.path()).unwrap();
        let store = open(&server.address(&folder.path().join("deep/repository")), &home(&folder)).unwrap();
        assert_eq!(store.prepare().unwrap(), Vacancy::Empty);
        Self { folder, server, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("deep/repository").join(name)
    }
}

fn home(folder: &tempfile::TempDir) -> Surroundings {
    Surroundings::new([("HOME".to_owned(), folder.path().display().to_string())])
}

fn address_of(text: &str) -> Address {
    let (scheme, rest) = text.split_once(':').unwrap();
    Address::parse(scheme, rest.as_bytes()).unwrap().unwrap()
}

fn open(address: &str, surroundings: &Surroundings) -> io::Result<SftpStore> {
    let Address::Sftp(address) = address_of(address) else { panic!("{address}") };
    SftpStore::with_patience(address, surroundings, impatience())
}

/// As the usual, only that a test has no minute.
fn impatience() -> Patience {
    Patience {
        answer: Duration::from_secs(10),
        pauses: [1, 10, 100].map(Duration::from_millis).to_vec(),
        ..Patience::default()
    }
}

fn kind<T>(answer: io::Result<T>) -> Option<io::ErrorKind> {
    answer.err().map(|error| error.kind())
}

#[test]
fn every_promise_is_kept_over_openssh() {
    let fixture = Fixture::new();
    for trial in TRIALS {
        let answer = trial.run(&fixture.store, &Ground::default());
        assert_eq!(answer.map_err(|broken| broken.to_string()), Ok(()), "{}", trial.name);
    }
    assert_eq!((fixture.store.caveats(), fixture.store.inner.folders.syncs()), (Vec::new(), Some(true)));
    assert_eq!(fixture.server.accepted(), 1, "one connection carries everything");
}

#[test]
fn what_others_left_unfinished_is_cleared_away() {
    let fixture = Fixture::new();
    std::fs::write(fixture.path("tmp/half"), b"half").unwrap();
    fixture.store.put("packs/a", b"whole").unwrap();
    fixture.store.clear_staging().unwrap();
    assert_eq!(std::fs::read_dir(fixture.path("tmp")).unwrap().count(), 0);
    assert_eq!(fixture.store.read("packs/a", 10).unwrap(), b"whole");
}

#[test]
fn a_place_is_told_to_be_empty_a_repository_or_something_else() {
    let fixture = Fixture::new();
    assert_eq!(fixture.store.prepare().unwrap(), Vacancy::Empty);
    fixture.store.put(names::CONFIG, b"{}").unwrap();
    assert_eq!(fixture.store.prepare().unwrap(), Vacancy::Repository);
    fixture.store.delete(names::CONFIG).unwrap();
    std::fs::write(fixture.path("letter.txt"), b"mine").unwrap();
    assert_eq!(fixture.store.prepare().unwrap(), Vacancy::Foreign);
}

#[test]
fn where_the_repository_is_gone_no_object_is_known_to_be_absent() {
    let fixture = Fixture::new();
    std::fs::remove_dir(fixture.path("tmp")).unwrap();
    assert_eq!(kind(fixture.store.list("packs/")), Some(io::ErrorKind::Other));
    assert_eq!(kind(fixture.store.len("packs/a")), Some(io::ErrorKind::Other));
    assert_eq!(kind(fixture.store.read("packs/a", 1)), Some(io::ErrorKind::Other));
    assert_eq!(kind(fixture.store.put("packs/a", b"a")), Some(io::ErrorKind::Other));
    assert_eq!(kind(fixture.store.read(names::CONFIG, 1)), Some(io::ErrorKind::NotFound));
}

#[test]
fn a_right_that_is_lacking_ends_a_write_at_once_and_tells_why() {
    let fixture = Fixture::new();
    // A file where a folder belongs is refused to everybody, to root too.
    std::fs::write(fixture.path("packs"), b"no folder").unwrap();
    let error = fixture.store.put("packs/a", b"bytes").unwrap_err();
    assert!(error.kind() == io::ErrorKind::Other && error.to_string().contains("the server said"), "{error:?}");
    assert_eq!(std::fs::read_dir(fixture.path("tmp")).unwrap().count(), 0, "what was staged is removed");
    assert_eq!(fixture.server.accepted(), 1);
}

#[test]
fn a_connection_that_was_cut_is_made_anew() {
    let fixture = Fixture::new();
    fixture.store.put("packs/a", b"bytes").unwrap();
    fixture.server.cut(false);
    assert_eq!(fixture.store.read("packs/a", 10).unwrap(), b"bytes");
    fixture.server.cut(false);
    fixture.store.put("packs/b", &vec![7; 3 << 20]).unwrap();
    fixture.server.cut(false);
    assert_eq!(fixture.store.list("packs/").unwrap().len(), 2);
    fixture.server.cut(false);
    fixture.store.delete("packs/a").unwrap();
    assert_eq!(fixture.server.accepted(), 5);
}

#[test]
fn a_server_that_stays_away_is_waited_for_once_and_then_found_again() {
    let fixture = Fixture::new();
    let before = fixture.server.accepted();
    fixture.server.cut(true);
    let error = fixture.store.put("packs/a", b"bytes").unwrap_err();
    assert!(failure::is_passing(&error), "{error:?}");
    let waited = fixture.server.accepted() - before;
    assert!((3..=4).contains(&waited), "{waited}");
    assert!(fixture.store.len("packs/a").is_err());
    assert_eq!(fixture.server.accepted() - before, waited + 1, "what is down is asked once");
    fixture.server.restart();
    fixture.store.put("packs/a", b"bytes").unwrap();
    assert_eq!(fixture.store.read("packs/a", 10).unwrap(), b"bytes");
}

#[test]
fn a_server_that_never_answered_is_called_once() {
    let fixture = Fixture::new();
    fixture.server.cut(true);
    let store = open(&fixture.server.address(&fixture.path("")), &home(&fixture.folder)).unwrap();
    let before = fixture.server.accepted();
    assert!(store.list("packs/").is_err());
    assert_eq!(fixture.server.accepted() - before, 1);
}

#[test]
fn a_server_that_allows_few_channels_is_used_with_few() {
    let fixture = Fixture::new();
    let settings = fixture.folder.path().join("server/sshd_config");
    let usual = std::fs::read_to_string(&settings).unwrap();
    let before = fixture.server.accepted();
    std::fs::write(&settings, format!("{usual}MaxSessions 2\n")).unwrap();
    let store = open(&fixture.server.address(&fixture.path("")), &home(&fixture.folder)).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..5 {
                    let (name, bytes) = (format!("packs/{thread}-{number}"), vec![thread; 100_000]);
                    store.put(&name, &bytes).unwrap();
                    assert_eq!(store.read(&name, 100_000).unwrap(), bytes);
                }
            });
        }
    });
    assert_eq!((store.list("packs/").unwrap().len(), fixture.server.accepted() - before), (40, 1));
    std::fs::write(&settings, format!("{usual}MaxSessions 0\n")).unwrap();
    let none = open(&fixture.server.address(&fixture.path("")), &home(&fixture.folder)).unwrap();
    let error = none.list("packs/").unwrap_err();
    assert!(error.kind() == io::ErrorKind::PermissionDenied && error.to_string().contains("no channel"), "{error:?}");
}

#[test]
fn folders_that_are_left_are_removed_and_nothing_else() {
    let fixture = Fixture::new();
    fixture.store.put("packs/ab/a", b"bytes").unwrap();
    assert!(fixture.store.remove_emptied().is_err());
    assert_eq!(fixture.store.read("packs/ab/a", 10).unwrap(), b"bytes");
    fixture.store.delete("packs/ab/a").unwrap();
    fixture.store.remove_emptied().unwrap();
    assert!(!fixture.path("").exists() && fixture.folder.path().join("deep").exists());
}

#[test]
fn a_path_from_the_home_begins_where_the_server_lets_the_user_begin() {
    let fixture = Fixture::new();
    let store = open("sftp://nas/~/mine/repository", &home(&fixture.folder)).unwrap();
    assert_eq!(store.prepare().unwrap(), Vacancy::Empty);
    store.put("packs/a", b"bytes").unwrap();
    let there = fixture.folder.path().join("server/home/mine/repository/packs/a");
    assert_eq!(std::fs::read(there).unwrap(), b"bytes");
    let itself = open("sftp://nas/~", &home(&fixture.folder)).unwrap();
    assert_eq!(itself.prepare().unwrap(), Vacancy::Foreign);
}

#[test]
fn a_link_is_told_and_cannot_be_read_and_odd_names_are_no_objects() {
    let fixture = Fixture::new();
    fixture.store.put("packs/a", b"bytes").unwrap();
    std::os::unix::fs::symlink("a", fixture.path("packs/link")).unwrap();
    std::fs::write(fixture.path("packs/Upper Case"), b"").unwrap();
    let mut listed = fixture.store.list("packs/").unwrap();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let listed: Vec<_> = listed.iter().map(|object| (object.name.as_str(), object.len)).collect();
    assert_eq!(listed, [("packs/a", 5), ("packs/link", 0)]);
    assert_eq!(kind(fixture.store.len("packs/link")), Some(io::ErrorKind::InvalidData));
}
