//! Tests of block headers and chunk tables.

use super::*;
use crate::fixtures::damage::assert_damage_is_harmless;
use crate::fixtures::{block_id, hex};

fn header() -> BlockHeader {
    BlockHeader {
        kind: BlockKind::Tree,
        codec: Codec::Zstd,
        thinned: false,
        id: block_id(0x5e, 0x0102_0304),
        nonce: *b"twelve bytes",
        sealed_len: 0x0001_e240,
    }
}

fn table() -> ChunkTable {
    ChunkTable { chunks: vec![(ChunkId([0xc1; 32]), 1000), (ChunkId([0xc2; 32]), 0), (ChunkId([0xc1; 32]), 70_000)] }
}

#[test]
fn a_block_header_has_these_bytes_for_ever() {
    let expected = "4d53424b020100005e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e04030201\
                    7477656c766520627974657340e20100";
    assert_eq!(hex(&header().encode()), expected);
    assert_eq!(BlockHeader::decode(&header().encode()), Ok(header()));
}

#[test]
fn a_chunk_table_has_these_bytes_for_ever() {
    let expected =
        ["c1".repeat(32), "e8030000".into(), "c2".repeat(32), "00000000".into(), "c1".repeat(32), "70110100".into()];
    assert_eq!(hex(&table().encode()), expected.concat());
    assert_eq!(ChunkTable::decode(&table().encode()), Ok(table()));
    assert_eq!(table().raw_len(), 71_000);
}

#[test]
fn damage_to_a_block_header_is_harmless() {
    assert_damage_is_harmless(&header().encode(), BlockHeader::decode, |header| header.encode().to_vec());
}

#[test]
fn a_chunk_table_cut_inside_a_row_is_refused() {
    let bytes = table().encode();
    for len in (0..bytes.len()).filter(|len| len % 36 != 0) {
        assert!(ChunkTable::decode(&bytes[..len]).is_err(), "{len}");
    }
    assert_eq!(ChunkTable::decode(&[]), Ok(ChunkTable::default()));
}

#[test]
fn reserved_bytes_and_unknown_numbers_are_refused() {
    for (at, value) in [(0, b'X'), (4, 0), (4, 3), (5, 2), (7, 1)] {
        let mut bytes = header().encode();
        bytes[at] = value;
        assert!(BlockHeader::decode(&bytes).is_err(), "byte {at} = {value}");
    }
}

#[test]
fn lengths_beyond_the_limits_are_refused() {
    let longest = limits::BLOCK_LEN as u32 + (1 << 16);
    let with_len = |sealed_len| BlockHeader::decode(&BlockHeader { sealed_len, ..header() }.encode());
    assert!(with_len(longest).is_ok());
    assert!(with_len(longest + 1).is_err());

    let chunk = |len: usize| (ChunkId([1; 32]), len as u32);
    let decode = |chunks| ChunkTable::decode(&ChunkTable { chunks }.encode());
    assert!(decode(vec![chunk(limits::CHUNK_LEN)]).is_ok());
    assert!(decode(vec![chunk(limits::CHUNK_LEN + 1)]).is_err());
    let most = limits::BLOCK_LEN / limits::CHUNK_LEN;
    assert!(decode(vec![chunk(limits::CHUNK_LEN); most]).is_ok());
    assert!(decode(vec![chunk(limits::CHUNK_LEN); most + 1]).is_err(), "a block longer than its limit");
    assert!(decode(vec![chunk(1); limits::BLOCK_CHUNKS]).is_ok());
    assert!(decode(vec![chunk(1); limits::BLOCK_CHUNKS + 1]).is_err());
}

#[test]
fn every_block_that_the_session_closes_fits_the_limits() {
    // A block is closed by the chunk that reaches the target, so it is at most this long.
    let longest = limits::BLOCK_TARGET - 1 + limits::CHUNK_LEN;
    assert!(longest <= limits::BLOCK_LEN);
}
