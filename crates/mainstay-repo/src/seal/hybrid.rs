//! Sealing to a public key: HPKE (RFC 9180) in base mode with the hybrid KEM X-Wing.
//!
//! Owns the suite: X-Wing (X25519 and ML-KEM-768), HKDF-SHA-256, ChaCha20-Poly1305. What stands in `info` is bound to the
//! seal as associated data is elsewhere. Each seal has a key of its own, so that no nonce repeats.

use std::convert::Infallible;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable as _, Kem, OpModeR, OpModeS, Serializable as _};
use zeroize::Zeroizing;

use super::{Unsealable, random};
use crate::error::{Error, Result};

/// Length of an encapsulated key.
const ENCAPSULATED_LEN: usize = 1120;
/// What X-Wing draws to encapsulate a key.
const DRAWN_LEN: usize = 64;

/// To whom something can be sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(<XWing as Kem>::PublicKey);

impl PublicKey {
    /// Length of a public key in bytes.
    pub const LEN: usize = 1216;

    /// The public half of a private seed.
    pub fn of(seed: &[u8; 32]) -> Self {
        Self(XWing::sk_to_pk(&private_key(seed)))
    }

    /// # Errors
    /// When the bytes are no public key.
    pub fn from_bytes(bytes: &[u8]) -> std::result::Result<Self, Unsealable> {
        <XWing as Kem>::PublicKey::from_bytes(bytes).map(Self).map_err(|_| Unsealable)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes().to_vec()
    }

    /// Seals for the holder of the private half: the encapsulated key, then the ciphertext with its tag.
    pub fn seal(&self, info: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        let mut drawn = Drawn(Zeroizing::new(random()?), 0);
        let (encapsulated, ciphertext) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeS::Base,
            &self.0,
            info,
            plain,
            b"",
            &mut drawn,
        )
        .map_err(|error| Error::Bug(format!("seal to a public key: {error}")))?;
        let mut sealed = encapsulated.to_bytes().to_vec();
        #[cfg(test)]
        super::ledger::record(blake3::hash(&sealed).as_bytes(), [0; 12], info);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }
}

/// Opens what was sealed to the public half of a private seed.
pub fn open_sealed_to(
    seed: &[u8; 32],
    info: &[u8],
    sealed: &[u8],
) -> std::result::Result<Zeroizing<Vec<u8>>, Unsealable> {
    let (encapsulated, ciphertext) = sealed.split_at_checked(ENCAPSULATED_LEN).ok_or(Unsealable)?;
    let encapsulated = <XWing as Kem>::EncappedKey::from_bytes(encapsulated).map_err(|_| Unsealable)?;
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeR::Base,
        &private_key(seed),
        &encapsulated,
        info,
        ciphertext,
        b"",
    )
    .map(Zeroizing::new)
    .map_err(|_| Unsealable)
}

fn private_key(seed: &[u8; 32]) -> <XWing as Kem>::PrivateKey {
    <XWing as Kem>::PrivateKey::from_bytes(seed).expect("every 32 bytes are a seed of X-Wing")
}

/// Random bytes that were drawn, and looked at, before the library asks for them.
struct Drawn(Zeroizing<[u8; DRAWN_LEN]>, usize);

impl TryRng for Drawn {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> std::result::Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes).map(|()| u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> std::result::Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> std::result::Result<(), Infallible> {
        let rest = self.0.get(self.1..self.1 + bytes.len());
        bytes.copy_from_slice(rest.expect("X-Wing draws no more than 64 bytes for one key"));
        self.1 += bytes.len();
        Ok(())
    }
}

impl TryCryptoRng for Drawn {}
