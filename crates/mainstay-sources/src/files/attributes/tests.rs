//! Tests of extended attributes; where the file system has none, there are none to be read.

use std::os::fd::AsFd as _;

use rustix::io::Errno;

use super::{ACCESS_ACL, Reach, descriptor_path, entry_path};
use crate::files::testing::{acl, has_attributes};

#[test]
fn attributes_and_acls_come_back_byte_by_byte_whichever_way_they_are_reached() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), b"").unwrap();
    let open_directory = std::fs::File::open(directory.path()).unwrap();
    let file = std::fs::File::open(directory.path().join("file")).unwrap();
    let entry = entry_path(open_directory.as_fd(), b"file");
    let descriptor = descriptor_path(file.as_fd());
    let ways = [Reach::Open(file.as_fd()), Reach::Entry(&entry), Reach::Descriptor(&descriptor)];
    if !has_attributes(directory.path()) {
        assert!(ways.iter().all(|way| way.read_all().unwrap().is_empty()));
        return;
    }
    let mut expected = vec![
        (b"user.a".to_vec(), b"\0\xff\n".to_vec()),
        (b"user.empty".to_vec(), Vec::new()),
        (b"user.large".to_vec(), vec![7_u8; 2000]),
    ];
    let has_acl = ways[0].set(ACCESS_ACL, &acl()).is_ok();
    if has_acl {
        expected.insert(0, (ACCESS_ACL.to_vec(), acl()));
    }
    for (way, (name, value)) in ways.iter().zip(expected.iter().rev()) {
        way.set(name, value).unwrap();
    }
    if has_acl {
        ways[2].set(b"user.a", b"\0\xff\n").unwrap();
    }
    for way in ways {
        let mut read = way.read_all().unwrap();
        read.retain(|(name, _)| !name.starts_with(b"security."));
        assert_eq!(read, expected);
    }
    ways[1].remove(b"user.a").unwrap();
    ways[1].remove(b"user.a").unwrap();
    assert_eq!(ways[0].value(b"user.a").unwrap(), None);
}

#[test]
fn attributes_of_a_link_are_not_those_of_what_it_leads_to() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("file"), b"").unwrap();
    std::os::unix::fs::symlink("file", directory.path().join("link")).unwrap();
    let open = std::fs::File::open(directory.path()).unwrap();
    let is_set = Reach::Entry(&entry_path(open.as_fd(), b"file")).set(b"user.a", b"1").is_ok();
    assert_eq!(is_set, has_attributes(directory.path()));
    let of_link = Reach::Entry(&entry_path(open.as_fd(), b"link")).read_all().unwrap();
    assert!(of_link.iter().all(|(name, _)| name != b"user.a"));
}

#[test]
fn attributes_of_what_is_gone_are_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let open = std::fs::File::open(directory.path()).unwrap();
    let path = entry_path(open.as_fd(), b"gone");
    assert_eq!(Reach::Entry(&path).read_all(), Err(Errno::NOENT));
}

#[test]
fn what_has_no_attributes_has_none() {
    let pipe = std::fs::File::open("/proc/self/stat").unwrap();
    assert_eq!(Reach::Open(pipe.as_fd()).read_all(), Ok(Vec::new()));
}
