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
    pub form: Form,
}

/// What a repository is for, fixed when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Backups, one after the other.
    Growing,
    /// One snapshot, sealed and held.
    Archive,
}

/// The feature of an archive: whoever does not know it may read, and would write what nobody expects.
const ARCHIVE: &str = "archive";

/// What every version has.
#[derive(Deserialize)]
struct Head {
    magic: String,
    format: u32,
}

/// All of it. A name that is not known is damage: it may have been that of a list of features.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    magic: String,
    format: u32,
    repository: String,
    suite: String,
    features: Features,
}

/// Features beyond the format version, by what a program that does not know them may still do.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Features {
    /// May be ignored.
    compatible: Vec<String>,
    /// Reading is safe, writing is not.
    read_compatible: Vec<String>,
    /// Neither is safe.
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
        features: Features {
            read_compatible: match config.form {
                Form::Growing => Vec::new(),
                Form::Archive => vec![ARCHIVE.to_owned()],
            },
            ..Features::default()
        },
    };
    write(&stored)
}

fn write(stored: &Stored) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(stored).expect("plain fields always encode");
    bytes.push(b'\n');
    bytes
}

pub fn decode(bytes: &[u8]) -> Result<Config, ConfigProblem> {
    let head: Head = from_json(bytes).map_err(ConfigProblem::Damaged)?;
    if head.magic != MAGIC {
        return Err(ConfigProblem::Damaged(Problem::new("its magic is not that of a Mainstay repository")));
    }
    if head.format != FORMAT_VERSION {
        return Err(ConfigProblem::TooNew(format!("format {}", head.format)));
    }
    let stored: Stored = from_json(bytes).map_err(ConfigProblem::Damaged)?;
    let unknown = [&stored.features.incompatible, &stored.features.read_compatible];
    if let Some(feature) = unknown.into_iter().flatten().find(|feature| *feature != ARCHIVE) {
        return Err(ConfigProblem::TooNew(format!("the feature {feature:?}")));
    }
    let archive = ARCHIVE.to_owned();
    if stored.features.incompatible.contains(&archive) || stored.features.compatible.contains(&archive) {
        return Err(ConfigProblem::Damaged(Problem::new("the feature of an archive is in a list of others")));
    }
    decode_fields(&stored).map_err(ConfigProblem::Damaged)
}

/// Whether every byte is as this program writes it: what can be read all the same may have lost a byte, and has no checksum.
pub fn is_as_written(bytes: &[u8]) -> bool {
    from_json(bytes).is_ok_and(|stored: Stored| write(&stored) == bytes)
}

fn from_json<'b, T: Deserialize<'b>>(bytes: &'b [u8]) -> Decoded<T> {
    serde_json::from_slice(bytes).map_err(|error| Problem(format!("it is not valid JSON: {error}")))
}

fn decode_fields(stored: &Stored) -> Decoded<Config> {
    let repository = RepositoryId::from_hex(&stored.repository)
        .map_err(|_| Problem(format!("{:?} is not a repository identifier", stored.repository)))?;
    let suite = [Suite::Aes256Gcm, Suite::ChaCha20Poly1305]
        .into_iter()
        .find(|suite| suite.name() == stored.suite)
        .ok_or_else(|| Problem(format!("unknown cipher suite {:?}", stored.suite)))?;
    let is_archive = stored.features.read_compatible.iter().any(|feature| feature == ARCHIVE);
    let form = if is_archive { Form::Archive } else { Form::Growing };
    Ok(Config { repository, suite, form })
}

#[cfg(test)]
mod tests;
