//! Lists directory trees recursively and prints entries per second: `walk [--details] PATH…`.
//!
//! One thread and a stack of open directories, which is the speed of one core. Run it twice to measure a warm cache.

use std::path::PathBuf;
use std::time::Instant;

use mainstay_sources::files::{FileOptions, FileSource, raise_open_files};
use mainstay_sources::{Kind, Result, Source as _};

fn main() -> Result<()> {
    raise_open_files();
    let (flags, paths): (Vec<PathBuf>, Vec<PathBuf>) =
        std::env::args_os().skip(1).map(PathBuf::from).partition(|argument| argument.starts_with("--details"));
    let reads_details = !flags.is_empty();
    let source = FileSource::new(&paths, &FileOptions::everything())?;
    let start = Instant::now();
    let mut pending = vec![source.root()?];
    let (mut entries, mut directories, mut attributes) = (0_u64, 0_u64, 0_u64);
    while let Some(directory) = pending.pop() {
        let listing = directory.list()?;
        directories += 1;
        entries += listing.entries.len() as u64;
        for warning in &listing.warnings {
            eprintln!("{}: {}", warning.path, warning.message);
        }
        for entry in &listing.entries {
            if reads_details {
                attributes += directory.details(entry)?.attributes.len() as u64;
            }
            if entry.kind == Kind::Directory {
                match directory.open_dir(&entry.name) {
                    Ok(child) => pending.push(child),
                    Err(error) => eprintln!("{error}"),
                }
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{entries} entries in {directories} directories, {attributes} attributes: {seconds:.3} s, {:.0} entries/s",
        entries as f64 / seconds
    );
    Ok(())
}
