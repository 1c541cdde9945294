//! Tests of finding snapshots and nodes.

use mainstay_repo::store::Call;
use mainstay_repo::{Content, SnapshotEntry, SnapshotId};

use super::*;
use crate::fixture::{Backup, Fixture, SECOND, START, files, noise, snapshot};

fn entry(id: u8, source: &str, sequence: u64, started: i64) -> SnapshotEntry {
    let mut bytes = [id; 32];
    bytes[31] = sequence as u8;
    let snapshot = snapshot(source, sequence, started, Content::default());
    SnapshotEntry { id: SnapshotId(bytes), snapshot, forgotten: false, unconfirmed: false }
}

fn problem(error: Error) -> String {
    match error {
        Error::NoSnapshot { problem, .. } => problem,
        other => panic!("expected no snapshot, got {other}"),
    }
}

#[test]
fn latest_is_the_newest_and_the_tilde_counts_back() {
    let entries = [entry(1, "a", 1, 10), entry(2, "a", 2, 20), entry(3, "b", 1, 15)];
    let find = |text, source| find_snapshot(&entries, text, source).map(|entry| entry.id.0[0]);
    assert_eq!(find("latest", None).unwrap(), 2);
    assert_eq!(find("latest~0", None).unwrap(), 2);
    assert_eq!(find("latest~1", None).unwrap(), 3);
    assert_eq!(find("latest~2", None).unwrap(), 1);
    assert_eq!(find("latest~1", Some("a")).unwrap(), 1);
    assert_eq!(find("latest", Some("b")).unwrap(), 3);
    assert_eq!(problem(find("latest~3", None).unwrap_err()), "there are only 3 snapshots");
    assert_eq!(problem(find("latest~1", Some("b")).unwrap_err()), "there is only one snapshot of source b");
    assert_eq!(problem(find("latest", Some("c")).unwrap_err()), "there is no snapshot of source c");
}

#[test]
fn latest_follows_the_history_of_a_source_and_not_a_clock_that_was_set_back() {
    let entries = [entry(1, "a", 1, 100), entry(2, "a", 2, 5), entry(3, "b", 1, 50)];
    let order: Vec<u8> = history(&entries, None).iter().map(|entry| entry.id.0[0]).collect();
    assert_eq!(order, [3, 1, 2]);
    assert_eq!(find_snapshot(&entries, "latest", None).unwrap().id.0[0], 2);
}

#[test]
fn latest_passes_over_forgotten_snapshots_and_a_prefix_says_that_they_are_forgotten() {
    let mut entries = [entry(1, "a", 1, 10), entry(2, "a", 2, 20)];
    entries[1].forgotten = true;
    assert_eq!(find_snapshot(&entries, "latest", None).unwrap().id.0[0], 1);
    let error = find_snapshot(&entries, "0202", None).unwrap_err();
    assert_eq!(problem(error), "it was forgotten, and the next prune removes it");
}

#[test]
fn a_prefix_finds_one_snapshot_or_names_the_candidates() {
    let entries = [entry(0xab, "a", 1, 10), entry(0xab, "a", 2, 20), entry(0xcd, "b", 1, 30)];
    assert_eq!(find_snapshot(&entries, "CDcd", None).unwrap().snapshot.source, "b");
    let whole = entries[1].id.to_string();
    assert_eq!(find_snapshot(&entries, &whole, None).unwrap().id, entries[1].id);
    let error = problem(find_snapshot(&entries, "abab", None).unwrap_err());
    assert_eq!(error, "2 snapshots have ids that begin so: abababababab, abababababab");
    let error = problem(find_snapshot(&entries, "cdcd", Some("a")).unwrap_err());
    assert_eq!(error, "it is a snapshot of source b");
    let error = problem(find_snapshot(&entries, "0000", None).unwrap_err());
    assert_eq!(error, "no snapshot has an id that begins so");
}

#[test]
fn a_forgotten_snapshot_does_not_make_a_prefix_ambiguous() {
    let mut entries = [entry(0xab, "a", 1, 10), entry(0xab, "a", 2, 20)];
    entries[0].forgotten = true;
    assert_eq!(find_snapshot(&entries, "abab", None).unwrap().id, entries[1].id);
}

#[test]
fn a_text_that_can_mean_no_snapshot_is_refused_with_the_reason() {
    let find = |text| problem(find_snapshot(&[], text, None).unwrap_err());
    assert_eq!(find("abc"), "expected at least 4 digits of an id, got 3");
    assert_eq!(find("newest"), "expected latest, latest~N or the first digits of an id");
    assert_eq!(find(""), "expected latest, latest~N or the first digits of an id");
    assert_eq!(find("latest~x"), "a number is expected after \"latest~\"");
    assert_eq!(find("latest"), "there is no snapshot");
}

#[test]
fn a_path_is_split_off_and_normalised() {
    let split = |text: &'static str| {
        let (snapshot, path) = split_path(text.as_bytes()).unwrap();
        (snapshot, path.map(|path| String::from_utf8(path).unwrap()))
    };
    assert_eq!(split("latest"), ("latest", None));
    assert_eq!(split("latest:"), ("latest", Some(String::new())));
    assert_eq!(split("latest:/"), ("latest", Some(String::new())));
    assert_eq!(split("ab12:/a//b/./c/"), ("ab12", Some("a/b/c".to_owned())));
    assert_eq!(split("ab12:a:b"), ("ab12", Some("a:b".to_owned())));
    assert_eq!(split("x:..a/b.."), ("x", Some("..a/b..".to_owned())));
    assert!(matches!(split_path(b"x:a/../b"), Err(Error::Invalid(_))));
    assert!(matches!(split_path(b"\xff:a"), Err(Error::NoSnapshot { .. })));
    assert_eq!(split_path(b"x:\xff/y").unwrap().1.unwrap(), b"\xff/y");
}

#[test]
fn a_node_is_found_on_every_page_of_a_directory_and_only_there() {
    let fixture = Fixture::new();
    let names: Vec<String> = (0..57).map(|number| format!("d/{number:03}")).collect();
    let tree = names.iter().map(|name| (&*name.clone().leak(), name.clone().into_bytes())).collect();
    let entry = fixture.back_up(&tree, &Backup { page_nodes: 4, ..Backup::default() });
    let trees = fixture.trees();
    for name in &names {
        let node = find_in_snapshot(&trees, &entry, name.as_bytes()).unwrap().unwrap();
        assert_eq!(format!("d/{}", String::from_utf8_lossy(&node.name)), *name);
    }
    for absent in ["d/", "d/0000", "d/057", "d/zzz", "d/!", "e", "d/001/x"] {
        let path = normalise(absent.as_bytes()).unwrap();
        let found = look_up(&trees, &entry.snapshot.root, &path).unwrap();
        assert_eq!(found == Lookup::Absent, absent != "d/", "{absent}");
    }
    let Err(Error::NoPath { snapshot, path }) = find_in_snapshot(&trees, &entry, b"d/x") else {
        panic!("a path that is not there was found")
    };
    assert_eq!((snapshot, path), (entry.id.short(), "/d/x".to_owned()));
}

#[test]
fn finding_a_node_in_a_large_directory_reads_few_of_its_blocks() {
    let fixture = Fixture::new();
    let names: Vec<&'static str> = (0..2000).map(|number| &*format!("{number:05}").leak()).collect();
    let tree = names.iter().map(|name| (*name, Vec::new())).collect();
    let fill = |path: &str, node: &mut Node| {
        let seed = path.bytes().fold(0u8, |sum, byte| sum.wrapping_mul(7).wrapping_add(byte));
        node.attributes.push((b"user.fill".to_vec(), noise(seed, 4000)));
    };
    let entry = fixture.back_up(&tree, &Backup { page_nodes: 10, edit: &fill, ..Backup::default() });
    let blocks = fixture.repository.references(&entry).unwrap().len();
    assert!(blocks >= 12, "{blocks} blocks are too few for this test");
    let trees = fixture.trees();
    fixture.store.take_calls();
    assert!(find_node(&trees, &entry.snapshot.root, b"01234").unwrap().is_some());
    let is_pack = |call: &Call| matches!(call, Call::Read { name, .. } if name.starts_with("packs/"));
    let reads = fixture.store.take_calls().into_iter().filter(is_pack).count();
    assert!(reads <= 6, "{reads} blocks were read");
}

#[test]
fn the_root_is_found_as_no_node() {
    let fixture = Fixture::new();
    let entry = fixture.back_up_at(START + SECOND, &files([("a", b"1")]));
    assert_eq!(find_in_snapshot(&fixture.trees(), &entry, b"").unwrap(), None);
    assert_eq!(entry.snapshot.sequence, 1);
}
