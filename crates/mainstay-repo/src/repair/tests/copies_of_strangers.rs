//! Second copies that nobody should believe: put by somebody else, or left of what was removed.

use std::sync::Arc;

use super::copies::{another_secret, assert_copies_are_right, bytes_of, only, with_copies};
use super::*;
use crate::format::config::{self, Form};
use crate::keys::Secret;
use crate::repository::{OtherKeys, WriterMay};

fn opened(store: &MemoryStore, secret: &Secret) -> Result<Repository> {
    Repository::open(Arc::new(store.clone()), secret, restarted())
}

/// Puts bytes under the name of the copy of an object that is gone or damaged.
fn put_copy(store: &MemoryStore, name: &str, bytes: &[u8]) {
    let copy = names::second_copy(name);
    store.delete(&copy).unwrap();
    store.put(&copy, bytes).unwrap();
}

#[test]
fn a_wrong_copy_of_a_data_key_that_is_gone_is_not_taken() {
    let (original, _) = with_copies();
    let full = open(original.clone(), restarted());
    let secret = another_secret();
    full.add_writer(&secret, "thief", 1, WriterMay::Nothing).unwrap();
    let thief = opened(&original, &secret).unwrap();
    let key = only(&original, names::DATA_KEYS);
    let session = names::parse_data_key(&key).unwrap().session;
    // Whoever has a writer's public keys can seal some key to them, and say that it is that of any session.
    let (_, forged) = thief.keys.new_data_key(session).unwrap();
    let forged = crate::format::keys::encode_data_key(full.id(), &forged);
    let (other, _) = with_copies();
    let of_another = bytes_of(&other, &only(&other, names::DATA_KEYS));
    for bytes in [forged, of_another, b"rot".to_vec()] {
        let store = copy_of(&original);
        store.delete(&key).unwrap();
        put_copy(&store, &key, &bytes);
        let report = open(store.clone(), restarted()).repair(APPLY).unwrap();
        assert_eq!(report.repaired, []);
        assert!(!store.names().contains(&key));
    }
}

#[test]
fn a_wrong_copy_of_a_snapshot_is_not_taken() {
    let (original, files) = with_copies();
    let repository = open(original.clone(), restarted());
    let name = only(&original, names::SNAPSHOTS);
    back_up(&repository, 3, &files).unwrap();
    let second = named(&original, names::SNAPSHOTS).into_iter().find(|other| *other != name).unwrap();
    let (other, _) = with_copies();
    let of_another = bytes_of(&other, &only(&other, names::SNAPSHOTS));
    for bytes in [bytes_of(&original, &second), of_another, b"rot".to_vec()] {
        for is_gone in [true, false] {
            let store = copy_of(&original);
            put_copy(&store, &name, &bytes);
            match is_gone {
                true => store.delete(&name).unwrap(),
                false => damage(&store, &name, 60, 1),
            }
            let report = open(store.clone(), restarted()).repair(APPLY).unwrap();
            assert!(report.repaired.iter().all(|one| one.means != Means::SecondCopy), "{report:?}");
            assert!(store.names().contains(&name) != is_gone);
        }
    }
}

#[test]
fn a_wrong_copy_of_the_only_slot_opens_nothing_and_is_not_taken() {
    let (original, _) = with_copies();
    let slot = only(&original, names::KEY_SLOTS);
    let (other, _) = with_copies();
    let of_another = bytes_of(&other, &only(&other, names::KEY_SLOTS));
    let another = another_secret();
    let with_another = copy_of(&original);
    open(with_another.clone(), restarted()).add_key(&another, "second", 1).unwrap();
    let second = named(&with_another, names::KEY_SLOTS).into_iter().find(|name| *name != slot).unwrap();
    for bytes in [of_another, b"rot".to_vec()] {
        let store = copy_of(&original);
        put_copy(&store, &slot, &bytes);
        damage(&store, &slot, 60, 1);
        assert_eq!(opened(&store, &secret()).err().unwrap().kind(), Kind::Corrupt);
        // Whoever has another key heals nothing by it.
        store.put(&second, &bytes_of(&with_another, &second)).unwrap();
        let report = opened(&store, &another).unwrap().repair(APPLY).unwrap();
        assert_eq!(report.repaired, []);
    }
}

#[test]
fn a_configuration_is_believed_only_if_the_keys_open_what_it_names() {
    let (original, files) = with_copies();
    let (other, _) = with_copies();
    let own = bytes_of(&original, names::CONFIG);
    let archive = config::Config { form: Form::Archive, ..config::decode(&own).unwrap() };
    for bytes in [bytes_of(&other, names::CONFIG), config::encode(&archive), b"{}".to_vec()] {
        for is_gone in [true, false] {
            let store = copy_of(&original);
            put_copy(&store, names::CONFIG, &bytes);
            match is_gone {
                true => store.delete(names::CONFIG).unwrap(),
                false => damage(&store, names::CONFIG, 2, 1),
            }
            assert!(opened(&store, &secret()).is_err());
            // Where the configuration is whole, nobody asks its copy.
            store.delete(names::CONFIG).unwrap();
            store.put(names::CONFIG, &own).unwrap();
            assert_snapshots(&opened(&store, &secret()).unwrap(), &snapshots(2, &files));
        }
    }
    // Of an archive nobody takes the copy for one of a repository into which backups go.
    original.delete(names::CONFIG).unwrap();
    assert!(opened(&original, &secret()).is_ok());
    original.put(names::MANIFEST, b"rot").unwrap();
    assert_eq!(opened(&original, &secret()).err().unwrap().kind(), Kind::NotFound);
}

#[test]
fn the_copy_of_a_removed_snapshot_brings_nothing_back_and_goes_with_the_next_prune() {
    let (store, files) = with_copies();
    let repository = open(store.clone(), restarted());
    back_up(&repository, 3, &files).unwrap();
    repository.add_parity(None, 3, &Unobserved).unwrap();
    let place = repository.snapshots().unwrap().remove(0);
    let name = named(&store, names::SNAPSHOTS).into_iter().find(|name| name.contains(&place.id.to_string())).unwrap();
    let kept = [name.clone(), names::refs(place.id)].map(|name| (name.clone(), bytes_of(&store, &name)));
    repository.forget(place.id, 0).unwrap();
    repository.prune().unwrap();
    // Somebody who copied it died just after it was removed; and even its map has come back.
    put_copy(&store, &name, &kept[0].1);
    store.put(&kept[1].0, &kept[1].1).unwrap();
    let report = repository.repair(APPLY).unwrap();
    assert!(report.repaired.is_empty() && !store.names().contains(&name), "{report:?}");
    assert!(repository.damaged_copies().unwrap().is_empty(), "it was recorded");
    repository.prune().unwrap();
    assert_copies_are_right(&store, "pruned");
    assert_snapshots(&repository, &snapshots(3, &files));
}

#[test]
fn the_copy_of_a_data_key_that_serves_nobody_goes_with_the_next_prune() {
    let (store, _) = with_copies();
    let repository = open(store.clone(), restarted());
    let key = only(&store, names::DATA_KEYS);
    let bytes = bytes_of(&store, &key);
    back_up(&repository, 3, &files_of(&[("other", 7, 5000)])).unwrap();
    let second = repository.snapshots().unwrap().remove(0).id;
    repository.forget(second, 0).unwrap();
    let later = open(store.clone(), crate::lease::Liveness { boot: b"later".to_vec(), ..alive() });
    later.prune().unwrap();
    assert!(!store.names().contains(&key));
    put_copy(&store, &key, &bytes);
    assert_eq!(later.repair(APPLY).unwrap().repaired, [], "nothing needs it");
    later.prune().unwrap();
    assert_copies_are_right(&store, "pruned");
}

#[test]
fn the_copy_of_a_removed_slot_never_opens_the_repository_again() {
    let (store, files) = with_copies();
    let repository = open(store.clone(), restarted());
    let removed = another_secret();
    let slot = repository.add_key(&removed, "removed", 1).unwrap().id;
    let name = names::key_slot(slot, 0);
    let bytes = bytes_of(&store, &name);
    repository.remove_key(slot).unwrap();
    put_copy(&store, &name, &bytes);
    assert_eq!(opened(&store, &removed).err().unwrap().kind(), Kind::Denied);
    // Not even while the only slot that is listed is damaged.
    let damaged = copy_of(&store);
    damage(&damaged, &only(&damaged, names::KEY_SLOTS), 60, 1);
    assert_eq!(opened(&damaged, &removed).err().unwrap().kind(), Kind::Corrupt);
    assert_eq!(open(damaged.clone(), restarted()).repair(APPLY).unwrap().repaired.len(), 1);
    assert!(!damaged.names().contains(&name), "a repair does not bring it back");
    assert_eq!(repository.damaged_copies().unwrap().len(), 1, "it is told");
    assert_eq!(repository.unlisted_keys().unwrap(), [slot]);
    let rotated = copy_of(&store);
    repository.remove_key(slot).unwrap();
    assert_copies_are_right(&store, "removed once more");
    assert!(repository.remove_key(slot).is_err());
    // A rotation makes it worthless, and the next prune takes it away.
    open(rotated.clone(), restarted()).rotate(&secret(), &[], OtherKeys::Remove).unwrap();
    open(rotated.clone(), restarted()).prune().unwrap();
    assert_copies_are_right(&rotated, "rotated");
    assert_snapshots(&open(rotated, restarted()), &snapshots(2, &files));
}

#[test]
fn a_copy_under_the_name_of_a_holder_who_is_listed_removes_nobodys_key() {
    let (store, files) = with_copies();
    let repository = open(store.clone(), restarted());
    let slot = names::parse_key_slot(&only(&store, names::KEY_SLOTS)).unwrap().0;
    put_copy(&store, &names::key_slot(slot, 7), b"rot");
    assert_eq!(repository.unlisted_keys().unwrap(), []);
    assert!(repository.remove_key(slot).is_err(), "it is the last one");
    assert_snapshots(&open(store, restarted()), &snapshots(2, &files));
}

#[test]
fn the_copy_of_a_lost_key_stays_whatever_a_stranger_puts_beside_it() {
    let (store, files) = with_copies();
    let (key, slot) = (only(&store, names::DATA_KEYS), only(&store, names::KEY_SLOTS));
    let full = open(store.clone(), restarted());
    let maintainer = another_secret();
    full.add_maintainer(&maintainer, "keeper", 1).unwrap();
    let writer = another_secret();
    full.add_writer(&writer, "thief", 1, WriterMay::Nothing).unwrap();
    let session = names::parse_data_key(&key).unwrap().session;
    let thief = opened(&store, &writer).unwrap();
    let (_, forged) = thief.keys.new_data_key(session).unwrap();
    let forged = crate::format::keys::encode_data_key(full.id(), &forged);
    let whole = [bytes_of(&store, &key), bytes_of(&store, &slot)];
    for name in [&key, &slot] {
        store.delete(name).unwrap();
    }
    let carrier = crate::fixtures::session_id(9);
    let wrap = names::DataKeyName { carrier: Some(carrier), ..names::parse_data_key(&key).unwrap() };
    store.put(&wrap.name(), &forged).unwrap();
    store.put(&names::key_slot(crate::id::SlotId([9; 8]), 9), b"rot").unwrap();
    let keeper = opened(&store, &maintainer).unwrap();
    keeper.add_parity(None, 3, &Unobserved).unwrap();
    drop(keeper.prune());
    full.add_parity(None, 3, &Unobserved).unwrap();
    for (name, whole) in [&key, &slot].into_iter().zip(whole) {
        assert!(bytes_of(&store, &names::second_copy(name)) == whole, "{name}");
    }
    drop(files);
}

#[test]
fn a_prune_stops_where_a_copy_tells_that_a_snapshot_was_lost_and_a_repair_brings_it_back_with_its_map() {
    let (store, files) = with_copies();
    let name = only(&store, names::SNAPSHOTS);
    let (_, _, id) = names::parse_snapshot(&name).unwrap();
    store.delete(&name).unwrap();
    store.delete(&names::refs(id)).unwrap();
    let repository = open(store.clone(), restarted());
    let refused = repository.prune().unwrap_err();
    assert!(refused.kind() == Kind::Corrupt && refused.to_string().contains("second copy"), "{refused}");
    let report = repository.repair(APPLY).unwrap();
    assert!(report.lost.is_empty() && report.repaired.iter().any(|one| one.object == name), "{report:?}");
    let repository = open(store, restarted());
    repository.prune().unwrap();
    assert_snapshots(&repository, &snapshots(2, &files));
}

#[test]
fn a_copy_that_proves_nothing_goes_when_all_are_dropped() {
    let (store, _) = with_copies();
    let name = only(&store, names::SNAPSHOTS);
    let (source, sequence, _) = names::parse_snapshot(&name).unwrap();
    let stray = names::snapshot(source, sequence, crate::id::SnapshotId([7; 32]));
    put_copy(&store, &stray, b"rot");
    let repository = open(store.clone(), restarted());
    repository.prune().unwrap();
    repository.drop_parity(None, &Unobserved).unwrap();
    assert!(!store.names().contains(&names::second_copy(&stray)));
}
