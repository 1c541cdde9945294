//! Tests of seals, derivation and random bytes.

use super::*;
use crate::fixtures::hex;

const KEY: [u8; 32] = [0x4b; 32];
const NONCE: [u8; 12] = *b"twelve bytes";
const SUITES: [Suite; 2] = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305];

fn seal(suite: Suite, plain: &[u8]) -> Vec<u8> {
    let mut buffer = plain.to_vec();
    SealKey::new(suite, &KEY).seal(NONCE, b"what it says", &mut buffer, 0);
    buffer
}

fn open(suite: Suite, nonce: [u8; 12], associated: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unsealable> {
    let mut sealed = sealed.to_vec();
    SealKey::new(suite, &KEY).open(nonce, associated, &mut sealed).map(|plain| plain.to_vec())
}

#[test]
fn what_is_sealed_opens_again() {
    for suite in SUITES {
        for len in [0, 1, 16, 4096, 100_000] {
            let plain = vec![7; len];
            let sealed = seal(suite, &plain);
            assert_eq!(sealed.len(), len + TAG_LEN);
            assert_eq!(open(suite, NONCE, b"what it says", &sealed), Ok(plain));
        }
    }
}

#[test]
fn seals_have_these_bytes_for_ever() {
    let expected =
        ["11470d467b66139e7147b2244e348461ce34a46b8663a210d8", "953242be14e433e44b19a5546cd5cd93d380d8b7c7313a695c"];
    for (suite, expected) in SUITES.into_iter().zip(expected) {
        assert_eq!(hex(&seal(suite, b"plaintext")), expected, "{suite:?}");
    }
}

#[test]
fn a_seal_opens_with_no_changed_bit() {
    for suite in SUITES {
        let sealed = seal(suite, b"plaintext");
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(suite, NONCE, b"what it says", &changed), Err(Unsealable), "{suite:?}, bit {bit}");
        }
        for bit in 0..NONCE.len() * 8 {
            let mut nonce = NONCE;
            nonce[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(suite, nonce, b"what it says", &sealed), Err(Unsealable), "{suite:?}, bit {bit}");
        }
        for bit in 0..b"what it says".len() * 8 {
            let mut associated = *b"what it says";
            associated[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(suite, NONCE, &associated, &sealed), Err(Unsealable), "{suite:?}, bit {bit}");
        }
    }
}

#[test]
fn a_seal_that_is_cut_short_does_not_open() {
    for suite in SUITES {
        let sealed = seal(suite, b"plaintext");
        for len in 0..sealed.len() {
            assert_eq!(open(suite, NONCE, b"what it says", &sealed[..len]), Err(Unsealable), "{suite:?}, {len}");
        }
    }
}

#[test]
fn another_key_or_suite_does_not_open() {
    let mut sealed = seal(Suite::Aes256Gcm, b"plaintext");
    assert_eq!(open(Suite::ChaCha20Poly1305, NONCE, b"what it says", &sealed), Err(Unsealable));
    let other = SealKey::new(Suite::Aes256Gcm, &[0x4c; 32]);
    assert_eq!(other.open(NONCE, b"what it says", &mut sealed).map(|plain| plain.to_vec()), Err(Unsealable));
}

#[test]
fn only_the_end_of_a_buffer_is_sealed() {
    let mut buffer = b"headerplaintext".to_vec();
    SealKey::new(Suite::Aes256Gcm, &KEY).seal(NONCE, b"what it says", &mut buffer, 6);
    assert_eq!(&buffer[..6], b"header");
    assert_eq!(buffer[6..], seal(Suite::Aes256Gcm, b"plaintext"));
}

#[test]
fn derived_keys_have_these_bytes_for_ever() {
    let derived = derive(&KEY, &[b"block", &7u32.to_le_bytes()]);
    assert_eq!(hex(derived.as_slice()), "276dc4cb7cfee584b96a3e9c81b3a77c4f4e2b9f8faa509e6a3355dd87fd31e9");
    assert_eq!(derive(&KEY, &[b"blo", b"ck\x07\0\0\0"]), derived, "the parts are joined");
    assert_ne!(derive(&KEY, &[b"block", &8u32.to_le_bytes()]), derived);
}

#[test]
fn random_bytes_differ_every_time() {
    assert_ne!(random::<16>().unwrap(), random::<16>().unwrap());
}
