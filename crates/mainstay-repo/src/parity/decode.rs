//! Finding damaged cells, and undoing the damage of a group.
//!
//! Owns which cells are good: those that match a checksum, of which there are two of each cell. A damaged checksum can only
//! make a good cell seem lost, which costs parity and breaks nothing.

use reed_solomon_simd::ReedSolomonDecoder;

use super::{Bytes, code_error, read_cell};
use crate::error::Result;
use crate::format::parity::{ParityHeader, SUM_LEN, Sum, sum_of};

/// A sidecar that was opened, and the pack that it belongs to.
pub struct Code<'b> {
    pub header: ParityHeader,
    pub pack: &'b dyn Bytes,
    pub sidecar: &'b dyn Bytes,
    /// What the checksum of each cell of the pack is, twice.
    sums: [Vec<Sum>; 2],
}

/// A cell of a pack: its number, and its bytes.
pub type Cell = (u64, Vec<u8>);

/// The damaged cells of a group, by their places in it.
pub struct Damage {
    pub group: u32,
    pub data: Vec<u32>,
}

impl<'b> Code<'b> {
    pub fn new(header: ParityHeader, pack: &'b dyn Bytes, sidecar: &'b dyn Bytes) -> Result<Self> {
        let [first, second] = header.data_sums_offsets();
        let sums = [read_sums(sidecar, first, header.pack_cells())?, read_sums(sidecar, second, header.pack_cells())?];
        Ok(Self { header, pack, sidecar, sums })
    }

    pub fn number(&self, group: u32, index: u32) -> u64 {
        u64::from(index) * u64::from(self.header.groups) + u64::from(group)
    }

    fn is_good(&self, number: u64, cell: &[u8]) -> bool {
        let found = sum_of(cell);
        self.sums.iter().any(|sums| sums.get(number as usize) == Some(&found))
    }

    /// A data cell, unless it is damaged. One beyond the end of the pack is zeros.
    pub fn data_cell<'c>(&self, number: u64, buffer: &'c mut Vec<u8>) -> Result<Option<&'c [u8]>> {
        let is_beyond = number >= self.header.pack_cells();
        let cell = read_cell(self.pack, &self.header, number, buffer)?;
        Ok(cell.filter(|cell| is_beyond || self.is_good(number, cell)))
    }

    /// The damaged cells of a group.
    pub fn look(&self, group: u32) -> Result<Damage> {
        let (mut data, mut buffer) = (Vec::new(), Vec::new());
        for index in 0..self.header.data {
            if self.data_cell(self.number(group, index), &mut buffer)?.is_none() {
                data.push(index);
            }
        }
        Ok(Damage { group, data })
    }

    /// The damaged cells of a group as they were, with their numbers in the pack; `None` if there is not enough parity.
    pub fn undo(&self, damage: &Damage) -> Result<Option<Vec<Cell>>> {
        let (header, group) = (&self.header, damage.group);
        let mut decoder =
            ReedSolomonDecoder::new(header.data as usize, header.parity as usize, header.cell_len as usize)
                .map_err(code_error)?;
        let mut lacking = damage.data.len();
        let sums = header.parity_sums_offsets(group).map(|at| read_sums(self.sidecar, at, header.parity.into()));
        let [first, second] = sums;
        let (first, second, mut buffer) = (first?, second?, vec![0; header.cell_len as usize]);
        for index in 0..header.parity {
            let offset = header.group_offset(group) + u64::from(index) * u64::from(header.cell_len);
            if lacking == 0 {
                break;
            }
            if !self.sidecar.read_at(offset, &mut buffer)? {
                continue;
            }
            let found = sum_of(&buffer);
            if [&first, &second].iter().any(|sums| sums.get(index as usize) == Some(&found)) {
                decoder.add_recovery_shard(index as usize, &buffer).map_err(code_error)?;
                lacking -= 1;
            }
        }
        if lacking > 0 {
            return Ok(None);
        }
        for index in (0..header.data).filter(|index| !damage.data.contains(index)) {
            // What was good a moment ago and is not now: the disk is failing under our hands.
            let Some(cell) = self.data_cell(self.number(group, index), &mut buffer)? else { return Ok(None) };
            decoder.add_original_shard(index as usize, cell).map_err(code_error)?;
        }
        let decoded = decoder.decode().map_err(code_error)?;
        let cells = decoded.restored_original_iter();
        Ok(Some(cells.map(|(index, cell)| (self.number(group, index as u32), cell.to_vec())).collect()))
    }
}

/// Reads checksums; those that cannot be read match nothing.
fn read_sums(sidecar: &dyn Bytes, offset: u64, count: u64) -> Result<Vec<Sum>> {
    let mut sums = vec![Sum::default(); count as usize];
    let bytes = sums.as_flattened_mut();
    if sidecar.read_at(offset, bytes)? {
        return Ok(sums);
    }
    // Of a table that is cut short, what is there is worth having.
    let there = sidecar.len().saturating_sub(offset).min(count * SUM_LEN) / SUM_LEN * SUM_LEN;
    let (start, _) = bytes.split_at_mut(there as usize);
    if !sidecar.read_at(offset, start)? {
        start.fill(0);
    }
    Ok(sums)
}
