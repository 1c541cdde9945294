//! Sidecars that are damaged themselves.
//!
//! Owns making them anew, from packs that are whole.

use std::collections::HashMap;

use super::inspect::Packs;
use super::{Means, RepairMode, Repaired};
use crate::error::Result;
use crate::format::names;
use crate::format::parity::ParityHeader;
use crate::id::{PackId, SessionId};
use crate::parity::{DEFAULT_PERCENT, PERCENTS, Sidecar, State, write_sidecar};
use crate::prune::PruneObserver;
use crate::repository::{Repository, list, store_error};

/// The percentage by which a sidecar was made, from what it divides the pack into.
pub fn percent_of(header: &ParityHeader) -> u8 {
    let percent = header.parity * 100 / header.data.max(1);
    (percent.min(u32::from(*PERCENTS.end())) as u8).max(*PERCENTS.start())
}

/// Makes the sidecars of whole packs anew that are damaged; answers which, and the bytes that were written.
pub fn mend(
    repository: &Repository,
    packs: &Packs,
    mode: RepairMode,
    observer: &dyn PruneObserver,
) -> Result<(Vec<Repaired>, u64)> {
    let store = &*repository.store;
    let sidecars = list(store, names::PARITY)?;
    if sidecars.is_empty() {
        return Ok((Vec::new(), 0));
    }
    let names = repository.list_packs()?;
    let sessions: HashMap<PackId, SessionId> =
        names.iter().filter_map(|pack| names::parse_pack(&pack.name).ok()).collect();
    let (mut mended, mut written) = (Vec::new(), 0);
    for object in sidecars {
        observer.check()?;
        let Ok(id) = names::parse_parity(&object.name) else { continue };
        let Some(session) = sessions.get(&id).filter(|_| packs.whole.contains(&id)) else { continue };
        let percent = match Sidecar::open(store, repository.id(), id)? {
            Some(sidecar) if sidecar.state()? == State::Whole => continue,
            Some(sidecar) => percent_of(&sidecar.header),
            None => DEFAULT_PERCENT,
        };
        if mode == RepairMode::Apply {
            store.delete(&object.name).map_err(|source| store_error("delete", &object.name, source))?;
            written += write_sidecar(store, repository.id(), (id, *session), percent)?;
        }
        mended.push(Repaired { object: object.name, means: Means::Derived });
    }
    Ok((mended, written))
}
