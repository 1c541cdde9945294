//! Tests of how packs are divided, and that what is stored never changes.

use super::*;
use crate::fixtures::hex;
use crate::format::limits;
use crate::format::parity::ParityHeader;

#[test]
fn a_pack_of_any_length_is_divided_within_the_limits() {
    let lens = [1, 96, 97, 1023, 1024, 1025, 5000, 300_000, 16 << 20, (16 << 20) + 1, 128 << 20, 129 << 20, 1 << 30];
    for len in lens {
        for percent in [*PERCENTS.start(), DEFAULT_PERCENT, *PERCENTS.end()] {
            let header = plan(PackId([1; 32]), len, percent);
            assert_eq!(ParityHeader::decode(REPOSITORY, &header.encode(REPOSITORY)), Ok(header), "{len} at {percent}");
            assert!(header.parity * 100 >= header.data * u32::from(percent), "{header:?}");
        }
    }
}

#[test]
fn parity_takes_little_more_than_was_asked_for() {
    // Of the length of packs of these lengths, at 3 %: what is above it are checksums, and whole cells.
    let share = |len: u64| plan(PackId([1; 32]), len, DEFAULT_PERCENT).sidecar_len() as f64 / len as f64 * 100.0;
    for (len, most) in [(100 << 10, 7.0), (1 << 20, 4.2), (16 << 20, 3.3), (128 << 20, 3.3), (limits::PACK_LEN, 3.3)] {
        let share = share(len);
        assert!((3.0..most).contains(&share), "{len} bytes: {share} %");
    }
}

#[test]
fn the_parity_of_a_pack_has_these_bytes_for_ever() {
    // More parity than data takes the other one of the two forms of the code.
    let samples = [Sample::grouped(1, 1000, 3, 2), Sample::planned(2, 300_000, 3), Sample::grouped(3, 100, 1, 7)];
    let hashes = samples.map(|sample| hex(&blake3::hash(&sample.sidecar).as_bytes()[..16]));
    assert_eq!(
        hashes,
        ["41275899d9b1caa6906b6e1ccd2e734e", "d5d96d1efe295f6def0676ab70c170cd", "0bec98cee320aca6579ed3ff3b5cfdca"]
    );
}

#[test]
fn no_parity_is_made_of_a_pack_that_is_damaged() {
    let sample = Sample::planned(1, 5000, 3);
    let mut pack = sample.pack.clone();
    pack[4999] ^= 1;
    let encoded = encode::encode(REPOSITORY, &sample.header, &pack, |_| Ok(()));
    assert_eq!(encoded.unwrap_err().kind(), crate::error::Kind::Corrupt);
    pack[4999] ^= 1;
    pack.push(0);
    assert!(encode::encode(REPOSITORY, &sample.header, &pack, |_| Ok(())).is_err());
}
