//! Lists that the user names: of paths, of rules.
//!
//! Owns reading them whole, within a limit. Never reads a device: `/dev/zero` has no end.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use crate::failure::{Failure, Result};
use crate::output::units;

/// Reads a file or a pipe.
pub fn read(verb: &str, path: &Path, len_max: u64) -> Result<Vec<u8>> {
    read_file(path, len_max).map_err(|error| failure(verb, path, &error))
}

/// Reads standard input, whatever it is.
pub fn read_input(verb: &str, len_max: u64) -> Result<Vec<u8>> {
    read_bounded(io::stdin().lock(), len_max).map_err(|error| failure(verb, Path::new("-"), &error))
}

fn failure(verb: &str, path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::file(verb, path, error);
    match error.kind() {
        io::ErrorKind::FileTooLarge => failure.with_hint("give it in parts, by several options"),
        io::ErrorKind::InvalidInput => failure.with_hint("name a file with a line for each, or a pipe"),
        _ => failure,
    }
}

fn read_file(path: &Path, len_max: u64) -> io::Result<Vec<u8>> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() && !metadata.file_type().is_fifo() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is neither a file nor a pipe"));
    }
    require_len(metadata.len(), len_max)?;
    read_bounded(File::open(path)?, len_max)
}

fn read_bounded(reader: impl Read, len_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(len_max + 1).read_to_end(&mut bytes)?;
    require_len(bytes.len() as u64, len_max)?;
    Ok(bytes)
}

fn require_len(len: u64, len_max: u64) -> io::Result<()> {
    if len <= len_max {
        return Ok(());
    }
    let problem = format!("expected at most {}, got more", units::size(len_max));
    Err(io::Error::new(io::ErrorKind::FileTooLarge, problem))
}
