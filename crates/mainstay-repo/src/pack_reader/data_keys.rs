//! The data keys of sessions, unwrapped once.
//!
//! Owns finding the wrap that opens: in good order a session has one, by whomever it was carried here; while a rotation is not
//! finished, one of each generation of secrets. Takes a wrap for damage only when no other of its session opens.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::read_object;
use crate::error::{Error, Kind, Result};
use crate::format::keys::{StoredDataKey, decode_data_key};
use crate::format::names::DataKeyName;
use crate::format::{Problem, names};
use crate::id::SessionId;
use crate::keys::{DataKey, Keys};
use crate::store::{Store, read_through};

/// The wraps of each session that are listed.
type Wraps = HashMap<SessionId, Vec<DataKeyName>>;

/// The data keys of sessions, unwrapped once.
pub struct DataKeys {
    store: Arc<dyn Store>,
    pub(super) keys: Arc<Keys>,
    held: Mutex<HashMap<SessionId, Arc<DataKey>>>,
    /// As they were listed when one was not where it should be.
    wraps: Mutex<Wraps>,
}

impl DataKeys {
    pub fn new(store: Arc<dyn Store>, keys: Arc<Keys>) -> Self {
        Self { store, keys, held: Mutex::default(), wraps: Mutex::default() }
    }

    pub fn insert(&self, session: SessionId, key: Arc<DataKey>) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(session, key);
    }

    /// Reads all of them anew when they are asked for.
    pub fn forget(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The data keys of a session, as far as they may be opened.
    ///
    /// # Errors
    /// When they are missing or damaged; that they may not be opened shows when one is used.
    pub fn get(&self, session: SessionId) -> Result<Arc<DataKey>> {
        if let Some(key) = self.held.lock().unwrap_or_else(PoisonError::into_inner).get(&session) {
            return Ok(key.clone());
        }
        let key = Arc::new(self.find(session)?);
        self.insert(session, key.clone());
        Ok(key)
    }

    /// Tries the wrap of one's own generation, then what was listed before, then what is listed now.
    fn find(&self, session: SessionId) -> Result<DataKey> {
        let own = DataKeyName { session, generation: self.keys.generation(), carrier: None };
        let mut failure = match self.read_wrap(&own) {
            Err(error) if error.kind() == Kind::Corrupt => error,
            read => return read.map(|(_, key)| key),
        };
        let lock = || self.wraps.lock().unwrap_or_else(PoisonError::into_inner);
        for is_listed in [false, true] {
            if is_listed {
                let listed = self.list()?;
                *lock() = listed;
            }
            let known = lock().get(&session).cloned().unwrap_or_default();
            for wrap in known.into_iter().filter(|wrap| *wrap != own) {
                match self.read_wrap(&wrap) {
                    Err(error) if error.kind() == Kind::Corrupt => {
                        let says_more = matches!(failure, Error::Missing { .. });
                        failure = if says_more { error } else { failure };
                    }
                    read => return read.map(|(_, key)| key),
                }
            }
        }
        Err(failure)
    }

    /// Reads one wrap of a session and opens it.
    pub fn read_wrap(&self, wrap: &DataKeyName) -> Result<(StoredDataKey, DataKey)> {
        read_through(&*self.store, &wrap.name(), || self.read_wrap_once(wrap))
    }

    fn read_wrap_once(&self, wrap: &DataKeyName) -> Result<(StoredDataKey, DataKey)> {
        let name = wrap.name();
        let bytes = read_object(&*self.store, &name, "read data key")?;
        let damaged = |problem: Problem| Error::damaged("read data key", &name, problem);
        let repository = self.keys.config().repository;
        let stored = decode_data_key(repository, (wrap.session, wrap.generation), &bytes).map_err(damaged)?;
        let key = self.keys.open_data_key(&stored).map_err(damaged)?;
        Ok((stored, key))
    }

    /// The newest first.
    fn list(&self) -> Result<Wraps> {
        let listed = self.store.list(names::DATA_KEYS).map_err(|source| Error::Store {
            verb: "list",
            name: names::DATA_KEYS.to_owned(),
            source,
        })?;
        let mut wraps = Wraps::new();
        for wrap in listed.iter().filter_map(|object| names::parse_data_key(&object.name).ok()) {
            wraps.entry(wrap.session).or_default().push(wrap);
        }
        wraps.values_mut().for_each(|wraps| wraps.sort_unstable_by_key(|wrap| Reverse(wrap.generation)));
        Ok(wraps)
    }
}
