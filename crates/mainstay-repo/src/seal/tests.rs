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

#[test]
fn what_is_sealed_to_a_public_key_opens_by_its_seed_alone() {
    let public = PublicKey::of(&KEY);
    let sealed = public.seal(b"what it says", b"plaintext").unwrap();
    assert_eq!(sealed.len(), 1120 + 9 + TAG_LEN);
    let open = |seed: &[u8; 32], info: &[u8], sealed: &[u8]| open_sealed_to(seed, info, sealed).map(|p| p.to_vec());
    assert_eq!(open(&KEY, b"what it says", &sealed), Ok(b"plaintext".to_vec()));
    assert_eq!(open(&[0x4c; 32], b"what it says", &sealed), Err(Unsealable));
    assert_eq!(open(&KEY, b"what it said", &sealed), Err(Unsealable));
    for len in [0, 1119, 1120, sealed.len() - 1] {
        assert_eq!(open(&KEY, b"what it says", &sealed[..len]), Err(Unsealable), "{len}");
    }
    for at in (0..sealed.len()).step_by(37) {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert_eq!(open(&KEY, b"what it says", &changed), Err(Unsealable), "byte {at}");
    }
    assert_ne!(public.seal(b"what it says", b"plaintext").unwrap(), sealed, "each seal has a key of its own");
    assert!(PublicKey::from_bytes(&public.to_bytes()).is_ok_and(|read| read == public));
    assert!(PublicKey::from_bytes(&public.to_bytes()[1..]).is_err());
}

#[test]
fn what_another_implementation_sealed_to_a_public_key_opens() {
    let sealed: Vec<u8> =
        SEALED_ELSEWHERE.concat().as_bytes().chunks(2).map(|pair| u8_of(std::str::from_utf8(pair).unwrap())).collect();
    assert_eq!(open_sealed_to(&[0x5e; 32], b"what it says", &sealed).unwrap().as_slice(), b"sealed elsewhere");
}

fn u8_of(pair: &str) -> u8 {
    u8::from_str_radix(pair, 16).unwrap()
}

/// Made by Python's `cryptography`.
const SEALED_ELSEWHERE: [&str; 24] = [
    "01d1cd33e2722a37c4bdad8f951134859084212c40d55b52722fefc1d9e9e467d9f0cd2ca1851e8dbb9eddcfa185d369287b",
    "ff5c28d7f452a157351f3beec6c879378f22a9039eba32d8a73f7fb9b33f7c3bcc1c04beab453be0062600006250ca207568",
    "1bf25ca1159aad80d04156df87482495b120a5504e2be83dda81406f4c1944c2a5dd67ef0e003c4ae6f9773512b099e630a9",
    "5044f0e2dc804808b3367fe3d91f8680ce8e77ff70514f9fd637ecdc351c9118b031cbd5c2451ef9b0c84776818f1b11d84d",
    "971a259dc09a5441cabc6ef15496a2730aaa9495633a759a0efcd5858b2f0b3f2bc78e7132589183aec38372e71717aeace6",
    "ce59c0672398c350c5ba0eea3e227eb445bf44482493dbd53c13ad939fd91fa38d420aecfe31d87552e68f3203f6b6f4dfb6",
    "990c0582cece53a08602cb551d29fb89b5eb7974892d87c15be3f0c9b280599c9d437497bbe45a770e3f8c0f55dcf2d8b554",
    "7188837d610f6e361ca04a8e5bd27ccf2840824ac43e4f91154f0844a4066bdd2c70df30f552000cb91e20fe4948569a8720",
    "795d590774649e8d59b6063abdf499357e5e2defe5cecf1a5c3ffbc6bf45b859cf47187b884092b55956308d6f3a289db8c2",
    "9ca8401b823e1f54840d3438835a28f764e2de242145e65c6dc94334ecc9fb828e573b44bd77e234c6efe435fceb59627dc4",
    "e6525d696b47fefe782303649c08593b87102687f7aa485a2ca0b680323edd79176381a1b9cba15628e121c64d9ee28789d7",
    "570f34d4b3b033a3bc8a31017b525d81f3a6fa1aa10279c59e747c690e7bb3e3d848c9ebbcc1ffee209b6c48b2bb3b83e9bf",
    "0fe06c11dbbb93c0a6d7d4e331e524ed99e9b815f162e9dc7d6eb017c6953c74c5a185fec410a009446ef1e742074503d523",
    "f1fdb65f3cf5387cd06a3fbb33befecc905090a05082db4164d7268f3eb0c0516bbb43d44b42e5d600ccc6b7a300dd1f7906",
    "2d1215937adae4920fe13cb9a246ed1edba9ecf5d5db001ced8bbd29eec52e52e406d31f48cb00c6535eff1e02608369361f",
    "340955c76e4198fc464c063a62a7e90b6604fcc0511493473625a571afe8ff647bd73dfad1f134222b36bcbcb75dec9e5da6",
    "e833f16e3eab7820a3dcf592357eb552e494c477da3dc6478038ebf8bbf17d9fbb4783bf368d6ad76cc93daafb7f597988ee",
    "72e354d447ac328f9ecd12f31efeb676e1550ddde45943c2b22d39b0b57008002ef98c6da99d0b8c6dd34b66481ae9381d12",
    "8299d0e7360832594296a28ac25664319f5cb0b62cdbdcff15e884232cf1964bfe0cdf353986298a142bf2b702e19ed57887",
    "ed47a5025202fe886296f4b4934e334a048eae4430007d37382701ea9c93f15629c4613bd7bd889e35c56ef76bde0e71d45f",
    "97d660810f3d2c8d2dc6f4aac4a3b06456c0a72536e305112c6049eab8ac26988d3c630a5c973dead9a57a1370050eb8b0d3",
    "ba2bead6ff87e13ceb0fe716afaa448799363b843bddc79693768d582f3d503f9aa85639bfaf09126d87d389b23269080d89",
    "7cc7d489bef8841b02402d29cb7fcee7bd11ee4984e8e3aa92922606e5e11e85dd38cc01d369e4dec8aab47fd191acaccef9",
    "dc67",
];
