//! Leases: who is at work in the repository.
//!
//! Owns publishing, renewing and ending a lease, and judging those of others. A session is certainly gone when it ran on this
//! machine and the machine was restarted, or no process with its number and start time is there; it is silent when it has
//! not renewed its lease for long. Neither is believed by itself: whoever wants to disregard such a session fences it first
//! (`fence`), so a wrong judgement costs that session its work and nobody a block. A lease that cannot be read is fenced as
//! well. Safety: docs/concurrency.md.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::fence::{Fences, put_once};
use crate::format::lease::{Claim, Lease, Role, decode, encode, encode_end};
use crate::format::names::{self, LeaseName};
use crate::id::{SessionId, TableId};
use crate::keys::Keys;
use crate::pack_reader::read_object;
use crate::signer::Judge;
use crate::store::Store;

/// A session that has not renewed its lease for so long counts as silent: seven days, in nanoseconds. Policy only.
const SILENCE: i64 = 7 * 24 * 3600 * 1_000_000_000;
/// A session at work renews its lease so often: every hour.
const RENEWAL: i64 = 3600 * 1_000_000_000;

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
    /// Nanoseconds since the Unix epoch.
    pub now: Arc<dyn Fn() -> i64 + Send + Sync>,
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
    /// The condemned lists that the session knew when it began.
    pub seen: Vec<TableId>,
    /// Its process is certainly gone.
    pub gone: bool,
    /// It has not been renewed for long.
    pub silent: bool,
}

/// A lease that did not end, and of whose session nothing is known: none of its objects can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLease {
    /// The object.
    pub name: String,
    /// Why it cannot be read.
    pub problem: String,
    /// Unknown as well if it is the name that makes no sense.
    pub(crate) session: Option<SessionId>,
}

/// The leases of other sessions that have neither ended nor been settled.
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

    /// The sessions to be fenced before anything is concluded from what they did not say.
    pub fn to_fence(&self) -> Vec<SessionId> {
        let known = self.known.iter().filter(|lease| lease.gone || lease.silent).map(|lease| lease.session);
        known.chain(self.unknown.iter().filter_map(|lease| lease.session)).collect()
    }

    /// Whether a collector is open, gone or not.
    pub fn has_collector(&self) -> bool {
        self.known.iter().any(|lease| lease.role == Role::Collector)
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty() && self.unknown.is_empty()
    }

    /// A session for which a condemned list has to wait: one that did not know it when it began.
    pub fn awaited_by(&self, list: TableId) -> Option<SessionId> {
        let known = self.known.iter().find(|lease| !lease.seen.contains(&list)).map(|lease| lease.session);
        known.or_else(|| self.unknown.iter().find_map(|lease| lease.session))
    }
}

/// Everything that leases need of a repository.
pub struct Leases<'a> {
    pub store: &'a dyn Store,
    pub keys: &'a Keys,
    pub judge: &'a Judge,
    pub liveness: &'a Liveness,
}

impl Leases<'_> {
    /// Publishes a session's lease, before the session looks at anything.
    pub fn publish(&self, session: SessionId, role: Role) -> Result<OwnLease> {
        let own = OwnLease { session, role, seen: Vec::new(), number: 0, renewed: (self.liveness.now)() };
        self.put(&own)?;
        Ok(own)
    }

    /// Publishes it again with the condemned lists that the session has read since, and obeys.
    pub fn acknowledge(&self, own: &mut OwnLease, seen: Vec<TableId>) -> Result<()> {
        own.seen = seen;
        self.put_next(own)
    }

    /// Publishes it again if that was not done for long, so that the session is not taken for gone.
    pub fn renew_in_time(&self, own: &mut OwnLease) -> Result<()> {
        let age = (self.liveness.now)().saturating_sub(own.renewed);
        if age.unsigned_abs() < RENEWAL.unsigned_abs() { Ok(()) } else { self.put_next(own) }
    }

    fn put_next(&self, own: &mut OwnLease) -> Result<()> {
        own.number += 1;
        own.renewed = (self.liveness.now)();
        self.put(own)
    }

    fn put(&self, own: &OwnLease) -> Result<()> {
        let OwnLease { session, role, number, renewed, .. } = *own;
        let claim = self.liveness.claim(self.keys);
        let lease = Lease { session, number, role, claim, seen: own.seen.clone(), renewed };
        put_once(self.store, names::lease(session, number), &encode(self.keys.config().repository, &lease))
    }

    /// Ends one's own lease.
    pub fn end(&self, session: SessionId) -> Result<()> {
        put_once(self.store, names::lease_end(session), &encode_end(self.keys.config().repository, session))
    }

    /// The leases of other sessions that have neither ended nor been settled.
    pub fn open_leases(&self, own: SessionId) -> Result<OpenLeases> {
        let listed = self.store.list(names::LEASES).map_err(|source| Error::Store {
            verb: "list",
            name: names::LEASES.to_owned(),
            source,
        })?;
        let fences = Fences::read(self.store, self.judge)?;
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
                    open.unknown.push(UnknownLease { name: object.name, problem, session: None });
                }
            }
        }
        let is_over = |session: &SessionId| ended.contains(session) || fences.is_settled(*session);
        for (session, mut numbers) in claims.into_iter().filter(|(session, _)| !is_over(session)) {
            numbers.sort_unstable_by(|a, b| b.cmp(a));
            match self.read_latest(session, &numbers) {
                Ok(None) => {}
                Ok(Some(lease)) => open.known.push(lease),
                Err(lease) => open.unknown.push(lease),
            }
        }
        Ok(open)
    }

    /// The newest of a session's objects that can be read; `None` if there are none any more.
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
            unknown.get_or_insert(UnknownLease { name, problem, session: Some(session) });
        }
        unknown.map_or(Ok(None), Err)
    }

    fn read(&self, session: SessionId, name: &str) -> Result<OpenLease> {
        let bytes = read_object(self.store, name, "read lease")?;
        let lease = decode(self.keys.config().repository, session, &bytes)
            .map_err(|problem| Error::damaged("read lease", name, problem))?;
        let silence = (self.liveness.now)().saturating_sub(lease.renewed).unsigned_abs();
        Ok(OpenLease {
            session,
            role: lease.role,
            gone: self.liveness.is_gone(&lease.claim, self.keys),
            silent: silence > SILENCE.unsigned_abs(),
            seen: lease.seen,
        })
    }
}

/// A session's own lease, as it was published last.
pub struct OwnLease {
    pub session: SessionId,
    role: Role,
    /// The condemned lists that the session obeys and that do not wait for it.
    pub seen: Vec<TableId>,
    number: u32,
    renewed: i64,
}

#[cfg(test)]
mod tests;
