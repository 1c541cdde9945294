//! Packs that are gone: what was stored again since makes the snapshots of before whole, and nothing is made up.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::copies::another_secret;
use super::*;
use crate::fixtures::beside::{another, at_each_call, within};
use crate::fixtures::{back_up_as, seeded};
use crate::id::{ChunkId, DomainId};
use crate::index::{ChunkPlace, NewRows, begin_chunk_table, write_tables};
use crate::repository::WriterMay;
use crate::session::Sharing;

/// A repository whose only pack of content is gone, and whose losses are noted.
fn gone() -> (MemoryStore, Repository, Files, String) {
    let (store, repository, files) = with_snapshot();
    let content = content_pack(&store);
    store.delete(&content).unwrap();
    let report = repository.repair(APPLY).unwrap();
    assert_eq!((report.repaired.len(), report.lost.len()), (0, 1), "{report:?}");
    assert_eq!(report.lost[0].object, content);
    (store, repository, files, content)
}

/// The same, after a backup of the same files; the snapshots as they were.
pub fn gone_and_stored_again() -> (MemoryStore, BTreeMap<u64, Files>) {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let files = files_of(&[("a", 1, 600_000), ("b", 2, 20_000)]);
    back_up(&repository, 1, &files).unwrap();
    store.delete(&content_pack(&store)).unwrap();
    assert_eq!(open(store.clone(), restarted()).repair(APPLY).unwrap().lost.len(), 1);
    back_up(&repository, 2, &files).unwrap();
    (store, [(1, files.clone()), (2, files)].into())
}

/// Every row of a chunk in any of these blocks.
fn rows_of(repository: &Repository, blocks: &[BlockId]) -> Vec<(ChunkId, ChunkPlace)> {
    let (mut rows, blocks) = (Vec::new(), blocks.iter().copied().collect());
    repository.index().unwrap().for_each_chunk_of(&blocks, |chunk, place| rows.push((chunk, place))).unwrap();
    rows
}

/// Shown and done are the same; answers what was done.
fn shown_and_applied(repository: &Repository) -> RepairReport {
    let shown = repository.repair(SHOW).unwrap();
    let report = repository.repair(APPLY).unwrap();
    assert_eq!((&shown.repaired, &shown.lost), (&report.repaired, &report.lost));
    report
}

/// Nothing is lost or to be repaired any more, before and after a prune.
fn assert_sound(store: &MemoryStore, expected: &BTreeMap<u64, Files>) {
    let repository = open(store.clone(), restarted());
    assert_eq!(named(store, "losses/"), [""; 0]);
    for _ in 0..2 {
        assert_snapshots(&repository, expected);
        let before = everything(store);
        let report = repository.repair(APPLY).unwrap();
        assert_eq!((report.repaired, report.lost, report.written_bytes), (Vec::new(), Vec::new(), 0));
        assert!(everything(store) == before, "there was nothing to do");
        repository.prune().unwrap();
    }
    assert_whole(store);
}

#[test]
fn a_pack_that_is_gone_is_put_together_from_what_was_stored_again() {
    let (store, repository, files, content) = gone();
    assert!(back_up(&repository, 2, &files).unwrap().new_bytes > 0);
    let but_for_leases = |store: &MemoryStore| {
        let all = everything(store).into_iter();
        all.filter(|(name, _)| !name.starts_with("coord/")).collect::<Vec<_>>()
    };
    let before = but_for_leases(&store);
    assert_eq!(means(&repository.repair(SHOW).unwrap()), [(content.as_str(), Means::Chunks)]);
    assert!(but_for_leases(&store) == before, "showing changes nothing");
    let report = shown_and_applied(&repository);
    assert_eq!(means(&report), [(content.as_str(), Means::Chunks)]);
    assert!(report.lost.is_empty() && report.written_bytes > 0);
    assert_sound(&store, &[(1, files.clone()), (2, files)].into());
}

#[test]
fn trees_that_are_gone_are_put_together_from_what_was_stored_again() {
    let (store, repository, files) = with_snapshot();
    let trees = tree_pack(&store);
    store.delete(&trees).unwrap();
    assert_eq!(repository.repair(APPLY).unwrap().lost[0].object, trees);
    back_up(&repository, 2, &files).unwrap();
    assert_eq!(means(&shown_and_applied(&repository)), [(trees.as_str(), Means::Chunks)]);
    assert_sound(&store, &[(1, files.clone()), (2, files)].into());
}

#[test]
fn what_is_stored_elsewhere_already_needs_no_other_backup() {
    let (store, repository, files) = with_snapshot();
    let content = content_pack(&store);
    back_up_as(&repository, 2, &files, Sharing::Independent).unwrap();
    store.delete(&content).unwrap();
    assert_eq!(means(&shown_and_applied(&repository)), [(content.as_str(), Means::Chunks)]);
    assert_sound(&store, &[(1, files.clone()), (2, files)].into());
}

#[test]
fn a_pack_that_was_cut_is_put_together_as_well() {
    let (store, repository, files) = with_snapshot();
    let content = content_pack(&store);
    store.damage(&content, |bytes| bytes.truncate(100));
    assert_eq!(repository.repair(APPLY).unwrap().lost[0].object, content);
    back_up(&repository, 2, &files).unwrap();
    assert_eq!(means(&shown_and_applied(&repository)), [(content.as_str(), Means::Chunks)]);
    assert!(!store.names().contains(&content));
    assert_sound(&store, &[(1, files.clone()), (2, files)].into());
}

#[test]
fn of_a_source_that_has_changed_just_that_stays_lost_which_is_not_there() {
    let (store, repository, files, content) = gone();
    let lost = repository.known_losses().unwrap().blocks;
    assert!(lost.len() > 1, "{lost:?}");
    let mut changed = files.clone();
    changed.insert("file 4".to_owned(), seeded(77, 500_000));
    back_up(&repository, 2, &changed).unwrap();
    // The blocks that have something of the file as it was.
    let id = |data: &[u8]| repository.keys.content_id(data);
    let is_old = |(chunk, _): &(ChunkId, ChunkPlace)| *chunk == id(&files["file 4"]);
    let rows = rows_of(&repository, &lost.iter().collect::<Vec<_>>());
    let expected: Vec<BlockId> = rows.into_iter().filter(is_old).map(|(_, place)| place.block).collect();
    let report = shown_and_applied(&repository);
    assert_eq!(
        report.lost.iter().map(|loss| (&loss.object, &loss.blocks)).collect::<Vec<_>>(),
        [(&content, &expected)]
    );
    assert_eq!(repository.known_losses().unwrap().blocks.iter().collect::<Vec<_>>(), expected);
    assert_eq!(report.repaired, [], "the pack still lacks something");
    assert!(report.written_bytes > 0);
    assert_eq!(shown_and_applied(&repository).lost[0].blocks, expected);
    // The file comes back.
    back_up(&repository, 3, &files).unwrap();
    assert_eq!(means(&shown_and_applied(&repository)), [(content.as_str(), Means::Chunks)]);
    assert_sound(&store, &[(1, files.clone()), (2, changed), (3, files)].into());
}

/// Small files that do not compress, in one block.
fn small(seeds: impl IntoIterator<Item = u64>) -> Files {
    seeds.into_iter().map(|seed| (format!("{seed:04}"), seeded(seed, 4000))).collect()
}

#[test]
fn a_block_that_was_thinned_before_is_put_together_as_far_as_it_was_there() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let kept = small((0..80).step_by(4));
    back_up(&repository, 1, &small(0..80)).unwrap();
    back_up(&repository, 2, &kept).unwrap();
    let first = repository.snapshots().unwrap().remove(0);
    repository.forget(first.id, 0).unwrap();
    repository.prune().unwrap();
    let mut is_thinned = false;
    repository.index().unwrap().for_each_block(|_, place| is_thinned |= place.thinned).unwrap();
    assert!(is_thinned);
    let content = content_pack(&store);
    store.delete(&content).unwrap();
    assert_eq!(repository.repair(APPLY).unwrap().lost[0].object, content);
    back_up(&repository, 3, &kept).unwrap();
    assert_eq!(means(&shown_and_applied(&repository)), [(content.as_str(), Means::Chunks)]);
    assert_sound(&store, &[(2, kept.clone()), (3, kept)].into());
}

#[test]
fn many_backups_and_their_merges_leave_what_is_needed_for_it() {
    for is_repaired_before in [true, false] {
        let (store, repository, files) = with_snapshot();
        let content = content_pack(&store);
        store.delete(&content).unwrap();
        if is_repaired_before {
            assert_eq!(repository.repair(APPLY).unwrap().lost.len(), 1);
        }
        let mut expected = snapshots(1, &files);
        for sequence in 2..=22 {
            let mut files = files.clone();
            files.insert("new".to_owned(), seeded(1000 + sequence, 3000));
            back_up(&repository, sequence, &files).unwrap();
            expected.insert(sequence, files);
        }
        assert!(repository.index().unwrap().chunks.len() < 20, "some were merged");
        assert_eq!(means(&shown_and_applied(&repository)), [(content.as_str(), Means::Chunks)]);
        assert_snapshots(&repository, &expected);
    }
}

/// Writes other tables of chunks in the place of all: these rows and the others.
fn replace_rows(repository: &Repository, change: impl Fn(&mut Vec<(ChunkId, ChunkPlace)>)) {
    let mut blocks = Vec::new();
    repository.index().unwrap().for_each_block(|block, _| blocks.push(block)).unwrap();
    let mut rows = rows_of(repository, &blocks);
    change(&mut rows);
    let tables = repository.store.list("index/c-").unwrap();
    for (chunk, place) in rows {
        let rows = NewRows { chunks: vec![(chunk, place)], ..NewRows::default() };
        write_tables(&*repository.store, &repository.keys, rows, &[]).unwrap();
    }
    tables.iter().for_each(|table| repository.store.delete(&table.name).unwrap());
}

#[test]
fn rows_that_do_not_tell_all_that_is_needed_or_contradict_each_other_bring_nothing_back() {
    let (store, repository, files, _) = gone();
    back_up(&repository, 2, &files).unwrap();
    let lost: Vec<BlockId> = repository.known_losses().unwrap().blocks.iter().collect();
    let block = lost[0];
    let of_block = |(_, place): &(ChunkId, ChunkPlace)| place.block == block;
    let last = rows_of(&repository, &[block]).into_iter().max_by_key(|(_, place)| place.offset).unwrap();
    let first = rows_of(&repository, &[block]).into_iter().min_by_key(|(_, place)| place.offset).unwrap();
    assert!(first.1.offset == 0 && last.1.offset > 0);
    type Change<'c> = Box<dyn Fn(&mut Vec<(ChunkId, ChunkPlace)>) + 'c>;
    let changes: [(&str, Change<'_>); 5] = [
        ("the last chunk is not told of", Box::new(|rows| rows.retain(|row| *row != last))),
        ("the first chunk is not told of", Box::new(|rows| rows.retain(|row| *row != first))),
        ("another chunk is said to be there", Box::new(|rows| rows.push((last.0, first.1)))),
        ("one overlaps it", Box::new(|rows| rows.push((first.0, ChunkPlace { offset: 1, ..first.1 })))),
        ("one ends beyond all blocks", {
            Box::new(|rows| rows.push((first.0, ChunkPlace { offset: u32::MAX - 5, ..first.1 })))
        }),
    ];
    for (what, change) in changes {
        let store = copy_of(&store);
        let repository = open(store.clone(), restarted());
        replace_rows(&repository, |rows| {
            assert!(rows.iter().any(of_block));
            change(rows);
        });
        let report = shown_and_applied(&repository);
        assert_eq!(report.lost.iter().flat_map(|loss| loss.blocks.clone()).collect::<Vec<_>>(), [block], "{what}");
        let second = repository.snapshots().unwrap().pop().unwrap();
        assert!(read_back(&repository, &second).unwrap() == files, "{what}");
    }
}

#[test]
fn a_chunk_that_is_not_what_its_row_says_is_not_taken() {
    let (store, repository, files, content) = gone();
    back_up(&repository, 2, &files).unwrap();
    let lost: Vec<BlockId> = repository.known_losses().unwrap().blocks.iter().collect();
    let old = rows_of(&repository, &lost).remove(0);
    // Its other place is said to be where another chunk is, or to be of another length.
    for change in [|place: &mut ChunkPlace| place.offset += 1, |place: &mut ChunkPlace| place.len -= 1] {
        let store = copy_of(&store);
        let repository = open(store.clone(), restarted());
        replace_rows(&repository, |rows| {
            let elsewhere = rows.iter_mut().filter(|(id, place)| *id == old.0 && !lost.contains(&place.block));
            elsewhere.for_each(|(_, place)| change(place));
        });
        let report = shown_and_applied(&repository);
        assert_eq!(report.lost[0].object, content);
        assert_eq!(report.lost[0].blocks, [old.1.block]);
    }
}

#[test]
fn what_a_writer_stored_is_put_together_by_the_tables_of_its_own_domain_alone() {
    let store = MemoryStore::default();
    let secret = another_secret();
    create(store.clone()).add_writer(&secret, "agent", 1, WriterMay::Nothing).unwrap();
    let agent = || Repository::open(Arc::new(store.clone()), &secret, alive()).unwrap();
    let files = some_files();
    back_up(&agent(), 1, &files).unwrap();
    let content = content_pack(&store);
    store.delete(&content).unwrap();
    let full = open(store.clone(), alive());
    assert_eq!(full.repair(APPLY).unwrap().lost[0].object, content);
    back_up(&agent(), 2, &files).unwrap();
    // Somebody in another domain says that another chunk was there.
    let lost: Vec<BlockId> = full.known_losses().unwrap().blocks.iter().collect();
    let (_, place) = rows_of(&full, &lost[..1]).remove(0);
    assert_ne!(full.keys.domain_of(place.block.session), DomainId::MAIN);
    let mut table = begin_chunk_table(&store, &full.keys, DomainId::MAIN, 1).unwrap();
    table.name(vec![place.block.session], Vec::new(), std::iter::empty()).unwrap();
    table.push_chunk(&crate::fixtures::chunk_id(5), &place).unwrap();
    table.finish(&[]).unwrap();
    assert_eq!(means(&shown_and_applied(&full)), [(content.as_str(), Means::Chunks)]);
    assert_sound(&store, &[(1, files.clone()), (2, files)].into());
}

#[test]
fn a_snapshot_whose_trees_cannot_be_read_keeps_what_it_needs_lost() {
    let (store, repository, files) = with_snapshot();
    let (content, trees) = (content_pack(&store), tree_pack(&store));
    let other = files_of(&[("other", 9, 300_000)]);
    back_up(&repository, 2, &other).unwrap();
    store.delete(&content).unwrap();
    store.delete(&trees).unwrap();
    repository.repair(APPLY).unwrap();
    // Content comes back in other blocks, so the trees do not.
    back_up(&repository, 3, &files).unwrap();
    let report = shown_and_applied(&repository);
    let lost: HashSet<&str> = report.lost.iter().map(|loss| loss.object.as_str()).collect();
    assert_eq!(lost, [content.as_str(), trees.as_str()].into());
    assert_eq!(report.repaired, []);
    let entries = repository.snapshots().unwrap();
    let read = |sequence: u64| entries.iter().find(|entry| entry.snapshot.sequence == sequence).unwrap();
    assert!(read_back(&repository, read(2)).unwrap() == other && read_back(&repository, read(3)).unwrap() == files);
}

#[test]
fn nothing_is_put_together_beside_a_writer_who_may_need_more_of_it() {
    at_each_call(|call| {
        let store = MemoryStore::default();
        let repository = create(store.clone());
        let (all, most) = (small(0..40), small(0..39));
        back_up(&repository, 1, &all).unwrap();
        back_up(&repository, 2, &most).unwrap();
        let first = repository.snapshots().unwrap().remove(0);
        repository.forget(first.id, 0).unwrap();
        repository.prune().unwrap();
        let content = content_pack(&store);
        back_up_as(&repository, 3, &most, Sharing::Independent).unwrap();
        // The last small file is in the block still, and no snapshot needs it; the writer finds it there.
        let meanwhile = move |store: &MemoryStore| {
            store.delete(&content).unwrap();
            drop(another(store).repair(APPLY).unwrap());
        };
        let (backed, inner) = within(&store, call, |repository| back_up(repository, 4, &all).is_ok(), meanwhile);
        let repository = open(store.clone(), restarted());
        let is_whole = repository.repair(APPLY).unwrap().lost.is_empty();
        let mut expected: BTreeMap<u64, Files> = [(2, most.clone()), (3, most)].into();
        if backed {
            expected.insert(4, all);
        }
        let entries = repository.snapshots().unwrap();
        assert_eq!(entries.len(), expected.len(), "call {call}");
        for entry in entries.iter().filter(|_| is_whole) {
            let read = read_back(&repository, entry);
            let read = read.unwrap_or_else(|error| panic!("call {call}: {}: {error}", entry.snapshot.sequence));
            assert!(read == expected[&entry.snapshot.sequence], "call {call}");
        }
        assert!(is_whole || backed, "call {call}: what no snapshot needs is no loss");
        inner.is_some()
    });
}

#[test]
fn a_backup_and_putting_together_at_once_take_nothing_from_each_other() {
    for is_repair_outside in [true, false] {
        at_each_call(|call| {
            let (store, mut expected) = gone_and_stored_again();
            let more = files_of(&[("a", 1, 600_000), ("b", 2, 20_000), ("c", 3, 5000)]);
            let backup = |repository: &Repository, files: &Files| back_up(repository, 3, files).unwrap();
            let files = more.clone();
            let is_done = if is_repair_outside {
                let meanwhile = move |store: &MemoryStore| drop(backup(&another(store), &files));
                within(&store, call, |repository| drop(repository.repair(APPLY).unwrap()), meanwhile).1.is_some()
            } else {
                let meanwhile = |store: &MemoryStore| drop(another(store).repair(APPLY).unwrap());
                within(&store, call, |repository| drop(backup(repository, &files)), meanwhile).1.is_some()
            };
            if is_done || !is_repair_outside {
                expected.insert(3, more);
            }
            let repository = open(store.clone(), restarted());
            assert_eq!(repository.repair(APPLY).unwrap().lost, [], "call {call}");
            assert_snapshots(&repository, &expected);
            repository.prune().unwrap();
            assert_snapshots(&repository, &expected);
            is_done
        });
    }
}
