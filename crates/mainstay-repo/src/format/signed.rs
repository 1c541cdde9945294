//! Clear objects that a holder has signed: what is said, the certificates of whoever says it, and the signature.
//!
//! Owns their frame, and the bytes that the signature is made over. Never signs or judges a signature.

use minicbor::bytes::ByteVec;

use super::envelope::{ObjectKind, decode_clear, encode_clear};
use super::signature::{Certificate, SIGNATURE_LEN, decode_certificates, encode_certificates, signed_data};
use super::{Decoded, from_cbor, to_cbor};
use crate::id::RepositoryId;

#[derive(minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
struct StoredObject {
    #[n(1)]
    said: ByteVec,
    #[n(2)]
    certificates: ByteVec,
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    signature: [u8; SIGNATURE_LEN],
}

/// An object in its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedObject {
    /// What is said, as it is encoded.
    pub said: Vec<u8>,
    /// The signer's first.
    pub certificates: Vec<Certificate>,
    pub signature: [u8; SIGNATURE_LEN],
    /// The bytes that the signature is made over.
    pub signed: Vec<u8>,
}

/// The bytes that the signature of such an object is made over.
pub fn signed(kind: ObjectKind, repository: RepositoryId, said: &[u8]) -> Vec<u8> {
    signed_data(repository, kind, &[said])
}

pub fn encode(
    kind: ObjectKind,
    repository: RepositoryId,
    said: &[u8],
    (certificates, signature): (&[Certificate], [u8; SIGNATURE_LEN]),
) -> Vec<u8> {
    let certificates = encode_certificates(certificates).into();
    let stored = StoredObject { said: said.to_vec().into(), certificates, signature };
    encode_clear(kind, repository, &to_cbor(&stored))
}

pub fn decode(kind: ObjectKind, repository: RepositoryId, bytes: &[u8]) -> Decoded<SignedObject> {
    let stored: StoredObject = from_cbor("signed object", decode_clear(kind, repository, bytes)?)?;
    let signed = signed(kind, repository, &stored.said);
    let certificates = decode_certificates(&stored.certificates)?;
    Ok(SignedObject { said: stored.said.into(), certificates, signature: stored.signature, signed })
}

#[cfg(test)]
mod tests;
