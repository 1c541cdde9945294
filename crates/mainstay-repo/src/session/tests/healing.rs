//! What a session does about blocks that were there and no longer open.

use super::*;
use crate::fixtures::{FailingStore, Failure};
use crate::id::PackId;

#[test]
fn a_page_that_does_not_read_back_is_stored_again_and_one_that_does_is_not() {
    let (store, repository) = new_repository();
    let page = seeded(1, 3000);
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let first = session.store_tree_page(&page).unwrap();
    let neighbour = session.store_tree_page(b"neighbour").unwrap();
    session.commit(draft("data", 1, Default::default(), Default::default())).unwrap();

    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    assert_eq!(session.store_tree_page(&page).unwrap(), first);
    assert_eq!(session.progress(), (0, 3000));
    assert!(session.abandon().is_none());

    store.damage(&named(&store, "packs/").remove(0), |bytes| bytes[100] ^= 1);
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    store.take_calls();
    let again = session.store_tree_page(&page).unwrap();
    assert_ne!(again, first);
    assert_eq!(session.store_tree_page(&page).unwrap(), again);
    // Its neighbour in the block is known to be damaged without another look.
    assert_ne!(session.store_tree_page(b"neighbour").unwrap(), neighbour);
    let is_pack = |call: &Call| matches!(call, Call::Read { name, .. } if name.starts_with("packs/"));
    assert_eq!(store.take_calls().iter().filter(|call| is_pack(call)).count(), 1);
    assert_eq!(session.progress(), (3009, 3000));
}

#[test]
fn a_page_that_reads_back_only_from_a_copy_that_a_prune_may_delete_is_stored_again() {
    let (store, repository) = new_repository();
    let page = seeded(1, 3000);
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let first = session.store_tree_page(&page).unwrap();
    session.commit(draft("data", 1, Default::default(), Default::default())).unwrap();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let pack = named(&store, "packs/").remove(0);
    let (_, writer) = names::parse_pack(&pack).unwrap();
    store.put(&names::pack(PackId([1; 32]), writer), &store.read(&pack, u64::MAX).unwrap()).unwrap();
    store.damage(&pack, |bytes| bytes[100] ^= 1);
    assert_ne!(session.store_tree_page(&page).unwrap(), first);
}

#[test]
fn a_store_that_does_not_answer_is_no_damage() {
    let (store, repository) = new_repository();
    // Each fills a block.
    let pages = [seeded(1, 600_000), seeded(2, 600_000)];
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let _ = pages.each_ref().map(|page| session.store_tree_page(page).unwrap());
    session.commit(draft("data", 1, Default::default(), Default::default())).unwrap();
    let failing = FailingStore::new(store, Failure::Never);
    let repository = open(failing.clone(), alive());
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    // The index is in memory after this one.
    session.store_tree_page(&pages[0]).unwrap();
    failing.kill();
    let error = session.store_tree_page(&pages[1]).unwrap_err();
    assert!(matches!(&error, Error::Store { name, .. } if name.starts_with("packs/")), "{error}");
}

#[test]
fn what_is_sealed_under_a_key_that_is_gone_is_stored_again() {
    let (store, repository) = new_repository();
    let files = files_of(&[("a", 1, 1000), ("b", 2, 600_000)]);
    let report = back_up(&repository, 1, &files).unwrap();
    store.delete(&names::data_key(report.entry.snapshot.session, 0)).unwrap();
    let repository = open(store, restarted());
    let report = back_up(&repository, 2, &files).unwrap();
    assert_eq!(read_back(&repository, &report.entry).unwrap(), files);
}
