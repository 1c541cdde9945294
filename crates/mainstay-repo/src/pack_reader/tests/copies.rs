//! Blocks of which there is more than one copy: as long as one is good, the block is read.

use super::*;
use crate::fixtures::{Files, copy_of, open, restarted, seeded};
use crate::format::table::TablePack;
use crate::id::{ChunkId, PackId};
use crate::index::{NewRows, write_tables};
use crate::store::{Call, Store};

/// Whether a table names the second copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    ByTable,
    ByNobody,
}

/// A repository with two copies of each pack. Which of two that are named counts is left to chance.
fn with_copies(named_by: Named) -> (MemoryStore, Repository) {
    let (store, repository) = repository_with_packs();
    let mut rows = NewRows::default();
    for (number, (object, listing)) in (1..).zip(listings(&repository)) {
        let copy = names::pack(PackId([number; 32]), listing.session);
        store.put(&copy, &store.read(&object.name, u64::MAX).unwrap()).unwrap();
        rows.add_pack(TablePack { id: PackId([number; 32]), ..listing.named() }, &listing.rows);
    }
    if named_by == Named::ByTable {
        write_tables(&store, &repository.keys, rows, &[]).unwrap();
    }
    (store, repository)
}

/// The packs that the index leads to.
fn chosen_packs(repository: &Repository) -> Vec<String> {
    let index = repository.index().unwrap();
    let mut chosen = Vec::new();
    index.for_each_block(|block, _| chosen.push(block)).unwrap();
    let places = chosen.into_iter().map(|block| index.find_block(block).unwrap().unwrap());
    let mut chosen: Vec<String> = places.map(|place| names::pack(place.pack, place.pack_session)).collect();
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

/// Everything that can happen to a pack.
type Damage = (&'static str, fn(&MemoryStore, &str));

const DAMAGES: [Damage; 4] = [
    ("gone", |store, name| store.delete(name).unwrap()),
    ("cut", |store, name| store.damage(name, |bytes| bytes.truncate(50))),
    ("noise", |store, name| store.damage(name, |bytes| bytes.fill(0x5a))),
    ("every tenth byte", |store, name| {
        store.damage(name, |bytes| bytes.iter_mut().step_by(10).for_each(|byte| *byte ^= 1))
    }),
];

#[test]
fn a_block_is_read_from_another_pack_when_the_one_in_the_index_is_not_good() {
    for named_by in [Named::ByTable, Named::ByNobody] {
        for (what, damage) in DAMAGES {
            let (store, repository) = with_copies(named_by);
            chosen_packs(&repository).iter().for_each(|name| damage(&store, name));
            read_all(&repository).unwrap_or_else(|error| panic!("{named_by:?}, {what}: {error}"));
        }
    }
}

#[test]
fn an_error_is_about_the_copy_that_the_index_leads_to() {
    for named_by in [Named::ByTable, Named::ByNobody] {
        let (store, repository) = with_copies(named_by);
        let chosen = chosen_packs(&repository);
        for name in named(&store, "packs/") {
            if chosen.contains(&name) {
                store.delete(&name).unwrap();
            } else {
                store.damage(&name, |bytes| bytes.iter_mut().skip(100).step_by(10).for_each(|byte| *byte ^= 1));
            }
        }
        let error = read_all(&repository).unwrap_err();
        assert!(matches!(&error, Error::Missing { name, .. } if chosen.contains(name)), "{named_by:?}: {error}");
    }
}

#[test]
fn packs_are_listed_once_however_many_threads_look_for_copies() {
    let (store, repository) = with_copies(Named::ByNobody);
    chosen_packs(&repository).iter().for_each(|name| store.delete(name).unwrap());
    let index = repository.index().unwrap();
    let reader = repository.block_reader(&index);
    let mut blocks = Vec::new();
    index.for_each_block(|block, place| blocks.push((block, place.kind))).unwrap();
    store.take_calls();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for (block, kind) in &blocks {
                    reader.read_into((*block, *kind), 0..1, &mut Vec::new(), &mut OpenBlock::default()).unwrap();
                }
            });
        }
    });
    let is_list = |call: &&Call| matches!(call, Call::List(_));
    assert_eq!(store.take_calls().iter().filter(is_list).count(), 1);
}

#[test]
fn copies_that_the_index_names_are_looked_at_without_a_list_of_packs() {
    let (store, repository) = with_copies(Named::ByTable);
    chosen_packs(&repository).iter().for_each(|name| store.delete(name).unwrap());
    store.take_calls();
    read_all(&repository).unwrap();
    assert!(!store.take_calls().contains(&Call::List(names::PACKS.to_owned())));
}

#[test]
fn a_store_that_does_not_answer_is_not_taken_for_damage() {
    let (store, repository) = with_copies(Named::ByTable);
    let failing = crate::fixtures::FailingStore::new(store, crate::fixtures::Failure::Never);
    let over = open(failing.clone(), restarted());
    let index = over.index().unwrap();
    let reader = over.block_reader(&index);
    let (block, kind) = listings(&repository).remove(0).1.rows.first().map(|row| (row.block, row.kind)).unwrap();
    // The index is in memory after this one.
    reader.locate(block).unwrap();
    failing.kill();
    assert_eq!(reader.read(block, kind, 0..1).map(drop).map_err(|error| error.kind()), Err(Kind::Unavailable));
}

/// Two stores with a block that was thinned: one as it was before the prune, and one as it is after it. And what a file that
/// stayed and one that was taken out are.
fn before_and_after_thinning() -> (MemoryStore, MemoryStore, [ChunkId; 2]) {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let files =
        |step| -> Files { (0..40).step_by(step).map(|seed| (format!("{seed:02}"), seeded(seed, 4000))).collect() };
    back_up(&repository, 1, &files(1)).unwrap();
    back_up(&repository, 2, &files(4)).unwrap();
    let before = copy_of(&store);
    repository.forget(repository.snapshots().unwrap()[0].id, 0).unwrap();
    repository.prune().unwrap();
    (before, store, [0, 1].map(|seed| repository.keys.content_id(&seeded(seed, 4000))))
}

fn put_missing(from: &MemoryStore, to: &MemoryStore, prefix: &str) {
    for name in named(from, prefix).into_iter().filter(|name| !to.names().contains(name)) {
        to.put(&name, &from.read(&name, u64::MAX).unwrap()).unwrap();
    }
}

#[test]
fn a_thinned_copy_stands_in_for_what_it_has_and_for_nothing_else() {
    let (before, after, [kept, taken]) = before_and_after_thinning();
    put_missing(&after, &before, "packs/");
    let repository = open(before.clone(), restarted());
    let index = repository.index().unwrap();
    let [kept, taken] = [kept, taken].map(|id| index.find_chunk(&id).unwrap().unwrap());
    assert_eq!(kept.block, taken.block);
    let whole = index.find_block(kept.block).unwrap().unwrap();
    before.damage(&names::pack(whole.pack, whole.pack_session), |bytes| bytes[whole.offset as usize + 60] ^= 1);
    let reader = repository.block_reader(&index);
    let bytes = |place: crate::index::ChunkPlace| place.offset..place.offset + place.len;
    for _ in 0..2 {
        let error = reader.read(taken.block, BlockKind::Content, bytes(taken)).unwrap_err();
        assert!(error.to_string().contains("seal does not match"), "{error}");
        let plain = reader.read(kept.block, BlockKind::Content, bytes(kept)).unwrap();
        assert_eq!(plain.range(kept.block, kept.offset, kept.len).unwrap(), seeded(0, 4000));
    }
}

#[test]
fn what_a_thinned_copy_lacks_is_read_from_a_whole_one_that_no_table_names() {
    let (before, after, [kept, taken]) = before_and_after_thinning();
    let places = open(before.clone(), restarted()).index().unwrap();
    let [kept, taken] = [kept, taken].map(|id| places.find_chunk(&id).unwrap().unwrap());
    put_missing(&before, &after, "packs/");
    let repository = open(after, restarted());
    let index = repository.index().unwrap();
    assert!(index.find_block(taken.block).unwrap().unwrap().thinned);
    let reader = repository.block_reader(&index);
    for (seed, place) in [(0, kept), (1, taken), (0, kept)] {
        let plain = reader.read(place.block, BlockKind::Content, place.offset..place.offset + place.len).unwrap();
        assert_eq!(plain.range(place.block, place.offset, place.len).unwrap(), seeded(seed, 4000));
    }
}

/// Writes a table that says of every block that it was thinned, in place of the others.
fn misname_copies(store: &MemoryStore, repository: &Repository) {
    let index = repository.index().unwrap();
    let mut rows = NewRows::default();
    rows.packs.extend(index.packs().into_values().map(|pack| (pack.id, pack.len)));
    index.for_each_block(|block, place| rows.blocks.push((block, BlockPlace { thinned: true, ..place }))).unwrap();
    write_tables(store, &repository.keys, rows, &index.block_tables()).unwrap();
}

#[test]
fn a_whole_copy_where_a_row_says_thinned_is_no_good_copy() {
    let (store, repository) = repository_with_packs();
    let row = listings(&repository).remove(0).1.rows[0];
    let mut stored = vec![0; row.stored_len as usize];
    let index = repository.index().unwrap();
    let reader = repository.block_reader(&index);
    let place = index.find_block(row.block).unwrap().unwrap();
    let mut open = |thinned| {
        reader.read_range(&place, place.offset.into(), &mut stored).unwrap();
        reader.open(Expected { thinned, ..Expected::from(&row) }, &mut stored, &mut OpenBlock::default())
    };
    open(false).unwrap();
    let error = open(true).unwrap_err();
    assert_eq!(error.kind(), Kind::Corrupt);
    assert!(error.to_string().contains("expected a thinned copy, got a whole copy"), "{error}");
    misname_copies(&store, &repository);
    // The index is wrong about each block, and the packs themselves are not.
    read_all(&repository).unwrap();
    let index = repository.index().unwrap();
    let alone = repository.block_reader(&index).without_other_copies();
    let error = alone.read(row.block, row.kind, 0..0).unwrap_err();
    assert!(error.to_string().contains("expected a thinned copy"), "{error}");
}
