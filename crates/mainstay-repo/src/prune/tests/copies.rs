//! Packs that are in the store twice, as after a prune that was killed: the good copy stays.

use super::*;
use crate::index::{NewRows, write_tables};

/// Gives each pack a second one with the same bytes.
fn copy_packs(store: &MemoryStore, repository: &Repository, is_named: bool) {
    let mut rows = NewRows::default();
    for (number, pack) in (1..).zip(repository.list_packs().unwrap()) {
        let listing = repository.read_pack_listing(&pack).unwrap();
        let copy = PackId([number; 32]);
        store.put(&names::pack(copy, listing.session), &store.read(&pack.name, u64::MAX).unwrap()).unwrap();
        rows.add_pack((copy, listing.session), listing.len, &listing.rows);
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
        repository.prune().unwrap();
        assert_snapshots(&repository, &[(2, kept)].into());
    }
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
