//! Second copies that are damaged themselves.
//!
//! Owns making them anew, from objects that are whole.

use super::{Means, RepairMode, Repaired};
use crate::error::Result;
use crate::format::names;
use crate::repository::Repository;

/// Makes the second copies anew that are not what their whole objects are; answers which.
pub fn mend(repository: &Repository, mode: RepairMode) -> Result<Vec<Repaired>> {
    let mut mended = Vec::new();
    for name in repository.stale_copies()? {
        if mode == RepairMode::Apply {
            repository.renew_copy(&name)?;
        }
        mended.push(Repaired { object: names::second_copy(&name), means: Means::Derived });
    }
    Ok(mended)
}
