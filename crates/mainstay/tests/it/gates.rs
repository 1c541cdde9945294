//! The gates that hurt the real binary: killed at every system call and at any time, every system call failing, links in
//! its way, very many files.
//!
//! Short forms run with the other tests, long ones under `cargo xtask soak`. How much that is, and where figures go, is the
//! same as in the gates of the engine.

// Following system calls needs registers by their names.
#[cfg(target_arch = "x86_64")]
mod calls;
mod chance;
#[cfg(target_arch = "x86_64")]
mod durable;
#[path = "../../../mainstay-jobs/tests/gates/effort.rs"]
mod effort;
#[cfg(target_arch = "x86_64")]
mod errors;
#[cfg(target_arch = "x86_64")]
mod kills;
mod memory;
#[cfg(target_arch = "x86_64")]
mod ptrace;
#[cfg(target_arch = "x86_64")]
mod scene;
#[cfg(target_arch = "x86_64")]
mod stages;
mod swaps;
#[cfg(target_arch = "x86_64")]
mod tracer;

use std::process::Command;

use effort::{Draws, Effort, Figures};

/// Homes that are hurt side by side.
const WORKERS: usize = 2;

/// Says with which seed a round of a gate runs; whoever sees it fail can run it again.
fn say_seed(gate: &str, seed: u64) {
    println!("{gate}: seed {seed}");
}

/// A command of a world in a shell that does something first, and becomes it by `exec "$0" "$@"`.
fn in_shell(command: &Command, script: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script]).arg(command.get_program()).args(command.get_args()).env_clear();
    for (name, value) in command.get_envs() {
        shell.envs(value.map(|value| (name, value)));
    }
    shell.current_dir(command.get_current_dir().expect("commands of a world have a directory"));
    shell
}
