//! Tests of looking into snapshots.

use mainstay_repo::{
    BlockKind, BlockSet, Content, Draft, Effort, Extent, ExtentList, PackId, Presence, Session, Sharing, Store as _,
    names,
};

use super::*;
use crate::fixture::{Backup, Files, Fixture, START, files, node, noise, snapshot, text};

fn listed(fixture: &Fixture, entry: &SnapshotEntry, reach: Reach) -> Vec<String> {
    let mut paths = Vec::new();
    list(&fixture.trees(), b"", &entry.snapshot.root, reach, &mut |path, node, _| {
        let end = if node.kind == NodeKind::Directory { "/" } else { "" };
        paths.push(format!("{}{end}", String::from_utf8_lossy(path)));
        Ok(())
    })
    .unwrap();
    paths
}

#[test]
fn a_listing_is_in_order_and_a_directory_comes_before_what_is_in_it() {
    let fixture = Fixture::new();
    let tree = files([("b/y", b"1"), ("b/x/deep", b"2"), ("a", b"3"), ("b.txt", b"4"), ("empty/", b"")]);
    let entry = fixture.back_up_at(START, &tree);
    assert_eq!(listed(&fixture, &entry, Reach::Children), ["a", "b/", "b.txt", "empty/"]);
    assert_eq!(listed(&fixture, &entry, Reach::Everything), ["a", "b/", "b/x/", "b/x/deep", "b/y", "b.txt", "empty/"]);
}

#[test]
fn a_listing_of_a_directory_begins_with_its_path() {
    let fixture = Fixture::new();
    let entry = fixture.back_up_at(START, &files([("a/b/c", b"1")]));
    let trees = fixture.trees();
    let directory = select::find_in_snapshot(&trees, &entry, b"a/b").unwrap().unwrap();
    let mut paths = Vec::new();
    list(&trees, b"a/b", &directory.content, Reach::Children, &mut |path, _, _| {
        paths.push(path.to_vec());
        Ok(())
    })
    .unwrap();
    assert_eq!(paths, [b"a/b/c".to_vec()]);
}

#[test]
fn a_listing_crosses_pages_and_stops_at_the_first_error_of_its_caller() {
    let fixture = Fixture::new();
    let tree: Files = (0..50).map(|number| (&*format!("{number:02}").leak(), Vec::new())).collect();
    let entry = fixture.back_up(&tree, &Backup { page_nodes: 7, ..Backup::default() });
    assert_eq!(listed(&fixture, &entry, Reach::Everything).len(), 50);
    let mut seen = 0;
    let stopped = list(&fixture.trees(), b"", &entry.snapshot.root, Reach::Everything, &mut |_, _, _| {
        seen += 1;
        if seen == 9 { Err(Error::Cancelled) } else { Ok(()) }
    });
    assert!(matches!(stopped, Err(Error::Cancelled)));
    assert_eq!(seen, 9);
}

#[test]
fn a_tree_a_thousand_deep_is_walked_without_recursion() {
    let fixture = Fixture::new();
    let session = Session::begin(&fixture.repository, Sharing::Shared).unwrap();
    let mut content = Content::default();
    for _ in 0..5000 {
        let nodes = vec![Node { content, ..node("d", NodeKind::Directory) }];
        let page = mainstay_repo::TreePage { nodes, ..Default::default() };
        content = Content { extents: vec![session.store_tree_page(&page.encode()).unwrap()], lists: Vec::new() };
    }
    let entry = commit(session, content);
    assert_eq!(listed(&fixture, &entry, Reach::Everything).len(), 5000);
}

#[test]
fn each_entry_comes_with_the_names_of_its_own_page() {
    let fixture = Fixture::new();
    let session = Session::begin(&fixture.repository, Sharing::Shared).unwrap();
    let store = |nodes, name: &str| {
        let owners = Owners { users: vec![(7, name.to_owned())], groups: Vec::new() };
        let page = mainstay_repo::TreePage { nodes, owners };
        Content { extents: vec![session.store_tree_page(&page.encode()).unwrap()], lists: Vec::new() }
    };
    let content = store(vec![node("file", NodeKind::File)], "within");
    let root =
        store(vec![Node { content, ..node("d", NodeKind::Directory) }, node("other", NodeKind::File)], "without");
    let entry = commit(session, root);
    let mut names = Vec::new();
    list(&fixture.trees(), b"", &entry.snapshot.root, Reach::Everything, &mut |path, _, owners| {
        names.push((String::from_utf8_lossy(path).into_owned(), owners.users[0].1.clone()));
        Ok(())
    })
    .unwrap();
    let expected = [("d", "without"), ("d/file", "within"), ("other", "without")];
    assert_eq!(names, expected.map(|(path, name)| (path.to_owned(), name.to_owned())));
    let (_, owners) = select::find_with_owners(&fixture.trees(), &entry, b"d/file").unwrap().unwrap();
    assert_eq!(owners.users, [(7, "within".to_owned())]);
}

/// Ends a session that a test used by hand; the reference map does not matter to it.
fn commit(session: Session<'_>, root: Content) -> SnapshotEntry {
    let snapshot = snapshot("by hand", 1, START, root);
    session.commit(Draft { snapshot, blocks: BlockSet::default(), presence: Presence::Believed }).unwrap().entry
}

fn found(fixture: &Fixture, entries: &[&SnapshotEntry], pattern: &str, case: Case) -> Vec<String> {
    let pattern = Pattern::parse(pattern, case).unwrap();
    let mut paths = Vec::new();
    find(&fixture.trees(), entries, &pattern, &mut |entry, path, _, _| {
        paths.push(format!("{}:{}", entry.snapshot.sequence, String::from_utf8_lossy(path)));
        Ok(())
    })
    .unwrap();
    paths
}

#[test]
fn a_pattern_without_a_slash_means_names_and_one_with_a_slash_means_paths() {
    let fixture = Fixture::new();
    let tree = files([
        ("docs/a.txt", b"1"),
        ("docs/old/a.txt", b"2"),
        ("src/docs/b.txt", b"3"),
        ("README.TXT", b"4"),
        ("docs/notes.md", b"5"),
    ]);
    let entry = fixture.back_up_at(START, &tree);
    let find = |pattern| found(&fixture, &[&entry], pattern, Case::Sensitive);
    assert_eq!(find("*.txt"), ["1:docs/a.txt", "1:docs/old/a.txt", "1:src/docs/b.txt"]);
    assert_eq!(find("docs/*.txt"), ["1:docs/a.txt", "1:src/docs/b.txt"]);
    assert_eq!(find("/docs/*.txt"), ["1:docs/a.txt"]);
    assert_eq!(find("/docs/**/*.txt"), ["1:docs/a.txt", "1:docs/old/a.txt"]);
    assert_eq!(find("docs"), ["1:docs", "1:src/docs"]);
    assert_eq!(find("docs/"), ["1:docs", "1:src/docs"]);
    assert_eq!(find("{a,b}.txt").len(), 3);
    assert_eq!(find("nothing"), Vec::<String>::new());
    assert_eq!(found(&fixture, &[&entry], "readme.*", Case::Ignored), ["1:README.TXT"]);
    assert!(matches!(Pattern::parse("[a", Case::Sensitive), Err(Error::Invalid(_))));
}

#[test]
fn names_that_are_not_text_are_found() {
    let fixture = Fixture::new();
    let spoil = |_: &str, node: &mut Node| node.name = b"caf\xe9.txt".to_vec();
    let entry = fixture.back_up(&files([("cafe", b"1")]), &Backup { edit: &spoil, ..Backup::default() });
    assert_eq!(found(&fixture, &[&entry], "caf?.txt", Case::Sensitive).len(), 1);
    assert_eq!(found(&fixture, &[&entry], "/caf*", Case::Sensitive).len(), 1);
}

#[test]
fn finding_in_many_snapshots_goes_in_the_order_given_and_searches_shared_directories_once() {
    let fixture = Fixture::new();
    let mut tree = files([("a/1", b"1"), ("b/wanted", b"2")]);
    for number in 0..200 {
        tree.insert(&*format!("a/many/{number:03}").leak(), vec![1]);
    }
    let first = fixture.back_up_at(START, &tree);
    tree.insert("new/wanted", b"3".to_vec());
    let second = fixture.back_up_at(START + 1, &tree);
    let entries = [&second, &first];
    for pattern in ["wanted", "/*/wanted"] {
        assert_eq!(found(&fixture, &entries, pattern, Case::Sensitive), ["2:b/wanted", "2:new/wanted", "1:b/wanted"]);
    }
}

fn steps(events: &[Event]) -> Vec<(&'static str, u64)> {
    let steps = events.iter().map(|event| match &event.step {
        Step::Appeared => ("appeared", event.node.as_ref().map_or(0, |node| node.size)),
        Step::Changed(difference) if difference.content => ("content", event.node.as_ref().map_or(0, |node| node.size)),
        Step::Changed(_) => ("metadata", event.node.as_ref().map_or(0, |node| node.size)),
        Step::Vanished => ("vanished", 0),
    });
    steps.collect()
}

#[test]
fn the_history_of_a_path_is_when_it_appears_changes_and_vanishes() {
    let fixture = Fixture::new();
    let at = |number: i64, files: &Files| fixture.back_up_at(START + number, files);
    at(0, &files([("x", b"")]));
    at(1, &files([("d/f", b"one")]));
    at(2, &files([("d/f", b"one"), ("x", b"")]));
    at(3, &files([("d/f", b"two!")]));
    let touched = |_: &str, node: &mut Node| node.mode = 0o600;
    fixture.back_up(&files([("d/f", b"two!")]), &Backup { started: START + 4, edit: &touched, ..Backup::default() });
    at(5, &files([("x", b"")]));
    at(6, &files([("d/f", b"back")]));
    let entries = fixture.entries();
    let entries = select::history(&entries, Some("home"));
    let events = history(&fixture.trees(), &entries, b"d/f").unwrap();
    assert_eq!(steps(&events), [("appeared", 3), ("content", 4), ("metadata", 4), ("vanished", 0), ("appeared", 4)]);
    assert_eq!(events[1].snapshot, entries[3].id);
    assert_eq!(events[1].started, START + 3);
    assert!(matches!(history(&fixture.trees(), &entries, b""), Err(Error::Invalid(_))));
}

fn printed(fixture: &Fixture, entry: &SnapshotEntry, path: &[u8]) -> Result<Vec<u8>> {
    let trees = fixture.trees();
    let node = select::find_in_snapshot(&trees, entry, path)?.unwrap();
    let mut out = Vec::new();
    cat(&trees, &node, &mut out)?;
    Ok(out)
}

#[test]
fn a_file_is_printed_as_it_was_whether_small_or_large() {
    let fixture = Fixture::new();
    let large = [noise(1, 3 << 20), text("words", 2 << 20)].concat();
    let tree = files([("small", b"hello"), ("large", &large), ("empty", b""), ("d/x", b"1")]);
    let entry = fixture.back_up_at(START, &tree);
    assert_eq!(printed(&fixture, &entry, b"small").unwrap(), b"hello");
    assert_eq!(printed(&fixture, &entry, b"empty").unwrap(), b"");
    assert!(printed(&fixture, &entry, b"large").unwrap() == large);
    assert!(matches!(printed(&fixture, &entry, b"d"), Err(Error::Invalid(_))));
}

#[test]
fn a_file_is_printed_from_another_copy_of_a_pack_that_is_gone() {
    let fixture = Fixture::new();
    let large = noise(1, 3 << 20);
    let entry = fixture.back_up_at(START, &files([("large", &large)]));
    for (number, name) in (1..).zip(fixture.packs(BlockKind::Content)) {
        let (_, session) = names::parse_pack(&name).unwrap();
        let copy = names::pack(PackId([number; 32]), session);
        fixture.store.put(&copy, &fixture.store.read(&name, u64::MAX).unwrap()).unwrap();
        fixture.store.delete(&name).unwrap();
    }
    assert!(printed(&fixture, &entry, b"large").unwrap() == large);
}

#[test]
fn holes_and_lists_of_extents_are_printed() {
    let fixture = Fixture::new();
    let session = Session::begin(&fixture.repository, Sharing::Shared).unwrap();
    let bytes = noise(2, 700 << 10);
    let stored = session.store_run(&bytes, &[300 << 10, 400 << 10], Effort::Fast).unwrap();
    let hole = Extent::Hole { len: 200_000 };
    let list = |extents: &[Extent]| {
        let list = ExtentList { extents: extents.to_vec() };
        session.store_tree_page(&list.encode()).unwrap()
    };
    let lists = vec![list(&[hole, stored[0]]), list(&[hole, stored[1], hole])];
    let size = 3 * 200_000 + bytes.len() as u64;
    let file = Node { size, content: Content { extents: Vec::new(), lists }, ..node("sparse", NodeKind::File) };
    let short = Node { size: size + 1, name: b"wrong".to_vec(), ..file.clone() };
    let page = mainstay_repo::TreePage { nodes: vec![file, short], ..Default::default() };
    let root = Content { extents: vec![session.store_tree_page(&page.encode()).unwrap()], lists: Vec::new() };
    let entry = commit(session, root);
    let zeros = vec![0; 200_000];
    let (first, second) = bytes.split_at(300 << 10);
    let expected = [&zeros, first, &zeros, second, &zeros].concat();
    assert!(printed(&fixture, &entry, b"sparse").unwrap() == expected);
    assert!(printed(&fixture, &entry, b"wrong").is_err(), "a file that is too short was printed without a word");
}
