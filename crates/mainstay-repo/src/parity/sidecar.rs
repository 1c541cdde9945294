//! Sidecars in a store.
//!
//! Owns publishing one, and opening one that may be damaged. Deletes nothing.

use super::encode::encode;
use super::{Bytes, StoredBytes, is_pack, plan};
use crate::error::{Error, Result};
use crate::format::names;
use crate::format::parity::{PARITY_HEADER_LEN, ParityHeader, WHOLE_SUM_LEN};
use crate::id::{PackId, RepositoryId, SessionId};
use crate::store::Store;

/// Bytes that are read at once.
const WINDOW_LEN: u64 = 1 << 20;

/// A sidecar of which at least one header can be read.
pub struct Sidecar<'b> {
    pub header: ParityHeader,
    bytes: Box<dyn Bytes + 'b>,
}

/// What became of a sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Whole,
    /// Something in it is not what was written, and the rest may still help.
    Damaged,
}

impl<'b> Sidecar<'b> {
    /// Opens the sidecar of a pack; `None` if there is none, or none of its headers can be read.
    pub fn open(store: &'b dyn Store, repository: RepositoryId, pack: PackId) -> Result<Option<Self>> {
        Self::read(repository, pack, Box::new(StoredBytes::open(store, names::parity(pack))?))
    }

    /// The same of bytes that are at hand.
    pub fn read(repository: RepositoryId, pack: PackId, bytes: Box<dyn Bytes + 'b>) -> Result<Option<Self>> {
        let last = bytes.len().checked_sub(PARITY_HEADER_LEN + WHOLE_SUM_LEN);
        for offset in [Some(0), last].into_iter().flatten() {
            let mut header = [0; PARITY_HEADER_LEN as usize];
            if !bytes.read_at(offset, &mut header)? {
                continue;
            }
            // A sidecar of another pack would only undo what is right.
            if let Ok(header) = ParityHeader::decode(repository, &header)
                && header.pack == pack
            {
                return Ok(Some(Self { header, bytes }));
            }
        }
        Ok(None)
    }

    /// Length of the object.
    pub fn len(&self) -> u64 {
        self.bytes.len()
    }

    pub(super) fn bytes(&self) -> &dyn Bytes {
        &*self.bytes
    }

    /// Reads all of it and says whether it is what was written.
    pub fn state(&self) -> Result<State> {
        if self.bytes.len() != self.header.sidecar_len() {
            return Ok(State::Damaged);
        }
        let (mut hasher, mut buffer, mut offset) = (blake3::Hasher::new(), Vec::new(), 0);
        let end = self.bytes.len() - WHOLE_SUM_LEN;
        while offset < end {
            buffer.resize(WINDOW_LEN.min(end - offset) as usize, 0);
            if !self.bytes.read_at(offset, &mut buffer)? {
                return Ok(State::Damaged);
            }
            hasher.update(&buffer);
            offset += buffer.len() as u64;
        }
        let mut sum = [0; WHOLE_SUM_LEN as usize];
        let is_whole = self.bytes.read_at(end, &mut sum)? && hasher.finalize().as_bytes() == &sum;
        Ok(if is_whole { State::Whole } else { State::Damaged })
    }
}

/// Reads a pack.
///
/// # Errors
/// When it is not what its name says.
pub fn require_whole(store: &dyn Store, (pack, session): (PackId, SessionId)) -> Result<()> {
    let name = names::pack(pack, session);
    match is_pack(&StoredBytes::open(store, name.clone())?, pack, &mut |_| Ok(()))? {
        true => Ok(()),
        false => Err(Error::damaged("make parity of", name, "its bytes do not match its name")),
    }
}

/// Makes the sidecar of a pack and publishes it; answers its length.
///
/// # Errors
/// When the pack is damaged, or has a sidecar already.
pub fn write_sidecar(
    store: &dyn Store,
    repository: RepositoryId,
    (pack, session): (PackId, SessionId),
    percent: u8,
) -> Result<u64> {
    let bytes = StoredBytes::open(store, names::pack(pack, session))?;
    let header = plan(pack, bytes.len(), percent);
    let name = names::parity(pack);
    let failed = |source| Error::Store { verb: "write", name: name.clone(), source };
    let mut upload = store.upload().map_err(failed)?;
    encode(repository, &header, &bytes, |part| upload.write(part).map_err(failed))?;
    upload.publish(&name).map_err(failed)?;
    Ok(header.sidecar_len())
}
