//! Tests of files for their owner only.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn a_private_file_is_for_its_owner_only_and_never_replaces_another() {
    let scratch = tempfile::tempdir().expect("a directory");
    let path = scratch.path().join("a/b/key");
    create(&path, "secret").expect("the file is new");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&scratch.path().join("a/b")), 0o700);
    let again = create(&path, "other").expect_err("it exists");
    assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "secret");
    assert_eq!(fs::read_dir(scratch.path().join("a/b")).expect("a directory").count(), 1);
}
