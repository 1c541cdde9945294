//! The repository's keys: slots that hold its secrets, and the data keys of sessions.
//!
//! Owns wrapping, unwrapping and derivation. Knows no store: bytes of slots and data keys come in and go out. Invariants:
//! no secret leaves this module except as a ready key or an identifier; a secret that a key lacks is never invented, and
//! never taken for damage.

mod codes;
mod data;
mod domain;
mod rights;
mod slots;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::format::config::{Config, Form, Suite};
use crate::format::keys::{Secrets, StoredSlot};
use crate::format::limits;
use crate::format::signature::SigningRights;
use crate::id::{BlockId, ChunkId, DomainId, SessionId, SlotId, SourceId, TableId};
use crate::seal::{KeyBytes, SealKey, derive};
use crate::signer::Signer;

pub use crate::format::keys::SlotKind;
pub use codes::{Recipient, RecipientCode, RecoveryCode};
pub use data::DataKey;
use domain::Domain;
pub use rights::{Right, Rights};

/// What a person or a file has to offer.
pub enum Secret {
    Passphrase(Zeroizing<String>),
    Code(RecoveryCode),
    /// The private half of a recipient.
    Recipient(RecipientCode),
}

impl Secret {
    /// Takes a text for a code if it is one, else for a passphrase.
    pub fn from_text(text: &str) -> Self {
        Self::from_code(text).unwrap_or_else(|| Self::Passphrase(Zeroizing::new(text.to_owned())))
    }

    /// Reads a code of either kind.
    pub fn from_code(text: &str) -> Option<Self> {
        let recipient = || RecipientCode::parse(text).map(Self::Recipient);
        RecoveryCode::parse(text).map(Self::Code).or_else(recipient)
    }

    /// Whether it was taken for a passphrase and looks like a recovery code with a mistake in it.
    pub fn is_like_a_code(&self) -> bool {
        match self {
            Self::Passphrase(text) => text.lines().any(RecoveryCode::is_resembled_by),
            Self::Code(_) | Self::Recipient(_) => false,
        }
    }

    fn slot_kind(&self) -> SlotKind {
        match self {
            Self::Passphrase(_) => SlotKind::Passphrase,
            Self::Code(_) => SlotKind::RecoveryCode,
            Self::Recipient(_) => SlotKind::Recipient,
        }
    }
}

/// A key slot as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySlot {
    pub id: SlotId,
    pub kind: SlotKind,
    pub label: String,
    /// Nanoseconds since the Unix epoch.
    pub created: i64,
    /// As the slot says; what is sealed in it decides.
    pub rights: Rights,
    /// How often the secrets were rotated when those in it were drawn; as its name says.
    pub generation: u32,
}

impl From<&StoredSlot> for KeySlot {
    fn from(slot: &StoredSlot) -> Self {
        Self {
            id: slot.id,
            kind: slot.kind,
            label: slot.label.clone(),
            created: slot.created,
            rights: Rights::from_number(slot.rights),
            generation: slot.generation(),
        }
    }
}

/// The keys of an open repository, as far as its slot gave them.
pub struct Keys {
    config: Config,
    own: Arc<Domain>,
    /// What the holder who opened these keys signs with.
    signer: Signer,
    claims: KeyBytes,
    /// Other domains whose secrets were made, by whoever can.
    others: Mutex<HashMap<DomainId, Arc<Domain>>>,
    /// Sessions of other domains, as their data keys say.
    sessions: Mutex<HashMap<SessionId, DomainId>>,
}

impl Keys {
    /// Draws the secrets of a new repository and its first holder, whom the repository is named after.
    pub fn generate(suite: Suite, label: &str, created: i64) -> Result<Self> {
        let (signer, repository) = Signer::first(label, created)?;
        Self::draw(Config { repository, suite, form: Form::Growing }, signer)
    }

    pub(crate) fn draw(config: Config, signer: Signer) -> Result<Self> {
        Ok(Self::new(config, Domain::generate()?, signer))
    }

    pub(crate) fn new(config: Config, secrets: Secrets, signer: Signer) -> Self {
        let own = Arc::new(Domain::new(secrets));
        Self { config, claims: own.claims(), own, signer, others: Mutex::default(), sessions: Mutex::default() }
    }

    /// The same keys with the next generation of the secrets that wrap data keys.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] for keys that lack some of them.
    pub fn rotated(&self) -> Result<Self> {
        if self.generation() >= limits::GENERATIONS {
            let (got, limit) = (u64::from(self.generation()) + 1, limits::GENERATIONS.into());
            return Err(Error::Limit { what: "rotations".to_owned(), got, limit });
        }
        let secrets = Domain::rotate(&self.own.secrets)?;
        let secrets = secrets.ok_or_else(|| Error::not_allowed("rotate secrets", Right::Maintain))?;
        Ok(Self::new(self.config, secrets, Signer::open(self.signer.stored().clone())))
    }

    /// The same keys for another copy of the repository: what that one says of sessions says nothing here.
    pub fn apart(&self) -> Self {
        let signer = Signer::open(self.signer.stored().clone());
        let claims = self.claims.clone();
        Self {
            config: self.config,
            claims,
            own: self.own.clone(),
            signer,
            others: Mutex::default(),
            sessions: Mutex::default(),
        }
    }

    /// How often the secrets were rotated when those of these keys were drawn.
    pub fn generation(&self) -> u32 {
        self.own.secrets.generation()
    }

    /// Whether both hold the same secrets.
    pub fn are_those_of(&self, other: &Self) -> bool {
        self.own.secrets == other.own.secrets
    }

    /// Whether these secrets go on from those of other keys: they hold what wraps data keys in the generation of those.
    pub fn go_on_from(&self, other: &Self) -> bool {
        let (own, other) = (&self.own.secrets, &other.own.secrets);
        let then = match own.older.as_ref().and_then(|older| older.get(other.generation() as usize)) {
            Some(older) => (Some(&older.content), Some(&older.tree)),
            None if own.generation() == other.generation() => (own.content.as_ref(), own.tree.as_ref()),
            None => return false,
        };
        then == (other.content.as_ref(), other.tree.as_ref())
    }

    /// The keys of an archive.
    pub fn for_archive(mut self) -> Self {
        self.config.form = Form::Archive;
        self
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn suite(&self) -> Suite {
        self.config.suite
    }

    pub fn chunker_key(&self) -> &[u8; 32] {
        &self.own.secrets.chunker
    }

    /// What the secrets allow, and what is signed by them counts for.
    pub fn rights(&self) -> Rights {
        let signs = self.signer.own().map(|own| own.rights);
        if let Some(signs) = signs.filter(|signs| !signs.include(SigningRights::SNAPSHOTS)) {
            let maintains = signs.include(SigningRights::REMOVALS).then_some(Right::Maintain);
            return Rights::of(maintains.as_slice());
        }
        let Secrets { content, tree, domains, .. } = &self.own.secrets;
        let mut rights = vec![Right::Write];
        if tree.is_some() {
            rights.push(Right::List);
            if content.is_some() {
                rights.push(Right::Restore);
                rights.extend(domains.is_some().then_some(Right::Maintain));
            }
        }
        Rights::of(&rights)
    }

    /// What the holder who opened these keys signs with.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// The domain in which these keys write.
    pub fn own_domain(&self) -> DomainId {
        self.own.id
    }

    /// The domain of a session: its own one where its data key did not say another.
    pub fn domain_of(&self, session: SessionId) -> DomainId {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(&session).copied().unwrap_or(self.own.id)
    }

    /// Remembers what the data key of a session says.
    pub fn learn(&self, session: SessionId, domain: DomainId) {
        if domain != self.own.id {
            self.sessions.lock().unwrap_or_else(PoisonError::into_inner).insert(session, domain);
        }
    }

    /// Another domain that some session was seen to be of, by the first digits of its identifier.
    fn domain_that_begins(&self, short: &str) -> Option<DomainId> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.values().find(|domain| domain.short() == short).copied()
    }

    /// The secrets of a domain; `None` if they were not given to this key.
    fn domain(&self, id: DomainId) -> Option<Arc<Domain>> {
        if id == self.own.id {
            return Some(self.own.clone());
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = others.get(&id) {
            return Some(known.clone());
        }
        let made = Arc::new(Domain::new(Domain::made_of(&self.own.secrets, id, &self.claims)?));
        others.insert(id, made.clone());
        Some(made)
    }

    fn required_domain(&self, verb: &'static str, id: DomainId) -> Result<Arc<Domain>> {
        self.domain(id).ok_or_else(|| Error::not_allowed(verb, Right::Maintain))
    }

    pub fn content_id(&self, data: &[u8]) -> ChunkId {
        self.own.content_id(data)
    }

    pub fn tree_id(&self, page: &[u8]) -> ChunkId {
        self.own.tree_id(page)
    }

    /// The identifier of a chunk of file content that a session stored.
    pub fn content_id_of(&self, session: SessionId, data: &[u8]) -> Result<ChunkId> {
        Ok(self.required_domain("name chunk", self.domain_of(session))?.content_id(data))
    }

    /// The same of a tree page.
    pub fn tree_id_of(&self, session: SessionId, page: &[u8]) -> Result<ChunkId> {
        Ok(self.required_domain("name chunk", self.domain_of(session))?.tree_id(page))
    }

    pub fn source_id(&self, name: &str) -> SourceId {
        self.own.source_id(name)
    }

    /// The identifier of a source as it is shown.
    pub fn shown_source_id(&self, shown: &str) -> SourceId {
        let suffixed = shown.strip_suffix(']').and_then(|rest| rest.rsplit_once(" ["));
        let other = suffixed.and_then(|(name, short)| {
            let id = self.domain_that_begins(short)?;
            Some(self.domain(id)?.source_id(name))
        });
        other.unwrap_or_else(|| self.own.source_id(shown))
    }

    /// The identifier of the source as it is shown for a snapshot of this session.
    pub fn source_id_of(&self, session: SessionId, shown: &str) -> SourceId {
        let Some(domain) = self.domain(self.domain_of(session)).filter(|domain| domain.id != self.own.id) else {
            return self.own.source_id(shown);
        };
        let suffix = format!(" [{}]", domain.id.short());
        domain.source_id(shown.strip_suffix(&suffix).unwrap_or(shown))
    }

    /// The identifier of the source that a session named in a snapshot, and the name as it is shown: nobody in one domain
    /// can write under the name of a source of another.
    pub fn source_of(&self, session: SessionId, name: &str) -> Result<(SourceId, String)> {
        let domain = self.required_domain("read snapshot", self.domain_of(session))?;
        let is_own = domain.id == self.own.id;
        let shown = if is_own { name.to_owned() } else { format!("{name} [{}]", domain.id.short()) };
        Ok((domain.source_id(name), shown))
    }

    /// A keyed fingerprint of something that tells machines apart, for leases.
    pub fn claim_id(&self, what: &[u8]) -> [u8; 16] {
        let hash = blake3::keyed_hash(&self.claims, what);
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_bytes()[..16]);
        id
    }

    /// The key of a table of chunks of a domain.
    pub fn table_key(&self, domain: DomainId, table: TableId) -> Result<SealKey> {
        let domain = self.required_domain("open index table", domain)?;
        Ok(SealKey::new(self.suite(), &derive(&domain.secrets.index, &[b"index table", &table.0])))
    }

    /// Whether tables of chunks of a domain open.
    pub fn may_open_tables_of(&self, domain: DomainId) -> bool {
        self.domain(domain).is_some()
    }

    /// The key of the chunk table of one block.
    pub fn chunk_table_key(&self, block: BlockId) -> Result<SealKey> {
        let domain = self.required_domain("open chunk table", self.domain_of(block.session))?;
        let info: [&[u8]; 3] = [b"chunk table", &block.session.0, &block.serial.to_le_bytes()];
        Ok(SealKey::new(self.suite(), &derive(&domain.secrets.index, &info)))
    }
}

#[cfg(test)]
mod tests;
