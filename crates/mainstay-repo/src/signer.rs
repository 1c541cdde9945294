//! Holders and what they sign.
//!
//! Owns making holders known to one another, signing, and the judgement whether a signature counts. Knows no store.
//! Invariant: a signature counts only if certificates lead from its holder, each signed by the next who has the right to make
//! holders known, to the first holder; and the id of the repository is made of that one's public key.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::format::envelope::ObjectKind;
use crate::format::signature::{
    Certificate, SIGNATURE_LEN, SigningRights, Statement, StoredSigner, encode_certificates, repository_of,
};
use crate::format::{Decoded, Problem, limits, signed};
use crate::id::{DomainId, RepositoryId, SlotId};
use crate::seal::{SigningKey, is_signed_by, random};

/// Who signed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub slot: SlotId,
    /// What people called the holder when it was made known.
    pub label: String,
    rights: SigningRights,
}

impl Holder {
    /// Whether what it signs counts in a domain: whoever may not make others known writes, if at all, in
    /// the domain of its slot.
    pub fn may_write_in(&self, domain: DomainId) -> bool {
        self.rights.include(SigningRights::HOLDERS) || domain.0 == self.slot.0
    }
}

/// What one holder signs with.
pub struct Signer {
    key: SigningKey,
    stored: StoredSigner,
}

impl Signer {
    /// Draws the first holder of a repository that does not exist yet, and with it the repository's id.
    pub fn first(label: &str, created: i64) -> Result<(Self, RepositoryId)> {
        Self::of_seed(random()?, label, created)
    }

    /// The same, of a seed that was drawn already.
    pub(crate) fn of_seed(seed: [u8; 32], label: &str, created: i64) -> Result<(Self, RepositoryId)> {
        let key = SigningKey::new(&seed);
        let repository = repository_of(&key.public_key());
        let statement = statement(&key, SigningRights::ALL, label, created)?;
        let certificate = certify(&key, repository, statement);
        Ok((Self { key, stored: StoredSigner { seed, certificates: vec![certificate] } }, repository))
    }

    pub fn open(stored: StoredSigner) -> Self {
        Self { key: SigningKey::new(&stored.seed), stored }
    }

    /// Draws what another holder signs with, and makes that holder known.
    ///
    /// # Errors
    /// When this one has no right to, or stands too far from the first.
    pub fn introduce(
        &self,
        repository: RepositoryId,
        rights: SigningRights,
        label: &str,
        created: i64,
    ) -> Result<Self> {
        if self.own().is_none_or(|own| !own.rights.include(SigningRights::HOLDERS)) {
            return Err(Error::Invalid("add key: this key may not make others known".to_owned()));
        }
        let depth = self.stored.certificates.len() + 1;
        if depth > limits::CERTIFICATES {
            let (got, limit) = (depth as u64, limits::CERTIFICATES as u64);
            return Err(Error::Limit { what: "keys that each were added by the one before".to_owned(), got, limit });
        }
        let seed = random()?;
        let key = SigningKey::new(&seed);
        let statement = statement(&key, rights, label, created)?;
        let mut certificates = vec![certify(&self.key, repository, statement)];
        certificates.extend_from_slice(&self.stored.certificates);
        Ok(Self { key, stored: StoredSigner { seed, certificates } })
    }

    pub fn stored(&self) -> &StoredSigner {
        &self.stored
    }

    pub fn public_key(&self) -> [u8; 32] {
        self.key.public_key()
    }

    /// What is said of this holder.
    pub fn own(&self) -> Option<&Statement> {
        self.stored.certificates.first().map(|certificate| &certificate.statement)
    }

    pub fn certificates(&self) -> &[Certificate] {
        &self.stored.certificates
    }

    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        self.key.sign(message)
    }

    /// Makes sure that what this holder signs will count, before anything is signed.
    pub fn confirm(&self, repository: RepositoryId, right: SigningRights) -> Decoded<()> {
        let holder = trace(repository, &self.stored.certificates)?;
        if holder.public_key != self.public_key() {
            return Err(Problem::new("its certificate is that of another key"));
        }
        require(holder, right)
    }
}

/// Signs what only a holder may say who may record removals.
///
/// # Errors
/// When this one may not.
pub fn sign_object(signer: &Signer, repository: RepositoryId, (kind, said): (ObjectKind, &[u8])) -> Result<Vec<u8>> {
    let confirmed = signer.confirm(repository, SigningRights::REMOVALS);
    confirmed.map_err(|problem| Error::Invalid(format!("sign {kind:?}: {problem}")))?;
    let signature = signer.sign(&signed::signed(kind, repository, said));
    Ok(signed::encode(kind, repository, said, (signer.certificates(), signature)))
}

/// The judge of signatures in one repository. What was judged is remembered: one command meets the same fences, leases and
/// snapshots again and again, and to judge a signature takes half a million instructions.
pub struct Judge {
    repository: RepositoryId,
    chains: Mutex<HashMap<Vec<u8>, Statement>>,
    matching: Mutex<HashSet<[u8; 32]>>,
}

/// Chains of certificates that are remembered: there are few.
const KNOWN_CHAINS: usize = 1000;
/// Signatures that are remembered to match, 32 bytes each.
const KNOWN_SIGNATURES: usize = 1 << 16;

impl Judge {
    pub fn new(repository: RepositoryId) -> Self {
        Self { repository, chains: Mutex::default(), matching: Mutex::default() }
    }

    /// Answers who signed a message.
    ///
    /// # Errors
    /// When the signature does not match, or comes from somebody who is not known or may not sign this.
    pub fn judge(
        &self,
        certificates: &[Certificate],
        right: SigningRights,
        message: &[u8],
        signature: &[u8; SIGNATURE_LEN],
    ) -> Decoded<Holder> {
        let holder = self.trace(certificates)?;
        require(&holder, right)?;
        if !self.matches(&holder.public_key, message, signature) {
            return Err(Problem::new("its signature does not match"));
        }
        Ok(Holder { slot: holder.slot, label: holder.label, rights: holder.rights })
    }

    /// What such an object says, if somebody has signed it who may say it.
    pub fn open_object(&self, kind: ObjectKind, bytes: &[u8]) -> Decoded<Vec<u8>> {
        let object = signed::decode(kind, self.repository, bytes)?;
        self.judge(&object.certificates, SigningRights::REMOVALS, &object.signed, &object.signature)?;
        Ok(object.said)
    }

    /// Whether such an object is one, whoever has signed it.
    pub fn is_whole(&self, kind: ObjectKind, bytes: &[u8]) -> bool {
        signed::decode(kind, self.repository, bytes).is_ok()
    }

    fn trace(&self, certificates: &[Certificate]) -> Decoded<Statement> {
        let bytes = encode_certificates(certificates);
        let known = || self.chains.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(holder) = known().get(&bytes) {
            return Ok(holder.clone());
        }
        let holder = trace(self.repository, certificates)?.clone();
        let mut known = known();
        if known.len() < KNOWN_CHAINS {
            known.insert(bytes, holder.clone());
        }
        Ok(holder)
    }

    /// Whether a key signed this message; one that did is asked once.
    fn matches(&self, public_key: &[u8; 32], message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
        let proof = *blake3::Hasher::new().update(public_key).update(signature).update(message).finalize().as_bytes();
        let known = || self.matching.lock().unwrap_or_else(PoisonError::into_inner);
        if known().contains(&proof) {
            return true;
        }
        let matches = is_signed_by(public_key, message, signature);
        let mut known = known();
        if matches && known.len() < KNOWN_SIGNATURES {
            known.insert(proof);
        }
        matches
    }
}

/// Follows certificates to the first holder; answers what is said of the one that they begin with.
fn trace(repository: RepositoryId, certificates: &[Certificate]) -> Decoded<&Statement> {
    let mut holder = None;
    let mut statements = certificates.iter().map(|certificate| &certificate.statement).skip(1);
    for Certificate { statement, signature } in certificates {
        let signer = match statements.next() {
            Some(signer) => {
                require(signer, SigningRights::HOLDERS)?;
                signer
            }
            None if repository_of(&statement.public_key) == repository => statement,
            None => {
                return Err(Problem::new(
                    "its signer is not known: no certificate leads to the repository's first key",
                ));
            }
        };
        if !is_signed_by(&signer.public_key, &statement.signed(repository), signature) {
            return Err(Problem(format!("the certificate of key {} does not match its signature", statement.slot)));
        }
        holder.get_or_insert(statement);
    }
    holder.ok_or_else(|| Problem::new("its signer is not known: it has no certificate"))
}

fn require(holder: &Statement, right: SigningRights) -> Decoded<()> {
    if holder.rights.include(right) {
        return Ok(());
    }
    let what = match right {
        SigningRights::SNAPSHOTS => "sign snapshots",
        SigningRights::REMOVALS => "record removals",
        _ => "make others known",
    };
    Err(Problem(format!("key {} may not {what}", holder.slot)))
}

fn statement(key: &SigningKey, rights: SigningRights, label: &str, created: i64) -> Result<Statement> {
    if label.len() > limits::LABEL_LEN {
        let (got, limit) = (label.len() as u64, limits::LABEL_LEN as u64);
        return Err(Error::Limit { what: "length of a key's label".to_owned(), got, limit });
    }
    Ok(Statement { slot: SlotId(random()?), public_key: key.public_key(), label: label.to_owned(), created, rights })
}

fn certify(signer: &SigningKey, repository: RepositoryId, statement: Statement) -> Certificate {
    let signature = signer.sign(&statement.signed(repository));
    Certificate { statement, signature }
}

#[cfg(test)]
mod tests;
