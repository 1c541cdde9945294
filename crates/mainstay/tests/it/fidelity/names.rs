//! Names and paths: bytes, as long and as many as a file system takes.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};

use super::{assert_kept, round_trip, world};
use crate::world::{World, os};

#[test]
fn fidelity_keeps_names_that_are_not_utf8() {
    let world = world();
    let docs = world.path("docs");
    let every_byte: Vec<u8> = (1..=255).filter(|byte| *byte != b'/').collect();
    let names: [&[u8]; 9] = [
        b"\xff\xfe",
        b"caf\xe9",
        b"line\nbreak",
        b"-rf",
        b" space ",
        b"\x1b[31m",
        b"...",
        &[0x80; 255],
        &every_byte[..254],
    ];
    for name in names {
        std::fs::create_dir(docs.join(os(name))).expect("a directory");
        std::fs::write(docs.join(os(name)).join(os(name)), name).expect("a file");
    }
    std::os::unix::fs::symlink(os(b"\xff\xfe"), docs.join(os(b"link \xfe"))).expect("a link");
    assert_kept(&world, &[]);
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// Twenty of these are longer than a path may be (4096 bytes).
const NAME_LEN: usize = 250;
const DEPTH: usize = 20;

fn name(depth: usize) -> String {
    format!("{depth:02}{}", "x".repeat(NAME_LEN - 2))
}

fn open(path: &Path) -> OwnedFd {
    rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty()).expect("a directory")
}

fn read(directory: &OwnedFd, name: &str) -> Vec<u8> {
    let file = rustix::fs::openat(directory.as_fd(), name, OFlags::RDONLY, Mode::empty()).expect("a file");
    let mut bytes = vec![0; 100];
    let len = rustix::io::read(&file, &mut bytes[..]).expect("it can be read");
    bytes.truncate(len);
    bytes
}

#[test]
fn fidelity_keeps_paths_beyond_path_max() {
    let world = world();
    let mut at = open(&world.path("docs"));
    for depth in 0..DEPTH {
        rustix::fs::mkdirat(&at, name(depth), Mode::RWXU).expect("a directory");
        at = rustix::fs::openat(&at, name(depth), DIRECTORY, Mode::empty()).expect("it is there");
        let file = rustix::fs::openat(&at, "leaf", OFlags::WRONLY | OFlags::CREATE, Mode::RUSR | Mode::WUSR);
        rustix::io::write(file.expect("a file"), format!("leaf {depth}").as_bytes()).expect("room");
    }
    let restored = round_trip(&world, &["--verify"]);
    let mut at = open(&restored);
    for depth in 0..DEPTH {
        at = rustix::fs::openat(&at, name(depth), DIRECTORY, Mode::empty()).expect("it was restored");
        assert_eq!(read(&at, "leaf"), format!("leaf {depth}").as_bytes());
    }
    // Over what is there, and deleting what is not in the snapshot, works as deep.
    rustix::fs::mkdirat(&at, "stray", Mode::RWXU).expect("a directory");
    let snapshot = format!("latest:{}", world.absolute("docs"));
    let rules = ["--overwrite", "if-changed", "--delete"];
    let lines = world.lines(&[&["restore", &snapshot, "--target", "restored"][..], &rules].concat());
    let summary = lines.last().expect("a summary");
    assert_eq!(summary["entries_deleted"], 1, "{summary}");
    assert_eq!(summary["files_unchanged"], DEPTH, "{summary}");
}

/// A hundred thousand entries, or a million when `MAINSTAY_TEST_MILLION` is set.
fn many() -> usize {
    if std::env::var_os("MAINSTAY_TEST_MILLION").is_some() { 1_000_000 } else { 100_000 }
}

/// The names in a directory, sorted.
fn list(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort_unstable();
    names
}

#[test]
fn fidelity_keeps_a_directory_of_many_entries() {
    let world = world();
    let docs = world.path("docs");
    let directory = open(&docs);
    let content = |number: usize| if number.is_multiple_of(1000) { format!("{number}") } else { String::new() };
    for number in 0..many() {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
        let name = format!("entry {number:07}");
        let file = rustix::fs::openat(&directory, name, flags, Mode::RUSR | Mode::WUSR).expect("a file");
        let content = content(number);
        if !content.is_empty() {
            rustix::io::write(&file, content.as_bytes()).expect("room");
        }
    }
    let restored = round_trip(&world, &[]);
    assert_eq!(list(&restored), list(&docs));
    for number in (0..many()).step_by(500) {
        let read = std::fs::read_to_string(restored.join(format!("entry {number:07}"))).expect("a file");
        assert_eq!(read, content(number));
    }
    assert_one_more_costs_one_page(&world);
}

/// A directory is kept in pages: one that gets one more entry is not stored again as a whole.
fn assert_one_more_costs_one_page(world: &World) {
    let first = world.document(&["snapshots"])[0]["statistics"]["stored_bytes"].as_u64().expect("a number");
    world.write("docs/entry 0500000b", b"one more");
    let lines = world.lines(&["backup", "docs"]);
    let summary = lines.last().expect("a summary");
    assert_eq!(summary["statistics"]["files_read"], 1, "{summary}");
    let stored = summary["stored_bytes"].as_u64().expect("a number");
    assert!(stored * 10 < first, "{stored} bytes stored for one more entry, {first} for all");
}
