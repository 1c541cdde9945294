//! Doors for the fuzzer: each decoder of stored bytes, asked as whoever reads a hostile store asks it.
//!
//! Owns the list and what must hold for any input: no panic, no memory beyond the format's limits, and what decodes
//! encodes to the same again. Not part of the engine's interface: hidden from its documentation, used by `fuzz/` and by
//! the tests that replay `tests/fuzz-corpus`. It is compiled in always, so that the replay tests what is released; nothing
//! of it is linked into the binary, which never names it.

use std::fmt::Debug;

use crate::compress::expand;
use crate::format::block::{BLOCK_HEADER_LEN, BlockHeader, ChunkTable, Codec, THINNED_LEN, ThinMap};
use crate::format::envelope::{ObjectKind, SealedHeader, decode_clear, encode_clear};
use crate::format::names::{self, LeaseName, TableKind};
use crate::format::pack::{PACK_FOOTER_LEN, PackFooter, encode_directory};
use crate::format::snapshot::Snapshot;
use crate::format::table::{
    BlockRow, ChunkRow, PAGE_STRIDE, TableHeader, TableTail, decode_footer, encode_footer, row_len,
};
use crate::format::tree::{ExtentList, TreePage};
use crate::format::{Decoded, config, coord, keys, lease, limits, refs};
use crate::id::{RepositoryId, SessionId, SlotId, SnapshotId};
use crate::keys::RecoveryCode;

/// A target's name and what to do with an input.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 15] = [
    ("config", config_object),
    ("key-slot", key_slot),
    ("data-key", data_key),
    ("pack", pack),
    ("block", block),
    ("chunk-table", chunk_table),
    ("index-rows", index_rows),
    ("index-tail", index_tail),
    ("references", references),
    ("tree-page", tree_page),
    ("extent-list", extent_list),
    ("snapshot", snapshot),
    ("lease", lease_object),
    ("coordination", coordination),
    ("names", object_names),
];

/// What the objects of a corpus say they belong to.
const REPOSITORY: RepositoryId = RepositoryId([1; 16]);
const SESSION: SessionId = SessionId([2; 16]);
const SLOT: SlotId = SlotId([3; 8]);
const SNAPSHOT: SnapshotId = SnapshotId([4; 32]);

/// An input as the body of a clear object: no fuzzer finds a checksum.
fn framed(kind: ObjectKind, body: &[u8]) -> Vec<u8> {
    let framed = encode_clear(kind, REPOSITORY, body);
    assert_eq!(decode_clear(kind, REPOSITORY, &framed), Ok(body));
    framed
}

/// What decodes must decode to the same from its own encoding.
fn assert_survives<T: PartialEq + Debug>(decoded: Decoded<T>, again: impl FnOnce(&T) -> Decoded<T>) {
    if let Ok(value) = decoded {
        let second = again(&value);
        assert_eq!(second, Ok(value));
    }
}

fn config_object(input: &[u8]) {
    if let Ok(decoded) = config::decode(input) {
        assert_eq!(config::decode(&config::encode(&decoded)), Ok(decoded));
    }
}

fn key_slot(input: &[u8]) {
    let decode = |bytes: &[u8]| keys::decode_slot(REPOSITORY, SLOT, bytes);
    let _ = decode(input);
    assert_survives(decode(&framed(ObjectKind::KeySlot, input)), |slot| decode(&keys::encode_slot(REPOSITORY, slot)));
    if let Ok(secrets) = keys::Secrets::decode(input) {
        assert!(keys::Secrets::decode(&secrets.encode()).is_ok_and(|again| again == secrets));
    }
}

fn data_key(input: &[u8]) {
    let decode = |bytes: &[u8]| keys::decode_data_key(REPOSITORY, SESSION, bytes);
    let _ = decode(input);
    assert_survives(decode(&framed(ObjectKind::DataKey, input)), |key| decode(&keys::encode_data_key(REPOSITORY, key)));
}

fn pack(input: &[u8]) {
    if let Some(footer) = input.last_chunk::<PACK_FOOTER_LEN>() {
        let len = input.len() as u64;
        if let Ok(footer) = PackFooter::decode(footer, len) {
            let start = footer.directory_offset as usize;
            let directory = input.get(start..start + footer.directory_len());
            let _ = directory.map(|directory| footer.decode_directory(directory));
        }
    }
    directory(input);
}

/// The same input as a directory whose footer is right.
fn directory(input: &[u8]) {
    const OFFSET: u64 = 1 << 30;
    let empty = encode_directory(&[], OFFSET);
    let magic = empty.last_chunk::<8>().map_or(&[][..], |magic| magic);
    // A row of the directory has 40 bytes.
    let rows = (input.len() / 40).min(limits::PACK_BLOCKS);
    let Some(rows_only) = input.get(..rows * 40) else { return };
    let mut whole = rows_only.to_vec();
    whole.extend_from_slice(&OFFSET.to_le_bytes());
    whole.extend_from_slice(&(rows as u64).to_le_bytes());
    whole.extend_from_slice(blake3::hash(rows_only).as_bytes());
    whole.extend_from_slice(magic);
    let (_, footer) = whole.split_at(rows_only.len());
    let footer = PackFooter::decode(footer, OFFSET + whole.len() as u64).expect("it is made as the format says");
    if let Ok(rows) = footer.decode_directory(rows_only) {
        assert!(encode_directory(&rows, OFFSET) == whole, "the rows read do not make the directory");
    }
}

fn block(input: &[u8]) {
    if let Ok(header) = BlockHeader::decode(input) {
        assert_eq!(Some(&header.encode()[..]), input.get(..BLOCK_HEADER_LEN));
    }
    let mut plain = Vec::new();
    for limit in [limits::BLOCK_LEN, THINNED_LEN] {
        if expand(Codec::Zstd, input, limit, &mut plain).is_ok() {
            assert!(plain.len() <= limit);
            thinned(&plain);
        }
    }
    thinned(input);
    if let Ok((header, rest)) = SealedHeader::decode(ObjectKind::Snapshot, input) {
        assert!([&header.encode()[..], rest].concat() == input);
    }
}

fn thinned(plain: &[u8]) {
    if let Ok((map, kept)) = ThinMap::decode(plain) {
        assert!([&map.encode()[..], kept].concat() == plain, "the map read does not make the block");
        assert!(map.kept.iter().all(|range| range.start < range.end && range.end <= map.raw_len));
    }
}

fn chunk_table(input: &[u8]) {
    if let Ok(table) = ChunkTable::decode(input) {
        assert!(table.encode() == input && table.raw_len() <= limits::BLOCK_LEN as u64);
    }
}

fn index_rows(input: &[u8]) {
    for kind in [TableKind::Blocks, TableKind::Chunks] {
        if let Ok(header) = TableHeader::decode(kind, input) {
            assert_eq!(TableHeader::decode(kind, &header.encode()), Ok(header));
        }
    }
    for row in input.chunks(row_len(TableKind::Blocks)) {
        assert_survives(BlockRow::decode(row), |row| {
            let mut page = Vec::new();
            row.encode(&mut page);
            BlockRow::decode(&page)
        });
    }
    for row in input.chunks(row_len(TableKind::Chunks)) {
        assert_survives(ChunkRow::decode(row), |row| {
            let mut page = Vec::new();
            row.encode(&mut page);
            ChunkRow::decode(&page)
        });
    }
}

fn index_tail(input: &[u8]) {
    let _ = decode_footer(input, input.len() as u64);
    let Some((pages, tail)) = input.split_first() else { return };
    for kind in [TableKind::Blocks, TableKind::Chunks] {
        let pages_len = u64::from(*pages) * PAGE_STRIDE;
        let decode = |bytes: &[u8]| TableTail::decode(bytes, kind, pages_len);
        assert_survives(decode(tail), |tail| decode(&tail.encode()));
    }
    let len = tail.len() as u64;
    let footer = encode_footer(u64::from(*pages), len);
    let whole = u64::from(*pages) + len + footer.len() as u64;
    assert_eq!(decode_footer(&footer, whole).is_ok(), len <= limits::TABLE_TAIL_LEN);
}

/// Sets are compared by their encodings: two of the largest at once would be most of the memory that there is.
fn references(input: &[u8]) {
    let _ = refs::decode(REPOSITORY, input);
    let Ok(first) = refs::decode_set(input).map(|blocks| refs::encode_set(&blocks)) else { return };
    let second = refs::decode_set(&first).map(|blocks| refs::encode_set(&blocks));
    assert!(second.is_ok_and(|second| second == first), "a set came back otherwise");
}

fn tree_page(input: &[u8]) {
    assert_survives(TreePage::decode(input), |page| TreePage::decode(&page.encode()));
}

fn extent_list(input: &[u8]) {
    assert_survives(ExtentList::decode(input), |list| ExtentList::decode(&list.encode()));
}

fn snapshot(input: &[u8]) {
    assert_survives(Snapshot::decode(input), |snapshot| Snapshot::decode(&snapshot.encode()));
}

fn lease_object(input: &[u8]) {
    let decode = |bytes: &[u8]| lease::decode(REPOSITORY, SESSION, bytes);
    let _ = decode(input);
    assert_survives(decode(&framed(ObjectKind::Lease, input)), |lease| decode(&lease::encode(REPOSITORY, lease)));
}

fn coordination(input: &[u8]) {
    let condemned = |bytes: &[u8]| coord::decode_condemned(REPOSITORY, bytes);
    assert_survives(condemned(&framed(ObjectKind::Condemned, input)), |list| {
        condemned(&coord::encode_condemned(REPOSITORY, list))
    });
    let trash = |bytes: &[u8]| coord::decode_trash(REPOSITORY, SNAPSHOT, bytes);
    assert_survives(trash(&framed(ObjectKind::Trash, input)), |mark| trash(&coord::encode_trash(REPOSITORY, mark)));
    let intent = |bytes: &[u8]| coord::decode_intent(REPOSITORY, bytes);
    let encoded = |bytes: &[u8]| intent(bytes).map(|intent| coord::encode_intent(REPOSITORY, &intent));
    if let Ok(first) = encoded(&framed(ObjectKind::Intent, input)) {
        assert!(encoded(&first).is_ok_and(|second| second == first), "an intent came back otherwise");
    }
}

/// A name that is read stands for one object: the name that is made of what was read is the same.
fn object_names(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok((id, session)) = names::parse_pack(text) {
        assert_eq!(names::pack(id, session), text);
    }
    if let Ok((kind, id)) = names::parse_table(text) {
        assert_eq!(names::table(kind, id), text);
    }
    if let Ok((source, sequence, id)) = names::parse_snapshot(text) {
        assert_eq!(names::snapshot(source, sequence, id), text);
    }
    if let Ok((session, part)) = names::parse_lease(text) {
        let name = match part {
            LeaseName::Claim(number) => names::lease(session, number),
            LeaseName::End => names::lease_end(session),
        };
        assert_eq!(name, text);
    }
    recovery_code(text);
}

fn recovery_code(text: &str) {
    if let Some(code) = RecoveryCode::parse(text) {
        let written = code.to_text();
        let again = RecoveryCode::parse(&written).map(|code| code.to_text());
        assert!(again.is_some_and(|again| again == written), "a recovery code came back otherwise");
    }
}
