//! What a stranger puts who has no key, or one of another domain: packs and tables of blocks that nobody may rely on.

use super::writers::{Writer, some_files};
use super::*;
use crate::fixtures::copy_of;
use crate::format::block::BlockKind;
use crate::index::{NewRows, write_tables};
use crate::pack_writer::{PackWriter, SealedBlock};
use crate::repository::WriterMay;
use crate::store::Object;

/// Puts, as anybody can who may write to the store, a pack of garbage under the identifiers of these blocks and with their
/// true chunk tables, and a table that leads there.
pub(crate) fn forge(store: &MemoryStore, repository: &Repository, pack: &Object, bytes: &[u8], is_named: bool) {
    let listing = repository.read_pack_listing(pack).unwrap();
    let mut forged = PackWriter::begin(store, repository.id(), crate::fixtures::session_id(9)).unwrap();
    for row in &listing.rows {
        let at = |offset: u32, len: u32| bytes[offset as usize..(offset + len) as usize].to_vec();
        let mut block = at(row.offset, row.stored_len);
        block.iter_mut().skip(60).for_each(|byte| *byte ^= 1);
        let table = at(row.table_offset, row.table_len);
        let sealed = SealedBlock { id: row.block, kind: row.kind, thinned: row.thinned, bytes: block, table };
        forged.append(&sealed).unwrap();
    }
    let forged = forged.finish().unwrap();
    let mut rows = NewRows::default();
    rows.add_pack(forged.named(), &forged.rows);
    if is_named {
        write_tables(store, &repository.keys, rows, &[]).unwrap();
    }
}

#[test]
fn a_pack_that_a_stranger_puts_brings_no_dead_block_back_to_life() {
    for is_named in [true, false] {
        let (store, full) = new_repository();
        back_up(&full, 1, &some_files()).unwrap();
        let before = copy_of(&store);
        let packs = full.list_packs().unwrap();
        // The pack is pruned, or somebody deletes it: rows of its chunks are there still.
        packs.iter().for_each(|pack| store.delete(&pack.name).unwrap());
        for pack in &packs {
            forge(&store, &open(before.clone(), alive()), pack, &before.read(&pack.name, u64::MAX).unwrap(), is_named);
        }
        let true_ones = |name: &&String| packs.iter().any(|pack| pack.name == **name);
        assert_eq!(named(&store, "packs/").iter().filter(true_ones).count(), 0);
        for sequence in 2..4 {
            let report = back_up(&open(store.clone(), restarted()), sequence, &some_files()).unwrap();
            assert_eq!(
                read_back(&full, &report.entry).unwrap(),
                some_files(),
                "{is_named}: what was forged was believed"
            );
        }
        let agent = Writer::of(&full, WriterMay::Nothing).open(&store);
        let report = back_up(&agent, 1, &some_files()).unwrap();
        let entries = open(store, alive()).snapshots().unwrap();
        assert!(entries.iter().any(|entry| entry.id == report.entry.id));
    }
}

#[test]
fn a_table_that_a_stranger_puts_leads_no_backup_into_a_pack_that_lacks_the_block() {
    let (store, full) = new_repository();
    let dead = back_up(&full, 1, &some_files()).unwrap().entry;
    let kept = files_of(&[("kept", 77, 400_000)]);
    back_up(&full, 2, &kept).unwrap();
    let rows: Vec<BlockId> = full.references(&dead).unwrap().iter().collect();
    full.forget(dead.id, 0).unwrap();
    full.prune().unwrap();
    let living = full.index().unwrap().packs().into_values().max_by_key(|pack| pack.len).unwrap();
    let mut table = NewRows::default();
    for block in rows {
        let (pack, pack_session) = (living.id, living.session);
        let kind = BlockKind::Content;
        let place = crate::index::BlockPlace { pack, pack_session, offset: 40, stored_len: 100, kind, thinned: false };
        table.blocks.push((block, place));
    }
    table.packs.insert(living.id, living.len);
    write_tables(&store, &full.keys, table, &[]).unwrap();
    let report = back_up(&open(store.clone(), restarted()), 3, &some_files()).unwrap();
    assert_eq!(read_back(&full, &report.entry).unwrap(), some_files());
}

/// Puts garbage under the very name of a pack, with its true directory, so that it lists as that pack does.
fn forge_in_place(store: &MemoryStore, repository: &Repository, pack: &Object, bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    for row in repository.read_pack_listing(pack).unwrap().rows {
        let sealed = row.offset as usize + 60..(row.offset + row.stored_len) as usize;
        bytes[sealed].iter_mut().for_each(|byte| *byte ^= 1);
    }
    store.put(&pack.name, &bytes).unwrap();
}

#[test]
fn garbage_under_the_name_of_a_pack_that_was_pruned_is_never_relied_on() {
    let names: Vec<String> =
        ["gone", "kept"].iter().flat_map(|half| (0..6).map(move |at| format!("{half} {at}"))).collect();
    let all = files_of(&names.iter().zip(1..).map(|(name, seed)| (&**name, seed, 1_000_000)).collect::<Vec<_>>());
    // What stays of a session keeps its key, so that its dead rows look alive once more.
    let kept: Files = all.clone().into_iter().filter(|(name, _)| name.starts_with("kept")).collect();
    for is_named in [true, false] {
        let (store, full) = new_repository();
        let dead = back_up(&full, 1, &all).unwrap().entry;
        assert!(back_up(&full, 2, &kept).unwrap().new_bytes < 1000, "a page of its tree");
        let before = copy_of(&store);
        full.forget(dead.id, 0).unwrap();
        full.prune().unwrap();
        let old = open(before.clone(), alive());
        let mut packs = old.list_packs().unwrap();
        packs.retain(|pack| !store.names().contains(&pack.name));
        assert!(packs.iter().any(|pack| pack.len > 20_000), "{packs:?}");
        for pack in &packs {
            forge_in_place(&store, &old, pack, &before.read(&pack.name, u64::MAX).unwrap());
            if is_named {
                let listing = old.read_pack_listing(pack).unwrap();
                let mut rows = NewRows::default();
                rows.add_pack(listing.named(), &listing.rows);
                write_tables(&store, &full.keys, rows, &[]).unwrap();
            }
        }
        for (sequence, new_bytes) in [(3, 6_000_000), (4, 0)] {
            let report = back_up(&open(store.clone(), restarted()), sequence, &all).unwrap();
            assert_eq!(report.new_bytes / 1_000_000, new_bytes / 1_000_000, "{is_named}: {report:?}");
            assert_eq!(read_back(&full, &report.entry).unwrap(), all, "{is_named}");
        }
        full.prune().unwrap();
        let report = back_up(&full, 5, &all).unwrap();
        assert_eq!((report.new_bytes, read_back(&full, &report.entry).unwrap()), (0, all.clone()));
    }
}
