//! Data set D: a million files of 0 to 4 KiB, a thousand in each directory.
//!
//! Owns their sizes and contents: text, as tiny files are.

use super::noise::Noise;
use super::source_tree::source_text;
use super::{at, scaled};
use std::fs;
use std::path::Path;

const FILES: u64 = 1_000_000;
const FILES_PER_DIRECTORY: u64 = 1_000;
const FILE_BYTES_MAX: u64 = 4096;

pub fn make(directory: &Path, scale_percent: u64) -> Result<(), String> {
    let mut noise = Noise::new("tiny files");
    for number in 0..scaled(FILES, scale_percent) {
        let parent = directory.join(format!("{:04}", number / FILES_PER_DIRECTORY));
        if number % FILES_PER_DIRECTORY == 0 {
            fs::create_dir_all(&parent).map_err(|error| at(&parent, error))?;
        }
        let bytes = noise.below(FILE_BYTES_MAX + 1) as usize;
        let path = parent.join(format!("{number:07}.txt"));
        fs::write(&path, source_text(&mut noise, bytes)).map_err(|error| at(&path, error))?;
    }
    Ok(())
}
