//! Opening by second copies of what is damaged.
//!
//! Owns when a copy stands for the configuration or a key slot. Believes no copy for being there: the keys that open bind the
//! repository and its suite. Invariant: no slot opens by a copy that is not listed itself while any is, since it may have been removed.
//!
//! Of a rotation that was killed a holder has two slots. Where the newer one is damaged the older one opens, and by it all that came since would look
//! lost: so its copy opens, as long as it holds what the older one does.

use std::sync::Arc;

use super::{Repository, list, readable_slots, small_objects};
use crate::error::{Error, Result};
use crate::format::config::{self, Config, Form};
use crate::format::keys::{StoredSlot, decode_slot};
use crate::format::{limits, names};
use crate::id::{RepositoryId, SlotId};
use crate::keys::{Keys, Secret};
use crate::lease::Liveness;
use crate::pack_reader::read_object;
use crate::store::{InFolder, Layered, Store};

/// The configuration, or its second copy where it is damaged or gone; then with what is wrong with it.
///
/// # Errors
/// What is wrong with the configuration, if no copy stands for it; that it is of another version, whatever a copy says.
pub fn find_config(store: &dyn Store) -> Result<(Config, Option<String>)> {
    match Repository::read_config(store) {
        Err(error @ (Error::Damaged { .. } | Error::NoRepository { .. })) => match believable_copy(store)? {
            Some(config) => Ok((config, Some(error.to_string()))),
            None => Err(error),
        },
        config => Ok((config?, None)),
    }
}

/// What the second copy of a configuration says, where that is another repository.
pub fn other_config(store: &dyn Store, config: &Config) -> Result<Option<(Config, String)>> {
    let other = believable_copy(store)?.filter(|other| other.repository != config.repository);
    let named = config.repository.short();
    Ok(other.map(|other| (other, format!("read {}: it names the repository {named}", names::CONFIG))))
}

/// The second copy of the configuration. What nothing binds, that a repository is an archive, is not taken from it; and one of an archive is
/// nobody's: archives have no copies.
fn believable_copy(store: &dyn Store) -> Result<Option<Config>> {
    // Where there is no repository a store answers in its own way that it has no copies either.
    let Ok(bytes) = store.read(&names::second_copy(names::CONFIG), limits::CONFIG_LEN) else { return Ok(None) };
    let Ok(config) = config::decode(&bytes) else { return Ok(None) };
    let is_whole = config::is_as_written(&bytes) && config.form == Form::Growing;
    Ok((is_whole && list(store, names::ARCHIVE)?.is_empty()).then_some(config))
}

/// Opens a repository with one of its secrets.
pub fn unlock(store: &Arc<dyn Store>, config: Config, secret: &Secret, liveness: Liveness) -> Result<Repository> {
    let (slots, damaged) = readable_slots(&**store, config.repository)?;
    let refused = match Keys::unlock(config, &slots, secret) {
        Ok((keys, slot)) => {
            let newer = newer_by_copy(store, secret, (&keys, slot), &damaged);
            let (keys, despite) = newer.map_or((keys, None), |(newer, despite)| (newer, Some(despite)));
            let mut opened = Repository::assemble(store.clone(), keys, slot, liveness);
            opened.opened_despite.extend(despite);
            return Ok(opened);
        }
        Err(refused) => refused,
    };
    if slots.is_empty()
        && damaged.is_empty()
        && let Some((other, despite)) = other_config(&**store, &config)?
        && let Ok(mut opened) = unlock(store, other, secret, liveness.clone())
    {
        opened.opened_despite.push(despite);
        return Ok(opened);
    }
    let copies = if matches!(refused, Error::WrongKey { .. }) {
        slot_copies(store, config, (&slots, &damaged))?
    } else {
        Vec::new()
    };
    if let Ok((keys, slot)) = Keys::unlock(config, &copies, secret) {
        let mut opened = Repository::assemble(store.clone(), keys, slot, liveness);
        let named = |error: &Error| matches!(error, Error::Damaged { name, .. } if is_of(name, slot));
        let despite = damaged.iter().find(|error| named(error));
        opened
            .opened_despite
            .push(despite.map_or_else(|| "list key slots: there is none".to_owned(), Error::to_string));
        return Ok(opened);
    }
    if slots.is_empty() {
        small_objects::refuse_other_repository(&**store, config.repository)?;
    }
    match (refused, damaged.into_iter().next_back()) {
        // The slot that fits may be the one that is damaged; another that is damaged keeps nobody out.
        (Error::WrongKey { .. }, Some(damage)) => Err(damage),
        (refused, _) => Err(refused),
    }
}

fn is_of(name: &str, slot: SlotId) -> bool {
    names::parse_key_slot(name).is_ok_and(|(id, _)| id == slot)
}

/// Newer secrets of a holder whose slot with them is listed and damaged, by its second copy, and what is wrong with the slot.
fn newer_by_copy(
    store: &Arc<dyn Store>,
    secret: &Secret,
    (older, slot): (&Keys, SlotId),
    damaged: &[Error],
) -> Option<(Keys, String)> {
    let is_newer = |name: &str| {
        names::parse_key_slot(name).is_ok_and(|(id, generation)| id == slot && generation > older.generation())
    };
    let newer = damaged.iter().filter_map(|error| match error {
        Error::Damaged { name, .. } if is_newer(name) => Some((name, error)),
        _ => None,
    });
    let (names, errors): (Vec<&String>, Vec<&Error>) = newer.unzip();
    let despite = errors.last()?.to_string();
    let config = older.config();
    let copies = read_slot_copies(store, config.repository, names.into_iter());
    let (keys, opened) = Keys::unlock(*config, &copies, secret).ok()?;
    (opened == slot && keys.go_on_from(older)).then_some((keys, despite))
}

/// The second copies of slots that are listed and damaged; of all, where no slot of the repository is listed.
fn slot_copies(
    store: &Arc<dyn Store>,
    config: Config,
    (slots, damaged): (&[StoredSlot], &[Error]),
) -> Result<Vec<StoredSlot>> {
    let is_slot = |error: &Error| matches!(error, Error::Damaged { name, .. } if names::parse_key_slot(name).is_ok());
    if slots.is_empty() && !damaged.iter().any(is_slot) {
        let listed = list(&copies_in(store), names::KEY_SLOTS)?;
        return Ok(read_slot_copies(store, config.repository, listed.iter().map(|object| &object.name)));
    }
    let names = damaged.iter().filter_map(|error| match error {
        Error::Damaged { name, .. } => Some(name),
        _ => None,
    });
    Ok(read_slot_copies(store, config.repository, names))
}

/// The second copies of slots with these names. Whatever is wrong with a copy, it is no worse than having none.
pub fn read_slot_copies<'n>(
    store: &Arc<dyn Store>,
    repository: RepositoryId,
    names: impl Iterator<Item = &'n String>,
) -> Vec<StoredSlot> {
    let copies = copies_in(store);
    let read = |name: &String| {
        let place = names::parse_key_slot(name).ok()?;
        let bytes = read_object(&copies, name, "read key slot").ok()?;
        decode_slot(repository, place, &bytes).ok()
    };
    names.filter_map(read).collect()
}

fn copies_in(store: &Arc<dyn Store>) -> Layered<InFolder> {
    Layered(InFolder::new(store.clone(), names::COPIES))
}
