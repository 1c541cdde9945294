//! What every store promises, over OpenDAL's service in memory; and what is believed of services that lie. Real servers are tried
//! by the tests of the binary.

mod faulty;
mod requests;

use std::io::ErrorKind as Kind;
use std::time::Duration;

use mainstay_repo::store::conformance::{Ground, TRIALS};
use opendal::EntryMode;

use super::operator::{take, trouble_of};
use super::remote::{Entry, Listing};
use super::*;
use crate::address::Address;
use faulty::{Call, Fault, Faulty, in_memory};

fn hasty() -> Patience {
    Patience { pauses: (Duration::from_nanos(1), Duration::from_nanos(8)), retries: 3, ..Patience::default() }
}

/// A store in memory that holds one object, and then has these faults.
fn store(lists_whole: bool, faults: &[(Call, Fault)]) -> ServiceStore {
    let remote = Faulty::over(in_memory(lists_whole));
    let faults_to_be = remote.faults();
    let store = ServiceStore::over("memory".to_owned(), Box::new(remote), hasty());
    store.put("snapshots/a", b"first").unwrap();
    faults_to_be.lock().unwrap().extend_from_slice(faults);
    store
}

fn kind<T>(answer: io::Result<T>) -> Option<Kind> {
    answer.err().map(|error| error.kind())
}

fn names_of(objects: &[Object]) -> Vec<&str> {
    objects.iter().map(|object| object.name.as_str()).collect()
}

#[test]
fn every_promise_is_kept_by_a_service_of_names_and_by_one_of_folders() {
    for lists_whole in [true, false] {
        let store = ServiceStore::over("memory".to_owned(), Box::new(in_memory(lists_whole)), hasty());
        assert_eq!(store.prepare().unwrap(), Vacancy::Empty);
        for trial in TRIALS {
            trial.run(&store, &Ground::default()).unwrap_or_else(|broken| panic!("{}: {broken}", trial.name));
        }
        assert_eq!(store.prepare().unwrap(), Vacancy::Foreign);
        store.put(names::CONFIG, b"{}").unwrap();
        assert_eq!(store.prepare().unwrap(), Vacancy::Repository);
    }
}

#[test]
fn what_an_interrupted_creation_left_is_a_vacant_place() {
    let remote = in_memory(false);
    let store = ServiceStore::over("memory".to_owned(), Box::new(remote), hasty());
    store.put(&format!("{}one", names::KEY_SLOTS), b"slot").unwrap();
    assert_eq!(store.prepare().unwrap(), Vacancy::Empty);
    store.put("keys/other", b"foreign").unwrap();
    assert_eq!(store.prepare().unwrap(), Vacancy::Foreign);
}

#[test]
fn of_a_put_whose_reply_was_lost_the_object_is_there_once() {
    let store = store(true, &[(Call::Write, Fault::ReplyLost)]);
    store.put("snapshots/b", b"second").unwrap();
    assert_eq!(store.read("snapshots/b", 100).unwrap(), b"second");
}

#[test]
fn a_put_that_broke_is_made_anew_with_all_its_bytes() {
    let store = store(true, &[(Call::Write, Fault::Broken), (Call::Write, Fault::Broken)]);
    let mut upload = store.upload().unwrap();
    for part in [&b"one "[..], b"two ", b"three"] {
        upload.write(part).unwrap();
    }
    upload.publish("packs/a").unwrap();
    assert_eq!(store.read("packs/a", 100).unwrap(), b"one two three");
}

#[test]
fn a_put_of_which_only_a_part_arrived_is_an_error() {
    let store = store(true, &[(Call::Write, Fault::Cut)]);
    let error = store.put("packs/a", b"0123456789").unwrap_err();
    assert_eq!(error.to_string(), "10 bytes were written, and 5 are there");
    // Whoever writes it again finds other bytes under the name.
    assert_eq!(kind(store.put("packs/a", b"0123456789")), Some(Kind::AlreadyExists));
}

#[test]
fn a_name_that_is_taken_keeps_its_bytes_whether_the_service_refuses_it_or_not() {
    let store = store(true, &[]);
    assert_eq!(kind(store.put("snapshots/a", b"other")), Some(Kind::AlreadyExists));
    store.put("snapshots/a", b"first").unwrap();
    // It is said to be free, and taken when it is written.
    let store = self::store(true, &[(Call::Stat, Fault::Absent)]);
    assert_eq!(kind(store.put("snapshots/a", b"other")), Some(Kind::AlreadyExists));
    assert_eq!(store.read("snapshots/a", 100).unwrap(), b"first");
}

#[test]
fn a_listing_of_nothing_is_believed_only_where_the_place_tells_of_itself() {
    for lists_whole in [true, false] {
        let empty = (Call::List, Fault::Empty);
        // Once: the folder that leads to it tells of it, and it is asked again.
        let store = self::store(lists_whole, &[empty]);
        assert_eq!(names_of(&store.list("snapshots/").unwrap()), ["snapshots/a"]);
        // Always: an object was seen there.
        let store = self::store(lists_whole, &[empty; 100]);
        let error = store.list("snapshots/").unwrap_err();
        assert!(error.to_string().contains("listed as empty, and snapshots/a was in it"), "{error}");
        assert_eq!(kind(store.list("")), Some(Kind::TimedOut));
        let store = self::store(lists_whole, &[]);
        assert_eq!(store.list("packs/").unwrap(), []);
        store.delete("snapshots/a").unwrap();
        assert_eq!(store.list("").unwrap(), []);
        assert_eq!(store.list("snapshots/").unwrap(), []);
    }
}

#[test]
fn a_folder_that_its_own_folder_told_of_is_listed_again_when_it_seems_empty() {
    let store = self::store(false, &[]);
    for name in ["packs/aa/one", "packs/bb/two"] {
        store.put(name, b"x").unwrap();
    }
    let remote_faults = [(Call::List, Fault::None), (Call::List, Fault::Empty)];
    let remote = Faulty::with(in_memory_of(&store), &remote_faults);
    let store = ServiceStore::over(String::new(), Box::new(remote), hasty());
    assert_eq!(names_of(&store.list("packs/").unwrap()), ["packs/aa/one", "packs/bb/two"]);
}

/// A service in memory that holds what a store holds.
fn in_memory_of(store: &ServiceStore) -> operator::OperatorRemote {
    let remote = in_memory(false);
    for object in store.list("").unwrap() {
        let bytes = Bytes::from(store.read(&object.name, 1000).unwrap());
        remote.write(&object.name, &[bytes], Novelty::Any).unwrap();
    }
    remote
}

#[test]
fn an_object_is_absent_only_where_the_place_tells_of_others() {
    let store = self::store(true, &[]);
    assert_eq!(kind(store.len("snapshots/b")), Some(Kind::NotFound));
    assert_eq!(kind(store.read("snapshots/b", 10)), Some(Kind::NotFound));
    assert_eq!(kind(store.read_at("snapshots/b", 0, &mut [0])), Some(Kind::NotFound));
    // A server in between that says it of everything.
    let silent = [[(Call::Stat, Fault::Absent); 100], [(Call::List, Fault::Empty); 100]].concat();
    let store = self::store(true, &silent);
    assert_eq!(kind(store.len("snapshots/a")), Some(Kind::TimedOut));
    // One that knows the object by its listing alone.
    let store = self::store(true, &[]);
    store.put(names::CONFIG, b"{}").unwrap();
    let remote = Faulty::with(in_memory_of(&store), &[(Call::Stat, Fault::Absent)]);
    let store = ServiceStore::over(String::new(), Box::new(remote), hasty());
    assert_eq!(store.len(names::CONFIG).unwrap(), 2);
}

#[test]
fn a_deletion_that_was_not_done_is_done_again_or_told() {
    let store = self::store(true, &[(Call::Delete, Fault::Ignored)]);
    store.delete("snapshots/a").unwrap();
    assert_eq!(kind(store.len("snapshots/a")), Some(Kind::NotFound));
    let store = self::store(true, &[(Call::Delete, Fault::Ignored); 10]);
    let error = store.delete("snapshots/a").unwrap_err();
    assert!(error.to_string().contains("is there after the service said that it deleted it"), "{error}");
}

#[test]
fn a_read_that_breaks_off_is_made_again_and_one_beyond_the_end_is_not() {
    let store = self::store(true, &[(Call::Read, Fault::Broken), (Call::Read, Fault::Cut)]);
    assert_eq!(store.read("snapshots/a", 100).unwrap(), b"first");
    let store = self::store(true, &[(Call::Read, Fault::Broken)]);
    assert_eq!(kind(store.read_at("snapshots/a", 3, &mut [0; 3])), Some(Kind::UnexpectedEof));
}

#[test]
fn what_passes_is_told_from_what_stays_and_a_full_service_from_one_that_is_away() {
    use opendal::{Error, ErrorKind};
    let told = |error: Error| {
        let trouble = trouble_of(&error);
        (trouble.error.kind(), trouble.is_passing)
    };
    for (error, expected) in [
        (Error::new(ErrorKind::NotFound, "no"), (Kind::NotFound, false)),
        (Error::new(ErrorKind::PermissionDenied, "no"), (Kind::PermissionDenied, false)),
        (Error::new(ErrorKind::ConditionNotMatch, "taken"), (Kind::AlreadyExists, false)),
        (Error::new(ErrorKind::Unexpected, "reset").set_temporary(), (Kind::TimedOut, true)),
        (Error::new(ErrorKind::Unexpected, "odd"), (Kind::Other, false)),
        (Error::new(ErrorKind::Unexpected, http::NO_SPACE).set_temporary(), (Kind::StorageFull, false)),
        (Error::new(ErrorKind::Unexpected, "path/insufficient_space/.."), (Kind::StorageFull, false)),
    ] {
        assert_eq!(told(error), expected);
    }
    let long = Error::new(ErrorKind::Unexpected, "<html>\n".repeat(1000)).with_context("header", "secret");
    let text = trouble_of(&long).error.to_string();
    assert!(text.len() <= 300 && !text.contains('\n') && !text.contains("secret"), "{text}");
}

#[test]
fn of_what_a_listing_tells_only_names_are_taken() {
    let (file, folder) = ((EntryMode::FILE, 5), (EntryMode::DIR, 0));
    let taken = |place: (&str, Depth), path: &str, entry| {
        let mut listing = Listing::default();
        take(&mut listing, place, path, entry).map(|()| listing).map_err(|trouble| trouble.error.to_string())
    };
    let one =
        |name: &str, len| Ok(Listing { entries: vec![Entry { name: name.to_owned(), len }], tells_itself: false });
    let children = ("packs/", Depth::Children);
    assert_eq!(taken(children, "packs/a", file), one("packs/a", 5));
    // A client that leaves the folder out.
    assert_eq!(taken(children, "a", file), one("packs/a", 5));
    assert_eq!(taken(children, "packs/aa/", folder), one("packs/aa/", 0));
    assert_eq!(taken(("", Depth::Children), "packs/", folder), one("packs/", 0));
    assert_eq!(taken(("packs/", Depth::Whole), "packs/aa/one", file), one("packs/aa/one", 5));
    for (place, path) in [(children, "packs/"), (("", Depth::Whole), "/")] {
        assert!(taken(place, path, folder).unwrap().tells_itself, "{path}");
    }
    for path in ["elsewhere/a", "packs/../a", "packs//a", "a"] {
        assert!(taken(("packs/", Depth::Whole), path, file).is_err(), "{path}");
    }
    assert!(taken(children, "packs/..", file).is_err());
    assert!(taken(children, "packs/a", (EntryMode::Unknown, 0)).is_err());
}

fn opened(address: &str, variables: &[(&str, &str)]) -> Result<(), String> {
    let (scheme, rest) = address.split_once(':').unwrap();
    let address = Address::parse(scheme, rest.as_bytes()).unwrap().map_err(|error| error.0)?;
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    crate::open(&address, &Surroundings::new(variables)).map(drop).map_err(|error| error.to_string())
}

#[test]
fn credentials_come_from_variables_and_go_nowhere_without_tls() {
    let swift = "opendal://swift/laptop?container=backups";
    let here = format!("{swift}&endpoint=http://127.0.0.1:1/swift/v1");
    let token = ("OPENDAL_SWIFT_TOKEN", "hush");
    assert_eq!(opened(&here, &[token]), Ok(()));
    assert_eq!(opened(swift, &[("OS_STORAGE_URL", "https://swift.example/v1"), ("OS_AUTH_TOKEN", "hush")]), Ok(()));
    assert_eq!(opened("opendal://onedrive", &[("OPENDAL_ONEDRIVE_ACCESS_TOKEN", "hush")]), Ok(()));
    let refreshed = [("OPENDAL_DROPBOX_REFRESH_TOKEN", "hush"), ("OPENDAL_DROPBOX_CLIENT_ID", "me")];
    for (address, variables, said) in [
        (here.as_str(), &[][..], "no token was found: OPENDAL_SWIFT_TOKEN or OS_AUTH_TOKEN holds it"),
        (swift, &[token], "the setting `endpoint` is missing"),
        ("opendal://swift?endpoint=https://swift.example", &[token], "the setting `container` is missing"),
        (&format!("{swift}&endpoint=http://swift.example/v1"), &[token], "go over the network as it is"),
        (&format!("{swift}&endpoint=swift.example"), &[token], "expected http://HOST or https://HOST"),
        (&here, &[("OPENDAL_SWIFT_TOKEN", "hu sh")], "holds a letter that no credential has"),
        ("opendal://onedrive", &[], "OPENDAL_ONEDRIVE_ACCESS_TOKEN holds it"),
        ("opendal://dropbox/x", &refreshed, "OPENDAL_DROPBOX_CLIENT_SECRET holds it"),
    ] {
        let told = opened(address, variables).unwrap_err();
        assert!(told.contains(said) && !told.contains("hush"), "{address}: {told}");
    }
}

#[test]
fn what_a_service_lacks_is_told() {
    let caveats = store(true, &[]).caveats();
    assert!(caveats[0].contains("durable"), "{caveats:?}");
    let (scheme, rest) = "opendal://onedrive".split_once(':').unwrap();
    let Some(Ok(Address::Service(address))) = Address::parse(scheme, rest.as_bytes()) else { panic!("an address") };
    let surroundings = [("OPENDAL_ONEDRIVE_ACCESS_TOKEN".to_owned(), "hush".to_owned())];
    let store = ServiceStore::new(address, &Surroundings::new(surroundings)).unwrap();
    let caveats = store.caveats();
    assert!(caveats[1].contains("only if new") && caveats[2].contains("not tried"), "{caveats:?}");
    assert_eq!(store.location(), "opendal://onedrive");
}
