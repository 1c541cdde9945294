//! Small objects that are damaged and that nothing can mend, but that can be done without.
//!
//! Owns which: a wrap of data keys beside one that opens, and, if that is accepted, a record of removal. What a record said is lost
//! with it: what it explained is missing from then on, and given up by itself.

use super::{Means, OnLoss, RepairMode, RepairOptions, Repaired};
use crate::error::{Kind, Result};
use crate::format::names;
use crate::repository::{Repository, store_error};

/// Puts them away, or says which would be.
pub fn put_away(repository: &Repository, options: RepairOptions) -> Result<Vec<Repaired>> {
    let mut put_away = Vec::new();
    for damage in repository.damaged_small_objects()? {
        // What cannot be read at this moment is not damaged.
        if damage.error.kind() != Kind::Corrupt {
            continue;
        }
        let means = match names::parse_data_key(&damage.name) {
            Ok(wrap) if repository.data_keys.get(wrap.session).is_ok() => Means::Copies,
            Err(_) if damage.name.starts_with(names::HISTORY) && options.on_loss == OnLoss::Accept => Means::GivenUp,
            _ => continue,
        };
        if options.mode == RepairMode::Apply {
            let deleted = repository.store.delete(&damage.name);
            deleted.map_err(|source| store_error("delete", &damage.name, source))?;
        }
        put_away.push(Repaired { object: damage.name, means });
    }
    Ok(put_away)
}
