//! Results that are printed one by one as they are found: lines, or the elements of one JSON array.
//!
//! Owns buffering and the array's punctuation. Never holds more than a buffer.

use std::io::{self, BufWriter, StdoutLock, Write};

use serde::Serialize;

use super::Format;
use crate::failure::{Failure, Result};

/// An open list of results.
pub struct Stream {
    out: BufWriter<StdoutLock<'static>>,
    format: Format,
    elements: u64,
}

impl Stream {
    pub fn begin(format: Format) -> Self {
        Self { out: BufWriter::with_capacity(64 << 10, io::stdout().lock()), format, elements: 0 }
    }

    /// Adds a result: its line, or its element.
    pub fn push(&mut self, text: impl FnOnce() -> String, element: &impl Serialize) -> Result<()> {
        match self.format {
            Format::Text => {
                let mut line = text();
                line.push('\n');
                self.out.write_all(line.as_bytes())?;
            }
            Format::Json => {
                let before: &[u8] = if self.elements == 0 { b"[\n" } else { b",\n" };
                self.out.write_all(before)?;
                serde_json::to_writer(&mut self.out, element).map_err(io::Error::from)?;
            }
        }
        self.elements += 1;
        Ok(())
    }

    /// Ends the list and says how long it was.
    pub fn finish(mut self) -> Result<u64> {
        if self.format == Format::Json {
            let end: &[u8] = if self.elements == 0 { b"[]\n" } else { b"\n]\n" };
            self.out.write_all(end)?;
        }
        self.out.flush()?;
        Ok(self.elements)
    }
}

/// Carries a failure of the output through a verb that calls back and knows its own errors only.
#[derive(Default)]
pub struct Relay {
    failure: Option<Failure>,
}

impl Relay {
    /// Keeps the failure and has the verb stop.
    pub fn pass(&mut self, result: Result<()>) -> mainstay_jobs::Result<()> {
        result.map_err(|failure| {
            self.failure = Some(failure);
            mainstay_jobs::Error::Cancelled
        })
    }

    /// The result of the verb, or the failure that stopped it.
    pub fn finish<T>(self, result: mainstay_jobs::Result<T>) -> Result<T> {
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(result?),
        }
    }
}
