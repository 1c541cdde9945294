//! Which key a host has, by the files that `ssh` keeps.
//!
//! Owns the decision whether a key that a server shows is its own. Writes to none of the files: that a host is trusted is for a
//! person to say. Invariant: what cannot be read as an entry trusts nobody.

use std::io;

use aws_lc_rs::hmac;
use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, Marker};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKey};

use super::config::{Target, is_among, text_of};
use super::failure::{HostKey, Trust};

/// Kinds of keys that a server may show, the usual first. RSA is not among them: nothing here can verify it.
const KINDS: [Algorithm; 4] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
];

/// What is known of one host.
#[derive(Clone, Debug)]
pub struct Known {
    keys: Vec<PublicKey>,
    revoked: Vec<PublicKey>,
    host: String,
    port: u16,
    name: String,
}

impl Known {
    /// Reads what the files say of a host.
    ///
    /// # Errors
    /// When one is there and cannot be read.
    pub fn read(target: &Target) -> io::Result<Self> {
        let mut known = Self {
            keys: Vec::new(),
            revoked: Vec::new(),
            host: target.host.clone(),
            port: target.port,
            name: target.known_name(),
        };
        for file in &target.known_hosts {
            known.add(&text_of(file)?.unwrap_or_default());
        }
        Ok(known)
    }

    fn add(&mut self, text: &str) {
        for line in text.lines() {
            // Between its words a line may have any blanks.
            let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
            let Some(entry) =
                Some(&line).filter(|line| !line.starts_with('#')).and_then(|line| line.parse::<Entry>().ok())
            else {
                continue;
            };
            if is_of(entry.host_patterns(), &self.name) {
                match entry.marker() {
                    None => self.keys.push(entry.public_key().clone()),
                    Some(Marker::Revoked) => self.revoked.push(entry.public_key().clone()),
                    // Certificates of hosts are not asked for.
                    Some(Marker::CertAuthority) => {}
                }
            }
        }
    }

    /// The kinds of keys to ask the server for, those that are known first.
    pub fn preferred(&self) -> Vec<Algorithm> {
        let is_known = |kind: &Algorithm| self.keys.iter().any(|key| key.algorithm() == *kind);
        let (mut kinds, others): (Vec<_>, Vec<_>) = KINDS.into_iter().partition(is_known);
        kinds.extend(others);
        kinds
    }

    /// Decides whether a key is the host's.
    ///
    /// # Errors
    /// That it is not, and how a person goes on.
    pub fn require(&self, shown: &PublicKey) -> Result<(), HostKey> {
        let is_it = |key: &PublicKey| key.key_data() == shown.key_data();
        let (kind, print) = (shown.algorithm(), shown.fingerprint(HashAlg::Sha256));
        let name = &self.name;
        if self.revoked.iter().any(is_it) {
            let message = format!("the key of {name} ({kind}, {print}) is marked as revoked");
            let hint = "whoever runs the server must give it another key; trust nothing that it shows until then";
            return Err(HostKey::new(Trust::Revoked, message, hint.to_owned()));
        }
        if self.keys.iter().any(is_it) {
            return Ok(());
        }
        let port = if self.port == crate::address::USUAL_PORT { String::new() } else { format!("-p {} ", self.port) };
        if let Some(other) = self.keys.iter().find(|key| key.algorithm() == kind) {
            let other = other.fingerprint(HashAlg::Sha256);
            let message =
                format!("THE KEY OF {name} HAS CHANGED: {kind} {other} is known, and the server shows {print}");
            let hint = format!(
                "somebody may stand between you and the server: ask whoever runs it for the fingerprint; only if it is \
                 the new one: ssh-keygen -R '{name}', then connect once by ssh"
            );
            return Err(HostKey::new(Trust::Changed, message, hint));
        }
        let message = format!("the key of {name} is not known: the server shows {kind} {print}");
        let hint = format!(
            "compare the fingerprint with what whoever runs the server says, then: ssh-keyscan {port}{} >> ~/.ssh/known_hosts \
             (or connect once by ssh)",
            self.host
        );
        Err(HostKey::new(Trust::Unknown, message, hint))
    }
}

/// Whether an entry is of a host; hashed names are HMAC-SHA1 of the name under a salt (sshd(8)).
fn is_of(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::Patterns(patterns) => is_among(name, patterns.iter().map(String::as_str)),
        HostPatterns::HashedName { salt, hash } => {
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
            hmac::verify(&key, name.as_bytes(), hash).is_ok()
        }
    }
}

#[cfg(test)]
mod tests;
