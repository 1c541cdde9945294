//! Second copies of small objects: what they heal, when they stand in, and that they go with what they are of.

use std::sync::Arc;

use super::*;
use crate::error::Error;
use crate::fixtures::bad_sectors::{BadSectors, Sector};
use crate::fixtures::make_void;
use crate::keys::{RecoveryCode, Secret};
use crate::repository::OtherKeys;

/// A repository with an object of every kind that may have a second copy, and all of these.
pub fn with_copies() -> (MemoryStore, Files) {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    back_up(&repository, 1, &files_of(&[("gone", 1, 1000)])).unwrap();
    let files = files_of(&[("a", 2, 3000), ("b", 3, 200_000)]);
    back_up(&repository, 2, &files).unwrap();
    let repository = open(store.clone(), restarted());
    let first = repository.snapshots().unwrap().remove(0).id;
    repository.forget(first, 0).unwrap();
    repository.prune().unwrap();
    let added = repository.add_parity(None, 3, &Unobserved).unwrap();
    assert_eq!((added.copies.present, added.copies.damaged.len()), (0, 0));
    assert_eq!(added.copies.objects as usize, originals(&store).len());
    (store, files)
}

/// The same, whose snapshot counts only because it was acquitted.
fn with_an_acquittal() -> (MemoryStore, Files) {
    let (store, files) = with_copies();
    let repository = open(store.clone(), restarted());
    let entry = repository.snapshots().unwrap().remove(0);
    make_void(&repository, &entry);
    assert!(repository.snapshots().unwrap().is_empty(), "it is void");
    repository.undelete(entry.id).unwrap();
    assert!(originals(&store).iter().any(|name| names::is_acquittal(name)));
    assert_eq!(named(&store, names::COPIES).len(), originals(&store).len(), "the acquittal has a copy already");
    (store, files)
}

/// Everything that may have a second copy.
pub fn originals(store: &MemoryStore) -> Vec<String> {
    store.names().into_iter().filter(|name| names::has_second_copy(name)).collect()
}

pub fn only(store: &MemoryStore, prefix: &str) -> String {
    let names = named(store, prefix);
    assert_eq!(names.len(), 1, "{names:?}");
    names[0].clone()
}

pub fn bytes_of(store: &MemoryStore, name: &str) -> Vec<u8> {
    store.read(name, u64::MAX).unwrap()
}

/// Every second copy is the same as what it is of.
pub fn assert_copies_are_right(store: &MemoryStore, at: &str) {
    for copy in named(store, names::COPIES) {
        let name = copy.strip_prefix(names::COPIES).unwrap();
        assert!(store.names().contains(&name.to_owned()), "{at}: {copy} has outlived its object");
        assert!(bytes_of(store, &copy) == bytes_of(store, name), "{at}: {copy}");
    }
}

pub fn another_secret() -> Secret {
    Secret::from_text(&RecoveryCode::generate().unwrap().to_text())
}

#[test]
fn every_small_object_comes_back_from_its_second_copy() {
    let (original, files) = with_an_acquittal();
    let kinds = [names::CONFIG].into_iter().chain(names::COPIED);
    let all = originals(&original);
    kinds.for_each(|kind| assert!(all.iter().any(|name| name.starts_with(kind)), "{kind} of {all:?}"));
    for name in all {
        let whole = bytes_of(&original, &name);
        let mut damages: Vec<Option<Vec<u8>>> = vec![None, Some(Vec::new()), Some(whole[..whole.len() / 2].to_vec())];
        damages.push(Some([&whole[..], b"\0"].concat()));
        for bit in (0..whole.len() * 8).step_by(whole.len().div_ceil(4) | 1) {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            damages.push(Some(flipped));
        }
        for (number, damage) in damages.into_iter().enumerate() {
            let (store, at) = (copy_of(&original), format!("{name}, damage {number}"));
            store.delete(&name).unwrap();
            damage.iter().for_each(|bytes| store.put(&name, bytes).unwrap());
            let repository = match Repository::open(Arc::new(store.clone()), &secret(), restarted()) {
                Err(error) if error.kind() == Kind::Unsupported && name == names::CONFIG => continue,
                opened => opened.unwrap_or_else(|error| panic!("{at}: {error}")),
            };
            let expected = [(name.as_str(), Means::SecondCopy)];
            assert_eq!(means(&repository.repair(SHOW).unwrap()), expected, "{at}");
            let report = repository.repair(APPLY).unwrap();
            assert_eq!((means(&report).as_slice(), report.lost.as_slice()), (&expected[..], &[][..]), "{at}");
            assert!(bytes_of(&store, &name) == whole, "{at}");
            let repository = open(store.clone(), restarted());
            assert_snapshots(&repository, &snapshots(2, &files));
            assert!(repository.damaged_small_objects().unwrap().is_empty(), "{at}");
            assert!(repository.damaged_copies().unwrap().is_empty(), "{at}");
            assert!(repository.opened_despite().is_empty(), "{at}");
        }
    }
}

#[test]
fn every_flipped_bit_of_the_configuration_is_passed_over_but_one_that_makes_another_version() {
    let (original, _) = with_copies();
    let whole = bytes_of(&original, names::CONFIG);
    let mut refused = 0;
    for bit in 0..whole.len() * 8 {
        original.damage(names::CONFIG, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        match Repository::open(Arc::new(original.clone()), &secret(), restarted()) {
            Ok(repository) => assert_eq!(repository.damaged_small_objects().unwrap().len(), 1, "bit {bit}"),
            Err(error) => {
                assert_eq!(error.kind(), Kind::Unsupported, "bit {bit}: {error}");
                refused += 1;
            }
        }
        original.damage(names::CONFIG, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
    }
    assert_eq!(refused, 3, "a program is not talked into another version");
}

#[test]
fn with_the_configuration_and_the_only_slot_damaged_everything_restores_and_repair_heals_both() {
    for are_gone in [true, false] {
        let (store, files) = with_copies();
        let slot = only(&store, names::KEY_SLOTS);
        for name in [names::CONFIG, &slot] {
            match are_gone {
                true => store.delete(name).unwrap(),
                false => damage(&store, name, 60, 1),
            }
        }
        let repository = open(store.clone(), restarted());
        assert_eq!(repository.opened_despite().len(), 2, "{:?}", repository.opened_despite());
        assert_snapshots(&repository, &snapshots(2, &files));
        assert!(repository.statistics().is_ok() && repository.plan_prune().is_ok());
        let report = repository.repair(APPLY).unwrap();
        assert_eq!(means(&report), [(slot.as_str(), Means::SecondCopy), (names::CONFIG, Means::SecondCopy)]);
        assert!(open(store.clone(), restarted()).opened_despite().is_empty());
        assert_copies_are_right(&store, "after the repair");
    }
}

#[test]
fn a_small_object_on_a_bad_sector_is_damaged_and_its_copy_lends() {
    let (store, _) = with_an_acquittal();
    for name in originals(&store) {
        let bad = BadSectors::new(store.clone(), &name, 20..30, Sector::Unreadable);
        let repository = open(bad, restarted());
        let is_despite = name == names::CONFIG || name.starts_with(names::KEY_SLOTS);
        assert_eq!(repository.opened_despite().len(), usize::from(is_despite), "{name}");
        let has_none = repository.add_parity(None, 3, &Unobserved).unwrap().copies.damaged;
        assert_eq!(has_none.len(), 1, "{name}: {has_none:?}");
        assert_eq!(means(&repository.repair(APPLY).unwrap()), [(name.as_str(), Means::SecondCopy)]);
        assert_copies_are_right(&store, &name);
    }
}

#[test]
fn copies_are_made_once_of_what_is_whole_and_anew_where_they_differ() {
    let (store, _) = with_an_acquittal();
    let repository = open(store.clone(), restarted());
    let all = originals(&store).len() as u64;
    let copies = repository.add_parity(None, 3, &Unobserved).unwrap().copies;
    assert_eq!((copies.objects, copies.present), (0, all));
    let coverage = repository.parity_coverage(None).unwrap().copies;
    assert_eq!((coverage.objects, coverage.covered, coverage.orphans), (all, all, 0));
    for name in originals(&store) {
        let copy = names::second_copy(&name);
        damage(&store, &copy, 61, 1);
        let told: Vec<String> = repository.damaged_copies().unwrap().into_iter().map(|damage| damage.name).collect();
        assert_eq!(told, std::slice::from_ref(&copy));
        assert!(repository.damaged_small_objects().unwrap().is_empty());
        assert_eq!(means(&repository.repair(APPLY).unwrap()), [(copy.as_str(), Means::Derived)]);
        assert_copies_are_right(&store, &name);
        store.damage(&copy, Vec::clear);
        assert_eq!(repository.parity_coverage(None).unwrap().copies.damaged, std::slice::from_ref(&copy));
        let entry = repository.snapshots().unwrap().remove(0);
        assert_eq!(repository.add_parity(Some(&entry), 3, &Unobserved).unwrap().copies.objects, 1);
        assert_copies_are_right(&store, &name);
    }
}

#[test]
fn of_a_damaged_object_no_copy_is_made_and_the_last_copy_is_not_dropped() {
    let (store, _) = with_copies();
    let key = only(&store, names::DATA_KEYS);
    let whole = bytes_of(&store, &key);
    damage(&store, &key, 60, 1);
    let repository = open(store.clone(), restarted());
    let added = repository.add_parity(None, 3, &Unobserved).unwrap().copies;
    assert_eq!((added.objects, added.damaged.len()), (0, 1));
    let dropped = repository.drop_parity(None, &Unobserved).unwrap().copies;
    assert_eq!((dropped.objects as usize, dropped.kept), (originals(&store).len() - 1, 1));
    assert!(bytes_of(&store, &names::second_copy(&key)) == whole);
    assert_eq!(means(&repository.repair(APPLY).unwrap()), [(key.as_str(), Means::SecondCopy)]);
    let dropped = repository.drop_parity(None, &Unobserved).unwrap().copies;
    assert_eq!((dropped.objects, dropped.kept, named(&store, names::COPIES).len()), (1, 0, 0));
}

#[test]
fn a_removed_key_leaves_no_copy_and_neither_does_a_rotation() {
    let (store, files) = with_copies();
    let repository = open(store.clone(), restarted());
    let slot = repository.add_key(&another_secret(), "second", 1).unwrap();
    repository.add_key(&another_secret(), "third", 1).unwrap();
    repository.add_parity(None, 3, &Unobserved).unwrap();
    assert_eq!(named(&store, "copies/keys/slots/").len(), 3);
    repository.remove_key(slot.id).unwrap();
    assert_eq!(named(&store, "copies/keys/slots/").len(), 2);
    assert_copies_are_right(&store, "removed");
    repository.rotate(&secret(), &[], OtherKeys::Remove).unwrap();
    assert_eq!(named(&store, "copies/keys/"), [""; 0], "all slots and wraps are new");
    assert_copies_are_right(&store, "rotated");
    let repository = open(store.clone(), restarted());
    repository.add_parity(None, 3, &Unobserved).unwrap();
    assert_eq!(named(&store, names::COPIES).len(), originals(&store).len());
    assert_snapshots(&repository, &snapshots(2, &files));
}

#[test]
fn forgetting_and_pruning_leave_no_copy() {
    let (store, _) = with_copies();
    let repository = open(store.clone(), restarted());
    let files = files_of(&[("c", 9, 4000)]);
    back_up(&repository, 3, &files).unwrap();
    repository.add_parity(None, 3, &Unobserved).unwrap();
    let second = repository.snapshots().unwrap().remove(0).id;
    repository.forget(second, 0).unwrap();
    let before = named(&store, names::COPIES);
    open(store.clone(), crate::lease::Liveness { boot: b"later".to_vec(), ..alive() }).prune().unwrap();
    assert_copies_are_right(&store, "pruned");
    let gone = before.iter().filter(|copy| !store.names().contains(copy)).count();
    assert_eq!(gone, 3, "snapshot, key and record: {before:?}, {:?}", named(&store, names::COPIES));
    assert_snapshots(&repository, &snapshots(3, &files));
}

#[test]
fn a_repository_in_a_directory_opens_by_its_copies_alone() {
    let (objects, files) = with_copies();
    let folder = tempfile::tempdir().unwrap();
    let store = crate::store::LocalStore::new(folder.path().join("repository"));
    store.prepare().unwrap();
    for name in objects.names() {
        store.put(&name, &bytes_of(&objects, &name)).unwrap();
    }
    store.delete(names::CONFIG).unwrap();
    std::fs::remove_dir_all(folder.path().join("repository/tmp")).unwrap();
    std::fs::remove_dir_all(folder.path().join("repository/keys/slots")).unwrap();
    let store = crate::store::LocalStore::new(folder.path().join("repository"));
    let repository = open(store, restarted());
    assert_snapshots(&repository, &snapshots(2, &files));
    assert_eq!(repository.repair(APPLY).unwrap().repaired.len(), 2);
}

#[test]
fn what_is_not_a_second_copy_is_told_and_goes_when_all_are_dropped() {
    let (store, _) = with_copies();
    store.put("copies/packs/00/notes", b"rot").unwrap();
    let repository = open(store.clone(), restarted());
    assert_eq!(repository.damaged_copies().unwrap().len(), 1);
    repository.drop_parity(None, &Unobserved).unwrap();
    assert_eq!(named(&store, names::COPIES), [""; 0]);
    assert!(repository.repair(APPLY).unwrap().repaired.is_empty());
}

#[test]
fn an_archive_has_no_copies() {
    let store = MemoryStore::default();
    let archive = Repository::create_archive(Arc::new(store.clone()), &secret(), "test", alive(), 1).unwrap();
    assert_eq!(archive.add_parity(None, 3, &Unobserved).unwrap().copies.objects, 0);
    assert_eq!(named(&store, names::COPIES), [""; 0]);
}

#[test]
fn a_copy_of_a_snapshot_serves_though_its_data_key_has_none() {
    let (original, files) = with_copies();
    let (snapshot, key) = (only(&original, names::SNAPSHOTS), only(&original, names::DATA_KEYS));
    original.delete(&names::second_copy(&key)).unwrap();
    for is_gone in [false, true] {
        let store = copy_of(&original);
        match is_gone {
            true => store.delete(&snapshot).unwrap(),
            false => damage(&store, &snapshot, 300, 1),
        }
        let repository = open(store.clone(), restarted());
        assert!(!is_gone || repository.prune().is_err(), "what is lost stops a prune");
        assert_eq!(means(&repository.repair(APPLY).unwrap()), [(snapshot.as_str(), Means::SecondCopy)]);
        assert_snapshots(&open(store, restarted()), &snapshots(2, &files));
    }
}

#[test]
fn a_snapshot_that_is_lost_with_the_end_of_its_lease_comes_back_from_its_second_copy_and_counts() {
    for prunes_first in [false, true] {
        let (store, files) = with_copies();
        let newest = named(&store, names::SNAPSHOTS).pop().unwrap();
        store.delete(&newest).unwrap();
        named(&store, names::LEASES)
            .iter()
            .filter(|name| name.ends_with("/end"))
            .for_each(|end| store.delete(end).unwrap());
        let later = || open(store.clone(), crate::lease::Liveness { boot: b"later".to_vec(), ..alive() });
        if prunes_first {
            assert!(later().prune().is_err(), "a copy tells that a snapshot is lost");
        }
        later().repair(APPLY).unwrap();
        assert!(store.names().contains(&newest));
        assert_snapshots(&later(), &snapshots(2, &files));
        later().prune().unwrap();
        assert_snapshots(&later(), &snapshots(2, &files));
    }
}

#[test]
fn a_snapshot_that_is_lost_with_the_end_of_its_lease_comes_back_from_a_sister_and_counts() {
    let (store, files) = with_copies();
    named(&store, names::COPIES).iter().for_each(|copy| store.delete(copy).unwrap());
    let sister = copy_of(&store);
    let newest = named(&store, names::SNAPSHOTS).pop().unwrap();
    store.delete(&newest).unwrap();
    let leases = named(&store, names::LEASES);
    leases.iter().filter(|name| name.ends_with("/end")).for_each(|end| store.delete(end).unwrap());
    let later = || open(store.clone(), crate::lease::Liveness { boot: b"later".to_vec(), ..alive() });
    let lender = later().open_sister(Arc::new(sister)).unwrap();
    assert_eq!(later().repair_from(Some(&lender), APPLY, &Unobserved).unwrap().lost, []);
    assert_snapshots(&later(), &snapshots(2, &files));
    later().prune().unwrap();
    assert_snapshots(&later(), &snapshots(2, &files));
}

#[test]
fn the_loss_of_a_stray_copy_takes_nothing_of_the_snapshot() {
    let (store, files) = with_copies();
    let newest = named(&store, names::SNAPSHOTS).pop().unwrap();
    let (source, sequence, id) = names::parse_snapshot(&newest).unwrap();
    let stray = crate::repository::SnapshotPlace { source, sequence: sequence + 7, id };
    let bytes = bytes_of(&store, &newest);
    store.put(&names::snapshot(stray.source, stray.sequence, stray.id), &bytes).unwrap();
    let repository = open(store.clone(), restarted());
    repository.prune().unwrap_err();
    repository.accept_loss(stray).unwrap();
    assert!(!repository.removed().unwrap().contains(id));
    repository.prune().unwrap();
    assert_snapshots(&open(store, restarted()), &snapshots(2, &files));
}

#[test]
fn the_snapshot_of_a_writer_comes_back_from_its_second_copy() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let text = RecoveryCode::generate().unwrap().to_text();
    let writer = || Secret::from_text(&text);
    repository.add_writer(&writer(), "agent", 1, crate::repository::WriterMay::Nothing).unwrap();
    let files = files_of(&[("a", 2, 3000)]);
    back_up(&Repository::open(Arc::new(store.clone()), &writer(), alive()).unwrap(), 1, &files).unwrap();
    repository.add_parity(None, 3, &Unobserved).unwrap();
    store.damage(&only(&store, names::SNAPSHOTS), |bytes| bytes[60] ^= 1);
    let repository = open(store.clone(), restarted());
    assert_eq!(repository.repair(APPLY).unwrap().lost, []);
    assert_snapshots(&open(store, restarted()), &snapshots(1, &files));
}

#[test]
fn the_loss_of_a_snapshot_with_a_whole_second_copy_is_not_accepted() {
    let (store, files) = with_copies();
    let newest = named(&store, names::SNAPSHOTS).pop().unwrap();
    let (source, sequence, id) = names::parse_snapshot(&newest).unwrap();
    let place = crate::repository::SnapshotPlace { source, sequence, id };
    store.damage(&newest, |bytes| bytes[60] ^= 1);
    let repository = open(store.clone(), restarted());
    assert!(matches!(repository.accept_loss(place), Err(Error::Invalid(_))));
    repository.repair(APPLY).unwrap();
    assert_snapshots(&open(store, restarted()), &snapshots(2, &files));
}

#[test]
fn a_snapshot_whose_acquittal_is_lost_stays_as_long_as_that_has_a_second_copy() {
    let (original, files) = with_an_acquittal();
    let acquittal = originals(&original).into_iter().find(|name| names::is_acquittal(name)).unwrap();
    for is_gone in [true, false] {
        let store = copy_of(&original);
        match is_gone {
            true => store.delete(&acquittal).unwrap(),
            false => damage(&store, &acquittal, 60, 1),
        }
        let repository = open(store.clone(), restarted());
        assert_snapshots(&repository, &snapshots(2, &files));
        let told = repository.damaged_small_objects().unwrap().len() + repository.damaged_copies().unwrap().len();
        assert_eq!(told, 1);
        repository.prune().unwrap();
        assert_snapshots(&repository, &snapshots(2, &files));
        assert_eq!(means(&repository.repair(APPLY).unwrap()), [(acquittal.as_str(), Means::SecondCopy)]);
        open(store.clone(), restarted()).drop_parity(None, &Unobserved).unwrap();
        assert_snapshots(&open(store, restarted()), &snapshots(2, &files));
    }
}

#[test]
fn the_copy_of_a_damaged_data_key_is_kept_by_whoever_holds_older_secrets_and_opens_neither() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let kit = RecoveryCode::generate().unwrap().to_text();
    let kit = || Secret::from_text(&kit);
    repository.add_key(&kit(), "kit", 1).unwrap();
    let slots: Vec<_> =
        named(&store, names::KEY_SLOTS).into_iter().map(|name| (bytes_of(&store, &name), name)).collect();
    open(store.clone(), restarted()).rotate(&secret(), &[], OtherKeys::Remove).unwrap();
    for (bytes, name) in slots {
        let _ = store.put(&name, &bytes);
    }
    let files = files_of(&[("a", 2, 3000)]);
    back_up(&open(store.clone(), alive()), 1, &files).unwrap();
    open(store.clone(), restarted()).add_parity(None, 3, &Unobserved).unwrap();
    let whole = copy_of(&store);
    let key = only(&store, names::DATA_KEYS);
    damage(&store, &key, 60, 1);
    let older = Repository::open(Arc::new(store.clone()), &kit(), restarted()).unwrap();
    assert_eq!(older.drop_parity(None, &Unobserved).unwrap().copies.kept, 1);
    open(store.clone(), restarted()).repair(APPLY).unwrap();
    assert_snapshots(&open(store, restarted()), &snapshots(1, &files));
    // Where the object is whole for those who open it, its copy goes.
    let older = Repository::open(Arc::new(whole), &kit(), restarted()).unwrap();
    assert_eq!(older.drop_parity(None, &Unobserved).unwrap().copies.kept, 0);
}
