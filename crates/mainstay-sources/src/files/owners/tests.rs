//! Tests of parsing users and groups.

use super::Owners;

const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\nu:x:1000:1000::/home/u:/bin/sh\n+nis\nbroken\nbad:x:minus:0\n\
    second:x:1000:1000::/:/bin/sh\nu:x:7:7::/:/bin/sh\n\xff:x:8:8::/:\nhuge:x:4294967296:0::/:\ndos:x:9:9::/:\r\n:x:10:10::/:\n";
const GROUP: &[u8] = b"root:x:0:\nusers:x:100:u,second";

#[test]
fn names_and_numbers_are_found_both_ways() {
    let owners = Owners::parse(PASSWD, GROUP);
    assert_eq!(owners.user_name(0), Some("root"));
    assert_eq!(owners.user_number("dos"), Some(9));
    assert_eq!(owners.group_name(100), Some("users"));
    assert_eq!(owners.group_number("users"), Some(100));
    assert_eq!(owners.group_number("u"), None);
}

#[test]
fn the_first_line_counts() {
    let owners = Owners::parse(PASSWD, GROUP);
    assert_eq!(owners.user_name(1000), Some("u"));
    assert_eq!(owners.user_number("u"), Some(1000));
    assert_eq!(owners.user_number("second"), Some(1000));
}

#[test]
fn lines_that_cannot_be_understood_are_passed_over() {
    let owners = Owners::parse(PASSWD, b"\0\0:::\n:::::");
    for name in ["+nis", "broken", "bad", "huge", ""] {
        assert_eq!(owners.user_number(name), None);
    }
    assert_eq!(owners.user_name(8), None);
    assert_eq!(owners.user_name(10), None);
}

#[test]
fn this_machine_knows_root() {
    let owners = Owners::load();
    assert!(owners.user_name(0).is_none_or(|name| owners.user_number(name) == Some(0)));
}
