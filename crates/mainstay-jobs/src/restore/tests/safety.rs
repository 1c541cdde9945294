//! Nothing outside the target is ever written or deleted, whatever lies in the target or in the repository.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use mainstay_repo::{
    BlockSet, Content, Draft, Extent, Node, NodeKind, Presence, Session, Sharing, SnapshotEntry, TreePage,
};

use crate::backup::Requested;
use crate::fixture::{START, node, snapshot};
use crate::ground::{Ground, as_recorded, look, paths, read, write};
use crate::restore::{Extra, Overwrite, RestoreOptions};

/// A snapshot of `directory/file`, a target, and a directory outside of it that must stay as it is.
fn ground() -> (Ground, SnapshotEntry, PathBuf) {
    let (ground, _) = Ground::in_memory();
    ground.write("directory/file", b"restored");
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    write(&ground.path("outside/file"), b"outside");
    std::fs::create_dir(ground.path("target")).unwrap();
    let target = ground.path("target");
    (ground, entry, target)
}

fn assert_outside_is_untouched(ground: &Ground) {
    let names: Vec<Vec<u8>> = look(&ground.path("outside")).into_keys().collect();
    assert_eq!(names, [b"file"]);
    assert_eq!(read(&ground.path("outside/file")), b"outside");
}

#[test]
fn a_link_where_a_directory_belongs_is_replaced_and_never_followed() {
    for extra in [Extra::Keep, Extra::Delete] {
        let (ground, entry, target) = ground();
        symlink(ground.path("outside"), target.join("directory")).unwrap();
        let report = ground.restore_with(&entry, &target, &RestoreOptions { extra, ..as_recorded() });
        assert_eq!(report.warnings, []);
        assert_eq!(look(&target), look(&ground.source()));
        assert_outside_is_untouched(&ground);
    }
}

#[test]
fn a_link_where_a_directory_belongs_stays_when_nothing_may_be_overwritten() {
    let (ground, entry, target) = ground();
    symlink(ground.path("outside"), target.join("directory")).unwrap();
    let never = RestoreOptions { overwrite: Overwrite::Never, ..as_recorded() };
    let report = ground.restore_with(&entry, &target, &never);
    assert_eq!(paths(&report.warnings), ["directory"]);
    assert!(target.join("directory").is_symlink());
    assert_outside_is_untouched(&ground);
}

#[test]
fn a_link_where_a_file_belongs_is_replaced_and_never_written_through() {
    let (ground, entry, target) = ground();
    std::fs::create_dir(target.join("directory")).unwrap();
    symlink(ground.path("outside/file"), target.join("directory/file")).unwrap();
    ground.restore_with(&entry, &target, &as_recorded());
    assert_eq!(look(&target), look(&ground.source()));
    assert_outside_is_untouched(&ground);
}

#[test]
fn an_extra_link_is_deleted_and_not_what_it_leads_to() {
    let (ground, entry, target) = ground();
    symlink(ground.path("outside"), target.join("stray")).unwrap();
    let deleting = RestoreOptions { extra: Extra::Delete, ..as_recorded() };
    let report = ground.restore_with(&entry, &target, &deleting);
    assert_eq!(report.deleted, 1);
    assert_eq!(look(&target), look(&ground.source()));
    assert_outside_is_untouched(&ground);
}

#[test]
fn a_link_that_is_planted_between_planning_and_writing_is_not_followed() {
    let (ground, entry, target) = ground();
    let (outside, planted) = (ground.path("outside"), target.join("directory"));
    // The plan goes to the writer as a whole: everything is planned before anything is made.
    let told = |planned_entry: &crate::restore::PlannedEntry<'_>| {
        if planned_entry.path == b"directory/file" {
            symlink(&outside, &planted).unwrap();
        }
    };
    let report = ground.restore_telling((&entry, None), &target, &as_recorded(), &told).unwrap();
    assert!(report.warning_count > 0);
    assert_outside_is_untouched(&ground);
}

#[test]
fn a_directory_that_becomes_a_link_between_planning_and_deleting_keeps_what_it_leads_to() {
    let (ground, entry, target) = ground();
    write(&target.join("directory/stray"), b"stray");
    write(&ground.path("outside/stray"), b"outside");
    let (outside, planted, aside) = (ground.path("outside"), target.join("directory"), ground.path("aside"));
    let told = |planned_entry: &crate::restore::PlannedEntry<'_>| {
        if planned_entry.path == b"directory/stray" {
            std::fs::rename(&planted, &aside).unwrap();
            symlink(&outside, &planted).unwrap();
        }
    };
    let deleting = RestoreOptions { extra: Extra::Delete, ..as_recorded() };
    let report = ground.restore_telling((&entry, None), &target, &deleting, &told).unwrap();
    assert_eq!(report.deleted, 1);
    assert_eq!(read(&ground.path("outside/stray")), b"outside");
    assert_eq!(read(&ground.path("outside/file")), b"outside");
}

/// A snapshot whose only page holds a good file and, before it, a node that nobody would write honestly.
fn hostile(ground: &Ground, bad: Node) -> SnapshotEntry {
    let session = Session::begin(&ground.repository, Sharing::Shared).unwrap();
    let mut blocks = BlockSet::default();
    let mut refer = |extent: &Extent| {
        if let Extent::Data { block, .. } = extent {
            blocks.insert(*block);
        }
    };
    let content = session.store_small_file(b"hostile").unwrap();
    refer(&content);
    let content = Content { extents: vec![content], lists: Vec::new() };
    let bad = Node { content: if bad.kind == NodeKind::File { content } else { Content::default() }, size: 7, ..bad };
    let page = TreePage { nodes: vec![bad, node("zzz", NodeKind::Fifo)], ..TreePage::default() };
    let page = session.store_tree_page(&page.encode()).unwrap();
    refer(&page);
    let root = Content { extents: vec![page], lists: Vec::new() };
    let draft = Draft { snapshot: snapshot("hostile", 1, START, root), blocks, presence: Presence::Confirmed };
    session.commit(draft).unwrap().entry
}

#[test]
fn names_that_lead_out_of_the_target_are_refused_with_their_page() {
    for name in ["../outside/file", "..", ".", "", "/etc/mainstay-test", "a/b", "nul\0byte"] {
        let (ground, _, target) = ground();
        let entry = hostile(&ground, node(name, NodeKind::File));
        let report = ground.restore_with(&entry, &target, &as_recorded());
        assert_eq!(report.warning_count, 1, "{name:?}");
        assert!(report.warnings[0].message.contains("lost"), "{name:?}: {:?}", report.warnings);
        assert_eq!(look(&target).len(), 0, "{name:?}");
        assert_outside_is_untouched(&ground);
    }
}

#[test]
fn a_link_of_the_snapshot_is_not_a_way_out_for_what_comes_after_it() {
    // A page with a link and a directory of one name is refused as out of order, so the link is restored first, and a
    // second snapshot with a directory in its place after it.
    let (ground, entry, target) = ground();
    let bad = Node {
        link_target: Some(ground.path("outside").into_os_string().into_encoded_bytes()),
        ..node("directory", NodeKind::Symlink)
    };
    let first = hostile(&ground, bad);
    ground.restore_with(&first, &target, &as_recorded());
    assert!(target.join("directory").is_symlink());
    let report = ground.restore_with(&entry, &target, &as_recorded());
    assert_eq!(report.warnings, []);
    assert_eq!(read(&target.join("directory/file")), b"restored");
    assert_outside_is_untouched(&ground);
}

#[test]
fn content_of_another_length_than_its_node_says_is_a_warning() {
    let (ground, _, target) = ground();
    let session = Session::begin(&ground.repository, Sharing::Shared).unwrap();
    let extent = session.store_small_file(b"seven..").unwrap();
    let file = Node {
        content: Content { extents: vec![extent], lists: Vec::new() },
        size: 1 << 40,
        ..node("file", NodeKind::File)
    };
    let page = session.store_tree_page(&TreePage { nodes: vec![file], ..TreePage::default() }.encode()).unwrap();
    let blocks = [extent, page].into_iter().filter_map(|extent| match extent {
        Extent::Data { block, .. } => Some(block),
        Extent::Hole { .. } => None,
    });
    let mut needed = BlockSet::default();
    needed.extend(blocks);
    let root = Content { extents: vec![page], lists: Vec::new() };
    let draft = Draft { snapshot: snapshot("odd", 1, START, root), blocks: needed, presence: Presence::Confirmed };
    let entry = session.commit(draft).unwrap().entry;
    let report = ground.restore_with(&entry, &target, &as_recorded());
    assert_eq!(paths(&report.warnings), ["file"]);
    assert_eq!(look(&target).len(), 0);
    assert_eq!((report.files, report.lost_files), (1, 1));
    assert_eq!((report.bytes, report.lost_bytes), (1 << 40, 1 << 40));
}

#[test]
fn what_the_target_refuses_of_an_entry_is_told_by_its_path_in_the_target() {
    let (ground, _, target) = ground();
    let attributes = vec![(b"no-such-kind.of-attribute".to_vec(), b"value".to_vec())];
    let entry = hostile(&ground, Node { attributes, ..node("file", NodeKind::File) });
    let report = ground.restore_with(&entry, &target, &as_recorded());
    assert_eq!(paths(&report.warnings), ["file"], "{:?}", report.warnings);
}
