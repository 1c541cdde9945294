//! Tests of the filter.

use super::*;
use crate::fixtures::{chunk_id, hex};

const CHUNKS: u64 = 100_000;

fn filled(chunks: u64) -> Vec<u8> {
    let mut filter = new_filter(chunks);
    for number in 0..chunks {
        insert(&mut filter, &chunk_id(number));
    }
    filter
}

#[test]
fn a_chunk_that_was_inserted_is_never_denied() {
    for chunks in [1, 10, 1000, CHUNKS] {
        let filter = filled(chunks);
        assert!((0..chunks).all(|number| may_hold(&filter, &chunk_id(number))), "{chunks}");
    }
}

#[test]
fn fewer_than_one_in_a_hundred_others_is_let_through() {
    let filter = filled(CHUNKS);
    let wrong = (CHUNKS..2 * CHUNKS).filter(|number| may_hold(&filter, &chunk_id(*number))).count() as u64;
    assert!(wrong * 100 < CHUNKS, "{wrong} of {CHUNKS}");
}

#[test]
fn a_filter_takes_a_byte_and_a_half_a_chunk() {
    assert_eq!(new_filter(0).len(), 32);
    assert_eq!(new_filter(1).len(), 32);
    assert_eq!(new_filter(CHUNKS).len(), 150_016);
}

#[test]
fn a_filter_has_these_bytes_for_ever() {
    assert_eq!(hex(&filled(10)), "80a0131c58ca088021080a038011b8211406c10200018b2ac24540d07c900068");
}

#[test]
fn a_table_without_filter_may_hold_anything() {
    assert!(may_hold(&[], &chunk_id(1)));
}
