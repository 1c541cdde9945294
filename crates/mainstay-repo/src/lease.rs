//! Leases: who is at work in the repository.
//!
//! Owns publishing and ending a lease, and judging those of others. A lease is dead only when it is certain that its
//! process is gone: it ran on this machine and the machine was restarted, or no process with its number and start time
//! is there. No clock is asked. Safety (until pruning runs beside writers): a collector publishes its lease, then lists
//! leases, and gives up if a writer or reader is open; a writer or reader publishes, then lists, and gives up if a
//! collector is open. Each publishes before it lists, so two that overlap cannot both go on.
//!
//! A lease that cannot be read proves nothing, so a collector gives up for it. It stops no writer and no reader: a
//! collector publishes its claim in two objects before it lists, so a session that has only one, or of which one can be
//! read, is known for what it is. Should both of a collector be unreadable, a writer gives up as well. To a reader a
//! collector does no more harm than that it fails to find an object.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::format::lease::{Claim, Lease, Role, decode, encode, encode_end};
use crate::format::names::{self, LeaseName};
use crate::id::SessionId;
use crate::keys::Keys;
use crate::pack_reader::read_object;
use crate::store::Store;

/// Objects in which a collector publishes its claim.
const COLLECTOR_CLAIMS: u32 = 2;

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

/// A lease that did not end, and of whose session nothing is known: none of its claims can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLease {
    /// The object.
    pub name: String,
    /// Why it cannot be read.
    pub problem: String,
    /// Unknown as well if it is the name that makes no sense.
    pub(crate) session: Option<SessionId>,
    /// Objects in which the session published its claim.
    claims: usize,
}

/// The leases of other sessions that have not ended.
#[derive(Default)]
pub struct OpenLeases {
    pub known: Vec<OpenLease>,
    pub unknown: Vec<UnknownLease>,
}

impl OpenLeases {
    /// The sessions that are, or may be, at work.
    pub fn at_work(&self) -> HashSet<SessionId> {
        let known = self.known.iter().filter(|lease| !lease.gone).map(|lease| lease.session);
        known.chain(self.unknown.iter().filter_map(|lease| lease.session)).collect()
    }

    /// Whether one of them writes, or may do so.
    pub fn may_write(&self) -> bool {
        !self.unknown.is_empty() || self.known.iter().any(|lease| lease.role == Role::Writer && !lease.gone)
    }
}

/// Everything that leases need of a repository.
pub struct Leases<'a> {
    pub store: &'a dyn Store,
    pub keys: &'a Keys,
    pub liveness: &'a Liveness,
}

impl Leases<'_> {
    /// Publishes a session's lease; that of a collector in two objects, so that damage to one does not hide it.
    pub fn publish(&self, session: SessionId, role: Role) -> Result<()> {
        let claims = if role == Role::Collector { COLLECTOR_CLAIMS } else { 1 };
        (0..claims).try_for_each(|number| self.publish_claim(session, number, role))
    }

    fn publish_claim(&self, session: SessionId, number: u32, role: Role) -> Result<()> {
        let lease = Lease { session, number, role, claim: self.liveness.claim(self.keys), seen: Vec::new() };
        self.put_once(names::lease(session, number), &encode(self.keys.config().repository, &lease))
    }

    /// Ends a session's lease, one's own or that of a process that is gone.
    pub fn end(&self, session: SessionId) -> Result<()> {
        self.put_once(names::lease_end(session), &encode_end(self.keys.config().repository, session))
    }

    /// The leases of other sessions that have not ended.
    pub fn open_leases(&self, own: SessionId) -> Result<OpenLeases> {
        let listed = self.store.list(names::LEASES).map_err(|source| Error::Store {
            verb: "list",
            name: names::LEASES.to_owned(),
            source,
        })?;
        let mut open = OpenLeases::default();
        let (mut claims, mut ended) = (BTreeMap::<SessionId, Vec<u32>>::new(), HashSet::from([own]));
        for object in listed {
            match names::parse_lease(&object.name) {
                Ok((session, LeaseName::End)) => drop(ended.insert(session)),
                Ok((session, LeaseName::Claim(number))) if names::lease(session, number) == object.name => {
                    claims.entry(session).or_default().push(number);
                }
                _ => {
                    let problem = "it is not the name of a lease".to_owned();
                    open.unknown.push(UnknownLease { name: object.name, problem, session: None, claims: 1 });
                }
            }
        }
        for (session, mut numbers) in claims.into_iter().filter(|(session, _)| !ended.contains(session)) {
            numbers.sort_unstable_by(|a, b| b.cmp(a));
            match self.read_latest(session, &numbers) {
                Ok(None) => {}
                Ok(Some(lease)) => open.known.push(lease),
                Err(lease) => open.unknown.push(lease),
            }
        }
        Ok(open)
    }

    /// The first of a session's claims that can be read; `None` if there are none any more.
    fn read_latest(&self, session: SessionId, numbers: &[u32]) -> Result<Option<OpenLease>, UnknownLease> {
        let mut unknown = None;
        for number in numbers {
            let name = names::lease(session, *number);
            let problem = match self.read(session, &name) {
                Ok(lease) => return Ok(Some(lease)),
                // Ended and collected since it was listed.
                Err(Error::Missing { .. }) => continue,
                Err(Error::Damaged { problem, .. }) => problem,
                Err(Error::Store { source, .. }) => source.to_string(),
                Err(error) => error.to_string(),
            };
            unknown.get_or_insert(UnknownLease { name, problem, session: Some(session), claims: numbers.len() });
        }
        unknown.map_or(Ok(None), Err)
    }

    fn read(&self, session: SessionId, name: &str) -> Result<OpenLease> {
        let bytes = read_object(self.store, name, "read lease")?;
        let lease = decode(self.keys.config().repository, session, &bytes)
            .map_err(|problem| Error::damaged("read lease", name, problem))?;
        Ok(OpenLease { session, role: lease.role, gone: self.liveness.is_gone(&lease.claim, self.keys) })
    }

    /// Writes what may have been written already.
    fn put_once(&self, name: String, bytes: &[u8]) -> Result<()> {
        let put = match self.store.put(&name, bytes) {
            Err(source) if source.kind() == std::io::ErrorKind::AlreadyExists => self.store.make_durable(&name),
            put => put,
        };
        put.map_err(|source| Error::Store { verb: "write", name, source })
    }
}

/// Gives up if a session stands in the way of `role`, or may do so.
pub fn refuse_conflict(open: &OpenLeases, role: Role, verb: &'static str) -> Result<()> {
    let conflict = |other: &&OpenLease| !other.gone && (role == Role::Collector || other.role == Role::Collector);
    if let Some(other) = open.known.iter().find(conflict) {
        return Err(Error::Busy { verb, session: other.session.short(), role: other.role.name() });
    }
    let may_conflict = |other: &&UnknownLease| match role {
        Role::Collector => true,
        Role::Writer => other.claims >= COLLECTOR_CLAIMS as usize,
        Role::Reader => false,
    };
    match open.unknown.iter().find(may_conflict) {
        Some(UnknownLease { name, problem, .. }) => {
            Err(Error::UnknownLease { verb, name: name.clone(), problem: problem.clone() })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
