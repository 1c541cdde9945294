//! Tests of arranging roots, with a property that holds for any set of paths.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Roots, Way};

/// Every root with the way to it, following names from the top; a root met twice is listed twice.
fn reachable(roots: &Roots) -> Vec<Vec<u8>> {
    if roots.is_whole() {
        return vec![b"/".to_vec()];
    }
    let mut found = Vec::new();
    let mut pending = vec![(Vec::new(), roots.top())];
    while let Some((prefix, node)) = pending.pop() {
        let children: Vec<_> = roots.children(node).collect();
        assert!(!children.is_empty() || prefix.is_empty(), "a leading directory leads somewhere");
        for (name, way) in children {
            assert_eq!(roots.child(node, name), Some(way));
            let path = [prefix.as_slice(), b"/", name].concat();
            match way {
                Way::Root => found.push(path),
                Way::Spine(next) => pending.push((path, next)),
            }
        }
    }
    found
}

fn is_beneath(path: &[u8], root: &[u8]) -> bool {
    root == b"/" || path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with(b"/"))
}

#[test]
fn a_name_that_starts_like_another_is_not_beneath_it() {
    let paths: [&[u8]; 4] = [b"/a-b", b"/a", b"/a/b", b"/ab"];
    let mut found = reachable(&Roots::arrange(paths));
    found.sort_unstable();
    assert_eq!(found, [b"/a".to_vec(), b"/a-b".to_vec(), b"/ab".to_vec()]);
}

#[test]
fn the_whole_file_system_contains_every_root() {
    let roots = Roots::arrange([b"/a".as_slice(), b"/", b"/b/c"]);
    assert!(roots.is_whole());
    assert_eq!(roots.paths(), [b"/".to_vec()]);
}

proptest! {
    #[test]
    fn every_path_is_reached_exactly_once(
        paths in prop::collection::vec(prop::collection::vec("[abc]|a-|\\PC{1,3}", 0..5), 1..12)
    ) {
        let paths: Vec<Vec<u8>> = paths
            .into_iter()
            .map(|names| names.into_iter().map(|name| name.replace(['/', '\0'], "x")).collect::<Vec<_>>())
            .map(|names| format!("/{}", names.join("/")).into_bytes())
            .collect();
        let roots = Roots::arrange(paths.iter().map(Vec::as_slice));
        let found = reachable(&roots);
        let unique: BTreeSet<&Vec<u8>> = found.iter().collect();
        prop_assert_eq!(unique.len(), found.len());
        for path in &paths {
            let above = found.iter().filter(|root| is_beneath(path, root)).count();
            prop_assert_eq!(above, 1, "{:?} is in exactly one of {:?}", path, found);
        }
        prop_assert!(found.iter().all(|root| paths.contains(root)), "no root that was not named");
        let told: BTreeSet<Vec<u8>> = roots.paths().into_iter().collect();
        prop_assert_eq!(told, found.into_iter().collect::<BTreeSet<_>>());
    }
}
