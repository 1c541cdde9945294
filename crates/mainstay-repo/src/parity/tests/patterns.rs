//! The gate of parity: damage of every form within the budget is undone, and beyond it nothing wrong is given.
//!
//! `MAINSTAY_SOAK_MINUTES` says how long it goes on.

use super::*;
use crate::fixtures::effort::Effort;

const PATTERNS: u64 = 2000;

/// Numbers that look random and are the same on every run.
struct Draw(blake3::OutputReader);

impl Draw {
    fn new(seed: u64) -> Self {
        Self(blake3::Hasher::new().update(b"parity").update(&seed.to_le_bytes()).finalize_xof())
    }

    fn below(&mut self, limit: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % limit.max(1)
    }

    fn some(&mut self, limit: u32) -> u32 {
        self.below(u64::from(limit) + 1) as u32
    }

    /// So many different numbers below a limit.
    fn different(&mut self, count: u32, limit: u32) -> Vec<u32> {
        let mut numbers: Vec<u32> = (0..limit).collect();
        for at in 0..count.min(limit) {
            numbers.swap(at as usize, (u64::from(at) + self.below(u64::from(limit - at))) as usize);
        }
        numbers.truncate(count as usize);
        numbers
    }
}

/// Samples of every form: tiny ones, one of a cell, many groups, short last cells.
fn samples() -> Vec<Sample> {
    vec![
        Sample::planned(1, 97, 3),
        Sample::planned(2, 5000, 3),
        Sample::planned(3, 70_001, 3),
        Sample::planned(4, 400_000, 10),
        Sample::grouped(5, 20_000, 7, 3),
        Sample::grouped(6, 64 * 5 * 40, 5, 4),
        Sample::grouped(7, 9000, 16, 1),
    ]
}

impl Sample {
    /// Damages a cell of the pack in some way that changes it.
    fn damage_cell(&mut self, number: u64, draw: &mut Draw) {
        let start = (number * u64::from(self.header.cell_len)) as usize;
        let end = (start + self.header.cell_len as usize).min(self.pack.len());
        let Some(cell) = self.pack.get_mut(start..end) else { return };
        match draw.below(3) {
            0 => cell[draw.below((end - start) as u64) as usize] ^= 1 << draw.below(8),
            1 => cell.fill(0),
            _ => cell.iter_mut().for_each(|byte| *byte = !*byte),
        }
    }

    fn damage_parity(&mut self, (group, index): (u32, u32), draw: &mut Draw) {
        let start = self.header.group_offset(group) + u64::from(index) * u64::from(self.header.cell_len);
        self.sidecar[(start + draw.below(self.header.cell_len.into())) as usize] ^= 1 << draw.below(8);
    }

    /// Cells of each group anywhere, and cells of its parity, no more than there is parity.
    fn damage_at_random(&mut self, draw: &mut Draw) {
        for group in 0..self.header.groups {
            let lost_parity = draw.some(self.header.parity);
            for index in draw.different(lost_parity, self.header.parity) {
                self.damage_parity((group, index), draw);
            }
            let count = draw.some(self.header.parity - lost_parity);
            for index in draw.different(count, self.header.data) {
                self.damage_cell(u64::from(index * self.header.groups + group), draw);
            }
        }
    }

    /// A run of bytes, anywhere, that no group has more cells of than it has parity; sometimes to the end of the pack, which
    /// is cut there.
    fn damage_a_run(&mut self, draw: &mut Draw) {
        let budget = u64::from(self.header.parity * self.header.groups).min(self.header.pack_cells());
        let cells = 1 + draw.below(budget);
        let first = draw.below(self.header.pack_cells() - cells + 1);
        let cell_len = u64::from(self.header.cell_len);
        let start = (first * cell_len + draw.below(cell_len)) as usize;
        let end = (((first + cells) * cell_len) as usize).min(self.pack.len());
        let start = start.min(end - 1);
        if end == self.pack.len() && draw.below(2) == 0 {
            self.pack.truncate(start);
        } else {
            self.pack[start..end].iter_mut().for_each(|byte| *byte ^= 0x5a);
        }
    }

    /// Whole cells, as a disk loses them, and everything of the sidecar that is there twice, once.
    fn damage_cells_and_tables(&mut self, draw: &mut Draw) {
        let group = draw.below(self.header.groups.into()) as u32;
        for index in draw.different(self.header.parity, self.header.data) {
            self.damage_cell(u64::from(index * self.header.groups + group), draw);
        }
        let header = self.header;
        let tables = [(0, 96), (header.data_sums_offsets()[0], header.pack_cells() * 16)];
        let at_the_end = [(header.data_sums_offsets()[1], header.sidecar_len() - header.data_sums_offsets()[1])];
        let hit = if draw.below(2) == 0 { &tables[..] } else { &at_the_end[..] };
        for (offset, len) in hit {
            self.sidecar[*offset as usize..(offset + len) as usize].fill(0xff);
        }
    }
}

#[test]
fn damage_within_the_budget_is_always_undone() {
    let (samples, effort) = (samples(), Effort::asked());
    let (first, mut repaired) = (effort.first_seed(), 0);
    while repaired < PATTERNS || effort.goes_on() {
        let seed = first + repaired;
        let (sample, mut draw) = (&samples[(seed % samples.len() as u64) as usize], Draw::new(seed));
        let mut damaged = sample.clone();
        match draw.below(3) {
            0 => damaged.damage_at_random(&mut draw),
            1 => damaged.damage_a_run(&mut draw),
            _ => damaged.damage_cells_and_tables(&mut draw),
        }
        let healed = damaged.heal();
        assert!(healed.as_ref().is_none_or(|pack| *pack == sample.pack), "seed {seed}: other bytes than the pack's");
        assert!(healed.is_some(), "seed {seed} of {:?} is not repaired", sample.header);
        repaired += 1;
    }
    effort.publish("parity of packs, within", &format!("{repaired} patterns from seed {first}, all repaired"));
}

#[test]
fn damage_beyond_the_budget_is_always_found_and_never_gives_other_bytes() {
    let (samples, effort) = (samples(), Effort::asked());
    let (first, mut found) = (effort.first_seed(), 0);
    while found < PATTERNS || effort.goes_on() {
        let seed = first + found;
        let (sample, mut draw) = (&samples[(seed % samples.len() as u64) as usize], Draw::new(seed));
        let mut damaged = sample.clone();
        let header = sample.header;
        let group = draw.below(header.groups.into()) as u32;
        // Data cells of the group that the pack has bytes of; one more of them or of its parity than it can lose.
        let present = (header.pack_cells() - u64::from(group)).div_ceil(header.groups.into()) as u32;
        let more = 1 + draw.some(header.parity + 3);
        let lost_data = (header.parity + more).min(present);
        let lost_parity = (header.parity + 1).saturating_sub(lost_data);
        for index in draw.different(lost_data, present) {
            damaged.damage_cell(u64::from(index * header.groups + group), &mut draw);
        }
        for index in draw.different(lost_parity, header.parity) {
            damaged.damage_parity((group, index), &mut draw);
        }
        assert_eq!(damaged.judge(), Some(Verdict::Beyond), "seed {seed} of {header:?}");
        found += 1;
    }
    effort.publish(
        "parity of packs, beyond",
        &format!("{found} patterns from seed {first}, all found, 0 repaired to other bytes"),
    );
}
