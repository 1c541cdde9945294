//! Data set B: files as a database writes them, when no real ones are given.
//!
//! Owns the made-up page: 16 KiB, a header, rows of mixed columns from both keys upwards, free
//! space, and a checksum; zstd shortens it two to three times.

use super::noise::Noise;
use super::{at, scaled};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

const TABLES: u64 = 12;
const PAGES_PER_TABLE: u64 = 12_800;
const PAGE_BYTES: usize = 16 << 10;
const FILL_BYTES: usize = PAGE_BYTES * 15 / 16;

const NAMES: [&str; 12] =
    ["anna", "bruno", "clara", "david", "elena", "felix", "greta", "hugo", "irene", "jonas", "karla", "leo"];
const STATES: [&str; 5] = ["open", "paid", "shipped", "returned", "cancelled"];

pub fn make(directory: &Path, scale_percent: u64) -> Result<(), String> {
    let mut noise = Noise::new("database");
    for table in 0..TABLES {
        let path = directory.join(format!("table{table:02}.ibd"));
        let file = File::create(&path).map_err(|error| at(&path, error))?;
        let mut writer = BufWriter::with_capacity(1 << 20, file);
        let mut row = 0;
        for number in 0..scaled(PAGES_PER_TABLE, scale_percent) {
            let page = page(&mut noise, number, &mut row);
            writer.write_all(&page).map_err(|error| at(&path, error))?;
        }
        writer.flush().map_err(|error| at(&path, error))?;
    }
    Ok(())
}

pub(super) fn page(noise: &mut Noise, number: u64, row: &mut u64) -> Vec<u8> {
    let mut page = Vec::with_capacity(PAGE_BYTES);
    page.extend([0; 4]);
    for field in [number, number.wrapping_sub(1), number + 1, noise.below(1 << 40)] {
        page.extend(field.to_be_bytes());
    }
    while page.len() < FILL_BYTES {
        *row += 1;
        push_row(&mut page, noise, *row);
    }
    page.truncate(FILL_BYTES);
    page.resize(PAGE_BYTES, 0);
    let checksum = blake3::hash(&page);
    page.splice(0..4, checksum.as_bytes().iter().copied().take(4));
    page
}

fn push_row(page: &mut Vec<u8>, noise: &mut Noise, row: u64) {
    page.extend([0x80, 0, 0, 0x10, (row % 251) as u8]);
    page.extend(row.to_be_bytes());
    page.extend((1_600_000_000 + row * 7 + noise.below(60)).to_be_bytes());
    let (name, number) = (noise.pick(&NAMES), noise.below(100_000));
    page.extend(format!("{name}{number}@example.org").bytes());
    page.extend(noise.pick(&STATES).bytes());
    page.extend(noise.below(1_000_000).to_be_bytes());
    let mut token = [0; 20];
    noise.fill(&mut token);
    page.extend(token);
}
