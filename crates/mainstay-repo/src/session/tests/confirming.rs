//! What a commit checks before it writes the snapshot.

use super::*;

/// Backs up, damages the store, and commits the same files again.
fn commit_after(presence: Presence, damage: impl FnOnce(&MemoryStore)) -> Result<SessionReport> {
    let (store, repository) = new_repository();
    let files = files_of(&[("a", 1, 1000), ("b", 2, 700_000)]);
    back_up(&repository, 1, &files).unwrap();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let (root, blocks) = store_files(&session, &files).unwrap();
    damage(&store);
    let result = session.commit(Draft { presence, ..draft("data", 2, root, blocks) });
    assert_eq!(named(&store, "snapshots/").len(), if result.is_ok() { 2 } else { 1 });
    result
}

fn first_pack(store: &MemoryStore) -> String {
    named(store, "packs/").remove(0)
}

#[test]
fn a_commit_that_confirms_finds_a_missing_pack() {
    let lose = |store: &MemoryStore| store.delete(&first_pack(store)).unwrap();
    assert_eq!(commit_after(Presence::Confirmed, lose).map_err(|error| error.kind()).err(), Some(Kind::Corrupt));
    assert!(commit_after(Presence::Believed, lose).is_ok());
}

#[test]
fn a_commit_that_confirms_finds_a_pack_of_the_wrong_length() {
    let cut = |store: &MemoryStore| store.damage(&first_pack(store), |bytes| bytes.truncate(100));
    assert_eq!(commit_after(Presence::Confirmed, cut).map_err(|error| error.kind()).err(), Some(Kind::Corrupt));
}

#[test]
fn a_commit_that_confirms_finds_a_missing_table() {
    let lose = |store: &MemoryStore| store.delete(&named(store, "index/b-").remove(0)).unwrap();
    let error = commit_after(Presence::Confirmed, lose).err().unwrap();
    assert!(matches!(error, Error::BlockMissing { .. }), "{error}");
}

#[test]
fn an_undamaged_repository_is_confirmed() {
    assert!(commit_after(Presence::Confirmed, |_| {}).is_ok());
}

#[test]
fn packs_that_the_snapshot_does_not_need_are_not_asked_for() {
    let (store, repository) = new_repository();
    back_up(&repository, 1, &files_of(&[("a", 1, 1000)])).unwrap();
    for name in named(&store, "packs/") {
        store.delete(&name).unwrap();
    }
    back_up(&repository, 2, &files_of(&[("b", 2, 1000)])).unwrap();
}

#[test]
fn a_session_that_is_dropped_writes_no_snapshot() {
    let (store, repository) = new_repository();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    store_files(&session, &files_of(&[("a", 1, 1000)])).unwrap();
    drop(session);
    assert!(repository.snapshots().unwrap().is_empty());
    assert!(named(&store, "snapshots/").is_empty() && named(&store, "refs/").is_empty());
}

#[test]
fn a_session_begins_while_a_collector_is_at_work() {
    let (_store, repository) = new_repository();
    repository.leases().publish(crate::fixtures::session_id(0xcc), Role::Collector).unwrap();
    let files = files_of(&[("a", 1, 1000)]);
    let report = back_up(&repository, 1, &files).unwrap();
    assert_eq!(read_back(&repository, &report.entry).unwrap(), files);
}
