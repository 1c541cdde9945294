//! Tests of the target as a whole: hostile paths, planted links, a race against them, paths of any length.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, RenameFlags};

use super::walk::Walk;
use super::{TargetTree, split};
use crate::Error;
use crate::files::testing::{DeepDirectory, make_chain};

const WALKS: [Walk; 2] = [Walk::Openat2, Walk::NameByName];

fn tree(path: &Path) -> TargetTree {
    TargetTree::open_or_create(path).unwrap()
}

/// Both ways of walking, as far as this kernel has them.
fn trees(path: &Path) -> Vec<TargetTree> {
    let has_openat2 = Walk::detect() == Walk::Openat2;
    let walks = WALKS.into_iter().filter(|walk| has_openat2 || *walk == Walk::NameByName);
    walks.map(|walk| TargetTree::open(path, walk).unwrap()).collect()
}

#[test]
fn the_target_and_what_is_above_it_are_made_as_needed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/c");
    assert_eq!(tree(&path).top().display_path(), path.display().to_string());
    assert!(path.is_dir());
    std::fs::write(directory.path().join("file"), b"").unwrap();
    assert!(TargetTree::open_or_create(&directory.path().join("file")).is_err());
}

#[test]
fn directories_are_opened_by_path_both_ways() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(directory.path().join("a/b/c")).unwrap();
    for tree in trees(directory.path()) {
        let opened = tree.directory(b"a/b/c").unwrap();
        opened.create_file(b"x").unwrap();
        assert!(directory.path().join("a/b/c/x").is_file());
        opened.remove(b"x").unwrap();
        assert!(tree.directory(b"").unwrap().stat(b"a").unwrap().is_some());
        assert!(tree.directory(b"a/none").err().unwrap().is_vanished());
        assert!(tree.directory(b"none/a/b").err().unwrap().is_vanished());
    }
}

#[test]
fn hostile_paths_are_refused_before_anything_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let long = [b'n'; 256];
    for tree in trees(directory.path()) {
        for path in
            [b"..".as_slice(), b"../x", b"a/../../x", b"/", b"/etc", b"a//b", b"a/", b"./a", b".", b"a\0", &long]
        {
            assert!(matches!(tree.directory(path).err(), Some(Error::Refused { .. })), "{path:?}");
            assert!(matches!(tree.create_directories(path).err(), Some(Error::Refused { .. })), "{path:?}");
        }
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn planted_links_are_refused_wherever_they_stand() {
    let directory = tempfile::tempdir().unwrap();
    let (target, outside) = (directory.path().join("target"), directory.path().join("outside"));
    std::fs::create_dir_all(outside.join("sub")).unwrap();
    std::fs::create_dir_all(target.join("real/sub")).unwrap();
    symlink("../outside", target.join("relative")).unwrap();
    symlink(&outside, target.join("absolute")).unwrap();
    symlink("real", target.join("inner")).unwrap();
    symlink("/proc/self/cwd", target.join("magic")).unwrap();
    symlink(&outside, target.join("real/sub/last")).unwrap();
    std::fs::write(target.join("file"), b"").unwrap();
    for tree in trees(&target) {
        for path in [
            "relative",
            "relative/sub",
            "absolute/sub",
            "inner/sub",
            "inner",
            "magic",
            "magic/x",
            "real/sub/last",
            "file",
            "file/x",
        ] {
            let error = tree.directory(path.as_bytes()).err().expect(path);
            assert!(matches!(error, Error::Refused { .. }), "{path}: {error}");
            assert!(tree.create_directories(path.as_bytes()).is_err(), "{path}");
        }
        assert!(tree.directory(b"real/sub").is_ok());
    }
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn a_directory_swapped_for_a_link_again_and_again_never_leads_outside() {
    let directory = tempfile::tempdir().unwrap();
    let (target, outside) = (directory.path().join("target"), directory.path().join("outside"));
    std::fs::create_dir_all(outside.join("sub")).unwrap();
    std::fs::create_dir_all(target.join("swapped/sub")).unwrap();
    symlink(&outside, target.join("other")).unwrap();
    let (first, second) = (target.join("swapped"), target.join("other"));
    for tree in trees(&target) {
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    rustix::fs::renameat_with(CWD, &first, CWD, &second, RenameFlags::EXCHANGE).unwrap();
                }
            });
            for number in 0..1000 {
                tree.shared.forget_directories();
                let name = format!("file-{number}");
                if let Ok(opened) = tree.directory(b"swapped/sub") {
                    opened.create_file(name.as_bytes()).unwrap();
                    opened.remove(name.as_bytes()).unwrap();
                }
                let _ = tree.top().remove_tree(b"swapped/nothing");
                assert_eq!(std::fs::read_dir(outside.join("sub")).unwrap().count(), 0);
            }
            is_done.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
fn paths_longer_than_the_kernel_takes_are_written() {
    let directory = DeepDirectory::new();
    let name = "n".repeat(200);
    let depth = 300;
    make_chain(directory.path(), &name, depth);
    let path = vec![name; depth].join("/");
    for tree in trees(directory.path()) {
        let opened = tree.directory(path.as_bytes()).unwrap();
        opened.create_file(b"file").unwrap().write_all_at(0, b"deep").unwrap();
        assert_eq!(opened.stat(b"file").unwrap().unwrap().size, 4);
        opened.remove(b"file").unwrap();
        assert!(opened.display_path().len() < 5000);
        let deeper = tree.create_directories(format!("{path}/new").as_bytes()).unwrap();
        assert!(deeper.list().unwrap().entries.is_empty());
    }
}

#[test]
fn a_directory_stays_open_for_the_next_file() {
    let directory = tempfile::tempdir().unwrap();
    let tree = tree(directory.path());
    let first = tree.create_directories(b"a/b").unwrap();
    assert!(Arc::ptr_eq(&first, &tree.directory(b"a/b").unwrap()));
    let parent = tree.directory(b"a").unwrap();
    assert!(Arc::ptr_eq(&parent, &tree.directory(b"a").unwrap()));
}

#[test]
fn a_directory_that_was_removed_and_made_again_is_the_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let tree = tree(directory.path());
    for remove_all in [true, false] {
        tree.create_directories(b"a/b").unwrap();
        if remove_all {
            tree.top().remove_tree(b"a").unwrap();
        } else {
            tree.directory(b"a").unwrap().remove(b"b").unwrap();
        }
        assert!(tree.directory(b"a/b").is_err());
        tree.create_directories(b"a/b").unwrap().create_file(b"x").unwrap();
        assert!(directory.path().join("a/b/x").is_file());
        tree.top().remove_tree(b"a").unwrap();
    }
}

#[test]
fn what_was_written_can_be_synced() {
    let directory = tempfile::tempdir().unwrap();
    let tree = tree(directory.path());
    tree.top().create_file(b"x").unwrap().write_all_at(0, b"x").unwrap();
    tree.sync().unwrap();
}

#[test]
fn a_path_splits_before_its_last_name() {
    assert_eq!(split(b"a/b/c"), (b"a/b".as_slice(), b"c".as_slice()));
    assert_eq!(split(b"a"), (b"".as_slice(), b"a".as_slice()));
}
