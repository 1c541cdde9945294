//! Tests of the frame of a pack.

use super::*;
use crate::fixtures::damage::assert_damage_is_harmless;
use crate::fixtures::{block_id, hex, session_id};

const REPOSITORY: RepositoryId = RepositoryId([0xa1; 16]);
const DIRECTORY_OFFSET: u64 = 5000;

fn rows() -> Vec<PackRow> {
    let row = |serial, kind, offset| PackRow {
        block: block_id(0x5e, serial),
        kind,
        thinned: false,
        offset,
        stored_len: 1000,
        table_offset: offset + 2000,
        table_len: 64,
    };
    vec![row(1, BlockKind::Content, 40), row(2, BlockKind::Tree, 1040)]
}

fn read(bytes: &[u8], pack_len: u64) -> Decoded<Vec<PackRow>> {
    let split = bytes.len().checked_sub(PACK_FOOTER_LEN).ok_or_else(|| Problem::new("too short"))?;
    let (directory, footer) = bytes.split_at(split);
    PackFooter::decode(footer, pack_len)?.decode_directory(directory)
}

/// Reads bytes as the end of a pack whose directory begins where that of the sample does.
fn read_end(bytes: &[u8]) -> Decoded<Vec<PackRow>> {
    read(bytes, DIRECTORY_OFFSET + bytes.len() as u64)
}

#[test]
fn a_pack_header_has_these_bytes_for_ever() {
    let expected = format!("4d535041434b0100{}{}", "a1".repeat(16), "5e".repeat(16));
    assert_eq!(hex(&encode_header(REPOSITORY, session_id(0x5e))), expected);
}

#[test]
fn a_directory_has_these_bytes_for_ever() {
    let session = "5e".repeat(16);
    let directory = format!(
        "{session}010000000100000028000000e8030000f807000040000000\
         {session}020000000200000010040000e8030000e00b000040000000"
    );
    let checksum = "9a3872d3cc41f374631b6e9eb2b21697051315bb1483b52405d6dc54d5e4f92f";
    let footer = format!("88130000000000000200000000000000{checksum}4d53504b454e4401");
    let bytes = encode_directory(&rows(), DIRECTORY_OFFSET);
    assert_eq!(hex(&bytes), directory + &footer);
    assert_eq!(read_end(&bytes), Ok(rows()));
}

#[test]
fn damage_to_a_directory_is_noticed() {
    let bytes = encode_directory(&rows(), DIRECTORY_OFFSET);
    assert_damage_is_harmless(&bytes, read_end, |rows| encode_directory(rows, DIRECTORY_OFFSET));
    for bit in 0..rows().len() * ROW_LEN * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(read_end(&bytes).is_err(), "bit {bit}");
    }
}

#[test]
fn a_pack_of_another_length_than_its_directory_says_is_refused() {
    let bytes = encode_directory(&rows(), DIRECTORY_OFFSET);
    let len = DIRECTORY_OFFSET + bytes.len() as u64;
    for wrong in [0, len - 1, len + 1, u64::MAX] {
        assert!(read(&bytes, wrong).is_err(), "{wrong}");
    }
    let bytes = encode_directory(&rows(), u64::MAX);
    assert!(read(&bytes, len).is_err(), "an offset that overflows");
}

#[test]
fn more_blocks_than_the_limit_are_refused_before_they_are_read() {
    let mut footer = encode_directory(&[], 40);
    footer[8..12].copy_from_slice(&(limits::PACK_BLOCKS as u32 + 1).to_le_bytes());
    let len = 40 + (limits::PACK_BLOCKS as u64 + 1) * ROW_LEN as u64 + PACK_FOOTER_LEN as u64;
    assert!(PackFooter::decode(&footer, len).is_err());
}

#[test]
fn a_block_that_reaches_into_the_directory_is_refused() {
    let ends_at = |offset, table_offset| {
        let row = PackRow { offset, table_offset, ..rows()[0] };
        read_end(&encode_directory(&[row], DIRECTORY_OFFSET)).is_ok()
    };
    assert!(ends_at(4000, 4936));
    assert!(!ends_at(4001, 4936));
    assert!(!ends_at(4000, 4937));
    assert!(!ends_at(u32::MAX, 40));
}

#[test]
fn a_block_or_table_longer_than_its_limit_is_refused_before_memory_is_taken() {
    let decode = |stored_len: u64, table_len: u64| {
        let row = PackRow { stored_len: stored_len as u32, table_len: table_len as u32, ..rows()[0] };
        let bytes = encode_directory(&[row], 1 << 26);
        read(&bytes, (1 << 26) + bytes.len() as u64).is_ok()
    };
    assert!(decode(STORED_BLOCK_LEN, SEALED_TABLE_LEN));
    assert!(!decode(STORED_BLOCK_LEN + 1, SEALED_TABLE_LEN));
    assert!(!decode(STORED_BLOCK_LEN, SEALED_TABLE_LEN + 1));
}

#[test]
fn an_empty_directory_is_one() {
    assert_eq!(read(&encode_directory(&[], 40), 40 + PACK_FOOTER_LEN as u64), Ok(Vec::new()));
}
