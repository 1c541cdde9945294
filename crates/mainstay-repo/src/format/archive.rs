//! What makes a repository an archive: the manifest that lists its objects, and how long it is held.
//!
//! Owns their encoding. Both are readable without keys. The first holder signs the manifest; `signed` owns the frame around what
//! stands here. A hold is signed by nobody: there is nothing that a longer one could take away.

use super::envelope::{ObjectKind, decode_clear, encode_clear};
use super::{Decoded, Problem, from_cbor, names, to_cbor};
use crate::id::{RepositoryId, SnapshotId, TableId};

/// All that an archive is made of.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Manifest {
    /// The one snapshot.
    #[n(1)]
    pub snapshot: SnapshotId,
    /// When it was sealed, by the writer's clock.
    #[n(2)]
    pub created: i64,
    /// The moment before which nothing is deleted; holds may have come since that end later.
    #[n(3)]
    pub held_until: Option<i64>,
    /// Ascending by name.
    #[n(4)]
    pub objects: Vec<SealedObject>,
    /// The program and its version.
    #[n(5)]
    pub program: String,
}

/// An object that was there when the archive was sealed.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct SealedObject {
    #[n(1)]
    pub name: String,
    #[n(2)]
    pub len: u64,
    /// BLAKE3 of its bytes.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub checksum: [u8; 32],
}

/// A later end of the time in which nothing is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Hold {
    #[n(1)]
    pub id: TableId,
    #[n(2)]
    pub until: i64,
}

pub fn encode_manifest(manifest: &Manifest) -> Vec<u8> {
    to_cbor(manifest)
}

/// Reads what is said; that somebody who may say it has signed it was judged before.
pub fn decode_manifest(said: &[u8]) -> Decoded<Manifest> {
    let manifest: Manifest = from_cbor("manifest", said)?;
    let mut last = "";
    for object in &manifest.objects {
        if !names::is_of_archive(&object.name) {
            return Err(Problem(format!("{:?} is not the name of an object of an archive", object.name)));
        }
        if object.name.as_str() <= last {
            return Err(Problem(format!("{:?} is not in its place", object.name)));
        }
        last = &object.name;
    }
    Ok(manifest)
}

pub fn encode_hold(repository: RepositoryId, hold: &Hold) -> Vec<u8> {
    encode_clear(ObjectKind::Hold, repository, &to_cbor(hold))
}

pub fn decode_hold(repository: RepositoryId, id: TableId, bytes: &[u8]) -> Decoded<Hold> {
    let hold: Hold = from_cbor("hold", decode_clear(ObjectKind::Hold, repository, bytes)?)?;
    if hold.id != id {
        return Err(Problem(format!("it is hold {}", hold.id)));
    }
    Ok(hold)
}

#[cfg(test)]
mod tests;
