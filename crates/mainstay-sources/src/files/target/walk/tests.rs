//! Tests of cutting paths into pieces.

use std::os::fd::AsFd as _;

use super::{Walk, first_piece};

#[test]
fn a_piece_holds_as_many_names_as_fit_and_at_least_one() {
    assert_eq!(first_piece(b"a/b/c", 5), (b"a/b/c".as_slice(), b"".as_slice()));
    assert_eq!(first_piece(b"a/b/c", 4), (b"a/b".as_slice(), b"c".as_slice()));
    assert_eq!(first_piece(b"a/b/c", 3), (b"a/b".as_slice(), b"c".as_slice()));
    assert_eq!(first_piece(b"a/b/c", 2), (b"a".as_slice(), b"b/c".as_slice()));
    assert_eq!(first_piece(b"a/b/c", 0), (b"a".as_slice(), b"b/c".as_slice()));
    assert_eq!(first_piece(b"long/b", 2), (b"long".as_slice(), b"b".as_slice()));
    assert_eq!(first_piece(b"long", 2), (b"long".as_slice(), b"".as_slice()));
}

#[test]
fn the_empty_path_is_where_the_walk_starts() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("x"), b"").unwrap();
    let start = std::fs::File::open(directory.path()).unwrap();
    for walk in [Walk::Openat2, Walk::NameByName] {
        let opened = walk.open(start.as_fd(), b"").unwrap();
        assert!(rustix::fs::statat(&opened, "x", rustix::fs::AtFlags::empty()).is_ok());
    }
}
