//! The data keys of sessions: drawing, wrapping, unwrapping.
//!
//! Owns the two schemes: wrapped by the secret of the purpose, and sealed to its public half by those who lack it.

use zeroize::Zeroizing;

use super::Keys;
use super::domain::{Domain, seed_of};
use super::rights::Right;
use crate::error::{Error, Result};
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
        let keys =
            vec![self.wrap_key(session, Purpose::Content, &content)?, self.wrap_key(session, Purpose::Tree, &tree)?];
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

    fn key_data(&self, session: SessionId, purpose: Purpose) -> Vec<u8> {
        associated_data(self.config.repository, ObjectKind::DataKey, &[&session.0, &[purpose as u8]])
    }

    fn wrap_key(&self, session: SessionId, purpose: Purpose, key: &KeyBytes) -> Result<WrappedKey> {
        let data = self.key_data(session, purpose);
        let Some(secret) = self.own.secret(purpose) else {
            let public = self.own.public_key(purpose).map_err(|problem| Error::damaged("use", "key slot", problem))?;
            let wrapped = public.seal(&data, key.as_slice())?.into();
            return Ok(WrappedKey { purpose: purpose as u8, scheme: SEALED, nonce: None, wrapped });
        };
        let nonce = random()?;
        let mut wrapped = key.to_vec();
        self.wrapping_key(secret).seal(nonce, &data, &mut wrapped, 0);
        Ok(WrappedKey { purpose: purpose as u8, scheme: WRAPPED, nonce: Some(nonce.into()), wrapped: wrapped.into() })
    }

    pub(super) fn wrapping_key(&self, secret: &[u8; 32]) -> SealKey {
        SealKey::new(self.suite(), &derive(secret, &[b"wrap data key"]))
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
        let Some(secret) = domain.and_then(|domain| domain.secret(purpose)) else { return Ok(None) };
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
