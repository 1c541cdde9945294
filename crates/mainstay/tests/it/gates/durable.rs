//! What a command that says it succeeded has made is on the disk, should the power fail in the next moment.
//!
//! Owns the watch: every file is synced after its last write and before it gets its name, and every name is synced in its
//! directory. A kill cannot show a lapse here, since what a killed process wrote is still in the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::calls::{Class, class};
use super::scene::Scene;
use super::stages::Step;
use super::tracer::{Act, Call, Plan, trace};

/// Files that were written and names that were given, and not synced since.
struct Watch {
    home: PathBuf,
    unsynced: BTreeSet<PathBuf>,
    /// By the directory that must be synced.
    unsynced_names: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    lapses: Vec<String>,
}

impl Watch {
    fn new(home: &Path) -> Self {
        let home = home.canonicalize().expect("the home is there");
        Self { home, unsynced: BTreeSet::new(), unsynced_names: BTreeMap::new(), lapses: Vec::new() }
    }

    /// Where an argument leads, if it is beneath the home.
    fn path(&self, call: &Call, argument: usize) -> Option<PathBuf> {
        let path = self.home.join(call.text(argument)?);
        path.starts_with(&self.home).then_some(path)
    }

    fn name(&mut self, path: Option<PathBuf>) {
        let Some(path) = path else { return };
        let folder = path.parent().expect("it is beneath the home").to_owned();
        self.unsynced_names.entry(folder).or_default().insert(path);
    }

    fn rename(&mut self, from: Option<PathBuf>, to: Option<PathBuf>) {
        if let Some(from) = from.filter(|from| self.unsynced.contains(from)) {
            self.lapses.push(format!("{} got its name before it was synced", from.display()));
        }
        self.name(to);
    }

    fn sync(&mut self, path: &Path) {
        self.unsynced.remove(path);
        self.unsynced_names.remove(path);
    }

    /// What is there and would not be after a failure of power.
    fn left(&self) -> Vec<String> {
        let files = self.unsynced.iter().map(|path| ("content", path));
        let names = self.unsynced_names.values().flatten().map(|path| ("name", path));
        // Nothing is lost with what is unfinished, nor with the space that is set aside.
        let is_spare =
            |path: &Path| path.ends_with("reserve") || path.components().any(|part| part.as_os_str() == "tmp");
        let lasting = |path: &Path| path.exists() && !is_spare(path.strip_prefix(&self.home).unwrap_or(path));
        let left = files.chain(names).filter(|(_, path)| lasting(path));
        left.map(|(what, path)| format!("{what} of {}", path.display())).chain(self.lapses.clone()).collect()
    }
}

impl Plan for Watch {
    fn decide(&mut self, call: &Call) -> Act {
        // Afterwards the descriptor may be another file.
        let file = call.file().filter(|file| class(call) == Some(Class::Write) && file.starts_with(&self.home));
        self.unsynced.extend(file);
        Act::Proceed
    }

    fn learn(&mut self, call: &Call, result: i64) {
        if result < 0 {
            return;
        }
        match call.number {
            libc::SYS_mkdir => self.name(self.path(call, 0)),
            libc::SYS_mkdirat => self.name(self.path(call, 1)),
            libc::SYS_openat if call.arguments[2] & libc::O_CREAT as u64 != 0 => self.name(self.path(call, 1)),
            libc::SYS_rename => self.rename(self.path(call, 0), self.path(call, 1)),
            libc::SYS_renameat2 => self.rename(self.path(call, 1), self.path(call, 3)),
            libc::SYS_fsync | libc::SYS_fdatasync => {
                if let Some(file) = call.file() {
                    self.sync(&file);
                }
            }
            _ => {}
        }
    }
}

#[test]
fn what_a_command_that_succeeded_has_made_is_durable() {
    let scene = Scene::new();
    // What a restore writes is the user's, as what `cp` writes; it is not promised to be on the disk.
    for stage in scene.stages.iter().filter(|stage| stage.step != Step::Restore) {
        scene.reset(stage);
        let mut watch = Watch::new(scene.world.home());
        let traced = trace(&scene.command(stage), &scene.output(), &mut watch);
        assert_eq!(traced.code, Some(0), "{:?}: {}", stage.step, traced.output);
        assert_eq!(watch.left(), Vec::<String>::new(), "after {:?}", stage.step);
    }
}
