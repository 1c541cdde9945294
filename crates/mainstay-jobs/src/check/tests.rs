//! Tests of the check: every kind of damage is found, named, and traced to snapshots and paths.

mod leases;
mod small_objects;

use mainstay_repo::{BlockKind, Content, Draft, Extent, Node, NodeKind, Presence, Session, Sharing, SnapshotEntry};

use super::*;
use crate::NoProgress;
use crate::fixture::{Backup, Files, Fixture, START, files, node, noise, snapshot};

fn checked(fixture: &Fixture) -> CheckReport {
    check(&fixture.repository, &NoProgress, &Cancel::default()).unwrap()
}

fn damage(report: &CheckReport) -> Vec<&Finding> {
    report.findings.iter().filter(|finding| finding.severity == Severity::Damage).collect()
}

/// The one finding of damage; anything else fails the test.
fn only_damage(report: &CheckReport) -> &Finding {
    let found = damage(report);
    assert_eq!(found.len(), 1, "{:#?}", report.findings);
    found[0]
}

fn tree() -> Files {
    files([("docs/a.txt", b"alpha"), ("docs/b.txt", b"beta"), ("large", &noise(1, 600_000)), ("x/y/z", b"deep")])
}

#[test]
fn a_whole_repository_is_sound() {
    let fixture = Fixture::new();
    fixture.back_up_at(START, &tree());
    let mut more = tree();
    more.insert("docs/c.txt", b"gamma".to_vec());
    fixture.back_up_at(START + 1, &more);
    let report = checked(&fixture);
    assert_eq!(report.findings, []);
    assert!(report.is_sound());
    assert_eq!((report.snapshots, report.packs), (2, 4));
    // Pages: root, docs, x and x/y of the first; root and docs of the second.
    assert_eq!((report.tree_pages, report.nodes), (6, 3 + 2 + 1 + 1 + 3 + 3));
    assert!(report.blocks >= 4);
}

#[test]
fn an_empty_repository_is_sound() {
    assert_eq!(checked(&Fixture::new()), CheckReport { is_leased: true, ..CheckReport::default() });
}

#[test]
fn a_pack_that_is_gone_is_named_with_every_path_in_it() {
    let fixture = Fixture::new();
    let first = fixture.back_up_at(START, &tree());
    let lost = fixture.packs(BlockKind::Content);
    let mut more = tree();
    more.insert("new", noise(2, 1000));
    more.remove("large");
    let second = fixture.back_up_at(START + 1, &more);
    let third = fixture.back_up(&files([("other", b"own")]), &Backup { source: "other", ..Backup::default() });
    fixture.repository.store().delete(&lost[0]).unwrap();
    let report = checked(&fixture);
    let finding = only_damage(&report);
    assert_eq!(finding.object, lost[0]);
    assert_eq!(finding.problem, "the index names it, and it is not in the store");
    assert_eq!(finding.snapshots, [second.id, first.id]);
    assert!(!finding.snapshots.contains(&third.id));
    assert_eq!(finding.paths, ["/docs/a.txt", "/docs/b.txt", "/x/y/z", "/large"]);
    assert_eq!(finding.path_count, 4);
}

#[test]
fn a_pack_of_trees_that_is_gone_takes_the_directories_with_it() {
    let fixture = Fixture::new();
    let entry = fixture.back_up_at(START, &tree());
    let lost = fixture.packs(BlockKind::Tree);
    fixture.repository.store().delete(&lost[0]).unwrap();
    let report = checked(&fixture);
    let finding = only_damage(&report);
    assert_eq!((finding.object.as_str(), finding.snapshots.as_slice()), (lost[0].as_str(), &[entry.id][..]));
    assert_eq!(finding.paths, ["/"]);
}

#[test]
fn a_pack_of_another_length_is_named() {
    let fixture = Fixture::new();
    let entry = fixture.back_up_at(START, &tree());
    let pack = &fixture.packs(BlockKind::Content)[0];
    fixture.store.damage(pack, |bytes| bytes.truncate(bytes.len() - 1));
    let report = checked(&fixture);
    let finding = only_damage(&report);
    assert_eq!(finding.object, *pack);
    assert!(finding.problem.starts_with("expected "), "{}", finding.problem);
    assert_eq!(finding.snapshots, [entry.id]);
    assert_eq!(finding.path_count, 4);
}

#[test]
fn a_pack_that_no_snapshot_needs_may_be_gone() {
    let fixture = Fixture::new();
    let entry = fixture.back_up_at(START, &tree());
    for name in fixture.names("snapshots/").iter().chain(&fixture.names("refs/")) {
        fixture.repository.store().delete(name).unwrap();
    }
    for pack in fixture.packs(BlockKind::Content) {
        fixture.repository.store().delete(&pack).unwrap();
    }
    let report = checked(&fixture);
    assert!(report.is_sound(), "{:#?}", report.findings);
    assert_eq!(report.findings.len(), 1);
    assert!(report.findings[0].problem.ends_with("no snapshot needs it"));
    assert_eq!(entry.snapshot.sequence, 1);
}

/// The findings after a snapshot's object is gone.
fn checked_without(fixture: &Fixture, lost: &SnapshotEntry) -> Vec<Finding> {
    let name = fixture.names("snapshots/").into_iter().find(|name| name.ends_with(&lost.id.to_string()));
    fixture.repository.store().delete(&name.unwrap()).unwrap();
    checked(fixture).findings
}

#[test]
fn a_lost_snapshot_that_a_later_one_names_is_damage() {
    let fixture = Fixture::new();
    let first = fixture.back_up_at(START, &tree());
    let session = Session::begin(&fixture.repository, Sharing::Shared).unwrap();
    let snapshot = mainstay_repo::Snapshot {
        previous: Some(first.id),
        ..snapshot("home", 2, START + 1, first.snapshot.root.clone())
    };
    let blocks = fixture.repository.references(&first).unwrap();
    let second = session.commit(Draft { snapshot, blocks, presence: Presence::Confirmed }).unwrap().entry;
    assert_eq!(checked(&fixture).findings, []);
    let found = checked_without(&fixture, &first);
    let problem =
        format!("its snapshot is lost: snapshot {} was made after it, and no prune removed it", second.id.short());
    assert_eq!(found, [Finding::damage(fixture.refs_name(&first), problem).in_snapshots([first.id])]);
}

#[test]
fn a_reference_map_without_a_snapshot_is_a_note() {
    let fixture = Fixture::new();
    let entry = fixture.back_up_at(START, &tree());
    let found = checked_without(&fixture, &entry);
    let problem = "no snapshot has it: a backup was killed just before its end, or the snapshot is lost";
    assert_eq!(found, [Finding::note(fixture.refs_name(&entry), problem)]);
}

#[test]
fn a_reference_map_is_no_finding_while_its_snapshot_may_come_or_when_a_prune_left_it() {
    let fixture = Fixture::new();
    let first = fixture.back_up_at(START, &tree());
    let second = fixture.back_up_at(START + 1, &files([("other", b"other")]));
    fixture.repository.forget(first.id, 0).unwrap();
    assert_eq!(checked_without(&fixture, &first), []);
    let session = Session::begin(&fixture.repository, Sharing::Shared).unwrap();
    assert_eq!(checked_without(&fixture, &second), []);
    drop(session);
}

#[test]
fn a_flipped_bit_in_a_tree_names_the_pack_and_the_directories() {
    let fixture = Fixture::new();
    let entry = fixture.back_up_at(START, &tree());
    let pack = &fixture.packs(BlockKind::Tree)[0];
    fixture.flip(pack, 200);
    let report = checked(&fixture);
    let finding = only_damage(&report);
    assert_eq!(finding.object, *pack);
    assert!(finding.problem.contains("its seal does not match"), "{}", finding.problem);
    assert_eq!((finding.snapshots.as_slice(), finding.paths.as_slice()), (&[entry.id][..], &["/".to_owned()][..]));
}

#[test]
fn damage_in_one_tree_does_not_hide_that_in_another() {
    let fixture = Fixture::new();
    let first = fixture.back_up_at(START, &tree());
    let first_pack = fixture.packs(BlockKind::Tree)[0].clone();
    let mut more = tree();
    more.insert("docs/c.txt", b"gamma".to_vec());
    let second = fixture.back_up_at(START + 1, &more);
    let second_pack = fixture.packs(BlockKind::Tree).into_iter().find(|name| *name != first_pack).unwrap();
    fixture.flip(&first_pack, 200);
    fixture.flip(&second_pack, 200);
    let report = checked(&fixture);
    let mut objects: Vec<_> = damage(&report).iter().map(|finding| finding.object.clone()).collect();
    objects.sort();
    let mut expected = [first_pack.clone(), second_pack];
    expected.sort();
    assert_eq!(objects, expected);
    let of_first = damage(&report).into_iter().find(|finding| finding.object == first_pack).unwrap();
    assert_eq!(of_first.snapshots, [second.id, first.id]);
    assert_eq!(of_first.paths, ["/"]);
}

#[test]
fn a_flipped_bit_in_a_snapshot_names_it() {
    let fixture = Fixture::new();
    let first = fixture.back_up_at(START, &tree());
    let names = fixture.names("snapshots/");
    fixture.back_up_at(START + 1, &tree());
    fixture.flip(&names[0], 100);
    let report = checked(&fixture);
    let finding = only_damage(&report);
    assert_eq!((finding.object.as_str(), finding.snapshots.as_slice()), (names[0].as_str(), &[first.id][..]));
    assert_eq!(finding.problem, "its bytes do not match its name");
    assert_eq!(report.snapshots, 1);
}

#[test]
fn a_snapshot_whose_data_key_is_gone_is_damaged_and_not_absent() {
    let fixture = Fixture::new();
    let entry = fixture.back_up_at(START, &tree());
    for name in fixture.names("keys/data/") {
        fixture.repository.store().delete(&name).unwrap();
    }
    let reopened = fixture.reopen();
    let report = checked(&reopened);
    let finding = damage(&report)[0];
    assert_eq!(finding.snapshots, [entry.id]);
    assert!(finding.problem.contains("read data key"), "{}", finding.problem);
}

#[test]
fn a_reference_map_that_is_damaged_or_gone_is_named() {
    for is_gone in [false, true] {
        let fixture = Fixture::new();
        let entry = fixture.back_up_at(START, &tree());
        let name = fixture.refs_name(&entry);
        if is_gone {
            fixture.repository.store().delete(&name).unwrap();
        } else {
            fixture.flip(&name, 60);
        }
        let report = checked(&fixture);
        let finding = only_damage(&report);
        assert_eq!((finding.object.as_str(), finding.snapshots.as_slice()), (name.as_str(), &[entry.id][..]));
        let expected = if is_gone { "it is missing" } else { "it is not the map that its snapshot names" };
        assert_eq!(finding.problem, expected);
    }
}

#[test]
fn paths_are_traced_even_in_a_snapshot_without_a_reference_map() {
    let fixture = Fixture::new();
    let first = fixture.back_up_at(START, &tree());
    let second = fixture.back_up_at(START + 1, &tree());
    let pack = fixture.packs(BlockKind::Content)[0].clone();
    fixture.repository.store().delete(&pack).unwrap();
    fixture.flip(&fixture.refs_name(&first), 60);
    let report = checked(&fixture);
    let finding = report.findings.iter().find(|finding| finding.object == pack).unwrap();
    assert_eq!(finding.snapshots, [second.id, first.id]);
    assert_eq!(finding.path_count, 4);
}

#[test]
fn a_flipped_bit_anywhere_in_an_index_table_names_the_table() {
    for kind in ["index/b-", "index/c-"] {
        let probe = Fixture::new();
        probe.back_up_at(START, &tree());
        let len = probe.repository.store().len(&probe.names(kind)[0]).unwrap() as usize;
        for offset in [0, len / 3, len / 2, len - 40] {
            let fixture = Fixture::new();
            let entry = fixture.back_up_at(START, &tree());
            let name = fixture.names(kind)[0].clone();
            fixture.flip(&name, offset.min(fixture.repository.store().len(&name).unwrap() as usize - 1));
            let report = checked(&fixture);
            let found = damage(&report);
            assert!(found.iter().any(|finding| finding.object == name), "{name} at {offset}: {found:#?}");
            // Packs tell what was in the table.
            let is_lost = found.iter().any(|finding| finding.snapshots.contains(&entry.id));
            assert!(!is_lost, "{name} at {offset}: {found:#?}");
        }
    }
}

#[test]
fn packs_that_no_table_names_are_no_damage() {
    let fixture = Fixture::new();
    fixture.back_up_at(START, &tree());
    for name in fixture.names("index/b-") {
        fixture.repository.store().delete(&name).unwrap();
    }
    let report = checked(&fixture);
    assert!(report.is_sound(), "{:#?}", report.findings);
    assert_eq!(report.findings.iter().filter(|finding| finding.object.starts_with("packs/")).count(), 2);
}

#[test]
fn blocks_that_neither_table_nor_pack_knows_are_told_with_their_session() {
    let fixture = Fixture::new();
    let entry = fixture.back_up_at(START, &tree());
    for name in fixture.names("index/b-") {
        fixture.repository.store().delete(&name).unwrap();
    }
    // Their footers are cut off.
    for pack in fixture.names("packs/") {
        let bytes = fixture.repository.store().read(&pack, 1 << 30).unwrap();
        fixture.repository.store().delete(&pack).unwrap();
        fixture.repository.store().put(&pack, &bytes[..bytes.len() - 1]).unwrap();
    }
    let report = checked(&fixture);
    let finding = only_damage(&report);
    assert!(finding.object.ends_with(&format!("blocks of session {}", entry.snapshot.session)), "{}", finding.object);
    assert_eq!((finding.snapshots.as_slice(), finding.paths.as_slice()), (&[entry.id][..], &["/".to_owned()][..]));
    let notes = report.findings.iter().filter(|finding| finding.severity == Severity::Note);
    assert_eq!(notes.filter(|finding| finding.object.starts_with("packs/")).count(), 2);
}

#[test]
fn a_reference_map_that_lacks_a_block_is_damage_and_one_with_too_many_is_a_note() {
    let fixture = Fixture::new();
    let whole = fixture.back_up_at(START, &tree());
    let trees = fixture.trees();
    let large = crate::select::find_in_snapshot(&trees, &whole, b"large").unwrap().unwrap();
    let Extent::Data { block, .. } = large.content.extents[0] else { panic!("a hole") };
    let lacking: BlockSet = without(&fixture.repository.references(&whole).unwrap(), block);
    let bad = commit(&fixture, whole.snapshot.root.clone(), lacking, 2);
    let mut surplus = fixture.repository.references(&whole).unwrap();
    let other = fixture.back_up(&files([("more", b"more")]), &Backup { source: "other", ..Backup::default() });
    surplus.union(&fixture.repository.references(&other).unwrap());
    let wasteful = commit(&fixture, whole.snapshot.root.clone(), surplus, 3);
    let report = checked(&fixture);
    let finding = only_damage(&report);
    assert_eq!((finding.object.as_str(), finding.snapshots.as_slice()), (&*fixture.refs_name(&bad), &[bad.id][..]));
    assert!(finding.problem.starts_with("1 block that its trees need"), "{}", finding.problem);
    assert_eq!(finding.paths, ["/large"]);
    let note = report.findings.iter().find(|finding| finding.severity == Severity::Note).unwrap();
    assert_eq!((note.object.as_str(), note.snapshots.as_slice()), (&*fixture.refs_name(&wasteful), &[wasteful.id][..]));
    assert_eq!(note.problem, "2 blocks in it that no tree needs");
}

fn without(blocks: &BlockSet, absent: BlockId) -> BlockSet {
    let mut left = BlockSet::default();
    for block in blocks.iter().filter(|block| *block != absent) {
        left.insert(block);
    }
    left
}

/// Commits a snapshot with any root and any reference map.
fn commit(fixture: &Fixture, root: Content, blocks: BlockSet, sequence: u64) -> SnapshotEntry {
    let session = Session::begin(&fixture.repository, Sharing::Shared).unwrap();
    let snapshot = snapshot("home", sequence, START + sequence as i64, root);
    session.commit(Draft { snapshot, blocks, presence: Presence::Believed }).unwrap().entry
}

#[test]
fn a_file_whose_extents_do_not_make_its_length_is_damage() {
    let fixture = Fixture::new();
    let edit = |path: &str, node: &mut Node| {
        if path == "docs/b.txt" {
            node.size += 1;
        }
    };
    let entry = fixture.back_up(&tree(), &Backup { edit: &edit, ..Backup::default() });
    let report = checked(&fixture);
    let finding = only_damage(&report);
    assert_eq!(finding.problem, "\"b.txt\": expected 5 bytes of content, got 4");
    assert_eq!((finding.snapshots.as_slice(), finding.paths.as_slice()), (&[entry.id][..], &["/docs/".to_owned()][..]));
}

#[test]
fn content_that_lies_in_a_block_of_trees_is_damage() {
    let fixture = Fixture::new();
    let session = Session::begin(&fixture.repository, Sharing::Shared).unwrap();
    let wrong = session.store_tree_page(b"not a page").unwrap();
    let content = Content { extents: vec![wrong], lists: Vec::new() };
    let file = Node { size: wrong.content_len(), content, ..node("file", NodeKind::File) };
    let directory = Node { content: file.content.clone(), ..node("directory", NodeKind::Directory) };
    let page = mainstay_repo::TreePage { nodes: vec![directory, file], ..Default::default() };
    let root = Content { extents: vec![session.store_tree_page(&page.encode()).unwrap()], lists: Vec::new() };
    let mut blocks = BlockSet::default();
    let Extent::Data { block, .. } = wrong else { panic!("a hole") };
    blocks.insert(block);
    let snapshot = snapshot("by hand", 1, START, root);
    session.commit(Draft { snapshot, blocks, presence: Presence::Believed }).unwrap();
    let report = checked(&fixture);
    let problems: Vec<&str> = damage(&report).iter().map(|finding| finding.problem.as_str()).collect();
    assert!(problems.iter().any(|problem| problem.contains("a tree cannot be read")), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.contains("is of the other kind")), "{problems:?}");
}

#[test]
fn pages_of_a_directory_that_are_out_of_order_are_damage() {
    let fixture = Fixture::new();
    let session = Session::begin(&fixture.repository, Sharing::Shared).unwrap();
    let mut blocks = BlockSet::default();
    let mut page = |name: &str| {
        let page = mainstay_repo::TreePage { nodes: vec![node(name, NodeKind::File)], ..Default::default() };
        let extent = session.store_tree_page(&page.encode()).unwrap();
        if let Extent::Data { block, .. } = extent {
            blocks.insert(block);
        }
        extent
    };
    let root = Content { extents: vec![page("b"), page("c"), page("a")], lists: Vec::new() };
    let snapshot = snapshot("by hand", 1, START, root);
    session.commit(Draft { snapshot, blocks, presence: Presence::Believed }).unwrap();
    assert_eq!(only_damage(&checked(&fixture)).problem, "its names do not follow those of the page before");
}

#[test]
fn a_finding_lists_a_hundred_paths_and_counts_them_all() {
    let fixture = Fixture::new();
    let tree: Files =
        (0..250u32).map(|number| (&*format!("d/{number:03}").leak(), number.to_le_bytes().to_vec())).collect();
    fixture.back_up_at(START, &tree);
    fixture.back_up_at(START + 1, &tree);
    fixture.repository.store().delete(&fixture.packs(BlockKind::Content)[0]).unwrap();
    let report = checked(&fixture);
    let finding = only_damage(&report);
    assert_eq!((finding.paths.len(), finding.path_count), (100, 250));
    assert_eq!(finding.snapshots.len(), 2);
}

#[test]
fn a_check_stops_on_request() {
    let fixture = Fixture::new();
    fixture.back_up_at(START, &tree());
    let cancel = Cancel::default();
    cancel.request();
    assert!(matches!(check(&fixture.repository, &NoProgress, &cancel), Err(crate::Error::Cancelled)));
}

#[test]
fn a_check_reads_no_content_and_each_block_of_trees_once() {
    let fixture = Fixture::new();
    fixture.back_up_at(START, &tree());
    fixture.back_up_at(START + 1, &tree());
    let (content, trees) = (fixture.packs(BlockKind::Content), fixture.packs(BlockKind::Tree));
    fixture.store.take_calls();
    assert!(checked(&fixture).is_sound());
    let calls = fixture.store.take_calls();
    let reads = |packs: &[String]| {
        let is_of = |call: &&mainstay_repo::store::Call| matches!(call, mainstay_repo::store::Call::Read { name, .. } if packs.contains(name));
        calls.iter().filter(is_of).count()
    };
    assert_eq!((reads(&content), reads(&trees)), (0, 1));
}
