//! Small objects that are damaged and that nothing can mend, but that can be done without.
//!
//! Owns which: a wrap of data keys beside another one that opens, and, if that is accepted, a record of removal. What a record said is
//! lost with it: what it explained is missing from then on, and given up by itself. Nothing goes that was damaged in one reading
//! only.

use super::{Means, OnLoss, RepairMode, RepairOptions, Repaired};
use crate::error::{Kind, Result};
use crate::format::names::{self, DataKeyName};
use crate::repository::{Repository, list, store_error};

/// Puts them away, or says which would be.
pub fn put_away(repository: &Repository, options: RepairOptions) -> Result<Vec<Repaired>> {
    let mut put_away = Vec::new();
    for damage in repository.damaged_small_objects()? {
        // What cannot be read at this moment is not damaged.
        if damage.error.kind() != Kind::Corrupt {
            continue;
        }
        let means = match names::parse_data_key(&damage.name) {
            Ok(wrap) if opens_without(repository, wrap)? => Means::Copies,
            Err(_) if damage.name.starts_with(names::HISTORY) && options.on_loss == OnLoss::Accept => Means::GivenUp,
            _ => continue,
        };
        // Read once more: a disk may have read badly a moment ago.
        if !repository.damaged_small_objects()?.iter().any(|again| again.name == damage.name) {
            continue;
        }
        if options.mode == RepairMode::Apply {
            let deleted = repository.store.delete(&damage.name);
            deleted.map_err(|source| store_error("delete", &damage.name, source))?;
        }
        put_away.push(Repaired { object: damage.name, means });
    }
    Ok(put_away)
}

/// Whether another wrap of the same keys opens, and this one does not.
fn opens_without(repository: &Repository, damaged: DataKeyName) -> Result<bool> {
    let listed = list(&*repository.store, names::DATA_KEYS)?;
    let wraps = listed.iter().filter_map(|object| names::parse_data_key(&object.name).ok());
    let mut others = wraps.filter(|wrap| wrap.session == damaged.session && *wrap != damaged);
    let opens = |wrap: &DataKeyName| repository.data_keys.read_wrap(wrap).is_ok();
    Ok(!opens(&damaged) && others.any(|wrap| opens(&wrap)))
}
