//! Maps of files with holes, in the four forms that they have in archives.
//!
//! Owns reading them, and that the ranges of a map ascend and hold what the archive holds. The forms: a list in the header
//! and in blocks behind it (GNU's old one), records of pairs (0.0), a record with all (0.1), text before the content (1.0).

use mainstay_sources::Run;

use super::blocks::{BLOCK, Block, Blocks};
use super::header::{field, number};
use super::records::{Records, decimal};
use crate::Result;

/// Most ranges of one file: 16 MiB of memory.
pub const RANGES: usize = 1 << 20;
/// Decimal digits of a number in a map.
const DIGITS: usize = 20;

/// Offset and length of data.
pub type Range = (u64, u64);

/// Where a file's data lies, and how long the file is.
#[derive(Debug, PartialEq, Eq)]
pub struct Map {
    pub ranges: Vec<Range>,
    pub len: u64,
}

impl Map {
    /// Data and holes in order; `data_len` bytes of data are in the archive.
    pub fn runs(&self, data_len: u64) -> Result<Vec<Run>, String> {
        let mut runs = Vec::new();
        let (mut at, mut data) = (0_u64, 0_u64);
        for (offset, len) in self.ranges.iter().filter(|(_, len)| *len > 0) {
            let hole = offset.checked_sub(at).ok_or("its map of holes is not in order")?;
            if hole > 0 {
                runs.push(Run::Hole { len: hole });
            }
            runs.push(Run::Data { len: *len });
            at = offset.checked_add(*len).filter(|end| *end <= self.len).ok_or("its map goes beyond its end")?;
            data += len;
        }
        if data != data_len {
            return Err(format!("its map of holes names {data} bytes of data, the archive has {data_len}"));
        }
        if at < self.len {
            runs.push(Run::Hole { len: self.len - at });
        }
        Ok(runs)
    }
}

/// The map of GNU's old form: four ranges in the header, 21 in each block that follows.
pub fn old_map(header: &Block, blocks: &mut Blocks) -> Result<Map> {
    let at = blocks.at();
    let failed = |blocks: &Blocks, problem: String| blocks.damaged(at, problem);
    let mut ranges = Vec::new();
    add_ranges(field(header, 386, 96), &mut ranges).map_err(|problem| failed(blocks, problem))?;
    let len = number(field(header, 483, 12)).and_then(|len| u64::try_from(len).map_err(|_| "is negative".to_owned()));
    let len = len.map_err(|problem| failed(blocks, format!("length {problem}")))?;
    let mut goes_on = field(header, 482, 1) != [0];
    while goes_on {
        let block = blocks.next()?.ok_or_else(|| blocks.cut_short())?;
        add_ranges(field(&block, 0, 504), &mut ranges).map_err(|problem| failed(blocks, problem))?;
        goes_on = field(&block, 504, 1) != [0];
    }
    Ok(Map { ranges, len })
}

fn add_ranges(list: &[u8], ranges: &mut Vec<Range>) -> Result<(), String> {
    for pair in list.chunks_exact(24) {
        let (offset, len) = pair.split_at(12);
        if len.first().is_none_or(|byte| *byte == 0) {
            break;
        }
        let unsigned =
            |field| number(field).and_then(|number| u64::try_from(number).map_err(|_| "a hole is negative".to_owned()));
        push(ranges, (unsigned(offset)?, unsigned(len)?))?;
    }
    Ok(())
}

fn push(ranges: &mut Vec<Range>, range: Range) -> Result<(), String> {
    if ranges.len() >= RANGES {
        return Err(format!("its map of holes has more than {RANGES} ranges"));
    }
    ranges.push(range);
    Ok(())
}

/// The map that records hold; none where they hold none.
pub fn map_of_records(records: &Records) -> Result<Option<Map>, String> {
    let Some(len) = records.number("GNU.sparse.size")? else { return Ok(None) };
    let Some(text) = records.value("GNU.sparse.map") else {
        return Ok((!records.ranges.is_empty()).then(|| Map { ranges: records.ranges.clone(), len }));
    };
    let mut ranges = Vec::new();
    let mut numbers = text.split(|byte| *byte == b',').map(decimal);
    while let Some(offset) = numbers.next() {
        let len = numbers.next().ok_or("its map of holes has an offset without a length")?;
        push(&mut ranges, (offset?, len?))?;
    }
    Ok(Some(Map { ranges, len }))
}

/// Whether the content begins with its map.
pub fn has_map_before_content(records: &Records) -> bool {
    records.value("GNU.sparse.major") == Some(b"1")
}

/// Reads the map that stands before a content of `stored` bytes, map included; answers it with how many are left.
pub fn map_before_content(blocks: &mut Blocks, (stored, len): (u64, u64)) -> Result<(Map, u64)> {
    let mut text = Text { blocks, block: [0; BLOCK], place: BLOCK, left: stored };
    let count = text.number()?;
    if count > RANGES as u64 {
        return Err(text.blocks.damaged(text.blocks.at(), format!("its map of holes has more than {RANGES} ranges")));
    }
    let mut ranges = Vec::new();
    for _ in 0..count {
        ranges.push((text.number()?, text.number()?));
    }
    Ok((Map { ranges, len }, text.left))
}

/// Lines of digits in blocks.
struct Text<'b> {
    blocks: &'b mut Blocks,
    block: Block,
    place: usize,
    left: u64,
}

impl Text<'_> {
    fn number(&mut self) -> Result<u64> {
        let mut digits = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => break,
                byte if digits.len() < DIGITS => digits.push(byte),
                _ => return Err(self.blocks.damaged(self.blocks.at(), "a number of its map of holes has no end")),
            }
        }
        // No digits are no number.
        let number =
            if digits.is_empty() { Err("its map of holes has an empty line".to_owned()) } else { decimal(&digits) };
        number.map_err(|problem| self.blocks.damaged(self.blocks.at(), problem))
    }

    fn byte(&mut self) -> Result<u8> {
        if self.place == BLOCK {
            let left = self.left.checked_sub(BLOCK as u64);
            let short = || self.blocks.damaged(self.blocks.at(), "its map of holes is longer than its content");
            self.left = left.ok_or_else(short)?;
            self.block = self.blocks.next()?.ok_or_else(|| self.blocks.cut_short())?;
            self.place = 0;
        }
        let byte = self.block.get(self.place).copied().unwrap_or_default();
        self.place += 1;
        Ok(byte)
    }
}
