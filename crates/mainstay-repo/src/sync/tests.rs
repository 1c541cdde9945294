//! Synchronising two copies of a repository: what comes, what stays away, and that nothing on either side is lost by it.

mod arrivals;
mod beside;
mod crash;
mod fetching;
mod losses;
mod strangers;
mod void;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::fixtures::{
    Files, alive, assert_snapshots, back_up, copy_of, create, draft, files_of, named, open, process, read_back,
    restarted, secret, seeded, store_files,
};
use crate::id::SnapshotId;
use crate::keys::Secret;
use crate::prune::Unobserved;
use crate::repair::{OnLoss, RepairMode, RepairOptions};
use crate::repository::{OtherKeys, WriterMay};
use crate::session::{Session, Sharing};
use crate::store::MemoryStore;

/// Files that lie in one block.
fn small(seeds: impl IntoIterator<Item = u64>) -> Files {
    seeds.into_iter().map(|seed| (format!("{seed:04}"), seeded(seed, 4000))).collect()
}

fn sync(to: &MemoryStore, from: &MemoryStore) -> Result<SyncReport> {
    open(to.clone(), alive()).sync_from(&open(from.clone(), alive()), &Unobserved)
}

/// Backs up after the newest snapshot that is there, as a backup does.
fn back_up_next(store: &MemoryStore, sequence: u64, files: &Files) -> SnapshotId {
    let repository = open(store.clone(), alive());
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let (root, blocks) = store_files(&session, files).unwrap();
    let mut draft = draft("data", sequence, root, blocks);
    draft.snapshot.previous =
        session.listing().entries.iter().max_by_key(|entry| entry.snapshot.sequence).map(|entry| entry.id);
    session.commit(draft).unwrap().entry.id
}

fn forget_and_prune(store: &MemoryStore, id: SnapshotId) {
    let repository = open(store.clone(), alive());
    repository.forget(id, 0).unwrap();
    repository.prune().unwrap();
}

fn ids(report: &SyncReport) -> Vec<SnapshotId> {
    report.brought.iter().map(|place| place.id).collect()
}

/// A repository of two snapshots, an empty copy of it, and what the snapshots hold.
fn with_copy() -> (MemoryStore, MemoryStore, BTreeMap<u64, Files>) {
    let (there, here) = (MemoryStore::default(), MemoryStore::default());
    let repository = create(there.clone());
    let first = files_of(&[("a", 1, 300_000), ("b", 2, 20_000)]);
    let second = files_of(&[("a", 1, 300_000), ("c", 3, 100_000)]);
    back_up_next(&there, 1, &first);
    back_up_next(&there, 2, &second);
    repository.create_copy(Arc::new(here.clone())).unwrap();
    (there, here, [(1, first), (2, second)].into())
}

#[test]
fn an_empty_copy_becomes_what_the_repository_is() {
    let (there, here, kept) = with_copy();
    let before = there.names();
    let report = sync(&here, &there).unwrap();
    assert_eq!((report.brought.len(), report.present, report.left_out.len()), (2, 0, 0), "{report:?}");
    assert!(report.blocks > 0 && report.bytes > 10_000, "{report:?}");
    assert_snapshots(&open(here.clone(), restarted()), &kept);
    let but_leases = |names: Vec<String>| names.into_iter().filter(|name| !name.starts_with("coord/"));
    assert!(but_leases(there.names()).eq(but_leases(before)), "nothing was changed there");
    let names = but_leases(here.names()).collect::<Vec<_>>();
    let again = sync(&here, &there).unwrap();
    assert_eq!((again.brought.len(), again.present, again.blocks, again.bytes), (0, 2, 0, 0), "{again:?}");
    assert!(but_leases(here.names()).eq(names), "a second sync writes nothing");
    // It stands by itself.
    there.names().iter().for_each(|name| there.delete(name).unwrap());
    let repository = open(here.clone(), restarted());
    repository.prune().unwrap();
    assert_snapshots(&repository, &kept);
    assert_eq!(back_up(&repository, 3, &kept[&2]).unwrap().new_bytes, 0, "what came is found again");
}

#[test]
fn both_have_the_union_after_each_took_from_the_other() {
    let (one, other, mut kept) = with_copy();
    sync(&other, &one).unwrap();
    for (store, sequence, seed) in [(&one, 3, 30), (&other, 4, 40)] {
        let files = files_of(&[("a", 1, 300_000), ("new", seed, 50_000)]);
        back_up_next(store, sequence, &files);
        kept.insert(sequence, files);
    }
    for (to, from) in [(&one, &other), (&other, &one)] {
        assert_eq!(sync(to, from).unwrap().brought.len(), 1);
    }
    for store in [&one, &other] {
        let repository = open(store.clone(), restarted());
        assert_snapshots(&repository, &kept);
        repository.prune().unwrap();
        assert_snapshots(&repository, &kept);
    }
}

#[test]
fn blocks_that_both_have_thinned_in_their_own_ways_serve_the_snapshots_of_both() {
    let (one, other) = (MemoryStore::default(), MemoryStore::default());
    let repository = create(one.clone());
    let first = back_up_next(&one, 1, &small(0..40));
    let (even, odd) = (small((0..40).step_by(2)), small((1..40).step_by(2)));
    repository.create_copy(Arc::new(other.clone())).unwrap();
    sync(&other, &one).unwrap();
    back_up_next(&one, 2, &even);
    back_up_next(&other, 3, &odd);
    forget_and_prune(&one, first);
    forget_and_prune(&other, first);
    for (to, from) in [(&one, &other), (&other, &one)] {
        let report = sync(to, from).unwrap();
        assert_eq!((report.brought.len(), report.left_out.len()), (1, 0), "{report:?}");
    }
    let kept = BTreeMap::from([(2, even.clone()), (3, odd.clone())]);
    for store in [&one, &other] {
        let repository = open(store.clone(), restarted());
        for _ in 0..3 {
            assert_snapshots(&repository, &kept);
            repository.prune().unwrap();
        }
        let report = back_up(&repository, 4, &small(0..40)).unwrap();
        let entry = repository.snapshots().unwrap().into_iter().find(|entry| entry.id == report.entry.id).unwrap();
        assert_eq!(read_back(&repository, &entry).unwrap(), small(0..40));
        // Now one half goes.
        forget_and_prune(store, repository.snapshots().unwrap()[0].id);
        assert_snapshots(&open(store.clone(), restarted()), &[(3, odd.clone()), (4, small(0..40))].into());
        assert_eq!(sync(store, store).unwrap().blocks, 0);
    }
}

#[test]
fn a_snapshot_stays_away_of_which_a_block_is_lost_there_and_thinned_here() {
    let (there, here) = (MemoryStore::default(), MemoryStore::default());
    let repository = create(there.clone());
    let first = back_up_next(&there, 1, &small(0..40));
    let even = small((0..40).step_by(2));
    back_up_next(&there, 2, &even);
    repository.create_copy(Arc::new(here.clone())).unwrap();
    sync(&here, &there).unwrap();
    forget_and_prune(&here, first);
    let odd = back_up_next(&there, 3, &small((1..40).step_by(2)));
    let content = named(&there, "packs/").into_iter().max_by_key(|name| there.len(name).unwrap()).unwrap();
    there.delete(&content).unwrap();
    let accept = RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Accept };
    open(there.clone(), restarted()).repair(accept).unwrap();
    let report = sync(&here, &there).unwrap();
    let left_out: Vec<SnapshotId> = report.left_out.iter().map(|(place, _)| place.id).collect();
    assert_eq!((ids(&report), left_out), (vec![], vec![odd]));
    assert_snapshots(&open(here, restarted()), &[(2, even)].into());
}

#[test]
fn what_was_removed_here_stays_away_and_what_is_forgotten_there_does_not_come() {
    let (there, here, kept) = with_copy();
    sync(&here, &there).unwrap();
    let first = open(here.clone(), alive()).snapshots().unwrap()[0].id;
    forget_and_prune(&here, first);
    let report = sync(&here, &there).unwrap();
    assert_eq!((ids(&report).len(), report.removed.len(), report.present), (0, 1, 1), "{report:?}");
    let third = back_up_next(&there, 3, &small(0..3));
    open(there.clone(), alive()).forget(third, 0).unwrap();
    let fourth = back_up_next(&there, 4, &small(3..6));
    let report = sync(&here, &there).unwrap();
    assert_eq!((ids(&report), report.forgotten), (vec![fourth], 1), "{report:?}");
    let repository = open(here, restarted());
    // The fourth was made after the third, which is not here: that is no gap.
    repository.prune().unwrap();
    assert_snapshots(&repository, &[(2, kept[&2].clone()), (4, small(3..6))].into());
}

#[test]
fn a_snapshot_that_was_not_here_may_come_later_though_it_was_known_to_be_elsewhere() {
    let (there, here, kept) = with_copy();
    let archive = copy_of(&there);
    let first = open(there.clone(), alive()).snapshots().unwrap()[0].id;
    forget_and_prune(&there, first);
    assert_eq!(sync(&here, &there).unwrap().brought.len(), 1);
    assert!(open(here.clone(), alive()).removed().unwrap().contains(first), "its absence is explained");
    assert_eq!(ids(&sync(&here, &archive).unwrap()), [first]);
    assert_snapshots(&open(here.clone(), restarted()), &kept);
    // Removed here it does not come again.
    forget_and_prune(&here, first);
    let report = sync(&here, &archive).unwrap();
    assert_eq!((report.brought.len(), report.removed.len()), (0, 1), "{report:?}");
}

#[test]
fn a_data_key_that_was_deleted_here_comes_under_another_name_and_opens() {
    let (there, here) = (MemoryStore::default(), MemoryStore::default());
    let repository = create(there.clone());
    let first = back_up_next(&there, 1, &small(0..20));
    repository.create_copy(Arc::new(here.clone())).unwrap();
    sync(&here, &there).unwrap();
    back_up_next(&here, 2, &small(100..104));
    forget_and_prune(&here, first);
    open(here.clone(), restarted()).prune().unwrap();
    let keys = named(&here, names::DATA_KEYS);
    assert_eq!(keys.len(), 1, "the first session has nothing here any more: {keys:?}");
    // A later snapshot there refers to what the first one stored.
    back_up_next(&there, 3, &small(0..20));
    let report = sync(&here, &there).unwrap();
    assert_eq!((report.brought.len(), report.removed.len()), (1, 1), "{report:?}");
    let carried = named(&here, names::DATA_KEYS).into_iter().filter(|name| name.contains('-'));
    assert_eq!(carried.count(), 2, "the key of the blocks and that of the snapshot");
    let kept = BTreeMap::from([(2, small(100..104)), (3, small(0..20))]);
    for _ in 0..3 {
        let repository = open(here.clone(), restarted());
        assert_snapshots(&repository, &kept);
        repository.prune().unwrap();
    }
    assert_eq!(named(&here, names::DATA_KEYS).len(), 3);
}

#[test]
fn keys_are_wrapped_by_the_secrets_of_the_copy_that_they_come_to() {
    for is_rotated_here in [true, false] {
        let (there, here, kept) = with_copy();
        let full = open(there.clone(), alive());
        let writer = full.add_writer(&Secret::from_text("agent"), "agent", 1, WriterMay::List).unwrap();
        let agent = Repository::open(Arc::new(there.clone()), &Secret::from_text("agent"), alive()).unwrap();
        assert_eq!(agent.own_slot(), writer.id);
        back_up(&agent, 7, &small(0..5)).unwrap();
        let rotated = if is_rotated_here { &here } else { &there };
        open(rotated.clone(), alive()).rotate(&secret(), &[], OtherKeys::Refuse).unwrap();
        assert_eq!(sync(&here, &there).unwrap().brought.len(), 3);
        let repository = open(here.clone(), restarted());
        for entry in repository.snapshots().unwrap() {
            let expected =
                if entry.snapshot.sequence == 7 { small(0..5) } else { kept[&entry.snapshot.sequence].clone() };
            assert_eq!(read_back(&repository, &entry).unwrap(), expected);
        }
        repository.prune().unwrap();
        assert!(repository.damaged_small_objects().unwrap().is_empty());
    }
}

#[test]
fn what_is_damaged_there_is_left_out_and_the_rest_comes() {
    let (there, here, kept) = with_copy();
    let third = files_of(&[("d", 4, 200_000)]);
    back_up_next(&there, 3, &third);
    let newest = open(there.clone(), alive());
    let entry = newest.snapshots().unwrap().pop().unwrap();
    let index = newest.index().unwrap();
    let block =
        newest.references(&entry).unwrap().iter().find(|block| block.session == entry.snapshot.session).unwrap();
    let place = index.find_block(block).unwrap().unwrap();
    let pack = names::pack(place.pack, place.pack_session);
    let whole = there.read(&pack, u64::MAX).unwrap();
    there.damage(&pack, |bytes| bytes[place.offset as usize + 60] ^= 1);
    let report = sync(&here, &there).unwrap();
    assert_eq!((report.brought.len(), report.left_out.len()), (2, 1), "{report:?}");
    assert!(matches!(report.left_out[0].1, Error::BlockMissing { .. }), "{report:?}");
    assert_snapshots(&open(here.clone(), restarted()), &kept);
    open(here.clone(), restarted()).prune().unwrap();
    there.delete(&pack).unwrap();
    there.put(&pack, &whole).unwrap();
    assert_eq!(sync(&here, &there).unwrap().brought.len(), 1);
    assert_snapshots(&open(here, restarted()), &kept.into_iter().chain([(3, third)]).collect());
}

#[test]
fn a_snapshot_of_which_blocks_are_gone_here_is_completed() {
    let (there, here, kept) = with_copy();
    sync(&here, &there).unwrap();
    let pack = named(&here, names::PACKS).into_iter().max_by_key(|name| here.len(name).unwrap()).unwrap();
    here.delete(&pack).unwrap();
    let report = sync(&here, &there).unwrap();
    assert!(!report.completed.is_empty() && report.blocks > 0, "{report:?}");
    let repository = open(here, restarted());
    assert_snapshots(&repository, &kept);
    repository.prune().unwrap();
    assert_snapshots(&repository, &kept);
}

#[test]
fn independent_copies_stay_apart() {
    let (there, here, _) = with_copy();
    let repository = open(there.clone(), alive());
    let session = Session::begin(&repository, Sharing::Independent).unwrap();
    let (root, blocks) = store_files(&session, &files_of(&[("a", 1, 300_000)])).unwrap();
    let mut draft = draft("data", 3, root, blocks);
    draft.snapshot.independent = true;
    let independent = session.commit(draft).unwrap().entry;
    sync(&here, &there).unwrap();
    let repository = open(here, restarted());
    let own = repository.references(&independent).unwrap();
    for pack in repository.list_packs().unwrap() {
        let listing = repository.read_pack_listing(&pack).unwrap();
        let count = listing.rows.iter().filter(|row| own.contains(row.block)).count();
        assert!(count == 0 || count == listing.rows.len(), "{count} of {} blocks", listing.rows.len());
    }
}

#[test]
fn only_a_full_key_and_only_the_same_repository() {
    let (there, here, _) = with_copy();
    let stranger = MemoryStore::default();
    create(stranger.clone());
    let other = Repository::create(Arc::new(MemoryStore::default()), &secret(), "another", alive(), 5).unwrap();
    let error = open(here.clone(), alive()).sync_from(&other, &Unobserved).unwrap_err();
    assert!(error.to_string().contains("no copy of"), "{error}");
    let full = open(there.clone(), alive());
    full.add_writer(&Secret::from_text("agent"), "agent", 1, WriterMay::List).unwrap();
    let agent = Repository::open(Arc::new(there.clone()), &Secret::from_text("agent"), alive()).unwrap();
    assert!(matches!(agent.sync_from(&full, &Unobserved), Err(Error::NotAllowed { .. })));
    assert!(matches!(open(here.clone(), alive()).sync_from(&agent, &Unobserved), Err(Error::NotAllowed { .. })));
    assert!(matches!(full.create_copy(Arc::new(here)).map(drop), Err(Error::Occupied { .. })));
}

#[test]
fn what_is_damaged_here_comes_again() {
    for folder in [names::SNAPSHOTS, names::DATA_KEYS] {
        for is_rotated in [false, true] {
            let (there, here, kept) = with_copy();
            sync(&here, &there).unwrap();
            if is_rotated {
                open(there.clone(), alive()).rotate(&secret(), &[], OtherKeys::Refuse).unwrap();
            }
            let name = named(&here, folder).remove(0);
            here.damage(&name, |bytes| bytes[60] ^= 1);
            let report = sync(&here, &there).unwrap();
            assert_eq!(report.left_out.len(), 0, "{name}: {report:?}");
            let repository = open(here.clone(), restarted());
            assert_snapshots(&repository, &kept);
            let apply = RepairOptions { mode: RepairMode::Apply, on_loss: OnLoss::Keep };
            repository.repair(apply).unwrap();
            assert!(repository.damaged_small_objects().unwrap().is_empty(), "{name}");
            repository.prune().unwrap();
            assert_snapshots(&repository, &kept);
        }
    }
}

#[test]
fn a_snapshot_that_needs_a_doomed_pack_there_comes_whole_to_a_copy_that_has_a_part() {
    let (there, here) = (MemoryStore::default(), MemoryStore::default());
    let repository = create(there.clone());
    let all = small(0..24);
    let first = back_up_next(&there, 1, &all);
    repository.create_copy(Arc::new(here.clone())).unwrap();
    let few = small((0..24).step_by(6));
    let second = back_up_next(&there, 2, &few);
    // A long backup there has found everything of the first snapshot, which is pruned meanwhile; the packs wait for it.
    let long = open(there.clone(), process(2, Some(1)));
    let session = Session::begin(&long, Sharing::Shared).unwrap();
    let (root, blocks) = store_files(&session, &all).unwrap();
    forget_and_prune(&there, first);
    // Here only the thinned copies come.
    assert_eq!(ids(&sync(&here, &there).unwrap()), [second]);
    let mut late = draft("data", 3, root, blocks);
    late.snapshot.previous = Some(second);
    session.commit(late).unwrap();
    let report = sync(&here, &there).unwrap();
    assert_eq!((report.brought.len(), report.left_out.len()), (1, 0), "{report:?}");
    let kept = BTreeMap::from([(2, few), (3, all)]);
    for store in [&there, &here] {
        let repository = open(store.clone(), restarted());
        for _ in 0..3 {
            assert_snapshots(&repository, &kept);
            repository.prune().unwrap();
        }
    }
}

#[test]
fn a_chain_of_records_that_leads_to_itself_ends() {
    let (there, here, _) = with_copy();
    let entries = open(there.clone(), alive()).snapshots().unwrap();
    let third = back_up_next(&there, 3, &small(0..2));
    let repository = open(there.clone(), alive());
    let place = |entry: &crate::repository::SnapshotEntry| {
        (repository.source_id_of(&entry.snapshot), entry.snapshot.sequence, entry.id)
    };
    let record = |of: &crate::repository::SnapshotEntry, previous: SnapshotId| {
        let (source, sequence, id) = place(of);
        crate::format::history::RemovedSnapshot { source, sequence, id, previous: Some(previous), elsewhere: None }
    };
    let circle = vec![record(&entries[0], entries[1].id), record(&entries[1], entries[0].id)];
    repository.record(circle).unwrap();
    for entry in &entries {
        let (source, sequence, id) = place(entry);
        there.delete(&names::snapshot(source, sequence, id)).unwrap();
    }
    assert_eq!(ids(&sync(&here, &there).unwrap()), [third]);
}

#[test]
fn what_has_come_from_elsewhere_is_missed_again_when_it_is_gone() {
    let (there, here, _) = with_copy();
    let archive = copy_of(&there);
    let first = open(there.clone(), alive()).snapshots().unwrap()[0].clone();
    forget_and_prune(&there, first.id);
    sync(&here, &there).unwrap();
    sync(&here, &archive).unwrap();
    let repository = open(here.clone(), alive());
    repository.require_whole_history().unwrap();
    here.delete(&names::snapshot(repository.source_id_of(&first.snapshot), 1, first.id)).unwrap();
    assert!(matches!(repository.prune().map(drop), Err(Error::HistoryGap { .. })));
    assert_eq!(ids(&sync(&here, &archive).unwrap()), [first.id]);
    repository.prune().unwrap();
}

#[test]
fn the_slots_of_a_creation_that_was_cut_short_do_not_outlive_their_removal() {
    let (there, _, _) = with_copy();
    let full = open(there.clone(), alive());
    let guest = Secret::from_text("guest");
    let slot = full.add_key(&guest, "guest", 1).unwrap();
    let here = MemoryStore::default();
    here.prepare().unwrap();
    for name in named(&there, names::KEY_SLOTS) {
        here.put(&name, &there.read(&name, u64::MAX).unwrap()).unwrap();
    }
    full.remove_key(slot.id).unwrap();
    full.create_copy(Arc::new(here.clone())).unwrap();
    assert!(Repository::open(Arc::new(here), &guest, alive()).is_err());
}
