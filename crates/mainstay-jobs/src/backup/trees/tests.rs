//! Tests of directories on their way into the repository: how many nodes are held.

use mainstay_repo::{Content, Node, Session, Sharing, TreeReader};
use mainstay_sources::files::Owners;
use mainstay_sources::{Details, Kind};

use super::super::pages::{Change, HELD_NODES, Shelf};
use super::super::store_file::Stored;
use super::Trees;
use crate::convert;
use crate::ground::{Ground, listed};

const NODES: usize = 4 * HELD_NODES;

fn node(number: usize) -> Node {
    convert::node(listed(&format!("{number:06}"), Kind::File, 0), Details::default())
}

fn held(trees: &Trees<'_>, directory: u64) -> usize {
    trees.pending[&directory].pages.held()
}

fn with_trees<T>(ground: &Ground, reader: Option<&TreeReader>, act: impl FnOnce(Trees<'_>) -> T) -> T {
    let session = Session::begin(&ground.repository, Sharing::Shared).unwrap();
    let owner_names = Owners::default();
    act(Trees::new(Shelf { session: Some(&session), reader, owner_names: &owner_names }))
}

#[test]
fn nodes_that_wait_for_nothing_are_not_held_until_their_directory_ends() {
    let (ground, _) = Ground::in_memory();
    for change in [Change::Same, Change::Changed] {
        with_trees(&ground, None, |mut trees| {
            let directory = trees.open(Some(Content::default()), None);
            for number in 0..NODES {
                trees.add_believed(directory, node(number), change).unwrap();
                assert!(held(&trees, directory) <= HELD_NODES, "{change:?}");
            }
        });
    }
}

#[test]
fn nodes_go_on_when_the_one_before_them_comes_and_not_when_all_have_come() {
    let (ground, _) = Ground::in_memory();
    with_trees(&ground, None, |mut trees| {
        let directory = trees.open(None, None);
        let slots: Vec<_> = (0..NODES).map(|_| trees.await_node(directory)).collect();
        assert_eq!(trees.waiting(), NODES);
        // Each pair the wrong way round.
        let order = (0..NODES).map(|number| number ^ 1);
        for (done, number) in order.enumerate() {
            let stored = Stored { slot: slots[number], node: Some(node(number)), blocks: Vec::new(), read_bytes: 0 };
            trees.fill(stored).unwrap();
            assert_eq!(trees.waiting(), NODES - (done + 1) + (done + 1) % 2);
            assert!(held(&trees, directory) <= HELD_NODES);
        }
        trees.listed(directory).unwrap();
        assert!(trees.take_root().is_some());
    });
}
