//! The data keys of sessions: drawing, wrapping, unwrapping.
//!
//! Owns the two schemes: wrapped by the secret of the purpose, and sealed to its public half by those who lack it.

use zeroize::Zeroizing;

use super::Keys;
use super::domain::{Domain, seed_of};
use super::rights::Right;
use crate::error::{Error, ROTATED, Result};
use crate::format::config::Suite;
use crate::format::envelope::{ObjectKind, associated_data};
use crate::format::keys::{Purpose, StoredDataKey, WrappedKey};
use crate::format::{Decoded, Problem};
use crate::id::{DomainId, SessionId};
use crate::seal::{KeyBytes, SealKey, derive, open_sealed_to, random};

const WRAPPED: u8 = 1;
const SEALED: u8 = 2;

/// The data keys of one session, one for content and one for trees and snapshots, as far as they could be opened.
pub struct DataKey {
    pub(super) suite: Suite,
    pub(super) content: Option<KeyBytes>,
    pub(super) tree: Option<KeyBytes>,
}

impl PartialEq for DataKey {
    fn eq(&self, other: &Self) -> bool {
        (&self.content, &self.tree) == (&other.content, &other.tree)
    }
}

impl DataKey {
    /// The key of one block; no two blocks share one.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] when the secret that opens the data key was not given.
    pub fn block_key(&self, kind: ObjectKind, serial: u32) -> Result<SealKey> {
        let (key, right) = match kind {
            ObjectKind::ContentBlock => (&self.content, Right::Restore),
            _ => (&self.tree, Right::List),
        };
        let key = key.as_ref().ok_or_else(|| Error::not_allowed("open block", right))?;
        Ok(SealKey::new(self.suite, &derive(key, &[b"block", &serial.to_le_bytes()])))
    }

    /// The key of the session's whole objects of one kind.
    ///
    /// # Errors
    /// [`Error::NotAllowed`], as above.
    pub fn object_key(&self, kind: ObjectKind) -> Result<SealKey> {
        let key = self.tree.as_ref().ok_or_else(|| Error::not_allowed("open object", Right::List))?;
        Ok(SealKey::new(self.suite, &derive(key, &[b"object", &[kind as u8]])))
    }
}

impl Keys {
    /// Draws the data keys of a new session and wraps them.
    pub fn new_data_key(&self, session: SessionId) -> Result<(DataKey, StoredDataKey)> {
        let (content, tree) = (Zeroizing::new(random()?), Zeroizing::new(random()?));
        let wrap = |purpose, key| self.wrap_key((session, &self.own), purpose, key);
        let keys = vec![wrap(Purpose::Content, &content)?, wrap(Purpose::Tree, &tree)?];
        let domain = (self.own.id != DomainId::MAIN).then_some(self.own.id);
        let key = DataKey { suite: self.suite(), content: Some(content), tree: Some(tree) };
        Ok((key, StoredDataKey { session, keys, domain }))
    }

    /// Unwraps the data keys of a session, as far as the secrets allow; what they do not is left out.
    pub fn open_data_key(&self, stored: &StoredDataKey) -> Decoded<DataKey> {
        let id = stored.domain.unwrap_or(DomainId::MAIN);
        self.learn(stored.session, id);
        let domain = self.domain(id);
        let open = |purpose| self.unwrap_key(stored, purpose, domain.as_deref());
        Ok(DataKey { suite: self.suite(), content: open(Purpose::Content)?, tree: open(Purpose::Tree)? })
    }

    /// Wraps the data keys of a session anew by the secrets of this generation; a tree key that a writer may open stays as it
    /// is, given the generation of the writer's secrets.
    ///
    /// # Errors
    /// When they do not open.
    pub fn rewrap_data_key(&self, stored: &StoredDataKey, listed_by: Option<u32>) -> Result<StoredDataKey> {
        let damaged = |problem| Error::damaged("wrap anew", format!("data key {}", stored.session), problem);
        let key = self.open_data_key(stored).map_err(damaged)?;
        self.wrap_again(stored, &key, listed_by)
    }

    /// The same, given what was opened of it, perhaps by the secrets of another copy of the repository.
    pub fn wrap_again(&self, stored: &StoredDataKey, key: &DataKey, listed_by: Option<u32>) -> Result<StoredDataKey> {
        let session = stored.session;
        let domain = self.required_domain("wrap data key", stored.domain.unwrap_or(DomainId::MAIN))?;
        let wrap = |purpose, key: &Option<KeyBytes>| {
            let key = key.as_ref().ok_or_else(|| Error::not_allowed("wrap data key", Right::Maintain))?;
            self.wrap_key((session, &domain), purpose, key)
        };
        let is_listed = |key: &&WrappedKey| {
            key.purpose == Purpose::Tree as u8 && key.scheme == WRAPPED && Some(key.generation()) == listed_by
        };
        let tree = match stored.keys.iter().find(is_listed) {
            Some(tree) => tree.clone(),
            None => wrap(Purpose::Tree, &key.tree)?,
        };
        Ok(StoredDataKey { session, keys: vec![wrap(Purpose::Content, &key.content)?, tree], domain: stored.domain })
    }

    fn key_data(&self, session: SessionId, purpose: Purpose) -> Vec<u8> {
        associated_data(self.config.repository, ObjectKind::DataKey, &[&session.0, &[purpose as u8]])
    }

    fn wrap_key(
        &self,
        (session, domain): (SessionId, &Domain),
        purpose: Purpose,
        key: &KeyBytes,
    ) -> Result<WrappedKey> {
        let data = self.key_data(session, purpose);
        let (generation, purpose_number) = (domain.secrets.generation, purpose as u8);
        let Some(secret) = domain.secret(purpose) else {
            let public = domain.public_key(purpose).map_err(|problem| Error::damaged("use", "key slot", problem))?;
            let wrapped = public.seal(&data, key.as_slice())?.into();
            return Ok(WrappedKey { purpose: purpose_number, scheme: SEALED, nonce: None, wrapped, generation });
        };
        let nonce = random()?;
        let mut wrapped = key.to_vec();
        self.wrapping_key(secret).seal(nonce, &data, &mut wrapped, 0);
        let (nonce, wrapped) = (Some(nonce.into()), wrapped.into());
        Ok(WrappedKey { purpose: purpose_number, scheme: WRAPPED, nonce, wrapped, generation })
    }

    pub(super) fn wrapping_key(&self, secret: &[u8; 32]) -> SealKey {
        SealKey::new(self.suite(), &derive(secret, &[b"wrap data key"]))
    }

    /// Whether one key of a wrap opens, for tests that try it with what somebody kept.
    #[cfg(test)]
    pub fn opens(&self, stored: &StoredDataKey, purpose: Purpose) -> bool {
        let domain = self.domain(stored.domain.unwrap_or(DomainId::MAIN));
        self.unwrap_key(stored, purpose, domain.as_deref()).is_ok_and(|key| key.is_some())
    }

    /// # Errors
    /// When there is no key of that purpose, or it does not open although the secret is there.
    fn unwrap_key(
        &self,
        stored: &StoredDataKey,
        purpose: Purpose,
        domain: Option<&Domain>,
    ) -> Decoded<Option<KeyBytes>> {
        let known = |key: &&WrappedKey| key.purpose == purpose as u8 && matches!(key.scheme, WRAPPED | SEALED);
        let held = stored.keys.iter().find(known);
        let held = held.ok_or_else(|| Problem(format!("it holds no key for {purpose:?}")))?;
        let Some(domain) = domain.filter(|domain| domain.secret(purpose).is_some()) else { return Ok(None) };
        let (wrapped_in, own) = (held.generation(), domain.secrets.generation());
        let secret = domain.secret_of(purpose, wrapped_in).ok_or_else(|| {
            Problem(format!(
                "it is wrapped by secrets of generation {wrapped_in}, and this key has those of {own}: {ROTATED}"
            ))
        })?;
        let data = self.key_data(stored.session, purpose);
        let closed = || Problem(format!("its key for {purpose:?} does not open"));
        let plain = if held.scheme == SEALED {
            open_sealed_to(&seed_of(secret), &data, &held.wrapped).map_err(|_| closed())?
        } else {
            let mut wrapped = Zeroizing::new(held.wrapped.to_vec());
            let nonce = held.nonce.ok_or_else(|| Problem(format!("its key for {purpose:?} has no nonce")))?;
            let opened = self.wrapping_key(secret).open(nonce.into(), &data, &mut wrapped).map_err(|_| closed())?;
            Zeroizing::new(opened.to_vec())
        };
        let key: [u8; 32] = plain.as_slice().try_into().map_err(|_| Problem::new("its key has the wrong length"))?;
        Ok(Some(Zeroizing::new(key)))
    }
}
