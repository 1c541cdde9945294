//! The sidecar of a pack: what it takes to find damage in the pack and to undo it.
//!
//! Owns the header, the order of the parts and the checksums of cells. Computes no parity, and never reads a pack. What it
//! holds is clear: cells of ciphertext, and checksums of them.

use super::{Decoded, Fields, Problem, limits, within};
use crate::id::{HeaderSum, PackId, RepositoryId};

pub const PARITY_HEADER_LEN: u64 = 96;
/// Length of the checksum of a cell.
pub const SUM_LEN: u64 = 16;
/// Length of the checksum of the whole sidecar, which stands at its end.
pub const WHOLE_SUM_LEN: u64 = 32;

const MAGIC: [u8; 8] = *b"MSPARITY";
const VERSION: u32 = 1;
/// Where the header's own checksum is.
const CHECKED_LEN: usize = 80;

/// The checksum of a cell: the first bytes of its BLAKE3.
pub type Sum = [u8; SUM_LEN as usize];

/// Checksum of a cell, filled up with zeros where it is the pack's last.
pub fn sum_of(cell: &[u8]) -> Sum {
    first_of(blake3::hash(cell))
}

fn first_of(hash: blake3::Hash) -> Sum {
    let mut sum = [0; SUM_LEN as usize];
    sum.copy_from_slice(hash.as_bytes().split_at(SUM_LEN as usize).0);
    sum
}

/// How a pack is divided into cells, and how many cells of parity there are.
///
/// Cell *n* of the pack begins at *n* × `cell_len` and belongs to group *n* modulo `groups`, where it is the data cell
/// *n* / `groups`. So the cells of a run of bytes are spread evenly over the groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParityHeader {
    pub pack: PackId,
    pub pack_len: u64,
    pub cell_len: u32,
    pub groups: u32,
    /// Data cells of each group; those that would begin beyond the end of the pack are zeros.
    pub data: u32,
    /// Parity cells of each group.
    pub parity: u32,
}

impl ParityHeader {
    pub fn encode(&self, repository: RepositoryId) -> [u8; PARITY_HEADER_LEN as usize] {
        let mut bytes = Vec::with_capacity(PARITY_HEADER_LEN as usize);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&repository.0);
        bytes.extend_from_slice(&self.pack.0);
        bytes.extend_from_slice(&self.pack_len.to_le_bytes());
        for number in [self.cell_len, self.groups, self.data.wrapping_add(self.parity << 16), VERSION] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let sum = sum_of(&bytes);
        bytes.extend_from_slice(&sum);
        let mut header = [0; PARITY_HEADER_LEN as usize];
        header.copy_from_slice(&bytes);
        header
    }

    /// The checksum in this header, by which the sidecar is named.
    pub fn sum(&self, repository: RepositoryId) -> HeaderSum {
        let encoded = self.encode(repository);
        HeaderSum(sum_of(encoded.split_at(CHECKED_LEN).0))
    }

    /// Reads a header; every number in it is within its limit then.
    pub fn decode(repository: RepositoryId, bytes: &[u8]) -> Decoded<Self> {
        let mut fields = Fields::new(bytes);
        if fields.array::<8>()? != MAGIC {
            return Err(Problem::new("its magic is not that of a sidecar"));
        }
        let owner = RepositoryId(fields.array()?);
        let (pack, pack_len) = (PackId(fields.array()?), fields.u64()?);
        let [cell_len, groups, counts, version] = [fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?];
        let sum = fields.array::<16>()?;
        if !fields.rest().is_empty() || bytes.get(..CHECKED_LEN).map(sum_of) != Some(sum) {
            return Err(Problem::new("the checksum of its header does not match"));
        }
        if owner != repository {
            return Err(Problem::new("it belongs to another repository"));
        }
        if version != VERSION {
            return Err(Problem(format!("it is of version {version}, this program knows {VERSION}")));
        }
        let header = Self { pack, pack_len, cell_len, groups, data: counts & 0xffff, parity: counts >> 16 };
        header.check()?;
        Ok(header)
    }

    fn check(&self) -> Decoded<()> {
        within("length of a pack", self.pack_len, limits::PACK_LEN)?;
        within("length of a cell", self.cell_len.into(), limits::PARITY_CELL_LEN.into())?;
        within("groups of a sidecar", self.groups.into(), limits::PARITY_GROUPS.into())?;
        within("data cells of a group", self.data.into(), limits::PARITY_CELLS.into())?;
        within("parity cells of a group", self.parity.into(), limits::PARITY_CELLS.into())?;
        let is_divided = self.cell_len > 0 && self.cell_len.is_multiple_of(64) && self.groups > 0;
        if !is_divided || self.pack_len == 0 || self.data == 0 || self.parity == 0 {
            return Err(Problem::new("its header divides the pack into nothing"));
        }
        // The last data cell of each group may lie beyond the end, and no other.
        let cells = u64::from(self.data) * u64::from(self.groups);
        if self.pack_cells() > cells || self.pack_cells() + u64::from(self.groups) <= cells {
            return Err(Problem::new("its groups do not come to the length of the pack"));
        }
        Ok(())
    }

    /// Cells that the pack has bytes of.
    pub fn pack_cells(&self) -> u64 {
        self.pack_len.div_ceil(self.cell_len.max(1).into())
    }

    pub fn parity_cells(&self) -> u64 {
        u64::from(self.groups) * u64::from(self.parity)
    }

    /// Length of the checksums of so many cells.
    fn sums_len(cells: u64) -> u64 {
        cells * SUM_LEN
    }

    /// Length of the parity cells of a group and their checksums.
    fn group_len(&self) -> u64 {
        let cells = u64::from(self.parity);
        cells * u64::from(self.cell_len) + Self::sums_len(cells)
    }

    /// Where the parity of a group begins.
    pub fn group_offset(&self, group: u32) -> u64 {
        PARITY_HEADER_LEN + Self::sums_len(self.pack_cells()) + u64::from(group) * self.group_len()
    }

    /// Where the checksums of the pack's cells stand, in order: behind the header and behind the parity.
    pub fn data_sums_offsets(&self) -> [u64; 2] {
        [PARITY_HEADER_LEN, self.group_offset(self.groups)]
    }

    /// Where the checksums of a group's parity cells stand: behind these cells, and near the end.
    pub fn parity_sums_offsets(&self, group: u32) -> [u64; 2] {
        let all = self.group_offset(self.groups) + Self::sums_len(self.pack_cells());
        let own = self.group_offset(group) + u64::from(self.parity) * u64::from(self.cell_len);
        [own, all + Self::sums_len(u64::from(group) * u64::from(self.parity))]
    }

    /// Length of the sidecar.
    pub fn sidecar_len(&self) -> u64 {
        let sums_len = Self::sums_len(self.pack_cells() + self.parity_cells());
        self.group_offset(self.groups) + sums_len + PARITY_HEADER_LEN + WHOLE_SUM_LEN
    }
}

#[cfg(test)]
mod tests;
