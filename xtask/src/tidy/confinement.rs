//! Rules: what only some files may name.
//!
//! Owns three borders: stored bytes are encoded in `format/` alone, cipher crates are named in
//! `seal` and `keys` alone, and the engine knows no clock, no environment and no terminal.

use super::Finding;
use super::source::{sources, words};
use crate::checkout::Checkout;

#[cfg(test)]
mod tests;

const ENGINE: &str = "crates/mainstay-repo/src/";

/// Only `format/` encodes or decodes what is stored.
pub fn stored_bytes(checkout: &Checkout) -> Vec<Finding> {
    confine(checkout, &["minicbor"], &["format"], "format/ alone encodes stored bytes")
}

/// The names of hosts that `ssh` keeps hashed: a MAC under a salt, which touches no key.
const HASHED_NAMES: &str = "crates/mainstay-stores/src/sftp/known_hosts.rs";

/// Only `seal` and `keys` touch key material with a cipher.
pub fn ciphers(checkout: &Checkout) -> Vec<Finding> {
    let words = ["aws_lc_rs", "argon2", "hpke"];
    let mut findings = confine(checkout, &words, &["seal", "keys"], "seal and keys alone name cipher crates");
    findings.retain(|finding| finding.path != HASHED_NAMES);
    findings
}

/// The engine is handed its clock, its randomness and its store; it looks up nothing by itself.
pub fn surroundings(checkout: &Checkout) -> Vec<Finding> {
    let names = ["std::env", "SystemTime", "Instant::now", "println", "eprintln", "tokio", "async"];
    let mut findings = Vec::new();
    for source in sources(checkout) {
        if !source.path.starts_with(ENGINE) || source.is_test {
            continue;
        }
        let code = source.code_outside_tests();
        for name in names {
            let found = words(&code, name).map(|offset| {
                let message = format!("the engine must not use {name}: its caller hands it in");
                Finding::failure(source.path, source.line_of(offset), message)
            });
            findings.extend(found);
        }
    }
    findings
}

/// Findings for `names` in every file of `crates/` outside the engine's modules `homes`.
fn confine(checkout: &Checkout, names: &[&str], homes: &[&str], why: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources(checkout) {
        let module = source.path.strip_prefix(ENGINE);
        let module = module.and_then(|inner| inner.split(['/', '.']).next());
        if !source.path.starts_with("crates/") || module.is_some_and(|name| homes.contains(&name)) {
            continue;
        }
        for name in names {
            let found = words(&source.code, name).map(|offset| {
                let message = format!("{name} does not belong here: {why}");
                Finding::failure(source.path, source.line_of(offset), message)
            });
            findings.extend(found);
        }
    }
    findings
}
