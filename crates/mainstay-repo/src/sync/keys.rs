//! The data keys that brought blocks are sealed under.
//!
//! Owns which of them are here to stay, and wrapping the others by the secrets of this copy of the repository. A name that may have
//! been here before never comes back: what is brought bears the session of the sync (docs/concurrency.md).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::condemned::CondemnedLists;
use crate::error::{Error, Kind, Result, unless_damaged};
use crate::format::keys::encode_data_key;
use crate::format::names::{self, DataKeyName};
use crate::id::{DomainId, SessionId};
use crate::keys::DataKey;
use crate::repository::{Repository, list, put};

/// Wraps that are here and not doomed, and those that are there.
pub struct KeysAtHand {
    here: BTreeMap<SessionId, Vec<DataKeyName>>,
    there: BTreeMap<SessionId, Vec<DataKeyName>>,
    /// Domains of writers that may list here.
    listers: HashMap<DomainId, Option<u32>>,
    confirmed: HashSet<SessionId>,
    /// How many have come.
    pub carried: u64,
}

impl KeysAtHand {
    pub fn list(here: &Repository, there: &Repository, condemned: &CondemnedLists) -> Result<Self> {
        let mut own = wraps(here)?;
        own.values_mut().for_each(|wraps| wraps.retain(|wrap| !condemned.has_wrap(*wrap)));
        let listers = here.writers_that_list()?;
        Ok(Self { here: own, there: wraps(there)?, listers, confirmed: HashSet::new(), carried: 0 })
    }

    /// Makes sure that the data keys of a session are here to stay, and open. Those that come must be what `opens` something there:
    /// whoever knows a public key makes others.
    ///
    /// # Errors
    /// When there are none, or both copies have others.
    pub fn bring(
        &mut self,
        (here, there): (&Repository, &Repository),
        session: SessionId,
        carrier: SessionId,
        opens: impl FnOnce() -> Result<bool>,
    ) -> Result<()> {
        if self.confirmed.contains(&session) {
            return Ok(());
        }
        let damaged = |problem: &str| Error::damaged("bring data key", session, problem);
        let theirs = unless_damaged(there.data_keys.get(session))?;
        let own = self.here.get(&session).map(Vec::as_slice).unwrap_or_default();
        match (unless_damaged(here.first_that_opens(own))?, theirs) {
            (Some((_, own)), Some(theirs)) if own != *theirs => {
                return Err(damaged("the copies of the repository have different keys of it"));
            }
            (Some(_), _) => {}
            (None, Some(theirs)) if opens()? => {
                self.carry((here, there), (session, &theirs), carrier)?;
                self.carried += 1;
            }
            (None, Some(_)) => return Err(damaged("it opens nothing there")),
            (None, None) => return Err(damaged("there is none that opens")),
        }
        self.confirmed.insert(session);
        Ok(())
    }

    /// Wraps a key that is there by the secrets of this copy.
    fn carry(
        &self,
        (here, there): (&Repository, &Repository),
        (session, key): (SessionId, &Arc<DataKey>),
        carrier: SessionId,
    ) -> Result<()> {
        let mut stored = None;
        for wrap in self.there.get(&session).into_iter().flatten() {
            match there.data_keys.read_wrap(wrap) {
                Ok((wrapped, opened)) if opened == **key => stored = Some(wrapped),
                Err(error) if error.kind() != Kind::Corrupt => return Err(error),
                _ => {}
            }
        }
        let stored = stored.ok_or_else(|| Error::damaged("bring data key", session, "its wrap is gone"))?;
        let listed_by = stored.domain.and_then(|domain| self.listers.get(&domain).copied().flatten());
        let wrapped = here.keys.wrap_again(&stored, key, listed_by)?;
        let name = DataKeyName { session, generation: wrapped.generation(), carrier: Some(carrier) };
        put(&*here.store, &name.name(), &encode_data_key(here.id(), &wrapped))?;
        let (_, read) = here.data_keys.read_wrap(&name)?;
        if read != **key {
            return Err(Error::damaged("read back", name.name(), "it holds other keys than were brought"));
        }
        here.data_keys.insert(session, key.clone());
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
