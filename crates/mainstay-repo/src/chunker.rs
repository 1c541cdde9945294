//! Where chunks end: keyed content-defined cutting, and fixed cutting for page-structured files.
//!
//! Owns the cut loop and its keyed table; reads nothing and hashes no identities. The algorithm is FastCDC (Xia et al.,
//! USENIX ATC 2016; two bytes a step as in IEEE TPDS 2020) with normalised masks. The table is drawn whole from a key:
//! a table altered by an exclusive-or was broken in 2025 (eprint 2025/532, 2025/558). Frozen vectors in the tests: a
//! change of boundaries would end deduplication with every existing repository.

use crate::format::limits;

/// Longest chunk in bytes.
pub const MAX_CHUNK_LEN: usize = limits::CHUNK_LEN;
/// Nothing is cut before this many bytes, and those bytes are not even looked at.
const MIN_LEN: usize = 256 << 10;
/// Up to here the stricter mask holds, from here the looser one.
const NORMAL_LEN: usize = 512 << 10;

/// 21 and 17 bits around the 19 of a 512 KiB average (normalisation 2), spread over bits 29 to 61 of the fingerprint,
/// where every bit depends on the last 30 bytes or more; bit 63 stays free because the first of two bytes is tested
/// with the mask shifted left.
const MASK_STRICT: u64 = 0x2bed_f2a4_e000_0000;
const MASK_LOOSE: u64 = 0x23e9_f204_e000_0000;

/// How a file is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cutting {
    /// By content: insertions move boundaries along.
    Content,
    /// Every `len` bytes: database files and disk images change in place, page by page.
    Fixed { len: usize },
}

impl Cutting {
    /// Bytes that must be there before a cut is sure.
    pub fn longest(self) -> usize {
        match self {
            Self::Content => MAX_CHUNK_LEN,
            Self::Fixed { len } => len,
        }
    }
}

/// A keyed cutter; cheap to share.
pub struct Chunker {
    gear: Box<[u64; 256]>,
    /// The same table shifted left by one, for the first of two bytes.
    gear_shifted: Box<[u64; 256]>,
}

impl Chunker {
    /// Draws the table from 2 KiB of keyed BLAKE3 output, little-endian.
    pub fn new(key: &[u8; 32]) -> Self {
        let mut bytes = [0; 2048];
        blake3::Hasher::new_keyed(key).update(b"mainstay gear table 1").finalize_xof().fill(&mut bytes);
        let mut gear = Box::new([0; 256]);
        for (entry, chunk) in gear.iter_mut().zip(bytes.chunks_exact(8)) {
            *entry = chunk.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        }
        let gear_shifted = Box::new(gear.map(|entry| entry << 1));
        Self { gear, gear_shifted }
    }

    /// Length of the first chunk of `data`, which must hold [`Cutting::longest`] bytes unless the file ends with it.
    pub fn cut(&self, cutting: Cutting, data: &[u8]) -> usize {
        match cutting {
            Cutting::Fixed { len } => data.len().min(len),
            Cutting::Content => self.cut_by_content(data),
        }
    }

    fn cut_by_content(&self, data: &[u8]) -> usize {
        if data.len() <= MIN_LEN {
            return data.len();
        }
        let end = data.len().min(MAX_CHUNK_LEN);
        let normal = end.min(NORMAL_LEN);
        let mut hash = 0;
        self.scan(data, MIN_LEN..normal, MASK_STRICT, &mut hash)
            .or_else(|| self.scan(data, normal..end, MASK_LOOSE, &mut hash))
            .unwrap_or(end)
    }

    /// Rolls over a range, two bytes a step, until the fingerprint has none of the mask's bits.
    fn scan(&self, data: &[u8], range: std::ops::Range<usize>, mask: u64, hash: &mut u64) -> Option<usize> {
        let start = range.start;
        let mask_shifted = mask << 1;
        let mut rolling = *hash;
        for (index, pair) in data[range].chunks_exact(2).enumerate() {
            rolling = (rolling << 2).wrapping_add(self.gear_shifted[usize::from(pair[0])]);
            if rolling & mask_shifted == 0 {
                return Some(start + index * 2 + 1);
            }
            rolling = rolling.wrapping_add(self.gear[usize::from(pair[1])]);
            if rolling & mask == 0 {
                return Some(start + index * 2 + 2);
            }
        }
        *hash = rolling;
        None
    }
}

#[cfg(test)]
mod tests;
