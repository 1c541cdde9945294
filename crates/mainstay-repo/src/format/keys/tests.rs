//! Tests of the encodings of key slots, secrets and data keys.

use super::*;
use crate::fixtures::damage::{assert_damage_is_harmless, assert_every_damage_is_noticed};
use crate::fixtures::{hex, session_id};

const REPOSITORY: RepositoryId = RepositoryId([0xa1; 16]);
const SLOT: SlotId = SlotId([0x51; 8]);

/// Those of a full slot.
fn secrets() -> Secrets {
    let secret = |number| Some(SecretBytes([number; 32]));
    Secrets {
        identity: [1; 32],
        chunker: [2; 32],
        index: [3; 32],
        content: secret(4),
        tree: secret(5),
        domains: secret(6),
        content_public: None,
        tree_public: None,
        domain: None,
        claims: None,
        generation: None,
        older: None,
        writers: None,
        signer: Some(StoredSigner { seed: [9; 32], certificates: Vec::new() }),
    }
}

/// Those of a writer.
fn writer_secrets() -> Secrets {
    let mut secrets = secrets();
    (secrets.content, secrets.tree, secrets.domains) = (None, None, None);
    secrets.content_public = Some(vec![7; 3].into());
    secrets.tree_public = Some(vec![8; 2].into());
    secrets.domain = Some(DomainId([9; 8]));
    secrets.claims = Some(SecretBytes([10; 32]));
    secrets
}

fn slot() -> StoredSlot {
    StoredSlot {
        id: SLOT,
        kind: SlotKind::Passphrase,
        label: "désk".to_owned(),
        created: 1_700_000_000_000_000_000,
        salt: [0x5a; 16],
        memory_kib: 65_536,
        passes: 3,
        lanes: 4,
        nonce: *b"twelve bytes",
        wrapped: vec![0xee; 5].into(),
        rights: None,
        generation: None,
        public_key: [0x9b; 32],
    }
}

fn data_key() -> StoredDataKey {
    let nonce = Some((*b"twelve bytes").into());
    let key = |purpose| WrappedKey { purpose, scheme: 1, nonce, wrapped: vec![purpose; 3].into(), generation: None };
    StoredDataKey { session: session_id(0x5e), keys: vec![key(1), key(2)], domain: None }
}

fn clear_header(kind: &str) -> String {
    format!("4d534331{kind}000000{}", "a1".repeat(16))
}

#[test]
fn the_secrets_have_these_bytes_for_ever() {
    let fields: Vec<String> =
        (1..=6).map(|number| format!("0{number}5820{}", format!("0{number}").repeat(32))).collect();
    let signer = format!("14a2015820{}0280", "09".repeat(32));
    assert_eq!(hex(&secrets().encode()), format!("a7{}{signer}", fields.concat()));
    assert!(Secrets::decode(&secrets().encode()).is_ok_and(|decoded| decoded == secrets()));
    let of_writer =
        format!("a8{}0743070707084208080948{}0a5820{}", fields[..3].concat(), "09".repeat(8), "0a".repeat(32));
    assert_eq!(hex(&writer_secrets().encode()), of_writer + &signer);
    let mut in_no_slot = secrets();
    in_no_slot.signer = None;
    assert_eq!(hex(&in_no_slot.encode()), format!("a6{}", fields.concat()));
    assert!(Secrets::decode(&writer_secrets().encode()).is_ok_and(|decoded| decoded == writer_secrets()));
}

#[test]
fn what_a_writers_slot_adds_has_these_bytes_for_ever() {
    let slot = StoredSlot { kind: SlotKind::Recipient, rights: Some(1), ..slot() };
    let bytes = encode_slot(REPOSITORY, &slot);
    let body = hex(&bytes[24..bytes.len() - 32]);
    assert!(body.starts_with("ac0148") && body.contains("020303"), "{body}");
    assert!(body.ends_with(&format!("0b01145820{}", "9b".repeat(32))), "{body}");
    assert_eq!(decode_slot(REPOSITORY, (SLOT, 0), &bytes), Ok(slot));
    let sealed = WrappedKey { purpose: 1, scheme: 2, nonce: None, wrapped: vec![1; 3].into(), generation: None };
    let key = StoredDataKey { domain: Some(DomainId([9; 8])), keys: vec![sealed], ..data_key() };
    let bytes = encode_data_key(REPOSITORY, &key);
    let body = format!("a30150{}0281a301010202044301010103480909090909090909", "5e".repeat(16));
    assert_eq!(hex(&bytes[24..bytes.len() - 32]), body);
    assert_eq!(decode_data_key(REPOSITORY, (session_id(0x5e), 0), &bytes), Ok(key));
}

/// Those of a full slot after two rotations.
fn rotated_secrets() -> Secrets {
    let secret = |number| SecretBytes([number; 32]);
    let older = |number: u8, writers| OlderSecrets { content: secret(number), tree: secret(number + 1), writers };
    let mut rotated = secrets();
    rotated.generation = Some(2);
    rotated.older = Some(vec![older(0x31, None), older(0x33, Some(secret(0x35)))]);
    rotated.writers = Some(secret(0x36));
    rotated
}

#[test]
fn what_a_rotation_adds_has_these_bytes_for_ever() {
    let older = |fields: &[u8]| -> String {
        let each = fields.iter().zip(1..).map(|(byte, key)| format!("0{key}5820{}", hex(&[*byte; 32])));
        format!("a{}{}", fields.len(), each.collect::<String>())
    };
    let expected =
        format!("0b020c82{}{}0d5820{}14a2", older(&[0x31, 0x32]), older(&[0x33, 0x34, 0x35]), "36".repeat(32));
    let bytes = rotated_secrets().encode();
    assert!(hex(&bytes).starts_with("aa01") && hex(&bytes).contains(&expected), "{}", hex(&bytes));
    assert!(Secrets::decode(&bytes).is_ok_and(|decoded| decoded == rotated_secrets()));
    let slot = StoredSlot { generation: Some(2), ..slot() };
    let bytes = encode_slot(REPOSITORY, &slot);
    assert!(hex(&bytes[24..bytes.len() - 32]).ends_with(&format!("0c02145820{}", "9b".repeat(32))));
    assert_eq!(decode_slot(REPOSITORY, (SLOT, 2), &bytes), Ok(slot));
    let mut key = data_key();
    key.keys[0].generation = Some(2);
    let bytes = encode_data_key(REPOSITORY, &key);
    let wrapped = format!("a501010201034c{}04430101010502a4", hex(b"twelve bytes"));
    assert!(hex(&bytes).contains(&wrapped), "{}", hex(&bytes));
    assert_eq!(decode_data_key(REPOSITORY, (session_id(0x5e), 2), &bytes), Ok(key));
    for generation in [0, 1, 3] {
        assert!(decode_data_key(REPOSITORY, (session_id(0x5e), generation), &bytes).is_err(), "{generation}");
    }
}

#[test]
fn secrets_that_lack_a_generation_are_refused() {
    let refused = |change: fn(&mut Secrets)| {
        let mut secrets = rotated_secrets();
        change(&mut secrets);
        Secrets::decode(&secrets.encode()).is_err()
    };
    assert!(refused(|secrets| secrets.generation = Some(3)));
    assert!(refused(|secrets| secrets.generation = None));
    assert!(refused(|secrets| secrets.generation = Some(limits::GENERATIONS + 1)));
    assert!(refused(|secrets| secrets.older = None));
    assert!(refused(|secrets| secrets.writers = None));
    assert!(refused(|secrets| secrets.older.iter_mut().flatten().for_each(|older| older.writers = None)));
    // A writer has none of those before.
    let mut of_writer = writer_secrets();
    of_writer.generation = Some(3);
    assert!(Secrets::decode(&of_writer.encode()).is_ok_and(|secrets| secrets == of_writer));
}

#[test]
fn a_key_slot_has_these_bytes_for_ever() {
    let body = format!(
        "ab0148{}02010365{}041b{}0550{}061a0001000007030804094c{}0a45{}145820{}",
        "51".repeat(8),
        "64c3a9736b",
        "17979cfe362a0000",
        "5a".repeat(16),
        hex(b"twelve bytes"),
        "ee".repeat(5),
        "9b".repeat(32)
    );
    let bytes = encode_slot(REPOSITORY, &slot());
    assert_eq!(hex(&bytes[..bytes.len() - 32]), clear_header("08") + &body);
    assert_eq!(decode_slot(REPOSITORY, (SLOT, 0), &bytes), Ok(slot()));
}

#[test]
fn a_data_key_has_these_bytes_for_ever() {
    let nonce = hex(b"twelve bytes");
    let keys = format!("a401010201034c{nonce}0443010101a401020201034c{nonce}0443020202");
    let body = format!("a20150{}0282{keys}", "5e".repeat(16));
    let bytes = encode_data_key(REPOSITORY, &data_key());
    assert_eq!(hex(&bytes[..bytes.len() - 32]), clear_header("07") + &body);
    assert_eq!(decode_data_key(REPOSITORY, (session_id(0x5e), 0), &bytes), Ok(data_key()));
}

#[test]
fn every_damage_to_a_stored_key_is_noticed() {
    let bytes = encode_slot(REPOSITORY, &slot());
    assert_every_damage_is_noticed(&bytes, |bytes| decode_slot(REPOSITORY, (SLOT, 0), bytes));
    let bytes = encode_data_key(REPOSITORY, &data_key());
    assert_every_damage_is_noticed(&bytes, |bytes| decode_data_key(REPOSITORY, (session_id(0x5e), 0), bytes));
}

#[test]
fn damage_to_opened_secrets_is_harmless() {
    let decode = |bytes: &[u8]| Secrets::decode(bytes).map(|secrets| Shown(secrets.encode().to_vec()));
    for secrets in [secrets(), rotated_secrets(), writer_secrets()] {
        assert_damage_is_harmless(&secrets.encode(), decode, |shown| shown.0.clone());
    }
}

/// Secrets have no `Debug` on purpose.
#[derive(Debug, PartialEq)]
struct Shown(Vec<u8>);

#[test]
fn a_stored_key_under_another_name_is_refused() {
    assert!(decode_slot(REPOSITORY, (SLOT, 1), &encode_slot(REPOSITORY, &slot())).is_err());
    assert!(decode_slot(REPOSITORY, (SlotId([0x52; 8]), 0), &encode_slot(REPOSITORY, &slot())).is_err());
    assert!(decode_data_key(REPOSITORY, (session_id(0x5f), 0), &encode_data_key(REPOSITORY, &data_key())).is_err());
}

#[test]
fn a_slot_that_asks_for_too_much_work_is_refused() {
    let decode = |slot: StoredSlot| decode_slot(REPOSITORY, (SLOT, 0), &encode_slot(REPOSITORY, &slot));
    let most = StoredSlot { memory_kib: limits::ARGON2_MEMORY_KIB, passes: limits::ARGON2_PASSES, lanes: 64, ..slot() };
    assert!(decode(most).is_ok());
    assert!(decode(StoredSlot { memory_kib: limits::ARGON2_MEMORY_KIB + 1, ..slot() }).is_err());
    assert!(decode(StoredSlot { passes: limits::ARGON2_PASSES + 1, ..slot() }).is_err());
    assert!(decode(StoredSlot { lanes: 65, ..slot() }).is_err());
}
