//! What a session writes, and in which order.

use super::*;

#[test]
fn a_first_session_publishes_in_the_order_that_makes_a_crash_harmless() {
    let (store, repository) = new_repository();
    store.take_calls();
    back_up(&repository, 1, &files_of(&[("a", 1, 1000), ("b", 2, 700_000)])).unwrap();
    let expected = [
        "coord/leases/…/000000",
        "keys/data/…",
        "packs/xx/…",
        "packs/xx/…",
        "index/…",
        "index/…",
        "refs/…",
        "snapshots/…/…",
        "coord/leases/…/end",
    ];
    let found: Vec<String> = puts(&store)
        .into_iter()
        .map(|name| if name.starts_with("packs/") { "packs/xx/…".to_owned() } else { name })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn an_unchanged_second_session_writes_exactly_these_objects() {
    let (store, repository) = new_repository();
    let files = files_of(&[("a", 1, 1000), ("b", 2, 700_000), ("c", 3, 0)]);
    back_up(&repository, 1, &files).unwrap();
    store.take_calls();
    let report = back_up(&repository, 2, &files).unwrap();
    assert_eq!(puts(&store), ["coord/leases/…/000000", "keys/data/…", "refs/…", "snapshots/…/…", "coord/leases/…/end"]);
    assert_eq!((report.packs, report.stored_bytes, report.new_bytes), (0, 0, 0));
    assert!(report.duplicate_bytes > 701_000);
    assert_snapshots(&repository, &[(1, files.clone()), (2, files)].into());
}

#[test]
fn a_session_that_changes_one_file_stores_that_file_and_the_pages_above_it() {
    let (store, repository) = new_repository();
    let mut files: Files = (0..20).map(|number| (format!("{number:02}"), seeded(number, 5000))).collect();
    back_up(&repository, 1, &files).unwrap();
    files.insert("07".to_owned(), seeded(777, 4000));
    let report = back_up(&repository, 2, &files).unwrap();
    assert!((4000..6000).contains(&report.new_bytes), "{} bytes are new", report.new_bytes);
    assert_eq!(report.packs, 2, "one of content, one of trees");
    assert_eq!(named(&store, "packs/").len(), 4);
    assert_eq!(read_back(&repository, &report.entry).unwrap(), files);
}

#[test]
fn content_of_every_length_reads_back() {
    let (_store, repository) = new_repository();
    let lens = [0, 1, 31, 4096, 65_537, 262_143, 262_144, 524_287, 524_288, 1_000_000, limits::CHUNK_LEN];
    let files: Files = lens.iter().map(|len| (format!("{len:08}"), seeded(*len as u64, *len))).collect();
    let report = back_up(&repository, 1, &files).unwrap();
    assert_eq!(read_back(&repository, &report.entry).unwrap(), files);
}

#[test]
fn a_snapshot_of_nothing_is_one() {
    let (_store, repository) = new_repository();
    let report = back_up(&repository, 1, &Files::new()).unwrap();
    assert_eq!((report.packs, report.new_bytes), (0, 0));
    assert_eq!(read_back(&repository, &report.entry).unwrap(), Files::new());
}

#[test]
fn many_small_files_share_a_block() {
    let (_store, repository) = new_repository();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let extents: Vec<Extent> = (0..1000).map(|seed| session.store_small_file(&seeded(seed, 1000)).unwrap()).collect();
    assert_eq!(blocks_of(&extents).len(), 1);
    let more: Vec<Extent> = (1000..3000).map(|seed| session.store_small_file(&seeded(seed, 1000)).unwrap()).collect();
    assert_eq!(blocks_of(&more).len(), 3, "a block of 1 MiB is closed");
}

#[test]
fn a_large_run_has_a_block_of_its_own() {
    let (_store, repository) = new_repository();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let small = session.store_small_file(b"small").unwrap();
    let large = store_large(&session, &seeded(1, limits::BLOCK_TARGET)).unwrap();
    let next = session.store_small_file(b"small too").unwrap();
    assert_eq!(blocks_of(&large).len(), 1);
    assert_eq!(blocks_of(&[small, next]).len(), 1);
    assert!(blocks_of(&large).is_disjoint(&blocks_of(&[small])));
}

#[test]
fn content_and_trees_never_share_a_block_or_a_chunk() {
    let (_store, repository) = new_repository();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let content = session.store_small_file(b"the same bytes").unwrap();
    let tree = session.store_tree_page(b"the same bytes").unwrap();
    assert!(blocks_of(&[content]).is_disjoint(&blocks_of(&[tree])));
}

#[test]
fn a_large_session_writes_several_packs_and_reads_back() {
    let (store, repository) = new_repository();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let data = seeded(1, 40 << 20);
    let mut file = crate::fixtures::node("large", crate::format::tree::NodeKind::File);
    file.size = data.len() as u64;
    file.content.extents = store_large(&session, &data).unwrap();
    let page = crate::format::tree::TreePage { nodes: vec![file.clone()], ..Default::default() };
    let root = session.store_tree_page(&page.encode()).unwrap();
    let mut blocks = crate::format::refs::BlockSet::default();
    for block in blocks_of(&file.content.extents).into_iter().chain(blocks_of(&[root])) {
        blocks.insert(block);
    }
    let root = crate::format::tree::Content { extents: vec![root], lists: Vec::new() };
    let report = session.commit(draft("data", 1, root, blocks)).unwrap();
    assert_eq!((report.packs, named(&store, "packs/").len()), (4, 4), "16 + 16 + 8 MiB, and the tree");
    assert_eq!(read_back(&repository, &report.entry).unwrap(), [("large".to_owned(), data)].into());
}

#[test]
fn a_run_that_no_block_can_hold_is_refused_before_it_is_stored() {
    let (_store, repository) = new_repository();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let data = seeded(1, limits::BLOCK_LEN + 1);
    let lens = [limits::CHUNK_LEN, limits::CHUNK_LEN, 1];
    let stored = session.store_run(&data, &lens, Effort::Fast);
    assert!(stored.is_err(), "nobody could read that block");
}

#[test]
fn a_chunk_longer_than_any_reader_accepts_is_refused_before_it_is_stored() {
    let (_store, repository) = new_repository();
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let data = seeded(1, limits::CHUNK_LEN + 1);
    assert!(session.store_small_file(&data).is_err());
    assert!(session.store_tree_page(&data).is_err());
    assert!(session.store_run(&data, &[data.len()], Effort::Fast).is_err());
}
