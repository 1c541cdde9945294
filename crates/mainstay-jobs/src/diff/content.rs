//! Whether two contents are the same bytes.
//!
//! Owns stepping through both at once, however differently they are cut: two sessions may have stored the same bytes
//! twice. What lies at the same place of the same block is not read.

use mainstay_repo::{Content, Extent, TreeReader};

use crate::Result;
use crate::browse::{BlockBuffer, extents};

/// Zeros at hand to compare with.
const ZEROS_LEN: usize = 64 << 10;

/// Compares two contents of the same length.
pub fn is_same(
    trees: &TreeReader,
    (old, old_buffer): (&Content, &mut BlockBuffer<'_>),
    (new, new_buffer): (&Content, &mut BlockBuffer<'_>),
) -> Result<bool> {
    if old == new {
        return Ok(true);
    }
    let mut old = Stretches { rest: extents(trees, old), current: None };
    let mut new = Stretches { rest: extents(trees, new), current: None };
    loop {
        let (old_extent, new_extent) = match (old.peek()?, new.peek()?) {
            (Some(old), Some(new)) => (old, new),
            (old, new) => return Ok(old.is_none() && new.is_none()),
        };
        let len = old_extent.content_len().min(new_extent.content_len());
        let (old_part, new_part) = (front(old_extent, len), front(new_extent, len));
        if old_part != new_part && !is_same_part(old_part, new_part, old_buffer, new_buffer)? {
            return Ok(false);
        }
        old.advance(len);
        new.advance(len);
    }
}

/// Compares two stretches of the same length.
fn is_same_part(
    old: Extent,
    new: Extent,
    old_buffer: &mut BlockBuffer<'_>,
    new_buffer: &mut BlockBuffer<'_>,
) -> Result<bool> {
    match (old, new) {
        (Extent::Hole { .. }, Extent::Hole { .. }) => Ok(true),
        (Extent::Hole { .. }, Extent::Data { block, offset, len }) => Ok(is_zero(new_buffer.read(block, offset, len)?)),
        (Extent::Data { block, offset, len }, Extent::Hole { .. }) => Ok(is_zero(old_buffer.read(block, offset, len)?)),
        (Extent::Data { block: old_block, offset: old_offset, len }, Extent::Data { block, offset, .. }) => {
            Ok(old_buffer.read(old_block, old_offset, len)? == new_buffer.read(block, offset, len)?)
        }
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    static ZEROS: [u8; ZEROS_LEN] = [0; ZEROS_LEN];
    bytes.chunks(ZEROS.len()).all(|part| ZEROS.starts_with(part))
}

/// The extents that are left of a content, the first of them perhaps in part.
struct Stretches<I> {
    rest: I,
    current: Option<Extent>,
}

impl<I: Iterator<Item = Result<Extent>>> Stretches<I> {
    fn peek(&mut self) -> Result<Option<Extent>> {
        while self.current.is_none_or(|extent| extent.content_len() == 0) {
            match self.rest.next() {
                Some(extent) => self.current = Some(extent?),
                None => return Ok(None),
            }
        }
        Ok(self.current)
    }

    fn advance(&mut self, by: u64) {
        self.current = match self.current {
            Some(Extent::Hole { len }) => Some(Extent::Hole { len: len.saturating_sub(by) }),
            Some(Extent::Data { block, offset, len }) => {
                let by = by as u32;
                Some(Extent::Data { block, offset: offset.saturating_add(by), len: len.saturating_sub(by) })
            }
            None => None,
        };
    }
}

/// The first `len` bytes of an extent that is at least so long.
fn front(extent: Extent, len: u64) -> Extent {
    match extent {
        Extent::Hole { .. } => Extent::Hole { len },
        Extent::Data { block, offset, .. } => Extent::Data { block, offset, len: len as u32 },
    }
}
