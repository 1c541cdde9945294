//! A tar archive as the bytes that come, in blocks.
//!
//! Owns the position, and telling an archive that was cut short from one that is at its end. Memory is taken as bytes come,
//! never for a length that is only claimed.

use std::io::{ErrorKind, Read};

use crate::{Error, Result};

/// What headers and contents are padded to.
pub const BLOCK: usize = 512;
/// Bytes that are passed over at once.
const SCRATCH: usize = 64 << 10;

pub type Block = [u8; BLOCK];

pub struct Blocks {
    reader: Box<dyn Read + Send>,
    /// What the archive is called in messages.
    name: String,
    at: u64,
}

impl Blocks {
    pub fn new(name: String, reader: Box<dyn Read + Send>) -> Self {
        Self { reader, name, at: 0 }
    }

    pub fn at(&self) -> u64 {
        self.at
    }

    /// Why the archive cannot be read, where the reading stands or stood.
    pub fn damaged(&self, at: u64, problem: impl Into<String>) -> Error {
        Error::Tar { name: self.name.clone(), at, problem: problem.into() }
    }

    /// Reads what comes; 0 at the end of the stream, or of the buffer.
    pub fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match self.reader.read(buffer) {
                Ok(read) => {
                    self.at = self.at.saturating_add(read as u64);
                    return Ok(read);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // What it was compressed with misses its end.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(self.cut_short()),
                Err(source) => {
                    return Err(mainstay_sources::Error::Io { verb: "read", path: self.name.clone(), source }.into());
                }
            }
        }
    }

    /// The next block; none at the end of the stream.
    ///
    /// # Errors
    /// When it is no whole block.
    pub fn next(&mut self) -> Result<Option<Block>> {
        let mut block = [0; BLOCK];
        match self.fill_some(&mut block)? {
            0 => Ok(None),
            BLOCK => Ok(Some(block)),
            _ => Err(self.cut_short()),
        }
    }

    fn fill_some(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            match self.read_some(room)? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(filled)
    }

    pub fn cut_short(&self) -> Error {
        self.damaged(self.at, "it ends here, without the mark of its end: it was cut short")
    }

    /// Passes over so many bytes.
    pub fn skip(&mut self, mut len: u64) -> Result<()> {
        let mut scratch = vec![0; SCRATCH.min(usize::try_from(len).unwrap_or(SCRATCH))];
        while len > 0 {
            let wanted = usize::try_from(len).unwrap_or(SCRATCH).min(scratch.len());
            let read = self.read_some(scratch.get_mut(..wanted).unwrap_or_default())?;
            if read == 0 {
                return Err(self.cut_short());
            }
            len -= read as u64;
        }
        Ok(())
    }

    /// Reads a text of a length that a header claims, and what it is padded with.
    pub fn text(&mut self, len: u64, limit: usize, what: &str) -> Result<Vec<u8>> {
        let at = self.at;
        let len = usize::try_from(len).ok().filter(|len| *len <= limit);
        let len = len.ok_or_else(|| self.damaged(at, format!("{what} is longer than {limit} bytes")))?;
        let mut text = Vec::new();
        while text.len() < len {
            let start = text.len();
            text.resize(len.min(start + SCRATCH), 0);
            let read = self.read_some(text.get_mut(start..).unwrap_or_default())?;
            text.truncate(start + read);
            if read == 0 {
                return Err(self.cut_short());
            }
        }
        self.skip(padding(len as u64))?;
        Ok(text)
    }

    /// Reads to the end of the stream, so that whoever writes it is not left with a broken pipe. Answers whether anything but padding came.
    pub fn drain(&mut self) -> Result<bool> {
        let mut scratch = vec![0; SCRATCH];
        let mut has_more = false;
        loop {
            match self.read_some(&mut scratch)? {
                0 => return Ok(has_more),
                read => has_more |= scratch.iter().take(read).any(|byte| *byte != 0),
            }
        }
    }
}

/// Bytes behind a content of this length, up to the next block.
pub fn padding(len: u64) -> u64 {
    (BLOCK as u64 - len % BLOCK as u64) % BLOCK as u64
}
