//! Which packs are what their names say.
//!
//! Owns reading every byte of every pack. Judges nothing but the hash, and changes nothing.

use std::collections::HashSet;

use crate::error::Result;
use crate::format::names;
use crate::format::pack::encode_header;
use crate::id::{PackId, SessionId};
use crate::parity::{Bytes as _, StoredBytes, is_pack};
use crate::prune::{PruneObserver, Surroundings};
use crate::repository::Repository;
use crate::store::Object;

/// A pack that is not what its name says.
#[derive(Clone, Debug)]
pub struct DamagedPack {
    pub name: String,
    pub id: PackId,
    pub session: SessionId,
    /// It has its length, or what is there of it.
    pub len: u64,
    /// Why nothing more is to be decided about it, or is.
    pub standing: Standing,
}

/// What others have to do with a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing: it was there before anybody was asked, and nobody at work has written it.
    Settled,
    /// A collector has doomed it already: what is needed of it is moved, and whoever finishes the list deletes it.
    Condemned,
    /// Its session is at work, and has to tell what it needs first.
    AtWork,
}

/// The packs of a repository.
#[derive(Default)]
pub struct Packs {
    /// Those that others may rely on.
    pub whole: HashSet<PackId>,
    /// Whole ones that are condemned: their blocks can be had, and count for nobody.
    pub doomed: Vec<Object>,
    pub damaged: Vec<DamagedPack>,
    /// Bytes of a pack under the name of another session: nobody can open them there.
    pub strangers: Vec<String>,
    /// How many were read, and their bytes.
    pub count: u64,
    pub bytes: u64,
}

/// Reads every pack.
pub fn inspect(repository: &Repository, around: &Surroundings, observer: &dyn PruneObserver) -> Result<Packs> {
    // By lists that were put since, too.
    let mut condemned = repository.condemned()?.packs();
    condemned.extend(around.condemned.packs());
    let mut listed = repository.list_packs()?;
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    observer.expect(listed.len() as u64, listed.iter().map(|pack| pack.len).sum());
    let mut packs = Packs::default();
    for pack in listed {
        let Ok((id, session)) = names::parse_pack(&pack.name) else { continue };
        packs.count += 1;
        packs.bytes += pack.len;
        let standing = match condemned.contains(&id) {
            true => Standing::Condemned,
            false if around.is_settled_pack(&pack) => Standing::Settled,
            false => Standing::AtWork,
        };
        if is_whole(repository, &pack.name, id, observer)? {
            if !has_its_header(repository, &pack.name, session)? {
                packs.strangers.push(pack.name);
                continue;
            }
            match standing {
                Standing::Condemned => packs.doomed.push(pack),
                _ => drop(packs.whole.insert(id)),
            }
        } else {
            packs.damaged.push(DamagedPack { name: pack.name, id, session, len: pack.len, standing });
        }
        observer.advance(1, 0);
    }
    // The same bytes under another name are a copy that nobody asked for; whole ones count.
    packs.damaged.retain(|pack| !packs.whole.contains(&pack.id));
    // What a collector has deleted meanwhile is not damaged.
    let listed: HashSet<String> = repository.list_packs()?.into_iter().map(|pack| pack.name).collect();
    packs.damaged.retain(|pack| listed.contains(&pack.name));
    Ok(packs)
}

/// Whether a pack that is whole bears the name of the session that it says.
pub(super) fn has_its_header(repository: &Repository, name: &str, session: SessionId) -> Result<bool> {
    let (bytes, expected) =
        (StoredBytes::open(&*repository.store, name.to_owned())?, encode_header(repository.id(), session));
    let mut header = expected;
    Ok(bytes.read_at(0, &mut header)? && header == expected)
}

/// Reads a pack and tells how far it is; answers whether it is what its name says.
pub(super) fn is_whole(repository: &Repository, name: &str, id: PackId, observer: &dyn PruneObserver) -> Result<bool> {
    let bytes = StoredBytes::open(&*repository.store, name.to_owned())?;
    is_pack(&bytes, id, &mut |read| {
        observer.advance(0, read);
        observer.check()
    })
}
