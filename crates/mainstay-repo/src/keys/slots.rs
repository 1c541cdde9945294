//! Key slots: the secrets of a repository, wrapped for one holder.
//!
//! Owns which secrets a holder gets, and how a holder's secret opens its slot.

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use super::codes::Recipient;
use super::domain::{Domain, for_maintainer, for_writer};
use super::rights::{Right, Rights};
use super::{Keys, Secret};
use crate::error::{Error, Result};
use crate::format::config::Config;
use crate::format::envelope::{ObjectKind, associated_data};
use crate::format::keys::{Secrets, SlotKind, StoredSlot};
use crate::format::signature::SigningRights;
use crate::format::{Decoded, Problem};
use crate::id::{DomainId, SlotId};
use crate::seal::{KeyBytes, SealKey, derive, open_sealed_to, random};
use crate::signer::Signer;

/// Argon2id as RFC 9106 recommends for 64 MiB: three passes; four lanes cost no more here.
const ARGON2_MEMORY_KIB: u32 = 64 << 10;
const ARGON2_PASSES: u32 = 3;
const ARGON2_LANES: u32 = 4;

impl Keys {
    /// Wraps these secrets for the holder who signs by these keys: the first one, or one who rotates.
    pub fn wrap_own_slot(&self, secret: &Secret) -> Result<StoredSlot> {
        self.wrap_for(&self.signer, secret)
    }

    /// Wraps these secrets for one more holder.
    pub fn wrap_slot(&self, secret: &Secret, label: &str, created: i64) -> Result<StoredSlot> {
        self.wrap_for(&self.introduce(SigningRights::ALL, label, created)?, secret)
    }

    /// Wraps these secrets for a holder who has a slot already, and signs as before.
    pub fn wrap_for(&self, signer: &Signer, secret: &Secret) -> Result<StoredSlot> {
        if let Secret::Recipient(code) = secret {
            return self.seal_for(signer, &code.recipient());
        }
        let slot = StoredSlot { rights: self.rights().number(), ..self.new_slot(secret.slot_kind(), signer)? };
        wrap(&self.config, slot, &with_signer(&self.own.secrets, signer), secret)
    }

    /// Wraps the secrets of a new domain for one who backs up and cannot read.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] for keys that make no domains.
    pub fn wrap_writer(&self, secret: &Secret, label: &str, created: i64, may_list: bool) -> Result<StoredSlot> {
        let denied = || Error::not_allowed("create writer", Right::Maintain);
        self.own.secrets.domains.as_ref().ok_or_else(denied)?;
        let signer = self.introduce(SigningRights::SNAPSHOTS, label, created)?;
        let mut slot = self.new_slot(secret.slot_kind(), &signer)?;
        let secrets = Domain::made_of(&self.own.secrets, DomainId(slot.id.0), &self.claims);
        let secrets = for_writer(secrets.ok_or_else(denied)?, may_list);
        let rights: &[Right] = if may_list { &[Right::Write, Right::List] } else { &[Right::Write] };
        slot.rights = Rights::of(rights).number();
        wrap(&self.config, slot, &with_signer(&secrets, &signer), secret)
    }

    /// Wraps what one needs who forgets and prunes and opens nothing: a domain in which nothing is ever written, and a key to
    /// sign removals with.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] for keys that make no domains.
    pub fn wrap_maintainer(&self, secret: &Secret, label: &str, created: i64) -> Result<StoredSlot> {
        let signer = self.introduce(SigningRights::REMOVALS, label, created)?;
        let mut slot = self.new_slot(secret.slot_kind(), &signer)?;
        let secrets = Domain::made_of(&self.own.secrets, DomainId(slot.id.0), &self.claims);
        let secrets = secrets.ok_or_else(|| Error::not_allowed("create maintainer", Right::Maintain))?;
        slot.rights = Rights::of(&[Right::Maintain]).number();
        wrap(&self.config, slot, &with_signer(&for_maintainer(secrets), &signer), secret)
    }

    /// Seals these secrets to a recipient, who signs with a key that is drawn here and kept nowhere else.
    pub fn seal_slot(&self, recipient: &Recipient, label: &str, created: i64) -> Result<StoredSlot> {
        self.seal_for(&self.introduce(SigningRights::ALL, label, created)?, recipient)
    }

    fn seal_for(&self, signer: &Signer, recipient: &Recipient) -> Result<StoredSlot> {
        let mut slot = StoredSlot { rights: self.rights().number(), ..self.new_slot(SlotKind::Recipient, signer)? };
        let secrets = with_signer(&self.own.secrets, signer).encode();
        slot.wrapped = recipient.0.seal(&slot_data(&self.config, &slot), &secrets)?.into();
        Ok(slot)
    }

    fn introduce(&self, rights: SigningRights, label: &str, created: i64) -> Result<Signer> {
        self.signer.introduce(self.config.repository, rights, label, created)
    }

    /// Opens the slot that fits the secret.
    ///
    /// # Errors
    /// [`Error::WrongKey`] when none does.
    pub fn unlock(config: Config, slots: &[StoredSlot], secret: &Secret) -> Result<(Self, SlotId)> {
        let mut fitting: Vec<&StoredSlot> = slots.iter().filter(|slot| slot.kind == secret.slot_kind()).collect();
        // Of a rotation that was killed a holder has two.
        fitting.sort_by_key(|slot| std::cmp::Reverse(slot.generation()));
        for slot in fitting {
            let damaged = |problem| Error::damaged("unlock key slot", slot.id, problem);
            let Some(plain) = open(&config, slot, secret).map_err(damaged)? else { continue };
            let mut secrets = Secrets::decode(&plain).map_err(damaged)?;
            if secrets.generation() != slot.generation() {
                return Err(damaged(Problem::new("what is sealed in it is of another generation")));
            }
            let signer = secrets.signer.take().ok_or_else(|| damaged(Problem::new("it holds nothing to sign with")))?;
            return Ok((Self::new(config, secrets, Signer::open(signer)), slot.id));
        }
        Err(Error::WrongKey { repository: config.repository.to_string(), slots: slots.len() })
    }

    /// The slot of a holder, with nothing in it yet.
    fn new_slot(&self, kind: SlotKind, signer: &Signer) -> Result<StoredSlot> {
        let holder = signer.own().ok_or_else(|| Error::Bug("wrap keys: the holder has no certificate".to_owned()))?;
        let is_stretched = kind == SlotKind::Passphrase;
        let is_recipient = kind == SlotKind::Recipient;
        Ok(StoredSlot {
            id: holder.slot,
            kind,
            label: holder.label.clone(),
            created: holder.created,
            salt: if is_recipient { [0; 16] } else { random()? },
            memory_kib: if is_stretched { ARGON2_MEMORY_KIB } else { 0 },
            passes: if is_stretched { ARGON2_PASSES } else { 0 },
            lanes: if is_stretched { ARGON2_LANES } else { 0 },
            nonce: if is_recipient { [0; 12] } else { random()? },
            wrapped: Vec::new().into(),
            rights: None,
            generation: self.own.secrets.generation,
            public_key: signer.public_key(),
        })
    }
}

fn with_signer(secrets: &Secrets, signer: &Signer) -> Secrets {
    let mut secrets = secrets.clone();
    secrets.signer = Some(signer.stored().clone());
    secrets
}

fn wrap(config: &Config, mut slot: StoredSlot, secrets: &Secrets, secret: &Secret) -> Result<StoredSlot> {
    let key = slot_key(config, &slot, secret).map_err(|problem| Error::Bug(problem.0))?;
    let mut wrapped = secrets.encode().to_vec();
    key.seal(slot.nonce, &slot_data(config, &slot), &mut wrapped, 0);
    slot.wrapped = wrapped.into();
    Ok(slot)
}

/// The plaintext of a slot; `None` if the secret is not its own.
fn open(config: &Config, slot: &StoredSlot, secret: &Secret) -> Decoded<Option<Zeroizing<Vec<u8>>>> {
    let data = slot_data(config, slot);
    if let Secret::Recipient(code) = secret {
        return Ok(open_sealed_to(&code.0, &data, &slot.wrapped).ok());
    }
    let key = slot_key(config, slot, secret)?;
    let mut wrapped = Zeroizing::new(slot.wrapped.to_vec());
    Ok(key.open(slot.nonce, &data, &mut wrapped).ok().map(|plain| Zeroizing::new(plain.to_vec())))
}

fn slot_data(config: &Config, slot: &StoredSlot) -> Vec<u8> {
    associated_data(config.repository, ObjectKind::KeySlot, &[&slot.id.0])
}

fn slot_key(config: &Config, slot: &StoredSlot, secret: &Secret) -> Decoded<SealKey> {
    let key = match secret {
        Secret::Code(code) => derive(&code.0, &[b"key slot", &slot.salt]),
        Secret::Passphrase(passphrase) => stretch(passphrase, slot)?,
        Secret::Recipient(_) => return Err(Problem::new("a recipient's code wraps nothing")),
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
