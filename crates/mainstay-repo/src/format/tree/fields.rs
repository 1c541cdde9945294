//! The pieces of CBOR that trees are made of, each with its bound.
//!
//! Owns reading one item and saying what is wrong with it. Knows nothing of what the items mean.

use minicbor::{Decoder, Encoder};

use crate::format::{Decoded, Problem, within};

pub type Sink<'a> = Encoder<&'a mut Vec<u8>>;
pub const INFALLIBLE: &str = "encoding into memory cannot fail";

pub fn cbor(error: minicbor::decode::Error) -> Problem {
    Problem(format!("tree: {error}"))
}

pub fn unsigned(decoder: &mut Decoder<'_>) -> Decoded<u64> {
    decoder.u64().map_err(cbor)
}

pub fn unsigned32(decoder: &mut Decoder<'_>) -> Decoded<u32> {
    decoder.u32().map_err(cbor)
}

pub fn bytes<'b>(decoder: &mut Decoder<'b>) -> Decoded<&'b [u8]> {
    decoder.bytes().map_err(cbor)
}

pub fn bounded_bytes(decoder: &mut Decoder<'_>, what: &str, limit: usize) -> Decoded<Vec<u8>> {
    let found = bytes(decoder)?;
    within(what, found.len() as u64, limit as u64)?;
    Ok(found.to_vec())
}

/// The count of a definite array; it cannot exceed the bytes left, since each item takes at least one.
pub fn array_len(decoder: &mut Decoder<'_>, what: &str) -> Decoded<u64> {
    let count = decoder.array().map_err(cbor)?.ok_or_else(|| Problem(format!("{what} of indefinite length")))?;
    within(what, count, (decoder.input().len() - decoder.position()) as u64)?;
    Ok(count)
}

pub fn expect_array(decoder: &mut Decoder<'_>, len: u64) -> Decoded<()> {
    if decoder.array().map_err(cbor)? != Some(len) {
        return Err(Problem(format!("an array of {len} was expected")));
    }
    Ok(())
}

pub fn expect_map(decoder: &mut Decoder<'_>, len: u64) -> Decoded<()> {
    if decoder.map().map_err(cbor)? != Some(len) {
        return Err(Problem(format!("a map of {len} was expected")));
    }
    Ok(())
}

pub fn expect_key(decoder: &mut Decoder<'_>, key: u8) -> Decoded<()> {
    if decoder.u8().map_err(cbor)? != key {
        return Err(Problem(format!("key {key} was expected")));
    }
    Ok(())
}

pub fn expect_end(decoder: &Decoder<'_>, input: &[u8]) -> Decoded<()> {
    if decoder.position() != input.len() {
        return Err(Problem(format!("{} bytes after the end", input.len() - decoder.position())));
    }
    Ok(())
}
