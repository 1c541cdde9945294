//! A small life of a repository, stage by stage, so that each command can be run from the same beginning again and again.
//!
//! Owns the homes, and the judge: after whatever was done to a command, the next run succeeds alone and every snapshot
//! that was confirmed restores as it was. Nothing here knows how a command was hurt.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::stages::{Kept, STEPS, Stage, Step, assert_done};
use crate::tree::assert_same;
use crate::world::{Ran, World, noise};

/// A home in which stages are set up and run.
pub struct Scene {
    pub world: World,
    /// Beside the home: what it looked like before each stage, and the files of each version.
    aside: tempfile::TempDir,
    pub stages: Vec<Stage>,
}

/// Longer than the buffer behind which a store writes by a thread of its own.
pub const LARGE: usize = 2500 << 10;
const MIDDLE: usize = 100 << 10;

impl Scene {
    /// Lives through all stages once.
    pub fn new() -> Self {
        let world = World::in_memory();
        world.write("new.txt", b"correct horse\n");
        let aside = World::directory_in_memory();
        let mut scene = Self { world, aside, stages: Vec::new() };
        scene.write_first_version();
        let (mut kept, mut first) = (Kept::new(), String::new());
        for (step, arguments) in STEPS {
            let mut arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
            match step {
                Step::SecondBackup => scene.write_second_version(),
                Step::Forget => drop(kept.remove(&first)),
                Step::Undelete => arguments.push(first.clone()),
                Step::Bring => drop(scene.world.ok(&["--repo", "copy", "backup", "docs"])),
                _ => {}
            }
            scene.stage(step, arguments, kept.clone());
            match step {
                Step::Backup => {
                    first = scene.newest();
                    kept.insert(first.clone(), 0);
                }
                Step::SecondBackup => drop(kept.insert(scene.newest(), 1)),
                Step::Restore => std::fs::remove_dir_all(scene.world.path("target")).expect("it was restored into"),
                // For the prune.
                Step::Undelete => drop(scene.world.ok(&["forget", "--keep-last", "1"])),
                _ => {}
            }
        }
        scene
    }

    fn write_first_version(&self) {
        let content = noise(LARGE + MIDDLE);
        let (large, middle) = content.split_at(LARGE);
        self.world.write("docs/large", large);
        self.world.write("docs/middle", middle);
        self.world.write("docs/notes.md", b"first line\n");
        self.world.write("docs/deep/er/leaf", b"leaf");
        std::os::unix::fs::symlink("notes.md", self.world.path("docs/link")).expect("a link");
        self.remember_version(0);
    }

    fn write_second_version(&self) {
        std::fs::remove_file(self.world.path("docs/large")).expect("it is there");
        self.world.write("docs/notes.md", b"second line\n");
        self.world.write("docs/deep/new", &noise(30 << 10));
        self.remember_version(1);
    }

    pub fn version(&self, version: usize) -> PathBuf {
        self.aside.path().join(format!("version-{version}"))
    }

    fn remember_version(&self, version: usize) {
        copy(&self.world.path("docs"), &self.version(version));
    }

    /// Remembers how things are, then runs the command as it should go.
    fn stage(&mut self, step: Step, arguments: Vec<String>, kept: Kept) {
        let home = self.aside.path().join(format!("home-{}", self.stages.len()));
        copy(self.world.home(), &home);
        let version = usize::from(self.version(1).exists());
        let stage = Stage { step, arguments, home, version, kept };
        self.world.ok(&stage.words());
        self.stages.push(stage);
    }

    fn newest(&self) -> String {
        self.world.snapshots().pop().expect("there is one")
    }

    /// Puts the home back to what a stage finds.
    pub fn reset(&self, stage: &Stage) {
        empty(self.world.home());
        copy(&stage.home.join("."), self.world.home());
    }

    pub fn command(&self, stage: &Stage) -> Command {
        self.world.command(&stage.words())
    }

    /// Where a traced command prints to.
    pub fn output(&self) -> PathBuf {
        self.aside.path().join("output")
    }

    /// The command again, and a backup after it: both succeed, and nobody did anything about what happened before.
    pub fn assert_recovers(&self, stage: &Stage, what: &str) {
        self.assert_recovers_but(stage, &[], what);
    }

    /// The same where some snapshots were said to lack something.
    pub fn assert_recovers_but(&self, stage: &Stage, incomplete: &[String], what: &str) {
        self.assert_repeats(stage, what);
        self.succeeds(&["backup", "docs"], what);
        self.assert_nothing_lost(stage, incomplete, what);
    }

    fn assert_repeats(&self, stage: &Stage, what: &str) {
        if stage.step == Step::Restore {
            // Part of it may be there already.
            self.succeeds(&[&stage.words()[..], &["--overwrite", "if-changed"]].concat(), what);
            assert_same(&self.world.restored("target", "docs"), &self.version(stage.version));
            return;
        }
        let again = self.world.run(&stage.words());
        if again.code != 0 {
            assert!(stage.is_done_already(&again.stderr), "{what}: {again:#?}");
            assert_done(self, stage, what);
        }
    }

    /// Every snapshot that was confirmed before is there, each that is listed restores as it was, and all is sound.
    fn assert_nothing_lost(&self, stage: &Stage, incomplete: &[String], what: &str) {
        let listed = self.snapshots(what);
        let undeleted = stage.arguments.last().filter(|_| stage.step == Step::Undelete);
        for kept in stage.kept.keys().chain(undeleted) {
            assert!(listed.contains(kept), "{what}: snapshot {kept} is lost: {listed:?}");
        }
        for snapshot in listed.iter().filter(|snapshot| !incomplete.contains(snapshot)) {
            // One that is to be forgotten is of the first version, one that came since of the present one.
            let is_old = self.stages.iter().find_map(|stage| stage.kept.get(snapshot)).copied();
            self.assert_restores(snapshot, is_old.unwrap_or(stage.version), what);
        }
        self.succeeds(&["check"], what);
    }

    pub fn snapshots(&self, what: &str) -> Vec<String> {
        self.listed(&["snapshots", "--json"], what)
    }

    /// Those of another copy of the repository.
    pub fn snapshots_of(&self, repository: &str, what: &str) -> Vec<String> {
        self.listed(&["--repo", repository, "snapshots", "--json"], what)
    }

    fn listed(&self, arguments: &[&str], what: &str) -> Vec<String> {
        let printed = self.succeeds(arguments, what).stdout;
        let listed: Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{what}: {error}: {printed}"));
        let listed = listed.as_array().expect("an array").iter();
        listed.map(|snapshot| snapshot["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// Those that were not there before the stage.
    pub fn new_snapshots(&self, what: &str) -> Vec<String> {
        let is_new = |snapshot: &String| !self.stages.iter().any(|stage| stage.kept.contains_key(snapshot));
        self.snapshots(what).into_iter().filter(is_new).collect()
    }

    pub fn assert_restores(&self, snapshot: &str, version: usize, what: &str) {
        let _ = std::fs::remove_dir_all(self.world.path("restored"));
        let node = format!("{snapshot}:{}", self.world.absolute("docs"));
        self.succeeds(&["restore", &node, "--target", "restored"], what);
        assert_same(&self.world.path("restored"), &self.version(version));
    }

    pub fn succeeds(&self, arguments: &[&str], what: &str) -> Ran {
        let ran = self.world.run(arguments);
        assert_eq!(ran.code, 0, "{what}: then mainstay {arguments:?}: {ran:#?}");
        ran
    }
}

/// Copies a tree with its times and modes.
fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status().expect("cp is there");
    assert!(status.success(), "copy {} to {}", from.display(), to.display());
}

fn empty(directory: &Path) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let is_directory = path.symlink_metadata().expect("it is there").is_dir();
        if is_directory { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.expect("it is ours");
    }
}
