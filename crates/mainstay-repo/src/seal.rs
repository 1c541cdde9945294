//! Authenticated encryption, signatures, key derivation and random bytes.
//!
//! The only module besides `keys` that names cipher crates. Invariant: a (key, nonce) pair is never used twice. A block's
//! key is derived from its session's random data key and the block's own number, which never repeats in a session, and
//! its nonce is random on top of that; so a pair repeats only if both a number and 96 random bits do.

mod drawing;
mod hybrid;
#[cfg(test)]
pub mod ledger;

use aws_lc_rs::aead::{AES_256_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::format::config::Suite;

pub use drawing::random;
#[cfg(test)]
pub use drawing::{Generator, with_generator};
pub use hybrid::{PublicKey, open_sealed_to};

/// Bytes that a seal adds.
pub const TAG_LEN: usize = 16;

/// A 256-bit key that is wiped when dropped.
pub type KeyBytes = Zeroizing<[u8; 32]>;

/// The seal does not match: wrong key, wrong associated data, or changed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsealable;

/// A key ready to seal and open.
pub struct SealKey {
    key: LessSafeKey,
    /// What the ledger knows it by.
    #[cfg(test)]
    raw: [u8; 32],
}

impl SealKey {
    pub fn new(suite: Suite, key: &[u8; 32]) -> Self {
        let algorithm = match suite {
            Suite::Aes256Gcm => &AES_256_GCM,
            Suite::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        };
        Self {
            key: LessSafeKey::new(UnboundKey::new(algorithm, key).expect("both suites take 32-byte keys")),
            #[cfg(test)]
            raw: *key,
        }
    }

    /// Encrypts `buffer[from..]` where it stands and appends the tag.
    pub fn seal(&self, nonce: [u8; 12], associated: &[u8], buffer: &mut Vec<u8>, from: usize) {
        #[cfg(test)]
        ledger::record(&self.raw, nonce, associated);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(associated), &mut buffer[from..])
            .expect("lengths are far below the limits of the suite");
        buffer.extend_from_slice(tag.as_ref());
    }

    /// Decrypts `sealed` where it stands and answers the plaintext.
    pub fn open<'a>(
        &self,
        nonce: [u8; 12],
        associated: &[u8],
        sealed: &'a mut [u8],
    ) -> std::result::Result<&'a mut [u8], Unsealable> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.open_in_place(nonce, Aad::from(associated), sealed).map_err(|_| Unsealable)
    }
}

/// An Ed25519 key (RFC 8032) ready to sign.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    pub fn new(seed: &[u8; 32]) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(seed).expect("every 32 bytes are a seed"))
    }

    pub fn public_key(&self) -> [u8; 32] {
        self.0.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes")
    }

    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
    }
}

/// Whether the holder of the public key signed the message.
pub fn is_signed_by(public_key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key).verify(message, signature).is_ok()
}

struct Len32;

impl KeyType for Len32 {
    fn len(&self) -> usize {
        32
    }
}

/// HKDF-SHA-256 (RFC 5869) with an empty salt: `parts` together are the info.
pub fn derive(key: &[u8; 32], parts: &[&[u8]]) -> KeyBytes {
    let mut derived = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, &[])
        .extract(key)
        .expand(parts, Len32)
        .and_then(|output| output.fill(derived.as_mut_slice()))
        .expect("32 bytes are far below HKDF's limit");
    derived
}

/// The suite that is fast on this processor.
pub fn preferred_suite() -> Suite {
    #[cfg(target_arch = "x86_64")]
    let accelerated = std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    let accelerated = std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let accelerated = false;
    if accelerated { Suite::Aes256Gcm } else { Suite::ChaCha20Poly1305 }
}

#[cfg(test)]
mod tests;
