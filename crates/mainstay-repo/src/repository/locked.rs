//! A repository that was found and is not opened yet.
//!
//! Owns the way from a store to an open repository, so that it is looked for once however many keys are tried. Holds no key.

use std::sync::Arc;

use super::{Repository, stand_in};
use crate::error::Result;
use crate::format::config::{Config, Form};
use crate::id::RepositoryId;
use crate::keys::Secret;
use crate::lease::Liveness;
use crate::store::Store;

/// A repository before it is opened: nothing but which one it is.
pub struct Locked {
    store: Arc<dyn Store>,
    config: Config,
    /// What is wrong with the configuration, if a second copy stands for it.
    despite: Option<String>,
}

impl Locked {
    /// Looks which repository is in a store; needs no key.
    pub fn find(store: Arc<dyn Store>) -> Result<Self> {
        let (config, despite) = stand_in::find_config(&*store)?;
        Ok(Self { store, config, despite })
    }

    /// The same as the second copy of the configuration says, where that names another repository than the first: for whoever found
    /// nothing that opens this one.
    pub fn by_second_copy(&self) -> Result<Option<Self>> {
        let other = stand_in::other_config(&*self.store, &self.config)?;
        let store = Arc::clone(&self.store);
        Ok(other.map(|(config, despite)| Self { store, config, despite: Some(despite) }))
    }

    pub fn id(&self) -> RepositoryId {
        self.config.repository
    }

    /// Whether it is a sealed bundle of one snapshot.
    pub fn is_archive(&self) -> bool {
        self.config.form == Form::Archive
    }

    /// The same repository, reached in another way.
    pub fn through(self, way: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>) -> Self {
        Self { store: way(self.store), ..self }
    }

    /// Opens it with one of its secrets.
    pub fn unlock(&self, secret: &Secret, liveness: Liveness) -> Result<Repository> {
        let mut opened = stand_in::unlock(&self.store, self.config, secret, liveness)?;
        opened.opened_despite.extend(self.despite.clone());
        Ok(opened)
    }
}
