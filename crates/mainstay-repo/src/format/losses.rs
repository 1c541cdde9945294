//! The list of blocks that are known to be lost.
//!
//! Owns its encoding. Readable without keys, and nothing is deleted because of it. Whoever repairs signs it; `signed` owns the frame
//! around what stands here.

use super::refs::{BlockSet, decode_set, encode_set};
use super::{Decoded, from_cbor, to_cbor};
use crate::id::TableId;

/// Blocks that snapshots need and of which a repair found no good copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Losses {
    pub id: TableId,
    pub blocks: BlockSet,
    /// Those of them of which somebody has said that the loss is accepted.
    pub accepted: BlockSet,
}

#[derive(minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
struct StoredLosses {
    #[n(1)]
    id: TableId,
    #[n(2)]
    blocks: minicbor::bytes::ByteVec,
    #[n(3)]
    accepted: minicbor::bytes::ByteVec,
}

pub fn encode_losses(losses: &Losses) -> Vec<u8> {
    let stored = StoredLosses {
        id: losses.id,
        blocks: encode_set(&losses.blocks).into(),
        accepted: encode_set(&losses.accepted).into(),
    };
    to_cbor(&stored)
}

/// Reads what is said; that somebody who may say it has signed it was judged before.
pub fn decode_losses(said: &[u8]) -> Decoded<Losses> {
    let stored: StoredLosses = from_cbor("list of lost blocks", said)?;
    Ok(Losses { id: stored.id, blocks: decode_set(&stored.blocks)?, accepted: decode_set(&stored.accepted)? })
}

#[cfg(test)]
mod tests;
