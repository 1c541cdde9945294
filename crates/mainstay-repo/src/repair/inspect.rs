//! Which packs are what their names say.
//!
//! Owns reading every byte of every pack. Judges nothing but the hash, and changes nothing.

use std::collections::HashSet;

use crate::error::Result;
use crate::format::names;
use crate::id::{PackId, SessionId};
use crate::parity::{StoredBytes, is_pack};
use crate::prune::PruneObserver;
use crate::repository::Repository;

/// A pack that is not what its name says.
#[derive(Clone, Debug)]
pub struct DamagedPack {
    pub name: String,
    pub id: PackId,
    pub session: SessionId,
}

/// The packs of a repository.
#[derive(Default)]
pub struct Packs {
    pub whole: HashSet<PackId>,
    pub damaged: Vec<DamagedPack>,
    /// How many were read, and their bytes.
    pub count: u64,
    pub bytes: u64,
}

/// Reads every pack.
pub fn inspect(repository: &Repository, observer: &dyn PruneObserver) -> Result<Packs> {
    let mut listed = repository.list_packs()?;
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    observer.expect(listed.len() as u64, listed.iter().map(|pack| pack.len).sum());
    let mut packs = Packs::default();
    for pack in listed {
        let Ok((id, session)) = names::parse_pack(&pack.name) else { continue };
        packs.count += 1;
        packs.bytes += pack.len;
        if is_whole(repository, &pack.name, id, observer)? {
            packs.whole.insert(id);
        } else {
            packs.damaged.push(DamagedPack { name: pack.name, id, session });
        }
        observer.advance(1, 0);
    }
    // The same bytes under another name are a copy that nobody asked for; whole ones count.
    packs.damaged.retain(|pack| !packs.whole.contains(&pack.id));
    Ok(packs)
}

fn is_whole(repository: &Repository, name: &str, id: PackId, observer: &dyn PruneObserver) -> Result<bool> {
    let bytes = StoredBytes::open(&*repository.store, name.to_owned())?;
    is_pack(&bytes, id, &mut |read| {
        observer.advance(0, read);
        observer.check()
    })
}
