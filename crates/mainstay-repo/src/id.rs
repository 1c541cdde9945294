//! The identifiers of a repository's objects and their text form.
//!
//! Owns fixed-length byte identifiers and their lower-case hexadecimal spelling. Never decides how one is computed.

use std::fmt;

/// A text that is not an identifier of the expected length in lower-case hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidId;

macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $len:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length of the identifier in bytes.
            pub const LEN: usize = $len;

            /// Reads the identifier from exactly its bytes.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, InvalidId> {
                bytes.try_into().map(Self).map_err(|_| InvalidId)
            }

            /// Reads the identifier from lower-case hexadecimal.
            pub fn from_hex(text: &str) -> Result<Self, InvalidId> {
                let mut bytes = [0; $len];
                decode_hex(text, &mut bytes)?;
                Ok(Self(bytes))
            }

            /// The first eight hexadecimal digits, for people.
            pub fn short(&self) -> String {
                self.to_string().chars().take(8).collect()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.short())
            }
        }
    };
}

byte_id!(/// A repository, drawn at random when it is created.
    RepositoryId, 16);
byte_id!(/// One writing session, drawn at random; also names its data key.
    SessionId, 16);
byte_id!(/// A chunk: keyed BLAKE3 of its plaintext.
    ChunkId, 32);
byte_id!(/// A pack: BLAKE3 of its stored bytes.
    PackId, 32);
byte_id!(/// A snapshot: BLAKE3 of its stored bytes.
    SnapshotId, 32);
byte_id!(/// One index table, drawn at random.
    TableId, 16);
byte_id!(/// A header of a sidecar: the checksum that it bears.
    HeaderSum, 16);
byte_id!(/// A source: keyed BLAKE3 of its name, so that the store does not learn the name.
    SourceId, 16);
byte_id!(/// A key slot, drawn at random.
    SlotId, 8);
byte_id!(/// A domain: whose writers share chunks. Of a created writer, the id of its first key slot.
    DomainId, 8);

impl DomainId {
    /// The domain of the repository's own keys.
    pub const MAIN: Self = Self([0; Self::LEN]);
}

impl ChunkId {
    /// What stands in a chunk table for bytes that were taken out of a thinned block.
    pub const TAKEN_OUT: Self = Self([0; Self::LEN]);
}

/// A block: the session that sealed it and its number within that session.
///
/// The number never repeats within a session, and a session's identifier is random, so a block's identifier is known
/// before its content is complete and stays the same when the block moves to another pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId {
    pub session: SessionId,
    pub serial: u32,
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.session, self.serial)
    }
}

/// Not by `{:02x}`: every name of an object is made of these, and that took a tenth of the time of a prune of small things.
fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    let text: String = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    f.write_str(&text)
}

fn decode_hex(text: &str, bytes: &mut [u8]) -> Result<(), InvalidId> {
    let digits = text.as_bytes();
    if digits.len() != bytes.len() * 2 {
        return Err(InvalidId);
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return Err(InvalidId) };
        *byte = hex_value(*high)? << 4 | hex_value(*low)?;
    }
    Ok(())
}

fn hex_value(digit: u8) -> Result<u8, InvalidId> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(InvalidId),
    }
}

#[cfg(test)]
mod tests;
