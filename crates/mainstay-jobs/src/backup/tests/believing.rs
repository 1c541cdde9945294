//! What is believed of the parent, and what is not.

use std::os::unix::fs::MetadataExt as _;

use mainstay_repo::BlockKind;

use crate::backup::{BackupReport, Requested};
use crate::fixture::SECOND;
use crate::ground::{Ground, Holes, Stretch, Watched, difference, fill};

/// An incremental backup and the names of the files that it opened.
fn back_up(ground: &Ground) -> (BackupReport, Vec<Vec<u8>>) {
    let source = Watched::new(&ground.source());
    let report = ground.back_up_from(&source, Requested::Incremental);
    assert_eq!(report.warnings, []);
    (report, source.opened())
}

#[test]
fn what_changed_when_its_parent_looked_is_read_again() {
    let (ground, _) = Ground::in_memory();
    ground.write("file", b"content");
    let metadata = ground.source().join("file").metadata().unwrap();
    let changed = metadata.ctime() * SECOND + metadata.ctime_nsec();
    let millisecond = SECOND / 1000;
    for (after, opened) in [(-3600 * SECOND, 1), (0, 1), (19 * millisecond, 1), (21 * millisecond, 0)] {
        ground.set_clock(changed + after);
        ground.back_up(Requested::Full);
        let (report, read) = back_up(&ground);
        assert_eq!(read.len(), opened, "the parent looked {after} ns after the change");
        assert_eq!((report.new_bytes, report.packs), (0, 0), "what was read again was stored again");
    }
}

#[test]
fn names_of_one_file_agree_on_its_file_system_when_that_has_another_number_now() {
    let (ground, _) = Ground::in_memory();
    ground.write("believed", b"content");
    std::fs::hard_link(ground.source().join("believed"), ground.source().join("new")).unwrap();
    let first = ground.back_up(Requested::Full).entry.unwrap();
    // As if made before the machine was started again, and when one of the names was left out.
    ground.amend(&first, |nodes| {
        nodes.retain(|node| node.name == b"believed");
        nodes.iter_mut().for_each(|node| node.device += 1);
    });
    let (report, opened) = back_up(&ground);
    assert_eq!(opened, [b"new"]);
    let entry = report.entry.unwrap();
    let nodes = ground.trees().directory(&entry.snapshot.root).unwrap().nodes;
    let files: Vec<_> = nodes.iter().map(|node| (node.device, node.inode)).collect();
    assert_eq!((files.len(), files[0]), (2, files[1]));
    assert_eq!(difference(&ground.restore(&entry, "target"), &ground.source(), Holes::Exact), None);
}

#[test]
fn an_empty_directory_in_the_place_of_a_file_is_empty() {
    let (ground, _) = Ground::in_memory();
    ground.write("name", b"content");
    ground.back_up(Requested::Full);
    std::fs::remove_file(ground.source().join("name")).unwrap();
    std::fs::create_dir(ground.source().join("name")).unwrap();
    let (report, _) = back_up(&ground);
    let restored = ground.restore(&report.entry.unwrap(), "target");
    assert_eq!(difference(&restored, &ground.source(), Holes::Exact), None);
}

#[test]
fn a_file_whose_list_of_extents_cannot_be_read_is_read_again() {
    let (ground, store) = Ground::in_memory();
    let stretches = |seed: u16| [Stretch::Noise { seed: seed as u8, len: 4096 }, Stretch::Hole { len: 64 << 10 }];
    fill(&ground.source().join("holes"), &(0..600).flat_map(stretches).collect::<Vec<_>>());
    ground.write("removed", b"");
    let first = ground.back_up(Requested::Full).entry.unwrap();
    let damaged = ground.packs(BlockKind::Tree);
    // Its parent's page lies in another pack than the list that it points to.
    ground.amend(&first, |nodes| nodes.truncate(1));
    std::fs::remove_file(ground.source().join("removed")).unwrap();
    for name in &damaged {
        store.damage(name, |bytes| bytes[100..].fill(0));
    }
    let (report, opened) = back_up(&ground);
    assert_eq!(opened, [b"holes"]);
    let restored = ground.restore(&report.entry.unwrap(), "target");
    assert_eq!(difference(&restored, &ground.source(), Holes::Exact), None);
}
