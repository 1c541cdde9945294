//! Tests of text that is safe to show.

use super::*;
use proptest::prelude::*;

#[test]
fn hostile_names_are_shown_as_escapes_and_others_as_they_are() {
    for (name, shown) in [
        (&b"plain.txt"[..], "plain.txt"),
        ("gr\u{fc}n \u{1f33f}".as_bytes(), "gr\u{fc}n \u{1f33f}"),
        (b"a\x1b[31mb", "a\\x1b[31mb"),
        (b"two\nlines", "two\\nlines"),
        ("exe\u{202e}gpj.x".as_bytes(), "exe\\u{202e}gpj.x"),
        (b"not \xff utf-8", "not \\xff utf-8"),
        (b"back\\slash", "back\\\\slash"),
        ("\u{9b}31m".as_bytes(), "\\u{9b}31m"),
        (b"\x7f", "\\x7f"),
    ] {
        assert_eq!(bytes(name), shown);
    }
}

proptest! {
    #[test]
    fn nothing_shown_is_a_control_character(name in proptest::collection::vec(any::<u8>(), 0..64)) {
        let shown = bytes(&name);
        prop_assert!(!shown.chars().any(|c| c.is_control() || is_hostile(c)), "{shown:?}");
    }

    #[test]
    fn two_names_are_never_shown_alike(a in "[\\\\xn\n1b\u{1b}]{0,4}", b in "[\\\\xn\n1b\u{1b}]{0,4}") {
        prop_assert_eq!(a == b, bytes(a.as_bytes()) == bytes(b.as_bytes()));
    }
}
