//! Random bytes that are the same in every run.
//!
//! Owns the seed and the stream: BLAKE3's extendable output, which no compressor shortens.

use std::io::{self, Write};

const STEP_BYTES: u64 = 1 << 20;

pub struct Noise {
    stream: blake3::OutputReader,
    /// Numbers drawn at once, because drawing eight bytes at a time is slow.
    drawn: [u8; 512],
    used: usize,
}

impl Noise {
    pub fn new(seed: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(seed.as_bytes());
        Self { stream: hasher.finalize_xof(), drawn: [0; 512], used: 512 }
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.stream.fill(bytes);
    }

    /// A number in `0..limit`; the bias for the limits used here is below one in 2^32.
    pub fn below(&mut self, limit: u64) -> u64 {
        if self.used == self.drawn.len() {
            self.stream.fill(&mut self.drawn);
            self.used = 0;
        }
        let mut number = [0; 8];
        let drawn = self.drawn.get(self.used..self.used + 8);
        number.copy_from_slice(drawn.expect("drawn numbers are consumed in whole steps of eight"));
        self.used += 8;
        u64::from_le_bytes(number) % limit.max(1)
    }

    pub fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let index = self.below(words.len() as u64);
        words.get(index as usize).copied().unwrap_or_default()
    }

    pub fn copy_to(&mut self, writer: &mut impl Write, mut bytes: u64) -> io::Result<()> {
        let mut buffer = vec![0; STEP_BYTES as usize];
        while bytes > 0 {
            let step = bytes.min(STEP_BYTES) as usize;
            let part = buffer.get_mut(..step).unwrap_or_default();
            self.fill(part);
            writer.write_all(part)?;
            bytes -= step as u64;
        }
        Ok(())
    }
}
