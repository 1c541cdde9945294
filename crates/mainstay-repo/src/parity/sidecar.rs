//! Sidecars in a store.
//!
//! Owns which sidecars a pack has, publishing one, and opening one that may be damaged. Deletes nothing.

use std::collections::BTreeMap;

use super::encode::encode;
use super::{Bytes, StoredBytes, plan};
use crate::error::{Error, Result};
use crate::format::names;
use crate::format::parity::{PARITY_HEADER_LEN, ParityHeader, WHOLE_SUM_LEN};
use crate::id::{HeaderSum, PackId, RepositoryId, SessionId};
use crate::store::{Object, Store};

/// Bytes that are read at once.
const WINDOW_LEN: u64 = 1 << 20;

/// The sidecars that a store lists, by pack. A pack has one, or for a moment two while its percentage is changed.
#[derive(Default)]
pub struct Sidecars {
    by_pack: BTreeMap<PackId, Vec<Object>>,
    /// Objects among them that bear no name of a sidecar.
    pub strangers: Vec<Object>,
}

impl Sidecars {
    pub fn list(store: &dyn Store) -> Result<Self> {
        let listed = store.list(names::PARITY);
        let listed = listed.map_err(|source| Error::Store { verb: "list", name: names::PARITY.to_owned(), source })?;
        let mut sidecars = Self::default();
        for object in listed {
            match names::parse_parity(&object.name) {
                Ok((pack, _)) => sidecars.by_pack.entry(pack).or_default().push(object),
                Err(_) => sidecars.strangers.push(object),
            }
        }
        Ok(sidecars)
    }

    pub fn of(&self, pack: PackId) -> &[Object] {
        self.by_pack.get(&pack).map(Vec::as_slice).unwrap_or_default()
    }

    pub fn packs(&self) -> impl Iterator<Item = (PackId, &[Object])> {
        self.by_pack.iter().map(|(pack, objects)| (*pack, objects.as_slice()))
    }

    /// Those of a pack of which a header can be read, the one with most parity first.
    pub fn open<'b>(&self, store: &'b dyn Store, repository: RepositoryId, pack: PackId) -> Result<Vec<Sidecar<'b>>> {
        let mut opened = Vec::new();
        for object in self.of(pack) {
            opened.extend(Sidecar::open(store, repository, &object.name)?);
        }
        opened.sort_by_key(|sidecar| std::cmp::Reverse(sidecar.header.parity));
        Ok(opened)
    }
}

/// A sidecar of which at least one header can be read.
pub struct Sidecar<'b> {
    pub header: ParityHeader,
    bytes: Box<dyn Bytes + 'b>,
    /// Whether it is the one that its name says: a pack may have several.
    is_as_named: bool,
}

/// What became of a sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Whole,
    /// Something in it is not what was written, and the rest may still help.
    Damaged,
}

impl<'b> Sidecar<'b> {
    /// Opens a sidecar; `None` if it is gone, or none of its headers can be read.
    pub fn open(store: &'b dyn Store, repository: RepositoryId, name: &str) -> Result<Option<Self>> {
        let named = names::parse_parity(name).map_err(|problem| Error::damaged("open sidecar", name, problem))?;
        Self::read(repository, named, Box::new(StoredBytes::open(store, name.to_owned())?))
    }

    /// The same of bytes that are at hand.
    pub fn read(
        repository: RepositoryId,
        (pack, sum): (PackId, HeaderSum),
        bytes: Box<dyn Bytes + 'b>,
    ) -> Result<Option<Self>> {
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
                let is_as_named = header.sum(repository) == sum;
                return Ok(Some(Self { header, bytes, is_as_named }));
            }
        }
        Ok(None)
    }

    pub(super) fn bytes(&self) -> &dyn Bytes {
        &*self.bytes
    }

    /// Whether it is as long as its header says, and the one that its name says.
    pub fn is_whole_outside(&self) -> bool {
        self.is_as_named && self.bytes.len() == self.header.sidecar_len()
    }

    /// Reads all of it and says whether it is what was written.
    pub fn state(&self) -> Result<State> {
        if !self.is_whole_outside() {
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

/// Makes the sidecar of a pack and publishes it; answers its length, which is zero if somebody else has just published the
/// same.
///
/// # Errors
/// When the pack is damaged.
pub fn write_sidecar(
    store: &dyn Store,
    repository: RepositoryId,
    (pack, session): (PackId, SessionId),
    percent: u8,
) -> Result<u64> {
    let bytes = StoredBytes::open(store, names::pack(pack, session))?;
    let header = plan(pack, bytes.len(), percent);
    let name = names::parity(pack, header.sum(repository));
    let failed = |source| Error::Store { verb: "write", name: name.clone(), source };
    let mut upload = store.upload().map_err(failed)?;
    encode(repository, &header, &bytes, |part| upload.write(part).map_err(failed))?;
    match upload.publish(&name) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(0),
        published => published.map(|()| header.sidecar_len()).map_err(failed),
    }
}
