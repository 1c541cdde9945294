//! Tests of tree pages and extents.

mod damage;
mod limits;

use proptest::prelude::*;

use super::*;
use crate::fixtures::{block_id, hex};

fn data(session: u8, serial: u32, offset: u32, len: u32) -> Extent {
    Extent::Data { block: block_id(session, serial), offset, len }
}

fn node(name: &[u8], kind: NodeKind) -> Node {
    Node { name: name.to_vec(), kind, mode: 0o4755, ..crate::fixtures::node("", kind) }
}

/// One node of each kind, every field used by one of them.
fn page() -> TreePage {
    let content = Content { extents: vec![data(2, 1, 0, 100), Extent::Hole { len: 1 << 33 }], lists: Vec::new() };
    let mut nodes = vec![
        Node { size: 100 + (1 << 33), content, ..node(b"a", NodeKind::File) },
        Node {
            content: Content { extents: vec![data(1, 9, 7, 300)], lists: Vec::new() },
            ..node(b"b", NodeKind::Directory)
        },
        Node { link_target: Some(b"../\xff".to_vec()), ..node(b"c", NodeKind::Symlink) },
        Node { device_numbers: Some((1, 3)), ..node(b"d", NodeKind::CharacterDevice) },
        Node { device_numbers: Some((8, 1)), ..node(b"e", NodeKind::BlockDevice) },
        Node { modified: (-1, 999_999_999), ..node(b"f", NodeKind::Fifo) },
        Node { device: 66, links: 2, ..node(b"g", NodeKind::Socket) },
    ];
    nodes.push(Node {
        size: 5,
        content: Content { extents: Vec::new(), lists: vec![data(2, 1, 100, 50)] },
        attributes: vec![(b"user.a".to_vec(), b"\0\xff".to_vec()), (b"user.b".to_vec(), Vec::new())],
        ..node(b"h\xfe", NodeKind::File)
    });
    let users = vec![(0, "root".to_owned()), (1000, "aliçe".to_owned())];
    TreePage { nodes, owners: Owners { users, groups: vec![(100, "users".to_owned())] } }
}

#[test]
fn a_tree_page_has_these_bytes_for_ever() {
    assert_eq!(hex(&page().encode()), PAGE);
    assert_eq!(TreePage::decode(&page().encode()), Ok(page()));
}

const PAGE: &str = "\
    a401825002020202020202020202020202020202500101010101010101010101010101010102840064726f6f741903e866616c69c3a7650382186\
    46575736572730488aa0141610201031909ed041903e8051864061b000000020000006407821a6553f1001a075bcd1508821a6553f1010009110c\
    860101001864001b0000000200000000a90141620202031909ed041903e805186407821a6553f1001a075bcd1508821a6553f1010009110c84020\
    90719012ca90141630203031909ed041903e805186407821a6553f1001a075bcd1508821a6553f1010009110e442e2e2fffa90141640204031909\
    ed041903e805186407821a6553f1001a075bcd1508821a6553f1010009110f820103a90141650205031909ed041903e805186407821a6553f1001\
    a075bcd1508821a6553f1010009110f820801a80141660206031909ed041903e80518640782201a3b9ac9ff08821a6553f101000911aa01416702\
    07031909ed041903e805186407821a6553f1001a075bcd1508821a6553f1010009110a18420b02ab014268fe0201031909ed041903e8051864060\
    507821a6553f1001a075bcd1508821a6553f1010009110d84010118641832108446757365722e614200ff46757365722e6240";

#[test]
fn an_extent_list_has_these_bytes_for_ever() {
    let list =
        ExtentList { extents: vec![data(1, 2, 3, 4), Extent::Hole { len: 5 }, data(2, 6, 7, 8), data(1, 9, 0, 1)] };
    let expected = format!("a2018250{}50{}028e01020304000502060708{}", "01".repeat(16), "02".repeat(16), "01090001");
    assert_eq!(hex(&list.encode()), expected);
    assert_eq!(ExtentList::decode(&list.encode()), Ok(list));
}

#[test]
fn an_empty_page_and_an_empty_list_survive() {
    assert_eq!(hex(&TreePage::default().encode()), "a40180028003800480");
    assert_eq!(TreePage::decode(&TreePage::default().encode()), Ok(TreePage::default()));
    assert_eq!(ExtentList::decode(&ExtentList::default().encode()), Ok(ExtentList::default()));
}

#[test]
fn extents_that_touch_become_one() {
    let mut content = Content::default();
    let pushed = [
        data(1, 1, 0, 10),
        data(1, 1, 10, 5),
        data(1, 1, 16, 4),
        data(1, 2, 20, 4),
        Extent::Hole { len: 7 },
        Extent::Hole { len: 8 },
        data(1, 2, 24, 4),
    ];
    for extent in pushed {
        content.push(extent);
    }
    let joined =
        vec![data(1, 1, 0, 15), data(1, 1, 16, 4), data(1, 2, 20, 4), Extent::Hole { len: 15 }, data(1, 2, 24, 4)];
    assert_eq!(content.extents, joined);
    let total = |extents: &[Extent]| extents.iter().map(Extent::content_len).sum::<u64>();
    assert_eq!(total(&content.extents), total(&pushed));
}

prop_compose! {
    fn any_extent()(session in 0u8..4, serial in 0u32..70, offset in 0u32..1000, len in 0u64..1 << 40) -> Extent {
        if session == 3 { Extent::Hole { len } } else { data(session, serial, offset, len as u32 % 1000) }
    }
}

prop_compose! {
    fn any_node()(
        kind in prop::sample::select(NodeKind::ALL.to_vec()),
        mode in any::<u32>(), user in any::<u32>(), group in any::<u32>(), size in any::<u64>(),
        seconds in any::<i64>(), nanoseconds in 0u32..1_000_000_000,
        inode in any::<u64>(), device in any::<u64>(), links in any::<u64>(),
        extents in prop::collection::vec(any_extent(), 0..6),
        lists in prop::collection::vec(any_extent(), 0..3),
        link_target in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        device_numbers in prop::option::of(any::<(u32, u32)>()),
        attributes in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..9), prop::collection::vec(any::<u8>(), 0..9)), 0..3),
    ) -> Node {
        let content = Content { extents, lists };
        let modified = (seconds, nanoseconds);
        Node {
            mode, user, group, size, modified, changed: (seconds / 2, nanoseconds / 2), inode, device, links, content,
            link_target, device_numbers, attributes, ..node(b"", kind)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_page_survives(nodes in prop::collection::btree_map("[^/\0]{3,20}", any_node(), 0..8), users in prop::collection::vec((any::<u32>(), ".{0,9}"), 0..3)) {
        let nodes = nodes.into_iter().map(|(name, node)| Node { name: name.into_bytes(), ..node }).collect();
        let page = TreePage { nodes, owners: Owners { users: users.clone(), groups: users } };
        prop_assert_eq!(TreePage::decode(&page.encode()), Ok(page));
    }

    #[test]
    fn any_list_survives(extents in prop::collection::vec(any_extent(), 0..50)) {
        let list = ExtentList { extents };
        prop_assert_eq!(ExtentList::decode(&list.encode()), Ok(list));
    }
}
