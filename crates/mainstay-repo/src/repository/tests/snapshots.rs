//! Listing, forgetting and checking snapshots.

use super::*;

fn three_snapshots() -> (MemoryStore, Repository) {
    let (store, repository) = new_repository();
    for sequence in 1..=3 {
        back_up(&repository, sequence, &files_of(&[("a", sequence, 1000)])).unwrap();
    }
    (store, repository)
}

fn sequences(repository: &Repository) -> Vec<(u64, bool)> {
    repository.snapshots().unwrap().iter().map(|entry| (entry.snapshot.sequence, entry.forgotten)).collect()
}

#[test]
fn snapshots_are_listed_from_the_oldest() {
    let (_store, repository) = three_snapshots();
    assert_eq!(sequences(&repository), [(1, false), (2, false), (3, false)]);
}

#[test]
fn a_clock_that_was_set_back_makes_no_snapshot_older() {
    let (_store, repository) = new_repository();
    for (source, sequence, started) in [("a", 1, 100), ("b", 1, 150), ("a", 2, 50), ("a", 3, 120), ("b", 2, 160)] {
        let session = crate::session::Session::begin(&repository, crate::session::Sharing::Shared).unwrap();
        let mut draft = crate::fixtures::draft(source, sequence, Default::default(), BlockSet::default());
        draft.snapshot.started = started;
        session.commit(draft).unwrap();
    }
    let entries = repository.snapshots().unwrap();
    let order: Vec<(&str, u64)> =
        entries.iter().map(|entry| (entry.snapshot.source.as_str(), entry.snapshot.sequence)).collect();
    assert_eq!(order, [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2)]);
}

#[test]
fn one_damaged_snapshot_hides_no_other_from_who_asks_for_the_readable_ones() {
    let (store, repository) = three_snapshots();
    store.damage(&named(&store, names::SNAPSHOTS)[1], |bytes| bytes[50] ^= 1);
    assert!(repository.snapshots().is_err());
    let (entries, damaged) = repository.readable_snapshots().unwrap();
    let sequences: Vec<u64> = entries.iter().map(|entry| entry.snapshot.sequence).collect();
    assert_eq!((sequences, damaged.len()), (vec![1, 3], 1));
    assert_eq!(damaged[0].error.kind(), Kind::Corrupt);
    assert_eq!(damaged[0].place.map(|place| (place.source, place.sequence)), Some((repository.source_id("data"), 2)));
}

#[test]
fn a_forgotten_snapshot_is_listed_as_such_and_still_reads_back() {
    let (_store, repository) = three_snapshots();
    let entry = repository.snapshots().unwrap().remove(1);
    repository.forget(entry.id, CREATED).unwrap();
    repository.forget(entry.id, CREATED + 1).unwrap();
    assert_eq!(sequences(&repository), [(1, false), (2, true), (3, false)]);
    assert_eq!(read_back(&repository, &entry).unwrap(), files_of(&[("a", 2, 1000)]));
}

#[test]
fn a_listed_snapshot_is_what_the_session_reported() {
    let (_store, repository) = new_repository();
    let report = back_up(&repository, 1, &files_of(&[("a", 1, 1000)])).unwrap();
    assert_eq!(repository.snapshots().unwrap(), [report.entry]);
}

fn listing(store: &MemoryStore) -> Result<usize, Kind> {
    open(store.clone(), restarted()).snapshots().map(|entries| entries.len()).map_err(|error| error.kind())
}

#[test]
fn every_flipped_bit_in_a_snapshot_is_noticed() {
    let (store, repository) = new_repository();
    back_up(&repository, 1, &files_of(&[("a", 1, 1000)])).unwrap();
    let name = named(&store, names::SNAPSHOTS).remove(0);
    for at in 0..store.len(&name).unwrap() as usize {
        store.damage(&name, |bytes| bytes[at] ^= 1 << (at % 8));
        assert_eq!(listing(&store), Err(Kind::Corrupt), "byte {at}");
        store.damage(&name, |bytes| bytes[at] ^= 1 << (at % 8));
    }
    assert_eq!(listing(&store), Ok(1));
}

#[test]
fn a_snapshot_cannot_take_another_place_in_the_history() {
    let (store, _repository) = three_snapshots();
    let name = named(&store, names::SNAPSHOTS).remove(0);
    let bytes = store.read(&name, 1 << 20).unwrap();
    let (folder, file) = name.rsplit_once('/').unwrap();
    let elsewhere = folder.replace(&folder[folder.len() - 4..], "0000");
    for moved in [format!("{folder}/{}", file.replacen("01-", "09-", 1)), format!("{elsewhere}/{file}")] {
        store.put(&moved, &bytes).unwrap();
        assert_eq!(listing(&store), Err(Kind::Corrupt), "{moved}");
        store.delete(&moved).unwrap();
    }
    assert_eq!(listing(&store), Ok(3));
}

#[test]
fn a_snapshot_under_the_name_of_another_is_noticed() {
    let (store, _repository) = three_snapshots();
    let snapshots = named(&store, names::SNAPSHOTS);
    let bytes = store.read(&snapshots[0], 1 << 20).unwrap();
    store.damage(&snapshots[1], |held| *held = bytes);
    assert_eq!(listing(&store), Err(Kind::Corrupt));
}

#[test]
fn a_snapshot_whose_data_key_is_missing_is_an_error_and_not_a_silence() {
    let (store, repository) = three_snapshots();
    let session = repository.snapshots().unwrap()[1].snapshot.session;
    store.delete(&names::data_key(session, 0)).unwrap();
    assert_eq!(listing(&store), Err(Kind::Corrupt), "a snapshot is there and was passed over");
}

#[test]
fn a_reference_map_is_bound_to_its_snapshot() {
    let (store, repository) = three_snapshots();
    let entries = repository.snapshots().unwrap();
    let other = store.read(&names::refs(entries[1].id), 1 << 20).unwrap();
    store.damage(&names::refs(entries[0].id), |bytes| *bytes = other);
    let kind = |entry| repository.references(entry).map(drop).map_err(|error| error.kind());
    assert_eq!(kind(&entries[0]), Err(Kind::Corrupt));
    assert_eq!(kind(&entries[1]), Ok(()));
    store.delete(&names::refs(entries[2].id)).unwrap();
    assert_eq!(kind(&entries[2]), Err(Kind::Corrupt));
}

#[test]
fn a_name_that_is_no_snapshot_is_noticed() {
    let (store, _repository) = three_snapshots();
    store.put("snapshots/notes.txt", b"").unwrap();
    assert_eq!(listing(&store), Err(Kind::Corrupt));
}
