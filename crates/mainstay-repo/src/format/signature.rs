//! Who may sign what: the certificates of holders, and the bytes that signatures are made over.
//!
//! Owns the encodings only; `signer.rs` signs and judges. A chain of certificates begins with the holder that is meant and
//! ends with the first holder of the repository, each signed by the one that follows it.

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::envelope::ObjectKind;
use super::{Decoded, Problem, from_cbor, limits, to_cbor, within};
use crate::id::{RepositoryId, SlotId};

pub const SIGNATURE_LEN: usize = 64;

/// What a holder's signature is good for, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(transparent)]
pub struct SigningRights(#[n(0)] pub u32);

impl SigningRights {
    /// Signing snapshots.
    pub const SNAPSHOTS: Self = Self(1);
    /// Recording that snapshots were removed.
    pub const REMOVALS: Self = Self(2);
    /// Making other holders known.
    pub const HOLDERS: Self = Self(4);
    pub const ALL: Self = Self(7);

    /// Whether every right of the other is among these.
    pub fn include(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What makes a holder known.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Certificate {
    #[n(1)]
    pub statement: Statement,
    /// Made by the next certificate's holder; the first holder of the repository signs for itself.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub signature: [u8; SIGNATURE_LEN],
}

/// What is said of a holder.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Statement {
    #[n(1)]
    pub slot: SlotId,
    /// An Ed25519 public key (RFC 8032).
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub public_key: [u8; 32],
    /// What people call the holder.
    #[n(3)]
    pub label: String,
    /// Nanoseconds since the Unix epoch by the clock of whoever signs.
    #[n(4)]
    pub created: i64,
    #[n(5)]
    pub rights: SigningRights,
}

impl Statement {
    /// The bytes that its signature is made over.
    pub fn signed(&self, repository: RepositoryId) -> Vec<u8> {
        signed_data(repository, ObjectKind::Holder, &[&to_cbor(self)])
    }
}

/// What a holder signs with, as it is wrapped beside the secrets.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct StoredSigner {
    /// The Ed25519 seed.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub seed: [u8; 32],
    /// The holder's own certificate first.
    #[n(2)]
    #[zeroize(skip)]
    pub certificates: Vec<Certificate>,
}

pub fn encode_certificates(certificates: &[Certificate]) -> Vec<u8> {
    to_cbor(&certificates)
}

pub fn decode_certificates(bytes: &[u8]) -> Decoded<Vec<Certificate>> {
    within("length of certificates", bytes.len() as u64, limits::CERTIFICATES_LEN as u64)?;
    let certificates: Vec<Certificate> = from_cbor("certificates", bytes)?;
    within("certificates", certificates.len() as u64, limits::CERTIFICATES as u64)?;
    if certificates.is_empty() {
        return Err(Problem::new("certificates: there is none"));
    }
    Ok(certificates)
}

/// The bytes that a signature is made over: a domain, the kind of what is signed, the repository, then what it says.
pub fn signed_data(repository: RepositoryId, kind: ObjectKind, parts: &[&[u8]]) -> Vec<u8> {
    let mut data = Vec::with_capacity(40 + parts.iter().map(|part| part.len()).sum::<usize>());
    data.extend_from_slice(b"mainstay-signed-1");
    data.push(kind as u8);
    data.extend_from_slice(&repository.0);
    for part in parts {
        data.extend_from_slice(part);
    }
    data
}

/// The repository whose first holder has this public key: 16 bytes of its BLAKE3, for a domain of its own.
pub fn repository_of(first: &[u8; 32]) -> RepositoryId {
    let hash = blake3::Hasher::new().update(b"mainstay repository").update(first).finalize();
    let mut id = [0; RepositoryId::LEN];
    id.copy_from_slice(&hash.as_bytes()[..RepositoryId::LEN]);
    RepositoryId(id)
}

#[cfg(test)]
mod tests;
