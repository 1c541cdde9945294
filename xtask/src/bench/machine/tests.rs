//! Tests of what is said about the machine.

use super::*;

#[test]
fn the_innermost_mount_names_the_file_system() {
    let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/b /tmp/x xfs rw 0 0\n";
    for (path, expected) in [("/home", "ext4"), ("/tmp/y", "tmpfs"), ("/tmp/x/z", "xfs")] {
        assert_eq!(file_system(mounts, Path::new(path)), expected);
    }
}
