//! Parity: sidecars by which damage to packs is found and undone.
//!
//! Owns how a pack is divided ([`plan`]), the code over its cells, and the pack as it was before it was damaged
//! ([`HealedPack`]). Needs no keys, publishes nothing but sidecars, and takes nothing for healed that is not the bytes
//! which the pack's name says. [`Bytes`] stands between the code and the store, so that all but `sidecar` is pure.
//!
//! Memory: one group of cells, 32 MiB at most for making parity and 64 MiB for undoing damage, and the cells that were
//! damaged in one pack.

mod bytes;
mod decode;
mod encode;
mod healed;
mod sidecar;

pub use bytes::{Bytes, StoredBytes, is_pack, is_whole_pack, require_whole};
pub use healed::{HealedPack, Verdict};
pub use sidecar::{Sidecar, Sidecars, State, write_sidecar};

use crate::error::{Error, Result};
use crate::format::limits::{PARITY_CELL_LEN, PARITY_CELLS};
use crate::format::parity::ParityHeader;
use crate::id::PackId;

/// Percent of a pack's length that can be asked for.
pub const PERCENTS: std::ops::RangeInclusive<u8> = 1..=30;
/// What is taken if nothing is asked for.
pub const DEFAULT_PERCENT: u8 = 3;
/// Cells that a small pack is divided into, and the shortest cell: of shorter ones the checksums would take more than the
/// parity does.
const FEW_CELLS: u64 = 256;
const SHORT_CELL: u64 = 1024;
/// Parity cells of a group at least, since the smallest damage may reach over the end of one cell.
const LEAST_PARITY: u32 = 2;

/// Decides how a pack of this length is divided, so that it can lose this part of its bytes anywhere.
pub fn plan(pack: PackId, pack_len: u64, percent: u8) -> ParityHeader {
    let cell_len = (pack_len / FEW_CELLS).next_power_of_two().clamp(SHORT_CELL, PARITY_CELL_LEN.into());
    let cells = pack_len.div_ceil(cell_len).max(1);
    let groups = cells.div_ceil(PARITY_CELLS.into());
    let data = cells.div_ceil(groups) as u32;
    let parity = (data * u32::from(percent)).div_ceil(100).max(LEAST_PARITY);
    ParityHeader { pack, pack_len, cell_len: cell_len as u32, groups: groups as u32, data, parity }
}

/// The code refuses only what it cannot be asked for.
fn code_error(error: reed_solomon_simd::Error) -> Error {
    Error::Bug(format!("parity code: {error}"))
}

/// A cell of a pack, filled up with zeros; `None` where it cannot be read whole.
fn read_cell<'b>(
    pack: &dyn Bytes,
    header: &ParityHeader,
    number: u64,
    buffer: &'b mut Vec<u8>,
) -> Result<Option<&'b [u8]>> {
    let cell_len = u64::from(header.cell_len);
    let start = number * cell_len;
    let len = header.pack_len.saturating_sub(start).min(cell_len) as usize;
    buffer.clear();
    buffer.resize(cell_len as usize, 0);
    let (there, _) = buffer.split_at_mut(len);
    let is_read = there.is_empty() || pack.read_at(start, there)?;
    Ok(is_read.then_some(buffer.as_slice()))
}

#[cfg(test)]
mod tests;
