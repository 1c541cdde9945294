//! Memory of each command over very many files, as the system counts it.

use std::process::{Command, Stdio};

use wait4::Wait4 as _;

use super::{number, report};
use crate::world::World;

const SHORT_FILES: usize = 60_000;
const VARIABLE: &str = "MAINSTAY_GATE_FILES";
const FILES_IN_DIRECTORY: usize = 500;
/// Resident, at the peak.
const LIMIT: u64 = 256 << 20;

#[test]
fn no_command_takes_more_memory_than_its_limit_however_many_files_there_are() {
    let count = number(VARIABLE, SHORT_FILES);
    let world = World::in_memory();
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
    let told: Vec<String> = all.iter().map(|(name, peak)| format!("{name} {} MiB", peak >> 20)).collect();
    report("memory", &format!("{count} files, peak of resident memory: {}; the limit is 256 MiB", told.join(", ")));
    for (name, peak) in all {
        assert!(peak <= LIMIT, "{name} takes {peak} bytes over {count} files");
    }
}

fn name(file: usize) -> String {
    format!("docs/{:04}/{:07}", file / FILES_IN_DIRECTORY, file)
}

fn write(world: &World, file: usize, word: &str) {
    world.write(&name(file), format!("{word} {file}\n").as_bytes());
}

fn read(world: &World, file: usize) -> String {
    let path = world.restored("target", &name(file));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs a command that must succeed and answers the most memory that it had.
fn peak(world: &World, arguments: &[&str]) -> u64 {
    let mut command: Command = world.command(arguments);
    let child = command.stdout(Stdio::null()).spawn().expect("the binary starts");
    let used = { child }.wait4().expect("it is our child");
    assert_eq!(used.status.code(), Some(0), "mainstay {arguments:?}");
    used.rusage.maxrss
}
