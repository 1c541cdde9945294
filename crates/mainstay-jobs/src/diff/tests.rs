//! Tests of comparing trees.

use std::collections::BTreeMap;

use mainstay_repo::store::Call;
use mainstay_repo::{BlockKind, Sharing, SnapshotEntry};
use proptest::prelude::*;

use super::*;
use crate::fixture::{Backup, Files, Fixture, START, files, noise};

fn changes(fixture: &Fixture, old: &SnapshotEntry, new: &SnapshotEntry) -> Vec<Change> {
    let mut changes = Vec::new();
    diff(&fixture.trees(), &old.snapshot.root, &new.snapshot.root, &mut |change| {
        changes.push(change);
        Ok(())
    })
    .unwrap();
    changes
}

fn summary(changes: &[Change]) -> Vec<String> {
    let lines = changes.iter().map(|change| {
        let mark = match &change.kind {
            ChangeKind::Added => "+".to_owned(),
            ChangeKind::Removed => "-".to_owned(),
            ChangeKind::Modified(difference) => {
                let names: Vec<&str> = difference.metadata.iter().map(|field| field.name()).collect();
                let kind = if difference.kind { "T" } else { "" };
                let content = if difference.content { "M" } else { "" };
                format!("{kind}{content}{}", names.join(","))
            }
        };
        format!("{mark} {}", String::from_utf8_lossy(&change.path))
    });
    lines.collect()
}

#[test]
fn added_removed_and_modified_entries_are_told_in_order() {
    let fixture = Fixture::new();
    let old = fixture.back_up_at(START, &files([("a", b"1"), ("b/x", b"2"), ("b/y", b"3"), ("gone/z", b"4")]));
    let new = fixture.back_up_at(START + 1, &files([("a", b"1"), ("b/x", b"22"), ("b/y", b"5"), ("c/n", b"6")]));
    let found = changes(&fixture, &old, &new);
    assert_eq!(summary(&found), ["M b/x", "M b/y", "+ c", "+ c/n", "- gone", "- gone/z"]);
    assert_eq!((found[0].old_size, found[0].new_size), (Some(1), Some(2)));
    assert_eq!((found[3].old_size, found[3].new_size), (None, Some(1)));
    assert_eq!((found[5].old_size, found[5].new_size), (Some(1), None));
    assert_eq!(found[2].node, NodeKind::Directory);
    assert_eq!(changes(&fixture, &old, &old), []);
}

#[test]
fn differences_of_metadata_are_told_by_name() {
    let fixture = Fixture::new();
    let tree = files([
        ("attributes", b"1"),
        ("mode", b"1"),
        ("owner", b"1"),
        ("same", b"1"),
        ("time", b"1"),
        ("unseen", b"1"),
    ]);
    let old = fixture.back_up_at(START, &tree);
    let edit = |path: &str, node: &mut Node| match path {
        "attributes" => node.attributes.push((b"user.a".to_vec(), b"b".to_vec())),
        "mode" => node.mode = 0o600,
        "owner" => node.group = 5,
        "time" => node.modified.1 += 1,
        "unseen" => (node.inode, node.changed) = (77, (9, 9)),
        _ => {}
    };
    let new = fixture.back_up(&tree, &Backup { edit: &edit, ..Backup::default() });
    assert_eq!(
        summary(&changes(&fixture, &old, &new)),
        ["attributes attributes", "mode mode", "owner owner", "modified time"]
    );
}

#[test]
fn a_file_that_became_a_directory_is_a_change_of_kind_and_what_is_in_it_is_added() {
    let fixture = Fixture::new();
    let old = fixture.back_up_at(START, &files([("a", b"1"), ("b/x", b"1")]));
    let new = fixture.back_up_at(START + 1, &files([("a/x", b"1"), ("b", b"1")]));
    assert_eq!(summary(&changes(&fixture, &old, &new)), ["Tmode a", "+ a/x", "Tmode b", "- b/x"]);
}

#[test]
fn links_and_devices_differ_by_target_and_numbers() {
    let fixture = Fixture::new();
    let tree = files([("device", b""), ("link", b"")]);
    let with = |target: &'static [u8], minor: u32| {
        move |path: &str, node: &mut Node| match path {
            "link" => (node.kind, node.link_target) = (NodeKind::Symlink, Some(target.to_vec())),
            _ => (node.kind, node.device_numbers) = (NodeKind::CharacterDevice, Some((1, minor))),
        }
    };
    let (one, two) = (with(b"a", 1), with(b"b", 2));
    let old = fixture.back_up(&tree, &Backup { edit: &one, ..Backup::default() });
    let new = fixture.back_up(&tree, &Backup { edit: &two, ..Backup::default() });
    assert_eq!(summary(&changes(&fixture, &old, &new)), ["M device", "M link"]);
}

#[test]
fn bytes_that_were_stored_twice_are_the_same_bytes() {
    let fixture = Fixture::new();
    let mut large = noise(1, 2 << 20);
    let tree = |large: &[u8]| files([("d/large", large), ("d/small", b"hello")]);
    let old = fixture.back_up_at(START, &tree(&large));
    let independent = Backup { sharing: Sharing::Independent, ..Backup::default() };
    let copy = fixture.back_up(&tree(&large), &independent);
    assert_ne!(old.snapshot.root, copy.snapshot.root);
    assert_eq!(changes(&fixture, &old, &copy), []);
    large[1_500_000] ^= 1;
    let changed = fixture.back_up(&tree(&large), &independent);
    assert_eq!(summary(&changes(&fixture, &old, &changed)), ["M d/large"]);
}

#[test]
fn a_hole_is_the_same_as_the_zeros_it_stands_for() {
    let fixture = Fixture::new();
    let zeros = vec![0; 300_000];
    let mut one = zeros.clone();
    one[299_999] = 1;
    let tree = files([("a", &zeros), ("b", &one)]);
    let hole = |_: &str, node: &mut Node| {
        node.content = Content { extents: vec![mainstay_repo::Extent::Hole { len: node.size }], lists: Vec::new() };
    };
    let written = fixture.back_up_at(START, &tree);
    let sparse = fixture.back_up(&tree, &Backup { edit: &hole, ..Backup::default() });
    assert_eq!(summary(&changes(&fixture, &written, &sparse)), ["M b"]);
    assert_eq!(summary(&changes(&fixture, &sparse, &written)), ["M b"]);
}

#[test]
fn content_is_not_read_where_it_is_the_same_or_its_length_differs() {
    let fixture = Fixture::new();
    let large = noise(1, 1 << 20);
    let old = fixture.back_up_at(START, &files([("large", &large), ("x", b"1")]));
    let longer = noise(1, (1 << 20) + 1);
    let new = fixture.back_up_at(START + 1, &files([("large", &longer), ("x", b"1")]));
    let content = fixture.packs(BlockKind::Content);
    let trees = fixture.trees();
    fixture.store.take_calls();
    diff(&trees, &old.snapshot.root, &new.snapshot.root, &mut |_| Ok(())).unwrap();
    for call in fixture.store.take_calls() {
        assert!(!matches!(&call, Call::Read { name, .. } if content.contains(name)), "{call:?}");
    }
}

#[test]
fn pages_that_two_large_directories_share_are_skipped_and_the_rest_is_compared() {
    let fixture = Fixture::new();
    let names: Vec<&'static str> = (0..300).map(|number| &*format!("{number:03}").leak()).collect();
    let mut tree: Files = names.iter().map(|name| (*name, name.as_bytes().to_vec())).collect();
    let paged = Backup { page_nodes: 10, ..Backup::default() };
    let old = fixture.back_up(&tree, &paged);
    tree.insert("105", b"changed".to_vec());
    tree.remove("299");
    tree.insert("999", b"new".to_vec());
    let new = fixture.back_up(&tree, &paged);
    assert_eq!(summary(&changes(&fixture, &old, &new)), ["M 105", "- 299", "+ 999"]);
}

#[test]
fn comparing_stops_when_the_caller_says_so() {
    let fixture = Fixture::new();
    let old = fixture.back_up_at(START, &files([("a", b"1")]));
    let new = fixture.back_up_at(START + 1, &files([("b", b"1")]));
    let stopped = diff(&fixture.trees(), &old.snapshot.root, &new.snapshot.root, &mut |_| Err(Error::Cancelled));
    assert!(matches!(stopped, Err(Error::Cancelled)));
}

const PATHS: [&str; 10] = ["a", "b/a", "b/b", "b/c/a", "b/c/b", "c/a", "c.d", "d/a/a/a", "d/a/b", "e"];

fn any_tree() -> impl Strategy<Value = BTreeMap<&'static str, u8>> {
    proptest::collection::btree_map(proptest::sample::select(&PATHS[..]), 0..3u8, 0..10)
}

fn stored(tree: &BTreeMap<&'static str, u8>) -> Files {
    tree.iter().map(|(path, byte)| (*path, vec![*byte; 3])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn files_that_differ_are_just_those_that_a_map_says(old in any_tree(), new in any_tree(), page_nodes in 1..4usize) {
        let fixture = Fixture::new();
        let backup = Backup { page_nodes, ..Backup::default() };
        let (one, two) = (fixture.back_up(&stored(&old), &backup), fixture.back_up(&stored(&new), &backup));
        let found: Vec<String> = changes(&fixture, &one, &two)
            .iter()
            .filter(|change| change.node == NodeKind::File)
            .map(|change| String::from_utf8_lossy(&change.path).into_owned())
            .collect();
        let expected: Vec<String> = PATHS
            .iter()
            .filter(|path| old.get(*path) != new.get(*path))
            .map(|path| (*path).to_owned())
            .collect();
        let mut sorted = found;
        sorted.sort_by(|a, b| a.split('/').cmp(b.split('/')));
        let mut expected = expected;
        expected.sort_by(|a, b| a.split('/').cmp(b.split('/')));
        prop_assert_eq!(sorted, expected);
    }
}
