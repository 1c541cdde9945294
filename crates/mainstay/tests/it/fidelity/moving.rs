//! A source that moves while it is read.
//!
//! A backup is held still by a signal as soon as it has a certain file open, which `/proc` shows; what moves then moves
//! under its hands. On a machine that lets it be faster than the one who looks, it is tried again.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::world;
use crate::unprivileged::Unprivileged;
use crate::world::{Ran, World, noise};

/// How often a backup may be faster than the one who looks at it.
const ATTEMPTS: usize = 50;
/// A file of this length is read in many pieces.
const LEN: usize = 24 << 20;

fn signal(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process");
    kill_process(id, signal).expect("it is our process");
}

/// Whether a process has a file open whose path begins so.
fn has_open(child: &Child, path: &str) -> bool {
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{}/fd", child.id())) else { return false };
    let mut opened = descriptors.flatten().filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok());
    opened.any(|opened| opened.to_str().is_some_and(|opened| opened.starts_with(path)))
}

/// Backs `docs` up and calls `act` once, while a file whose path begins so is open.
fn back_up_and(world: &World, path: &str, act: impl FnOnce()) -> Ran {
    let mut command = world.command(&["backup", "docs", "--type", "full", "--json"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("the binary starts");
    while child.try_wait().expect("it is our process").is_none() {
        if has_open(&child, path) {
            signal(&child, Signal::STOP);
            act();
            signal(&child, Signal::CONT);
            break;
        }
    }
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The warnings, and the summary.
fn told(ran: &Ran) -> (Vec<Value>, Value) {
    let mut lines = ran.lines();
    let summary = lines.pop().unwrap_or_else(|| panic!("no summary: {ran:#?}"));
    lines.retain(|line| line["message_type"] == "warning");
    (lines, summary)
}

/// What a snapshot holds of a large file that something happens to while it is read, which a warning must tell; the file
/// is as it was before each attempt.
fn read_while(original: &[u8], act: impl Fn(&File)) -> Vec<u8> {
    let world = world();
    let beginning = world.absolute("docs/moving");
    for _ in 0..ATTEMPTS {
        let path = world.write("docs/moving", original);
        world.write("docs/still", b"content");
        let ran = back_up_and(&world, &beginning, || act(&File::options().write(true).open(path).expect("a file")));
        let (warnings, _) = told(&ran);
        if ran.code == 0 {
            continue;
        }
        assert_eq!((ran.code, warnings.len()), (3, 1), "{ran:#?}");
        assert_eq!(warnings[0]["path"], beginning.as_str());
        assert!(warnings[0]["message"].to_string().contains("changed while it was read"), "{warnings:#?}");
        world.ok(&["restore", "latest", "--target", "restored"]);
        assert_eq!(std::fs::read(world.restored("restored", "docs/still")).expect("the others"), b"content");
        let held = std::fs::read(world.restored("restored", "docs/moving")).expect("what was read");
        assert_next_backup_reads_it_again(&world);
        return held;
    }
    panic!("the backup was faster {ATTEMPTS} times");
}

fn assert_next_backup_reads_it_again(world: &World) {
    world.ok(&["backup", "docs"]);
    world.ok(&["restore", "latest", "--target", "later"]);
    let held = std::fs::read(world.restored("later", "docs/moving")).expect("it was restored");
    assert!(held == world.read("docs/moving"), "{} bytes", held.len());
}

#[test]
fn fidelity_keeps_what_was_read_of_a_changing_file() {
    let original = noise(LEN);
    let changed: Vec<u8> = original.iter().map(|byte| !byte).collect();
    let held = read_while(&original, |file| file.write_all_at(&changed, 0).expect("room"));
    assert_eq!(held.len(), LEN);
    let is_one_of_both = |(place, byte): (usize, &u8)| *byte == original[place] || *byte == changed[place];
    assert!(held.iter().enumerate().all(is_one_of_both));
}

#[test]
fn fidelity_keeps_what_was_read_of_a_growing_file() {
    let original = noise(LEN);
    let held = read_while(&original, |file| file.write_all_at(&original, LEN as u64).expect("room"));
    assert!(held == original, "{} bytes", held.len());
}

#[test]
fn fidelity_keeps_what_was_read_of_a_shrinking_file() {
    let original = noise(LEN);
    let held = read_while(&original, |file| file.set_len(1000).expect("it is ours"));
    assert!((1000..=LEN).contains(&held.len()), "{} bytes", held.len());
    // Where a file is cut, the kernel clears the rest of the page, which a read that is under way sees.
    assert!(held.iter().zip(&original).all(|(held, read)| held == read || *held == 0), "{} bytes", held.len());
}

#[test]
fn fidelity_keeps_everything_but_vanished_files() {
    const FILES: usize = 500;
    let world = world();
    for (number, content) in noise(FILES * (64 << 10)).chunks(64 << 10).enumerate() {
        world.write(&format!("docs/{number:04}"), content);
    }
    let beginning = world.absolute("docs/0");
    for _ in 0..ATTEMPTS {
        let last = world.write("docs/last", b"content");
        // A directory is listed as a whole before the first of its files is read, and they are read in order.
        let ran = back_up_and(&world, &beginning, || std::fs::remove_file(&last).expect("it is there"));
        if ran.code == 0 {
            continue;
        }
        let (warnings, summary) = told(&ran);
        assert_eq!((ran.code, warnings.len()), (3, 1), "{ran:#?}");
        assert_eq!(warnings[0]["path"], world.absolute("docs/last").as_str());
        assert!(warnings[0]["message"].to_string().contains("vanished"), "{warnings:#?}");
        assert_eq!(summary["statistics"]["warnings"], 1);
        world.ok(&["restore", "latest", "--target", "restored"]);
        let restored = std::fs::read_dir(world.restored("restored", "docs")).expect("a directory");
        assert_eq!(restored.count(), FILES);
        return;
    }
    panic!("the backup was faster {ATTEMPTS} times");
}

#[test]
fn fidelity_keeps_everything_but_unreadable_files() {
    let unprivileged = Unprivileged::new();
    let world = &unprivileged.world;
    let ran = unprivileged.run(&["backup", "docs", "--json"]);
    let (warnings, _) = told(&ran);
    let mut paths: Vec<&str> = warnings.iter().filter_map(|warning| warning["path"].as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, [world.absolute("docs/closed"), world.absolute("docs/secret")]);
    assert_eq!(ran.code, 3, "{ran:#?}");
    let ran = unprivileged.run(&["restore", "latest", "--target", "out"]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    for name in ["docs/notes.md", "docs/large", "docs/deep/er/leaf"] {
        let same = |path: &Path| std::fs::read(path).expect("it is there");
        assert!(same(&world.restored("out", name)) == world.read(name), "{name}");
    }
    assert!(!world.restored("out", "docs/secret").exists());
}
