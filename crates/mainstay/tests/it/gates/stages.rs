//! The commands of a small life, and what each has done when it says that it succeeded.
//!
//! Owns the list and the promises, one by one. How a home comes to a stage and back is the scene's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::scene::{LARGE, Scene};
use crate::tree::assert_same;
use crate::world::files;

/// A snapshot and the version of the files that it holds.
pub type Kept = BTreeMap<String, usize>;

/// What a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Init,
    Backup,
    SecondBackup,
    CreateCopy,
    Restore,
    AddKey,
    ExportKit,
    CreateWriter,
    CreateRecipient,
    AddRecipient,
    Forget,
    Undelete,
    Prune,
    Bring,
}

/// One command with what it finds.
pub struct Stage {
    pub step: Step,
    pub arguments: Vec<String>,
    /// What the home looked like before.
    pub home: PathBuf,
    /// The version of the files in it.
    pub version: usize,
    /// The snapshots that must be there afterwards, whatever happens to the command.
    pub kept: Kept,
}

impl Stage {
    pub fn words(&self) -> Vec<&str> {
        self.arguments.iter().map(String::as_str).collect()
    }

    /// Whether a run that says this only found that all was done before.
    pub fn is_done_already(&self, told: &str) -> bool {
        match self.step {
            Step::Init => told.contains("error[MS-1102]"),
            Step::CreateRecipient => told.contains("error[MS-1006]"),
            Step::Undelete => told.contains("no forgotten snapshot begins so"),
            // What was killed when all was restored but for the last word is in the way of a second restore.
            Step::Restore => told.contains("error[MS-"),
            _ => false,
        }
    }
}

/// Every command, in the order in which the small life has them.
pub const STEPS: [(Step, &[&str]); 14] = [
    (Step::Init, &["init"]),
    (Step::Backup, &["backup", "docs"]),
    (Step::SecondBackup, &["backup", "docs"]),
    (Step::CreateCopy, &["sync", "--to", "copy"]),
    (Step::Restore, &["restore", "latest", "--target", "target", "--verify"]),
    (Step::AddKey, &["key", "add", "--new-password-file", "new.txt"]),
    (Step::ExportKit, &["key", "export-kit"]),
    (Step::CreateWriter, &["key", "create-writer", "--may-list"]),
    (Step::CreateRecipient, &["key", "create-recipient"]),
    (Step::AddRecipient, &["key", "add-recipient", "mainstay-recipient.pub"]),
    (Step::Forget, &["forget", "--keep-last", "1"]),
    (Step::Undelete, &["undelete"]),
    (Step::Prune, &["prune"]),
    (Step::Bring, &["sync", "--from", "copy"]),
];

/// Asserts that a command which said so did its work.
pub fn assert_done(scene: &Scene, stage: &Stage, what: &str) {
    let listed = scene.snapshots(what);
    match stage.step {
        Step::Init => assert!(listed.is_empty(), "{what}: {listed:?}"),
        Step::Backup | Step::SecondBackup => {
            assert_eq!(listed.len(), stage.kept.len() + 1, "{what}: the snapshot is not there");
            scene.assert_restores(listed.last().expect("there is one"), stage.version, what);
        }
        Step::CreateCopy => assert_stands_alone(scene, stage, what),
        Step::Restore => assert_same(&scene.world.restored("target", "docs"), &scene.version(1)),
        Step::AddKey => assert_opens(scene, &scene.world.path("new.txt"), "snapshots", what),
        Step::ExportKit => assert_opens(scene, &written(scene, "recovery-kit"), "snapshots", what),
        Step::CreateWriter => assert_opens(scene, &written(scene, "mainstay-writer"), "snapshots", what),
        Step::CreateRecipient => assert_is_pair(scene, what),
        Step::AddRecipient => assert_opens(scene, &written(scene, "recipient.key"), "snapshots", what),
        Step::Forget => assert_eq!(listed.len(), 1, "{what}: nothing was forgotten"),
        Step::Undelete => assert_eq!(listed.len(), 2, "{what}: nothing came back"),
        Step::Prune => assert!(packs_len(scene) < LARGE as u64, "{what}: nothing was freed"),
        Step::Bring => {
            let came = scene.snapshots_of("copy", what).pop().expect("there is one");
            assert!(listed.contains(&came), "{what}: {came} did not come: {listed:?}");
            scene.assert_restores(&came, stage.version, what);
        }
    }
}

/// The copy has every snapshot, and restores when the repository is gone.
fn assert_stands_alone(scene: &Scene, stage: &Stage, what: &str) {
    let copied = scene.snapshots_of("copy", what);
    assert!(stage.kept.keys().all(|kept| copied.contains(kept)), "{what}: {copied:?}");
    let aside = scene.world.path("aside");
    std::fs::rename(scene.world.repository(), &aside).expect("it is there");
    for (snapshot, version) in &stage.kept {
        let node = format!("{snapshot}:{}", scene.world.absolute("docs"));
        let _ = std::fs::remove_dir_all(scene.world.path("restored"));
        scene.succeeds(&["--repo", "copy", "restore", &node, "--target", "restored"], what);
        assert_same(&scene.world.path("restored"), &scene.version(*version));
    }
    scene.succeeds(&["--repo", "copy", "check"], what);
    std::fs::rename(aside, scene.world.repository()).expect("it was there");
}

fn assert_opens(scene: &Scene, secret: &Path, verb: &str, what: &str) {
    let secret = secret.to_str().expect("a plain path");
    scene.succeeds(&["--password-file", secret, verb], what);
}

/// The public half can be added, and the private one opens what it was added to.
fn assert_is_pair(scene: &Scene, what: &str) {
    scene.succeeds(&["key", "add-recipient", "mainstay-recipient.pub"], what);
    assert_opens(scene, &written(scene, "recipient.key"), "snapshots", what);
}

/// The file in the working directory whose name says what it is.
fn written(scene: &Scene, name: &str) -> PathBuf {
    let entries = std::fs::read_dir(scene.world.home()).expect("a directory").map(|entry| entry.expect("one").path());
    let is_it = |path: &PathBuf| path.to_string_lossy().contains(name);
    entries.into_iter().find(is_it).unwrap_or_else(|| panic!("no file is called {name}"))
}

fn packs_len(scene: &Scene) -> u64 {
    let packs = files(&scene.world.repository().join("packs"));
    packs.iter().map(|path| path.metadata().expect("it is there").len()).sum()
}
