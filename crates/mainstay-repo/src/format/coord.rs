//! The objects by which writers and collectors agree, and the mark of a forgotten snapshot.
//!
//! Owns their encodings: intents, condemned lists, fences with their settlements and acquittals, trash. All are readable without keys. All but
//! intents are signed by somebody who may remove; of those, what is said stands here, and `signed` owns the frame around it.

use super::envelope::{ObjectKind, decode_clear, encode_clear};
use super::names::{DataKeyName, KeyChangeName};
use super::refs::{BlockSet, decode_set, encode_set};
use super::{Decoded, Problem, from_cbor, to_cbor};
use crate::id::{PackId, RepositoryId, SessionId, SlotId, SnapshotId, SourceId, TableId};

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

/// What is doomed: snapshots and packs that a collector is about to delete. For whoever looks for a copy of a block to rely on
/// these packs are absent, as long as the list is there.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Condemned {
    #[n(1)]
    pub id: TableId,
    #[n(2)]
    pub packs: Vec<CondemnedPack>,
    #[n(3)]
    pub snapshots: Vec<CondemnedSnapshot>,
    /// The snapshots of which the collector knew what they need: copies that it thinned have all of that.
    #[n(4)]
    pub considered: Vec<SnapshotId>,
    /// Data keys that go: blocks that are sealed under them count as absent, wherever they are, unless another wrap is there.
    #[n(5)]
    pub keys: Vec<CondemnedKey>,
}

/// All wraps of the data keys of a session that bear the same carrier in their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct CondemnedKey {
    #[n(1)]
    pub session: SessionId,
    #[n(2)]
    pub carrier: Option<SessionId>,
}

impl From<DataKeyName> for CondemnedKey {
    fn from(name: DataKeyName) -> Self {
        Self { session: name.session, carrier: name.carrier }
    }
}

/// A pack as its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct CondemnedPack {
    #[n(1)]
    pub id: PackId,
    #[n(2)]
    pub session: SessionId,
}

/// A snapshot as its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct CondemnedSnapshot {
    #[n(1)]
    pub source: SourceId,
    #[n(2)]
    pub sequence: u64,
    #[n(3)]
    pub id: SnapshotId,
}

pub fn encode_condemned(condemned: &Condemned) -> Vec<u8> {
    to_cbor(condemned)
}

/// Reads what is said; that somebody who may say it has signed it was judged before.
pub fn decode_condemned(id: TableId, said: &[u8]) -> Decoded<Condemned> {
    let list: Condemned = from_cbor("condemned list", said)?;
    if list.id != id {
        return Err(Problem(format!("it is condemned list {}", list.id)));
    }
    Ok(list)
}

/// From when it is there a session counts for nothing, but for what is settled.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Fence {
    #[n(1)]
    pub session: SessionId,
    /// Who put it.
    #[n(2)]
    pub collector: SessionId,
}

pub fn encode_fence(fence: &Fence) -> Vec<u8> {
    to_cbor(fence)
}

/// The same as of a condemned list.
pub fn decode_fence((session, collector): (SessionId, SessionId), said: &[u8]) -> Decoded<Fence> {
    let fence: Fence = from_cbor("fence", said)?;
    if fence.session != session || fence.collector != collector {
        return Err(Problem(format!("it fences session {} for {}", fence.session, fence.collector)));
    }
    Ok(fence)
}

/// Which snapshots of a fenced session were there after the fence, and so count.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Settlement {
    #[n(1)]
    pub session: SessionId,
    #[n(2)]
    pub collector: SessionId,
    #[n(3)]
    pub survivors: Vec<SnapshotId>,
}

pub fn encode_settlement(settlement: &Settlement) -> Vec<u8> {
    to_cbor(settlement)
}

/// The same as of a fence.
pub fn decode_settlement((session, collector): (SessionId, SessionId), said: &[u8]) -> Decoded<Settlement> {
    let settled: Settlement = from_cbor("settlement", said)?;
    if settled.session != session || settled.collector != collector {
        return Err(Problem(format!("it settles session {} for {}", settled.session, settled.collector)));
    }
    Ok(settled)
}

/// That a snapshot of a fenced session counts after all: everything that it needs has been secured since.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Acquittal {
    #[n(1)]
    pub session: SessionId,
    /// Who secured it.
    #[n(2)]
    pub by: SessionId,
    #[n(3)]
    pub snapshot: SnapshotId,
}

pub fn encode_acquittal(acquittal: &Acquittal) -> Vec<u8> {
    to_cbor(acquittal)
}

/// The same as of a fence.
pub fn decode_acquittal((session, by): (SessionId, SessionId), said: &[u8]) -> Decoded<Acquittal> {
    let acquittal: Acquittal = from_cbor("acquittal", said)?;
    if acquittal.session != session || acquittal.by != by {
        return Err(Problem(format!("it acquits session {} for {}", acquittal.session, acquittal.by)));
    }
    Ok(acquittal)
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
    /// True where it is no user's: a prune has put it for a snapshot that was void, or a session for one that it lets count. Then it does not
    /// say that a snapshot that counts is forgotten, but that nobody has confirmed it. False where it is forgotten, and took the place of
    /// such a mark, or of one that was damaged.
    #[n(3)]
    pub void: Option<bool>,
    /// The session that brings the snapshot and lets it count.
    #[n(4)]
    pub session: Option<SessionId>,
}

impl Trash {
    /// Whether it forgets a snapshot only as long as that is void.
    pub fn is_of_void(&self) -> bool {
        self.void == Some(true)
    }

    /// Whether nobody has confirmed the snapshot, should it count.
    pub fn is_of_unconfirmed(&self) -> bool {
        self.void.is_some()
    }
}

pub fn encode_trash(trash: &Trash) -> Vec<u8> {
    to_cbor(trash)
}

/// The same as of a fence.
pub fn decode_trash(snapshot: SnapshotId, said: &[u8]) -> Decoded<Trash> {
    let trash: Trash = from_cbor("trash mark", said)?;
    if trash.snapshot != snapshot {
        return Err(Problem(format!("it is the mark of snapshot {}", trash.snapshot)));
    }
    Ok(trash)
}

/// That a session is changing keys; or, before it deletes any slot, which ones.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct KeyChange {
    #[n(1)]
    pub session: SessionId,
    /// The slots that go. From when this is there they count for nobody as keys that are left, whatever becomes of the session.
    #[n(2)]
    pub removes: Option<Vec<DoomedSlot>>,
}

/// A slot as its name says. Names of slots never come back, so whoever deletes one late deletes no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct DoomedSlot {
    #[n(1)]
    pub id: SlotId,
    #[n(2)]
    pub generation: u32,
}

pub fn encode_key_change(change: &KeyChange) -> Vec<u8> {
    to_cbor(change)
}

/// The same as of a fence.
pub fn decode_key_change((session, part): (SessionId, KeyChangeName), said: &[u8]) -> Decoded<KeyChange> {
    let change: KeyChange = from_cbor("change of keys", said)?;
    if change.session != session {
        return Err(Problem(format!("it is of session {}", change.session)));
    }
    if change.removes.is_some() != (part == KeyChangeName::Removes) {
        return Err(Problem::new("it names slots, or none, otherwise than its name says"));
    }
    Ok(change)
}

#[cfg(test)]
mod tests;
