//! What killed sessions leave, and who takes it over.

use super::*;
use crate::fixtures::{FailingStore, Failure};

/// Enough for one whole pack and part of a second.
const LEN: usize = 22 << 20;

/// Runs a session until its first pack is published, then kills its process.
fn killed_session() -> (MemoryStore, Vec<u8>) {
    let (store, _) = new_repository();
    let dying = FailingStore::new(store.clone(), Failure::Never);
    let repository = open(dying.clone(), alive());
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let data = seeded(1, LEN);
    store_large(&session, &data).unwrap();
    while named(&store, "packs/").is_empty() {
        std::thread::yield_now();
    }
    dying.kill();
    drop(session);
    (store, data)
}

/// Stores the data in a new session and says how many bytes of it were new.
fn store_again(store: &MemoryStore, liveness: crate::Liveness, data: &[u8]) -> u64 {
    let repository = open(store.clone(), liveness);
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    store_large(&session, data).unwrap();
    let (new_bytes, _) = session.progress();
    let root = crate::format::tree::Content::default();
    session.commit(draft("data", 1, root, crate::format::refs::BlockSet::default())).unwrap();
    new_bytes
}

#[test]
fn the_packs_of_a_killed_session_are_taken_over() {
    let (store, data) = killed_session();
    assert_eq!((named(&store, "packs/").len(), named(&store, "index/").len()), (1, 0));
    let new_bytes = store_again(&store, restarted(), &data);
    assert!(new_bytes <= LEN as u64 - limits::PACK_TARGET_MIN + limits::BLOCK_LEN as u64, "{new_bytes}");
    assert_eq!(store_again(&store, restarted(), &data), 0, "the next session stores nothing again");
    let open = open(store, restarted()).leases().open_leases(crate::fixtures::session_id(0)).unwrap();
    assert!(open.known.iter().all(|lease| lease.gone), "the killed session is for a prune to fence");
}

#[test]
fn what_was_taken_over_reads_back() {
    let (store, data) = killed_session();
    let repository = open(store, restarted());
    let files: Files = data
        .chunks(limits::BLOCK_TARGET / 2)
        .enumerate()
        .map(|(number, part)| (format!("{number:03}"), part.to_vec()))
        .collect();
    let report = back_up(&repository, 1, &files).unwrap();
    assert!(report.duplicate_bytes >= limits::PACK_TARGET_MIN - limits::BLOCK_LEN as u64);
    assert_eq!(read_back(&repository, &report.entry).unwrap(), files);
}

#[test]
fn the_packs_of_a_living_session_are_left_alone() {
    let (store, data) = killed_session();
    assert_eq!(store_again(&store, alive(), &data), LEN as u64);
}

#[test]
fn taking_over_happens_once() {
    let (store, data) = killed_session();
    store_again(&store, restarted(), &data);
    store.take_calls();
    store_again(&store, restarted(), &data);
    assert_eq!(puts(&store), ["coord/leases/…/000000", "keys/data/…", "refs/…", "snapshots/…/…", "coord/leases/…/end"]);
}

#[test]
fn a_damaged_pack_that_nobody_refers_to_stops_no_backup() {
    let footer = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1);
    let header = |bytes: &mut Vec<u8>| bytes[9] ^= 1;
    // The directory and the footer of 16 blocks take less than 1,000 bytes; before them stand the chunk tables.
    let table = |bytes: &mut Vec<u8>| {
        let at = bytes.len() - 1000;
        bytes[at..at + 300].iter_mut().for_each(|byte| *byte ^= 1);
    };
    type Damage = fn(&mut Vec<u8>);
    for (what, damage) in [("footer", footer as Damage), ("header", header), ("chunk table", table)] {
        let (store, data) = killed_session();
        store.damage(&named(&store, "packs/")[0], damage);
        let repository = open(store.clone(), restarted());
        let begun = Session::begin(&repository, Sharing::Shared).map(drop);
        assert!(begun.is_ok(), "{what}: {begun:?}");
        assert_eq!(store_again(&store, restarted(), &data), LEN as u64, "{what}");
    }
}

#[test]
fn a_pack_that_vanishes_while_it_is_taken_over_loses_only_itself() {
    let (store, data) = killed_session();
    store.delete(&named(&store, "packs/")[0]).unwrap();
    assert_eq!(store_again(&store, restarted(), &data), LEN as u64);
}

#[test]
fn the_packs_of_a_session_whose_lease_cannot_be_read_are_left_alone() {
    let (store, data) = killed_session();
    store.damage(&named(&store, names::LEASES)[0], |bytes| bytes.truncate(20));
    assert_eq!(store_again(&store, restarted(), &data), LEN as u64);
}
