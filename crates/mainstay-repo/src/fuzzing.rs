//! Doors for the fuzzer: each decoder of stored bytes, asked as whoever reads a hostile store asks it.
//!
//! Owns the list and what must hold for any input: no panic, no memory beyond the format's limits, and what decodes
//! encodes to the same again. Each answers whether anything of its input was taken, so that a seed that has grown old is
//! noticed. Not part of the engine's interface: hidden from its documentation, used by `fuzz/` and by
//! the tests that replay `tests/fuzz-corpus`. It is compiled in always, so that the replay tests what is released; nothing
//! of it is linked into the binary, which never names it.

mod keys;
#[cfg(test)]
mod tests;

use std::fmt::Debug;

use crate::compress::expand;
use crate::format::block::{BLOCK_HEADER_LEN, BlockHeader, ChunkTable, Codec, THINNED_LEN, ThinMap};
use crate::format::envelope::{ObjectKind, decode_clear, encode_clear};
use crate::format::names::{self, FenceName, KeyChangeName, LeaseName, TableKind};
use crate::format::pack::{PACK_FOOTER_LEN, PackFooter, encode_directory};
use crate::format::parity::{ParityHeader, sum_of};
use crate::format::signature::{self, SigningRights};
use crate::format::snapshot::Snapshot;
use crate::format::snapshot::frame::SnapshotFrame;
use crate::format::table::{
    BlockRow, ChunkRow, PAGE_STRIDE, TableHeader, TableTail, decode_footer, encode_footer, row_len,
};
use crate::format::tree::{ExtentList, TreePage};
use crate::format::{Decoded, FORMAT_VERSION, archive, config, coord, history, lease, limits, losses, refs};
use crate::id::{RepositoryId, SessionId, SnapshotId, TableId};
use crate::signer::Judge;

/// A target's name and what to do with an input; the answer is whether it was taken for something.
pub type Target = (&'static str, fn(&[u8]) -> bool);

pub const TARGETS: [Target; 19] = [
    ("config", config_object),
    ("key-slot", keys::key_slot),
    ("data-key", keys::data_key),
    ("codes", keys::codes),
    ("pack", pack),
    ("block", block),
    ("chunk-table", chunk_table),
    ("index-rows", index_rows),
    ("index-tail", index_tail),
    ("references", references),
    ("tree-page", tree_page),
    ("extent-list", extent_list),
    ("snapshot", snapshot),
    ("history", history),
    ("parity", parity_objects),
    ("lease", lease_object),
    ("coordination", coordination),
    ("fences", fences),
    ("names", object_names),
];

/// What the objects of a corpus say they belong to.
const REPOSITORY: RepositoryId = RepositoryId([1; 16]);
const SESSION: SessionId = SessionId([2; 16]);
const SNAPSHOT: SnapshotId = SnapshotId([4; 32]);
const LIST: TableId = TableId([5; 16]);
const COLLECTOR: SessionId = SessionId([6; 16]);

/// An input as the body of a clear object: no fuzzer finds a checksum.
fn framed(kind: ObjectKind, body: &[u8]) -> Vec<u8> {
    let framed = encode_clear(kind, REPOSITORY, body);
    assert_eq!(decode_clear(kind, REPOSITORY, &framed), Ok(body));
    framed
}

/// What decodes must decode to the same from its own encoding.
fn assert_survives<T: PartialEq + Debug>(decoded: Decoded<T>, again: impl FnOnce(&T) -> Decoded<T>) -> bool {
    let Ok(value) = decoded else { return false };
    let second = again(&value);
    assert_eq!(second, Ok(value));
    true
}

/// Where a configuration gives its format as 0 it is read as one of today, so that no seed has to say which that is.
fn config_object(input: &[u8]) -> bool {
    let _ = config::decode(input);
    let today = of_today(input);
    let _ = config::is_as_written(&today);
    let Ok(decoded) = config::decode(&today) else { return false };
    assert_eq!(config::decode(&config::encode(&decoded)), Ok(decoded));
    true
}

fn of_today(input: &[u8]) -> Vec<u8> {
    const ANY: &[u8] = b"\"format\":0";
    let Some(start) = input.windows(ANY.len()).position(|bytes| bytes == ANY) else { return input.to_vec() };
    let (before, rest) = input.split_at(start);
    let today = format!("\"format\":{FORMAT_VERSION}");
    [before, today.as_bytes(), rest.get(ANY.len()..).unwrap_or_default()].concat()
}

fn pack(input: &[u8]) -> bool {
    let mut taken = false;
    if let Some(footer) = input.last_chunk::<PACK_FOOTER_LEN>() {
        let len = input.len() as u64;
        if let Ok(footer) = PackFooter::decode(footer, len) {
            let start = footer.directory_offset as usize;
            let directory = input.get(start..start + footer.directory_len());
            taken = directory.is_some_and(|directory| footer.decode_directory(directory).is_ok());
        }
    }
    directory(input) || taken
}

/// The same input as a directory whose footer is right.
fn directory(input: &[u8]) -> bool {
    const OFFSET: u64 = 1 << 30;
    let empty = encode_directory(&[], OFFSET);
    let magic = empty.last_chunk::<8>().map_or(&[][..], |magic| magic);
    // A row of the directory has 40 bytes.
    let rows = (input.len() / 40).min(limits::PACK_BLOCKS);
    let Some(rows_only) = input.get(..rows * 40) else { return false };
    let mut whole = rows_only.to_vec();
    whole.extend_from_slice(&OFFSET.to_le_bytes());
    whole.extend_from_slice(&(rows as u64).to_le_bytes());
    whole.extend_from_slice(blake3::hash(rows_only).as_bytes());
    whole.extend_from_slice(magic);
    let (_, footer) = whole.split_at(rows_only.len());
    let footer = PackFooter::decode(footer, OFFSET + whole.len() as u64).expect("it is made as the format says");
    let Ok(read) = footer.decode_directory(rows_only) else { return false };
    assert!(encode_directory(&read, OFFSET) == whole, "the rows read do not make the directory");
    rows > 0
}

fn block(input: &[u8]) -> bool {
    let header = BlockHeader::decode(input);
    if let Ok(header) = &header {
        assert_eq!(Some(&header.encode()[..]), input.get(..BLOCK_HEADER_LEN));
    }
    let mut taken = header.is_ok();
    let mut plain = Vec::new();
    for limit in [limits::BLOCK_LEN, THINNED_LEN] {
        if expand(Codec::Zstd, input, limit, &mut plain).is_ok() {
            assert!(plain.len() <= limit);
            thinned(&plain);
            taken = true;
        }
    }
    thinned(input) || taken
}

fn thinned(plain: &[u8]) -> bool {
    let Ok((map, kept)) = ThinMap::decode(plain) else { return false };
    assert!([&map.encode()[..], kept].concat() == plain, "the map read does not make the block");
    assert!(map.kept.iter().all(|range| range.start < range.end && range.end <= map.raw_len));
    true
}

fn chunk_table(input: &[u8]) -> bool {
    let Ok(table) = ChunkTable::decode(input) else { return false };
    assert!(table.encode() == input && table.raw_len() <= limits::BLOCK_LEN as u64);
    true
}

fn index_rows(input: &[u8]) -> bool {
    let mut taken = false;
    for kind in [TableKind::Blocks, TableKind::Chunks] {
        taken |=
            assert_survives(TableHeader::decode(kind, input), |header| TableHeader::decode(kind, &header.encode()));
    }
    for row in input.chunks(row_len(TableKind::Blocks)) {
        taken |= assert_survives(BlockRow::decode(row), |row| {
            let mut page = Vec::new();
            row.encode(&mut page);
            BlockRow::decode(&page)
        });
    }
    for row in input.chunks(row_len(TableKind::Chunks)) {
        taken |= assert_survives(ChunkRow::decode(row), |row| {
            let mut page = Vec::new();
            row.encode(&mut page);
            ChunkRow::decode(&page)
        });
    }
    taken
}

fn index_tail(input: &[u8]) -> bool {
    let _ = decode_footer(input, input.len() as u64);
    let Some((pages, tail)) = input.split_first() else { return false };
    let mut taken = false;
    for kind in [TableKind::Blocks, TableKind::Chunks] {
        let pages_len = u64::from(*pages) * PAGE_STRIDE;
        let decode = |bytes: &[u8]| TableTail::decode(bytes, kind, pages_len);
        taken |= assert_survives(decode(tail), |tail| decode(&tail.encode()));
    }
    let len = tail.len() as u64;
    let footer = encode_footer(u64::from(*pages), len);
    let whole = u64::from(*pages) + len + footer.len() as u64;
    assert_eq!(decode_footer(&footer, whole).is_ok(), len <= limits::TABLE_TAIL_LEN);
    taken
}

/// Sets are compared by their encodings: two of the largest at once would be most of the memory that there is.
fn references(input: &[u8]) -> bool {
    let _ = refs::decode(REPOSITORY, input);
    let Ok(first) = refs::decode_set(input).map(|blocks| refs::encode_set(&blocks)) else { return false };
    let second = refs::decode_set(&first).map(|blocks| refs::encode_set(&blocks));
    assert!(second.is_ok_and(|second| second == first), "a set came back otherwise");
    true
}

fn tree_page(input: &[u8]) -> bool {
    assert_survives(TreePage::decode(input), |page| TreePage::decode(&page.encode()))
}

fn extent_list(input: &[u8]) -> bool {
    assert_survives(ExtentList::decode(input), |list| ExtentList::decode(&list.encode()))
}

/// The record under the seal, and the frame around it.
fn snapshot(input: &[u8]) -> bool {
    let frame = SnapshotFrame::decode(input);
    if let Ok(frame) = &frame {
        let whole = [&frame.header.encode()[..], frame.sealed, &frame.signature].concat();
        assert!(SnapshotFrame::decode(&whole).is_ok_and(|again| again.header == frame.header), "another frame");
        let _ = Judge::new(REPOSITORY).judge(
            &frame.header.certificates,
            SigningRights::SNAPSHOTS,
            &frame.signed(),
            &frame.signature,
        );
    }
    assert_survives(Snapshot::decode(input), |snapshot| Snapshot::decode(&snapshot.encode())) || frame.is_ok()
}

/// Records of removal, and the certificates in them.
/// Records of removal, and what makes a repository an archive.
fn history(input: &[u8]) -> bool {
    let _ = signature::decode_certificates(input);
    let manifest = |bytes: &[u8]| archive::decode_manifest(bytes);
    let listed = assert_survives(manifest(input), |list| manifest(&archive::encode_manifest(list)));
    let hold = |bytes: &[u8]| archive::decode_hold(REPOSITORY, LIST, bytes);
    let held =
        assert_survives(hold(&framed(ObjectKind::Hold, input)), |value| hold(&archive::encode_hold(REPOSITORY, value)));
    let Ok(record) = history::decode(REPOSITORY, LIST, &framed(ObjectKind::Removal, input)) else {
        return listed || held;
    };
    let _ =
        Judge::new(REPOSITORY).judge(&record.certificates, SigningRights::REMOVALS, &record.signed, &record.signature);
    let again = history::encode(REPOSITORY, &record.removal, &record.certificates, record.signature);
    assert!(history::decode(REPOSITORY, LIST, &again).is_ok_and(|again| again.removal == record.removal));
    true
}

/// Headers of sidecars, with their checksum made right, and lists of losses.
fn parity_objects(input: &[u8]) -> bool {
    let decode = |bytes: &[u8]| ParityHeader::decode(REPOSITORY, bytes);
    let _ = decode(input);
    let header = input.first_chunk::<80>().is_some_and(|checked| {
        let whole = [&checked[..], &sum_of(checked)].concat();
        assert_survives(decode(&whole), |header| decode(&header.encode(REPOSITORY)))
    });
    let encoded = |said: &[u8]| losses::decode_losses(said).map(|list| losses::encode_losses(&list));
    let Ok(first) = encoded(input) else { return header };
    assert!(encoded(&first).is_ok_and(|second| second == first), "a list of losses came back otherwise");
    true
}

fn lease_object(input: &[u8]) -> bool {
    let decode = |bytes: &[u8]| lease::decode(REPOSITORY, SESSION, bytes);
    let _ = decode(input);
    let claim =
        assert_survives(decode(&framed(ObjectKind::Lease, input)), |lease| decode(&lease::encode(REPOSITORY, lease)));
    let end = |bytes: &[u8]| lease::decode_end(REPOSITORY, bytes);
    assert_survives(end(&framed(ObjectKind::LeaseEnd, input)), |session| end(&lease::encode_end(REPOSITORY, *session)))
        || claim
}

fn coordination(input: &[u8]) -> bool {
    let condemned = |bytes: &[u8]| coord::decode_condemned(LIST, bytes);
    let _ = Judge::new(REPOSITORY).open_object(ObjectKind::Condemned, &framed(ObjectKind::Condemned, input));
    let list = assert_survives(condemned(input), |list| condemned(&coord::encode_condemned(list)));
    let trash = |bytes: &[u8]| coord::decode_trash(SNAPSHOT, bytes);
    let mark = assert_survives(trash(input), |mark| trash(&coord::encode_trash(mark)));
    let intent = |bytes: &[u8]| coord::decode_intent(REPOSITORY, bytes);
    let encoded = |bytes: &[u8]| intent(bytes).map(|intent| coord::encode_intent(REPOSITORY, &intent));
    let Ok(first) = encoded(&framed(ObjectKind::Intent, input)) else { return list || mark };
    assert!(encoded(&first).is_ok_and(|second| second == first), "an intent came back otherwise");
    true
}

fn fences(input: &[u8]) -> bool {
    let names = (SESSION, COLLECTOR);
    let fence = |bytes: &[u8]| coord::decode_fence(names, bytes);
    let put = assert_survives(fence(input), |value| fence(&coord::encode_fence(value)));
    let settlement = |bytes: &[u8]| coord::decode_settlement(names, bytes);
    let _ = Judge::new(REPOSITORY).open_object(ObjectKind::Settlement, &framed(ObjectKind::Settlement, input));
    let change = |part, bytes: &[u8]| coord::decode_key_change((SESSION, part), bytes);
    let again = |part| assert_survives(change(part, input), |value| change(part, &coord::encode_key_change(value)));
    let changes = again(KeyChangeName::Begins) || again(KeyChangeName::Removes);
    let acquittal = |bytes: &[u8]| coord::decode_acquittal(names, bytes);
    let acquits = assert_survives(acquittal(input), |value| acquittal(&coord::encode_acquittal(value)));
    let settles = assert_survives(settlement(input), |value| settlement(&coord::encode_settlement(value)));
    put || changes || acquits || settles
}

/// A name that is read stands for one object: the name that is made of what was read is the same.
fn object_names(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let made = [
        names::parse_key_slot(text).map(|(id, generation)| names::key_slot(id, generation)),
        names::parse_data_key(text).map(|key| key.name()),
        names::parse_pack(text).map(|(id, session)| names::pack(id, session)),
        names::parse_table(text).map(|(kind, id)| names::table(kind, id)),
        names::parse_snapshot(text).map(|(source, sequence, id)| names::snapshot(source, sequence, id)),
        names::parse_lease(text).map(|(session, part)| match part {
            LeaseName::Claim(number) => names::lease(session, number),
            LeaseName::End => names::lease_end(session),
        }),
        names::parse_intent(text).map(|(session, number)| names::intent(session, number)),
        names::parse_condemned(text).map(names::condemned),
        names::parse_losses(text).map(names::losses),
        names::parse_hold(text).map(names::hold),
        names::parse_parity(text).map(|(pack, header)| names::parity(pack, header)),
        names::parse_key_change(text).map(|(session, part)| match part {
            KeyChangeName::Begins => names::key_change(session),
            KeyChangeName::Removes => names::key_removal(session),
        }),
        names::parse_fence(text).map(|(session, part)| match part {
            FenceName::Fence(collector) => names::fence(session, collector),
            FenceName::Settlement(collector) => names::settlement(session, collector),
            FenceName::Acquittal(by) => names::acquittal(session, by),
        }),
    ];
    made.iter().flatten().for_each(|made| assert_eq!(made, text));
    made.iter().any(Result::is_ok)
}
