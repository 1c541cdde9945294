//! Tests of key slots, data keys and domains.

mod rights;
mod slots;

use super::*;
use crate::fixtures::{CODE, CONFIG, block_id, hex, keys, session_id};
use crate::format::envelope::ObjectKind;
use crate::format::keys::{Purpose, SecretBytes, StoredDataKey};
use crate::format::signature::StoredSigner;

fn frozen_secrets() -> Secrets {
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
        signer: None,
    }
}

fn frozen_keys() -> Keys {
    let signer = StoredSigner { seed: [9; 32], certificates: Vec::new() };
    Keys::new(CONFIG, frozen_secrets(), Signer::open(signer))
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
            "e08b60b109f8a71b6751ca93b97011f0",
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
    let (content, tree) = (Some(Zeroizing::new([6; 32])), Some(Zeroizing::new([7; 32])));
    let data = DataKey { suite: Suite::Aes256Gcm, content, tree };
    let found = [
        fingerprint(&keys.table_key(DomainId::MAIN, TableId([0x1d; 16])).unwrap()),
        fingerprint(&keys.chunk_table_key(block_id(0x5e, 7)).unwrap()),
        fingerprint(&keys.wrapping_key(keys.own.secret(Purpose::Content).unwrap())),
        fingerprint(&keys.wrapping_key(keys.own.secret(Purpose::Tree).unwrap())),
        fingerprint(&data.block_key(ObjectKind::ContentBlock, 7).unwrap()),
        fingerprint(&data.block_key(ObjectKind::TreeBlock, 7).unwrap()),
        fingerprint(&data.object_key(ObjectKind::Snapshot).unwrap()),
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
    let all: std::collections::BTreeSet<String> = kinds
        .iter()
        .flat_map(|kind| (0..100).map(|serial| fingerprint(&key.block_key(*kind, serial).unwrap())))
        .collect();
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
