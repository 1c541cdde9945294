//! Tests of the header of a sidecar.

use super::*;
use crate::fixtures::damage::assert_every_damage_is_noticed;
use crate::fixtures::hex;

const REPOSITORY: RepositoryId = RepositoryId([0xa1; 16]);

/// 1,000 bytes in cells of 64: sixteen cells in three groups of six, the last two of which lie beyond the end.
fn header() -> ParityHeader {
    ParityHeader { pack: PackId([0x9a; 32]), pack_len: 1000, cell_len: 64, groups: 3, data: 6, parity: 2 }
}

#[test]
fn a_header_has_these_bytes_for_ever() {
    let bytes = header().encode(REPOSITORY);
    let numbers = "e80300000000000040000000030000000600020001000000";
    let expected = format!("{}{}{}{numbers}", hex(b"MSPARITY"), "a1".repeat(16), "9a".repeat(32));
    assert_eq!(hex(&bytes[..80]), expected);
    assert_eq!(bytes[80..], sum_of(&bytes[..80]));
    assert_eq!(ParityHeader::decode(REPOSITORY, &bytes), Ok(header()));
}

#[test]
fn every_damage_to_a_header_is_noticed() {
    assert_every_damage_is_noticed(&header().encode(REPOSITORY), |bytes| ParityHeader::decode(REPOSITORY, bytes));
    assert!(ParityHeader::decode(RepositoryId([1; 16]), &header().encode(REPOSITORY)).is_err());
}

#[test]
fn a_header_that_lies_about_lengths_and_counts_is_refused() {
    let lies = [
        ParityHeader { pack_len: 0, ..header() },
        ParityHeader { pack_len: limits::PACK_LEN + 1, ..header() },
        ParityHeader { pack_len: 18 * 64 + 1, ..header() },
        ParityHeader { pack_len: 15 * 64, ..header() },
        ParityHeader { cell_len: 0, ..header() },
        ParityHeader { cell_len: 65, ..header() },
        ParityHeader { cell_len: limits::PARITY_CELL_LEN * 2, ..header() },
        ParityHeader { groups: 0, ..header() },
        ParityHeader { groups: limits::PARITY_GROUPS + 1, ..header() },
        ParityHeader { data: 0, ..header() },
        ParityHeader { data: limits::PARITY_CELLS + 1, ..header() },
        ParityHeader { parity: 0, ..header() },
        ParityHeader { parity: limits::PARITY_CELLS + 1, ..header() },
    ];
    for lie in lies {
        assert!(ParityHeader::decode(REPOSITORY, &lie.encode(REPOSITORY)).is_err(), "{lie:?}");
    }
}

#[test]
fn the_parts_of_a_sidecar_lie_one_behind_the_other() {
    let header = header();
    let group = 2 * 64 + 2 * 16;
    assert_eq!((header.pack_cells(), header.parity_cells()), (16, 6));
    assert_eq!(
        (0..4).map(|number| header.group_offset(number)).collect::<Vec<_>>(),
        [352, 352 + group, 352 + 2 * group, 352 + 3 * group]
    );
    assert_eq!(header.data_sums_offsets(), [96, 832]);
    assert_eq!(header.parity_sums_offsets(1), [352 + group + 128, 832 + 256 + 32]);
    assert_eq!(header.sidecar_len(), 832 + 256 + 96 + 96 + 32);
}
