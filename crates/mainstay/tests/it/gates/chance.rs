//! Commands killed at any time, again and again, in one repository that lives on.
//!
//! Owns the little history: which snapshots were confirmed, and what each holds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::tree::assert_same;
use crate::world::{World, noise};

use super::{WORKERS, number, report};

const SHORT_KILLS: usize = 300;
const VARIABLE: &str = "MAINSTAY_GATE_KILLS";
/// So many rounds apart everything is restored.
const WHOLE: usize = 20;

/// A snapshot that was seen.
struct Kept {
    files: PathBuf,
    /// Somebody wanted it forgotten, which may have happened or not.
    may_go: bool,
}

/// A repository whose commands are killed.
struct Life {
    world: World,
    kept: BTreeMap<String, Kept>,
    versions: tempfile::TempDir,
    /// How long a command takes here; later kills would be none.
    longest: Duration,
    version: usize,
    chance: Chance,
}

/// A xorshift generator (Marsaglia 2003).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[test]
fn commands_killed_at_any_time_lose_nothing_and_need_no_help() {
    let wanted = number(VARIABLE, SHORT_KILLS);
    let kills = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let kills = &kills;
            scope.spawn(move || {
                let mut life = Life::new(worker as u64 + 1);
                while kills.load(Ordering::Relaxed) < wanted {
                    life.go_on(kills);
                }
                life.assert_whole();
            });
        }
    });
    let kills = kills.into_inner();
    report(
        "random-kills",
        &format!("{kills} kills at random times: every next run succeeds alone, 0 confirmed snapshots lost"),
    );
}

impl Life {
    fn new(seed: u64) -> Self {
        let world = World::in_memory();
        world.write("docs/middle", &noise(200 << 10));
        world.write("docs/deep/leaf", b"leaf");
        world.ok(&["init"]);
        let chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let versions = World::directory_in_memory();
        let longest = Duration::ZERO;
        let mut life = Self { world, kept: BTreeMap::new(), versions, longest, version: 0, chance };
        life.change_files();
        let start = Instant::now();
        life.world.ok(&["backup", "docs"]);
        life.longest = start.elapsed();
        life.learn(&["backup"]);
        life
    }

    /// A few commands that are killed, or not, and a look at what is there after each.
    fn go_on(&mut self, kills: &AtomicUsize) {
        for _ in 0..WHOLE {
            let arguments: &[&str] = match self.chance.below(8) {
                0..4 => {
                    self.change_files();
                    &["backup", "docs"]
                }
                4 => &["forget", "--keep-last", "2"],
                5 => &["key", "export-kit"],
                _ => &["prune"],
            };
            let was_killed = self.kill_after_a_while(arguments);
            kills.fetch_add(usize::from(was_killed), Ordering::Relaxed);
            self.learn(arguments);
        }
        self.assert_whole();
    }

    fn change_files(&mut self) {
        self.version += 1;
        let text = format!("version {}\n", self.version);
        self.world.write("docs/notes.md", text.as_bytes());
        let old = noise(200 << 10);
        let start = self.chance.below(100 << 10) as usize;
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

    /// Answers whether the command was killed; one that was not must have succeeded.
    fn kill_after_a_while(&mut self, arguments: &[&str]) -> bool {
        let while_long = Duration::from_micros(self.chance.below(self.longest.as_micros() as u64));
        let mut command = self.world.command(arguments);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
        let (killed, status) = wait_or_kill(child, while_long);
        assert!(killed || status == Some(0), "{arguments:?}: {status:?}");
        killed
    }

    /// Looks at what is there: what was confirmed must be, and what came is as the files are.
    fn learn(&mut self, arguments: &[&str]) {
        let listed = self.world.snapshots();
        for id in &listed {
            let files = self.files();
            self.kept.entry(id.clone()).or_insert(Kept { files, may_go: false });
        }
        if arguments[0] == "forget" {
            let last: Vec<&String> = listed.iter().rev().take(2).collect();
            self.kept.iter_mut().for_each(|(id, kept)| kept.may_go |= !last.contains(&id));
        }
        for (id, kept) in &self.kept {
            assert!(kept.may_go || listed.contains(id), "after {arguments:?}: snapshot {id} is lost: {listed:?}");
        }
        self.kept.retain(|id, _| listed.contains(id));
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
        let wanted: Vec<PathBuf> = self.kept.values().map(|kept| kept.files.clone()).chain([self.files()]).collect();
        for entry in std::fs::read_dir(self.versions.path()).expect("a directory") {
            let path = entry.expect("an entry").path();
            if !wanted.contains(&path) {
                std::fs::remove_dir_all(path).expect("it is ours");
            }
        }
    }
}

/// Waits for a child's end for a while, then kills it; answers whether it had to, and the exit code.
fn wait_or_kill(mut child: Child, while_long: Duration) -> (bool, Option<i32>) {
    // Nobody sends: this is the wait, and it is as exact as the system's timer.
    let (sender, receiver) = channel::<()>();
    let waited = receiver.recv_timeout(while_long);
    assert_eq!(waited, Err(RecvTimeoutError::Timeout));
    drop(sender);
    if let Some(status) = child.try_wait().expect("it is our child") {
        return (false, status.code());
    }
    child.kill().expect("it is our child");
    let status = child.wait().expect("it is our child");
    (status.code().is_none(), status.code())
}
