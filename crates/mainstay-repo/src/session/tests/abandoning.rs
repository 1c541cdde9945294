//! Sessions that end without a snapshot, in good order.

use super::*;
use crate::fixtures::{FailingStore, Failure, session_id};

fn is_at_work(repository: &Repository) -> bool {
    !repository.leases().open_leases(session_id(0)).unwrap().known.is_empty()
}

#[test]
fn what_an_abandoned_session_stored_is_found_by_the_next_one() {
    let (store, repository) = new_repository();
    let files = files_of(&[("a", 1, 1000), ("b", 2, 700_000)]);
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    session.store_small_file(&files["a"]).unwrap();
    store_large(&session, &seeded(9, 17 << 20)).unwrap();
    assert!(session.abandon().is_none());
    assert!(!is_at_work(&repository), "the lease was ended");
    assert!(named(&store, "snapshots/").is_empty());
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    store_large(&session, &seeded(9, 17 << 20)).unwrap();
    assert_eq!(session.progress().0, 0);
}

#[test]
fn a_prune_removes_what_an_abandoned_session_stored() {
    let (store, repository) = new_repository();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    store_large(&session, &seeded(9, 2 << 20)).unwrap();
    assert!(session.abandon().is_none());
    assert_eq!(named(&store, "packs/").len(), 1);
    repository.prune().unwrap();
    assert!(named(&store, "packs/").is_empty() && named(&store, "keys/data/").is_empty());
}

#[test]
fn a_session_abandoned_after_a_failure_says_why_and_leaves_its_packs_to_the_next() {
    let (store, _) = new_repository();
    let failing = FailingStore::with_kind(store.clone(), Failure::Never, std::io::ErrorKind::StorageFull);
    let repository = open(failing.clone(), alive());
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let data = seeded(1, 17 << 20);
    store_large(&session, &data).unwrap();
    while named(&store, "packs/").is_empty() {
        std::thread::yield_now();
    }
    failing.kill();
    assert_eq!(session.abandon().map(|error| error.kind()), Some(Kind::NoSpace));
    let later = open(store.clone(), restarted());
    assert!(is_at_work(&later), "the next session must see that there is something to take over");
    let session = Session::begin(&later, Sharing::Shared).unwrap();
    store_large(&session, &data).unwrap();
    assert!(session.progress().0 < 2 << 20, "{} bytes were stored again", session.progress().0);
}
