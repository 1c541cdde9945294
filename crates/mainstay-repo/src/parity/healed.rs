//! A pack as it was before it was damaged.
//!
//! Owns the judgement whether the damage can be undone, and reading through it. Invariant: what is read of a
//! [`HealedPack`] is of bytes whose hash is the pack's name: cells that came of parity are held, and the others compared with
//! their checksums whenever they are read.

use std::collections::HashMap;

use super::bytes::is_pack;
use super::decode::{Cell, Code, Damage};
use super::{Bytes, Sidecar};
use crate::error::Result;

/// What a sidecar can do for its pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The pack is what its name says.
    Whole,
    /// So many cells are damaged, and parity brings them back.
    Healable { cells: u64 },
    /// There is more damage than parity.
    Beyond,
}

/// Bytes that are brought back of one pack: 30 % of the longest that is written, and as much again.
const RECOVERED_LEN: u64 = 80 << 20;

/// A pack, read through the cells that were brought back.
pub struct HealedPack<'b> {
    code: Code<'b>,
    recovered: HashMap<u64, Vec<u8>>,
}

impl<'b> HealedPack<'b> {
    /// Undoes the damage of a pack; `None` where parity does not come to the bytes that the pack's name says.
    pub fn recover(pack: &'b dyn Bytes, sidecar: &'b Sidecar<'_>) -> Result<Option<Self>> {
        let code = Code::new(sidecar.header, pack, sidecar.bytes())?;
        let mut healed = Self { code, recovered: HashMap::new() };
        for group in 0..healed.code.header.groups {
            let damage = healed.code.look(group)?;
            if damage.data.is_empty() {
                continue;
            }
            let Some(cells) = undo(&healed.code, &damage)? else { return Ok(None) };
            healed.recovered.extend(cells);
            // More than any percentage that can be asked for: a sidecar that lies about its pack.
            if healed.recovered.len() as u64 * u64::from(healed.code.header.cell_len) > RECOVERED_LEN {
                return Ok(None);
            }
        }
        let is_true = is_pack(&healed, sidecar.header.pack, &mut |_| Ok(()))?;
        Ok(is_true.then_some(healed))
    }

    /// Says what a sidecar can do for its pack.
    pub fn judge(pack: &dyn Bytes, sidecar: &Sidecar<'_>) -> Result<Verdict> {
        let healed = HealedPack::recover(pack, sidecar)?;
        Ok(match healed {
            Some(healed) if healed.recovered.is_empty() && pack.len() == healed.len() => Verdict::Whole,
            Some(healed) => Verdict::Healable { cells: healed.recovered.len() as u64 },
            None => Verdict::Beyond,
        })
    }
}

/// Cells that lie beyond the end of the pack are known, whatever came of them.
fn undo(code: &Code<'_>, damage: &Damage) -> Result<Option<Vec<Cell>>> {
    let cells = code.undo(damage)?;
    Ok(cells.map(|cells| cells.into_iter().filter(|(number, _)| *number < code.header.pack_cells()).collect()))
}

impl Bytes for HealedPack<'_> {
    fn len(&self) -> u64 {
        self.code.header.pack_len
    }

    fn read_at(&self, offset: u64, mut buffer: &mut [u8]) -> Result<bool> {
        if offset.checked_add(buffer.len() as u64).is_none_or(|end| end > self.len()) {
            return Ok(false);
        }
        let (mut at, cell_len, mut read) = (offset, u64::from(self.code.header.cell_len), Vec::new());
        while !buffer.is_empty() {
            let (number, start) = (at / cell_len, (at % cell_len) as usize);
            let len = (cell_len - start as u64).min(buffer.len() as u64) as usize;
            let (now, later) = buffer.split_at_mut(len);
            // A cell that was not damaged is checked whenever it is read: a failing disk may give others bytes now.
            let cell = match self.recovered.get(&number) {
                Some(cell) => Some(cell.as_slice()),
                None => self.code.data_cell(number, &mut read)?,
            };
            let Some(there) = cell.and_then(|cell| cell.get(start..start + len)) else { return Ok(false) };
            now.copy_from_slice(there);
            at += len as u64;
            buffer = later;
        }
        Ok(true)
    }
}
