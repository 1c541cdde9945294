//! Sidecars that are damaged themselves.
//!
//! Owns making them anew, from packs that are whole.

use std::collections::HashMap;

use super::inspect::Packs;
use super::{Means, RepairMode, Repaired};
use crate::error::Result;
use crate::format::names;
use crate::format::parity::ParityHeader;
use crate::id::{HeaderSum, PackId, SessionId};
use crate::parity::{DEFAULT_PERCENT, PERCENTS, Sidecar, Sidecars, State, plan, write_sidecar};
use crate::prune::PruneObserver;
use crate::repository::{Repository, store_error};
use crate::store::Object;

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
    let sidecars = Sidecars::list(store)?;
    let (mut mended, mut written) = (Vec::new(), 0);
    if sidecars.packs().next().is_none() {
        return Ok((mended, written));
    }
    let listed = repository.list_packs()?;
    let places: HashMap<PackId, (SessionId, u64)> = listed.iter().filter_map(place_of).collect();
    for (id, objects) in sidecars.packs() {
        let Some((session, len)) = places.get(&id).filter(|_| packs.whole.contains(&id)) else { continue };
        for object in objects {
            observer.check()?;
            let opened = Sidecar::open(store, repository.id(), &object.name)?;
            if opened.is_some_and(|sidecar| matches!(sidecar.state(), Ok(State::Whole))) {
                continue;
            }
            if mode == RepairMode::Apply {
                let percent = names::parse_parity(&object.name).ok();
                let percent = percent.and_then(|(_, sum)| percent_by_name(repository, (id, *len), sum));
                store.delete(&object.name).map_err(|source| store_error("delete", &object.name, source))?;
                let percent = percent.unwrap_or(DEFAULT_PERCENT);
                written += write_sidecar(store, repository.id(), (id, *session), percent)?;
            }
            mended.push(Repaired { object: object.name.clone(), means: Means::Derived });
        }
    }
    Ok((mended, written))
}

fn place_of(pack: &Object) -> Option<(PackId, (SessionId, u64))> {
    let (id, session) = names::parse_pack(&pack.name).ok()?;
    Some((id, (session, pack.len)))
}

/// The percentage that leads to a sidecar of this name.
fn percent_by_name(repository: &Repository, (pack, len): (PackId, u64), sum: HeaderSum) -> Option<u8> {
    PERCENTS.into_iter().find(|percent| plan(pack, len, *percent).sum(repository.id()) == sum)
}
