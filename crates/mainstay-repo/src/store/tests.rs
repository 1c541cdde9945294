//! The conformance suite over each store of this crate, and what is true of an empty store only.

use super::conformance::{Ground, Need, TRIALS};
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

#[test]
fn every_store_keeps_every_promise_that_the_engine_relies_on() {
    on_every_store(|store_name, store| {
        for trial in TRIALS.iter().filter(|trial| trial.need == Need::Required) {
            let tried = trial.run(store, &Ground::default());
            assert_eq!(tried, Ok(()), "{store_name}: {}: {}", trial.name, trial.promise);
        }
    });
}

#[test]
fn a_folder_of_a_store_keeps_every_promise_and_shows_nothing_beside_it() {
    let beneath = MemoryStore::default();
    let store = Layered(InFolder::new(std::sync::Arc::new(beneath.clone()), "copies/"));
    for trial in TRIALS.iter().filter(|trial| trial.need == Need::Required) {
        assert_eq!(trial.run(&store, &Ground::default()), Ok(()), "{}: {}", trial.name, trial.promise);
    }
    assert!(beneath.names().iter().all(|name| name.starts_with("copies/")));
    beneath.put("keys/slots/beside", b"it").unwrap();
    store.put("keys/slots/within", b"it").unwrap();
    let listed = store.list("keys/").unwrap();
    assert_eq!(listed, [Object { name: "keys/slots/within".to_owned(), len: 2 }]);
    assert!(is_absent(&store.len("keys/slots/beside").unwrap_err()));
    assert_eq!(beneath.len("copies/keys/slots/within").unwrap(), 2);
}

#[test]
fn a_directory_keeps_every_promise_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path().join("repository"));
    store.prepare().unwrap();
    for trial in TRIALS {
        assert_eq!(trial.run(&store, &Ground::with_listed(1100)), Ok(()), "{}: {}", trial.name, trial.promise);
    }
}

#[test]
fn names_are_taken_once_by_rivals_in_every_store() {
    on_every_store(|store_name, store| {
        let trial = TRIALS.iter().find(|trial| trial.name == "conditional-creation").unwrap();
        assert_eq!(trial.run(store, &Ground::default()), Ok(()), "{store_name}");
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
