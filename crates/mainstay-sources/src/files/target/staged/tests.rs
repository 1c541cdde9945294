//! Tests of replacing entries.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use super::InTheWay;
use crate::files::{Metadata, Preserve, TargetDirectory, TargetTree};
use crate::{Details, Kind, Owner, Timestamp};

fn top(directory: &tempfile::TempDir) -> Arc<TargetDirectory> {
    TargetTree::open_or_create(directory.path()).unwrap().top()
}

fn metadata() -> Metadata {
    let entry = crate::Entry {
        name: b"x".to_vec(),
        kind: Kind::File,
        mode: 0o640,
        owner: Owner { user: rustix::process::geteuid().as_raw(), group: rustix::process::getegid().as_raw() },
        size: 3,
        modified: Timestamp { seconds: 1_000_000_000, nanoseconds: 5 },
        changed: Timestamp::default(),
        inode: 0,
        device: 0,
        links: 1,
    };
    Metadata::new(&entry, Details::default())
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn the_old_file_is_there_until_the_new_one_is_finished() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    std::fs::write(&path, b"old").unwrap();
    let file = top(&directory).replace_file(b"x", InTheWay::AllButEntries).unwrap();
    file.write_all_at(0, b"new").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(file.finish(&metadata(), &Preserve::as_permitted()).unwrap().warnings, []);
    assert_eq!(std::fs::read(&path).unwrap(), b"new");
    let entry = top(&directory).stat(b"x").unwrap().unwrap();
    assert_eq!((entry.mode, entry.modified), (0o640, metadata().modified));
    assert_eq!(names(directory.path()), ["x"]);
}

#[test]
fn a_file_that_is_given_up_leaves_the_old_one_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("x"), b"old").unwrap();
    let file = top(&directory).replace_file(b"x", InTheWay::Everything).unwrap();
    file.write_all_at(0, b"new").unwrap();
    assert_eq!(names(directory.path()).len(), 2);
    drop(file);
    assert_eq!(names(directory.path()), ["x"]);
    assert_eq!(std::fs::read(directory.path().join("x")).unwrap(), b"old");
}

#[test]
fn links_are_replaced_and_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("kept"), b"kept").unwrap();
    symlink("kept", directory.path().join("x")).unwrap();
    let top = top(&directory);
    let staged = top.stage(b"x").unwrap();
    top.symlink(staged.temporary(), b"elsewhere").unwrap();
    staged.publish(InTheWay::AllButEntries).unwrap();
    assert_eq!(top.read_link(b"x").unwrap(), b"elsewhere");
    assert_eq!(std::fs::read(directory.path().join("kept")).unwrap(), b"kept");
    assert_eq!(names(directory.path()), ["kept", "x"]);
}

#[test]
fn a_directory_makes_way_when_it_is_empty_or_everything_may_go() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    let replace = |in_the_way| top(&directory).replace_file(b"x", in_the_way).unwrap().publish();
    for (in_the_way, has_entries) in
        [(InTheWay::AllButEntries, false), (InTheWay::Everything, false), (InTheWay::Everything, true)]
    {
        std::fs::create_dir(&path).unwrap();
        if has_entries {
            std::fs::write(path.join("entry"), b"").unwrap();
        }
        replace(in_the_way).unwrap();
        assert!(path.is_file());
        std::fs::remove_file(&path).unwrap();
    }
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("entry"), b"").unwrap();
    let error = replace(InTheWay::AllButEntries).unwrap_err();
    assert_eq!(error.io().unwrap().kind(), std::io::ErrorKind::DirectoryNotEmpty);
    assert!(path.join("entry").exists());
    assert_eq!(names(directory.path()), ["x"]);
}
