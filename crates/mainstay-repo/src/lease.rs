//! Leases: who is at work in the repository.
//!
//! Owns publishing and ending a lease, and judging those of others. A lease is dead only when it is certain that its
//! process is gone: it ran on this machine and the machine was restarted, or no process with its number and start time
//! is there. No clock is asked. Safety (until pruning runs beside writers): a collector publishes its lease, then lists
//! leases, and gives up if a writer or reader is open; a writer or reader publishes, then lists, and gives up if a
//! collector is open. Each publishes before it lists, so two that overlap cannot both go on.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::lease::{Claim, Lease, Role, decode, encode, encode_end};
use crate::format::names::{self, LeaseName};
use crate::id::{SessionId, TableId};
use crate::keys::Keys;
use crate::pack_reader::read_object;
use crate::store::Store;

/// What the caller knows about the machine it runs on.
#[derive(Clone)]
pub struct Liveness {
    /// Something that no other machine has (`/etc/machine-id`); empty if nothing is known, and then nobody's process is
    /// ever judged to be gone.
    pub machine: Vec<u8>,
    /// Something that changes with every start of the machine.
    pub boot: Vec<u8>,
    pub process: u32,
    /// Start time in ticks of the process with this number on this machine; `None` if there certainly is none, 0 if there
    /// is one whose start cannot be seen.
    pub process_start: Arc<dyn Fn(u32) -> Option<u64> + Send + Sync>,
}

impl Liveness {
    fn claim(&self, keys: &Keys) -> Claim {
        Claim {
            machine: keys.claim_id(&self.machine),
            boot: keys.claim_id(&self.boot),
            process: self.process,
            process_start: (self.process_start)(self.process).unwrap_or_default(),
        }
    }

    /// Whether it is certain that the process behind a claim is gone.
    fn is_gone(&self, claim: &Claim, keys: &Keys) -> bool {
        if self.machine.is_empty() || claim.machine != keys.claim_id(&self.machine) {
            return false;
        }
        if claim.boot != keys.claim_id(&self.boot) {
            return true;
        }
        match (self.process_start)(claim.process) {
            None => true,
            // It exists, and nobody says since when.
            Some(0) => false,
            Some(start) => claim.process_start != 0 && start != claim.process_start,
        }
    }
}

/// A lease that somebody else published and did not end.
pub struct OpenLease {
    pub session: SessionId,
    pub role: Role,
    pub gone: bool,
}

/// Everything that leases need of a repository.
pub struct Leases<'a> {
    pub store: &'a dyn Store,
    pub keys: &'a Keys,
    pub liveness: &'a Liveness,
}

impl Leases<'_> {
    /// Publishes a session's lease.
    pub fn publish(&self, session: SessionId, number: u32, role: Role, seen: Vec<TableId>) -> Result<()> {
        let lease = Lease { session, number, role, claim: self.liveness.claim(self.keys), seen };
        self.put(names::lease(session, number), &encode(self.keys.config().repository, &lease))
    }

    /// Ends a session's lease, one's own or that of a process that is gone.
    pub fn end(&self, session: SessionId) -> Result<()> {
        match self.put(names::lease_end(session), &encode_end(self.keys.config().repository, session)) {
            Err(Error::Store { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    /// The leases of other sessions that have not ended.
    pub fn open_leases(&self, own: SessionId) -> Result<Vec<OpenLease>> {
        let listed = self.store.list(names::LEASES).map_err(|source| Error::Store {
            verb: "list",
            name: names::LEASES.to_owned(),
            source,
        })?;
        let mut latest = BTreeMap::<SessionId, Option<u32>>::new();
        for object in &listed {
            let (session, part) = names::parse_lease(&object.name)
                .map_err(|problem| Error::damaged("list leases", &object.name, problem))?;
            let held = latest.entry(session).or_insert(Some(0));
            *held = match part {
                LeaseName::End => None,
                LeaseName::Claim(number) => held.map(|known| known.max(number)),
            };
        }
        let open = latest.into_iter().filter(|(session, _)| *session != own);
        let mut leases = Vec::new();
        for (session, number) in open.filter_map(|(session, number)| Some((session, number?))) {
            match self.read(session, number) {
                // Ended and collected since it was listed.
                Err(Error::Missing { .. }) => {}
                read => leases.push(read?),
            }
        }
        Ok(leases)
    }

    fn read(&self, session: SessionId, number: u32) -> Result<OpenLease> {
        let name = names::lease(session, number);
        let bytes = read_object(self.store, &name, "read lease")?;
        let lease = decode(self.keys.config().repository, session, &bytes)
            .map_err(|problem| Error::damaged("read lease", &name, problem))?;
        Ok(OpenLease { session, role: lease.role, gone: self.liveness.is_gone(&lease.claim, self.keys) })
    }

    fn put(&self, name: String, bytes: &[u8]) -> Result<()> {
        self.store.put(&name, bytes).map_err(|source| Error::Store { verb: "write", name, source })
    }
}

/// Gives up if a session stands in the way of `role`.
pub fn refuse_conflict(open: &[OpenLease], role: Role, verb: &'static str) -> Result<()> {
    let conflict = |other: &&OpenLease| !other.gone && (role == Role::Collector || other.role == Role::Collector);
    match open.iter().find(conflict) {
        Some(other) => Err(Error::Busy { verb, session: other.session.short(), role: other.role.name() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
