//! Tests of block sets and reference maps.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::fixtures::damage::{assert_damage_is_harmless, assert_every_damage_is_noticed};
use crate::fixtures::{block_id, hex};

const REPOSITORY: RepositoryId = RepositoryId([0xa1; 16]);

fn set(blocks: &[(u8, u32)]) -> BlockSet {
    let mut set = BlockSet::default();
    for (session, serial) in blocks {
        set.insert(block_id(*session, *serial));
    }
    set
}

fn sample() -> BlockSet {
    let mut blocks: Vec<(u8, u32)> = (0..10).map(|serial| (0x5e, serial)).collect();
    blocks.extend([(0x5e, 12), (0x5f, 300), (0x5f, 301)]);
    set(&blocks)
}

#[test]
fn a_reference_map_has_these_bytes_for_ever() {
    let body = format!("a10182a20150{}0284000a0201a20150{}028219012c02", "5e".repeat(16), "5f".repeat(16));
    let bytes = encode(REPOSITORY, &sample());
    assert_eq!(hex(&bytes[..bytes.len() - 32]), format!("4d53433109000000{}{body}", "a1".repeat(16)));
    assert_eq!(decode(REPOSITORY, &bytes), Ok(sample()));
}

#[test]
fn every_damage_to_a_reference_map_is_noticed() {
    let bytes = encode(REPOSITORY, &sample());
    assert_every_damage_is_noticed(&bytes, |bytes| decode(REPOSITORY, bytes));
}

#[test]
fn damage_to_a_bare_set_is_harmless() {
    // Bits 31 to 24 of a run's numbers would only make the set large.
    let small = set(&[(1, 0), (1, 5)]);
    assert_damage_is_harmless(&encode_set(&small), decode_set, encode_set);
}

fn runs(runs: Vec<u32>) -> Decoded<BlockSet> {
    let session = block_id(1, 0).session;
    decode_set(&to_cbor(&Stored { sessions: vec![StoredSession { session, runs }] }))
}

#[test]
fn runs_that_make_no_sense_are_refused() {
    assert!(runs(vec![0]).is_err(), "no length");
    assert!(runs(vec![0, 0]).is_err(), "an empty run");
    assert!(runs(vec![u32::MAX, 1]).is_err(), "beyond the largest number");
    assert!(runs(vec![1, u32::MAX]).is_err(), "beyond the largest number");
    assert!(runs(vec![MAX_SERIAL - 1, 2]).is_err(), "beyond the limit");
    assert_eq!(runs(vec![MAX_SERIAL - 1, 1]), Ok(set(&[(1, MAX_SERIAL - 1)])));
}

#[test]
fn a_few_bytes_do_not_ask_for_any_amount_of_memory() {
    let sessions = |count: u8| {
        let session = |number| StoredSession { session: block_id(number, 0).session, runs: vec![MAX_SERIAL - 1, 1] };
        decode_set(&to_cbor(&Stored { sessions: (1..=count).map(session).collect() }))
    };
    assert!(sessions(8).is_ok());
    assert!(sessions(9).is_err(), "each of these sessions takes 8 MiB");
}

#[test]
fn a_set_knows_what_was_inserted() {
    let mut blocks = BlockSet::default();
    assert!(blocks.insert(block_id(1, 64)));
    assert!(!blocks.insert(block_id(1, 64)));
    assert!(blocks.contains(block_id(1, 64)));
    for absent in [block_id(1, 63), block_id(1, 65), block_id(1, 100_000), block_id(2, 64)] {
        assert!(!blocks.contains(absent));
    }
    assert_eq!(BlockSet::default().len(), 0);
    assert_eq!(decode_set(&encode_set(&BlockSet::default())), Ok(BlockSet::default()));
}

#[test]
fn a_long_run_holds_every_number_in_it_and_no_other() {
    for (gap, len) in [(0, 64), (10, 200), (63, 2), (64, 64), (127, 1), (0, 1)] {
        let read = runs(vec![gap, len]).unwrap();
        assert!(read.iter().map(|block| block.serial).eq(gap..gap + len), "{gap} {len}");
    }
}

fn any_blocks() -> impl Strategy<Value = BTreeSet<(u8, u32)>> {
    prop::collection::btree_set((0u8..3, prop_oneof![0u32..200, 60_000u32..60_010]), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_set_behaves_like_a_btree_set(model in any_blocks()) {
        let blocks = set(&model.iter().copied().collect::<Vec<_>>());
        prop_assert_eq!(blocks.len(), model.len() as u64);
        prop_assert!(blocks.iter().eq(model.iter().map(|(session, serial)| block_id(*session, *serial))));
        let stored = decode_set(&encode_set(&blocks)).unwrap();
        prop_assert!(stored.iter().eq(blocks.iter()));
    }

    #[test]
    fn a_union_holds_what_either_held(ours in any_blocks(), theirs in any_blocks()) {
        let list = |blocks: &BTreeSet<(u8, u32)>| set(&blocks.iter().copied().collect::<Vec<_>>());
        let mut all = list(&ours);
        all.union(&list(&theirs));
        prop_assert!(all.iter().eq(list(&ours.union(&theirs).copied().collect()).iter()));
    }
}
