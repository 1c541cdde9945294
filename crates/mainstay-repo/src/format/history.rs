//! Records of removal: which snapshots a prune took away.
//!
//! Owns their encoding, and the bytes that their signature is made over. Never signs or judges a signature.

use super::envelope::ObjectKind;
use super::signature::{Certificate, SIGNATURE_LEN};
use super::signed::{self, SignedObject};
use super::{Decoded, Problem, from_cbor, to_cbor};
use crate::id::{RepositoryId, SnapshotId, SourceId, TableId};

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

/// What a holder signs.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Removal {
    /// The record's id, as in its name.
    #[n(1)]
    pub id: TableId,
    #[n(2)]
    pub snapshots: Vec<RemovedSnapshot>,
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
