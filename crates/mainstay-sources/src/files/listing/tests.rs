//! Tests of reading directories on the real file system.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::CWD;

use super::{BUFFER_BYTES, Names, OpenDirectory, PART, examine, list};
use crate::{Kind, Listing};

fn open(path: &Path) -> Arc<OpenDirectory> {
    let descriptor = std::fs::File::open(path).unwrap().into();
    Arc::new(OpenDirectory { descriptor, path: path.as_os_str().as_bytes().into() })
}

fn list_path(path: &Path) -> Listing {
    list(&open(path), None).unwrap()
}

#[test]
fn entries_are_sorted_by_their_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let mut names: Vec<&[u8]> =
        vec![b"b", b"a", b"B", b"a.b", b"a-b", "ä".as_bytes(), b"\xff\xfe", b"10", b"9", b" ", b"..."];
    for name in &names {
        std::fs::write(directory.path().join(OsStr::from_bytes(name)), b"").unwrap();
    }
    names.sort_unstable();
    let listing = list_path(directory.path());
    let listed: Vec<&[u8]> = listing.entries.iter().map(|entry| entry.name.as_slice()).collect();
    assert_eq!(listed, names);
    assert_eq!((listing.warnings.len(), listing.excluded), (0, 0));
}

#[test]
fn every_field_is_what_the_system_says() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::write(path.join("file"), b"12345").unwrap();
    std::fs::set_permissions(path.join("file"), std::fs::Permissions::from_mode(0o640)).unwrap();
    std::fs::hard_link(path.join("file"), path.join("file-too")).unwrap();
    std::fs::create_dir(path.join("directory")).unwrap();
    symlink("nowhere", path.join("link")).unwrap();
    rustix::fs::mkfifoat(CWD, path.join("fifo"), rustix::fs::Mode::RWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path.join("socket")).unwrap();
    let listing = list_path(path);
    let kinds: Vec<Kind> = listing.entries.iter().map(|entry| entry.kind).collect();
    let expected = [Kind::Directory, Kind::Fifo, Kind::File, Kind::File, Kind::Symlink, Kind::Socket];
    assert_eq!(kinds, expected);
    for entry in &listing.entries {
        let told = std::fs::symlink_metadata(path.join(OsStr::from_bytes(&entry.name))).unwrap();
        assert_eq!(entry.mode, told.mode() & 0o7777);
        assert_eq!((entry.owner.user, entry.owner.group), (told.uid(), told.gid()));
        assert_eq!((entry.inode, entry.device, entry.links), (told.ino(), told.dev(), told.nlink()));
        let (modified, changed) = (entry.modified, entry.changed);
        assert_eq!((modified.seconds, i64::from(modified.nanoseconds)), (told.mtime(), told.mtime_nsec()));
        assert_eq!((changed.seconds, i64::from(changed.nanoseconds)), (told.ctime(), told.ctime_nsec()));
        assert_eq!(entry.size, if entry.kind == Kind::File { 5 } else { 0 });
    }
}

#[test]
fn devices_have_their_numbers() {
    let listing = list_path(Path::new("/dev"));
    let null = listing.entries.iter().find(|entry| entry.name == b"null").unwrap();
    assert_eq!(null.kind, Kind::CharacterDevice { major: 1, minor: 3 });
}

#[test]
fn a_directory_of_many_buffers_is_read_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let count = 10_000;
    for number in 0..count {
        std::fs::write(directory.path().join(format!("{number:05}-with-a-longer-name-to-fill-buffers")), b"").unwrap();
    }
    let listing = list_path(directory.path());
    assert_eq!(listing.entries.len(), count);
    assert!(listing.entries.is_sorted_by(|a, b| a.name < b.name));
    assert!(
        listing
            .entries
            .iter()
            .enumerate()
            .all(|(number, entry)| entry.name.starts_with(format!("{number:05}").as_bytes()))
    );
}

#[test]
fn a_large_directory_is_examined_in_parts_and_what_vanishes_before_its_part_was_never_there() {
    let directory = tempfile::tempdir().unwrap();
    let count = PART + 100;
    for number in 0..count {
        // Neither in the order of their names nor against it.
        std::fs::write(directory.path().join(format!("{:05}", number * 7919 % count)), b"").unwrap();
    }
    let first = list_path(directory.path());
    assert_eq!(first.entries.len(), PART);
    std::fs::remove_file(directory.path().join(format!("{:05}", count - 1))).unwrap();
    std::fs::write(directory.path().join("later"), b"").unwrap();
    let listed: Vec<Vec<u8>> = first.into_entries().map(|entry| entry.name).collect();
    let expected: Vec<Vec<u8>> = (0..count - 1).map(|number| format!("{number:05}").into_bytes()).collect();
    assert_eq!(listed, expected);
}

#[test]
fn what_vanishes_while_a_directory_is_read_was_never_there() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["stays", "vanishes"] {
        std::fs::write(directory.path().join(name), b"").unwrap();
    }
    let open = open(directory.path());
    let mut names = Names::default();
    names.read(open.borrow(), &mut vec![std::mem::MaybeUninit::uninit(); BUFFER_BYTES]).unwrap();
    std::fs::remove_file(directory.path().join("vanishes")).unwrap();
    let listing = examine(&open, &mut names, None);
    let listed: Vec<&[u8]> = listing.entries.iter().map(|entry| entry.name.as_slice()).collect();
    assert_eq!(listed, [b"stays"]);
    assert_eq!(listing.warnings, []);
}

#[test]
fn what_is_not_a_directory_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = list(&open(file.path()), None).unwrap_err();
    assert!(error.to_string().starts_with(&format!("list {}: ", file.path().display())), "{error}");
}
