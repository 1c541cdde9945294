//! Tests of the list of lost blocks.

use super::*;
use crate::fixtures::damage::assert_every_damage_is_noticed;
use crate::fixtures::{block_id, hex};

const REPOSITORY: RepositoryId = RepositoryId([0xa1; 16]);

fn losses() -> Losses {
    let mut losses = Losses { id: TableId([0x1d; 16]), blocks: BlockSet::default(), accepted: BlockSet::default() };
    losses.blocks.extend([0, 1, 5].into_iter().map(|serial| block_id(0x5e, serial)));
    losses.accepted.insert(block_id(0x5e, 5));
    losses
}

#[test]
fn a_list_of_lost_blocks_has_these_bytes_for_ever() {
    let set = |runs: &str| format!("a10181a20150{}02{runs}", "5e".repeat(16));
    let (blocks, accepted) = (set("8400020301"), set("820501"));
    let body = format!("a30150{}02581c{blocks}03581a{accepted}", "1d".repeat(16));
    let bytes = encode_losses(REPOSITORY, &losses());
    let header = format!("4d5343311a000000{}", "a1".repeat(16));
    assert_eq!(hex(&bytes[..bytes.len() - 32]), header + &body);
    assert_eq!(decode_losses(REPOSITORY, &bytes), Ok(losses()));
}

#[test]
fn every_damage_to_a_list_of_lost_blocks_is_noticed() {
    assert_every_damage_is_noticed(&encode_losses(REPOSITORY, &losses()), |bytes| decode_losses(REPOSITORY, bytes));
    assert!(decode_losses(RepositoryId([1; 16]), &encode_losses(REPOSITORY, &losses())).is_err());
}
