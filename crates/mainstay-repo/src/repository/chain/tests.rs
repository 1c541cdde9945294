//! Tests of the line of a source, and of its breaks.

use super::*;

const SOURCE: SourceId = SourceId([1; 16]);

fn id(number: u8) -> SnapshotId {
    SnapshotId([number; 32])
}

/// A link with the number of the one before it, 0 for none.
fn link(number: u8, sequence: u64, previous: u8) -> Link {
    let previous = (previous > 0).then(|| id(previous));
    Link { source: SOURCE, sequence, id: id(number), previous, is_removed: false }
}

fn removed(link: Link) -> Link {
    Link { is_removed: true, ..link }
}

fn line(chain: &Chain) -> Vec<u8> {
    chain.links().iter().filter(|link| chain.is_in_line(link.id)).map(|link| link.id.0[0]).collect()
}

#[test]
fn the_line_leads_from_the_head_to_the_first() {
    let chain = Chain::new([link(3, 3, 2), link(1, 1, 0), link(2, 2, 1)]);
    assert_eq!((line(&chain), chain.breaks()), (vec![1, 2, 3], vec![]));
    assert_eq!(chain.heads()[&SOURCE].id, id(3));
}

#[test]
fn the_line_leads_over_what_was_removed() {
    let chain = Chain::new([link(1, 1, 0), removed(link(2, 2, 1)), link(3, 3, 2), removed(link(4, 4, 3))]);
    assert_eq!((line(&chain), chain.breaks()), (vec![1, 2, 3], vec![]));
    assert_eq!(chain.heads()[&SOURCE].id, id(3), "a head that was removed is none");
}

#[test]
fn what_is_there_and_recorded_as_removed_is_there() {
    for links in [[removed(link(1, 1, 0)), link(1, 1, 0)], [link(1, 1, 0), removed(link(1, 1, 0))]] {
        assert!(!Chain::new(links).links()[0].is_removed);
    }
}

#[test]
fn what_was_put_in_between_later_is_not_in_the_line() {
    let chain = Chain::new([link(1, 1, 0), removed(link(2, 2, 1)), link(9, 2, 1), link(3, 3, 2)]);
    assert_eq!(line(&chain), [1, 2, 3]);
}

#[test]
fn a_missing_link_is_a_break_wherever_it_is_named() {
    let after = link(3, 3, 2);
    let chain = Chain::new([link(1, 1, 0), after]);
    assert_eq!((line(&chain), chain.breaks()), (vec![3], vec![Break { missing: id(2), after }]));
    let after = removed(link(3, 3, 2));
    assert_eq!(Chain::new([after]).breaks(), [Break { missing: id(2), after }]);
}

#[test]
fn a_circle_and_a_link_into_another_source_end() {
    let elsewhere = Link { source: SourceId([2; 16]), ..link(5, 1, 0) };
    let chain = Chain::new([link(1, 1, 2), link(2, 2, 1), link(3, 3, 5), elsewhere]);
    assert_eq!(line(&chain), [3, 5]);
    assert_eq!(line(&Chain::new([link(1, 1, 1)])), [1]);
}
