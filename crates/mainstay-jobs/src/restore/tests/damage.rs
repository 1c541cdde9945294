//! Damage in the store: what was in it is lost and named, everything else comes back.

use std::collections::HashSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use mainstay_repo::{
    BlockKind, Extent as ContentExtent, MemoryStore, PackId, SnapshotEntry, Store as _, TreeReader, names,
};

use crate::backup::Requested;
use crate::fixture::noise;
use crate::ground::{Ground, as_recorded, look, paths};
use crate::restore::{Extent, Overwrite, RestoreOptions};
use crate::{Error, select};

/// Files in blocks of their own, and small ones that share one.
fn ground() -> (Ground, MemoryStore, SnapshotEntry) {
    let (ground, store) = Ground::in_memory();
    for (seed, name) in (1..).zip(["one", "two", "deep/three"]) {
        ground.write(name, &noise(seed, 5 << 20));
    }
    for number in 0..20 {
        ground.write(&format!("small/{number:02}"), format!("small file {number}").as_bytes());
    }
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    (ground, store, entry)
}

/// Where the first block of a file's content is.
fn place(ground: &Ground, entry: &SnapshotEntry, path: &str) -> (String, usize) {
    places(ground, entry, path).swap_remove(0)
}

/// Where the blocks of a file's content are. Which files share one depends on timing.
fn places(ground: &Ground, entry: &SnapshotEntry, path: &str) -> Vec<(String, usize)> {
    let index = ground.repository.index().unwrap();
    let trees = TreeReader::new(ground.repository.block_reader(&index));
    let node = select::find_node(&trees, &entry.snapshot.root, path.as_bytes()).unwrap().unwrap();
    let extents = trees.extents(&node.content).unwrap().into_iter();
    let blocks = extents.filter_map(|extent| match extent {
        ContentExtent::Data { block, .. } => Some(block),
        ContentExtent::Hole { .. } => None,
    });
    let places = blocks.map(|block| index.find_block(block).unwrap().unwrap());
    places.map(|place| (names::pack(place.pack, place.pack_session), place.offset as usize)).collect()
}

/// Restores and asserts which files are named and that all others came back.
fn assert_lost(ground: &Ground, entry: &SnapshotEntry, is_lost: impl Fn(&str) -> bool) {
    let target = ground.path("target");
    let report = ground.restore_with(entry, &target, &as_recorded());
    let wanted = look(&ground.source());
    let (lost, kept): (Vec<_>, Vec<_>) = wanted
        .into_iter()
        .partition(|(path, seen)| seen.content.is_some() && is_lost(std::str::from_utf8(path).unwrap()));
    let lost: Vec<&str> = lost.iter().map(|(path, _)| std::str::from_utf8(path).unwrap()).collect();
    assert_eq!(paths(&report.warnings), lost);
    let restored = look(&target);
    for (path, seen) in kept {
        assert_eq!(restored.get(&path), Some(&seen), "{}", String::from_utf8_lossy(&path));
    }
    // What is lost is not told again by reading it back.
    let verifying = RestoreOptions { extent: Extent::WriteAndVerify, ..as_recorded() };
    let verified = ground.restore_with(entry, &ground.path("verified"), &verifying);
    assert_eq!((paths(&verified.warnings), verified.warning_count), (lost, report.warning_count));
}

#[test]
fn a_damaged_block_of_a_large_file_loses_that_file_only() {
    let (ground, store, entry) = ground();
    let (pack, offset) = place(&ground, &entry, "two");
    store.damage(&pack, |bytes| bytes[offset + 1000] ^= 1);
    assert_lost(&ground, &entry, |path| path == "two");
}

#[test]
fn what_can_be_read_of_a_damaged_file_is_restored_and_never_taken_for_whole() {
    let (ground, store, entry) = ground();
    let (pack, offset) = place(&ground, &entry, "two");
    store.damage(&pack, |bytes| bytes[offset + 1000] ^= 1);
    let target = ground.path("target");
    let report = ground.restore_with(&entry, &target, &as_recorded());
    assert_eq!(report.warnings.len(), 1);
    let (wanted, held) = (noise(2, 5 << 20), std::fs::read(target.join("two")).unwrap());
    assert_eq!(held.len(), wanted.len());
    let whole = held.iter().zip(&wanted).filter(|(held, wanted)| held == wanted).count();
    assert!(whole > 1 << 20, "only {whole} bytes are as they were");
    let times = |path: &std::path::Path| std::fs::metadata(path).unwrap().modified().unwrap();
    assert_ne!(times(&target.join("two")), times(&ground.source().join("two")));
}

#[test]
fn a_damaged_block_loses_and_names_each_file_that_has_a_part_in_it() {
    let (ground, store, entry) = ground();
    let (pack, offset) = place(&ground, &entry, "small/07");
    let sharing: Vec<Vec<u8>> = look(&ground.source())
        .into_iter()
        .filter(|(_, seen)| seen.content.is_some())
        .map(|(path, _)| path)
        .filter(|path| places(&ground, &entry, std::str::from_utf8(path).unwrap()).contains(&(pack.clone(), offset)))
        .collect();
    store.damage(&pack, |bytes| bytes[offset + 50] ^= 1);
    assert_lost(&ground, &entry, |path| sharing.iter().any(|shares| shares == path.as_bytes()));
}

#[test]
fn a_pack_that_is_gone_loses_and_names_what_was_in_it() {
    let (ground, store, entry) = ground();
    let (pack, _) = place(&ground, &entry, "one");
    store.delete(&pack).unwrap();
    assert_lost(&ground, &entry, |_| true);
}

#[test]
fn files_that_were_kept_are_named_where_what_they_are_compared_with_is_gone() {
    let (ground, store, entry) = ground();
    let target = ground.restore(&entry, "target");
    // One gets new metadata, the others are kept as they are.
    std::fs::set_permissions(target.join("two"), Permissions::from_mode(0o711)).unwrap();
    let gone: HashSet<String> =
        ["one", "two"].into_iter().flat_map(|name| places(&ground, &entry, name)).map(|(pack, _)| pack).collect();
    let mut lost: Vec<String> = look(&ground.source())
        .into_iter()
        .filter(|(_, seen)| seen.content.is_some())
        .map(|(path, _)| String::from_utf8(path).unwrap())
        .filter(|path| places(&ground, &entry, path).iter().any(|(pack, _)| gone.contains(pack)))
        .collect();
    lost.sort_unstable();
    gone.iter().for_each(|pack| store.delete(pack).unwrap());
    let believing = RestoreOptions { overwrite: Overwrite::IfChanged, extent: Extent::WriteAndVerify, ..as_recorded() };
    let report = ground.restore_with(&entry, &target, &believing);
    let mut named = paths(&report.warnings);
    named.sort_unstable();
    named.dedup();
    assert_eq!(named, lost, "{:?}", report.warnings);
    // They are whole, as far as anybody knows.
    assert_eq!((report.lost_files, report.files_unchanged), (0, 22));
}

#[test]
fn what_another_pack_holds_as_well_is_not_lost() {
    type Damage = fn(&MemoryStore, &str);
    let gone: Damage = |store, pack| store.delete(pack).unwrap();
    let cut: Damage = |store, pack| store.damage(pack, |bytes| bytes.truncate(bytes.len() / 2));
    let rotten: Damage =
        |store, pack| store.damage(pack, |bytes| bytes.iter_mut().step_by(9999).for_each(|byte| *byte ^= 1));
    for damage in [gone, cut, rotten] {
        let (ground, store, entry) = ground();
        for (number, pack) in (1..).zip(ground.repository.list_packs().unwrap()) {
            let (_, session) = names::parse_pack(&pack.name).unwrap();
            let copy = names::pack(PackId([number; 32]), session);
            store.put(&copy, &store.read(&pack.name, u64::MAX).unwrap()).unwrap();
            damage(&store, &pack.name);
        }
        assert_lost(&ground, &entry, |_| false);
    }
}

#[test]
fn a_pack_that_is_cut_short_keeps_what_is_before_the_cut() {
    let (ground, store, entry) = ground();
    let packs = ground.repository.list_packs().unwrap().into_iter();
    let listed = packs.map(|pack| (ground.repository.read_pack_listing(&pack).unwrap().rows, pack));
    let (mut rows, pack) = listed.max_by_key(|(rows, _)| rows.len()).unwrap();
    rows.sort_by_key(|row| row.offset);
    let cut = rows.last().unwrap().offset as usize;
    store.damage(&pack.name, |bytes| bytes.truncate(cut + 10));
    let is_behind = |path: &str| places(&ground, &entry, path).contains(&(pack.name.clone(), cut));
    assert_lost(&ground, &entry, is_behind);
}

#[test]
fn a_pack_that_is_cut_short_loses_what_was_behind_the_cut() {
    let (ground, store, entry) = ground();
    let (pack, _) = place(&ground, &entry, "one");
    let last = ["one", "two", "deep/three"].into_iter().max_by_key(|path| place(&ground, &entry, path).1).unwrap();
    let (_, offset) = place(&ground, &entry, last);
    store.damage(&pack, |bytes| bytes.truncate(offset + 10));
    let target = ground.path("target");
    let report = ground.restore_with(&entry, &target, &as_recorded());
    assert!(paths(&report.warnings).contains(&last), "{:?}", report.warnings);
    let restored = look(&target);
    for (path, seen) in look(&ground.source()) {
        let path_text = String::from_utf8(path.clone()).unwrap();
        if !paths(&report.warnings).contains(&path_text.as_str()) {
            assert_eq!(restored.get(&path), Some(&seen), "{path_text}");
        }
    }
}

#[test]
fn a_tree_that_is_gone_loses_its_entries_by_the_name_of_their_directory_or_ends_the_restore() {
    let (ground, store, entry) = ground();
    let packs = ground.repository.list_packs().unwrap();
    let of_trees = packs.into_iter().filter(|pack| {
        let listing = ground.repository.read_pack_listing(pack).unwrap();
        listing.rows.iter().all(|row| row.kind == BlockKind::Tree)
    });
    of_trees.for_each(|pack| store.delete(&pack.name).unwrap());
    let target = ground.path("target");
    let restored = ground.restore_telling((&entry, None), &target, &as_recorded(), &|_| {});
    match restored {
        Ok(report) => {
            assert!(report.warnings.iter().any(|warning| warning.message.contains("lost")));
            // What is lost of the target itself is named by its path.
            assert!(paths(&report.warnings).contains(&target.to_str().unwrap()), "{:?}", report.warnings);
        }
        Err(Error::Repository(error)) => assert_eq!(error.kind(), mainstay_repo::Kind::Corrupt),
        Err(error) => panic!("{error}"),
    }
}
