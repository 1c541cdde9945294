//! Tree pages and extents at their limits.

use super::*;
use crate::format::limits;

fn decode(node: Node) -> Decoded<TreePage> {
    TreePage::decode(&TreePage { nodes: vec![node], ..TreePage::default() }.encode())
}

#[test]
fn an_extent_beyond_the_longest_block_is_refused() {
    let list = |offset, len| ExtentList::decode(&ExtentList { extents: vec![data(1, 1, offset, len)] }.encode());
    let longest = limits::BLOCK_LEN as u32;
    assert!(list(0, longest).is_ok());
    assert!(list(1, longest).is_err());
    assert!(list(longest, 1).is_err());
    assert!(list(u32::MAX, u32::MAX).is_err());
}

#[test]
fn a_list_with_too_many_extents_is_refused() {
    let list = |count| ExtentList::decode(&ExtentList { extents: vec![Extent::Hole { len: 1 }; count] }.encode());
    assert!(list(limits::LIST_EXTENTS).is_ok());
    assert!(list(limits::LIST_EXTENTS + 1).is_err());
}

#[test]
fn a_page_with_too_many_nodes_is_refused() {
    let page = |count: usize| {
        let nodes = (0..count).map(|number| node(format!("{number:05}").as_bytes(), NodeKind::Fifo)).collect();
        TreePage::decode(&TreePage { nodes, ..TreePage::default() }.encode())
    };
    assert!(page(limits::TREE_PAGE_NODES).is_ok());
    assert!(page(limits::TREE_PAGE_NODES + 1).is_err());
}

#[test]
fn a_name_or_link_target_that_is_too_long_is_refused() {
    assert!(decode(node(&[b'n'; limits::NAME_LEN], NodeKind::File)).is_ok());
    assert!(decode(node(&[b'n'; limits::NAME_LEN + 1], NodeKind::File)).is_err());
    let link = |len| decode(Node { link_target: Some(vec![b't'; len]), ..node(b"link", NodeKind::Symlink) });
    assert!(link(limits::LINK_TARGET_LEN).is_ok());
    assert!(link(limits::LINK_TARGET_LEN + 1).is_err());
}

#[test]
fn attributes_that_are_too_long_together_are_refused() {
    let attributes = |lens: &[usize]| {
        let attributes = lens.iter().map(|len| (b"user.a".to_vec(), vec![0; *len])).collect();
        decode(Node { attributes, ..node(b"file", NodeKind::File) })
    };
    let half = limits::ATTRIBUTES_LEN / 2;
    assert!(attributes(&[half - 6, half - 6]).is_ok());
    assert!(attributes(&[half - 6, half - 5]).is_err());
    assert!(attributes(&[limits::ATTRIBUTES_LEN + 1]).is_err());
}

#[test]
fn the_name_of_an_owner_that_is_too_long_is_refused() {
    let page = |len| {
        let owners = Owners { users: vec![(1, "n".repeat(len))], groups: Vec::new() };
        TreePage::decode(&TreePage { nodes: Vec::new(), owners }.encode())
    };
    assert!(page(limits::NAME_LEN).is_ok());
    assert!(page(limits::NAME_LEN + 1).is_err());
}

#[test]
fn a_second_has_fewer_than_a_thousand_million_nanoseconds() {
    assert!(decode(Node { modified: (i64::MIN, 999_999_999), ..node(b"file", NodeKind::File) }).is_ok());
    assert!(decode(Node { modified: (0, 1_000_000_000), ..node(b"file", NodeKind::File) }).is_err());
    assert!(decode(Node { changed: (0, u32::MAX), ..node(b"file", NodeKind::File) }).is_err());
}
