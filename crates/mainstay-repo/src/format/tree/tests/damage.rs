//! Damaged and hostile tree pages.

use super::*;
use crate::fixtures::damage::assert_damage_is_harmless;

#[test]
fn damage_to_a_tree_page_is_harmless() {
    assert_damage_is_harmless(&page().encode(), TreePage::decode, TreePage::encode);
}

#[test]
fn damage_to_an_extent_list_is_harmless() {
    let list = ExtentList { extents: vec![data(1, 2, 3, 4), Extent::Hole { len: 5 }, data(2, 6, 7, 8)] };
    assert_damage_is_harmless(&list.encode(), ExtentList::decode, ExtentList::encode);
}

#[test]
fn a_name_that_leads_elsewhere_is_refused() {
    for name in [&b""[..], b".", b"..", b"/", b"a/b", b"../x", b"a\0b", b"\0"] {
        let page = TreePage { nodes: vec![node(name, NodeKind::File)], ..TreePage::default() };
        assert!(TreePage::decode(&page.encode()).is_err(), "{name:?}");
    }
    for name in [&b"..."[..], b".a", b"..a", b" ", b"\xff", b"\\", b"a\nb"] {
        let page = TreePage { nodes: vec![node(name, NodeKind::File)], ..TreePage::default() };
        assert_eq!(TreePage::decode(&page.encode()), Ok(page), "{name:?}");
    }
}

#[test]
fn names_out_of_order_or_twice_are_refused() {
    for names in [[b"b", b"a"], [b"a", b"a"]] {
        let nodes = names.iter().map(|name| node(*name, NodeKind::File)).collect();
        assert!(TreePage::decode(&TreePage { nodes, ..TreePage::default() }.encode()).is_err(), "{names:?}");
    }
}

/// Encodes `{1: [], 2: numbers}`.
fn list_of_numbers(numbers: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes);
    encoder.map(2).unwrap().u8(1).unwrap().array(0).unwrap().u8(2).unwrap().array(numbers.len() as u64).unwrap();
    for number in numbers {
        encoder.u64(*number).unwrap();
    }
    bytes
}

#[test]
fn extents_that_are_cut_short_or_of_no_session_are_refused() {
    assert_eq!(
        ExtentList::decode(&list_of_numbers(&[0, 5])).map(|list| list.extents),
        Ok(vec![Extent::Hole { len: 5 }])
    );
    for numbers in [&[0][..], &[0, 5, 0], &[1], &[1, 2, 3], &[1, 0, 0, 1], &[u64::MAX, 0, 0, 1]] {
        assert!(ExtentList::decode(&list_of_numbers(numbers)).is_err(), "{numbers:?}");
    }
}

#[test]
fn counts_that_the_input_cannot_hold_are_refused_before_memory_is_taken() {
    // Arrays of 2^32 items, in a few bytes: session list, extents, nodes, owners.
    for huge in ["a2019b0000000100000000", "a20180029b0000000100000000", "a4019b0000000100000000"] {
        let bytes = unhex(huge);
        assert!(ExtentList::decode(&bytes).is_err() && TreePage::decode(&bytes).is_err(), "{huge}");
    }
    for huge in
        ["a40180029b0000000100000000", "a4018002800380049b0000000100000000", "a40180028003800481bb0000000100000000"]
    {
        assert!(TreePage::decode(&unhex(huge)).is_err(), "{huge}");
    }
}

#[test]
fn indefinite_lengths_and_unknown_or_unordered_fields_are_refused() {
    let accepted = "a40180028003800481a7014161020103000400050007820000088200000900";
    let pages = [
        ("no inode", "a40180028003800481a7014161020103000400050007820000088200000900", true),
        ("indefinite page", "bf0180028003800480ff", false),
        ("indefinite nodes", "a4018002800380049fff", false),
        ("indefinite node", "a40180028003800481bf014161ff", false),
        ("unknown field", "a40180028003800481a20141611100", false),
        ("field twice", "a40180028003800481a2014161014161", false),
        ("fields out of order", "a40180028003800481a2020101416", false),
        ("unknown kind", "a40180028003800481a20141610208", false),
        ("no name", "a40180028003800481a10201", false),
        ("a fifth key", "a501800280038004800500", false),
        ("bytes after the end", "a4018002800380048000", false),
    ];
    assert!(TreePage::decode(&unhex(accepted)).is_err(), "the map has eight fields, not seven");
    for (what, page, _) in pages.iter().skip(1) {
        assert!(TreePage::decode(&unhex(page)).is_err(), "{what}");
    }
    assert!(TreePage::decode(&unhex(&accepted.replace("81a7", "81a8"))).is_ok());
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}
