//! Tests of key slots one of which is damaged: it keeps nobody out but its holder, and in nobody's way.

use std::sync::Arc;

use super::*;
use crate::fixtures::{alive, assert_snapshots, back_up, create, files_of, named, open, secret};
use crate::keys::RecoveryCode;
use crate::prune::Unobserved;
use crate::repair::{OnLoss, RepairMode, RepairOptions};
use crate::repository::OtherKeys;
use crate::store::MemoryStore;

/// A repository with a snapshot, and with a second holder whose slot is damaged.
fn with_damaged_slot() -> (MemoryStore, Repository, SlotId) {
    with_second_slot(|store, _, name| store.damage(name, |bytes| bytes[40] ^= 1))
}

fn with_second_slot(damage: impl Fn(&MemoryStore, &Repository, &str)) -> (MemoryStore, Repository, SlotId) {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    back_up(&repository, 1, &files_of(&[("a", 1, 1000)])).unwrap();
    let other = Secret::from_text(&RecoveryCode::generate().unwrap().to_text());
    let slot = repository.add_key(&other, "second", 1).unwrap().id;
    damage(&store, &repository, &names::key_slot(slot, 0));
    (store.clone(), open(store, alive()), slot)
}

#[test]
fn the_other_slots_are_listed_and_the_damage_is_told() {
    let (_, repository, slot) = with_damaged_slot();
    let known = repository.key_slots().unwrap();
    assert_eq!(known.slots.iter().map(|slot| slot.label.as_str()).collect::<Vec<_>>(), ["test"]);
    assert_eq!(known.damaged_holders().collect::<Vec<_>>(), [slot]);
}

#[test]
fn a_damaged_slot_can_be_removed_and_another_beside_it() {
    let (store, repository, slot) = with_damaged_slot();
    let third = Secret::from_text(&RecoveryCode::generate().unwrap().to_text());
    let third = repository.add_key(&third, "third", 2).unwrap().id;
    repository.remove_key(third).unwrap();
    repository.remove_key(slot).unwrap();
    assert_eq!(named(&store, names::KEY_SLOTS).len(), 1);
    assert!(repository.key_slots().unwrap().damaged.is_empty());
}

#[test]
fn a_damaged_slot_is_no_other_one_to_rely_on() {
    let (store, repository, slot) = with_second_slot(|store, repository, name| {
        repository.add_parity(None, 3, &Unobserved).unwrap();
        store.damage(name, |bytes| bytes[40] ^= 1);
    });
    assert_eq!(repository.key_slots().unwrap().slots.len(), 2, "its second copy says whose it is");
    assert!(matches!(repository.remove_key(repository.own_slot()), Err(Error::Invalid(_))));
    assert_eq!(named(&store, names::KEY_SLOTS).len(), 2);
    repository.remove_key(slot).unwrap();
    assert_eq!(named(&store, names::KEY_SLOTS).len(), 1);
    assert_eq!(named(&store, &names::second_copy(names::KEY_SLOTS)).len(), 1);
}

#[test]
fn nothing_is_rotated_past_a_damaged_slot_until_it_is_removed() {
    let (store, repository, slot) = with_damaged_slot();
    let before = store.names();
    for rest in [OtherKeys::Refuse, OtherKeys::Remove] {
        let refused = repository.rotate(&secret(), &[], rest);
        assert!(matches!(refused, Err(Error::Damaged { name, .. }) if name == names::key_slot(slot, 0)));
    }
    assert_eq!(store.names(), before);
    repository.remove_key(slot).unwrap();
    repository.rotate(&secret(), &[], OtherKeys::Refuse).unwrap();
}

#[test]
fn what_is_no_slot_stands_in_the_way_of_no_rotation() {
    let (store, repository, slot) = with_damaged_slot();
    repository.remove_key(slot).unwrap();
    store.put("keys/slots/stray", b"stray").unwrap();
    assert_eq!(repository.key_slots().unwrap().damaged.len(), 1);
    repository.rotate(&secret(), &[], OtherKeys::Refuse).unwrap();
}

#[test]
fn an_old_slot_that_is_damaged_goes_with_the_rotation_that_it_was_left_by() {
    let (store, repository, slot) = with_damaged_slot();
    repository.remove_key(slot).unwrap();
    let own = repository.own_slot();
    let old = store.read(&names::key_slot(own, 0), u64::MAX).unwrap();
    repository.rotate(&secret(), &[], OtherKeys::Refuse).unwrap();
    store.put(&names::key_slot(own, 0), &old[..old.len() - 1]).unwrap();
    open(store.clone(), alive()).rotate(&secret(), &[], OtherKeys::Refuse).unwrap();
    assert_eq!(named(&store, names::KEY_SLOTS), [names::key_slot(own, 2)]);
}

#[test]
fn a_new_copy_takes_the_slots_that_are_whole_and_second_copies_for_the_others() {
    let (_, repository, _) = with_damaged_slot();
    let copy = MemoryStore::default();
    repository.create_copy(Arc::new(copy.clone())).unwrap();
    assert_eq!(named(&copy, names::KEY_SLOTS), [names::key_slot(repository.own_slot(), 0)]);
    let (_, repository, _) = with_second_slot(|store, repository, name| {
        repository.add_parity(None, 3, &Unobserved).unwrap();
        store.damage(name, |bytes| bytes[40] ^= 1);
    });
    let copy = MemoryStore::default();
    repository.create_copy(Arc::new(copy.clone())).unwrap();
    let known = open(copy, alive()).key_slots().unwrap();
    assert_eq!((known.slots.len(), known.damaged.len()), (2, 0));
}

#[test]
fn a_prune_after_a_rotation_goes_on_beside_a_damaged_slot() {
    let (store, repository, slot) = with_damaged_slot();
    repository.remove_key(slot).unwrap();
    repository.rotate(&secret(), &[], OtherKeys::Refuse).unwrap();
    let repository = open(store.clone(), alive());
    let other = Secret::from_text(&RecoveryCode::generate().unwrap().to_text());
    let slot = repository.add_writer(&other, "agent", 3, WriterMay::List).unwrap();
    store.damage(&names::key_slot(slot.id, slot.generation), |bytes| bytes[40] ^= 1);
    repository.prune().unwrap();
}

#[test]
fn no_copy_is_made_that_nobody_could_open() {
    let (store, repository, _) = with_second_slot(|_, repository, _| {
        repository.add_parity(None, 3, &Unobserved).unwrap();
    });
    named(&store, names::KEY_SLOTS).iter().for_each(|name| store.delete(name).unwrap());
    let copy = MemoryStore::default();
    let refused = repository.create_copy(Arc::new(copy.clone())).map(drop).unwrap_err();
    assert!(refused.to_string().contains("nobody could open"), "{refused}");
    assert!(!copy.names().iter().any(|name| name == names::CONFIG));
}

#[test]
fn where_no_slot_is_left_second_copies_open_beside_what_is_no_slot() {
    let (store, _, _) = with_second_slot(|_, repository, _| {
        repository.add_parity(None, 3, &Unobserved).unwrap();
    });
    named(&store, names::KEY_SLOTS).iter().for_each(|name| store.delete(name).unwrap());
    store.put("keys/slots/stray", b"stray").unwrap();
    assert_eq!(open(store, alive()).snapshots().unwrap().len(), 1);
}

/// A repository whose rotation ended when one's own new slot was there, with a snapshot that is sealed since, and second copies of all; and the
/// secret of a holder who was left behind.
fn left_by_a_rotation() -> (MemoryStore, Secret) {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    back_up(&repository, 1, &files_of(&[("a", 1, 1000)])).unwrap();
    let text = RecoveryCode::generate().unwrap().to_text();
    let slot = repository.add_key(&Secret::from_text(&text), "second", 1).unwrap().id;
    let bytes = |name: String| (name.clone(), store.read(&name, u64::MAX).unwrap());
    let before: Vec<_> = named(&store, names::KEY_SLOTS).into_iter().map(bytes).collect();
    repository.rotate(&secret(), &[Secret::from_text(&text)], OtherKeys::Refuse).unwrap();
    store.delete(&names::key_slot(slot, 1)).unwrap();
    before.iter().for_each(|(name, bytes)| store.put(name, bytes).unwrap());
    let repository = open(store.clone(), alive());
    back_up(&repository, 2, &files_of(&[("b", 2, 2000)])).unwrap();
    assert!(repository.add_parity(None, 3, &Unobserved).unwrap().copies.damaged.is_empty());
    (store, Secret::from_text(&text))
}

#[test]
fn by_the_copy_of_a_newer_slot_one_repair_heals_what_the_older_one_does_not_open() {
    let (store, _) = left_by_a_rotation();
    let whole = open(store.clone(), alive());
    let slot = names::key_slot(whole.own_slot(), 1);
    let session = whole.snapshots().unwrap().into_iter().find(|entry| entry.snapshot.sequence == 2).unwrap();
    let key = names::data_key(session.snapshot.session, 1);
    [&slot, &key].into_iter().for_each(|name| store.damage(name, |bytes| bytes[60] ^= 1));
    let repository = open(store.clone(), alive());
    assert!(matches!(repository.opened_despite(), [told] if told.contains(&slot)), "{:?}", repository.opened_despite());
    let report = repository.repair(RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Keep }).unwrap();
    let repaired: Vec<&str> = report.repaired.iter().map(|repaired| repaired.object.as_str()).collect();
    assert!(repaired.contains(&&*slot) && repaired.contains(&&*key) && report.lost.is_empty(), "{report:?}");
    let repository = open(store, alive());
    assert_eq!(repository.opened_despite(), [""; 0]);
    assert!(repository.damaged_small_objects().unwrap().is_empty());
    let kept = [(1, files_of(&[("a", 1, 1000)])), (2, files_of(&[("b", 2, 2000)]))];
    assert_snapshots(&repository, &kept.into());
}

#[test]
fn a_newer_slot_opens_by_its_copy_only_while_it_is_listed_and_damaged() {
    let (store, _) = left_by_a_rotation();
    let slot = names::key_slot(open(store.clone(), alive()).own_slot(), 1);
    store.delete(&slot).unwrap();
    let repository = open(store.clone(), alive());
    assert_eq!(repository.opened_despite(), [""; 0], "it may have been removed");
    store.put(&slot, b"rot").unwrap();
    assert_eq!(open(store.clone(), alive()).opened_despite().len(), 1);
    store.damage(&names::second_copy(&slot), |bytes| bytes[60] ^= 1);
    let repository = open(store, alive());
    assert_eq!(repository.opened_despite(), [""; 0], "the older one opens as before");
    assert!(Error::tells_of_newer_secrets(&repository.snapshots().unwrap_err().to_string()));
}

/// The same, and the slot with the newer secrets is lost but for its copy.
fn with_lost_newer_slot() -> (MemoryStore, Secret, String) {
    let (store, left) = left_by_a_rotation();
    let slot = names::key_slot(open(store.clone(), alive()).own_slot(), 1);
    store.delete(&slot).unwrap();
    (store, left, slot)
}

fn assert_both_snapshots(store: &MemoryStore) {
    let kept = [(1, files_of(&[("a", 1, 1000)])), (2, files_of(&[("b", 2, 2000)]))];
    assert_snapshots(&open(store.clone(), alive()), &kept.into());
}

const APPLY: RepairOptions = RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Keep };

#[test]
fn a_newer_slot_that_was_lost_comes_back_from_its_copy() {
    let (store, left, slot) = with_lost_newer_slot();
    for opened in [open(store.clone(), alive()), Repository::open(Arc::new(store.clone()), &left, alive()).unwrap()] {
        store.delete(&slot).unwrap();
        let report = opened.repair(APPLY).unwrap();
        assert!(report.repaired.iter().any(|repaired| repaired.object == slot), "{report:?}");
        assert_both_snapshots(&store);
    }
    assert!(open(store, alive()).damaged_copies().unwrap().is_empty());
}

#[test]
fn a_lost_slot_that_a_removal_names_or_of_another_holder_does_not_come_back() {
    let (store, left, slot) = with_lost_newer_slot();
    let opened = Repository::open(Arc::new(store.clone()), &left, alive()).unwrap();
    let copy = names::second_copy(&slot);
    let bytes = store.read(&copy, u64::MAX).unwrap();
    // A name that is another's, whose key is not that of the older slot.
    let place = names::key_slot(opened.own_slot(), 1);
    store.put(&names::second_copy(&place), &bytes).unwrap();
    let session = crate::fixtures::session_id(0x5e);
    let (id, generation) = names::parse_key_slot(&slot).unwrap();
    let removes = Some(vec![crate::format::coord::DoomedSlot { id, generation }]);
    let said = crate::format::coord::encode_key_change(&crate::format::coord::KeyChange { session, removes });
    let kind = crate::format::envelope::ObjectKind::KeyChange;
    let signed = crate::signer::sign_object(opened.keys.signer(), opened.id(), (kind, &said)).unwrap();
    store.put(&names::key_removal(session), &signed).unwrap();
    opened.repair(APPLY).unwrap();
    assert!(!store.names().contains(&slot) && !store.names().contains(&place));
}

#[test]
fn nothing_is_rotated_or_removed_past_newer_secrets_whose_slot_was_lost() {
    let (store, left, slot) = with_lost_newer_slot();
    let keys = |store: &MemoryStore| [named(store, "keys/"), named(store, "copies/keys/")];
    let before = keys(&store);
    let repository = open(store.clone(), alive());
    for rest in [OtherKeys::Refuse, OtherKeys::Remove] {
        let refused = repository.rotate(&secret(), std::slice::from_ref(&left), rest).unwrap_err();
        assert!(refused.to_string().contains(&names::second_copy(&slot)), "{refused}");
    }
    let other = Repository::open(Arc::new(store.clone()), &left, alive()).unwrap();
    let refused = other.remove_key(repository.own_slot()).unwrap_err();
    assert!(refused.to_string().contains("newer"), "{refused}");
    assert_eq!(keys(&store), before);
    // Without its copy as well.
    store.delete(&names::second_copy(&slot)).unwrap();
    let refused = repository.rotate(&secret(), &[], OtherKeys::Remove).unwrap_err();
    assert!(refused.to_string().contains("is wrapped by newer ones"), "{refused}");
}

#[test]
fn the_copy_of_a_slot_with_the_secrets_that_open_a_data_key_outlives_the_slot_that_took_its_place() {
    let (store, _, slot) = with_lost_newer_slot();
    let copy = names::second_copy(&slot);
    let bytes = store.read(&copy, u64::MAX).unwrap();
    // What a rotation did that did not look: other secrets under the same name.
    let apart = crate::fixtures::copy_of(&store);
    for name in named(&apart, names::DATA_KEYS).into_iter().filter(|name| name.ends_with(".1")) {
        apart.delete(&name).unwrap();
    }
    apart.delete(&copy).unwrap();
    open(apart.clone(), alive()).rotate(&secret(), &[], OtherKeys::Remove).unwrap();
    store.put(&slot, &apart.read(&slot, u64::MAX).unwrap()).unwrap();
    let repository = open(store.clone(), alive());
    let _ = repository.repair(APPLY);
    let added = repository.add_parity(None, 3, &Unobserved).unwrap();
    assert!(added.copies.damaged.iter().any(|error| error.to_string().contains(&slot)), "{:?}", added.copies.damaged);
    let _ = repository.drop_parity(None, &Unobserved);
    let known = repository.key_slots().unwrap().slots;
    let other = known.iter().find(|slot| slot.id != repository.own_slot()).unwrap().id;
    let refused = repository.remove_key(other).unwrap_err();
    assert!(refused.to_string().contains("wrapped by other secrets"), "{refused}");
    repository.rotate(&secret(), &[], OtherKeys::Remove).unwrap();
    let _ = open(store.clone(), alive()).prune();
    assert_eq!(store.read(&copy, u64::MAX).unwrap(), bytes);
    store.replace(&slot, &bytes).unwrap();
    store.delete(&slot.replace(".1", ".2")).unwrap();
    assert_both_snapshots(&store);
}

#[test]
fn a_key_that_a_rotation_left_behind_says_so_and_damage_does_not() {
    let (store, left) = left_by_a_rotation();
    let repository = Repository::open(Arc::new(store.clone()), &left, alive()).unwrap();
    let error = repository.snapshots().unwrap_err();
    assert!(Error::tells_of_newer_secrets(&error.to_string()), "{error}");
    let full = open(store.clone(), alive());
    named(&store, names::DATA_KEYS).iter().for_each(|name| store.damage(name, |bytes| bytes[60] ^= 1));
    let error = full.beside(full.store.clone()).snapshots().unwrap_err();
    assert!(!Error::tells_of_newer_secrets(&error.to_string()), "{error}");
}
