//! Tests of what is believed of a snapshot.

use super::super::tests::new_repository;
use super::*;
use crate::error::Kind;
use crate::fixtures::{back_up, create, files_of, named, open, restarted};
use crate::format::snapshot::frame;
use crate::repository::SnapshotEntry;
use crate::signer::Signer;
use crate::store::{MemoryStore, Store as _};

/// A repository with one snapshot, its object and its place.
fn one_snapshot() -> (MemoryStore, Repository, Vec<u8>, SnapshotPlace) {
    let (store, repository) = new_repository();
    back_up(&repository, 1, &files_of(&[("a", 1, 1000)])).unwrap();
    let name = named(&store, names::SNAPSHOTS).remove(0);
    let (source, sequence, id) = names::parse_snapshot(&name).unwrap();
    let bytes = store.read(&name, 1 << 20).unwrap();
    (store, repository, bytes, SnapshotPlace { source, sequence, id })
}

/// Puts a snapshot into the store under the name of its bytes, and lists.
fn put(store: &MemoryStore, place: SnapshotPlace, bytes: &[u8]) -> Vec<SnapshotEntry> {
    let id = SnapshotId(*blake3::hash(bytes).as_bytes());
    let name = names::snapshot(place.source, place.sequence, id);
    store.put(&name, bytes).unwrap();
    let (entries, lost) = open(store.clone(), restarted()).readable_snapshots().unwrap();
    store.delete(&name).unwrap();
    assert_eq!(lost.len() + entries.len(), 2);
    for lost in lost {
        assert_eq!((lost.name.as_str(), lost.error.kind()), (name.as_str(), Kind::Corrupt));
    }
    entries
}

/// The same snapshot, signed by somebody else, with that one's certificates or those that were there.
fn signed_by(signer: &Signer, bytes: &[u8], own_certificates: bool) -> Vec<u8> {
    let parts = SnapshotFrame::decode(bytes).unwrap();
    let mut header = parts.header.clone();
    if own_certificates {
        header.certificates = signer.certificates().to_vec();
    }
    let head = header.encode();
    let signature = signer.sign(&frame::signed(header.repository, &head, parts.sealed));
    [&head, parts.sealed, &signature].concat()
}

#[test]
fn a_snapshot_proves_itself_without_any_key() {
    let (_store, repository, bytes, place) = one_snapshot();
    let name = names::snapshot(place.source, place.sequence, place.id);
    let signed = SignedSnapshot::check(repository.id(), &name, &bytes).unwrap();
    assert_eq!((signed.place, signed.previous, signed.signer.label.as_str()), (place, None, "test"));
    assert_eq!(signed.signer.slot, repository.own_slot());
    assert!(SignedSnapshot::check(RepositoryId([7; 16]), &name, &bytes).is_err());
    assert!(SignedSnapshot::check(repository.id(), "snapshots/notes", &bytes).is_err());
}

#[test]
fn a_snapshot_that_a_stranger_signed_is_listed_as_lost() {
    let (store, _repository, bytes, place) = one_snapshot();
    let (stranger, _) = Signer::first("test", 1).unwrap();
    for own_certificates in [true, false] {
        assert_eq!(put(&store, place, &signed_by(&stranger, &bytes, own_certificates)).len(), 1);
    }
}

#[test]
fn a_snapshot_with_another_header_is_not_believed_even_if_a_holder_signed_it() {
    let (store, repository, bytes, place) = one_snapshot();
    let parts = SnapshotFrame::decode(&bytes).unwrap();
    let true_one = &parts.header;
    let (elsewhere, after, needy, apart) = (true_one.clone(), true_one.clone(), true_one.clone(), true_one.clone());
    for header in [
        frame::SnapshotHeader { sequence: 2, ..elsewhere },
        frame::SnapshotHeader { previous: Some(SnapshotId([3; 32])), ..after },
        frame::SnapshotHeader { references: [3; 32], ..needy },
        frame::SnapshotHeader { independent: true, ..apart },
    ] {
        let sequence = header.sequence;
        let head = header.encode();
        let signature = repository.keys.signer().sign(&frame::signed(header.repository, &head, parts.sealed));
        let moved = [&head, parts.sealed, &signature].concat();
        assert_eq!(put(&store, SnapshotPlace { sequence, ..place }, &moved).len(), 1, "the seal binds the header");
    }
}

#[test]
fn a_snapshot_of_another_repository_is_not_believed() {
    let (_other, _, bytes, place) = one_snapshot();
    let store = MemoryStore::default();
    let repository = create(store.clone());
    back_up(&repository, 1, &files_of(&[("a", 1, 1000)])).unwrap();
    assert_eq!(put(&store, place, &bytes).len(), 1);
}

#[test]
fn what_a_removed_key_signed_is_believed_as_before() {
    use crate::keys::{RecoveryCode, Secret};
    let (store, repository) = new_repository();
    let code = RecoveryCode::generate().unwrap().to_text();
    let slot = repository.add_key(&Secret::from_text(&code), "laptop", 5).unwrap();
    let shared = std::sync::Arc::new(store.clone());
    let laptop = Repository::open(shared, &Secret::from_text(&code), crate::fixtures::alive()).unwrap();
    back_up(&laptop, 1, &files_of(&[("a", 1, 1000)])).unwrap();
    repository.remove_key(slot.id).unwrap();
    let repository = open(store.clone(), restarted());
    let entry = repository.snapshots().unwrap().remove(0);
    let place = SnapshotPlace { source: repository.source_id("data"), sequence: 1, id: entry.id };
    let (signed, _) = repository.read_signed_snapshot(place).unwrap();
    assert_eq!((signed.signer.slot, signed.signer.label.as_str()), (slot.id, "laptop"));
}
