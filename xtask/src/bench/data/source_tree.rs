//! Data set A: a source tree of about 80,000 files and 1.3 GB.
//!
//! Owns where it comes from: what the user names, the kernel source package when it is installed,
//! else a made-up tree with the same number of files, sizes and compressibility.

use super::noise::Noise;
use super::{at, copy, scaled};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const FILES: u64 = 80_000;
const FILES_PER_DIRECTORY: u64 = 16;
/// What the user says instead of a path.
const MADE_UP: &str = "made-up";
/// Where the kernel source package puts its tarball.
const PACKAGE_DIRECTORY: &str = "/usr/src";

const WORDS: [&str; 40] = [
    "device", "buffer", "index", "register", "driver", "config", "offset", "queue", "state", "lock", "flags", "size",
    "count", "addr", "page", "block", "entry", "list", "node", "clock", "reset", "power", "irq", "dma", "ring", "port",
    "mode", "mask", "data", "error", "init", "probe", "remove", "read", "write", "update", "enable", "disable",
    "status", "timeout",
];
const TYPES: [&str; 8] = ["int", "u32", "u64", "void *", "struct device *", "bool", "size_t", "unsigned long"];

pub fn make(directory: &Path, given: Option<&Path>, scale_percent: u64) -> Result<(), String> {
    match given.map(Path::to_path_buf).or_else(installed) {
        Some(path) if path == Path::new(MADE_UP) => make_up(directory, scaled(FILES, scale_percent)),
        Some(path) if path.is_dir() => copy(&path, directory),
        Some(path) => unpack(&path, directory),
        None => make_up(directory, scaled(FILES, scale_percent)),
    }
}

fn installed() -> Option<PathBuf> {
    let entries = fs::read_dir(PACKAGE_DIRECTORY).ok()?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("linux-source-") && name.contains(".tar")
        })
        .max()
}

fn unpack(tarball: &Path, directory: &Path) -> Result<(), String> {
    let status = Command::new("tar")
        .arg("-xf")
        .arg(tarball)
        .arg("-C")
        .arg(directory)
        .status()
        .map_err(|error| format!("unpack {}: {error}", tarball.display()))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("unpack {}: {status}", tarball.display())),
    }
}

fn make_up(directory: &Path, files: u64) -> Result<(), String> {
    let mut noise = Noise::new("source tree");
    for number in 0..files {
        let group = number / FILES_PER_DIRECTORY;
        let parent =
            directory.join(format!("part{:02}", group % 20)).join(format!("{}{group}", WORDS[(group % 40) as usize]));
        if number % FILES_PER_DIRECTORY == 0 {
            fs::create_dir_all(&parent).map_err(|error| at(&parent, error))?;
        }
        let path = parent.join(format!("{}_{number}.c", noise.pick(&WORDS)));
        let bytes = source_bytes(&mut noise);
        fs::write(&path, source_text(&mut noise, bytes)).map_err(|error| at(&path, error))?;
    }
    Ok(())
}

/// Sizes as in real trees: most files small, a few of a megabyte; 16 KiB on average.
fn source_bytes(noise: &mut Noise) -> usize {
    let doublings = noise.below(8);
    let base = 512 << doublings;
    let large = if noise.below(1000) == 0 { 16 } else { 1 };
    ((base / 2 + noise.below(base)) * large) as usize
}

pub(super) fn source_text(noise: &mut Noise, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 256);
    text.push_str("/* SPDX-License-Identifier: none */\n#include \"core.h\"\n\n");
    while text.len() < bytes {
        let (kind, verb) = (noise.pick(&TYPES), noise.pick(&WORDS));
        let (what, value) = (noise.pick(&WORDS), noise.below(4096));
        let line = match noise.below(6) {
            0 => format!("static {kind} {verb}_{what}(struct {what} *{verb}, {kind} value)\n{{\n"),
            1 => format!("\tif ({what}->{verb} & 0x{value:04x})\n\t\treturn -EINVAL;\n"),
            2 => format!("\t{kind} {what}_{verb} = {verb}({what}, {value});\n"),
            3 => format!("\t/* the {verb} of the {what} follows the {} */\n", noise.pick(&WORDS)),
            4 => format!("\t{verb}->{what}[{}] = {what}_{value};\n", value % 32),
            _ => "\treturn 0;\n}\n\n".to_owned(),
        };
        // Writing to a string cannot fail.
        let _ = text.write_str(&line);
    }
    text.truncate(bytes);
    text
}
