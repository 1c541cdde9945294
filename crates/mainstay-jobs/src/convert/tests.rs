//! Which change times can be believed.

use super::*;
use crate::fixture;

const SECOND: i64 = 1_000_000_000;
const MILLISECOND: i64 = 1_000_000;

#[test]
fn a_change_shows_if_the_clock_of_files_had_moved_on_when_the_node_was_recorded() {
    // Change time, moments after it at which a later change would not show, and from which on it would.
    let cases = [
        ((1_000, 1), 19 * MILLISECOND, 20 * MILLISECOND),
        // Without fractions of a second it may have been rounded down to two of them.
        ((1_000, 0), 1_999 * MILLISECOND, 2 * SECOND),
        ((-1_000, 999_999_999), 19 * MILLISECOND, 20 * MILLISECOND),
    ];
    for ((seconds, nanoseconds), hidden, shown) in cases {
        let node = Node { changed: (seconds, nanoseconds), ..fixture::node("file", NodeKind::File) };
        let changed = seconds * SECOND + i64::from(nanoseconds);
        for (after, expected) in [(-SECOND, false), (0, false), (hidden, false), (shown, true), (3600 * SECOND, true)] {
            assert_eq!(would_show_change(&node, changed + after), expected, "{:?}, {after} ns later", node.changed);
        }
    }
}

#[test]
fn change_times_beyond_every_clock_are_not_believed() {
    let node = Node { changed: (i64::MAX, 1), ..fixture::node("file", NodeKind::File) };
    assert!(!would_show_change(&node, i64::MAX));
    let node = Node { changed: (i64::MIN, 1), ..fixture::node("file", NodeKind::File) };
    assert!(would_show_change(&node, i64::MIN));
}
