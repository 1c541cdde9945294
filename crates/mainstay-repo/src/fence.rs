//! Fences: sessions that count for nothing any more, and what of theirs counts nevertheless.
//!
//! Owns reading and putting fences and settlements. Decides neither who is fenced nor which snapshots were there: a collector
//! does. A session is settled when some collector has written down which snapshots it found after the fence; of several
//! settlements only what all of them name counts (docs/concurrency.md).

use std::collections::{HashMap, HashSet};

use crate::error::{Error, Kind, Result};
use crate::format::coord::{Fence, Settlement, decode_settlement, encode_fence, encode_settlement};
use crate::format::names::{self, FenceName};
use crate::id::{RepositoryId, SessionId, SnapshotId};
use crate::pack_reader::read_object;
use crate::store::Store;

/// Every fence and settlement of a repository, as it was listed.
#[derive(Default)]
pub struct Fences {
    /// Sessions with a fence or a settlement.
    fenced: HashSet<SessionId>,
    /// Of each settled session the snapshots that all its settlements name.
    survivors: HashMap<SessionId, HashSet<SnapshotId>>,
}

impl Fences {
    /// Reads them all. A settlement that is damaged counts as not made: then a session is fenced anew.
    pub fn read(store: &dyn Store, repository: RepositoryId) -> Result<Self> {
        let mut fences = Self::default();
        for object in list(store, names::FENCES)? {
            let Ok((session, part)) = names::parse_fence(&object.name) else { continue };
            fences.fenced.insert(session);
            let FenceName::Settlement(collector) = part else { continue };
            let settled = match read_object(store, &object.name, "read settlement") {
                Err(error) if error.kind() == Kind::Corrupt => continue,
                bytes => decode_settlement(repository, (session, collector), &bytes?),
            };
            if let Ok(settled) = settled {
                fences.add(settled);
            }
        }
        Ok(fences)
    }

    fn add(&mut self, settled: Settlement) {
        let survivors: HashSet<SnapshotId> = settled.survivors.into_iter().collect();
        self.survivors
            .entry(settled.session)
            .and_modify(|known| known.retain(|snapshot| survivors.contains(snapshot)))
            .or_insert(survivors);
    }

    /// Whether this session counts for nothing but its surviving snapshots.
    pub fn is_settled(&self, session: SessionId) -> bool {
        self.survivors.contains_key(&session)
    }

    /// Whether anybody has fenced this session: what it published lately may turn out to be void.
    pub fn is_fenced(&self, session: SessionId) -> bool {
        self.fenced.contains(&session)
    }

    /// Whether a snapshot came after the fence of its session.
    pub fn is_void(&self, session: SessionId, snapshot: SnapshotId) -> bool {
        self.survivors.get(&session).is_some_and(|survivors| !survivors.contains(&snapshot))
    }
}

/// Whether anybody has fenced this session.
pub fn is_fenced(store: &dyn Store, session: SessionId) -> Result<bool> {
    Ok(!list(store, &format!("{}{session}/", names::FENCES))?.is_empty())
}

/// Puts a fence: whatever the session publishes from now on does not count. Whoever puts it settles the session next.
pub fn put_fence(store: &dyn Store, repository: RepositoryId, fence: &Fence) -> Result<()> {
    put_once(store, names::fence(fence.session, fence.collector), &encode_fence(repository, fence))
}

/// Writes down which snapshots of a fenced session were listed after the fence was there.
pub fn put_settlement(store: &dyn Store, repository: RepositoryId, settled: &Settlement) -> Result<()> {
    let name = names::settlement(settled.session, settled.collector);
    put_once(store, name, &encode_settlement(repository, settled))
}

/// Writes what may have been written already.
pub(crate) fn put_once(store: &dyn Store, name: String, bytes: &[u8]) -> Result<()> {
    let put = match store.put(&name, bytes) {
        // Whoever wrote it may have died before it was durable.
        Err(source) if source.kind() == std::io::ErrorKind::AlreadyExists => store.make_durable(&name),
        put => put,
    };
    put.map_err(|source| Error::Store { verb: "write", name, source })
}

fn list(store: &dyn Store, prefix: &str) -> Result<Vec<crate::store::Object>> {
    store.list(prefix).map_err(|source| Error::Store { verb: "list", name: prefix.to_owned(), source })
}

#[cfg(test)]
mod tests;
