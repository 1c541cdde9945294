//! A domain: those who share chunks, and the secrets by which they do.
//!
//! Owns what is made of a domain's secrets: identifiers, and the keys that wrap data keys. A holder of the secret *domains*
//! makes the secrets of every other domain; nobody else has any but those of its own.

use zeroize::Zeroizing;

use crate::error::Result;
use crate::format::keys::{OlderSecrets, Purpose, SecretBytes, Secrets};
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
            generation: None,
            older: None,
            writers: None,
            signer: None,
        })
    }

    /// Draws the next generation of the secrets that wrap data keys; all others stay, and so do those before. `None` for who
    /// may not.
    pub fn rotate(secrets: &Secrets) -> Result<Option<Secrets>> {
        let (Some(content), Some(tree), Some(_)) = (&secrets.content, &secrets.tree, &secrets.domains) else {
            return Ok(None);
        };
        let mut next = secrets.clone();
        let over = OlderSecrets { content: content.clone(), tree: tree.clone(), writers: secrets.writers.clone() };
        next.older.get_or_insert_default().push(over);
        next.generation = Some(secrets.generation() + 1);
        next.content = Some(SecretBytes(random()?));
        next.tree = Some(SecretBytes(random()?));
        next.writers = Some(SecretBytes(random()?));
        Ok(Some(next))
    }

    /// The secrets of another domain, all of them; `None` if these do not make any.
    pub fn made_of(main: &Secrets, id: DomainId, claims: &KeyBytes) -> Option<Secrets> {
        let domains = main.domains.as_ref()?;
        let make = |of: &SecretBytes, name: &str| *derive(&of.0, &[b"domain ", name.as_bytes(), &id.0]);
        let wraps = |writers: &Option<SecretBytes>| {
            let writers = writers.as_ref().unwrap_or(domains);
            (SecretBytes(make(writers, "content")), SecretBytes(make(writers, "tree")))
        };
        let older = main.older.as_ref().map(|older| {
            let made = older.iter().map(|older| wraps(&older.writers));
            made.map(|(content, tree)| OlderSecrets { content, tree, writers: None }).collect()
        });
        let (content, tree) = wraps(&main.writers);
        Some(Secrets {
            identity: make(domains, "identity"),
            chunker: make(domains, "chunker"),
            index: make(domains, "index"),
            content: Some(content),
            tree: Some(tree),
            domains: None,
            content_public: None,
            tree_public: None,
            domain: Some(id),
            claims: Some(SecretBytes(**claims)),
            generation: main.generation,
            older,
            writers: None,
            signer: None,
        })
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

    /// The secret of a purpose in the generation of a wrapped key; `None` for one that this key has not seen.
    pub fn secret_of(&self, purpose: Purpose, generation: u32) -> Option<&[u8; 32]> {
        if generation == self.secrets.generation() {
            return self.secret(purpose);
        }
        let older = self.secrets.older.as_ref()?.get(generation as usize)?;
        match purpose {
            Purpose::Content => Some(&older.content.0),
            Purpose::Tree => Some(&older.tree.0),
        }
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

/// What a maintainer gets of a domain's secrets: none that opens anything or is opened by anybody.
pub fn for_maintainer(mut secrets: Secrets) -> Secrets {
    (secrets.content, secrets.tree, secrets.older) = (None, None, None);
    secrets
}

/// What a writer gets of a domain's secrets: none that opens what it wrote, unless it may list.
pub fn for_writer(mut secrets: Secrets, may_list: bool) -> Secrets {
    let public = |secret: &mut Option<SecretBytes>| {
        secret.take().map(|secret| PublicKey::of(&seed_of(&secret.0)).to_bytes().into())
    };
    secrets.older = None;
    secrets.content_public = public(&mut secrets.content);
    if !may_list {
        secrets.tree_public = public(&mut secrets.tree);
    }
    secrets
}
