//! Telling how an archive is compressed, and undoing it.
//!
//! Owns the first bytes of the forms. What is not undone here is named, with the program that does.

use std::io::{BufReader, Cursor, Read};

use mainstay_sources::Error;

use crate::failure::{Failure, Result, catalogue};
use crate::location::quoted;

/// Bytes that are read at once.
const BUFFER_LEN: usize = 1 << 20;
/// The longest of the first bytes.
const MAGIC_LEN: usize = 6;

/// Forms that another program undoes, and which: first bytes, name, command.
const OTHERS: [(&[u8], &str, &str); 7] = [
    (b"\xfd7zXZ\0", "xz", "xz -dc"),
    (b"BZh", "bzip2", "bzip2 -dc"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4 -dc"),
    (b"LZIP", "lzip", "lzip -dc"),
    (b"\x89LZO", "lzop", "lzop -dc"),
    (b"\x1f\x9d", "compress", "gzip -dc"),
    (b"7z\xbc\xaf\x27\x1c", "7-Zip", "7z x -so"),
];

/// The archive within.
pub fn unpacked(name: &str, mut reader: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>> {
    let mut begin = Vec::new();
    let read = reader.by_ref().take(MAGIC_LEN as u64).read_to_end(&mut begin);
    read.map_err(|source| Error::Io { verb: "read", path: name.to_owned(), source })?;
    let known = OTHERS.iter().find(|(magic, ..)| begin.starts_with(magic));
    if let Some((_, form, command)) = known {
        let message = format!("read {}: it is compressed with {form}", quoted(name.as_ref()));
        let hint = format!("undo that before: {command} FILE | mainstay import tar - --source NAME");
        return Err(Failure::new(&catalogue::BROKEN_TAR, message).with_hint(hint));
    }
    let is_zstd = begin.starts_with(b"\x28\xb5\x2f\xfd") || is_skippable(&begin);
    let is_gzip = begin.starts_with(b"\x1f\x8b");
    let whole = BufReader::with_capacity(BUFFER_LEN, Cursor::new(begin).chain(reader));
    Ok(match () {
        () if is_zstd => buffered(zstd::stream::read::Decoder::with_buffer(whole)?),
        () if is_gzip => buffered(flate2::bufread::MultiGzDecoder::new(whole)),
        () => Box::new(whole),
    })
}

/// A frame without content, with which archives of several frames may begin (RFC 8878 §3.1.2).
fn is_skippable(begin: &[u8]) -> bool {
    matches!(begin, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Headers are short, and each costs a call.
fn buffered(reader: impl Read + Send + 'static) -> Box<dyn Read + Send> {
    Box::new(BufReader::with_capacity(BUFFER_LEN, reader))
}
