//! Bytes that may be damaged, cut short, gone or unreadable.
//!
//! Owns telling a part of an object that is lost from a store that does not answer: the one can be healed, the other ends
//! the run.

use crate::error::{Error, Result};
use crate::format::names;
use crate::id::{PackId, SessionId};
use crate::store::{Store, is_lost_on_disk};

/// Bytes that are read at once.
const WINDOW_LEN: u64 = 1 << 20;

/// Something of which any part may be lost.
pub trait Bytes {
    /// Length as far as it is there.
    fn len(&self) -> u64;

    /// Fills the buffer; answers whether these bytes could be read.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<bool>;
}

/// Whether these are the bytes that a pack's name says. `watch` is told how many were read, and may end it.
pub fn is_pack(bytes: &dyn Bytes, pack: PackId, watch: &mut dyn FnMut(u64) -> Result<()>) -> Result<bool> {
    let (mut hasher, mut buffer, mut offset) = (blake3::Hasher::new(), Vec::new(), 0);
    while offset < bytes.len() {
        buffer.resize(WINDOW_LEN.min(bytes.len() - offset) as usize, 0);
        let is_read = bytes.read_at(offset, &mut buffer)?;
        watch(buffer.len() as u64)?;
        if !is_read {
            return Ok(false);
        }
        hasher.update(&buffer);
        offset += buffer.len() as u64;
    }
    Ok(hasher.finalize().as_bytes() == &pack.0)
}

/// Reads a whole pack; answers whether it is what its name says. One that is gone is not.
pub fn is_whole_pack(store: &dyn Store, (pack, session): (PackId, SessionId)) -> Result<bool> {
    is_pack(&StoredBytes::open(store, names::pack(pack, session))?, pack, &mut |_| Ok(()))
}

/// The same for whoever cannot go on without it.
pub fn require_whole(store: &dyn Store, pack: (PackId, SessionId)) -> Result<()> {
    match is_whole_pack(store, pack)? {
        true => Ok(()),
        false => Err(Error::damaged("read", names::pack(pack.0, pack.1), "its bytes do not match its name")),
    }
}

/// An object of a store.
pub struct StoredBytes<'s> {
    store: &'s dyn Store,
    name: String,
    len: u64,
}

impl<'s> StoredBytes<'s> {
    /// An object that may not be there.
    pub fn open(store: &'s dyn Store, name: String) -> Result<Self> {
        let len = match store.len(&name) {
            Ok(len) => len,
            Err(error) if is_lost_on_disk(&error) => 0,
            Err(source) => return Err(Error::Store { verb: "read", name, source }),
        };
        Ok(Self { store, name, len })
    }
}

impl Bytes for StoredBytes<'_> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<bool> {
        if offset.checked_add(buffer.len() as u64).is_none_or(|end| end > self.len) {
            return Ok(false);
        }
        match self.store.read_at(&self.name, offset, buffer) {
            Ok(()) => Ok(true),
            Err(error) if is_lost_on_disk(&error) => Ok(false),
            Err(source) => Err(Error::Store { verb: "read", name: self.name.clone(), source }),
        }
    }
}
