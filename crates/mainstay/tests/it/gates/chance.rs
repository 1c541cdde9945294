//! Commands killed at any time, again and again, in one repository that lives on.
//!
//! Owns the little history: which snapshots were confirmed, and what each holds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::tree::assert_same;
use crate::world::{World, noise};

use super::{Draws, Effort, Figures, WORKERS, say_seed};

const SHORT_KILLS: u64 = 300;
const LONG_KILLS: u64 = 20_000;
/// So many commands apart everything is restored.
const WHOLE: usize = 20;

/// A snapshot that was seen.
struct Kept {
    files: PathBuf,
    /// Somebody wanted it forgotten, which may have happened or not.
    may_go: bool,
}

/// How a command came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Killed,
    Success,
    Refusal,
}

/// A repository whose commands are killed.
struct Life {
    world: World,
    kept: BTreeMap<String, Kept>,
    /// Those that are not listed any more, and may come back until a prune has ended.
    forgotten: BTreeMap<String, Kept>,
    versions: tempfile::TempDir,
    /// How long a command takes here; later kills would be none.
    longest: Duration,
    version: usize,
    draws: Draws,
}

#[test]
fn commands_killed_at_any_time_lose_nothing_and_need_no_help() {
    let (effort, mut figures) = (Effort::asked(), Figures::of("kills at random times"));
    let wanted = if effort.is_long() { LONG_KILLS } else { SHORT_KILLS };
    let (kills, commands) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (kills, commands) = (&kills, &commands);
            scope.spawn(move || {
                let seed = effort.seed(worker as u64 + 1);
                say_seed("kills at random times", seed);
                let mut life = Life::new(if effort.is_long() { seed } else { worker as u64 + 1 });
                while kills.load(Ordering::Relaxed) < wanted || effort.goes_on() {
                    life.go_on(kills);
                    commands.fetch_add(WHOLE as u64, Ordering::Relaxed);
                }
            });
        }
    });
    figures.add(kills.into_inner(), "kills");
    figures.add(commands.into_inner(), "commands");
    figures.add(0, "confirmed snapshots lost");
    figures.add(0, "left that the next run did not finish alone");
    figures.publish(effort);
}

impl Life {
    fn new(seed: u64) -> Self {
        let world = World::in_memory();
        world.write("docs/middle", &noise(200 << 10));
        world.write("docs/deep/leaf", b"leaf");
        world.ok(&["init"]);
        let draws = Draws::new(seed);
        let versions = World::directory_in_memory();
        let longest = Duration::ZERO;
        let (kept, forgotten) = (BTreeMap::new(), BTreeMap::new());
        let mut life = Self { world, kept, forgotten, versions, longest, version: 0, draws };
        life.change_files();
        let start = Instant::now();
        life.world.ok(&["backup", "docs"]);
        life.longest = start.elapsed();
        life.learn(&["backup"], End::Success);
        life
    }

    /// A few commands that are killed, or not, and a look at what is there after each.
    fn go_on(&mut self, kills: &AtomicU64) {
        for _ in 0..WHOLE {
            let forgotten = self.forgotten.keys().next_back().cloned();
            let arguments: &[&str] = match (self.draws.below(10), forgotten.as_deref()) {
                (0..4, _) => {
                    self.change_files();
                    &["backup", "docs"]
                }
                (4, _) => &["forget", "--keep-last", "2"],
                (5, _) => &["key", "export-kit"],
                (6, _) => &["key", "create-writer"],
                (7, Some(id)) => &["undelete", id],
                _ => &["prune"],
            };
            let end = self.kill_after_a_while(arguments);
            kills.fetch_add(u64::from(end == End::Killed), Ordering::Relaxed);
            self.learn(arguments, end);
        }
        self.assert_whole();
    }

    fn change_files(&mut self) {
        self.version += 1;
        let text = format!("version {}\n", self.version);
        self.world.write("docs/notes.md", text.as_bytes());
        let old = noise(200 << 10);
        let start = self.draws.below(100 << 10);
        self.world.write("docs/middle", &old[start..start + (60 << 10)]);
        let status = std::process::Command::new("cp")
            .arg("-a")
            .args([self.world.path("docs"), self.files()])
            .status()
            .expect("cp is there");
        assert!(status.success());
    }

    /// The files as they are now.
    fn files(&self) -> PathBuf {
        self.versions.path().join(self.version.to_string())
    }

    /// A command that was not killed must have succeeded.
    fn kill_after_a_while(&mut self, arguments: &[&str]) -> End {
        let while_long = Duration::from_micros(self.draws.below(self.longest.as_micros() as usize) as u64);
        let mut command = self.world.command(arguments);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
        match wait_or_kill(child, while_long) {
            None => End::Killed,
            Some(0) => End::Success,
            // What is to come back may have been removed by a prune that was killed after that.
            Some(_) if arguments[0] == "undelete" => End::Refusal,
            Some(code) => panic!("{arguments:?}: {code}"),
        }
    }

    /// Looks at what is there: what was confirmed must be, and what came is as the files are.
    fn learn(&mut self, arguments: &[&str], end: End) {
        let listed = self.world.snapshots();
        for id in &listed {
            let files = self.files();
            let known = self.kept.remove(id).or_else(|| self.forgotten.remove(id));
            self.kept.insert(id.clone(), known.unwrap_or(Kept { files, may_go: false }));
        }
        if let (["undelete", id], End::Success) = (arguments, end) {
            self.kept.get_mut(*id).expect("it was brought back").may_go = false;
        }
        if arguments[0] == "forget" {
            let last: Vec<&String> = listed.iter().rev().take(2).collect();
            self.kept.iter_mut().for_each(|(id, kept)| kept.may_go |= !last.contains(&id));
        }
        for (id, kept) in &self.kept {
            assert!(kept.may_go || listed.contains(id), "after {arguments:?}: snapshot {id} is lost: {listed:?}");
        }
        let gone: Vec<String> = self.kept.keys().filter(|id| !listed.contains(id)).cloned().collect();
        self.forgotten.extend(gone.into_iter().filter_map(|id| self.kept.remove_entry(&id)));
        if (arguments[0], end) == ("prune", End::Success) {
            self.forgotten.clear();
        }
    }

    fn assert_whole(&self) {
        self.world.ok(&["check"]);
        for (id, Kept { files, .. }) in &self.kept {
            let node = format!("{id}:{}", self.world.absolute("docs"));
            self.world.ok(&["restore", &node, "--target", "restored"]);
            assert_same(&self.world.path("restored"), files);
            std::fs::remove_dir_all(self.world.path("restored")).expect("it was restored");
        }
        self.drop_old_versions();
    }

    fn drop_old_versions(&self) {
        let known = self.kept.values().chain(self.forgotten.values());
        let wanted: Vec<PathBuf> = known.map(|kept| kept.files.clone()).chain([self.files()]).collect();
        for entry in std::fs::read_dir(self.versions.path()).expect("a directory") {
            let path = entry.expect("an entry").path();
            if !wanted.contains(&path) {
                std::fs::remove_dir_all(path).expect("it is ours");
            }
        }
    }
}

/// Waits for a child's end for a while, then kills it; answers the exit code of one that was not killed.
fn wait_or_kill(mut child: Child, while_long: Duration) -> Option<i32> {
    // Nobody sends: this is the wait, and it is as exact as the system's timer.
    let (sender, receiver) = channel::<()>();
    let waited = receiver.recv_timeout(while_long);
    assert_eq!(waited, Err(RecvTimeoutError::Timeout));
    drop(sender);
    if let Some(status) = child.try_wait().expect("it is our child") {
        return status.code();
    }
    child.kill().expect("it is our child");
    child.wait().expect("it is our child").code()
}
