//! Adding and dropping parity, and how much of the repository has it.
//!
//! Owns which packs are meant. Parity is derived: it can go, and be made anew, while its pack is whole. Invariant: no sidecar of a pack that is there
//! goes before the pack was read and is what its name says.

use std::collections::{BTreeMap, HashSet};

use super::inspect::{has_its_header, is_whole};

use crate::error::{Error, Kind, Result};
use crate::format::names;
use crate::id::{PackId, SessionId};
use crate::keys::Right;
use crate::parity::{HealedPack, Sidecar, Sidecars, State, StoredBytes, Verdict, plan, require_whole, write_sidecar};
use crate::prune::{PruneObserver, PrunePhase};
use crate::repository::{
    AddedCopies, CopyCoverage, DroppedCopies, Repository, SmallDamage, SnapshotEntry, store_error,
};
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
    /// Second copies of small objects.
    pub copies: AddedCopies,
}

/// What was dropped.
#[derive(Debug, Default)]
pub struct DroppedParity {
    pub packs: u64,
    pub bytes: u64,
    /// Packs whose parity was kept because they are damaged: it may be all that heals them.
    pub damaged: Vec<Error>,
    /// Second copies of small objects.
    pub copies: DroppedCopies,
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
    /// Second copies of small objects, whichever packs are meant.
    pub copies: CopyCoverage,
}

/// How much of a sidecar is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SidecarDepth {
    /// Its header and its length.
    Outside,
    Whole,
}

/// A pack in the store.
struct Pack {
    id: PackId,
    session: SessionId,
    len: u64,
}

impl Repository {
    /// Makes parity of packs that have none, or another percentage: of all, or of those that a snapshot needs; and second copies of all small
    /// objects.
    pub fn add_parity(
        &self,
        snapshot: Option<&SnapshotEntry>,
        percent: u8,
        observer: &dyn PruneObserver,
    ) -> Result<AddedParity> {
        self.require(Right::Maintain, "add parity")?;
        let _lease = self.begin_reading()?;
        let mut packs = self.packs_of(snapshot)?;
        let condemned = self.condemned()?.packs();
        packs.retain(|pack| !condemned.contains(&pack.id));
        // After the packs, so that none is made twice of those that are there.
        let sidecars = Sidecars::list(&*self.store)?;
        observer.expect(packs.len() as u64, packs.iter().map(|pack| pack.len).sum());
        let mut added = AddedParity::default();
        for pack in packs {
            observer.check()?;
            match self.add_parity_of(&pack, &sidecars, percent) {
                Ok(None) => added.present += 1,
                Ok(Some(bytes)) => {
                    added.packs += 1;
                    added.bytes += bytes;
                }
                // Pruned since it was listed.
                Err(_) if self.is_gone(&pack)? => {}
                Err(error) if error.kind() == Kind::Corrupt => added.damaged.push(error),
                Err(error) => return Err(error),
            }
            observer.advance(1, pack.len);
        }
        added.copies = self.add_copies(|| observer.check())?;
        Ok(added)
    }

    /// Makes the sidecar of a pack, unless it has just this one; answers its length.
    fn add_parity_of(&self, pack: &Pack, sidecars: &Sidecars, percent: u8) -> Result<Option<u64>> {
        let wanted = names::parity(pack.id, plan(pack.id, pack.len, percent).sum(self.id()));
        let present = sidecars.of(pack.id).iter().any(|object| object.name == wanted);
        let is_whole = |sidecar: Option<Sidecar<'_>>| sidecar.is_some_and(|sidecar| sidecar.is_whole_outside());
        let mut others = sidecars.of(pack.id).iter().filter(|object| object.name != wanted);
        if present && is_whole(Sidecar::open(&*self.store, self.id(), &wanted)?) {
            if sidecars.of(pack.id).len() > 1 {
                require_whole(&*self.store, (pack.id, pack.session))?;
            }
            others.try_for_each(|object| self.delete_sidecar(&object.name))?;
            return Ok(None);
        }
        // What is there goes only when it is known that the pack is whole.
        require_whole(&*self.store, (pack.id, pack.session))?;
        if present {
            self.delete_sidecar(&wanted)?;
        }
        let written = write_sidecar(&*self.store, self.id(), (pack.id, pack.session), percent)?;
        others.try_for_each(|object| self.delete_sidecar(&object.name))?;
        Ok(Some(written))
    }

    fn is_gone(&self, pack: &Pack) -> Result<bool> {
        let name = names::pack(pack.id, pack.session);
        match self.store.len(&name) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
            len => len.map(|_| false).map_err(|source| store_error("read", &name, source)),
        }
    }

    fn delete_sidecar(&self, name: &str) -> Result<()> {
        self.store.delete(name).map_err(|source| store_error("delete", name, source))
    }

    /// Drops the parity of all packs with all second copies, or the parity of those that a snapshot needs; but for that of packs that are damaged.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once a stop is asked for; what has gone by then was of packs that are whole.
    pub fn drop_parity(&self, snapshot: Option<&SnapshotEntry>, observer: &dyn PruneObserver) -> Result<DroppedParity> {
        self.require(Right::Maintain, "drop parity")?;
        let _lease = self.begin_reading()?;
        let meant: Option<HashSet<PackId>> = match snapshot {
            Some(_) => Some(self.packs_of(snapshot)?.iter().map(|pack| pack.id).collect()),
            None => None,
        };
        // Before the packs: parity follows its pack, so one that is not listed after its sidecar is gone.
        let sidecars = Sidecars::list(&*self.store)?;
        let is_meant = |pack: &PackId| meant.as_ref().is_none_or(|meant| meant.contains(pack));
        let mut packs = BTreeMap::<PackId, Vec<Pack>>::new();
        for pack in self.packs_of(None)? {
            if is_meant(&pack.id) && !sidecars.of(pack.id).is_empty() {
                packs.entry(pack.id).or_default().push(pack);
            }
        }
        observer.phase(PrunePhase::Plan);
        observer.expect(packs.len() as u64, packs.values().flatten().map(|pack| pack.len).sum());
        let mut dropped = DroppedParity::default();
        for (id, objects) in sidecars.packs().filter(|(id, _)| is_meant(id)) {
            let packs = packs.get(&id).map(Vec::as_slice).unwrap_or_default();
            match self.damage_of(packs, observer)? {
                Some(damage) => dropped.damaged.push(damage),
                None => self.drop_sidecars(objects, &mut dropped)?,
            }
        }
        if snapshot.is_none() {
            self.drop_sidecars(&sidecars.strangers, &mut dropped)?;
            dropped.copies = self.drop_copies()?;
        }
        Ok(dropped)
    }

    /// Reads a pack, under each name that it has; answers what is wrong with it, unless one of them is whole or it is gone.
    fn damage_of(&self, packs: &[Pack], observer: &dyn PruneObserver) -> Result<Option<Error>> {
        let mut damage = None;
        for pack in packs {
            observer.check()?;
            let name = names::pack(pack.id, pack.session);
            if !is_whole(self, &name, pack.id, observer)? {
                if !self.is_gone(pack)? {
                    damage = Some(Error::damaged("read", name, "its bytes do not match its name"));
                }
            } else if has_its_header(self, &name, pack.session)? {
                damage = None;
                break;
            }
        }
        observer.advance(u64::from(!packs.is_empty()), 0);
        Ok(damage)
    }

    fn drop_sidecars(&self, sidecars: &[Object], dropped: &mut DroppedParity) -> Result<()> {
        for sidecar in sidecars {
            self.delete_sidecar(&sidecar.name)?;
            dropped.packs += 1;
            dropped.bytes += sidecar.len;
        }
        Ok(())
    }

    /// Says how much has parity, without reading any of it but its header.
    pub fn parity_coverage(&self, snapshot: Option<&SnapshotEntry>) -> Result<ParityCoverage> {
        let sidecars = Sidecars::list(&*self.store)?;
        let packs = self.packs_of(None)?;
        let present: HashSet<PackId> = packs.iter().map(|pack| pack.id).collect();
        let meant = if snapshot.is_some() { self.packs_of(snapshot)? } else { packs };
        let of_no_pack = sidecars.packs().filter(|(pack, _)| !present.contains(pack));
        let leftovers = of_no_pack.map(|(_, objects)| objects.len()).sum::<usize>() + sidecars.strangers.len();
        let (leftovers, copies) = (leftovers as u64, self.copy_coverage()?);
        let mut coverage = ParityCoverage { leftovers, copies, ..ParityCoverage::default() };
        for pack in meant {
            coverage.packs += 1;
            coverage.pack_bytes += pack.len;
            let (mut is_covered, mut damaged) = (false, Vec::new());
            for object in sidecars.of(pack.id) {
                coverage.parity_bytes += object.len;
                let sidecar = Sidecar::open(&*self.store, self.id(), &object.name)?;
                match sidecar.is_some_and(|sidecar| sidecar.is_whole_outside()) {
                    true => is_covered = true,
                    false => damaged.push(object.name.clone()),
                }
            }
            if is_covered {
                coverage.covered_packs += 1;
                coverage.covered_bytes += pack.len;
            }
            coverage.damaged.extend(damaged);
        }
        Ok(coverage)
    }

    /// The sidecars that are not what was written, read whole or from outside, and what is wrong with each: of all packs, or
    /// of these.
    pub fn damaged_sidecars(&self, depth: SidecarDepth, packs: Option<&HashSet<PackId>>) -> Result<Vec<SmallDamage>> {
        let sidecars = Sidecars::list(&*self.store)?;
        let mut damaged = Vec::new();
        let meant = sidecars.packs().filter(|(pack, _)| packs.is_none_or(|packs| packs.contains(pack)));
        for object in meant.flat_map(|(_, objects)| objects) {
            let opened = Sidecar::open(&*self.store, self.id(), &object.name)?;
            let is_whole = match (&opened, depth) {
                (None, _) => false,
                (Some(sidecar), SidecarDepth::Outside) => sidecar.is_whole_outside(),
                (Some(sidecar), SidecarDepth::Whole) => sidecar.state()? == State::Whole,
            };
            // Its pack may have been pruned since, and it with it.
            if !is_whole && self.store.len(&object.name).is_ok() {
                let error = Error::damaged("read sidecar", &object.name, "its bytes are not those that were written");
                damaged.push(SmallDamage { name: object.name.clone(), error });
            }
        }
        for object in sidecars.strangers {
            let error = Error::damaged("read sidecar", &object.name, "it is not the name of a sidecar");
            damaged.push(SmallDamage { name: object.name, error });
        }
        Ok(damaged)
    }

    /// What parity could do for a pack; `None` if it has none that can be read.
    pub fn judge_pack(&self, pack: &Object) -> Result<Option<Verdict>> {
        let (id, _) = names::parse_pack(&pack.name).map_err(|problem| Error::damaged("judge", &pack.name, problem))?;
        let bytes = StoredBytes::open(&*self.store, pack.name.clone())?;
        let mut best = None;
        for sidecar in Sidecars::list(&*self.store)?.open(&*self.store, self.id(), id)? {
            best = Some(HealedPack::judge(&bytes, &sidecar)?);
            if best != Some(Verdict::Beyond) {
                break;
            }
        }
        Ok(best)
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
