//! Small objects that are damaged and that nothing can mend, but that can be done without.
//!
//! Owns which: a wrap of data keys beside another one that opens, and, if that is accepted, a record of removal, a mark of forgetting, a list
//! of losses, what fenced a session that is not at work, and a wrap of data keys that are lost and of which no snapshot is left. What a record
//! said is lost with it: what it explained is missing from then on, and given up by itself. A mark whose snapshot is here is put anew, and says the
//! least that it may have said: the snapshot is not forgotten, and nobody relies on it until somebody has confirmed it. An acquittal goes when what it may have said was said anew, or when no snapshot here counts by it. Nothing goes that was damaged in one reading only.

use std::collections::HashSet;

use super::acquittals::{self, Renewed};
use super::{Means, OnLoss, RepairMode, RepairOptions, Repaired, Resting};
use crate::error::{Error, Kind, Result, unless_damaged};
use crate::format::names::{self, DataKeyName, FenceName};
use crate::id::{SessionId, SnapshotId};
use crate::repository::{Repository, SnapshotPlace, delete, list};
use crate::store::is_bad_sector;

/// What became of them.
#[derive(Default)]
pub struct PutAway {
    pub repaired: Vec<Repaired>,
    /// Acquittals that stay.
    pub resting: Vec<Resting>,
}

/// Puts them away, or says which would be, for the repair of this session.
pub fn put_away(repository: &Repository, options: RepairOptions, session: SessionId) -> Result<PutAway> {
    let mut put_away = PutAway::default();
    let accepts = options.on_loss == OnLoss::Accept;
    for object in damaged_twice(repository)? {
        if let Some(marked) = marked_and_here(repository, &object)? {
            if options.mode == RepairMode::Apply {
                repository.take_back_mark(marked)?;
            }
            put_away.repaired.push(Repaired { object, means: Means::Derived });
            continue;
        }
        let renewed = match names::parse_fence(&object) {
            Ok((of, FenceName::Acquittal(_))) => acquittals::renew(repository, of, (session, options.mode))?,
            _ => Renewed::Nothing,
        };
        let means = match (names::parse_data_key(&object), renewed) {
            (Ok(wrap), _) if opens_without(repository, wrap)? => Means::Copies,
            (Ok(wrap), _) if accepts && serves_nobody(repository, wrap)? => Means::GivenUp,
            (Err(_), Renewed::All) => Means::Derived,
            (Err(_), Renewed::Lacking(snapshots)) => {
                put_away.resting.push(Resting { acquittal: object, snapshots });
                continue;
            }
            (Err(_), Renewed::Nothing) if accepts && can_be_given_up(repository, &object)? => Means::GivenUp,
            _ => continue,
        };
        if options.mode == RepairMode::Apply {
            delete(&*repository.store, &object)?;
        }
        put_away.repaired.push(Repaired { object, means });
    }
    Ok(put_away)
}

/// The snapshot of a mark, if that is here.
fn marked_and_here(repository: &Repository, mark: &str) -> Result<Option<SnapshotId>> {
    let id = mark.strip_prefix(names::TRASH).and_then(|id| SnapshotId::from_hex(id).ok());
    let Some(id) = id else { return Ok(None) };
    let listed = list(&*repository.store, names::SNAPSHOTS)?;
    let is_here = listed.iter().any(|object| names::parse_snapshot(&object.name).is_ok_and(|(_, _, here)| here == id));
    Ok(is_here.then_some(id))
}

/// Whether nothing is believed for want of it that should not be.
fn can_be_given_up(repository: &Repository, object: &str) -> Result<bool> {
    if object.starts_with(names::FENCES) {
        // A session that is at work must find its fence.
        let Ok((session, _)) = names::parse_fence(object) else { return Ok(true) };
        let open = repository.leases().open_leases(SessionId([0; 16]))?;
        return Ok(!open.at_work().contains(&session));
    }
    Ok([names::HISTORY, names::TRASH, names::LOSSES].iter().any(|folder| object.starts_with(folder)))
}

/// Whether what a damaged wrap holds is lost, and no snapshot waits for it. Beside a writer nothing is given up.
fn serves_nobody(repository: &Repository, damaged: DataKeyName) -> Result<bool> {
    if repository.leases().open_leases(SessionId([0; 16]))?.may_write() || !repository.is_key_lost(damaged.session)? {
        return Ok(false);
    }
    for object in list(&*repository.store, names::SNAPSHOTS)? {
        // Whose one is that proves nothing is not known.
        let Ok((source, sequence, id)) = names::parse_snapshot(&object.name) else { return Ok(false) };
        match unless_damaged(repository.read_proof(SnapshotPlace { source, sequence, id }))? {
            Some(signed) if signed.session != damaged.session => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Those that are damaged whenever they are read: a disk may have read badly a moment ago.
pub fn damaged_twice(repository: &Repository) -> Result<Vec<String>> {
    let look = || -> Result<Vec<String>> {
        let damages = repository.damaged_small_objects()?.into_iter();
        Ok(damages.filter(|damage| is_damaged(&damage.error)).map(|damage| damage.name).collect())
    };
    let damages = look()?;
    let again = if damages.is_empty() { HashSet::new() } else { look()?.into_iter().collect() };
    Ok(damages.into_iter().filter(|object| again.contains(object)).collect())
}

/// What a disk cannot read, whenever it is asked, is damaged. What is sealed by secrets that were drawn since this repair opened the repository
/// is not.
fn is_damaged(error: &Error) -> bool {
    let is_newer = Error::tells_of_newer_secrets(&error.to_string());
    error.kind() == Kind::Corrupt && !is_newer || matches!(error, Error::Store { source, .. } if is_bad_sector(source))
}

/// Whether another wrap of the same keys opens, and this one does not.
fn opens_without(repository: &Repository, damaged: DataKeyName) -> Result<bool> {
    let listed = list(&*repository.store, names::DATA_KEYS)?;
    let wraps = listed.iter().filter_map(|object| names::parse_data_key(&object.name).ok());
    let mut others = wraps.filter(|wrap| wrap.session == damaged.session && *wrap != damaged);
    let opens = |wrap: &DataKeyName| repository.data_keys.read_wrap(wrap).is_ok();
    Ok(!opens(&damaged) && others.any(|wrap| opens(&wrap)))
}
