//! Tests of a line that is typed unseen.

use super::*;

fn typed(bytes: &[u8]) -> Option<String> {
    let mut bytes = bytes.iter().copied();
    let line = read_line(|| Ok(bytes.next())).expect("no error is fed in");
    line.map(|line| String::from_utf8(line.to_vec()).expect("text"))
}

#[test]
fn a_line_ends_with_return_and_can_be_corrected() {
    assert_eq!(typed(b"secret\r").as_deref(), Some("secret"));
    assert_eq!(typed(b"secrrt\x7f\x7fet\n").as_deref(), Some("secret"));
    assert_eq!(typed(b"wrong\x15right\n").as_deref(), Some("right"));
    assert_eq!(typed("gr\u{fc}\x7fun\n".as_bytes()).as_deref(), Some("grun"));
    assert_eq!(typed(b"\x7f\n").as_deref(), Some(""));
}

#[test]
fn ctrl_c_and_the_end_of_the_terminal_give_up() {
    for bytes in [&b"sec\x03ret\n"[..], b"sec", b"\x04"] {
        assert_eq!(typed(bytes), None);
    }
}
