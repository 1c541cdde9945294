//! What a stranger puts into the place to which a sync brings.

use super::*;
use crate::index::{NewRows, write_tables};
use crate::repository::Repository;
use crate::store::Object;

/// Puts garbage that says that it is the packs which are there: under names of its own, with a table that leads to it or without.
fn claim_everything(here: &MemoryStore, there: &MemoryStore, is_named: bool) {
    let repository = open(there.clone(), alive());
    let own = open(here.clone(), alive());
    for pack in repository.list_packs().unwrap() {
        let name = claim(here, there, &repository, &pack);
        if is_named {
            let listing = own.read_pack_listing(&name).unwrap();
            let mut rows = NewRows::default();
            rows.add_pack(listing.named(), &listing.rows);
            write_tables(here, &own.keys, rows, &[]).unwrap();
        }
    }
}

fn claim(here: &MemoryStore, there: &MemoryStore, repository: &Repository, pack: &Object) -> Object {
    let mut bytes = there.read(&pack.name, u64::MAX).unwrap();
    for row in repository.read_pack_listing(pack).unwrap().rows {
        let sealed = row.offset as usize + 60..(row.offset + row.stored_len) as usize;
        bytes[sealed].iter_mut().for_each(|byte| *byte ^= 1);
    }
    here.put(&pack.name, &bytes).unwrap();
    pack.clone()
}

#[test]
fn what_a_stranger_says_is_here_comes_all_the_same() {
    for is_named in [true, false] {
        let (there, here, kept) = with_copy();
        claim_everything(&here, &there, is_named);
        let report = sync(&here, &there).unwrap();
        assert_eq!((report.brought.len(), report.left_out.len()), (2, 0), "{is_named}: {report:?}");
        assert_snapshots(&open(here.clone(), restarted()), &kept);
    }
}

#[test]
fn what_snapshots_here_need_is_not_brought_again_though_nobody_vouches_for_it() {
    let (there, here, mut kept) = with_copy();
    sync(&here, &there).unwrap();
    let files = files_of(&[("a", 1, 300_000), ("new", 30, 50_000)]);
    back_up_next(&there, 3, &files);
    kept.insert(3, files);
    // What was moved by one that opens nothing has nobody who vouches for it, and is needed all the same.
    here.names().iter().filter(|name| name.starts_with("index/c-")).for_each(|name| here.delete(name).unwrap());
    let before = open(here.clone(), alive()).list_packs().unwrap();
    let report = sync(&here, &there).unwrap();
    assert_eq!((report.brought.len(), report.left_out.len()), (1, 0), "{report:?}");
    assert!(report.bytes < 120_000, "what the snapshots here need is here: {report:?}");
    assert!(before.iter().all(|pack| here.names().contains(&pack.name)));
    assert_snapshots(&open(here, restarted()), &kept);
}
