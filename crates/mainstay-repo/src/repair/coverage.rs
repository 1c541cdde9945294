//! Adding and dropping parity, and how much of the repository has it.
//!
//! Owns which packs are meant. Parity is derived: it can go at any time, and be made anew from packs that are whole.

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Kind, Result};
use crate::format::names;
use crate::id::{PackId, SessionId};
use crate::parity::{HealedPack, Sidecar, StoredBytes, Verdict, plan, require_whole, write_sidecar};
use crate::prune::PruneObserver;
use crate::repository::{Repository, SnapshotEntry, list, store_error};
use crate::store::Object;

/// What was added.
#[derive(Debug, Default)]
pub struct AddedParity {
    /// Packs that have new parity, and its bytes.
    pub packs: u64,
    pub bytes: u64,
    /// Packs that had it already.
    pub present: u64,
    /// Packs of which no parity was made because they are damaged.
    pub damaged: Vec<Error>,
}

/// What was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DroppedParity {
    pub packs: u64,
    pub bytes: u64,
}

/// How much has parity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParityCoverage {
    pub packs: u64,
    pub pack_bytes: u64,
    pub covered_packs: u64,
    pub covered_bytes: u64,
    pub parity_bytes: u64,
    /// Sidecars that cannot be read, or are not as long as they say.
    pub damaged: Vec<String>,
    /// Sidecars whose pack is gone.
    pub leftovers: u64,
}

/// A pack in the store.
struct Pack {
    id: PackId,
    session: SessionId,
    len: u64,
}

impl Repository {
    /// Makes parity of packs that have none, or another percentage: of all, or of those that a snapshot needs.
    pub fn add_parity(
        &self,
        snapshot: Option<&SnapshotEntry>,
        percent: u8,
        observer: &dyn PruneObserver,
    ) -> Result<AddedParity> {
        let _lease = self.begin_reading()?;
        let packs = self.packs_of(snapshot)?;
        observer.expect(packs.len() as u64, packs.iter().map(|pack| pack.len).sum());
        let mut added = AddedParity::default();
        for pack in packs {
            observer.check()?;
            match self.add_parity_of(&pack, percent) {
                Ok(None) => added.present += 1,
                Ok(Some(bytes)) => {
                    added.packs += 1;
                    added.bytes += bytes;
                }
                Err(error) if error.kind() == Kind::Corrupt => added.damaged.push(error),
                Err(error) => return Err(error),
            }
            observer.advance(1, pack.len);
        }
        Ok(added)
    }

    /// Makes the sidecar of a pack, unless it has just this one; answers its length.
    fn add_parity_of(&self, pack: &Pack, percent: u8) -> Result<Option<u64>> {
        let name = names::parity(pack.id);
        let wanted = plan(pack.id, pack.len, percent);
        let present = Sidecar::open(&*self.store, self.id(), pack.id)?;
        if present.is_some_and(|sidecar| sidecar.header == wanted && sidecar.len() == wanted.sidecar_len()) {
            return Ok(None);
        }
        // An object never changes: what is there goes, as soon as it is known that the pack is whole.
        require_whole(&*self.store, (pack.id, pack.session))?;
        self.delete_sidecar(&name)?;
        write_sidecar(&*self.store, self.id(), (pack.id, pack.session), percent).map(Some)
    }

    fn delete_sidecar(&self, name: &str) -> Result<()> {
        self.store.delete(name).map_err(|source| store_error("delete", name, source))
    }

    /// Drops the parity of all packs, or of those that a snapshot needs.
    pub fn drop_parity(&self, snapshot: Option<&SnapshotEntry>) -> Result<DroppedParity> {
        let _lease = self.begin_reading()?;
        let meant: Option<HashSet<PackId>> = match snapshot {
            Some(_) => Some(self.packs_of(snapshot)?.iter().map(|pack| pack.id).collect()),
            None => None,
        };
        let mut dropped = DroppedParity::default();
        for sidecar in list(&*self.store, names::PARITY)? {
            let id = names::parse_parity(&sidecar.name);
            if meant.as_ref().is_some_and(|meant| !id.is_ok_and(|id| meant.contains(&id))) {
                continue;
            }
            self.delete_sidecar(&sidecar.name)?;
            dropped.packs += 1;
            dropped.bytes += sidecar.len;
        }
        Ok(dropped)
    }

    /// Says how much has parity, without reading any of it but its header.
    pub fn parity_coverage(&self, snapshot: Option<&SnapshotEntry>) -> Result<ParityCoverage> {
        let sidecars = list(&*self.store, names::PARITY)?;
        let packs = self.packs_of(None)?;
        let present: HashSet<PackId> = packs.iter().map(|pack| pack.id).collect();
        let meant = if snapshot.is_some() { self.packs_of(snapshot)? } else { packs };
        let is_leftover = |name: &str| !names::parse_parity(name).is_ok_and(|id| present.contains(&id));
        let leftovers = sidecars.iter().filter(|sidecar| is_leftover(&sidecar.name)).count() as u64;
        let lens: HashMap<String, u64> = sidecars.into_iter().map(|sidecar| (sidecar.name, sidecar.len)).collect();
        let mut coverage = ParityCoverage { leftovers, ..ParityCoverage::default() };
        for pack in meant {
            coverage.packs += 1;
            coverage.pack_bytes += pack.len;
            let name = names::parity(pack.id);
            let Some(len) = lens.get(&name) else { continue };
            coverage.parity_bytes += len;
            let sidecar = Sidecar::open(&*self.store, self.id(), pack.id)?;
            if sidecar.is_some_and(|sidecar| sidecar.header.sidecar_len() == *len) {
                coverage.covered_packs += 1;
                coverage.covered_bytes += pack.len;
            } else {
                coverage.damaged.push(name);
            }
        }
        Ok(coverage)
    }

    /// What parity could do for a pack; `None` if it has none that can be read.
    pub fn judge_pack(&self, pack: &Object) -> Result<Option<Verdict>> {
        let (id, _) = names::parse_pack(&pack.name).map_err(|problem| Error::damaged("judge", &pack.name, problem))?;
        let Some(sidecar) = Sidecar::open(&*self.store, self.id(), id)? else { return Ok(None) };
        let bytes = StoredBytes::open(&*self.store, pack.name.clone())?;
        HealedPack::judge(&bytes, &sidecar).map(Some)
    }

    /// The packs in the store: all, or those that a snapshot's blocks are read from.
    fn packs_of(&self, snapshot: Option<&SnapshotEntry>) -> Result<Vec<Pack>> {
        let needed: Option<HashSet<PackId>> = match snapshot {
            Some(entry) => {
                let (references, index) = (self.references(entry)?, self.index()?);
                let mut needed = HashSet::new();
                for block in references.iter() {
                    needed.extend(index.find_block(block)?.map(|place| place.pack));
                }
                Some(needed)
            }
            None => None,
        };
        let mut packs = Vec::new();
        for object in self.list_packs()? {
            if let Ok((id, session)) = names::parse_pack(&object.name)
                && needed.as_ref().is_none_or(|needed| needed.contains(&id))
            {
                packs.push(Pack { id, session, len: object.len });
            }
        }
        packs.sort_by_key(|pack| pack.id);
        Ok(packs)
    }
}
