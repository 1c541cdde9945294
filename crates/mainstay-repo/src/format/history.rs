//! Records of removal: which snapshots and packs a prune took away.
//!
//! Owns their encoding, and the bytes that their signature is made over. Never signs or judges a signature.

use super::envelope::ObjectKind;
use super::signature::{Certificate, SIGNATURE_LEN};
use super::signed::{self, SignedObject};
use super::{Decoded, Problem, from_cbor, to_cbor};
use crate::id::{PackId, RepositoryId, SnapshotId, SourceId, TableId};

/// A snapshot that is not here, and is not meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct RemovedSnapshot {
    #[n(1)]
    pub source: SourceId,
    #[n(2)]
    pub sequence: u64,
    #[n(3)]
    pub id: SnapshotId,
    /// As the snapshot said.
    #[n(4)]
    pub previous: Option<SnapshotId>,
    /// True: it was never here, another copy of the repository has it, or has removed it. False: it has come from there since, and
    /// nothing explains its absence any more. Absent for what was removed here.
    #[n(5)]
    pub elsewhere: Option<bool>,
}

impl RemovedSnapshot {
    /// Whether it was removed here.
    pub fn was_here(&self) -> bool {
        self.elsewhere.is_none()
    }

    /// Of two records of one snapshot the one with the higher number counts: what is removed stays so, and what has come was elsewhere
    /// before.
    pub fn rank(&self) -> u8 {
        match self.elsewhere {
            Some(true) => 0,
            Some(false) => 1,
            None => 2,
        }
    }

    /// Whether it explains that the snapshot is not here.
    pub fn explains_absence(&self) -> bool {
        self.elsewhere != Some(false)
    }
}

/// Packs that were removed. Of the id of each its first eight bytes stand here: a pack that shares them with one of these by chance
/// is not relied on, which costs the space of what is stored again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemovedPacks {
    /// Strictly ascending.
    tags: Vec<u64>,
}

impl RemovedPacks {
    pub fn contains(&self, pack: PackId) -> bool {
        self.tags.binary_search(&tag_of(pack)).is_ok()
    }

    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    pub fn add(&mut self, more: &Self) {
        self.tags.extend_from_slice(&more.tags);
        self.tags.sort_unstable();
        self.tags.dedup();
    }

    /// Those of these that are not among others.
    pub fn without(mut self, others: &Self) -> Self {
        self.tags.retain(|tag| others.tags.binary_search(tag).is_err());
        self
    }
}

impl FromIterator<PackId> for RemovedPacks {
    fn from_iter<I: IntoIterator<Item = PackId>>(packs: I) -> Self {
        let mut removed = Self { tags: packs.into_iter().map(tag_of).collect() };
        removed.add(&Self::default());
        removed
    }
}

fn tag_of(pack: PackId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = pack.0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

impl<C> minicbor::Encode<C> for RemovedPacks {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let bytes: Vec<u8> = self.tags.iter().flat_map(|tag| tag.to_be_bytes()).collect();
        encoder.bytes(&bytes)?.ok()
    }

    fn is_nil(&self) -> bool {
        self.is_empty()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for RemovedPacks {
    fn decode(decoder: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let (tags, rest) = decoder.bytes()?.as_chunks::<8>();
        let tags: Vec<u64> = tags.iter().map(|tag| u64::from_be_bytes(*tag)).collect();
        if tags.is_empty() || !rest.is_empty() || !tags.is_sorted_by(|one, next| one < next) {
            return Err(minicbor::decode::Error::message(
                "removed packs are eight bytes each, ascending, and at least one",
            ));
        }
        Ok(Self { tags })
    }

    fn nil() -> Option<Self> {
        Some(Self::default())
    }
}

/// What a holder signs.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Removal {
    /// The record's id, as in its name.
    #[n(1)]
    pub id: TableId,
    #[n(2)]
    pub snapshots: Vec<RemovedSnapshot>,
    #[n(3)]
    pub packs: RemovedPacks,
}

/// A record in its parts.
pub struct RemovalRecord {
    pub removal: Removal,
    pub certificates: Vec<Certificate>,
    pub signature: [u8; SIGNATURE_LEN],
    /// The bytes that the signature is made over.
    pub signed: Vec<u8>,
}

/// The bytes that the signature of a record is made over.
pub fn signed(repository: RepositoryId, removal: &Removal) -> Vec<u8> {
    signed::signed(ObjectKind::Removal, repository, &to_cbor(removal))
}

pub fn encode(
    repository: RepositoryId,
    removal: &Removal,
    certificates: &[Certificate],
    signature: [u8; SIGNATURE_LEN],
) -> Vec<u8> {
    signed::encode(ObjectKind::Removal, repository, &to_cbor(removal), (certificates, signature))
}

pub fn decode(repository: RepositoryId, id: TableId, bytes: &[u8]) -> Decoded<RemovalRecord> {
    let SignedObject { said, certificates, signature, signed } =
        signed::decode(ObjectKind::Removal, repository, bytes)?;
    let removal: Removal = from_cbor("record of removal", &said)?;
    if removal.id != id {
        return Err(Problem(format!("it is record {}", removal.id)));
    }
    Ok(RemovalRecord { removal, certificates, signature, signed })
}

#[cfg(test)]
mod tests;
