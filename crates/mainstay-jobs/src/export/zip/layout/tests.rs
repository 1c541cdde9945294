//! Tests of the long form, for which real archives are too long, and of times.

use super::*;

fn node(modified: i64) -> Node {
    Node { mode: 0o4755, user: 1000, group: 50, modified: (modified, 0), ..Node::new("n", NodeKind::File) }
}

fn number(bytes: &[u8], at: usize, len: usize) -> u64 {
    bytes[at..at + len].iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[test]
fn a_file_of_more_than_four_gigabytes_has_the_long_form_everywhere() {
    let node = node(0);
    let mut member = Member::new(b"name", &node, Method::Deflated, 5 << 32);
    member.has_descriptor = true;
    (member.size, member.stored, member.crc) = (6 << 32, 7 << 32, 0x1234_5678);
    let local = member.local();
    assert_eq!((number(&local, 4, 2), number(&local, 6, 2)), (45, 0x808));
    assert_eq!((number(&local, 18, 4), number(&local, 22, 4)), (u64::from(u32::MAX), u64::from(u32::MAX)));
    // Behind the header and the name: the long form, whose numbers come in the descriptor.
    assert_eq!(&local[34..38], [1, 0, 16, 0]);
    let descriptor = member.descriptor();
    assert_eq!((descriptor.len(), number(&descriptor, 8, 8), number(&descriptor, 16, 8)), (24, 7 << 32, 6 << 32));
    let central = member.central();
    assert_eq!(&central[50..54], [1, 0, 24, 0]);
    assert_eq!([54, 62, 70].map(|at| number(&central, at, 8)), [6 << 32, 7 << 32, 5 << 32]);
    assert_eq!(number(&central, 38, 4), 0o104_755 << 16);
}

#[test]
fn a_small_file_behind_four_gigabytes_has_only_its_place_in_the_long_form() {
    let node = node(0);
    let member = Member::new(b"name", &node, Method::Stored, 5 << 32);
    assert_eq!(&member.central()[50..54], [1, 0, 8, 0]);
    assert_eq!(number(&member.central(), 54, 8), 5 << 32);
}

#[test]
fn the_end_has_the_long_form_when_a_number_does_not_fit() {
    assert_eq!(end(3, 1000, 200).len(), 22);
    for (entries, start, len) in [(65_535, 1, 1), (1, 1 << 32, 1), (1, 1, 1 << 32)] {
        let end = end(entries, start, len);
        assert_eq!(end.len(), 56 + 20 + 22);
        assert_eq!((number(&end, 24, 8), number(&end, 40, 8), number(&end, 48, 8)), (entries, len, start));
        assert_eq!(number(&end, 56 + 8, 8), start + len);
    }
}

#[test]
fn times_are_those_of_dos_and_exact_ones_where_they_fit() {
    // 2020-09-13T12:26:40Z
    assert_eq!(dos_time(1_600_000_000), ((12 << 11) | (26 << 5) | 20, (40 << 9) | (9 << 5) | 13));
    assert_eq!(dos_time(-5), (0, (1 << 5) | 1));
    assert_eq!(dos_time(i64::MAX), ((23 << 11) | (59 << 5) | 29, (127 << 9) | (12 << 5) | 31));
    let fields = |seconds| node(seconds);
    for (seconds, len) in [(1_600_000_000, 9 + 15), (i64::from(i32::MAX) + 1, 15)] {
        let node = fields(seconds);
        assert_eq!(Member::new(b"n", &node, Method::Stored, 0).unix_fields().len(), len);
    }
}
