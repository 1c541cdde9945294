//! The repository's first object, `mainstay.json`: who it is and what a program must know to use it.
//!
//! Plain JSON, so that anyone who finds it can tell what it belongs to.

use serde::{Deserialize, Serialize};

use super::{Decoded, FORMAT_VERSION, Problem};
use crate::id::RepositoryId;

const MAGIC: &str = "mainstay repository";

/// The cipher suite of a repository, fixed when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// Where the processor has AES instructions.
    Aes256Gcm,
    ChaCha20Poly1305,
}

impl Suite {
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "aes-256-gcm",
            Self::ChaCha20Poly1305 => "chacha20-poly1305",
        }
    }
}

/// What every program reads first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    pub repository: RepositoryId,
    pub suite: Suite,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    magic: String,
    format: u32,
    #[serde(default)]
    repository: String,
    #[serde(default)]
    suite: String,
    #[serde(default)]
    features: Features,
}

/// Features beyond the format version, by what a program that does not know them may still do.
#[derive(Default, Serialize, Deserialize)]
struct Features {
    /// May be ignored.
    #[serde(default)]
    compatible: Vec<String>,
    /// Reading is safe, writing is not.
    #[serde(default)]
    read_compatible: Vec<String>,
    /// Neither is safe.
    #[serde(default)]
    incompatible: Vec<String>,
}

/// Why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigProblem {
    Damaged(Problem),
    /// What it needs, in words.
    TooNew(String),
}

pub fn encode(config: &Config) -> Vec<u8> {
    let stored = Stored {
        magic: MAGIC.to_owned(),
        format: FORMAT_VERSION,
        repository: config.repository.to_string(),
        suite: config.suite.name().to_owned(),
        features: Features::default(),
    };
    let mut bytes = serde_json::to_vec_pretty(&stored).expect("plain fields always encode");
    bytes.push(b'\n');
    bytes
}

pub fn decode(bytes: &[u8]) -> Result<Config, ConfigProblem> {
    let stored: Stored = serde_json::from_slice(bytes)
        .map_err(|error| ConfigProblem::Damaged(Problem(format!("it is not valid JSON: {error}"))))?;
    if stored.magic != MAGIC {
        return Err(ConfigProblem::Damaged(Problem::new("its magic is not that of a Mainstay repository")));
    }
    if stored.format != FORMAT_VERSION {
        return Err(ConfigProblem::TooNew(format!("format {}", stored.format)));
    }
    let unknown = [&stored.features.incompatible, &stored.features.read_compatible];
    if let Some(feature) = unknown.into_iter().flatten().next() {
        return Err(ConfigProblem::TooNew(format!("the feature {feature:?}")));
    }
    decode_fields(&stored).map_err(ConfigProblem::Damaged)
}

fn decode_fields(stored: &Stored) -> Decoded<Config> {
    let repository = RepositoryId::from_hex(&stored.repository)
        .map_err(|_| Problem(format!("{:?} is not a repository identifier", stored.repository)))?;
    let suite = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305]
        .into_iter()
        .find(|suite| suite.name() == stored.suite)
        .ok_or_else(|| Problem(format!("unknown cipher suite {:?}", stored.suite)))?;
    Ok(Config { repository, suite })
}

#[cfg(test)]
mod tests;
