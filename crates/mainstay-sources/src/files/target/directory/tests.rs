//! Tests of making, opening and naming entries of a target.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::sync::Arc;

use rustix::fs::{CWD, Mode};

use super::{Creation, HardLinks, TargetDirectory};
use crate::files::testing::is_root;
use crate::files::{Metadata, Preserve, TargetTree};
use crate::{Error, Kind, Owner, Timestamp};

fn top(directory: &tempfile::TempDir) -> Arc<TargetDirectory> {
    TargetTree::open_or_create(directory.path()).unwrap().top()
}

fn metadata(mode: u32) -> Metadata {
    Metadata {
        kind: Kind::File,
        mode,
        owner: Owner { user: rustix::process::geteuid().as_raw(), group: rustix::process::getegid().as_raw() },
        modified: Timestamp { seconds: 1_000_000_000, nanoseconds: 5 },
        attributes: Vec::new(),
        link_target: None,
        size: 0,
    }
}

#[test]
fn hostile_names_are_refused_by_every_call() {
    let directory = tempfile::tempdir().unwrap();
    let top = top(&directory);
    top.create_file(b"real").unwrap();
    let long = [b'n'; 256];
    let preserve = Preserve::as_recorded();
    for name in [b"".as_slice(), b".", b"..", b"/", b"a/b", b"../x", b"/tmp/x", b"x\0", b"real/", &long] {
        let errors = [
            top.stat(name).err(),
            top.open_directory(name).err(),
            top.create_directory(name).err(),
            top.create_file(name).err(),
            top.create_file_for(name, &metadata(0o644), &preserve).err(),
            top.open_file(name, HardLinks::Refuse).err(),
            top.symlink(name, b"x").err(),
            top.make_node(name, Kind::Fifo, &preserve).err(),
            top.hard_link(name, &top, b"real").err(),
            top.hard_link(b"new", &top, name).err(),
            top.remove(name).err(),
            top.remove_tree(name).err(),
            top.set_metadata(name, &metadata(0o644), &preserve).err(),
        ];
        for (call, error) in errors.into_iter().enumerate() {
            assert!(matches!(error, Some(Error::Refused { .. })), "call {call} with {name:?}");
        }
    }
    assert_eq!(top.list().unwrap().entries.len(), 1);
}

#[test]
fn a_new_file_replaces_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let top = top(&directory);
    std::fs::write(directory.path().join("file"), b"kept").unwrap();
    symlink("elsewhere", directory.path().join("link")).unwrap();
    for name in [b"file".as_slice(), b"link"] {
        let error = top.create_file(name).err().unwrap();
        assert_eq!(error.io().unwrap().kind(), std::io::ErrorKind::AlreadyExists);
    }
    assert_eq!(std::fs::read(directory.path().join("file")).unwrap(), b"kept");
    assert!(!directory.path().join("elsewhere").exists());
}

#[test]
fn new_files_and_directories_are_private_until_told_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let top = top(&directory);
    top.create_file(b"file").unwrap();
    top.create_directory(b"directory").unwrap();
    assert_eq!(top.stat(b"file").unwrap().unwrap().mode & 0o077, 0);
    assert_eq!(top.stat(b"directory").unwrap().unwrap().mode & 0o077, 0);
}

#[test]
fn every_mode_is_the_recorded_one_however_the_file_was_made() {
    let directory = tempfile::tempdir().unwrap();
    let top = top(&directory);
    let preserve = Preserve::as_recorded();
    for (number, mode) in
        [0o644, 0o600, 0o777, 0o666, 0o000, 0o444, 0o4755, 0o2755, 0o1777, 0o640].into_iter().enumerate()
    {
        let name = format!("file-{number}");
        let file = top.create_file_for(name.as_bytes(), &metadata(mode), &preserve).unwrap();
        file.write_all_at(0, b"bytes").unwrap();
        assert_eq!(file.finish(&metadata(mode), &preserve).unwrap().warnings, []);
        let entry = top.stat(name.as_bytes()).unwrap().unwrap();
        assert_eq!((entry.mode, entry.size, entry.modified), (mode, 5, metadata(mode).modified), "{mode:o}");
    }
}

#[test]
fn a_directory_that_is_there_will_do_and_nothing_else_will() {
    let directory = tempfile::tempdir().unwrap();
    let top = top(&directory);
    assert_eq!(top.create_directory(b"a").unwrap(), Creation::Created);
    assert_eq!(top.create_directory(b"a").unwrap(), Creation::Existing);
    std::fs::write(directory.path().join("file"), b"").unwrap();
    symlink("a", directory.path().join("link")).unwrap();
    for name in [b"file".as_slice(), b"link"] {
        assert!(matches!(top.create_directory(name).err(), Some(Error::Refused { .. })));
        assert!(matches!(top.open_directory(name).err(), Some(Error::Refused { .. })));
    }
}

#[test]
fn only_a_regular_file_with_one_name_is_opened_for_writing() {
    let directory = tempfile::tempdir().unwrap();
    let top = top(&directory);
    std::fs::write(directory.path().join("file"), b"").unwrap();
    std::fs::hard_link(directory.path().join("file"), directory.path().join("second")).unwrap();
    std::fs::create_dir(directory.path().join("directory")).unwrap();
    symlink("file", directory.path().join("link")).unwrap();
    rustix::fs::mkfifoat(CWD, directory.path().join("fifo"), Mode::RWXU).unwrap();
    for name in [b"file".as_slice(), b"directory", b"link", b"fifo"] {
        assert!(matches!(top.open_file(name, HardLinks::Refuse).err(), Some(Error::Refused { .. })), "{name:?}");
    }
    assert!(top.open_file(b"file", HardLinks::Allow).is_ok());
    assert!(matches!(top.open_file(b"fifo", HardLinks::Allow).err(), Some(Error::Refused { .. })));
    assert!(top.open_file(b"none", HardLinks::Allow).err().unwrap().is_vanished());
}

#[test]
fn links_hold_any_target_and_lead_nowhere_while_restoring() {
    let directory = tempfile::tempdir().unwrap();
    let top = top(&directory);
    top.symlink(b"link", b"../../etc/passwd \xff").unwrap();
    let read = rustix::fs::readlinkat(CWD, directory.path().join("link"), Vec::new()).unwrap();
    assert_eq!(read.as_bytes(), b"../../etc/passwd \xff");
    assert_eq!(top.stat(b"link").unwrap().unwrap().kind, Kind::Symlink);
    for target in [b"".as_slice(), b"a\0b", &vec![b'x'; 5000]] {
        assert!(top.symlink(b"other", target).is_err());
    }
}

#[test]
fn a_second_name_is_the_same_file() {
    let directory = tempfile::tempdir().unwrap();
    let tree = TargetTree::open_or_create(directory.path()).unwrap();
    let sub = tree.create_directories(b"sub").unwrap();
    let top = tree.top();
    top.create_file(b"first").unwrap();
    sub.hard_link(b"second", &top, b"first").unwrap();
    let (first, second) = (top.stat(b"first").unwrap().unwrap(), sub.stat(b"second").unwrap().unwrap());
    assert_eq!((first.inode, first.links), (second.inode, 2));
    // A link is not followed: the link itself gets the second name.
    top.symlink(b"link", b"/etc/passwd").unwrap();
    sub.hard_link(b"link-too", &top, b"link").unwrap();
    assert_eq!(sub.stat(b"link-too").unwrap().unwrap().kind, Kind::Symlink);
}

#[test]
fn special_files_are_made_and_devices_only_when_asked() {
    let directory = tempfile::tempdir().unwrap();
    let top = top(&directory);
    let null = Kind::CharacterDevice { major: 1, minor: 3 };
    let disk = Kind::BlockDevice { major: 259, minor: 70_000 };
    for (name, kind) in [(b"fifo".as_slice(), Kind::Fifo), (b"socket", Kind::Socket)] {
        top.make_node(name, kind, &Preserve::as_permitted()).unwrap();
        assert_eq!(top.stat(name).unwrap().unwrap().kind, kind);
    }
    for (name, kind) in [(b"null".as_slice(), null), (b"disk", disk)] {
        let error = top.make_node(name, kind, &Preserve::as_permitted()).err();
        assert!(matches!(error, Some(Error::Refused { .. })));
        match top.make_node(name, kind, &Preserve::as_recorded()) {
            Ok(()) => assert_eq!(top.stat(name).unwrap().unwrap().kind, kind),
            Err(error) => {
                assert!(matches!(error, Error::Io { .. }) && top.stat(name).unwrap().is_none())
            }
        }
    }
    for kind in [Kind::File, Kind::Directory, Kind::Symlink] {
        assert!(matches!(top.make_node(b"x", kind, &Preserve::as_recorded()).err(), Some(Error::Refused { .. })));
    }
}

#[test]
fn removing_takes_files_links_and_empty_directories() {
    let directory = tempfile::tempdir().unwrap();
    let top = top(&directory);
    top.create_file(b"file").unwrap();
    top.symlink(b"link", b"file").unwrap();
    top.create_directory(b"empty").unwrap();
    top.create_directory(b"full").unwrap();
    top.open_directory(b"full").unwrap().create_file(b"x").unwrap();
    for name in [b"link".as_slice(), b"file", b"empty"] {
        top.remove(name).unwrap();
    }
    let error = top.remove(b"full").unwrap_err();
    assert_eq!(error.io().unwrap().kind(), std::io::ErrorKind::DirectoryNotEmpty);
}

#[test]
fn what_new_files_inherit_does_not_stay_when_it_was_not_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let default_acl = crate::files::testing::acl();
    let set = rustix::fs::setxattr(
        directory.path(),
        "system.posix_acl_default",
        &default_acl,
        rustix::fs::XattrFlags::empty(),
    );
    let top = top(&directory);
    for (number, mode) in [0o640, 0o644, 0o664].into_iter().enumerate() {
        let name = format!("file-{number}");
        let file = top.create_file_for(name.as_bytes(), &metadata(mode), &Preserve::as_permitted()).unwrap();
        assert_eq!(file.finish(&metadata(mode), &Preserve::as_permitted()).unwrap().warnings, []);
        let path = directory.path().join(&name);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, mode);
        let mut value = [0; 100];
        let left = rustix::fs::getxattr(&path, "system.posix_acl_access", &mut value);
        assert!(left.is_err(), "the inherited ACL is gone (setting one said {set:?})");
    }
}

#[test]
fn a_set_group_directory_does_not_change_the_recorded_group() {
    if !is_root() {
        // Only root can give files to a group it is not in; the rest is seen as root.
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(directory.path(), None, Some(12345)).unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o2755)).unwrap();
    let top = top(&directory);
    for name in [b"first".as_slice(), b"second"] {
        let file = top.create_file_for(name, &metadata(0o644), &Preserve::as_recorded()).unwrap();
        assert_eq!(file.finish(&metadata(0o644), &Preserve::as_recorded()).unwrap().warnings, []);
        let owner = top.stat(name).unwrap().unwrap().owner;
        assert_eq!(owner, metadata(0o644).owner);
    }
    assert_eq!(std::fs::metadata(directory.path()).unwrap().gid(), 12345);
}
