//! What has the name of something that is restored is there until the new thing is.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::backup::Requested;
use crate::fixture::noise;
use crate::ground::{Ground, as_recorded, look, paths, read, write};
use crate::restore::{Extent, Extra, RestoreOptions, RestoreRun, restore};
use crate::{Cancel, Error, Outlook, Phase, Progress};

/// Asks the run to stop when the first bytes are written.
struct StopEarly<'a>(&'a Cancel);

impl Progress for StopEarly<'_> {
    fn phase(&self, _: Phase) {}
    fn expect(&self, _: u64, _: u64) {}
    fn outlook(&self, _: Outlook) {}
    fn item(&self, _: &dyn Fn() -> String) {}
    fn advance(&self, _: u64, bytes: u64) {
        if bytes > 0 {
            self.0.request();
        }
    }
    fn deduplicated(&self, _: u64) {}
    fn warn(&self, _: &str, _: &str) {}
}

fn deleting() -> RestoreOptions {
    RestoreOptions { extra: Extra::Delete, ..as_recorded() }
}

#[test]
fn a_restore_that_is_stopped_leaves_the_file_that_it_was_about_to_replace() {
    let (ground, _) = Ground::in_memory();
    ground.write("file", &noise(1, 40 << 20));
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    let target = ground.path("target");
    // Its other name makes it a file that is replaced and not written in place.
    write(&target.join("file"), b"the old content");
    fs::hard_link(target.join("file"), ground.path("other name")).unwrap();
    let cancel = Cancel::default();
    let stopped = restore(&RestoreRun {
        repository: &ground.repository,
        entry: &entry,
        path: None,
        target: &target,
        options: &as_recorded(),
        planned: &|_| {},
        progress: &StopEarly(&cancel),
        cancel: &cancel,
    });
    assert!(matches!(stopped, Err(Error::Cancelled)), "{stopped:?}");
    assert_eq!(read(&target.join("file")), b"the old content");
    assert_eq!(look(&target).len(), 1, "a temporary file is left");
    ground.restore_with(&entry, &target, &as_recorded());
    assert_eq!(look(&target), look(&ground.source()));
}

#[test]
fn a_directory_makes_way_when_it_is_empty_or_what_is_extra_is_deleted() {
    let (ground, _) = Ground::in_memory();
    ground.write("file", b"file");
    ground.write("first", b"two names");
    fs::hard_link(ground.source().join("first"), ground.source().join("second")).unwrap();
    std::os::unix::fs::symlink("file", ground.source().join("link")).unwrap();
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    let names = ["file", "first", "link", "second"];
    for (options, inner) in [(as_recorded(), ""), (deleting(), ""), (deleting(), "/deep/er")] {
        let target = ground.path("target");
        for name in names {
            fs::create_dir_all(target.join(format!("{name}{inner}"))).unwrap();
        }
        let report = ground.restore_with(&entry, &target, &options);
        assert_eq!(report.warnings, []);
        assert_eq!(look(&target), look(&ground.source()));
        fs::remove_dir_all(target).unwrap();
    }
    let target = ground.path("target");
    for name in names {
        write(&target.join(name).join("precious"), b"precious");
    }
    let report = ground.restore_with(&entry, &target, &as_recorded());
    assert_eq!(paths(&report.warnings), names);
    assert_eq!((report.skipped, look(&target).len()), (4, 8));
}

#[test]
fn a_dry_run_tells_which_directories_make_way() {
    let (ground, _) = Ground::in_memory();
    ground.write("file", b"file");
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    let target = ground.path("target");
    write(&target.join("file/precious"), b"precious");
    for (extra, warned) in [(Extra::Keep, 1), (Extra::Delete, 0)] {
        let planned = RestoreOptions { extra, extent: Extent::Plan, ..as_recorded() };
        assert_eq!(ground.restore_with(&entry, &target, &planned).warning_count, warned, "{extra:?}");
        assert!(target.join("file/precious").exists());
    }
}

#[test]
fn a_further_name_replaces_what_has_it() {
    let (ground, _) = Ground::in_memory();
    ground.write("first", b"two names");
    fs::hard_link(ground.source().join("first"), ground.source().join("second")).unwrap();
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    let target = ground.path("target");
    write(&target.join("second"), b"something else");
    let report = ground.restore_with(&entry, &target, &as_recorded());
    assert_eq!(report.warnings, []);
    assert_eq!(look(&target), look(&ground.source()));
}

#[test]
fn a_program_that_runs_is_replaced_and_runs_on() {
    let program = ["/bin/sleep", "/usr/bin/sleep"].into_iter().map(Path::new).find(|path| path.exists()).unwrap();
    let (ground, _) = Ground::in_memory();
    // Longer than one piece.
    ground.write("program", &noise(1, 5 << 20));
    let entry = ground.back_up(Requested::Full).entry.unwrap();
    let target = ground.path("target");
    fs::create_dir(&target).unwrap();
    fs::copy(program, target.join("program")).unwrap();
    let mut running = Command::new(target.join("program")).arg("1000").spawn().unwrap();
    let report = ground.restore_with(&entry, &target, &as_recorded());
    let still_runs = running.try_wait().unwrap().is_none();
    running.kill().unwrap();
    running.wait().unwrap();
    assert!(still_runs);
    assert_eq!(report.warnings, []);
    assert_eq!(look(&target), look(&ground.source()));
}
