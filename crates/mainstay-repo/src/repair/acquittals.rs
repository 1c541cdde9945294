//! Acquittals that are damaged and have no whole copy: what they may have said is said anew.
//!
//! Owns finding the snapshots that count by such an acquittal alone, and acquitting those of which everything is here, by the steps of an
//! undeletion (A1 to A4 of docs/concurrency.md): the lease of a repair names the lists that were there, as a writer's does. Deletes nothing.

use std::collections::HashSet;

use crate::error::{Error, Kind, Result};
use crate::fence::{Fences, is_fenced};
use crate::id::{SessionId, SnapshotId};
use crate::index::Care;
use crate::prune::{acquit, refuse_past_saving, require_every_part};
use crate::repository::{ProvedSnapshot, Repository};
use crate::session::Wanted;

use super::RepairMode;

/// What became of the snapshots that count by a damaged acquittal.
#[derive(Debug, PartialEq, Eq)]
pub enum Renewed {
    /// What counts by acquittals of this session counts without the damaged one.
    All,
    /// There is none: nobody knows what it was about.
    Nothing,
    /// These would be void without it, and it cannot be said anew that they count.
    Lacking(Vec<SnapshotId>),
}

/// Acquits the snapshots of a session that count by a damaged acquittal alone, for the repair whose session is `by`.
pub fn renew(repository: &Repository, session: SessionId, (by, mode): (SessionId, RepairMode)) -> Result<Renewed> {
    let every = repository.proved_snapshots()?;
    let fences = repository.fences()?;
    let own: Vec<&ProvedSnapshot> = every.entries.iter().filter(|entry| entry.signed.session == session).collect();
    // Of what cannot be read nobody knows whose it is: it may come back from another copy of the repository, and rest on this.
    let mut lacking: Vec<SnapshotId> = every.lost.iter().filter_map(|lost| lost.place).map(|place| place.id).collect();
    for entry in own.iter().filter(|entry| is_in_doubt(&fences, entry)) {
        match acquit_anew(repository, entry, (by, mode)) {
            Ok(()) => {}
            // One that is forgotten goes, void or not.
            Err(error) if is_of_one_snapshot(&error) && entry.forgotten => {}
            Err(error) if is_of_one_snapshot(&error) => lacking.push(entry.id()),
            Err(error) => return Err(error),
        }
    }
    let is_acquitted = |entry: &&ProvedSnapshot| {
        fences.is_acquitted(session, entry.id()) || is_in_doubt(&fences, entry) && !entry.forgotten
    };
    Ok(match (lacking.is_empty(), own.iter().any(is_acquitted)) {
        (false, _) => Renewed::Lacking(lacking),
        (true, true) => Renewed::All,
        (true, false) => Renewed::Nothing,
    })
}

/// Whether a snapshot is void but for an acquittal that cannot be read.
fn is_in_doubt(fences: &Fences, entry: &ProvedSnapshot) -> bool {
    fences.is_settled_away(entry.signed.session, entry.id())
}

pub fn is_of_one_snapshot(error: &Error) -> bool {
    error.kind() == Kind::Corrupt || matches!(error, Error::Condemned { .. })
}

fn acquit_anew(repository: &Repository, entry: &ProvedSnapshot, (by, mode): (SessionId, RepairMode)) -> Result<()> {
    secure_anew(repository, entry, (by, mode))?;
    if mode == RepairMode::Show {
        return Ok(());
    }
    repository.begin_to_count(entry.id(), None)?;
    acquit(repository, &entry.signed, by)?;
    refuse_if_fenced(repository, by)?;
    repository.confirm_counting(entry.id())
}

/// Publish, then look: a collector that disregarded this repair may have removed what it relied on.
pub fn refuse_if_fenced(repository: &Repository, by: SessionId) -> Result<()> {
    match is_fenced(&*repository.store, &repository.judge, by)? {
        true => Err(Error::Fenced { verb: "repair", session: by.short() }),
        false => Ok(()),
    }
}

/// Makes sure of everything that a snapshot needs, for the repair whose session is `by`.
pub fn secure_anew(repository: &Repository, entry: &ProvedSnapshot, (by, mode): (SessionId, RepairMode)) -> Result<()> {
    let (id, mut condemned) = (entry.id(), repository.condemned()?);
    refuse_past_saving(repository, &mut condemned, id)?;
    let blocks = repository.reference_map(id, &entry.signed.references)?.iter().collect();
    let wanted = Wanted { blocks, believed: Some(id), found: None };
    if mode == RepairMode::Show {
        require_a_copy(repository, &wanted)?;
        return require_every_part(repository, entry, HashSet::new());
    }
    wanted.secure(repository, by, &condemned)?;
    require_every_part(repository, entry, condemned.packs())
}

/// What is in doomed packs only is there as well: a repair that applies rescues it.
fn require_a_copy(repository: &Repository, wanted: &Wanted<'_>) -> Result<()> {
    let gone = repository.index_beside(HashSet::new(), Care::Tails)?.packs_beside(&repository.list_packs()?);
    let index = repository.index_beside(gone.into_iter().collect(), Care::Tails)?;
    let accepted = repository.known_losses()?.accepted;
    for block in wanted.blocks.iter().filter(|block| !accepted.contains(**block)) {
        if index.find_block(*block)?.is_none() {
            return Err(Error::BlockMissing { block: block.to_string() });
        }
    }
    Ok(())
}
