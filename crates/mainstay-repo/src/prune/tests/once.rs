//! What a prune does once and not again.

use super::thinning::small;
use super::*;
use crate::index::BlockPlace;
use crate::store::Call;

/// A pack with a block that is needed, one that is needed in part, and a dead one; the place of the first, and the files that
/// are needed.
pub fn sparse_pack() -> (MemoryStore, Repository, BlockPlace, Files) {
    let (store, repository) = new_repository();
    let with_large = |files: Files| files.into_iter().chain(files_of(&[("a", 1, 600_000)])).collect::<Files>();
    let kept = with_large(small((0..200).step_by(4)));
    let dead = files_of(&[("b", 2, 600_000)]);
    back_up(&repository, 1, &with_large(small(0..200)).into_iter().chain(dead).collect()).unwrap();
    back_up(&repository, 2, &kept).unwrap();
    forget(&repository, 1);
    let sparse = repository.plan_prune().unwrap().repack;
    assert_eq!(sparse.len(), 1);
    let needed = repository.references(&repository.snapshots().unwrap()[1]).unwrap();
    let mut places = Vec::new();
    let index = repository.index().unwrap();
    index
        .for_each_block(|block, place| {
            if place.pack == sparse[0].id && needed.contains(block) {
                places.push(place);
            }
        })
        .unwrap();
    assert_eq!(places.len(), 2);
    // Of the large file a few thousand bytes do not compress.
    let large = places.into_iter().min_by_key(|place| place.stored_len).unwrap();
    (store, repository, large, kept)
}

pub fn flip(store: &MemoryStore, place: BlockPlace) {
    let at = place.offset as usize + 100;
    store.damage(&names::pack(place.pack, place.pack_session), |bytes| bytes[at] ^= 1);
}

#[test]
fn a_pack_that_was_left_for_damage_is_not_rewritten_again() {
    let (store, repository, damaged, kept) = sparse_pack();
    flip(&store, damaged);
    let first = repository.prune().unwrap();
    assert_eq!((first.left.len(), first.reasons.len()), (1, 1));
    assert!(first.repacked_bytes > 0, "the other block was moved");
    for prune in 2..5 {
        store.take_calls();
        let report = repository.prune().unwrap();
        let calls = store.take_calls();
        let is_written = |call: &&Call| matches!(call, Call::Put(name) if !name.starts_with(names::LEASES));
        assert_eq!(calls.iter().find(is_written), None, "prune {prune}");
        let pack = names::pack(damaged.pack, damaged.pack_session);
        let of_pack = |call: &&Call| matches!(call, Call::Read { name, offset, .. } if *name == pack && *offset > 0);
        assert!(calls.iter().filter(of_pack).count() < 7, "footer, directory, two times the tables, one block");
        assert!(report.plan.is_empty() && report.left.is_empty(), "prune {prune}: {report:?}");
    }
    // Repaired, it is worth it.
    flip(&store, damaged);
    assert_eq!(repository.prune().unwrap().plan.repack.len(), 1);
    assert_snapshots(&repository, &[(2, kept)].into());
    assert_eq!(garbage(&store), [""; 0]);
}

#[test]
fn a_pack_that_was_left_for_damage_goes_when_the_damaged_block_is_dead() {
    let (store, repository, damaged, kept) = sparse_pack();
    flip(&store, damaged);
    repository.prune().unwrap();
    let index = repository.index().unwrap();
    let mut block = None;
    index.for_each_block(|id, place| block = block.or((place == damaged).then_some(id))).unwrap();
    let entry = &repository.snapshots().unwrap()[0];
    assert!(repository.references(entry).unwrap().contains(block.unwrap()));
    forget(&repository, 2);
    let empty = Files::new();
    back_up(&repository, 3, &empty).unwrap();
    repository.prune().unwrap();
    assert!(!store.names().contains(&names::pack(damaged.pack, damaged.pack_session)));
    assert_snapshots(&repository, &[(3, empty)].into());
    assert_eq!(garbage(&store), [""; 0]);
    back_up(&repository, 4, &kept).unwrap();
    assert_snapshots(&repository, &[(3, Files::new()), (4, kept)].into());
}

#[test]
fn tables_that_are_lost_bring_no_block_back_whose_key_is_gone() {
    let (store, repository) = new_repository();
    let large = Files::from([("a".to_owned(), seeded(9001, 300_000))]);
    let with_large = |step| small((0..200).step_by(step)).into_iter().chain(large.clone()).collect::<Files>();
    // Blocks of two sessions come into one pack.
    let dead = [("b".to_owned(), seeded(9002, 1_000_000))];
    back_up(&repository, 1, &large.clone().into_iter().chain(dead).collect()).unwrap();
    back_up(&repository, 2, &small(0..200)).unwrap();
    back_up(&repository, 3, &with_large(2)).unwrap();
    (1..3).for_each(|sequence| forget(&repository, sequence));
    repository.prune().unwrap();
    // That of the one is damaged; that of the other is moved, and dies in its new place.
    let index = repository.index().unwrap();
    let mut places = Vec::new();
    index.for_each_block(|_, place| places.push(place)).unwrap();
    let both = places.iter().find(|place| place.thinned && place.stored_len > 100_000).unwrap().pack;
    let in_both: Vec<BlockPlace> = places.into_iter().filter(|place| place.pack == both).collect();
    assert_eq!(in_both.len(), 2);
    let damaged = in_both.into_iter().min_by_key(|place| place.stored_len).unwrap();
    flip(&store, damaged);
    back_up(&repository, 4, &with_large(4)).unwrap();
    forget(&repository, 3);
    assert_eq!(repository.prune().unwrap().left.len(), 1);
    back_up(&repository, 5, &large).unwrap();
    forget(&repository, 4);
    repository.prune().unwrap();
    named(&store, names::INDEX).iter().for_each(|name| store.delete(name).unwrap());
    let later = open(store.clone(), restarted());
    let again = small((0..200).step_by(2));
    back_up(&later, 6, &again).unwrap();
    flip(&store, damaged);
    assert_snapshots(&later, &[(5, large), (6, again)].into());
}

#[test]
fn a_prune_reads_the_pages_of_each_table_of_chunks_once() {
    let (store, repository, kept) = half_dead();
    let tables = named(&store, "index/c-");
    store.take_calls();
    repository.prune().unwrap();
    let calls = store.take_calls();
    for table in tables {
        let first_page = |call: &&Call| matches!(call, Call::Read { name, offset: 64, .. } if *name == table);
        assert_eq!(calls.iter().filter(first_page).count(), 1, "{table}");
    }
    assert_snapshots(&repository, &[(2, kept)].into());
}

#[test]
fn the_blocks_of_a_pack_are_never_divided_between_tables() {
    let (store, repository) = new_repository();
    for sequence in 1..6 {
        let all = small(sequence * 1000..sequence * 1000 + 900);
        back_up(&repository, sequence * 2, &all).unwrap();
        let kept = all.into_iter().step_by(2).collect();
        back_up(&repository, sequence * 2 + 1, &kept).unwrap();
        forget(&repository, sequence * 2);
    }
    let whole: Files = (0..9).map(|number| (format!("{number}"), crate::fixtures::sparse(number, 600_000))).collect();
    back_up(&repository, 20, &whole).unwrap();
    let before = named(&store, "index/b-");
    repository.prune().unwrap();
    let index = repository.index().unwrap();
    assert!(index.blocks.len() > 1, "rows became a table before the end");
    assert!(named(&store, "index/b-").iter().all(|name| !before.contains(name)), "all old tables are gone");
    let packs: usize = index.blocks.iter().map(|table| table.packs().len()).sum();
    assert_eq!(packs, index.packs().len(), "a pack is named by two tables");
}
