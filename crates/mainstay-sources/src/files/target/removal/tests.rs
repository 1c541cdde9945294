//! Tests of removing trees.

use std::os::unix::fs::symlink;

use rustix::fs::{CWD, StatxAttributes};

use super::is_mounted;
use crate::files::TargetTree;
use crate::files::testing::{make_chain, write_at};

#[test]
fn links_are_removed_and_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let outside = directory.path().join("outside");
    std::fs::create_dir_all(outside.join("sub")).unwrap();
    std::fs::write(outside.join("kept"), b"").unwrap();
    let target = directory.path().join("target");
    std::fs::create_dir_all(target.join("tree/a/b")).unwrap();
    symlink(&outside, target.join("tree/a/link")).unwrap();
    symlink(&outside, target.join("link")).unwrap();
    std::fs::write(target.join("tree/a/b/file"), b"").unwrap();
    let top = TargetTree::open_or_create(&target).unwrap().top();
    for name in [b"tree".as_slice(), b"link"] {
        top.remove_tree(name).unwrap();
    }
    assert_eq!(std::fs::read_dir(&target).unwrap().count(), 0);
    assert!(outside.join("kept").is_file() && outside.join("sub").is_dir());
}

#[test]
fn a_wide_tree_is_removed_to_its_last_entry() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..50 {
        let path = directory.path().join(format!("tree/{}/{number}", number % 7));
        std::fs::create_dir_all(&path).unwrap();
        for file in 0..20 {
            std::fs::write(path.join(format!("{file}")), b"").unwrap();
        }
    }
    let top = TargetTree::open_or_create(directory.path()).unwrap().top();
    top.remove_tree(b"tree").unwrap();
    assert!(top.list().unwrap().entries.is_empty());
}

#[test]
fn what_is_not_there_cannot_be_removed() {
    let directory = tempfile::tempdir().unwrap();
    let top = TargetTree::open_or_create(directory.path()).unwrap().top();
    assert!(top.remove_tree(b"none").unwrap_err().is_vanished());
    assert!(top.remove(b"none").unwrap_err().is_vanished());
}

#[test]
fn what_is_mounted_is_told_from_what_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let plain = crate::files::status::of_bytes(CWD, directory.path().as_os_str().as_encoded_bytes()).unwrap();
    assert!(!is_mounted(&plain));
    let mounted = crate::files::status::of_bytes(CWD, b"/proc").unwrap();
    let can_tell = mounted.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT);
    assert_eq!(is_mounted(&mounted), can_tell);
}

#[test]
fn five_thousand_levels_are_removed_with_a_small_stack_and_few_descriptors() {
    let directory = tempfile::tempdir().unwrap();
    let last = make_chain(directory.path(), "d", 5000);
    write_at(&last, "file", b"");
    drop(last);
    let top = TargetTree::open_or_create(directory.path()).unwrap().top();
    let thread = std::thread::Builder::new().stack_size(128 * 1024);
    thread.spawn(move || top.remove_tree(b"d").unwrap()).unwrap().join().unwrap();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}
