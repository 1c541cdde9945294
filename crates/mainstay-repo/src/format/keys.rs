//! Key slots, data keys and the secrets they wrap, as stored.
//!
//! Owns the encodings only; `keys.rs` wraps and unwraps.

use minicbor::bytes::ByteVec;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::envelope::{ObjectKind, decode_clear, encode_clear};
use super::signature::StoredSigner;
use super::{Decoded, Problem, from_cbor, limits, to_cbor, within};
use crate::id::{DomainId, RepositoryId, SessionId, SlotId};

/// A secret that not every slot holds.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct SecretBytes(pub [u8; 32]);

impl<C> minicbor::Encode<C> for SecretBytes {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.bytes(&self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for SecretBytes {
    fn decode(decoder: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = decoder.bytes()?.try_into();
        bytes.map(Self).map_err(|_| minicbor::decode::Error::message("secret of the wrong length"))
    }
}

/// The secrets of a generation that is over: they open what is not wrapped anew yet, and what writers sealed to it.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct OlderSecrets {
    #[n(1)]
    pub content: SecretBytes,
    #[n(2)]
    pub tree: SecretBytes,
    /// Absent in generation 0, and where it is not needed.
    #[n(3)]
    pub writers: Option<SecretBytes>,
}

/// The secrets that one slot holds: those of its rights in its domain, and what its holder signs with.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Secrets {
    /// Key of chunk and source identifiers.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub identity: [u8; 32],
    /// Key from which the chunker's table is drawn.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub chunker: [u8; 32],
    /// Key of index tables and of the chunk tables in packs.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub index: [u8; 32],
    /// Wraps the keys that seal file content.
    #[n(4)]
    pub content: Option<SecretBytes>,
    /// Wraps the keys that seal trees and snapshots.
    #[n(5)]
    pub tree: Option<SecretBytes>,
    /// Makes the secrets of every other domain.
    #[n(6)]
    pub domains: Option<SecretBytes>,
    /// The public halves of secrets that are absent.
    #[n(7)]
    #[zeroize(skip)]
    pub content_public: Option<ByteVec>,
    #[n(8)]
    #[zeroize(skip)]
    pub tree_public: Option<ByteVec>,
    /// Absent for the main domain.
    #[n(9)]
    #[zeroize(skip)]
    pub domain: Option<DomainId>,
    /// Key of what tells machines apart in leases; absent in the main domain, whose identity makes it.
    #[n(10)]
    pub claims: Option<SecretBytes>,
    /// How often the secrets were rotated when these were drawn; absent for never.
    #[n(11)]
    pub generation: Option<u32>,
    /// Those of the generations before, from 0 on; only for who holds *domains*.
    #[n(12)]
    pub older: Option<Vec<OlderSecrets>>,
    /// Makes *content* and *tree* of every other domain; absent in generation 0, where *domains* makes them.
    #[n(13)]
    pub writers: Option<SecretBytes>,
    /// What this one holder signs with; absent from secrets that are in no slot.
    #[n(20)]
    pub signer: Option<StoredSigner>,
}

impl Secrets {
    pub fn encode(&self) -> zeroize::Zeroizing<Vec<u8>> {
        zeroize::Zeroizing::new(to_cbor(self))
    }

    /// # Errors
    /// Also when a generation is missing, so that nobody rotates on without it.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let secrets: Self = from_cbor("repository secrets", bytes)?;
        let generation = secrets.generation();
        within("generation of secrets", generation.into(), limits::GENERATIONS.into())?;
        let older = secrets.older.as_deref().unwrap_or_default();
        let is_whole = older.len() == generation as usize && older.iter().skip(1).all(|older| older.writers.is_some());
        if secrets.domains.is_some() && !(is_whole && secrets.writers.is_some() == (generation > 0)) {
            return Err(Problem(format!("it lacks secrets of a generation before {generation}, or has too many")));
        }
        Ok(secrets)
    }

    pub fn generation(&self) -> u32 {
        self.generation.unwrap_or_default()
    }
}

/// How a slot's key is made from what its holder has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotKind {
    /// A passphrase, stretched by Argon2id.
    Passphrase,
    /// 256 random bits; stretching would add nothing.
    RecoveryCode,
    /// A public key, to which the secrets are sealed; its private half need not be where they are sealed.
    Recipient,
}

impl<C> minicbor::Encode<C> for SlotKind {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let number = match self {
            Self::Passphrase => 1,
            Self::RecoveryCode => 2,
            Self::Recipient => 3,
        };
        encoder.u8(number)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for SlotKind {
    fn decode(decoder: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        match decoder.u8()? {
            1 => Ok(Self::Passphrase),
            2 => Ok(Self::RecoveryCode),
            3 => Ok(Self::Recipient),
            _ => Err(minicbor::decode::Error::message("unknown kind of key slot")),
        }
    }
}

/// The repository's secrets wrapped for one holder.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct StoredSlot {
    #[n(1)]
    pub id: SlotId,
    #[n(2)]
    pub kind: SlotKind,
    /// What people call the holder.
    #[n(3)]
    pub label: String,
    /// Nanoseconds since the Unix epoch by the creator's clock.
    #[n(4)]
    pub created: i64,
    #[n(5)]
    #[cbor(with = "minicbor::bytes")]
    pub salt: [u8; 16],
    /// Argon2id's memory in KiB, passes and lanes; 0 where no stretching is done.
    #[n(6)]
    pub memory_kib: u32,
    #[n(7)]
    pub passes: u32,
    #[n(8)]
    pub lanes: u32,
    #[n(9)]
    #[cbor(with = "minicbor::bytes")]
    pub nonce: [u8; 12],
    #[n(10)]
    pub wrapped: ByteVec,
    /// What the holder may do, as people are told; absent for a holder who may do everything. What opens decides.
    #[n(11)]
    pub rights: Option<u8>,
    /// Generation of the secrets in it, as its name says; absent for 0.
    #[n(12)]
    pub generation: Option<u32>,
    /// The holder's Ed25519 public key, for people and mirrors; what is believed stands in certificates.
    #[n(20)]
    #[cbor(with = "minicbor::bytes")]
    pub public_key: [u8; 32],
}

impl StoredSlot {
    pub fn generation(&self) -> u32 {
        self.generation.unwrap_or_default()
    }
}

pub fn encode_slot(repository: RepositoryId, slot: &StoredSlot) -> Vec<u8> {
    encode_clear(ObjectKind::KeySlot, repository, &to_cbor(slot))
}

pub fn decode_slot(repository: RepositoryId, (id, generation): (SlotId, u32), bytes: &[u8]) -> Decoded<StoredSlot> {
    let slot: StoredSlot = from_cbor("key slot", decode_clear(ObjectKind::KeySlot, repository, bytes)?)?;
    if (slot.id, slot.generation()) != (id, generation) {
        return Err(Problem(format!("it is key slot {} of generation {}", slot.id, slot.generation())));
    }
    within("Argon2id memory in KiB", slot.memory_kib.into(), limits::ARGON2_MEMORY_KIB.into())?;
    within("Argon2id passes", slot.passes.into(), limits::ARGON2_PASSES.into())?;
    within("Argon2id lanes", slot.lanes.into(), 64)?;
    Ok(slot)
}

/// What a session's wrapped key seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    Content = 1,
    Tree = 2,
}

/// A nonce that is not in every wrapped key.
pub type Nonce = minicbor::bytes::ByteArray<12>;

/// One wrapped key of a session.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct WrappedKey {
    /// 1 content, 2 tree.
    #[n(1)]
    pub purpose: u8,
    /// 1: AES-256-GCM or ChaCha20-Poly1305 (the repository's suite) under the secret of the same purpose; 2: HPKE to the
    /// public half of that secret.
    #[n(2)]
    pub scheme: u8,
    /// Of scheme 1.
    #[n(3)]
    pub nonce: Option<Nonce>,
    #[n(4)]
    pub wrapped: ByteVec,
    /// Generation of the secret that opens it; absent for 0.
    #[n(5)]
    pub generation: Option<u32>,
}

impl WrappedKey {
    pub fn generation(&self) -> u32 {
        self.generation.unwrap_or_default()
    }
}

/// The data keys of one session.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct StoredDataKey {
    #[n(1)]
    pub session: SessionId,
    #[n(2)]
    pub keys: Vec<WrappedKey>,
    /// The domain whose secrets wrap them; absent for the main domain.
    #[n(3)]
    pub domain: Option<DomainId>,
}

pub fn encode_data_key(repository: RepositoryId, key: &StoredDataKey) -> Vec<u8> {
    encode_clear(ObjectKind::DataKey, repository, &to_cbor(key))
}

impl StoredDataKey {
    /// The newest generation that one of its keys is of: that of the object's name.
    pub fn generation(&self) -> u32 {
        self.keys.iter().map(WrappedKey::generation).max().unwrap_or_default()
    }
}

pub fn decode_data_key(
    repository: RepositoryId,
    (session, generation): (SessionId, u32),
    bytes: &[u8],
) -> Decoded<StoredDataKey> {
    let key: StoredDataKey = from_cbor("data key", decode_clear(ObjectKind::DataKey, repository, bytes)?)?;
    if (key.session, key.generation()) != (session, generation) {
        return Err(Problem(format!(
            "it is the data key of session {} of generation {}",
            key.session,
            key.generation()
        )));
    }
    Ok(key)
}

#[cfg(test)]
mod tests;
