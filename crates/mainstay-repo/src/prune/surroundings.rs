//! Who else is at work, what is doomed already, and which packs were there before anybody was asked.
//!
//! Owns the order of looking, and fencing those who are to be disregarded: a fence, then a listing of snapshots, then the
//! settlement (C2 of docs/concurrency.md). Concludes nothing from it.

use std::collections::HashSet;

use crate::condemned::CondemnedLists;
use crate::error::Result;
use crate::fence::{put_fence, put_settlement};
use crate::format::coord::{Fence, Settlement};
use crate::format::names;
use crate::id::{SessionId, SnapshotId};
use crate::lease::OpenLeases;
use crate::repository::{LostSnapshot, ProvedSnapshot, Repository, list};
use crate::store::Object;

/// What a collector finds around it.
pub struct Surroundings {
    pub condemned: CondemnedLists,
    /// Names of packs, listed before the leases: the session of one of them is at work only if it is in `open`.
    pub packs: HashSet<String>,
    /// The sessions that are at work.
    pub open: OpenLeases,
}

impl Surroundings {
    /// Looks around without fencing anybody, for a plan that is only shown.
    pub fn look(repository: &Repository) -> Result<Self> {
        let packs = names_of(repository, names::PACKS)?.into_iter().collect();
        let mut open = repository.leases().open_leases(SessionId([0; 16]))?;
        open.known.retain(|lease| !lease.gone && !lease.silent);
        open.unknown.clear();
        let mut condemned = CondemnedLists::default();
        condemned.add_returned(&repository.removed()?.packs, &packs);
        Ok(Self { condemned, packs, open })
    }

    /// Looks around, and fences the sessions that are gone, silent, or not to be known.
    pub fn settle(repository: &Repository, condemned: CondemnedLists, collector: SessionId) -> Result<Self> {
        let packs = names_of(repository, names::PACKS)?.into_iter().collect();
        let mut open = repository.leases().open_leases(collector)?;
        let fenced = open.to_fence();
        if !fenced.is_empty() {
            settle(repository, &fenced, collector)?;
        }
        open.known.retain(|lease| !fenced.contains(&lease.session));
        // One whose name makes no sense belongs to no session.
        open.unknown.clear();
        Ok(Self { condemned, packs, open })
    }

    pub fn is_at_work(&self, session: SessionId) -> bool {
        self.open.known.iter().any(|lease| lease.session == session)
    }

    /// Whether a pack was there before the leases were listed, and nobody at work has written it.
    pub fn is_settled_pack(&self, pack: &Object) -> bool {
        let is_at_work = names::parse_pack(&pack.name).is_ok_and(|(_, session)| self.is_at_work(session));
        !is_at_work && self.packs.contains(&pack.name)
    }
}

fn settle(repository: &Repository, sessions: &[SessionId], collector: SessionId) -> Result<()> {
    let (store, keys) = (&*repository.store, &*repository.keys);
    for session in sessions {
        repository.with_reserve(|| put_fence(store, keys, &Fence { session: *session, collector }))?;
    }
    // After the fences: what is listed now counts, and nothing that comes later.
    let listed = repository.proved_snapshots()?;
    // One that was listed and then not there may be of such a session: its absence proves nothing.
    if let Some(vanished) = listed.vanished {
        return Err(vanished);
    }
    let copied = repository.copied_snapshots()?;
    for session in sessions {
        // What was there and is lost counts as well: by its second copy it comes back.
        let lost_but_for_a_copy =
            copied.iter().filter(|signed| signed.session == *session).map(|signed| signed.place.id);
        let own = listed.entries.iter().filter(|entry| entry.signed.session == *session).map(ProvedSnapshot::id);
        let survivors = own.chain(lost_but_for_a_copy).chain(listed.lost.iter().filter_map(lost_id)).collect();
        let settled = Settlement { session: *session, collector, survivors };
        repository.with_reserve(|| put_settlement(store, keys, &settled))?;
    }
    Ok(())
}

/// Whose a snapshot is that cannot be read is not known, so it survives with every session.
fn lost_id(lost: &LostSnapshot) -> Option<SnapshotId> {
    lost.place.map(|place| place.id)
}

/// The names of everything of one kind.
pub fn names_of(repository: &Repository, prefix: &str) -> Result<Vec<String>> {
    Ok(list(&*repository.store, prefix)?.into_iter().map(|object| object.name).collect())
}
