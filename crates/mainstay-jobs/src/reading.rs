//! A reader's claim on the repository, which keeps prune away while much of it is read.
//!
//! Owns that the user is told where there is none: a store that takes no object can still be read.

use mainstay_repo::{Kind, ReadLease, Repository};

use crate::{Progress, Result};

/// Begins to read a repository as a whole.
///
/// # Errors
/// While a collector is at work, or when the store fails.
pub fn begin<'r>(repository: &'r Repository, progress: &dyn Progress) -> Result<ReadLease<'r>> {
    let lease = repository.begin_reading()?;
    if !lease.is_published() {
        tell(repository, progress);
    }
    Ok(lease)
}

/// Begins to bring data back, which goes on without a lease whatever the reason: what can be read is worth more.
///
/// # Errors
/// While a collector is at work.
pub fn begin_to_restore<'r>(repository: &'r Repository, progress: &dyn Progress) -> Result<Option<ReadLease<'r>>> {
    let lease = match repository.begin_reading() {
        Err(error) if error.kind() == Kind::Busy => return Err(error.into()),
        lease => lease.ok().filter(ReadLease::is_published),
    };
    if lease.is_none() {
        tell(repository, progress);
    }
    Ok(lease)
}

fn tell(repository: &Repository, progress: &dyn Progress) {
    progress.warn(&repository.location(), "no lease can be written there; do not prune while this runs");
}
