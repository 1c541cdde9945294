//! Blocks of which a part is needed: the rest is taken out of them, and what is needed stays what and where it was.

use std::ops::Range;
use std::sync::Arc;

use super::*;
use crate::fixtures::{FailingStore, Failure, back_up_as, chunk_id, draft, process, put_condemned, store_files};
use crate::format::block::{BlockKind, ChunkTable};
use crate::id::ChunkId;
use crate::index::{NewRows, write_tables};
use crate::prune::thin::{Thinning, plan_thinning};
use crate::session::{Draft, Presence};

/// Small files that do not compress, in one block; the name says which seed.
pub fn small(seeds: impl IntoIterator<Item = u64>) -> Files {
    seeds.into_iter().map(|seed| (format!("{seed:04}"), seeded(seed, 4000))).collect()
}

fn stored_bytes(store: &MemoryStore) -> u64 {
    named(store, "packs/").iter().map(|name| store.len(name).unwrap()).sum()
}

pub fn thinned_blocks(repository: &Repository) -> usize {
    let mut count = 0;
    repository.index().unwrap().for_each_block(|_, place| count += usize::from(place.thinned)).unwrap();
    count
}

/// Two hundred small files, of which a second snapshot needs every fourth; the first snapshot is forgotten.
fn interleaved() -> (MemoryStore, Repository, Files) {
    let (store, repository) = new_repository();
    let kept = small((0..200).step_by(4));
    back_up(&repository, 1, &small(0..200)).unwrap();
    back_up(&repository, 2, &kept).unwrap();
    forget(&repository, 1);
    (store, repository, kept)
}

#[test]
fn a_prune_frees_files_that_lie_between_files_that_stay() {
    let (store, repository, kept) = interleaved();
    let before = stored_bytes(&store);
    let planned = repository.plan_prune().unwrap().freed_bytes();
    repository.prune().unwrap();
    let freed = before - stored_bytes(&store);
    assert!(freed > before * 7 / 10, "{freed} of {before} bytes were freed, three quarters are dead");
    assert!(planned.abs_diff(freed) < before / 20, "{planned} bytes were planned, {freed} freed");
    assert!(thinned_blocks(&repository) > 0);
    assert_snapshots(&repository, &[(2, kept)].into());
    assert_eq!(garbage(&store), [""; 0]);
}

#[test]
fn a_second_prune_finds_nothing_more_to_free() {
    let (store, repository, _) = interleaved();
    repository.prune().unwrap();
    let before = named(&store, "packs/");
    let report = repository.prune().unwrap();
    assert!(report.plan.repack.is_empty() && report.plan.delete.is_empty(), "{:?}", report.plan);
    assert_eq!(named(&store, "packs/"), before);
}

#[test]
fn a_chunk_that_was_taken_out_is_stored_again_when_it_comes_back() {
    let (_store, repository, kept) = interleaved();
    repository.prune().unwrap();
    let all = small(0..200);
    let report = back_up(&repository, 3, &all).unwrap();
    assert!(report.new_bytes >= 150 * 4000, "{} bytes were stored again", report.new_bytes);
    assert!(report.duplicate_bytes >= 50 * 4000, "{} bytes were found", report.duplicate_bytes);
    assert_snapshots(&repository, &[(2, kept), (3, all)].into());
}

#[test]
fn a_block_can_be_thinned_again_and_again() {
    let (store, repository) = new_repository();
    let mut expected = Files::new();
    for (sequence, step) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16)] {
        expected = small((0..240).step_by(step));
        back_up(&repository, sequence, &expected).unwrap();
        if sequence > 1 {
            forget(&repository, sequence - 1);
            repository.prune().unwrap();
        }
        assert_snapshots(&repository, &[(sequence, expected.clone())].into());
    }
    let bytes: usize = expected.values().map(Vec::len).sum();
    assert!(stored_bytes(&store) < bytes as u64 * 3 / 2, "{} bytes for {bytes}", stored_bytes(&store));
    assert_eq!(garbage(&store), [""; 0]);
}

#[test]
fn what_two_snapshots_need_of_one_block_stays() {
    let (_store, repository) = new_repository();
    let (third, fifth) = (small((0..200).step_by(3)), small((0..200).step_by(5)));
    back_up(&repository, 1, &small(0..200)).unwrap();
    back_up(&repository, 2, &third).unwrap();
    back_up_as(&repository, 3, &fifth, Sharing::Shared).unwrap();
    forget(&repository, 1);
    repository.prune().unwrap();
    assert_snapshots(&repository, &[(2, third), (3, fifth)].into());
}

#[test]
fn a_thinned_copy_never_stands_for_a_whole_one() {
    let (store, repository, kept) = interleaved();
    let old = copy_of(&store);
    repository.prune().unwrap();
    // As if the prune had died and somebody had indexed its packs: both copies are there and both have their tables.
    for name in named(&old, "packs/").into_iter().filter(|name| !store.names().contains(name)) {
        store.put(&name, &old.read(&name, u64::MAX).unwrap()).unwrap();
    }
    named(&store, names::HISTORY).iter().for_each(|name| store.delete(name).unwrap());
    let mut rows = NewRows::default();
    for object in repository.list_packs().unwrap() {
        let listing = repository.read_pack_listing(&object).unwrap();
        rows.add_pack(listing.named(), &listing.rows);
    }
    let whole = rows.blocks.iter().find(|(_, place)| place.kind == BlockKind::Content && !place.thinned).unwrap();
    let (block, whole) = *whole;
    assert!(rows.blocks.iter().any(|(id, place)| *id == block && place.thinned), "both copies are there");
    let (thinned, others): (Vec<_>, Vec<_>) = rows.blocks.into_iter().partition(|(_, place)| place.thinned);
    for blocks in [thinned, others] {
        let rows = NewRows { blocks, packs: rows.packs.clone(), ..NewRows::default() };
        write_tables(&*repository.store, &repository.keys, rows, &[]).unwrap();
    }
    assert_eq!(repository.index().unwrap().find_block(block).unwrap(), Some(whole));
    let all = small(0..200);
    back_up(&repository, 3, &all).unwrap();
    assert_snapshots(&repository, &[(2, kept.clone()), (3, all.clone())].into());
    repository.prune().unwrap();
    assert_snapshots(&repository, &[(2, kept), (3, all)].into());
    assert_eq!(repository.index().unwrap().find_block(block).unwrap().map(|place| place.thinned), Some(false));
}

#[test]
fn a_tree_that_cannot_be_read_keeps_blocks_whole() {
    let (store, repository, _) = interleaved();
    let index = repository.index().unwrap();
    let mut trees = Vec::new();
    index
        .for_each_block(|_, place| {
            if place.kind == BlockKind::Tree {
                trees.push(place);
            }
        })
        .unwrap();
    for place in trees {
        let at = place.offset as usize + 60;
        store.damage(&names::pack(place.pack, place.pack_session), |bytes| bytes[at] ^= 1);
    }
    let plan = repository.plan_prune().unwrap();
    assert!(plan.keep.iter().all(|pack| pack.live_bytes > pack.len / 2), "{plan:?}");
}

fn table(lens: &[u32]) -> ChunkTable {
    ChunkTable { chunks: lens.iter().zip(1..).map(|(len, number)| (chunk_id(number), *len)).collect() }
}

fn only(range: Range<u32>) -> [Range<u32>; 1] {
    [range]
}

fn planned(lens: &[u32], living: &[Range<u32>]) -> Option<Thinning> {
    plan_thinning(&table(lens), living)
}

#[test]
fn neighbours_stay_together_and_what_is_between_becomes_one_gap() {
    let thinning = planned(&[1000, 1000, 1000, 1000, 1000], &[0..1000, 3000..5000]).unwrap();
    assert_eq!(thinning.map.kept, [0..1000, 3000..5000]);
    assert_eq!((thinning.before, thinning.after, thinning.map.raw_len), (5000, 3000, 5000));
    let gaps: Vec<u32> =
        thinning.table.chunks.iter().filter(|(id, _)| *id == ChunkId::TAKEN_OUT).map(|(_, len)| *len).collect();
    assert_eq!(gaps, [2000]);
    assert_eq!(thinning.table.raw_len(), 5000);
    assert_eq!(thinning.saved(1000), 400);
}

#[test]
fn a_chunk_of_which_one_byte_is_needed_stays_whole() {
    let thinning = planned(&[1000, 1000, 1000], &only(1999..2000)).unwrap();
    assert_eq!(thinning.map.kept, only(1000..2000));
}

#[test]
fn a_block_is_left_alone_when_thinning_gains_too_little() {
    assert_eq!(planned(&[1000, 1000], &only(0..2000)), None, "nothing is dead");
    assert_eq!(planned(&[100_000, 1000], &only(0..100_000)), None, "a hundredth is dead");
    let lens = [10; 1000];
    let every_other: Vec<Range<u32>> = (0..500).map(|number| number * 20..number * 20 + 10).collect();
    assert_eq!(planned(&lens, &every_other), None, "the map would be longer than what it saves");
}

#[test]
fn nothing_that_was_taken_out_comes_back() {
    let once = planned(&[1000, 1000, 1000, 1000], &only(0..2000)).unwrap();
    let twice = plan_thinning(&once.table, &only(1000..4000)).unwrap();
    assert_eq!(twice.map.kept, only(1000..2000));
    assert_eq!((twice.before, twice.after), (2000, 1000));
}

/// Forty small files; two snapshots need every second and every fourth of them, and the first, of all, is forgotten.
fn three_snapshots(beside: &Files) -> (MemoryStore, Repository) {
    let (store, repository) = new_repository();
    let with = |files: Files| files.into_iter().chain(beside.clone()).collect::<Files>();
    back_up(&repository, 1, &with(small(0..40))).unwrap();
    back_up(&repository, 2, &with(small((0..40).step_by(2)))).unwrap();
    back_up(&repository, 3, &small((0..40).step_by(4))).unwrap();
    forget(&repository, 1);
    (store, repository)
}

#[test]
fn rows_of_a_copy_that_a_killed_prune_made_never_count_for_a_later_one() {
    let (original, _) = three_snapshots(&Files::new());
    let healthy = FailingStore::new(copy_of(&original), Failure::Never);
    open(healthy.clone(), alive()).prune().unwrap();
    for number in 20..healthy.calls() {
        let store = copy_of(&original);
        let dying = FailingStore::new(store.clone(), Failure::From(number));
        let _ =
            Repository::open(Arc::new(dying), &crate::fixtures::secret(), alive()).map(|repository| repository.prune());
        let repository = open(store, restarted());
        // It indexes what the prune has left.
        back_up(&repository, 4, &small([900])).unwrap();
        forget(&repository, 2);
        repository.prune().unwrap();
        let all = small(0..40);
        back_up(&repository, 5, &all).unwrap();
        let kept = small((0..40).step_by(4));
        assert_snapshots(&repository, &[(3, kept), (4, small([900])), (5, all)].into());
    }
}

#[test]
fn rows_of_a_copy_beside_a_damaged_block_never_count_for_a_later_one() {
    let (store, repository) = three_snapshots(&[("large".to_owned(), seeded(7, 1_000_000))].into());
    let mut places = Vec::new();
    repository.index().unwrap().for_each_block(|_, place| places.push(place)).unwrap();
    let large = places.into_iter().max_by_key(|place| place.stored_len).unwrap();
    store.damage(&names::pack(large.pack, large.pack_session), |bytes| bytes[large.offset as usize + 100] ^= 1);
    assert_eq!(repository.prune().unwrap().left.len(), 1, "both copies stay");
    forget(&repository, 2);
    repository.prune().unwrap();
    let all = small(0..40);
    back_up(&repository, 4, &all).unwrap();
    assert_snapshots(&repository, &[(3, small((0..40).step_by(4))), (4, all)].into());
}

#[test]
fn a_whole_copy_that_no_table_names_is_not_given_up_for_a_thinned_one() {
    let (store, repository, kept) = interleaved();
    let old = copy_of(&store);
    let rewritten = repository.prune().unwrap().plan.repack;
    // As if the prune had died before it condemned what it had rewritten; a backup indexes that and refers to it.
    for pack in &rewritten {
        let name = names::pack(pack.id, pack.session);
        store.put(&name, &old.read(&name, u64::MAX).unwrap()).unwrap();
    }
    named(&store, names::HISTORY).iter().for_each(|name| store.delete(name).unwrap());
    let all = small(0..200);
    assert!(back_up(&repository, 3, &all).unwrap().new_bytes < 100_000, "only the whole copy holds all files");
    // The table that names the whole copy is gone.
    let is_whole = |table: &&crate::index::Table| table.packs().iter().any(|pack| pack.id == rewritten[0].id);
    for table in repository.index().unwrap().blocks.iter().filter(is_whole) {
        store.delete(&names::table(names::TableKind::Blocks, table.id())).unwrap();
    }
    let repository = open(store, restarted());
    repository.prune().unwrap();
    assert_snapshots(&repository, &[(2, kept), (3, all)].into());
}

#[test]
fn the_rows_of_a_collector_that_slept_never_count_for_a_copy_that_another_thinned() {
    let (original, repository) = three_snapshots(&Files::new());
    let slept = copy_of(&original);
    open(slept.clone(), alive()).prune().unwrap();
    // Another one takes it for gone, knows one snapshot less, and thins the same block in another way.
    forget(&repository, 2);
    repository.prune().unwrap();
    let thinned_packs = |store: &MemoryStore| {
        let mut packs = std::collections::BTreeSet::new();
        let index = open(store.clone(), alive()).index().unwrap();
        index.for_each_block(|_, place| packs.extend(place.thinned.then_some(place.pack))).unwrap();
        packs
    };
    let (theirs, own) = (thinned_packs(&slept), thinned_packs(&original));
    assert!(!theirs.is_empty() && !own.is_empty() && theirs.is_disjoint(&own), "the case is not what it should be");
    // Then the first one wakes and puts its tables.
    for name in named(&slept, "index/").into_iter().filter(|name| !original.names().contains(name)) {
        original.put(&name, &slept.read(&name, u64::MAX).unwrap()).unwrap();
    }
    let repository = open(original, restarted());
    let (all, kept) = (small(0..40), small((0..40).step_by(4)));
    back_up(&repository, 4, &all).unwrap();
    assert_snapshots(&repository, &[(3, kept.clone()), (4, all.clone())].into());
    repository.prune().unwrap();
    assert_snapshots(&repository, &[(3, kept), (4, all)].into());
}

/// A long backup finds all files; meanwhile the first snapshot goes, and the blocks that both need are thinned in packs that wait for
/// it. Answers the session's draft.
fn begun_before_the_thinning<'r>(repository: &'r Repository, all: &Files) -> (Session<'r>, Draft) {
    let session = Session::begin(repository, Sharing::Shared).unwrap();
    let (root, blocks) = store_files(&session, all).unwrap();
    (session, draft("data", 3, root, blocks))
}

#[test]
fn a_backup_that_goes_on_from_a_snapshot_saves_what_only_a_doomed_pack_has() {
    let (store, repository, kept) = interleaved();
    let all = small(0..200);
    let long = open(store.clone(), process(2, Some(1)));
    let (session, late) = begun_before_the_thinning(&long, &all);
    repository.prune().unwrap();
    let parent = session.commit(late).unwrap().entry;
    // The lists of that prune did not know this snapshot. Whoever goes on from it names them, so that they do not wait for him.
    let next = open(store.clone(), process(3, Some(1)));
    let session = Session::begin(&next, Sharing::Shared).unwrap();
    repository.forget(parent.id, 0).unwrap();
    repository.prune().unwrap();
    let blocks = next.references(&parent).unwrap();
    let mut believed = draft("data", 4, parent.snapshot.root.clone(), blocks);
    believed.presence = Presence::Believed;
    believed.snapshot.parent = Some(parent.id);
    match session.commit(believed) {
        // What it needs may be gone by now, and then it must not be confirmed.
        Err(error) => assert!(matches!(error, Error::BlockMissing { .. }), "{error}"),
        Ok(_) => assert_snapshots(&open(store.clone(), restarted()), &[(2, kept), (4, all)].into()),
    }
}

#[test]
fn what_a_prune_moves_while_a_backup_relies_on_it_is_not_missing() {
    let (store, repository, kept) = interleaved();
    let all = small(0..200);
    // Any list will do: from now on backups look twice.
    put_condemned(
        &store,
        &repository,
        &Condemned {
            id: TableId([0x0c; 16]),
            packs: vec![CondemnedPack { id: PackId([9; 32]), session: crate::fixtures::session_id(9) }],
            snapshots: Vec::new(),
            considered: Vec::new(),
            keys: Vec::new(),
        },
    );
    let long = open(store.clone(), process(2, Some(1)));
    let (session, late) = begun_before_the_thinning(&long, &all);
    repository.prune().unwrap();
    session.commit(late).unwrap();
    assert_snapshots(&open(store.clone(), restarted()), &[(2, kept.clone()), (3, all.clone())].into());
    open(store.clone(), restarted()).prune().unwrap();
    assert_snapshots(&open(store, restarted()), &[(2, kept), (3, all)].into());
}
