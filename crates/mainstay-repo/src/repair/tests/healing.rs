//! Tests of what becomes whole again, and by what.

use super::*;

#[test]
fn a_repair_of_what_is_whole_changes_nothing() {
    let (store, repository, _) = with_parity(3);
    let before = everything(&store);
    for options in [APPLY, ACCEPT] {
        let report = repository.repair(options).unwrap();
        assert_eq!((report.packs, report.repaired, report.lost, report.written_bytes), (2, Vec::new(), Vec::new(), 0));
        assert!(everything(&store) == before, "a byte was changed");
    }
}

#[test]
fn a_pack_is_healed_from_its_parity() {
    for percent in [3, 30] {
        let (store, repository, files) = with_parity(percent);
        let (content, trees) = (content_pack(&store), tree_pack(&store));
        let len = store.len(&content).unwrap() as usize;
        damage(&store, &content, 5000, len * usize::from(percent) / 100 - 20_000);
        damage(&store, &trees, 0, 400);
        assert!(read_back(&repository, &repository.snapshots().unwrap()[0]).is_err());
        let shown = repository.repair(SHOW).unwrap();
        let mut expected = vec![(content.as_str(), Means::Parity), (trees.as_str(), Means::Parity)];
        expected.sort_by_key(|(name, _)| *name);
        assert_eq!(means(&shown), expected);
        assert!(store.names().contains(&content), "showing changes nothing");
        let report = repository.repair(APPLY).unwrap();
        assert_eq!(means(&report), expected);
        assert_eq!(report.lost, []);
        let repository = open(store.clone(), restarted());
        assert_snapshots(&repository, &snapshots(1, &files));
        assert_whole(&store);
        assert!(!store.names().contains(&content) && !store.names().contains(&trees));
        assert_eq!(named(&store, "parity/").len(), 2, "the new packs have parity, too");
        let again = everything(&store);
        assert_eq!(repository.repair(APPLY).unwrap().repaired, []);
        assert!(everything(&store) == again);
        repository.prune().unwrap();
        assert_snapshots(&repository, &snapshots(1, &files));
    }
}

#[test]
fn a_pack_that_was_cut_is_healed_from_its_parity() {
    let (store, repository, files) = with_parity(5);
    let content = content_pack(&store);
    store.damage(&content, |bytes| bytes.truncate(bytes.len() - 30_000));
    assert_eq!(means(&repository.repair(APPLY).unwrap()), [(content.as_str(), Means::Parity)]);
    assert_snapshots(&open(store.clone(), restarted()), &snapshots(1, &files));
    assert_whole(&store);
}

#[test]
fn what_another_pack_holds_is_taken_from_there_without_any_parity() {
    let (store, repository, files) = with_snapshot();
    // The same blocks in a second pack, as a prune leaves them that was killed.
    let content = content_pack(&store);
    let rows = repository
        .read_pack_listing(&crate::store::Object { name: content.clone(), len: store.len(&content).unwrap() });
    let bytes = store.read(&content, u64::MAX).unwrap();
    let session = crate::fixtures::session_id(9);
    let mut writer = crate::pack_writer::PackWriter::begin(&store, repository.id(), session).unwrap();
    for row in rows.unwrap().rows {
        let part = |offset: u32, len: u32| bytes[offset as usize..(offset + len) as usize].to_vec();
        let block = crate::pack_writer::SealedBlock {
            id: row.block,
            kind: row.kind,
            thinned: row.thinned,
            bytes: part(row.offset, row.stored_len),
            table: part(row.table_offset, row.table_len),
        };
        writer.append(&block).unwrap();
    }
    writer.finish().unwrap();
    damage(&store, &content, 5000, 100);
    let report = repository.repair(APPLY).unwrap();
    assert_eq!(means(&report), [(content.as_str(), Means::Copies)]);
    assert!(!store.names().contains(&content));
    assert_eq!(named(&store, "packs/").len(), 2, "nothing was written twice");
    assert_snapshots(&open(store.clone(), restarted()), &snapshots(1, &files));
    assert_whole(&store);
}

#[test]
fn damage_between_blocks_costs_nothing_but_a_new_pack() {
    // A pack without parity: its footer, its directory, the table of a block, and its header.
    let places: [fn(usize) -> usize; 4] = [|len| len - 3, |len| len - 70, |len| len - 300, |_| 10];
    for place in places {
        let (store, repository, files) = with_snapshot();
        let content = content_pack(&store);
        let at = place(store.len(&content).unwrap() as usize);
        damage(&store, &content, at, 1);
        let report = repository.repair(APPLY).unwrap();
        assert_eq!(means(&report), [(content.as_str(), Means::Rest)], "byte {at}");
        assert_eq!(report.lost, [], "byte {at}");
        let repository = open(store.clone(), restarted());
        assert_snapshots(&repository, &snapshots(1, &files));
        assert_whole(&store);
        // Chunks are found, and what is stored again is what was there.
        let report = back_up(&repository, 2, &files).unwrap();
        assert_eq!(report.new_bytes, 0, "byte {at}");
    }
}

#[test]
fn what_was_stored_again_heals_the_snapshots_of_before() {
    let (store, repository, files) = with_snapshot();
    let content = content_pack(&store);
    damage(&store, &content, 400_000, 500_000);
    let report = repository.repair(APPLY).unwrap();
    assert_eq!(report.repaired, []);
    assert!(report.lost.len() == 1 && report.lost[0].object == content && !report.lost[0].blocks.is_empty());
    assert!(store.names().contains(&content), "what is damaged stays");
    let lost = report.lost[0].blocks.len();
    let before = everything(&store);
    assert_eq!(repository.repair(APPLY).unwrap().lost[0].blocks.len(), lost);
    assert!(everything(&store) == before, "what is known is not written down again");

    // The next backup stores again what was lost, and nothing else.
    let again = back_up(&repository, 2, &files).unwrap();
    assert!(again.new_bytes > 0 && again.duplicate_bytes > 0, "{again:?}");
    assert!(read_back(&repository, &again.entry).unwrap() == files);
    let report = repository.repair(APPLY).unwrap();
    assert_eq!(means(&report), [(content.as_str(), Means::Chunks)]);
    assert_eq!(report.lost, []);
    let repository = open(store.clone(), restarted());
    assert_snapshots(&repository, &[(1, files.clone()), (2, files.clone())].into());
    assert_whole(&store);
    assert_eq!(named(&store, "losses/"), [""; 0]);
    assert_eq!(back_up(&repository, 3, &files).unwrap().new_bytes, 0);
}

#[test]
fn a_reference_map_is_made_anew_from_the_trees() {
    let (store, repository, files) = with_snapshot();
    let map = named(&store, "refs/").remove(0);
    let original = store.read(&map, u64::MAX).unwrap();
    for is_missing in [true, false] {
        if is_missing {
            store.delete(&map).unwrap();
        } else {
            damage(&store, &map, 40, 1);
        }
        assert!(repository.prune().is_err());
        let report = repository.repair(APPLY).unwrap();
        assert_eq!(means(&report), [(map.as_str(), Means::Derived)]);
        assert!(store.read(&map, u64::MAX).unwrap() == original);
        repository.prune().unwrap();
    }
    assert_snapshots(&repository, &snapshots(1, &files));
}

#[test]
fn damaged_index_tables_are_made_anew() {
    let (store, repository, files) = with_snapshot();
    for table in named(&store, "index/") {
        damage(&store, &table, 100, 1);
        let report = repository.repair(APPLY).unwrap();
        assert_eq!(means(&report), [(table.as_str(), Means::Derived)], "{table}");
        assert_eq!(repository.repair(APPLY).unwrap().repaired, []);
        assert_snapshots(&open(store.clone(), restarted()), &snapshots(1, &files));
        assert_eq!(back_up(&repository, 2, &files).unwrap().new_bytes, 0);
        crate::fixtures::named(&store, "snapshots/").into_iter().skip(1).for_each(|name| store.delete(&name).unwrap());
    }
}

#[test]
fn a_pack_and_the_index_and_a_map_are_healed_at_once() {
    let (store, repository, files) = with_parity(5);
    let content = content_pack(&store);
    let len = store.len(&content).unwrap() as usize;
    damage(&store, &content, len - 2000, 1900);
    damage(&store, &tree_pack(&store), 100, 300);
    named(&store, "index/").iter().for_each(|table| damage(&store, table, 100, 1));
    damage(&store, &named(&store, "refs/")[0], 40, 1);
    repository.repair(APPLY).unwrap();
    let repository = open(store.clone(), restarted());
    assert_snapshots(&repository, &snapshots(1, &files));
    assert_whole(&store);
    assert_eq!(repository.repair(APPLY).unwrap().repaired, []);
    repository.prune().unwrap();
}

#[test]
fn blocks_that_were_thinned_are_put_together_from_what_was_stored_again() {
    let store = MemoryStore::default();
    let repository = create(store.clone());
    let small = |numbers: &[u64]| -> Files {
        numbers.iter().map(|number| (format!("{number:03}"), crate::fixtures::seeded(*number, 20_000))).collect()
    };
    back_up(&repository, 1, &small(&(0..40).collect::<Vec<_>>())).unwrap();
    let kept = small(&(0..40).step_by(3).collect::<Vec<_>>());
    back_up(&repository, 2, &kept).unwrap();
    let first = repository.snapshots().unwrap().remove(0);
    repository.forget(first.id, 0).unwrap();
    assert!(repository.prune().unwrap().repacked_bytes > 0);
    let repository = open(store.clone(), restarted());
    let content = content_pack(&store);
    damage(&store, &content, 5000, 100);
    assert_eq!(repository.repair(APPLY).unwrap().lost.len(), 1);
    back_up(&repository, 3, &kept).unwrap();
    assert_eq!(means(&repository.repair(APPLY).unwrap()), [(content.as_str(), Means::Chunks)]);
    assert_snapshots(&open(store.clone(), restarted()), &[(2, kept.clone()), (3, kept)].into());
    assert_whole(&store);
}

#[test]
fn a_repair_beside_a_reader_heals_and_leaves_the_damaged_pack_to_it() {
    let (store, _, files) = with_parity(3);
    let repository = open(store.clone(), alive());
    let reading = repository.begin_reading().unwrap();
    let content = content_pack(&store);
    damage(&store, &content, 5000, 10);
    let report = repository.repair(APPLY).unwrap();
    assert_eq!(means(&report), [(content.as_str(), Means::Parity)]);
    assert_eq!(report.waiting_packs, 1);
    assert!(store.names().contains(&content), "the reader may have opened it");
    assert_snapshots(&repository, &snapshots(1, &files));
    // What is condemned is damage no more.
    assert_eq!(repository.repair(APPLY).unwrap().repaired, []);
    drop(reading);
    repository.prune().unwrap();
    assert!(!store.names().contains(&content));
    assert_snapshots(&repository, &snapshots(1, &files));
    assert_whole(&store);
}
