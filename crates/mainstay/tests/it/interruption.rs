//! Runs that do not reach their end, and runs at the same time: what was stored is used, and nothing needs unlocking.
//!
//! When to interrupt is seen by looking at the repository or the target, never by waiting for a time.

mod full;
mod together;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::tree::assert_same;
use crate::world::{World, files, noise};

/// Files of a test that looks at single packs, and of the others.
const MANY: usize = 12;
const FEW: usize = 6;
const FILE_LEN: usize = 12 << 20;
/// Packs of a small repository are closed at 16 MiB, with at most one block more.
const PACK_LEN: u64 = 18 << 20;

/// A home whose `docs` hold this many files of 12 MiB that do not compress, and an empty repository.
fn world(files: usize) -> World {
    let world = World::new();
    let all = noise(files * FILE_LEN);
    for (number, content) in all.chunks(FILE_LEN).enumerate() {
        world.write(&format!("docs/{number:02}"), content);
    }
    world.write("docs/small/one", b"one");
    world.ok(&["init"]);
    world
}

fn packs(world: &World) -> Vec<PathBuf> {
    files(&world.repository())
        .into_iter()
        .filter(|path| path.components().any(|part| part.as_os_str() == "packs"))
        .collect()
}

fn len(paths: &[PathBuf]) -> u64 {
    paths.iter().map(|path| path.metadata().map_or(0, |metadata| metadata.len())).sum()
}

fn start(world: &World, arguments: &[&str]) -> Child {
    let mut command = world.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts")
}

fn signal(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process");
    kill_process(id, signal).expect("it is our process");
}

/// How a process ended that was to be interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    ByItself,
    BySignal(Option<i32>),
}

/// Sends a signal as soon as something is so. A machine that is busy may let the process be faster: it has to succeed then.
fn interrupt_when(mut child: Child, with: Signal, mut is_so: impl FnMut() -> bool) -> Ended {
    loop {
        if let Some(status) = child.try_wait().expect("it is our process") {
            assert_eq!(status.code(), Some(0));
            return Ended::ByItself;
        }
        if is_so() {
            signal(&child, with);
            return Ended::BySignal(child.wait().expect("it ends").code());
        }
        std::thread::yield_now();
    }
}

/// A backup of standard input that goes on as long as the test wants.
struct Open {
    child: Child,
    input: ChildStdin,
}

impl Open {
    /// Feeds it some of the stream: all of it is taken, but for what a pipe holds.
    fn new(world: &World, bytes: &[u8]) -> Self {
        let mut command = world.command(&["backup", "--stdin-name", "stream", "--source", "stream"]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the binary starts");
        let mut input = child.stdin.take().expect("it is piped");
        input.write_all(bytes).expect("it reads");
        Self { child, input }
    }

    /// Ends the stream and answers the exit code.
    fn finish(mut self) -> Option<i32> {
        drop(self.input);
        self.child.wait().expect("it ends").code()
    }

    fn kill(mut self) {
        self.child.kill().expect("it is our process");
        self.child.wait().expect("it ends");
    }
}

/// Asserts that everything in the repository is sound and that its newest snapshot is `docs`.
fn assert_whole(world: &World) {
    world.ok(&["check"]);
    world.ok(&["verify"]);
    let snapshot = format!("latest:{}", world.absolute("docs"));
    world.ok(&["restore", &snapshot, "--target", "restored"]);
    assert_same(&world.path("restored"), &world.path("docs"));
    std::fs::remove_dir_all(world.path("restored")).expect("it is there");
}

fn summary(world: &World, arguments: &[&str]) -> Value {
    world.lines(arguments).pop().expect("a summary")
}

fn stored(summary: &Value) -> u64 {
    summary["stored_bytes"].as_u64().unwrap_or_else(|| panic!("{summary}"))
}

/// What the sessions of killed processes leave that is no pack.
fn staged(world: &World) -> usize {
    files(&world.repository().join("tmp")).len()
}

#[test]
fn a_backup_that_is_killed_again_and_again_is_resumed_and_stores_at_most_a_pack_twice() {
    let world = world(MANY);
    // Before anything is durable, then between any two packs.
    let sealed = || len(&packs(&world)) > 0 || staged(&world) > 0;
    interrupt_when(start(&world, &["backup", "docs"]), Signal::KILL, sealed);
    for count in [1, 3, 6] {
        let enough = || packs(&world).len() >= count;
        if interrupt_when(start(&world, &["backup", "docs"]), Signal::KILL, enough) != Ended::ByItself {
            assert!(world.snapshots().is_empty());
        }
    }
    let left = len(&packs(&world));
    let all = (MANY * FILE_LEN) as u64;
    let finished = summary(&world, &["backup", "docs"]);
    assert!(stored(&finished) + left <= all + PACK_LEN, "{left} bytes were left: {finished}");
    assert_whole(&world);
    world.ok(&["prune"]);
    assert_eq!(staged(&world), 0);
    assert!(len(&packs(&world)) <= all + (1 << 20), "{} bytes are left", len(&packs(&world)));
    assert_whole(&world);
}

#[test]
fn a_stream_whose_backup_was_killed_is_resumed_where_it_was() {
    let world = World::new();
    world.ok(&["init"]);
    let content = noise(80 << 20);
    let open = Open::new(&world, &content);
    while packs(&world).len() < 3 {
        std::thread::yield_now();
    }
    open.kill();
    let left = len(&packs(&world));
    assert_eq!(Open::new(&world, &content).finish(), Some(0));
    let stored = stored(&world.document(&["snapshots"])[0]["statistics"]);
    assert!(stored + left <= (80 << 20) + PACK_LEN, "{left} bytes were left, {stored} stored");
    world.ok(&["verify"]);
    assert!(world.ok(&["prune"]).code == 0 && staged(&world) == 0);
    world.ok(&["restore", "latest", "--target", "target"]);
    assert!(world.read("target/stream") == content, "the stream came back otherwise");
}

#[test]
fn what_a_killed_backup_left_is_pruned_when_nobody_wants_it() {
    let world = World::new();
    world.ok(&["init"]);
    let open = Open::new(&world, &noise(80 << 20));
    while packs(&world).len() < 3 {
        std::thread::yield_now();
    }
    open.kill();
    // Nobody unlocks anything.
    let pruned = summary(&world, &["prune"]);
    assert!(pruned["freed_bytes"].as_u64() >= Some(3 << 24), "{pruned}");
    assert_eq!((packs(&world).len(), staged(&world)), (0, 0));
    world.ok(&["check"]);
}

#[test]
fn ctrl_c_once_ends_with_130_and_the_next_backup_goes_on() {
    let world = world(FEW);
    let enough = || packs(&world).len() >= 2;
    let ended = interrupt_when(start(&world, &["backup", "docs"]), Signal::INT, enough);
    // A signal that comes when the snapshot is being written comes too late.
    if !matches!(ended, Ended::ByItself | Ended::BySignal(Some(0))) {
        assert_eq!(ended, Ended::BySignal(Some(130)));
        assert!(world.snapshots().is_empty());
    }
    let left = len(&packs(&world));
    // The session ended well: it is in nobody's way, and nothing of it is unfinished.
    assert_eq!(staged(&world), 0);
    let finished = summary(&world, &["backup", "docs"]);
    let all = (FEW * FILE_LEN) as u64;
    assert!(stored(&finished) + left <= all + (2 << 20), "{left} bytes were left: {finished}");
    assert_whole(&world);
}

#[test]
fn a_restore_that_is_killed_is_finished_by_the_next_one() {
    let world = world(FEW);
    world.ok(&["backup", "docs"]);
    let snapshot = format!("latest:{}", world.absolute("docs"));
    let target = world.path("target");
    let some = || len_of(&target) > 40 << 20;
    let restore = start(&world, &["restore", &snapshot, "--target", "target"]);
    interrupt_when(restore, Signal::KILL, some);
    let finished = world.lines(&["restore", &snapshot, "--target", "target", "--overwrite", "if-changed"]);
    let finished = finished.last().expect("a summary");
    assert_same(&target, &world.path("docs"));
    assert!(finished["written_bytes"].as_u64() < Some((FEW * FILE_LEN) as u64), "{finished}");
    world.ok(&["prune"]);
}

/// Bytes that are allocated in a directory's files: a file has its length before its content.
fn len_of(directory: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let metadata = entries.filter_map(|entry| entry.ok()?.metadata().ok());
    metadata.map(|metadata| metadata.blocks() * 512).sum()
}

/// Interrupts a prune that rewrites packs as soon as packs come or go, and answers how it ended.
fn interrupt_prune(with: Signal) -> (World, Ended) {
    let world = world(FEW);
    world.ok(&["backup", "docs"]);
    for number in 0..FEW / 2 {
        std::fs::remove_file(world.path(&format!("docs/{number:02}"))).expect("it is there");
    }
    world.ok(&["backup", "docs"]);
    world.ok(&["forget", "--keep-last", "1"]);
    let before = packs(&world).len();
    let begun = || packs(&world).len() != before;
    let ended = interrupt_when(start(&world, &["prune"]), with, begun);
    assert_whole(&world);
    (world, ended)
}

fn assert_finished_by_the_next(world: &World) {
    world.ok(&["prune"]);
    assert_whole(world);
    let kept = (FEW * FILE_LEN / 2) as u64;
    assert!(len(&packs(world)) <= kept * 11 / 10, "{} bytes are left", len(&packs(world)));
}

#[test]
fn a_prune_that_is_killed_is_finished_by_the_next_one() {
    let (world, _) = interrupt_prune(Signal::KILL);
    assert_finished_by_the_next(&world);
}

#[test]
fn ctrl_c_once_ends_a_prune_with_130_and_the_next_goes_on() {
    let (world, ended) = interrupt_prune(Signal::INT);
    // A signal that comes when everything is removed comes too late.
    if !matches!(ended, Ended::ByItself | Ended::BySignal(Some(0))) {
        assert_eq!(ended, Ended::BySignal(Some(130)));
    }
    // It ended well: nothing of it is unfinished.
    assert_eq!(staged(&world), 0);
    assert_finished_by_the_next(&world);
}
