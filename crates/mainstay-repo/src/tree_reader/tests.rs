//! Tests of following trees: pages, extent lists, and what a hostile writer may put there.

use std::sync::Arc;

use super::*;
use crate::error::Kind;
use crate::fixtures::{create, draft, node, seeded, store_files};
use crate::format::refs::BlockSet;
use crate::format::tree::{Node, NodeKind, Owners};
use crate::id::BlockId;
use crate::repository::Repository;
use crate::session::{Session, Sharing};
use crate::store::MemoryStore;

/// Stores what `write` stores, commits, and gives a reader and what `write` answered.
fn written<T>(write: impl FnOnce(&Session<'_>) -> T) -> (TreeReader, T) {
    let repository: Repository = create(MemoryStore::default());
    let session = Session::begin(&repository, Sharing::Shared).unwrap();
    let answer = write(&session);
    session.commit(draft("data", 1, Content::default(), BlockSet::default())).unwrap();
    let index = repository.index().unwrap();
    (TreeReader::new(repository.block_reader(&Arc::clone(&index))), answer)
}

fn page(names: &[&str]) -> TreePage {
    let nodes = names.iter().map(|name| node(name, NodeKind::Fifo)).collect();
    TreePage { nodes, ..TreePage::default() }
}

fn store_pages(session: &Session<'_>, pages: &[TreePage]) -> Content {
    let extents = pages.iter().map(|page| session.store_tree_page(&page.encode()).unwrap()).collect();
    Content { extents, lists: Vec::new() }
}

fn kind<T>(result: Result<T>) -> Option<Kind> {
    result.err().map(|error| error.kind())
}

fn names(page: &TreePage) -> Vec<String> {
    page.nodes.iter().map(|node| String::from_utf8_lossy(&node.name).into_owned()).collect()
}

#[test]
fn a_directory_of_several_pages_is_read_in_order() {
    let (reader, root) =
        written(|session| store_pages(session, &[page(&["a", "b"]), page(&[]), page(&["c"]), page(&["d", "e"])]));
    assert_eq!(names(&reader.directory(&root).unwrap()), ["a", "b", "c", "d", "e"]);
    assert_eq!(names(&reader.directory(&Content::default()).unwrap()), [""; 0]);
}

#[test]
fn pages_out_of_order_are_refused() {
    for pages in [[page(&["a", "c"]), page(&["b"])], [page(&["a"]), page(&["a"])]] {
        let (reader, root) = written(|session| store_pages(session, &pages));
        assert_eq!(kind(reader.directory(&root)), Some(Kind::Corrupt));
    }
}

#[test]
fn an_empty_page_between_does_not_hide_the_order() {
    let (reader, root) = written(|session| store_pages(session, &[page(&["b"]), page(&[]), page(&["a"])]));
    assert_eq!(kind(reader.directory(&root)), Some(Kind::Corrupt));
}

#[test]
fn owners_of_all_pages_are_gathered_once() {
    let with_owner = |name: &str, users: &[(u32, &str)]| {
        let users = users.iter().map(|(number, name)| (*number, (*name).to_owned())).collect();
        TreePage { owners: Owners { users, groups: Vec::new() }, ..page(&[name]) }
    };
    let pages = [with_owner("a", &[(0, "root")]), with_owner("b", &[(0, "root"), (1, "daemon")])];
    let (reader, root) = written(|session| store_pages(session, &pages));
    let users = reader.directory(&root).unwrap().owners.users;
    assert_eq!(users, [(0, "root".to_owned()), (1, "daemon".to_owned())]);
}

#[test]
fn extents_that_were_moved_to_lists_are_found() {
    let (reader, (content, extents)) = written(|session| {
        let extents: Vec<Extent> = (0..2000).map(|seed| session.store_small_file(&seeded(seed, 50)).unwrap()).collect();
        let lists = extents
            .chunks(limits::INLINE_EXTENTS)
            .map(|part| session.store_tree_page(&ExtentList { extents: part.to_vec() }.encode()).unwrap())
            .collect();
        (Content { extents: Vec::new(), lists }, extents)
    });
    assert_eq!(reader.extents(&content).unwrap(), extents);
}

#[test]
fn an_extent_beyond_its_block_is_refused() {
    let (reader, extent) = written(|session| session.store_tree_page(&page(&["a"]).encode()).unwrap());
    let Extent::Data { block, offset, len } = extent else { panic!("a page is no hole") };
    assert_eq!(names(&reader.page(&extent).unwrap()), ["a"]);
    for (offset, len) in [(offset + 1, len), (offset, len + 1), (offset + len, 1), (u32::MAX, u32::MAX), (0, u32::MAX)]
    {
        assert_eq!(kind(reader.page(&Extent::Data { block, offset, len })), Some(Kind::Corrupt), "{len} at {offset}");
    }
}

#[test]
fn an_extent_of_no_block_is_refused() {
    let (reader, extent) = written(|session| session.store_tree_page(&page(&["a"]).encode()).unwrap());
    let Extent::Data { block, offset, len } = extent else { panic!("a page is no hole") };
    let serial = BlockId { serial: block.serial + 1, ..block };
    let session = BlockId { session: crate::fixtures::session_id(9), ..block };
    for block in [serial, session] {
        assert_eq!(kind(reader.page(&Extent::Data { block, offset, len })), Some(Kind::Corrupt));
    }
    assert_eq!(kind(reader.page(&Extent::Hole { len: 10 })), Some(Kind::Corrupt));
}

#[test]
fn content_does_not_pass_for_a_tree_nor_a_tree_for_content() {
    let (reader, (content, tree)) = written(|session| {
        let bytes = page(&["a"]).encode();
        (session.store_small_file(&bytes).unwrap(), session.store_tree_page(&bytes).unwrap())
    });
    assert_eq!(kind(reader.page(&content)), Some(Kind::Corrupt));
    let Extent::Data { block, .. } = tree else { panic!("a page is no hole") };
    assert_eq!(kind(reader.blocks().read(block, BlockKind::Content, 0..0)), Some(Kind::Corrupt));
    assert!(reader.page(&tree).is_ok());
    assert_eq!(
        kind(reader.blocks().read(block, BlockKind::Content, 0..0)),
        Some(Kind::Corrupt),
        "not from the cache either"
    );
}

#[test]
fn a_page_that_is_none_is_refused() {
    let (reader, extent) = written(|session| session.store_tree_page(b"no page").unwrap());
    assert_eq!(kind(reader.page(&extent)), Some(Kind::Corrupt));
    let (reader, extent) = written(|session| session.store_tree_page(&page(&["a"]).encode()).unwrap());
    assert_eq!(kind(reader.extents(&Content { extents: Vec::new(), lists: vec![extent] })), Some(Kind::Corrupt));
}

/// A page with one directory whose only page is the page itself: its place is known before it is written.
fn page_of_itself(block: BlockId) -> (TreePage, Extent) {
    let with_len = |len| {
        let extent = Extent::Data { block, offset: 0, len };
        let content = Content { extents: vec![extent], lists: Vec::new() };
        let itself = Node { content, ..node("again", NodeKind::Directory) };
        (TreePage { nodes: vec![itself], ..TreePage::default() }, extent)
    };
    let len = (1..1000).find(|len| with_len(*len).0.encode().len() == *len as usize);
    with_len(len.expect("some length is its own"))
}

#[test]
fn a_directory_that_contains_itself_is_read_one_level_at_a_time() {
    let (reader, extent) = written(|session| {
        let (page, expected) = page_of_itself(BlockId { session: session.id(), serial: 0 });
        let stored = session.store_tree_page(&page.encode()).unwrap();
        assert_eq!(stored, expected);
        stored
    });
    let mut directory = Content { extents: vec![extent], lists: Vec::new() };
    for _ in 0..100 {
        let mut page = reader.directory(&directory).unwrap();
        assert_eq!(names(&page), ["again"]);
        directory = page.nodes.remove(0).content;
    }
}

#[test]
fn an_extent_list_that_lists_itself_is_not_followed() {
    let (reader, list) = written(|session| {
        let block = BlockId { session: session.id(), serial: 0 };
        let with_len = |len| ExtentList { extents: vec![Extent::Data { block, offset: 0, len }] };
        let len = (1..100).find(|len| with_len(*len).encode().len() == *len as usize).unwrap();
        session.store_tree_page(&with_len(len).encode()).unwrap()
    });
    let content = Content { extents: Vec::new(), lists: vec![list] };
    assert_eq!(reader.extents(&content).unwrap(), [list], "its extents are data, whatever they point to");
}

#[test]
fn a_walk_ends_with_the_error_of_the_visitor() {
    let (reader, root) = written(|session| {
        let files = (0..20).map(|number| (format!("{number:02}"), seeded(number, 10))).collect();
        store_files(session, &files).unwrap().0
    });
    let mut pages = 0;
    let ended = reader.for_each_page::<Error>(&root, |_| {
        pages += 1;
        if pages == 3 { Err(Error::Invalid("enough".to_owned())) } else { Ok(()) }
    });
    assert_eq!((kind(ended), pages), (Some(Kind::Invalid), 3));
}
