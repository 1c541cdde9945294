//! The gates that hurt the real binary: killed at every system call and at any time, every system call failing, links in
//! its way, very many files.
//!
//! Owns where their figures go. Short forms run with the other tests; variables make them long (`cargo xtask soak`).

// Following system calls needs registers by their names.
#[cfg(target_arch = "x86_64")]
mod calls;
mod chance;
#[cfg(target_arch = "x86_64")]
mod durable;
#[cfg(target_arch = "x86_64")]
mod errors;
#[cfg(target_arch = "x86_64")]
mod kills;
mod memory;
#[cfg(target_arch = "x86_64")]
mod ptrace;
#[cfg(target_arch = "x86_64")]
mod scene;
mod swaps;
#[cfg(target_arch = "x86_64")]
mod tracer;

use std::path::Path;

use crate::world::BINARY;

/// Homes that are hurt side by side.
const WORKERS: usize = 2;

/// Prints a gate's figure and leaves it where `cargo xtask soak` finds it: `gates/` of the target directory.
fn report(gate: &str, figure: &str) {
    let target = Path::new(BINARY).parent().and_then(Path::parent).expect("the binary lies in the target directory");
    let folder = target.join("gates");
    std::fs::create_dir_all(&folder).expect("a directory");
    let line = format!("{gate}: {figure}\n");
    print!("{line}");
    std::fs::write(folder.join(format!("{gate}.txt")), line).expect("a file");
}

/// A number from the environment, for long forms.
fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}
