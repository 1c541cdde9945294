//! The short-lived objects by which writers and collectors agree, and the mark of a forgotten snapshot.
//!
//! Owns their encodings: intents, condemned lists, trash. All are readable without keys.

use super::envelope::{ObjectKind, decode_clear, encode_clear};
use super::refs::{BlockSet, decode_set, encode_set};
use super::{Decoded, Problem, from_cbor, to_cbor};
use crate::id::{PackId, RepositoryId, SessionId, SnapshotId, TableId};

/// A session's checkpoint: the blocks that its snapshot will need, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    pub session: SessionId,
    pub number: u32,
    pub blocks: BlockSet,
}

#[derive(minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
struct StoredIntent {
    #[n(1)]
    session: SessionId,
    #[n(2)]
    number: u32,
    #[n(3)]
    blocks: minicbor::bytes::ByteVec,
}

pub fn encode_intent(repository: RepositoryId, intent: &Intent) -> Vec<u8> {
    let stored =
        StoredIntent { session: intent.session, number: intent.number, blocks: encode_set(&intent.blocks).into() };
    encode_clear(ObjectKind::Intent, repository, &to_cbor(&stored))
}

pub fn decode_intent(repository: RepositoryId, bytes: &[u8]) -> Decoded<Intent> {
    let stored: StoredIntent = from_cbor("intent", decode_clear(ObjectKind::Intent, repository, bytes)?)?;
    Ok(Intent { session: stored.session, number: stored.number, blocks: decode_set(&stored.blocks)? })
}

/// Packs that a collector is about to delete: for everybody else their blocks are absent.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Condemned {
    #[n(1)]
    pub id: TableId,
    #[n(2)]
    pub packs: Vec<PackId>,
}

pub fn encode_condemned(repository: RepositoryId, condemned: &Condemned) -> Vec<u8> {
    encode_clear(ObjectKind::Condemned, repository, &to_cbor(condemned))
}

pub fn decode_condemned(repository: RepositoryId, bytes: &[u8]) -> Decoded<Condemned> {
    from_cbor("condemned list", decode_clear(ObjectKind::Condemned, repository, bytes)?)
}

/// The mark that forgets a snapshot; the snapshot itself goes with the next prune.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Trash {
    #[n(1)]
    pub snapshot: SnapshotId,
    /// When it was forgotten by the clock of whoever did it, nanoseconds since the Unix epoch.
    #[n(2)]
    pub forgotten: i64,
}

pub fn encode_trash(repository: RepositoryId, trash: &Trash) -> Vec<u8> {
    encode_clear(ObjectKind::Trash, repository, &to_cbor(trash))
}

pub fn decode_trash(repository: RepositoryId, snapshot: SnapshotId, bytes: &[u8]) -> Decoded<Trash> {
    let trash: Trash = from_cbor("trash mark", decode_clear(ObjectKind::Trash, repository, bytes)?)?;
    if trash.snapshot != snapshot {
        return Err(Problem(format!("it is the mark of snapshot {}", trash.snapshot)));
    }
    Ok(trash)
}

#[cfg(test)]
mod tests;
