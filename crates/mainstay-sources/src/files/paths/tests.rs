//! Tests of joining, showing and judging names.

use super::{KEPT_MAX, SHOWN_MAX, fault_of_name, join, join_bounded, shown};

#[test]
fn names_are_joined_with_one_slash() {
    assert_eq!(join(b"/", b"a"), b"/a");
    assert_eq!(join(b"/a", b"b"), b"/a/b");
    assert_eq!(join(b"", b"a"), b"a");
    assert_eq!(join(b"/a", b""), b"/a");
}

#[test]
fn a_long_path_is_shown_by_its_ends() {
    let path = [b"/start/".as_slice(), &vec![b'x'; 100_000], b"/end"].concat();
    let text = shown(&path);
    assert!(text.len() <= SHOWN_MAX && text.starts_with("/start/x") && text.ends_with("x/end"));
    assert!(text.contains("/…/"));
}

#[test]
fn a_path_that_is_not_text_is_shown_as_far_as_it_is() {
    assert_eq!(shown(b"/a\xff/b"), "/a\u{fffd}/b");
}

#[test]
fn the_path_kept_for_a_deep_directory_is_bounded() {
    let mut path = b"/".to_vec();
    for _ in 0..1000 {
        path = join_bounded(&path, &[b'n'; 200]);
    }
    assert!(path.len() <= KEPT_MAX);
    assert!(path.ends_with(b"/nnn") || path.ends_with(b"nnn"));
}

#[test]
fn only_the_name_of_one_entry_is_a_name() {
    for name in [b"a".as_slice(), b"...", b"\xff", b" ", b"-rf", b"\n", &[b'n'; 255]] {
        assert_eq!(fault_of_name(name), None, "{name:?}");
    }
    for name in [b"".as_slice(), b".", b"..", b"/", b"a/b", b"/a", b"a/", b"a\0b", b"../a", &[b'n'; 256]] {
        assert!(fault_of_name(name).is_some(), "{name:?}");
    }
}
