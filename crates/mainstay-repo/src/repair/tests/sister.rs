//! Repair from another copy of the repository: what it lends, and what it must not.

use std::sync::Arc;

use super::*;
use crate::fixtures::{FailingStore, Failure, make_void};

/// A repository and another copy of it.
fn with_sister() -> (MemoryStore, MemoryStore, Files) {
    let (store, _, files) = with_snapshot();
    let sister = copy_of(&store);
    (store, sister, files)
}

fn repair_from(store: &MemoryStore, sister: &MemoryStore, options: RepairOptions) -> Result<RepairReport> {
    let repository = open(store.clone(), restarted());
    let lender = repository.open_sister(Arc::new(sister.clone()))?;
    repository.repair_from(Some(&lender), options, &Unobserved)
}

/// The same while calls fail; answers how many there were, too.
fn repair_and_fail(store: &MemoryStore, sister: &MemoryStore, failure: Failure) -> (Result<RepairReport>, u64) {
    let failing = FailingStore::new(store.clone(), failure);
    let opened = Repository::open(Arc::new(failing.clone()), &secret(), alive());
    let repaired = opened.and_then(|repository| {
        let lender = repository.open_sister(Arc::new(sister.clone()))?;
        repository.repair_from(Some(&lender), APPLY, &Unobserved)
    });
    (repaired, failing.calls())
}

fn only(store: &MemoryStore, prefix: &str) -> String {
    let names = named(store, prefix);
    assert_eq!(names.len(), 1, "{names:?}");
    names[0].clone()
}

#[test]
fn a_damaged_pack_is_made_whole_from_a_sister() {
    for is_content in [true, false] {
        let (store, sister, files) = with_sister();
        let lent = sister.names();
        let pack = if is_content { content_pack(&store) } else { tree_pack(&store) };
        damage(&store, &pack, 300, 10);
        let shown = repair_from(&store, &sister, SHOW).unwrap();
        let report = repair_from(&store, &sister, APPLY).unwrap();
        for report in [shown, report] {
            let expected = Repaired { object: pack.clone(), means: Means::Sister };
            assert_eq!((report.repaired.as_slice(), report.lost.as_slice()), ([expected].as_slice(), [].as_slice()));
        }
        assert_snapshots(&open(store.clone(), restarted()), &snapshots(1, &files));
        assert_whole(&store);
        let again = repair_from(&store, &sister, APPLY).unwrap();
        assert!(again.repaired.is_empty() && again.lost.is_empty(), "{again:?}");
        let but_leases = |names: Vec<String>| names.into_iter().filter(|name| !name.starts_with("coord/"));
        assert!(but_leases(sister.names()).eq(but_leases(lent)), "nothing of the sister was changed");
    }
}

#[test]
fn packs_that_are_gone_or_cannot_say_what_is_in_them_come_back_from_a_sister() {
    for is_gone in [true, false] {
        let (store, sister, files) = with_sister();
        for pack in named(&store, "packs/") {
            match is_gone {
                true => store.delete(&pack).unwrap(),
                false => {
                    let len = store.len(&pack).unwrap() as usize;
                    damage(&store, &pack, len - 20, 20);
                }
            }
        }
        if !is_gone {
            let tables = named(&store, "index/").into_iter().filter(|name| name.starts_with("index/b-"));
            tables.for_each(|table| store.delete(&table).unwrap());
        }
        assert_ne!(repair_from(&store, &sister, SHOW).map(|report| report.lost.len()).ok(), None);
        let report = repair_from(&store, &sister, APPLY).unwrap();
        assert_eq!(
            (report.lost.as_slice(), report.repaired.is_empty()),
            ([].as_slice(), false),
            "{is_gone}: {report:?}"
        );
        let repository = open(store.clone(), restarted());
        assert_snapshots(&repository, &snapshots(1, &files));
        assert_whole(&store);
        let again = repository.repair(SHOW).unwrap();
        assert!(again.repaired.is_empty() && again.lost.is_empty(), "{is_gone}: {again:?}");
        repository.prune().unwrap();
        assert_snapshots(&repository, &snapshots(1, &files));
    }
}

#[test]
fn keys_and_snapshots_come_back_from_a_sister() {
    for folder in [names::DATA_KEYS, names::SNAPSHOTS] {
        for is_gone in [true, false] {
            let (store, sister, files) = with_sister();
            let name = only(&store, folder);
            match is_gone {
                true => store.delete(&name).unwrap(),
                false => damage(&store, &name, 60, 1),
            }
            let shown = repair_from(&store, &sister, SHOW).unwrap();
            let expected = vec![Repaired { object: name.clone(), means: Means::Sister }];
            assert_eq!((&shown.repaired, shown.lost.as_slice()), (&expected, [].as_slice()), "{name}, {is_gone}");
            let report = repair_from(&store, &sister, APPLY).unwrap();
            assert_eq!((&report.repaired, report.lost.as_slice()), (&expected, [].as_slice()), "{name}, {is_gone}");
            assert_eq!(store.read(&name, u64::MAX).unwrap(), sister.read(&name, u64::MAX).unwrap());
            assert_snapshots(&open(store.clone(), restarted()), &snapshots(1, &files));
        }
    }
}

#[test]
fn what_was_pruned_here_does_not_come_back_from_a_sister() {
    let (store, sister, files) = with_sister();
    let repository = open(store.clone(), restarted());
    back_up(&repository, 2, &files).unwrap();
    let first = repository.snapshots().unwrap()[0].id;
    repository.forget(first, 0).unwrap();
    repository.prune().unwrap();
    let names = store.names();
    let report = repair_from(&store, &sister, APPLY).unwrap();
    assert!(report.repaired.is_empty() && report.lost.is_empty(), "{report:?}");
    assert_eq!(store.names().len(), names.len());
}

#[test]
fn a_sister_that_is_damaged_in_the_same_place_lends_nothing_wrong() {
    let (store, sister, _) = with_sister();
    let content = content_pack(&store);
    for store in [&store, &sister] {
        damage(store, &content, 300, 10);
    }
    let report = repair_from(&store, &sister, APPLY).unwrap();
    assert_eq!(report.lost.iter().map(|loss| loss.object.as_str()).collect::<Vec<_>>(), [content.as_str()]);
    assert_eq!(report.lost[0].blocks.len(), 1, "what is whole there is had: {report:?}");
}

#[test]
fn a_block_that_a_sister_has_thinned_in_its_own_way_is_not_taken() {
    let (store, _, files) = with_snapshot();
    let repository = open(store.clone(), restarted());
    let small: Files = (0..40).map(|n| (format!("s{n}"), crate::fixtures::seeded(100 + n, 9000))).collect();
    let second = back_up(&repository, 2, &small).unwrap().entry.id;
    let few: Files = small.iter().step_by(5).map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
    back_up(&repository, 3, &few).unwrap();
    let sister = copy_of(&store);
    // There the second snapshot is pruned, and the block thinned that both need; here it is whole, and is damaged.
    let there = open(sister.clone(), restarted());
    there.forget(second, 0).unwrap();
    there.prune().unwrap();
    let index = repository.index().unwrap();
    let needed = repository.references(&repository.snapshots().unwrap()[1]).unwrap();
    let first = repository.references(&repository.snapshots().unwrap()[0]).unwrap();
    let block = needed.iter().find(|block| !first.contains(*block)).unwrap();
    let thinned = there.index().unwrap().find_block(block).unwrap().unwrap();
    assert!(thinned.thinned, "the case is not what it should be");
    let place = index.find_block(block).unwrap().unwrap();
    damage(&store, &names::pack(place.pack, place.pack_session), place.offset as usize + 100, 1);
    let report = repair_from(&store, &sister, APPLY).unwrap();
    assert_eq!(report.lost.iter().flat_map(|loss| loss.blocks.clone()).collect::<Vec<_>>(), [block]);
    assert!(read_back(&repository, &repository.snapshots().unwrap()[0]).unwrap() == files);
}

#[test]
fn another_repository_is_no_sister() {
    let (store, ..) = with_sister();
    let (other, ..) = with_sister();
    let refused = repair_from(&store, &other, APPLY).unwrap_err();
    assert!(refused.to_string().contains("no copy of"), "{refused}");
}

#[test]
fn a_repair_from_a_sister_that_is_killed_at_any_call_is_finished_by_the_next() {
    let (original, sister, files) = with_sister();
    damage(&original, &content_pack(&original), 300, 10);
    original.delete(&tree_pack(&original)).unwrap();
    damage(&original, &only(&original, names::DATA_KEYS), 60, 1);
    let failures: [fn(u64) -> Failure; 3] = [Failure::From, Failure::Once, Failure::Lost];
    for failure in failures {
        for call in 0.. {
            let store = copy_of(&original);
            let (repaired, calls) = repair_and_fail(&store, &sister, failure(call));
            let at = format!("{:?}", failure(call));
            let report = repair_from(&store, &sister, APPLY).unwrap_or_else(|error| panic!("{at}: {error}"));
            assert_eq!(report.lost, [], "{at}");
            assert_snapshots(&open(store.clone(), restarted()), &snapshots(1, &files));
            assert_whole(&store);
            if repaired.is_ok() && calls <= call {
                break;
            }
        }
    }
}

#[test]
fn a_snapshot_that_comes_back_counts_and_is_confirmed_whenever_the_repair_dies() {
    let (original, sister, files) = with_sister();
    let repository = open(original.clone(), alive());
    let entry = repository.snapshots().unwrap().remove(0);
    make_void(&repository, &entry);
    original.delete(&only(&original, names::SNAPSHOTS)).unwrap();
    // A pack that comes later than the snapshot, if it comes.
    original.delete(&content_pack(&original)).unwrap();
    for call in 0.. {
        let store = copy_of(&original);
        let (repaired, calls) = repair_and_fail(&store, &sister, Failure::From(call));
        let is_whole = named(&store, names::PACKS).len() == named(&sister, names::PACKS).len();
        let here = open(store.clone(), restarted()).snapshots().unwrap();
        let claims_to_be_whole = here.iter().any(|entry| !entry.unconfirmed);
        assert!(is_whole || !claims_to_be_whole, "call {call}: {repaired:?}");
        repair_from(&store, &sister, APPLY).unwrap();
        let entries = open(store.clone(), restarted()).snapshots().unwrap();
        assert_eq!((entries.len(), entries[0].unconfirmed), (1, false), "call {call}");
        assert_snapshots(&open(store.clone(), restarted()), &snapshots(1, &files));
        if repaired.is_ok() && calls <= call {
            break;
        }
    }
}

#[test]
fn a_data_key_that_opens_nothing_here_is_not_taken_from_a_sister() {
    let (store, sister, _) = with_sister();
    let full = open(store.clone(), restarted());
    let code = crate::keys::RecoveryCode::generate().unwrap().to_text().to_string();
    full.add_writer(&crate::keys::Secret::from_text(&code), "thief", 1, crate::repository::WriterMay::Nothing).unwrap();
    let thief = Repository::open(Arc::new(store.clone()), &crate::keys::Secret::from_text(&code), alive()).unwrap();
    let key = only(&store, names::DATA_KEYS);
    let session = names::parse_data_key(&key).unwrap().session;
    // Whoever has a writer's public keys can seal some key to them, and say that it is that of any session.
    let (_, forged) = thief.keys.new_data_key(session).unwrap();
    sister.delete(&key).unwrap();
    sister.put(&key, &crate::format::keys::encode_data_key(full.id(), &forged)).unwrap();
    store.delete(&key).unwrap();
    let report = repair_from(&store, &sister, APPLY).unwrap();
    assert_eq!(report.repaired, []);
    assert!(!store.names().contains(&key));
}

#[test]
fn a_thinned_copy_that_is_damaged_here_is_taken_from_whichever_pack_has_the_same() {
    let (store, _, _) = with_snapshot();
    let repository = open(store.clone(), restarted());
    let small: Files = (0..40).map(|n| (format!("s{n}"), crate::fixtures::seeded(100 + n, 9000))).collect();
    let second = back_up(&repository, 2, &small).unwrap().entry.id;
    let few: Files = small.iter().step_by(5).map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
    back_up(&repository, 3, &few).unwrap();
    repository.forget(second, 0).unwrap();
    repository.prune().unwrap();
    let sister = MemoryStore::default();
    let copy = repository.create_copy(Arc::new(sister.clone())).unwrap();
    copy.sync_from(&repository, &Unobserved).unwrap();
    let mut thinned = Vec::new();
    repository.index().unwrap().for_each_block(|_, place| thinned.extend(place.thinned.then_some(place))).unwrap();
    let place = thinned.into_iter().max_by_key(|place| place.stored_len).unwrap();
    damage(&store, &names::pack(place.pack, place.pack_session), place.offset as usize + 100, 10);
    let report = repair_from(&store, &sister, APPLY).unwrap();
    assert_eq!(report.lost, [], "{report:?}");
    assert!(report.repaired.iter().any(|repaired| repaired.means == Means::Sister), "{report:?}");
    let read = open(store, restarted());
    let entry = read.snapshots().unwrap().into_iter().find(|entry| entry.snapshot.sequence == 3).unwrap();
    assert_eq!(read_back(&read, &entry).unwrap(), few);
}

#[test]
fn a_damaged_record_of_removal_is_given_up_when_asked_and_then_what_it_explained() {
    let (store, _, files) = with_snapshot();
    let repository = open(store.clone(), restarted());
    let first = repository.snapshots().unwrap()[0].clone();
    let session = crate::session::Session::begin(&repository, crate::session::Sharing::Shared).unwrap();
    let (root, blocks) = crate::fixtures::store_files(&session, &files).unwrap();
    let mut draft = crate::fixtures::draft("data", 2, root, blocks);
    draft.snapshot.previous = Some(first.id);
    session.commit(draft).unwrap();
    repository.forget(first.id, 0).unwrap();
    repository.prune().unwrap();
    let record = only(&store, names::HISTORY);
    damage(&store, &record, 80, 1);
    assert!(open(store.clone(), restarted()).prune().is_err());
    assert!(open(store.clone(), restarted()).repair(APPLY).unwrap().repaired.is_empty());
    let report = open(store.clone(), restarted()).repair(ACCEPT).unwrap();
    assert!(report.repaired.contains(&Repaired { object: record, means: Means::GivenUp }), "{report:?}");
    let repository = open(store.clone(), restarted());
    assert!(matches!(repository.prune().map(drop), Err(crate::error::Error::HistoryGap { .. })));
    let source = repository.source_id_of(&first.snapshot);
    repository.accept_loss(crate::repository::SnapshotPlace { source, sequence: 1, id: first.id }).unwrap();
    repository.prune().unwrap();
    assert_snapshots(&open(store, restarted()), &[(2, files)].into());
}

#[test]
fn a_snapshot_that_cannot_be_read_is_given_up_by_its_id() {
    let (store, _, files) = with_snapshot();
    let repository = open(store.clone(), restarted());
    back_up(&repository, 2, &files).unwrap();
    let first = repository.snapshots().unwrap()[0].clone();
    let source = repository.source_id_of(&first.snapshot);
    damage(&store, &names::snapshot(source, 1, first.id), 200, 1);
    let repository = open(store.clone(), restarted());
    assert!(repository.prune().is_err());
    repository.accept_loss(crate::repository::SnapshotPlace { source, sequence: 1, id: first.id }).unwrap();
    repository.prune().unwrap();
    assert_snapshots(&repository, &[(2, files)].into());
    assert!(repository.removed().unwrap().was_here(first.id));
}

#[test]
fn a_slot_is_taken_from_a_sister_only_where_it_holds_the_same_secrets() {
    for is_rotated_apart in [false, true] {
        let (store, _, files) = with_sister();
        let text = crate::keys::RecoveryCode::generate().unwrap().to_text();
        let kit = || crate::keys::Secret::from_text(&text);
        let slot = open(store.clone(), restarted()).add_key(&kit(), "kit", 1).unwrap().id;
        let rotate = |store: &MemoryStore| {
            let taken = [kit()];
            let rest = crate::repository::OtherKeys::Remove;
            open(store.clone(), restarted()).rotate(&secret(), &taken, rest).unwrap();
        };
        let apart = copy_of(&store);
        rotate(&store);
        let sister = if is_rotated_apart { apart } else { copy_of(&store) };
        if is_rotated_apart {
            rotate(&sister);
        }
        let name = names::key_slot(slot, 1);
        store.damage(&name, |bytes| bytes[40] ^= 1);
        let damaged = store.read(&name, u64::MAX).unwrap();
        let _ = repair_from(&store, &sister, APPLY);
        assert_eq!(store.read(&name, u64::MAX).unwrap() == damaged, is_rotated_apart);
        if !is_rotated_apart {
            let opened = Repository::open(Arc::new(store.clone()), &kit(), restarted()).unwrap();
            assert_snapshots(&opened, &[(1, files)].into());
        }
    }
}

#[test]
fn a_void_snapshot_that_is_damaged_and_comes_back_without_all_that_it_needs_is_confirmed_by_nobody() {
    let (store, sister, _) = with_sister();
    let repository = open(store.clone(), alive());
    let entry = repository.snapshots().unwrap().remove(0);
    make_void(&repository, &entry);
    damage(&store, &only(&store, names::SNAPSHOTS), 100, 1);
    for place in [&store, &sister] {
        place.delete(&content_pack(place)).unwrap();
    }
    repair_from(&store, &sister, APPLY).unwrap();
    let here = open(store, restarted()).snapshots().unwrap();
    assert!(here.iter().all(|entry| entry.unconfirmed), "{here:?}");
}
