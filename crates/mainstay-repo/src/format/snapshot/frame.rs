//! The frame around a snapshot: what anybody may read and check without keys, the sealed record, and the signature.
//!
//! Owns the bytes of the frame, and which of them are sealed and signed. Never seals, signs or judges a signature.

use crate::format::envelope::{ObjectKind, associated_data};
use crate::format::signature::{Certificate, SIGNATURE_LEN, decode_certificates, encode_certificates, signed_data};
use crate::format::{Decoded, Fields, Problem, limits, within};
use crate::id::{RepositoryId, SessionId, SnapshotId, SourceId};

const MAGIC: [u8; 4] = *b"MSS1";
const NO_SNAPSHOT: SnapshotId = SnapshotId([0; 32]);
/// Flag of a snapshot that shares no pack with earlier ones.
const INDEPENDENT: u8 = 1;
/// Bytes before the certificates.
const FIXED_LEN: usize = 144;

/// What a snapshot says in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotHeader {
    pub repository: RepositoryId,
    pub source: SourceId,
    pub sequence: u64,
    /// The last snapshot of the source that the writer saw.
    pub previous: Option<SnapshotId>,
    /// BLAKE3 of the reference map object: what the snapshot needs is known without its record.
    pub references: [u8; 32],
    /// Shares no pack with earlier snapshots.
    pub independent: bool,
    /// The session whose data key sealed the record.
    pub session: SessionId,
    pub nonce: [u8; 12],
    /// The signer's first, that of the repository's first holder last.
    pub certificates: Vec<Certificate>,
}

/// A snapshot's object in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFrame<'a> {
    pub header: SnapshotHeader,
    /// The bytes of the header.
    head: &'a [u8],
    pub sealed: &'a [u8],
    pub signature: [u8; SIGNATURE_LEN],
}

impl SnapshotHeader {
    pub fn encode(&self) -> Vec<u8> {
        let certificates = encode_certificates(&self.certificates);
        let flags = if self.independent { INDEPENDENT } else { 0 };
        let mut bytes = Vec::with_capacity(FIXED_LEN + certificates.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[ObjectKind::Snapshot as u8, flags, 0, 0]);
        bytes.extend_from_slice(&self.repository.0);
        bytes.extend_from_slice(&self.source.0);
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.previous.unwrap_or(NO_SNAPSHOT).0);
        bytes.extend_from_slice(&self.references);
        bytes.extend_from_slice(&self.session.0);
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(&(certificates.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&certificates);
        bytes
    }

    fn decode(fields: &mut Fields<'_>) -> Decoded<Self> {
        if fields.array::<4>()? != MAGIC {
            return Err(Problem::new("its magic is not that of a snapshot"));
        }
        let [kind, flags, reserved @ ..] = fields.array::<4>()?;
        if (kind, reserved) != (ObjectKind::Snapshot as u8, [0, 0]) || flags & !INDEPENDENT != 0 {
            return Err(Problem::new("it is not of the kind Snapshot"));
        }
        let independent = flags & INDEPENDENT != 0;
        let (repository, source, sequence) = (RepositoryId(fields.array()?), SourceId(fields.array()?), fields.u64()?);
        let previous = Some(SnapshotId(fields.array()?)).filter(|id| *id != NO_SNAPSHOT);
        let references = fields.array()?;
        let (session, nonce) = (SessionId(fields.array()?), fields.array()?);
        let len = fields.u32()?;
        within("length of certificates", len.into(), limits::CERTIFICATES_LEN as u64)?;
        let certificates = decode_certificates(fields.bytes(len as usize)?)?;
        Ok(Self { repository, source, sequence, previous, references, independent, session, nonce, certificates })
    }
}

impl<'a> SnapshotFrame<'a> {
    /// Takes a snapshot's object apart.
    pub fn decode(bytes: &'a [u8]) -> Decoded<Self> {
        let signed = bytes.len().checked_sub(SIGNATURE_LEN);
        let (signed, signature) = signed
            .and_then(|len| bytes.split_at_checked(len))
            .ok_or_else(|| Problem::new("truncated: shorter than its signature"))?;
        let mut fields = Fields::new(signed);
        let header = SnapshotHeader::decode(&mut fields)?;
        let sealed = fields.rest();
        let head = signed.get(..signed.len() - sealed.len()).unwrap_or_default();
        Ok(Self { header, head, sealed, signature: Fields::new(signature).array()? })
    }

    /// The bytes that its signature is made over.
    pub fn signed(&self) -> Vec<u8> {
        signed(self.header.repository, self.head, self.sealed)
    }

    /// The associated data of its seal.
    pub fn sealed_with(&self) -> Vec<u8> {
        sealed_with(self.header.repository, self.head)
    }
}

/// The bytes that the signature of a snapshot is made over.
pub fn signed(repository: RepositoryId, head: &[u8], sealed: &[u8]) -> Vec<u8> {
    signed_data(repository, ObjectKind::Snapshot, &[head, blake3::hash(sealed).as_bytes()])
}

/// The associated data of a snapshot's seal.
pub fn sealed_with(repository: RepositoryId, head: &[u8]) -> Vec<u8> {
    associated_data(repository, ObjectKind::Snapshot, &[head])
}

#[cfg(test)]
mod tests;
