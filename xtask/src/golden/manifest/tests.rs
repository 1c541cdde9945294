//! Tests of describing and comparing trees.

use super::super::tree;
use super::*;
use crate::binary::Scratch;

#[test]
fn a_change_of_content_mode_or_name_changes_the_manifest() {
    let scratch = Scratch::create("manifest").expect("temporary directory");
    let root = scratch.path.join("tree");
    tree::make(&root, 0).expect("make the tree");
    let first = describe(&root).expect("describe");
    assert_eq!(first, describe(&root).expect("describe again"));
    assert!(first.contains("symlink 0777 - symbolic to=deep/er"), "{first}");
    assert!(first.contains("not%20%ff%20UTF-8"), "{first}");
    assert!(first.contains("special 0640 - fifo"), "{first}");
    assert!(first.contains("user.golden=kept"), "{first}");
    assert!(first.contains("file 0644 0.000000000 empty size=0"), "{first}");
    tree::make(&root, 1).expect("change the tree");
    let second = describe(&root).expect("describe");
    assert!(compare(&first, &second).is_err());
    assert_eq!(compare(&second, &second), Ok(()));
    assert!(compare("a\n", "a\nb\n").is_err());
}

#[test]
fn a_restored_tree_is_found_below_its_full_path() {
    let scratch = Scratch::create("restored").expect("temporary directory");
    let root = scratch.path.join("tmp/some/tree");
    fs::create_dir_all(&root).expect("create");
    assert!(tree::restored(&scratch.path).is_err());
    fs::write(root.join("marker"), "x").expect("write");
    assert_eq!(tree::restored(&scratch.path), Ok(root));
}
