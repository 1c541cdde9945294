//! The data keys that brought blocks are sealed under.
//!
//! Owns which of them are here to stay, and wrapping the others by the secrets of this copy of the repository. A name that may have
//! been here before never comes back: what is brought bears the session of the sync (docs/concurrency.md).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::condemned::CondemnedLists;
use crate::error::{Error, Kind, Result};
use crate::format::keys::encode_data_key;
use crate::format::names::{self, DataKeyName};
use crate::id::{DomainId, SessionId};
use crate::repository::{Repository, list, put};

/// Wraps that are here and not doomed, and those that are there.
pub struct KeysAtHand {
    here: BTreeMap<SessionId, Vec<DataKeyName>>,
    there: BTreeMap<SessionId, Vec<DataKeyName>>,
    /// Domains of writers that may list here.
    listers: HashMap<DomainId, u32>,
    confirmed: HashSet<SessionId>,
}

impl KeysAtHand {
    pub fn list(here: &Repository, there: &Repository, condemned: &CondemnedLists) -> Result<Self> {
        let mut own = wraps(here)?;
        own.values_mut().for_each(|wraps| wraps.retain(|wrap| !condemned.has_wrap(*wrap)));
        let listers = here.writers_that_list()?;
        Ok(Self { here: own, there: wraps(there)?, listers, confirmed: HashSet::new() })
    }

    /// Whether there is a wrap of a session's data keys that is not doomed.
    pub fn has(&self, session: SessionId) -> bool {
        self.confirmed.contains(&session) || self.here.get(&session).is_some_and(|wraps| !wraps.is_empty())
    }

    /// Makes sure that the data keys of a session are here to stay, and open.
    pub fn bring(
        &mut self,
        (here, there): (&Repository, &Repository),
        session: SessionId,
        carrier: SessionId,
    ) -> Result<()> {
        if self.confirmed.contains(&session) {
            return Ok(());
        }
        let theirs = self.there.get(&session).map(Vec::as_slice).unwrap_or_default();
        let known = there.first_that_opens(theirs);
        let own = self.here.get(&session).map(Vec::as_slice).unwrap_or_default();
        let is_same = match here.first_that_opens(own) {
            Err(error) if error.kind() == Kind::Corrupt => false,
            // Where theirs is damaged, what is here opens what is here.
            found => known.as_ref().map_or(true, |(_, theirs)| found.is_ok_and(|(_, own)| own == *theirs)),
        };
        if !is_same {
            let (stored, key) = known?;
            let listed_by = stored.domain.and_then(|domain| self.listers.get(&domain).copied());
            let wrapped = here.keys.wrap_again(&stored, &key, listed_by)?;
            let name = DataKeyName { session, generation: wrapped.generation(), carrier: Some(carrier) };
            put(&*here.store, &name.name(), &encode_data_key(here.id(), &wrapped))?;
            let (_, read) = here.data_keys.read_wrap(&name)?;
            if read != key {
                return Err(Error::damaged("read back", name.name(), "it holds other keys than were brought"));
            }
            here.data_keys.insert(session, Arc::new(read));
        }
        self.confirmed.insert(session);
        Ok(())
    }
}

fn wraps(repository: &Repository) -> Result<BTreeMap<SessionId, Vec<DataKeyName>>> {
    let mut wraps = BTreeMap::<_, Vec<_>>::new();
    let listed = list(&*repository.store, names::DATA_KEYS)?;
    for wrap in listed.iter().filter_map(|object| names::parse_data_key(&object.name).ok()) {
        wraps.entry(wrap.session).or_default().push(wrap);
    }
    Ok(wraps)
}
