//! Synchronising: bringing here what another copy of the repository has and this one lacks.
//!
//! Owns the order in which snapshots, their keys and their blocks come (docs/adr/0021-synchronising.md). It is a writer's session here
//! and a reader's there. Invariants: nothing that it puts has a name that was ever here before, but for a snapshot and its map,
//! which are not brought if they were; a snapshot is put when all that it needs is durable here. Deletes nothing. Memory: the
//! indexes of both, and the maps of the snapshots that are brought together.

mod blocks;
mod fetching;
mod keys;
mod plan;

use std::collections::HashSet;
use std::sync::Arc;

use crate::error::{Error, Kind, Result, unless_damaged};
use crate::fence::is_fenced;
use crate::format::refs::BlockSet;
use crate::format::{limits, names};
use crate::id::{SessionId, SnapshotId};
use crate::lease::OwnLease;
use crate::pack_reader::read_object;
use crate::prune::{PruneObserver, PrunePhase, acquit};
use crate::repository::{
    ReadLease, Repository, SignedSnapshot, SnapshotPlace, delete, list, prepare_empty, publish_config, put, store_error,
};
use crate::seal::random;
use crate::session::take_lease;
use crate::store::{Store, is_absent, is_present};

use blocks::Blocks;
use keys::KeysAtHand;
use plan::{Known, Plan};

/// So many bytes are brought before the snapshots that needed them are put: a sync that is killed has brought the others for good.
const AT_ONCE: u64 = 4 * limits::PACK_TARGET_MAX;
/// So many snapshots at most, whose maps are held until then.
const TOGETHER: usize = 64;

/// What a sync did.
#[derive(Debug, Default)]
pub struct SyncReport {
    /// Snapshots that are here now and were not.
    pub brought: Vec<SnapshotPlace>,
    /// Those that were here already.
    pub present: u64,
    /// Those of them of which blocks were missing that are here now.
    pub completed: Vec<SnapshotPlace>,
    /// Those that had been here and were removed: they stay away.
    pub removed: Vec<SnapshotPlace>,
    /// Those that are forgotten there.
    pub forgotten: u64,
    /// Those that could not be brought, and why.
    pub left_out: Vec<(SnapshotPlace, Error)>,
    pub blocks: u64,
    /// Bytes of new packs.
    pub bytes: u64,
}

impl From<Plan> for SyncReport {
    fn from(plan: Plan) -> Self {
        let Plan { present, removed, forgotten, left_out, .. } = plan;
        Self { present: present.len() as u64, removed, forgotten, left_out, ..Self::default() }
    }
}

impl Repository {
    /// Brings what another copy of this repository has and this one lacks.
    ///
    /// # Errors
    /// When a store fails; [`Error::Fenced`] when a collector took this session for gone: then it must begin again.
    pub fn sync_from(&self, from: &Repository, observer: &dyn PruneObserver) -> Result<SyncReport> {
        self.require_copy(from)?;
        let session = SessionId(random()?);
        let brought = Sync::begin((self, from), session, observer).and_then(Sync::run);
        // What it has put is whole, whether it came to its end or not.
        let ended = self.leases().end(session);
        match brought {
            // What else went wrong follows from it.
            Err(_) if is_fenced(&*self.store, &self.judge, session).unwrap_or_default() => {
                Err(Error::Fenced { verb: "synchronise", session: session.short() })
            }
            brought => brought.and_then(|report| ended.map(|()| report)),
        }
    }

    /// Says which snapshots a sync would bring, as [`SyncReport::brought`]; reads no block and changes nothing.
    ///
    /// # Errors
    /// As of a sync.
    pub fn plan_sync(&self, from: &Repository) -> Result<SyncReport> {
        self.require_copy(from)?;
        let plan = Known::look((self, from), &self.condemned()?)?.plan()?;
        let brought = plan.wanted.iter().map(|signed| signed.place).collect();
        Ok(SyncReport { brought, ..SyncReport::from(plan) })
    }

    fn require_copy(&self, from: &Repository) -> Result<()> {
        self.require_all("synchronise")?;
        from.require_all("synchronise")?;
        from.refuse_sealed("synchronise")?;
        self.refuse_sealed("synchronise")?;
        if from.id() == self.id() {
            return Ok(());
        }
        let (place, id, own) = (from.location(), from.id().short(), self.id().short());
        Err(Error::Invalid(format!("synchronise with {place}: it is repository {id}, and no copy of {own}")))
    }

    /// Makes an empty store another copy of this repository, with the same keys and nothing else. Of a slot that is damaged its second copy
    /// comes; without one it stays away, and can be added there.
    ///
    /// # Errors
    /// When there is something already.
    pub fn create_copy(&self, store: Arc<dyn Store>) -> Result<Self> {
        self.require_all("synchronise")?;
        self.refuse_sealed("synchronise")?;
        prepare_empty(&*store)?;
        let mut slots = HashSet::new();
        for slot in list(&*self.store, names::KEY_SLOTS)? {
            let Some(bytes) = self.whole_or_second_copy(&slot.name)? else { continue };
            put_or_keep(&*store, &slot.name, &bytes)?;
            slots.insert(slot.name);
        }
        if !slots.iter().any(|name| names::parse_key_slot(name).is_ok_and(|(id, _)| id == self.own_slot())) {
            let message =
                "create a copy: the key slot that opened the repository is gone, and nobody could open the copy";
            return Err(Error::Invalid(message.to_owned()));
        }
        publish_config(&*store, self.keys.config())?;
        // Those of a creation that was cut short may have been removed here since.
        for slot in list(&*store, names::KEY_SLOTS)?.into_iter().filter(|slot| !slots.contains(&slot.name)) {
            delete(&*store, &slot.name)?;
        }
        // A disk that is full already takes no reserve, and needs none more than it lacks everything else.
        let _ = store.keep_reserve();
        Ok(self.beside(store))
    }
}

/// A sync under way.
struct Sync<'r> {
    here: &'r Repository,
    there: &'r Repository,
    session: SessionId,
    lease: OwnLease,
    _reading: ReadLease<'r>,
    known: Known,
    keys: KeysAtHand,
    blocks: Blocks<'r>,
    observer: &'r dyn PruneObserver,
    report: SyncReport,
}

/// A snapshot whose blocks have been brought, or are on their way.
struct Arriving {
    signed: SignedSnapshot,
    blocks: BlockSet,
    /// The bytes of its map; none where the snapshot is here.
    map: Option<Vec<u8>>,
}

impl<'r> Sync<'r> {
    fn begin(
        (here, there): (&'r Repository, &'r Repository),
        session: SessionId,
        observer: &'r dyn PruneObserver,
    ) -> Result<Self> {
        here.confirm_signer()?;
        observer.phase(PrunePhase::Plan);
        let (lease, mut condemned) = take_lease(here, session)?;
        let reading = there.begin_reading()?;
        let known = Known::look((here, there), &condemned)?;
        here.keep_secrets()?;
        let keys = KeysAtHand::list(here, there, &condemned)?;
        let blocks = Blocks::open((here, there), session, &mut condemned)?;
        let report = SyncReport::default();
        Ok(Self { here, there, session, lease, _reading: reading, known, keys, blocks, observer, report })
    }

    fn run(mut self) -> Result<SyncReport> {
        let mut plan = self.known.plan()?;
        let (wanted, present) = (std::mem::take(&mut plan.wanted), std::mem::take(&mut plan.present));
        self.report = SyncReport { present: present.len() as u64, ..SyncReport::from(plan) };
        self.observer.phase(PrunePhase::Rewrite);
        self.observer.expect((wanted.len() + present.len()) as u64, 0);
        let ids: Vec<SnapshotId> = present.iter().chain(&wanted).map(|signed| signed.place.id).collect();
        self.bring(present, Self::look_through)?;
        self.bring(wanted, Self::gather)?;
        self.record_arrivals(ids)?;
        // What seems to be missing may have been taken away because this session was taken for gone.
        self.refuse_if_fenced()?;
        self.report.blocks = self.blocks.brought;
        self.report.bytes = self.blocks.bytes();
        Ok(self.report)
    }

    /// Brings these snapshots, some at a time; `ask` asks for what is needed of one, if anything is.
    fn bring(
        &mut self,
        snapshots: Vec<SignedSnapshot>,
        ask: impl Fn(&mut Self, &SignedSnapshot) -> Result<Option<Arriving>>,
    ) -> Result<()> {
        let mut together = Vec::new();
        for signed in snapshots {
            self.observer.check()?;
            self.here.leases().renew_in_time(&mut self.lease)?;
            match ask(self, &signed) {
                Ok(Some(arriving)) => together.push(arriving),
                Ok(None) => self.observer.advance(1, 0),
                Err(error) if is_of_one_snapshot(&error) => self.report.left_out.push((signed.place, error)),
                Err(error) => return Err(error),
            }
            if self.blocks.waiting_bytes() >= AT_ONCE || together.len() >= TOGETHER {
                self.land(std::mem::take(&mut together))?;
            }
        }
        self.land(together)
    }

    /// Asks for blocks of a snapshot that is here of which nothing is here. Where its map cannot be read there, nothing can be had.
    fn look_through(&mut self, signed: &SignedSnapshot) -> Result<Option<Arriving>> {
        let map = self.there.reference_map(signed.place.id, &signed.references);
        let Some(blocks) = unless_damaged(map)? else { return Ok(None) };
        let brings_key = self.bring_keys(signed, &blocks)?;
        let lacks_blocks = self.blocks.ask_for_lost(&blocks)?;
        self.blocks.count_on(&blocks, signed.session)?;
        Ok((brings_key || lacks_blocks).then(|| Arriving { signed: signed.clone(), blocks, map: None }))
    }

    /// Asks for what is needed of a snapshot that is to come.
    fn gather(&mut self, signed: &SignedSnapshot) -> Result<Option<Arriving>> {
        let (map, blocks) = self.there.read_reference_map(signed.place.id, &signed.references)?;
        self.bring_keys(signed, &blocks)?;
        if signed.independent {
            self.blocks.keep_apart(signed.session);
        }
        self.blocks.ask_for(&blocks)?;
        Ok(Some(Arriving { signed: signed.clone(), blocks, map: Some(map) }))
    }

    /// Answers whether one was not here.
    fn bring_keys(&mut self, signed: &SignedSnapshot, blocks: &BlockSet) -> Result<bool> {
        let before = self.keys.carried;
        let (both, theirs) = ((self.here, self.there), &self.blocks);
        for session in blocks.sessions().chain([signed.session]) {
            let opens = || match session == signed.session {
                true => Ok(self.there.read_signed_snapshot(signed.place).is_ok()),
                false => theirs.opens_there(blocks, session),
            };
            self.keys.bring(both, session, self.session, opens)?;
        }
        Ok(self.keys.carried > before)
    }

    /// Brings what was asked for, then puts the snapshots that are whole by it, the oldest first.
    fn land(&mut self, together: Vec<Arriving>) -> Result<()> {
        self.blocks.bring(self.observer, |here| here.leases().renew_in_time(&mut self.lease))?;
        let packs = list(&*self.here.store, names::PACKS)?.into_iter().map(|pack| pack.name).collect();
        for Arriving { signed, blocks, map } in together {
            let landed = self.blocks.require(&blocks, &packs).and_then(|()| match map {
                Some(map) => self.put_snapshot(&signed, &map),
                None => {
                    self.report.completed.push(signed.place);
                    Ok(())
                }
            });
            match landed {
                Err(error) if is_of_one_snapshot(&error) => self.report.left_out.push((signed.place, error)),
                landed => landed?,
            }
            self.observer.advance(1, 0);
        }
        Ok(())
    }

    /// Records those of these snapshots as having come that are here and are recorded as being elsewhere, by another sync at the same time, or since
    /// the one died that brought them: their absence would be no loss.
    fn record_arrivals(&self, ids: Vec<SnapshotId>) -> Result<()> {
        let recorded = plan::recorded_elsewhere(&self.here.removed()?, ids);
        let mut arrived = Vec::new();
        for gone in recorded {
            let name = names::snapshot(gone.source, gone.sequence, gone.id);
            match self.here.store.len(&name) {
                Ok(_) => arrived.push(gone),
                Err(source) if is_absent(&source) => {}
                Err(source) => return Err(store_error("read", &name, source)),
            }
        }
        self.here.record(arrived)
    }

    fn put_snapshot(&mut self, signed: &SignedSnapshot, map: &[u8]) -> Result<()> {
        let place = signed.place;
        let before = self.known.before(signed)?;
        if !before.is_empty() {
            let ids: Vec<SnapshotId> = before.iter().map(|gone| gone.id).collect();
            self.here.record(before)?;
            // Publish, then look: another sync may have brought one meanwhile.
            self.record_arrivals(ids)?;
        }
        let (store, name) = (&*self.here.store, names::refs(place.id));
        let bytes = read_object(&*self.there.store, &place.name(), "read snapshot")?;
        SignedSnapshot::check(self.here.id(), &place.name(), &bytes)?;
        self.refuse_if_fenced()?;
        // Until this session has looked for its fence for the last time: should it sleep or die here, the next sync brings it anew.
        self.here.begin_to_count(place.id, Some(self.session))?;
        if self.known.is_fenced_here(signed.session) {
            // Before it comes: should this sync die here, no prune finds it void.
            self.acquit_if_fenced(signed)?;
        }
        put_or_keep(store, &name, map)?;
        put_or_keep(store, &place.name(), &bytes)?;
        // Publish, then look: a collector that fences this session from now on finds the snapshot. And one that took the map for that of a
        // snapshot that never came may have deleted it before it was needed.
        self.refuse_if_fenced()?;
        put_or_keep(store, &name, map)?;
        if let Some(arrived) = self.known.arrive(signed) {
            self.here.record(vec![arrived])?;
        }
        self.acquit_if_fenced(signed)?;
        self.here.confirm_counting(place.id)?;
        self.report.brought.push(place);
        Ok(())
    }

    /// The session that wrote a snapshot may be known here as well, in a mirror that was made while it was at work: then a collector may have fenced
    /// it before the snapshot came. That a settlement names the snapshot says nothing: another one may come that does not.
    fn acquit_if_fenced(&self, signed: &SignedSnapshot) -> Result<()> {
        let (here, place) = (self.here, signed.place);
        let is_fenced = is_fenced(&*here.store, &here.judge, signed.session)?;
        if !is_fenced || !here.fences()?.needs_acquittal(signed.session, place.id) {
            return Ok(());
        }
        acquit(here, signed, self.session)?;
        self.refuse_if_fenced()
    }

    fn refuse_if_fenced(&self) -> Result<()> {
        match is_fenced(&*self.here.store, &self.here.judge, self.session)? {
            true => Err(Error::Fenced { verb: "synchronise", session: self.session.short() }),
            false => Ok(()),
        }
    }
}

/// Puts an object whose name fixes its bytes, and that somebody else may have put.
fn put_or_keep(store: &dyn Store, name: &str, bytes: &[u8]) -> Result<()> {
    match put(store, name, bytes) {
        Err(Error::Store { source, .. }) if is_present(&source) => {
            match read_object(store, name, "read back") {
                Ok(known) if known == bytes => {
                    store.make_durable(name).map_err(|source| store_error("sync", name, source))
                }
                Err(error) if error.kind() != Kind::Corrupt => Err(error),
                // Its name says what its bytes are, or a snapshot does: what differs is damaged.
                _ => store.replace(name, bytes).map_err(|source| store_error("replace", name, source)),
            }
        }
        done => done,
    }
}

/// Whether an error concerns what one snapshot needs, and the others can be brought without it.
fn is_of_one_snapshot(error: &Error) -> bool {
    error.kind() == Kind::Corrupt || matches!(error, Error::HistoryGap { .. })
}

#[cfg(test)]
mod tests;
