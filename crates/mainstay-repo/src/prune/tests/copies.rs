//! Packs that are in the store twice, as after a prune that was killed: the good copy stays.

use super::once::{flip, sparse_pack};
use super::*;
use crate::format::table::TablePack;
use crate::index::{NewRows, write_tables};

/// Gives each pack a second one with the same bytes.
fn copy_packs(store: &MemoryStore, repository: &Repository, is_named: bool) {
    let mut rows = NewRows::default();
    for (number, pack) in (1..).zip(repository.list_packs().unwrap()) {
        let listing = repository.read_pack_listing(&pack).unwrap();
        let copy = PackId([number; 32]);
        store.put(&names::pack(copy, listing.session), &store.read(&pack.name, u64::MAX).unwrap()).unwrap();
        rows.add_pack(TablePack { id: copy, ..listing.named() }, &listing.rows);
    }
    if is_named {
        write_tables(store, &repository.keys, rows, &[]).unwrap();
    }
}

/// The packs that the index leads to.
fn counted_packs(repository: &Repository) -> HashSet<String> {
    let index = repository.index().unwrap();
    let mut blocks = Vec::new();
    index.for_each_block(|block, _| blocks.push(block)).unwrap();
    let places = blocks.into_iter().map(|block| index.find_block(block).unwrap().unwrap());
    places.map(|place| names::pack(place.pack, place.pack_session)).collect()
}

#[test]
fn the_only_good_copy_of_a_block_stays_wherever_the_index_leads() {
    for is_named in [true, false] {
        let (store, repository, kept) = half_dead();
        copy_packs(&store, &repository, is_named);
        for pack in counted_packs(&repository) {
            store.damage(&pack, |bytes| bytes.iter_mut().skip(200).step_by(50).for_each(|byte| *byte ^= 1));
        }
        let repository = open(store.clone(), restarted());
        for _ in 0..3 {
            repository.prune().unwrap();
            assert_snapshots(&repository, &[(2, kept.clone())].into());
        }
    }
}

#[test]
fn the_only_good_copy_stays_though_its_pack_cannot_say_what_is_in_it() {
    let (store, repository, kept) = half_dead();
    copy_packs(&store, &repository, true);
    let counted = counted_packs(&repository);
    for pack in named(&store, names::PACKS) {
        store.damage(&pack, |bytes| {
            // The block of the one, the footer of the other.
            let first = if counted.contains(&pack) { 200 } else { bytes.len() - 20 };
            bytes.iter_mut().skip(first).step_by(50).for_each(|byte| *byte ^= 1);
        });
    }
    let repository = open(store.clone(), restarted());
    for _ in 0..3 {
        repository.prune().unwrap();
        assert_snapshots(&repository, &[(2, kept.clone())].into());
    }
}

#[test]
fn a_pack_that_was_left_stays_when_what_was_moved_rots() {
    let (store, repository, damaged, mut kept) = sparse_pack();
    flip(&store, damaged);
    assert_eq!(repository.prune().unwrap().left.len(), 1);
    kept.retain(|_, bytes| bytes.len() < 10_000);
    back_up(&repository, 3, &kept).unwrap();
    forget(&repository, 2);
    let index = repository.index().unwrap();
    let needed = repository.references(repository.snapshots().unwrap().last().unwrap()).unwrap();
    let places = needed.iter().map(|block| index.find_block(block).unwrap().unwrap());
    let moved: Vec<_> = places.filter(|place| place.thinned).collect();
    assert_eq!(moved.len(), 1);
    flip(&store, moved[0]);
    let repository = open(store.clone(), restarted());
    for _ in 0..3 {
        repository.prune().unwrap();
        assert_snapshots(&repository, &[(3, kept.clone())].into());
    }
    // Repaired, it is all that is needed.
    flip(&store, moved[0]);
    repository.prune().unwrap();
    assert!(!store.names().contains(&names::pack(damaged.pack, damaged.pack_session)));
    assert_snapshots(&repository, &[(3, kept)].into());
}

#[test]
fn a_second_copy_of_what_is_whole_goes() {
    for is_named in [true, false] {
        let (store, repository, kept) = half_dead();
        copy_packs(&store, &repository, is_named);
        let before = named(&store, names::PACKS).len();
        let repository = open(store.clone(), restarted());
        repository.prune().unwrap();
        assert!(named(&store, names::PACKS).len() <= before / 2, "{is_named}");
        assert_snapshots(&repository, &[(2, kept)].into());
    }
}
