//! Snapshots that are put back by a repair: from when they are there they count, and what they need may come later or not at all.
//!
//! Owns saying that nobody has confirmed them before they come, and confirming what nobody has when everything that it needs is here. Deletes
//! nothing but marks that say so.

use super::acquittals::{is_of_one_snapshot, refuse_if_fenced, secure_anew};
use super::{Means, RepairMode};
use crate::error::Result;
use crate::format::names;
use crate::id::SessionId;
use crate::prune::acquit;
use crate::repository::{Repository, SnapshotPlace, store_error};
use crate::store::is_absent;

/// Marks a snapshot that is gone here, or void, before the repair whose session is `by` puts it back. What a sister lends and is void was here and
/// counted, as its map tells, before its object and the end of its lease were lost: it is acquitted before it comes, since nobody would do that
/// after a repair that dies in between.
pub fn let_count(
    repository: &Repository,
    (lender, means): (&Repository, Means),
    name: &str,
    by: SessionId,
) -> Result<()> {
    let Ok((source, sequence, id)) = names::parse_snapshot(name) else { return Ok(()) };
    let is_gone = match repository.store.len(name) {
        Err(error) if is_absent(&error) => true,
        len => len.map(|_| false).map_err(|source| store_error("read", name, source))?,
    };
    let signed = lender.read_proof(SnapshotPlace { source, sequence, id })?;
    let is_void = repository.fences()?.is_void(signed.session, id);
    if is_gone || is_void {
        repository.begin_to_count(id, Some(by))?;
    }
    if means == Means::Sister && is_void {
        acquit(repository, &signed, by)?;
    }
    Ok(())
}

/// Confirms what counts, has everything that it needs, and was confirmed by nobody, at the end of the repair whose session is `by`: what it has put
/// back itself, and what others have left. One that lacks something stays as it is: `check` tells of it.
pub fn confirm(repository: &Repository, by: SessionId) -> Result<()> {
    let every = repository.proved_snapshots()?;
    for entry in every.entries.iter().filter(|entry| entry.unconfirmed && !entry.forgotten) {
        match secure_anew(repository, entry, (by, RepairMode::Apply)) {
            Ok(()) => {
                if repository.fences()?.is_doubtful(entry.signed.session, entry.id()) {
                    repository.begin_to_count(entry.id(), None)?;
                    acquit(repository, &entry.signed, by)?;
                }
                refuse_if_fenced(repository, by)?;
                repository.confirm_counting(entry.id())?;
            }
            Err(error) if is_of_one_snapshot(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
