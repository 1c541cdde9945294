//! Tests of the parts of index tables.

use super::*;
use crate::fixtures::damage::{assert_damage_is_harmless, assert_every_damage_is_noticed};
use crate::fixtures::{hex, session_id};

const REPOSITORY: RepositoryId = RepositoryId([0xa1; 16]);

fn header(kind: TableKind) -> TableHeader {
    TableHeader { kind, repository: REPOSITORY, id: TableId([0x1d; 16]), domain: DomainId::MAIN }
}

fn block_row() -> BlockRow {
    BlockRow { session: 1, serial: 2, pack: 3, offset: 40, stored_len: 70_000, kind: BlockKind::Tree, thinned: true }
}

fn chunk_row() -> ChunkRow {
    ChunkRow { chunk: ChunkId([0xc1; 32]), session: 1, serial: 2, offset: 3, len: 70_000, copy: 6 }
}

fn tail() -> TableTail {
    TableTail {
        sessions: vec![session_id(1), session_id(2)],
        packs: vec![TablePack { id: PackId([9; 32]), session: session_id(2), len: 1 << 24 }],
        fences: vec![0, 0, 0, 0, 0, 0, 0, 7],
        filter: vec![0xff; 32],
        supersedes: vec![TableId([0x1c; 16])],
        rows: 80,
        thinned: vec![ThinnedCopy { session: 1, serial: 5, pack: 0 }],
    }
}

#[test]
fn a_table_header_has_these_bytes_for_ever() {
    for (kind, number) in [(TableKind::Blocks, "10"), (TableKind::Chunks, "11")] {
        let expected =
            format!("4d53494e44455802{number}00000000100000{}{}{}", "a1".repeat(16), "1d".repeat(16), "00".repeat(16));
        assert_eq!(hex(&header(kind).encode()), expected);
        assert_eq!(TableHeader::decode(kind, &header(kind).encode()), Ok(header(kind)));
    }
}

#[test]
fn rows_have_these_bytes_for_ever() {
    let (mut blocks, mut chunks) = (Vec::new(), Vec::new());
    block_row().encode(&mut blocks);
    chunk_row().encode(&mut chunks);
    assert_eq!(hex(&blocks), "010000000200000003000000280000007011010002010000");
    assert_eq!(hex(&chunks), format!("{}01000000020000000300000070110106", "c1".repeat(32)));
    assert_eq!((blocks.len(), chunks.len()), (row_len(TableKind::Blocks), row_len(TableKind::Chunks)));
    assert_eq!(BlockRow::decode(&blocks), Ok(block_row()));
    assert_eq!(ChunkRow::decode(&chunks), Ok(chunk_row()));
}

#[test]
fn a_tail_has_these_bytes_for_ever() {
    let pack = format!("a3015820{}0250{}031a01000000", "09".repeat(32), "02".repeat(16));
    let expected = format!(
        "a7018250{}50{}0281{pack}03480000000000000007045820{}058150{}061850078183010500",
        "01".repeat(16),
        "02".repeat(16),
        "ff".repeat(32),
        "1c".repeat(16)
    );
    assert_eq!(hex(&tail().encode()), expected);
    assert_eq!(TableTail::decode(&tail().encode(), TableKind::Chunks, PAGE_STRIDE), Ok(tail()));
}

#[test]
fn a_footer_has_these_bytes_for_ever() {
    let bytes = encode_footer(4176, 500);
    assert_eq!(hex(&bytes), "5010000000000000f4010000000000004d534958454e4401");
    assert_eq!(decode_footer(&bytes, 4176 + 500 + 24), Ok((4176, 500)));
    assert_every_damage_is_noticed(&bytes, |bytes| decode_footer(bytes, 4176 + 500 + 24));
}

#[test]
fn the_geometry_is_this_for_ever() {
    assert_eq!((rows_per_page(TableKind::Blocks), rows_per_page(TableKind::Chunks)), (170, 85));
    assert_eq!([0, 1, 1000].map(TableHeader::page_offset), [64, 4176, 4_112_064]);
}

#[test]
fn damage_to_header_rows_and_tail_is_harmless() {
    let bytes = header(TableKind::Chunks).encode();
    let decode = |bytes: &[u8]| TableHeader::decode(TableKind::Chunks, bytes);
    assert_damage_is_harmless(&bytes, decode, |header| header.encode().to_vec());
    let decode = |bytes: &[u8]| TableTail::decode(bytes, TableKind::Chunks, PAGE_STRIDE);
    assert_damage_is_harmless(&tail().encode(), decode, TableTail::encode);
    let mut row = Vec::new();
    chunk_row().encode(&mut row);
    assert_damage_is_harmless(&row, ChunkRow::decode, |row| {
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        bytes
    });
}

#[test]
fn a_table_of_the_other_kind_is_refused() {
    assert!(TableHeader::decode(TableKind::Blocks, &header(TableKind::Chunks).encode()).is_err());
    let mut bytes = header(TableKind::Blocks).encode();
    bytes[63] = 1;
    assert!(TableHeader::decode(TableKind::Blocks, &bytes).is_err(), "reserved bytes");
    let mut bytes = header(TableKind::Blocks).encode();
    bytes[13] = 0x20;
    assert!(TableHeader::decode(TableKind::Blocks, &bytes).is_err(), "another length of pages");
}

#[test]
fn a_tail_that_does_not_fit_its_pages_is_refused() {
    let decode = |tail: TableTail| TableTail::decode(&tail.encode(), TableKind::Chunks, PAGE_STRIDE);
    assert!(decode(tail()).is_ok());
    assert!(decode(TableTail { rows: 86, ..tail() }).is_err(), "rows for two pages");
    assert!(decode(TableTail { rows: 0, ..tail() }).is_err(), "a page without rows");
    assert!(decode(TableTail { rows: limits::TABLE_ROWS + 1, ..tail() }).is_err());
    assert!(decode(TableTail { rows: u64::MAX, ..tail() }).is_err());
    assert!(decode(TableTail { fences: vec![0; 7], ..tail() }).is_err());
    assert!(decode(TableTail { filter: vec![0; 31], ..tail() }).is_err());
    assert!(decode(TableTail { sessions: vec![session_id(2), session_id(1)], ..tail() }).is_err());
    assert!(decode(TableTail { sessions: vec![session_id(1); 2], ..tail() }).is_err());
    assert!(TableTail::decode(&tail().encode(), TableKind::Chunks, 2 * PAGE_STRIDE).is_err());
}

#[test]
fn a_block_longer_than_its_limit_is_refused_before_memory_is_taken() {
    let longest = STORED_BLOCK_LEN as u32;
    let decode = |stored_len| {
        let mut bytes = Vec::new();
        BlockRow { stored_len, ..block_row() }.encode(&mut bytes);
        BlockRow::decode(&bytes)
    };
    assert!(decode(longest).is_ok());
    assert!(decode(longest + 1).is_err(), "a clear table could ask for any amount of memory");
}

#[test]
fn a_tail_of_impossible_length_is_refused() {
    let limit = limits::TABLE_TAIL_LEN;
    assert!(decode_footer(&encode_footer(64, limit), 64 + limit + 24).is_ok());
    assert!(decode_footer(&encode_footer(64, limit + 1), 64 + limit + 25).is_err());
    assert!(decode_footer(&encode_footer(u64::MAX, 1), 25).is_err());
}
