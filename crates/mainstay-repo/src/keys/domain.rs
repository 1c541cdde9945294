//! A domain: those who share chunks, and the secrets by which they do.
//!
//! Owns what is made of a domain's secrets: identifiers, and the keys that wrap data keys. A holder of the secret *domains*
//! makes the secrets of every other domain; nobody else has any but those of its own.

use zeroize::Zeroizing;

use crate::error::Result;
use crate::format::keys::{Purpose, SecretBytes, Secrets};
use crate::format::{Decoded, Problem};
use crate::id::{ChunkId, DomainId, SourceId};
use crate::seal::{KeyBytes, PublicKey, derive, random};

/// The secrets of one domain, as far as a key has them.
pub struct Domain {
    pub id: DomainId,
    pub secrets: Secrets,
    /// Two identity keys, so that a tree page and a file with the same bytes are different chunks.
    content_ids: KeyBytes,
    tree_ids: KeyBytes,
    source_ids: KeyBytes,
}

impl Domain {
    pub fn new(secrets: Secrets) -> Self {
        Self {
            id: secrets.domain.unwrap_or(DomainId::MAIN),
            content_ids: derive(&secrets.identity, &[b"content"]),
            tree_ids: derive(&secrets.identity, &[b"tree"]),
            source_ids: derive(&secrets.identity, &[b"source"]),
            secrets,
        }
    }

    /// Draws the secrets of a new repository.
    pub fn generate() -> Result<Secrets> {
        let secret = || Ok::<_, crate::error::Error>(Some(SecretBytes(random()?)));
        Ok(Secrets {
            identity: random()?,
            chunker: random()?,
            index: random()?,
            content: secret()?,
            tree: secret()?,
            domains: secret()?,
            content_public: None,
            tree_public: None,
            domain: None,
            claims: None,
            signer: None,
        })
    }

    /// The secrets of another domain, all of them.
    pub fn made_of(domains: &[u8; 32], id: DomainId, claims: &KeyBytes) -> Secrets {
        let make = |name: &str| *derive(domains, &[b"domain ", name.as_bytes(), &id.0]);
        Secrets {
            identity: make("identity"),
            chunker: make("chunker"),
            index: make("index"),
            content: Some(SecretBytes(make("content"))),
            tree: Some(SecretBytes(make("tree"))),
            domains: None,
            content_public: None,
            tree_public: None,
            domain: Some(id),
            claims: Some(SecretBytes(**claims)),
            signer: None,
        }
    }

    pub fn content_id(&self, data: &[u8]) -> ChunkId {
        ChunkId(*blake3::keyed_hash(&self.content_ids, data).as_bytes())
    }

    pub fn tree_id(&self, page: &[u8]) -> ChunkId {
        ChunkId(*blake3::keyed_hash(&self.tree_ids, page).as_bytes())
    }

    pub fn source_id(&self, name: &str) -> SourceId {
        let hash = blake3::keyed_hash(&self.source_ids, name.as_bytes());
        let mut id = [0; SourceId::LEN];
        id.copy_from_slice(&hash.as_bytes()[..SourceId::LEN]);
        SourceId(id)
    }

    /// Key of what tells machines apart in leases: every domain uses that of the main one, so that each can tell whether a
    /// process of another is gone.
    pub fn claims(&self) -> KeyBytes {
        match &self.secrets.claims {
            Some(claims) => Zeroizing::new(claims.0),
            None => derive(&self.secrets.identity, &[b"claim"]),
        }
    }

    /// The secret of a purpose; `None` if it was never given to this key.
    pub fn secret(&self, purpose: Purpose) -> Option<&[u8; 32]> {
        let secret = match purpose {
            Purpose::Content => &self.secrets.content,
            Purpose::Tree => &self.secrets.tree,
        };
        secret.as_ref().map(|secret| &secret.0)
    }

    /// To whom a data key of a purpose is sealed by those who lack the secret.
    pub fn public_key(&self, purpose: Purpose) -> Decoded<PublicKey> {
        let held = match purpose {
            Purpose::Content => &self.secrets.content_public,
            Purpose::Tree => &self.secrets.tree_public,
        };
        let bytes = held.as_ref().ok_or_else(|| Problem(format!("it has no public key for {purpose:?}")))?;
        PublicKey::from_bytes(bytes).map_err(|_| Problem(format!("its public key for {purpose:?} is none")))
    }
}

/// The private seed of the key pair that belongs to a secret.
pub fn seed_of(secret: &[u8; 32]) -> KeyBytes {
    derive(secret, &[b"seal data key"])
}

/// What a writer gets of a domain's secrets: none that opens what it wrote, unless it may list.
pub fn for_writer(mut secrets: Secrets, may_list: bool) -> Secrets {
    let public = |secret: &mut Option<SecretBytes>| {
        secret.take().map(|secret| PublicKey::of(&seed_of(&secret.0)).to_bytes().into())
    };
    secrets.content_public = public(&mut secrets.content);
    if !may_list {
        secrets.tree_public = public(&mut secrets.tree);
    }
    secrets
}
