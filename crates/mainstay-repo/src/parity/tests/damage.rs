//! Tests of single damages: to the pack, to its sidecar, to both.

use super::*;

#[test]
fn every_byte_of_a_small_pack_can_be_damaged() {
    let sample = Sample::planned(1, 3000, 3);
    for at in 0..sample.pack.len() {
        let mut damaged = sample.clone();
        damaged.pack[at] ^= 0x10;
        assert_eq!(damaged.judge(), Some(Verdict::Healable { cells: 1 }), "byte {at}");
        assert!(damaged.heal().unwrap() == sample.pack, "byte {at}");
    }
}

#[test]
fn every_byte_of_a_sidecar_can_be_damaged_and_it_still_helps_and_tells() {
    let sample = Sample::grouped(1, 1000, 3, 2);
    assert_eq!(sample.open().unwrap().state().unwrap(), State::Whole);
    for at in 0..sample.sidecar.len() {
        let mut damaged = sample.clone();
        damaged.sidecar[at] ^= 0x10;
        damaged.pack[500] ^= 1;
        assert_eq!(damaged.open().unwrap().state().unwrap(), State::Damaged, "byte {at}");
        assert!(damaged.heal().unwrap() == sample.pack, "byte {at}");
    }
}

#[test]
fn a_sidecar_cut_anywhere_helps_as_far_as_it_goes_and_never_gives_other_bytes() {
    let sample = Sample::grouped(1, 1000, 3, 2);
    // The first group's parity ends here; the damage is in that group.
    let needed = sample.header.group_offset(1) as usize;
    for len in 0..sample.sidecar.len() {
        let mut damaged = sample.clone();
        damaged.sidecar.truncate(len);
        damaged.pack[10] ^= 1;
        damaged.pack[10 + 3 * 64] ^= 1;
        match damaged.heal() {
            Some(pack) => assert!(pack == sample.pack, "cut to {len} bytes"),
            None => assert!(len < needed, "cut to {len} bytes it has all that is needed"),
        }
    }
}

#[test]
fn a_pack_that_was_cut_or_grew_is_healed() {
    let sample = Sample::planned(1, 100_000, 5);
    let mut cut = sample.clone();
    cut.pack.truncate(100_000 - 4 * 1024);
    assert_eq!(cut.judge(), Some(Verdict::Healable { cells: 5 }));
    assert!(cut.heal().unwrap() == sample.pack);
    let mut grown = sample.clone();
    grown.pack.extend_from_slice(b"more");
    assert_eq!(grown.judge(), Some(Verdict::Healable { cells: 0 }));
    assert!(grown.heal().unwrap() == sample.pack);
    let mut gone = sample.clone();
    gone.pack.clear();
    assert_eq!(gone.judge(), Some(Verdict::Beyond));
}

#[test]
fn the_sidecar_of_another_pack_or_repository_is_refused() {
    let (mut one, other) = (Sample::planned(1, 5000, 3), Sample::planned(2, 5000, 3));
    one.sidecar = other.sidecar;
    assert!(one.open().is_none());
    let sidecar = Sidecar::read(
        RepositoryId([0; 16]),
        (one.header.pack, one.header.sum(REPOSITORY)),
        Box::new(one.sidecar.clone()),
    );
    assert!(sidecar.unwrap().is_none());
}

#[test]
fn a_sidecar_that_is_true_to_itself_and_lies_about_the_pack_heals_nothing() {
    let (one, other) = (Sample::planned(1, 5000, 3), Sample::planned(2, 5000, 3));
    // Another pack's cells and checksums, under the header of this one.
    let mut forged = one.clone();
    forged.sidecar = other.sidecar.clone();
    let header = one.header.encode(REPOSITORY);
    forged.sidecar[..header.len()].copy_from_slice(&header);
    assert_eq!(forged.judge(), Some(Verdict::Beyond));
    forged.pack = other.pack;
    assert_eq!(forged.judge(), Some(Verdict::Beyond), "all of its cells are right, and it is another pack");
}

#[test]
fn a_whole_pack_is_found_whole_whatever_became_of_its_sidecar() {
    let mut sample = Sample::grouped(1, 1000, 3, 2);
    assert_eq!(sample.judge(), Some(Verdict::Whole));
    let end = sample.header.group_offset(sample.header.groups) as usize;
    sample.sidecar[96 + 256..end].fill(0);
    assert_eq!(sample.judge(), Some(Verdict::Whole));
}
