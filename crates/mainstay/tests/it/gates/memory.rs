//! Memory of each command over very many files, under a limit that the system enforces.
//!
//! Owns the limit: of all that a process may write to (`RLIMIT_DATA`), touched or not, so that whoever asks for more gets an
//! error. The peak of resident memory is measured beside it. It is no cgroup, and the page cache does not count.

use std::process::Stdio;

use wait4::Wait4 as _;

use super::{Effort, Figures, in_shell};
use crate::world::World;

const SHORT_FILES: u64 = 100_000;
const LONG_FILES: u64 = 1_000_000;
/// Every other file is in one directory, the rest in directories of so many.
const FILES_IN_DIRECTORY: u64 = 500;
/// Resident, at the peak. The most is taken by a backup of a million files of which half changed: 260 MiB in a release, 278 MiB
/// in a build for tests (2026-11-28).
const RESIDENT_LIMIT: u64 = 320 << 20;
/// All that may be written to, in KiB: stacks of threads, and what the allocator keeps, count from when they are asked for.
const DATA_LIMIT_KIB: u64 = 384 << 10;

#[test]
fn no_command_takes_more_memory_than_its_limit_however_many_files_there_are() {
    let (effort, mut figures) = (Effort::asked(), Figures::of("memory"));
    let count = if effort.is_long() { LONG_FILES } else { SHORT_FILES };
    // So many files twice would themselves take the machine's memory.
    let world = if effort.is_long() { World::new() } else { World::in_memory() };
    (0..count).for_each(|file| write(&world, file, "first"));
    world.ok(&["init"]);
    let first = peak(&world, &["backup", "docs"]);
    // Half of them change, so that prune has packs to rewrite.
    (0..count / 2).for_each(|file| write(&world, file, "second"));
    let second = peak(&world, &["backup", "docs"]);
    let restore = peak(&world, &["restore", "latest", "--target", "target", "--verify"]);
    world.ok(&["forget", "--keep-last", "1"]);
    let prune = peak(&world, &["prune"]);
    let verify = peak(&world, &["verify"]);
    let check = peak(&world, &["check"]);
    assert_eq!(read(&world, 0), "second 0\n");
    assert_eq!(read(&world, count - 1), format!("first {}\n", count - 1));
    let all =
        [("backup", first.max(second)), ("restore", restore), ("prune", prune), ("verify", verify), ("check", check)];
    figures.add(count, "files, half of them in one directory");
    all.iter().for_each(|(name, peak)| figures.add(peak >> 20, format!("MiB in {name}")));
    figures.add(RESIDENT_LIMIT >> 20, "MiB resident allowed");
    figures.add(DATA_LIMIT_KIB >> 10, "MiB enforced by RLIMIT_DATA");
    figures.publish(effort);
    for (name, peak) in all {
        assert!(peak <= RESIDENT_LIMIT, "{name} takes {peak} bytes over {count} files");
    }
}

fn name(file: u64) -> String {
    match file % 2 {
        0 => format!("docs/flat/{file:07}"),
        _ => format!("docs/{:04}/{file:07}", file / FILES_IN_DIRECTORY / 2),
    }
}

fn write(world: &World, file: u64, word: &str) {
    world.write(&name(file), format!("{word} {file}\n").as_bytes());
}

fn read(world: &World, file: u64) -> String {
    let path = world.restored("target", &name(file));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs a command that must succeed under the limit, and answers the most memory that it had.
fn peak(world: &World, arguments: &[&str]) -> u64 {
    let script = format!(r#"ulimit -d {DATA_LIMIT_KIB} && exec "$0" "$@""#);
    let mut command = in_shell(&world.command(arguments), &script);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("the shell starts");
    let used = { child }.wait4().expect("it is our child");
    assert_eq!(used.status.code(), Some(0), "mainstay {arguments:?}");
    used.rusage.maxrss
}
