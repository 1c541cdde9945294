//! Tests of key slots, recovery codes and data keys.

mod slots;

use super::*;
use crate::fixtures::{CODE, CONFIG, block_id, hex, keys, session_id};
use crate::format::signature::StoredSigner;

fn bytes_of(code: &RecoveryCode) -> Vec<u8> {
    code.0.to_vec()
}

fn parsed(text: &str) -> Option<Vec<u8>> {
    RecoveryCode::parse(text).as_ref().map(bytes_of)
}

#[test]
fn a_recovery_code_is_spelled_like_this_for_ever() {
    let key: [u8; 32] = std::array::from_fn(|index| index as u8);
    let code = RecoveryCode(Zeroizing::new(key));
    assert_eq!(code.to_text().as_str(), CODE);
    assert_eq!(parsed(CODE), Some(key.to_vec()));
}

#[test]
fn a_generated_code_survives_being_written_down() {
    for _ in 0..50 {
        let code = RecoveryCode::generate().unwrap();
        assert_eq!(parsed(&code.to_text()), Some(bytes_of(&code)));
    }
    assert_ne!(bytes_of(&RecoveryCode::generate().unwrap()), bytes_of(&RecoveryCode::generate().unwrap()));
}

#[test]
fn a_code_is_read_however_it_is_typed() {
    let key = parsed(CODE);
    let spellings = [
        CODE.to_lowercase(),
        CODE.replace('-', ""),
        CODE.replace('-', " "),
        format!("  {}\n", CODE.replace('-', " - ")),
        CODE.replace('-', "\r\n"),
        CODE.replace('0', "O"),
        CODE.replace('0', "o"),
        format!("MSK1{}", CODE[4..].replace('1', "I")),
        format!("MSK1{}", CODE[4..].replace('1', "l")),
        CODE.replace('1', "I"),
        CODE.to_lowercase().replace('1', "l"),
    ];
    for spelling in spellings {
        assert_eq!(parsed(&spelling), key, "{spelling:?}");
    }
}

#[test]
fn every_single_typing_error_is_noticed() {
    for at in 5..CODE.len() {
        let digit = CODE.as_bytes()[at];
        if digit == b'-' {
            continue;
        }
        for other in ALPHABET.iter().filter(|other| **other != digit) {
            let mut text = CODE.as_bytes().to_vec();
            text[at] = *other;
            assert!(parsed(std::str::from_utf8(&text).unwrap()).is_none(), "digit {at}");
        }
    }
}

#[test]
fn swapped_neighbours_are_noticed() {
    for at in 5..CODE.len() - 1 {
        let mut text = CODE.as_bytes().to_vec();
        text.swap(at, at + 1);
        if text != CODE.as_bytes() && !text[at..=at + 1].contains(&b'-') {
            assert!(parsed(std::str::from_utf8(&text).unwrap()).is_none(), "digits {at} and {}", at + 1);
        }
    }
}

#[test]
fn what_is_no_code_is_taken_for_a_passphrase() {
    let typo = CODE.replace("RFY", "RFX");
    let texts =
        ["", "MSK1", "MSK1-", "correct horse battery staple", &CODE[..CODE.len() - 1], &CODE[1..], &typo, "MSK1-ü"];
    for text in texts {
        assert!(parsed(text).is_none(), "{text:?}");
        assert!(matches!(Secret::from_text(text), Secret::Passphrase(held) if held.as_str() == text), "{text:?}");
    }
    assert!(matches!(Secret::from_text(CODE), Secret::Code(_)));
    let longer = format!("{CODE}0");
    assert!(parsed(&longer).is_none());
}

fn frozen_keys() -> Keys {
    let (identity, chunker, index, content, tree) = ([1; 32], [2; 32], [3; 32], [4; 32], [5; 32]);
    let signer = StoredSigner { seed: [9; 32], certificates: Vec::new() };
    let secrets = Secrets { identity, chunker, index, content, tree, signer };
    Keys::new(CONFIG, secrets)
}

#[test]
fn identifiers_have_these_bytes_for_ever() {
    let keys = frozen_keys();
    let found = [
        hex(&keys.content_id(b"data").0),
        hex(&keys.tree_id(b"data").0),
        hex(&keys.source_id("data").0),
        hex(&keys.claim_id(b"data")),
    ];
    assert_eq!(
        found,
        [
            "e88f95dc1f3845bb8b64d54801c57ca63a4e74618934163915133e395133a9b6",
            "9dd50ecd9682b02b7a7d718e8d34f7bbb140d73139a4b1e9caa97c6fa9652665",
            "be78b3546ae093c19cabf82fe1f6a2e2",
            "458fb60ff9d7bd41a71652fe18e6f898",
        ]
    );
}

/// The first bytes of what a key makes of nothing, to compare keys that cannot be looked at.
fn fingerprint(key: &SealKey) -> String {
    let mut sealed = Vec::new();
    key.seal([0; 12], b"", &mut sealed, 0);
    hex(&sealed)
}

#[test]
fn derived_keys_are_these_for_ever() {
    let keys = frozen_keys();
    let data = DataKey { suite: Suite::Aes256Gcm, content: Zeroizing::new([6; 32]), tree: Zeroizing::new([7; 32]) };
    let found = [
        fingerprint(&keys.table_key(TableId([0x1d; 16]))),
        fingerprint(&keys.chunk_table_key(block_id(0x5e, 7))),
        fingerprint(&keys.wrapping_key(Purpose::Content)),
        fingerprint(&keys.wrapping_key(Purpose::Tree)),
        fingerprint(&data.block_key(ObjectKind::ContentBlock, 7)),
        fingerprint(&data.block_key(ObjectKind::TreeBlock, 7)),
        fingerprint(&data.object_key(ObjectKind::Snapshot)),
    ];
    assert_eq!(
        found,
        [
            "e4a413ec2b487468228eb267031778c7",
            "0f03275b66f046a9d5e7e93bc6453dd6",
            "c25b9eb8830b56c82e5985b1d454ded1",
            "0b2b6c1f77aec2bed51c53e8bd8bdccd",
            "d49f7509559313b5306156a197c86a3d",
            "ad385bc03363ba0dbad130ffc118c519",
            "6f29f37dfaf481637a49f5a25480ba37",
        ]
    );
}

#[test]
fn no_two_blocks_share_a_key() {
    let (key, _) = keys().new_data_key(session_id(1)).unwrap();
    let kinds = [ObjectKind::ContentBlock, ObjectKind::TreeBlock];
    let all: std::collections::BTreeSet<String> =
        kinds.iter().flat_map(|kind| (0..100).map(|serial| fingerprint(&key.block_key(*kind, serial)))).collect();
    assert_eq!(all.len(), 200);
}

#[test]
fn a_data_key_is_unwrapped_by_the_keys_that_wrapped_it() {
    let keys = keys();
    let (key, stored) = keys.new_data_key(session_id(1)).unwrap();
    let opened = keys.open_data_key(&stored).unwrap();
    assert_eq!((&opened.content, &opened.tree), (&key.content, &key.tree));
    assert!(crate::fixtures::keys().open_data_key(&stored).is_err(), "the keys of another repository");
    let moved = StoredDataKey { session: session_id(2), ..stored.clone() };
    assert!(keys.open_data_key(&moved).is_err(), "under the name of another session");
    let mut swapped = stored.clone();
    swapped.keys.swap(0, 1);
    for key in &mut swapped.keys {
        key.purpose = 3 - key.purpose;
    }
    swapped.keys.reverse();
    assert!(keys.open_data_key(&swapped).is_err(), "a content key that claims to be a tree key");
    let lone = StoredDataKey { keys: stored.keys[..1].to_vec(), ..stored };
    assert!(keys.open_data_key(&lone).is_err(), "without its tree key");
}
