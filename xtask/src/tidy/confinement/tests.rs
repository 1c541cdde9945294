//! Tests of what only some files may name.

use super::*;

fn count(rule: fn(&Checkout) -> Vec<Finding>, path: &str, text: &str) -> usize {
    rule(&Checkout::of(&[(path, text)])).len()
}

#[test]
fn encoding_outside_format_is_found() {
    let text = "use minicbor::Encoder;";
    assert_eq!(count(stored_bytes, "crates/mainstay-repo/src/index.rs", text), 1);
    assert_eq!(count(stored_bytes, "crates/mainstay-jobs/src/backup.rs", text), 1);
    assert_eq!(count(stored_bytes, "crates/mainstay-repo/src/format/pack.rs", text), 0);
    assert_eq!(count(stored_bytes, "crates/mainstay-repo/src/format.rs", text), 0);
}

#[test]
fn ciphers_outside_seal_and_keys_are_found() {
    let text = "use aws_lc_rs::aead; use argon2::Argon2;";
    assert_eq!(count(ciphers, "crates/mainstay-repo/src/pack_writer.rs", text), 2);
    assert_eq!(count(ciphers, "crates/mainstay/src/commands/key.rs", text), 2);
    assert_eq!(count(ciphers, "crates/mainstay-repo/src/keys/slot.rs", text), 0);
    assert_eq!(count(ciphers, "crates/mainstay-repo/src/seal.rs", text), 0);
    assert_eq!(count(ciphers, HASHED_NAMES, text), 0);
    assert_eq!(count(ciphers, "crates/mainstay-stores/src/sftp/identity.rs", text), 2);
}

#[test]
fn a_clock_or_an_environment_in_the_engine_is_found() {
    let text = "use std::time::SystemTime;\nfn f() { std::env::var(x); println!(); Instant::now(); }";
    assert_eq!(count(surroundings, "crates/mainstay-repo/src/lease.rs", text), 4);
    assert_eq!(count(surroundings, "crates/mainstay/src/main.rs", text), 0);
    assert_eq!(count(surroundings, "crates/mainstay-repo/src/lease/tests.rs", text), 0);
}

#[test]
fn a_word_in_a_comment_is_kept() {
    let text = "//! Not SystemTime, and no \"println\".";
    assert_eq!(count(surroundings, "crates/mainstay-repo/src/lease.rs", text), 0);
}
