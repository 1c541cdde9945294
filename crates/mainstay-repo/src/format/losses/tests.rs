//! Tests of the list of lost blocks.

use super::*;
use crate::fixtures::{block_id, hex};

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
    let said = format!("a30150{}02581c{blocks}03581a{accepted}", "1d".repeat(16));
    assert_eq!(hex(&encode_losses(&losses())), said);
    assert_eq!(decode_losses(&encode_losses(&losses())), Ok(losses()));
}
