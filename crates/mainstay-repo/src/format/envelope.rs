//! The frame around clear objects (anyone may read, bit rot is detected), and what every seal is bound to.
//!
//! Owns that frame, the kinds of objects, and associated data. Never seals or opens: `seal.rs` does.

use super::{Decoded, Fields, Problem};
use crate::id::RepositoryId;

/// What an object or a sealed part of one is. The number is bound into every seal, so that nothing passes for another
/// kind (the lesson of Borg's CVE-2016-10099 and CVE-2023-36811).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum ObjectKind {
    ContentBlock = 1,
    TreeBlock = 2,
    ChunkTable = 3,
    IndexPage = 4,
    IndexTail = 5,
    Snapshot = 6,
    DataKey = 7,
    KeySlot = 8,
    References = 9,
    Lease = 10,
    LeaseEnd = 11,
    Intent = 12,
    Condemned = 13,
    Fence = 14,
    Trash = 15,
    BlockIndex = 16,
    ChunkIndex = 17,
    Settlement = 18,
    /// The statement of a certificate; only signed.
    Holder = 24,
    /// A record of removal.
    Removal = 25,
    Losses = 26,
    /// The list of the objects of an archive.
    Manifest = 27,
    Hold = 28,
    /// Somebody is changing keys.
    KeyChange = 29,
    /// A snapshot of a fenced session counts after all.
    Acquittal = 30,
}

const CLEAR_MAGIC: [u8; 4] = *b"MSC1";
const CLEAR_HEADER_LEN: usize = 24;
const CHECKSUM_LEN: usize = 32;

/// Frames a clear object: magic, kind, repository, body, BLAKE3 of all that.
pub fn encode_clear(kind: ObjectKind, repository: RepositoryId, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(CLEAR_HEADER_LEN + body.len() + CHECKSUM_LEN);
    bytes.extend_from_slice(&CLEAR_MAGIC);
    bytes.extend_from_slice(&[kind as u8, 0, 0, 0]);
    bytes.extend_from_slice(&repository.0);
    bytes.extend_from_slice(body);
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    bytes
}

/// Takes the body out of a clear object after checking its frame.
pub fn decode_clear(kind: ObjectKind, repository: RepositoryId, bytes: &[u8]) -> Decoded<&[u8]> {
    let framed_len =
        bytes.len().checked_sub(CHECKSUM_LEN).ok_or_else(|| Problem::new("truncated: shorter than its frame"))?;
    let (framed, checksum) = bytes.split_at(framed_len);
    let mut fields = Fields::new(framed);
    if fields.array::<4>()? != CLEAR_MAGIC {
        return Err(Problem::new("its magic is not that of a clear object"));
    }
    if fields.array::<4>()? != [kind as u8, 0, 0, 0] {
        return Err(Problem(format!("it is not of the kind {kind:?}")));
    }
    if fields.array::<16>()? != repository.0 {
        return Err(Problem::new("it belongs to another repository"));
    }
    if blake3::hash(framed).as_bytes() != checksum {
        return Err(Problem::new("its checksum does not match"));
    }
    Ok(fields.rest())
}

/// The repository that a clear object says it belongs to, if its frame is whole.
pub fn repository_of(bytes: &[u8]) -> Option<RepositoryId> {
    let (framed, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_LEN)?)?;
    let mut fields = Fields::new(framed);
    let is_clear = fields.array::<4>().ok()? == CLEAR_MAGIC && blake3::hash(framed).as_bytes() == checksum;
    fields.array::<4>().ok()?;
    fields.array().ok().map(RepositoryId).filter(|_| is_clear)
}

/// Associated data of every seal: a domain, the repository, then what the sealed part says of itself.
pub fn associated_data(repository: RepositoryId, kind: ObjectKind, parts: &[&[u8]]) -> Vec<u8> {
    let mut data = Vec::with_capacity(32 + parts.iter().map(|part| part.len()).sum::<usize>());
    data.extend_from_slice(b"mainstay-1");
    data.push(kind as u8);
    data.extend_from_slice(&repository.0);
    for part in parts {
        data.extend_from_slice(part);
    }
    data
}

#[cfg(test)]
mod tests;
