//! The stored bytes: every object's encoding and decoding, and nothing else.
//!
//! Pure functions from values to bytes and back. Knows no keys, no store and no clock. Every decoder checks lengths and
//! counts against [`limits`] before it takes memory, and answers a damaged input with a [`Problem`], never a panic.
//! `docs/format.md` describes these bytes and carries the hash of these files.

pub mod archive;
pub mod block;
pub mod config;
pub mod coord;
pub mod envelope;
pub mod history;
pub mod keys;
pub mod lease;
pub mod limits;
pub mod losses;
pub mod names;
pub mod pack;
pub mod parity;
pub mod refs;
pub mod signature;
pub mod signed;
pub mod snapshot;
pub mod table;
pub mod tree;

use std::fmt;

/// Version of the repository format that this code writes. Older ones are refused by number until 1.0.
pub const FORMAT_VERSION: u32 = 5;

/// What is wrong with some stored bytes; the caller knows the object's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(pub String);

/// Result of a decoder.
pub type Decoded<T> = Result<T, Problem>;

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Problem {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Refuses a number above its limit before anything is allocated for it.
pub(crate) fn within(what: &str, got: u64, limit: u64) -> Decoded<()> {
    if got > limit {
        return Err(Problem(format!("{what}: {got} exceeds the limit of {limit}")));
    }
    Ok(())
}

/// Encodes a value as deterministic CBOR (RFC 8949 §4.2.1 core requirements: shortest integers, definite lengths, and
/// keys in ascending order because the field numbers ascend).
pub(crate) fn to_cbor<T: minicbor::Encode<()>>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value).expect("encoding into memory cannot fail")
}

/// Decodes a value that must fill the input exactly.
pub(crate) fn from_cbor<'b, T: minicbor::Decode<'b, ()>>(what: &str, bytes: &'b [u8]) -> Decoded<T> {
    let mut decoder = minicbor::Decoder::new(bytes);
    let value = decoder.decode().map_err(|error| Problem(format!("{what}: {error}")))?;
    if decoder.position() != bytes.len() {
        return Err(Problem(format!("{what}: {} bytes after its end", bytes.len() - decoder.position())));
    }
    Ok(value)
}

/// A reader of fixed-width little-endian fields that never runs past its input.
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn bytes(&mut self, len: usize) -> Decoded<&'a [u8]> {
        let (head, tail) = self
            .rest
            .split_at_checked(len)
            .ok_or_else(|| Problem(format!("truncated: {len} bytes expected, {} left", self.rest.len())))?;
        self.rest = tail;
        Ok(head)
    }

    pub fn array<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    pub fn u8(&mut self) -> Decoded<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn u32(&mut self) -> Decoded<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Decoded<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

macro_rules! cbor_byte_id {
    ($($name:ident),*) => { $(
        impl<C> minicbor::Encode<C> for crate::id::$name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                encoder: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                encoder.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for crate::id::$name {
            fn decode(decoder: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                Self::from_slice(decoder.bytes()?)
                    .map_err(|_| minicbor::decode::Error::message("identifier of the wrong length"))
            }
        }
    )* };
}

cbor_byte_id!(RepositoryId, SessionId, ChunkId, PackId, SnapshotId, TableId, SourceId, SlotId, DomainId);
