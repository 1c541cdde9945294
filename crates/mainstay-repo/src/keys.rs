//! The repository's keys: slots that hold its secrets, and the data keys of sessions.
//!
//! Owns wrapping, unwrapping and derivation. Knows no store: bytes of slots and data keys come in and go out. Invariant:
//! no secret leaves this module except as a ready key or an identifier.

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::format::config::{Config, Suite};
use crate::format::envelope::{ObjectKind, associated_data};
use crate::format::keys::{Purpose, Secrets, StoredDataKey, StoredSlot, WrappedKey};
use crate::format::signature::Rights;
use crate::format::{Decoded, Problem};
use crate::id::{BlockId, ChunkId, SessionId, SlotId, SourceId, TableId};
use crate::seal::{KeyBytes, SealKey, derive, random};
use crate::signer::Signer;

pub use crate::format::keys::SlotKind;

/// Argon2id as RFC 9106 recommends for 64 MiB: three passes; four lanes cost no more here.
const ARGON2_MEMORY_KIB: u32 = 64 << 10;
const ARGON2_PASSES: u32 = 3;
const ARGON2_LANES: u32 = 4;

/// What a person or a file has to offer.
pub enum Secret {
    Passphrase(Zeroizing<String>),
    Code(RecoveryCode),
}

impl Secret {
    /// Takes a text for a recovery code if it is one, else for a passphrase.
    pub fn from_text(text: &str) -> Self {
        match RecoveryCode::parse(text) {
            Some(code) => Self::Code(code),
            None => Self::Passphrase(Zeroizing::new(text.to_owned())),
        }
    }

    /// Whether it was taken for a passphrase and looks like a recovery code with a mistake in it.
    pub fn is_like_a_code(&self) -> bool {
        match self {
            Self::Passphrase(text) => text.lines().any(RecoveryCode::is_resembled_by),
            Self::Code(_) => false,
        }
    }

    fn slot_kind(&self) -> SlotKind {
        match self {
            Self::Passphrase(_) => SlotKind::Passphrase,
            Self::Code(_) => SlotKind::RecoveryCode,
        }
    }
}

/// 256 random bits that open a repository, in a form that survives being printed and typed.
pub struct RecoveryCode(KeyBytes);

/// Crockford's base 32: no I, L, O or U, so that a typed code is not misread.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE_PREFIX: &str = "MSK1";
const CODE_CHECK_LEN: usize = 3;

/// Characters of a code, without the hyphens.
const CODE_LEN: usize = 60;

impl RecoveryCode {
    pub fn generate() -> Result<Self> {
        Ok(Self(Zeroizing::new(random()?)))
    }

    /// `MSK1-` and 56 letters and digits in groups of seven: the key and three bytes of its BLAKE3.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(self.0.to_vec());
        bytes.extend_from_slice(&blake3::hash(self.0.as_slice()).as_bytes()[..CODE_CHECK_LEN]);
        let mut text = Zeroizing::new(CODE_PREFIX.to_owned());
        for (index, group) in five_bit_groups(&bytes).into_iter().enumerate() {
            if index % 7 == 0 {
                text.push('-');
            }
            text.push(char::from(ALPHABET[usize::from(group)]));
        }
        text
    }

    /// Whether a text has the form of a code, give or take a few characters: it begins like one, or has its groups.
    fn is_resembled_by(text: &str) -> bool {
        let plain: Zeroizing<String> =
            Zeroizing::new(text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect());
        let begins_so = plain.get(..3).is_some_and(|begin| begin.eq_ignore_ascii_case("MSK"));
        let has_groups = text.matches('-').count() >= 7;
        plain.len().abs_diff(CODE_LEN) <= 2
            && plain.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && (begins_so || has_groups)
    }

    /// Reads a code, forgiving case, spaces and the letters that look like digits.
    pub fn parse(text: &str) -> Option<Self> {
        let plain: Zeroizing<String> = Zeroizing::new(
            text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect::<String>().to_ascii_uppercase(),
        );
        let digits = plain.strip_prefix("MSK")?.strip_prefix(['1', 'I', 'L'])?;
        if digits.len() != 56 {
            return None;
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(35));
        let (mut buffer, mut held) = (0u32, 0);
        for digit in digits.bytes() {
            let digit = match digit {
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            let value = ALPHABET.iter().position(|letter| *letter == digit)?;
            buffer = (buffer << 5 | value as u32) & 0xfff;
            held += 5;
            if held >= 8 {
                held -= 8;
                bytes.push((buffer >> held) as u8);
            }
        }
        let (key, check) = bytes.split_at_checked(32)?;
        let key: [u8; 32] = key.try_into().ok()?;
        (blake3::hash(&key).as_bytes().get(..CODE_CHECK_LEN)? == check).then(|| Self(Zeroizing::new(key)))
    }
}

fn five_bit_groups(bytes: &[u8]) -> Vec<u8> {
    let mut groups = Vec::with_capacity(bytes.len() * 8 / 5);
    let (mut buffer, mut held) = (0u32, 0);
    for byte in bytes {
        buffer = (buffer << 8 | u32::from(*byte)) & 0xfff;
        held += 8;
        while held >= 5 {
            held -= 5;
            groups.push((buffer >> held) as u8 & 31);
        }
    }
    groups
}

/// A key slot as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySlot {
    pub id: SlotId,
    pub kind: SlotKind,
    pub label: String,
    /// Nanoseconds since the Unix epoch.
    pub created: i64,
}

impl From<&StoredSlot> for KeySlot {
    fn from(slot: &StoredSlot) -> Self {
        Self { id: slot.id, kind: slot.kind, label: slot.label.clone(), created: slot.created }
    }
}

/// The keys of an open repository.
pub struct Keys {
    config: Config,
    secrets: Secrets,
    signer: Signer,
    /// Two identity keys, so that a tree page and a file with the same bytes are different chunks.
    content_ids: KeyBytes,
    tree_ids: KeyBytes,
    source_ids: KeyBytes,
}

impl Keys {
    /// Draws the secrets of a new repository and its first holder, whom the repository is named after.
    pub fn generate(suite: Suite, label: &str, created: i64) -> Result<Self> {
        let (signer, repository) = Signer::first(label, created)?;
        Self::draw(Config { repository, suite }, &signer)
    }

    pub(crate) fn draw(config: Config, signer: &Signer) -> Result<Self> {
        let secrets = Secrets {
            identity: random()?,
            chunker: random()?,
            index: random()?,
            content: random()?,
            tree: random()?,
            signer: signer.stored().clone(),
        };
        Ok(Self::new(config, secrets))
    }

    fn new(config: Config, secrets: Secrets) -> Self {
        let content_ids = derive(&secrets.identity, &[b"content"]);
        let tree_ids = derive(&secrets.identity, &[b"tree"]);
        let source_ids = derive(&secrets.identity, &[b"source"]);
        let signer = Signer::open(secrets.signer.clone());
        Self { config, secrets, signer, content_ids, tree_ids, source_ids }
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn suite(&self) -> Suite {
        self.config.suite
    }

    pub fn chunker_key(&self) -> &[u8; 32] {
        &self.secrets.chunker
    }

    /// What the holder who opened these keys signs with.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Wraps the secrets for the first holder.
    pub fn wrap_first_slot(&self, secret: &Secret) -> Result<StoredSlot> {
        self.wrap(secret, &self.signer)
    }

    /// Wraps the secrets for one more holder.
    pub fn wrap_slot(&self, secret: &Secret, label: &str, created: i64) -> Result<StoredSlot> {
        self.wrap(secret, &self.signer.introduce(self.config.repository, Rights::ALL, label, created)?)
    }

    fn wrap(&self, secret: &Secret, signer: &Signer) -> Result<StoredSlot> {
        let holder = signer.own().ok_or_else(|| Error::Bug("wrap keys: the holder has no certificate".to_owned()))?;
        let stretched = matches!(secret, Secret::Passphrase(_));
        let mut slot = StoredSlot {
            id: holder.slot,
            kind: secret.slot_kind(),
            label: holder.label.clone(),
            created: holder.created,
            salt: random()?,
            memory_kib: if stretched { ARGON2_MEMORY_KIB } else { 0 },
            passes: if stretched { ARGON2_PASSES } else { 0 },
            lanes: if stretched { ARGON2_LANES } else { 0 },
            nonce: random()?,
            wrapped: Vec::new().into(),
            public_key: signer.public_key(),
        };
        let key = slot_key(&self.config, &slot, secret).map_err(|problem| Error::Bug(problem.0))?;
        let mut secrets = self.secrets.clone();
        secrets.signer = signer.stored().clone();
        let mut wrapped = secrets.encode().to_vec();
        key.seal(slot.nonce, &slot_data(&self.config, &slot), &mut wrapped, 0);
        slot.wrapped = wrapped.into();
        Ok(slot)
    }

    /// Opens the slot that fits the secret.
    ///
    /// # Errors
    /// [`Error::WrongKey`] when none does.
    pub fn unlock(config: Config, slots: &[StoredSlot], secret: &Secret) -> Result<(Self, SlotId)> {
        let fitting = slots.iter().filter(|slot| slot.kind == secret.slot_kind());
        for slot in fitting {
            let key = slot_key(&config, slot, secret)
                .map_err(|problem| Error::damaged("unlock key slot", slot.id, problem))?;
            let mut wrapped = Zeroizing::new(slot.wrapped.to_vec());
            let Ok(plain) = key.open(slot.nonce, &slot_data(&config, slot), &mut wrapped) else { continue };
            let secrets =
                Secrets::decode(plain).map_err(|problem| Error::damaged("unlock key slot", slot.id, problem))?;
            return Ok((Self::new(config, secrets), slot.id));
        }
        Err(Error::WrongKey { repository: config.repository.to_string(), slots: slots.len() })
    }

    pub fn content_id(&self, data: &[u8]) -> ChunkId {
        ChunkId(*blake3::keyed_hash(&self.content_ids, data).as_bytes())
    }

    pub fn tree_id(&self, page: &[u8]) -> ChunkId {
        ChunkId(*blake3::keyed_hash(&self.tree_ids, page).as_bytes())
    }

    pub fn source_id(&self, name: &str) -> SourceId {
        let hash = blake3::keyed_hash(&self.source_ids, name.as_bytes());
        let mut id = [0; SourceId::LEN];
        id.copy_from_slice(&hash.as_bytes()[..SourceId::LEN]);
        SourceId(id)
    }

    /// A keyed fingerprint of something that tells machines apart, for leases.
    pub fn claim_id(&self, what: &[u8]) -> [u8; 16] {
        let hash = blake3::keyed_hash(&self.source_ids, &[b"claim:", what].concat());
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_bytes()[..16]);
        id
    }

    /// The key of an index table.
    pub fn table_key(&self, table: TableId) -> SealKey {
        SealKey::new(self.suite(), &derive(&self.secrets.index, &[b"index table", &table.0]))
    }

    /// The key of the chunk table of one block.
    pub fn chunk_table_key(&self, block: BlockId) -> SealKey {
        let info: [&[u8]; 3] = [b"chunk table", &block.session.0, &block.serial.to_le_bytes()];
        SealKey::new(self.suite(), &derive(&self.secrets.index, &info))
    }

    /// Draws the data keys of a new session and wraps them.
    pub fn new_data_key(&self, session: SessionId) -> Result<(DataKey, StoredDataKey)> {
        let key = DataKey { suite: self.suite(), content: Zeroizing::new(random()?), tree: Zeroizing::new(random()?) };
        let keys = vec![
            self.wrap_key(session, Purpose::Content, &key.content)?,
            self.wrap_key(session, Purpose::Tree, &key.tree)?,
        ];
        Ok((key, StoredDataKey { session, keys }))
    }

    /// Unwraps the data keys of a session.
    pub fn open_data_key(&self, stored: &StoredDataKey) -> Decoded<DataKey> {
        Ok(DataKey {
            suite: self.suite(),
            content: self.unwrap_key(stored, Purpose::Content)?,
            tree: self.unwrap_key(stored, Purpose::Tree)?,
        })
    }

    fn wrapping_key(&self, purpose: Purpose) -> SealKey {
        let key = match purpose {
            Purpose::Content => &self.secrets.content,
            Purpose::Tree => &self.secrets.tree,
        };
        SealKey::new(self.suite(), &derive(key, &[b"wrap data key"]))
    }

    fn key_data(&self, session: SessionId, purpose: Purpose) -> Vec<u8> {
        associated_data(self.config.repository, ObjectKind::DataKey, &[&session.0, &[purpose as u8]])
    }

    fn wrap_key(&self, session: SessionId, purpose: Purpose, key: &KeyBytes) -> Result<WrappedKey> {
        let nonce = random()?;
        let mut wrapped = key.to_vec();
        self.wrapping_key(purpose).seal(nonce, &self.key_data(session, purpose), &mut wrapped, 0);
        Ok(WrappedKey { purpose: purpose as u8, scheme: 1, nonce, wrapped: wrapped.into() })
    }

    fn unwrap_key(&self, stored: &StoredDataKey, purpose: Purpose) -> Decoded<KeyBytes> {
        let held = stored.keys.iter().find(|key| key.purpose == purpose as u8 && key.scheme == 1);
        let held = held.ok_or_else(|| Problem(format!("it holds no key for {purpose:?}")))?;
        let mut wrapped = Zeroizing::new(held.wrapped.to_vec());
        let plain = self
            .wrapping_key(purpose)
            .open(held.nonce, &self.key_data(stored.session, purpose), &mut wrapped)
            .map_err(|_| Problem(format!("its key for {purpose:?} does not open")))?;
        let key: &[u8; 32] = (&*plain).try_into().map_err(|_| Problem::new("its key has the wrong length"))?;
        Ok(Zeroizing::new(*key))
    }
}

/// The data keys of one session: one for content, one for trees and snapshots.
pub struct DataKey {
    suite: Suite,
    content: KeyBytes,
    tree: KeyBytes,
}

impl DataKey {
    /// The key of one block; no two blocks share one.
    pub fn block_key(&self, kind: ObjectKind, serial: u32) -> SealKey {
        let key = if kind == ObjectKind::ContentBlock { &self.content } else { &self.tree };
        SealKey::new(self.suite, &derive(key, &[b"block", &serial.to_le_bytes()]))
    }

    /// The key of the session's whole objects of one kind.
    pub fn object_key(&self, kind: ObjectKind) -> SealKey {
        SealKey::new(self.suite, &derive(&self.tree, &[b"object", &[kind as u8]]))
    }
}

fn slot_data(config: &Config, slot: &StoredSlot) -> Vec<u8> {
    associated_data(config.repository, ObjectKind::KeySlot, &[&slot.id.0])
}

fn slot_key(config: &Config, slot: &StoredSlot, secret: &Secret) -> Decoded<SealKey> {
    let key = match secret {
        Secret::Code(code) => derive(&code.0, &[b"key slot", &slot.salt]),
        Secret::Passphrase(passphrase) => stretch(passphrase, slot)?,
    };
    Ok(SealKey::new(config.suite, &key))
}

fn stretch(passphrase: &str, slot: &StoredSlot) -> Decoded<KeyBytes> {
    let problem = |error: argon2::Error| Problem(format!("its Argon2id parameters do not work: {error}"));
    let params = Params::new(slot.memory_kib, slot.passes, slot.lanes, Some(32)).map_err(problem)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), &slot.salt, key.as_mut_slice())
        .map_err(problem)?;
    Ok(key)
}

#[cfg(test)]
mod tests;
